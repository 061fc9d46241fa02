"""Sharpness: how much a model claims to know."""

from dataclasses import dataclass
from functools import reduce
from math import isfinite
from typing import Any

import numpy as np

from skuq._core._accumulator import Accumulator, summed
from skuq._core._arrays import Array, array_namespace
from skuq._core._checks import check_option
from skuq.metrics._regression_inputs import check_finite, check_std, sample_table
from skuq.metrics._streaming import streams_with

AVERAGES = ("rms", "mean")
CHUNK = 2**13


@dataclass(frozen=True)
class SpreadSums(Accumulator):
    """Sums of w * std, of w * std squared and of w."""

    std: float = summed()
    variance: float = summed()
    weight: float = summed()


def spread_sums(y_std: Any, *, sample_weight: Any = None) -> SpreadSums:
    """The mergeable statistic behind `sharpness`."""
    table = sample_table(sample_weight, y_std=y_std)

    def sums(weight: Array | None, std: Array) -> np.ndarray:
        xp = array_namespace(std)
        total = 0.0
        if not (xp.min(std) >= 0 and isfinite(total := float(xp.sum(std)))):
            check_finite(std, "y_std")
            check_std(std, positive=False)
        if weight is None:
            return np.array([total, _square_sum(std), std.shape[0]])
        weighted = weight * std
        parts = xp.sum(weighted), xp.sum(weighted * std), xp.sum(weight)
        return np.array([float(x) for x in parts])

    return SpreadSums(*reduce(np.add, table.map(sums, checked=False)).tolist())


def _square_sum(x: Array) -> float:
    """The sum of squares, by scalar products so short that BLAS starts no threads."""
    whole = x.shape[0] - x.shape[0] % CHUNK
    rest = x[whole:]
    xp = array_namespace(x)
    rows = xp.reshape(x[:whole], (-1, CHUNK))
    products = xp.matmul(rows[:, None, :], rows[:, :, None])
    return float(xp.sum(products) + xp.matmul(rest, rest))


def spread_of_state(state: SpreadSums, *, average: str = "rms") -> float:
    """The sharpness that a statistic holds."""
    check_option("average", average, AVERAGES)
    if average == "rms":
        return float(np.sqrt(state.variance / state.weight))
    return float(state.std / state.weight)


@streams_with(spread_sums, spread_of_state)
def sharpness(y_std: Any, *, sample_weight: Any = None, average: str = "rms") -> float:
    """Average of stated standard deviations; lower is sharper, at equal calibration.

    It says how much a model claims to know, not whether that is true: read it beside
    `quantile_calibration_error`, or use a proper score such as `crps_gaussian`.

    Parameters
    ----------
    y_std : array-like of shape (n_samples, *output)
        Predicted standard deviations, at least 0.  numpy array or torch tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_std`, default=None
        Weights, at least 0.
    average : {"rms", "mean"}, default="rms"
        Root of the mean variance, as in uncertainty-toolbox, or the plain mean.

    Returns
    -------
    spread : float
        At least 0, in the unit of `y_std`.

    Raises
    ------
    skuq.exceptions.InputError
        For negative standard deviations, NaN, infinities, or no samples.

    See Also
    --------
    interval_width_loss : The same for intervals.

    Notes
    -----
    ``sqrt(sum(w s^2) / sum(w))`` or ``sum(w s) / sum(w)`` [1]_.  Streams exactly.

    References
    ----------
    .. [1] T. Gneiting, F. Balabdaoui and A. E. Raftery (2007). "Probabilistic
       forecasts, calibration and sharpness". Journal of the Royal Statistical Society B
       69(2). `doi:10.1111/j.1467-9868.2007.00587.x
       <https://doi.org/10.1111/j.1467-9868.2007.00587.x>`_

    Examples
    --------
    >>> from skuq.metrics import sharpness
    >>> round(sharpness([3.0, 4.0]), 4)
    3.5355
    >>> sharpness([3.0, 4.0], average="mean")
    3.5
    """
    return spread_of_state(
        spread_sums(y_std, sample_weight=sample_weight), average=average
    )
