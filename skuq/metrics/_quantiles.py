"""Pinball loss of stated quantiles."""

from math import isfinite
from typing import Any

import numpy as np
from scipy.linalg.blas import dasum

from skuq._core._accumulator import MeanSum
from skuq._core._arrays import Array, array_namespace, is_numpy_array
from skuq._core._threads import Scratch
from skuq.exceptions import InputError
from skuq.metrics._proper import mean_of_state
from skuq.metrics._regression_inputs import (
    ROW_AXIS,
    SampleTable,
    beside,
    check_finite,
    check_levels,
    sample_table,
)
from skuq.metrics._streaming import streams_with

CACHED = 2**16  # values that are read with long strides at a time
WINDOW = 2**21  # values for a thread, which works on them piece by piece


def quantile_table(
    sample_weight: Any, y_true: Any, y_quantiles: Any, levels: Any
) -> SampleTable:
    """Observed values and quantiles, one for each of the checked `levels`."""
    row_axis = ROW_AXIS if levels.ndim else {}
    table = sample_table(
        sample_weight, row_axis, y_true=y_true, y_quantiles=y_quantiles
    )
    n_levels = table.columns["y_quantiles"].n_columns
    if n_levels != levels.size:
        raise InputError(
            f"quantile_levels has {levels.size} levels and y_quantiles has {n_levels} "
            "on axis 1: pass one level for each."
        )
    return table


def pinball_sum(
    y_true: Any, y_quantiles: Any, *, quantile_levels: Any, sample_weight: Any = None
) -> MeanSum:
    """The mergeable statistic behind `pinball_loss`."""
    levels = check_levels(quantile_levels, "quantile_levels")
    table = quantile_table(sample_weight, y_true, y_quantiles, levels)
    # max(q e, (q - 1) e) is (q - 1/2) e + |e| / 2.
    tilt = (levels.reshape(-1) - 0.5) / levels.size

    scratch = Scratch()

    def sums(weight: Array | None, y: Array, quantiles: Array) -> tuple[float, float]:
        xp = array_namespace(quantiles)
        quantiles = quantiles[None, :] if quantiles.ndim == 1 else quantiles
        if is_numpy_array(quantiles):
            tilted, absolute = _sums(y, quantiles, weight, tilt, scratch)
        else:
            error = y - quantiles
            share = xp.ones_like(y) if weight is None else weight
            tilted = beside(tilt, error) @ (error @ share)
            absolute = xp.sum(xp.abs(error) @ share)
        total = float(tilted + absolute / (2 * levels.size))
        if not isfinite(total):
            check_finite(y, "y_true")
            check_finite(quantiles, "y_quantiles")
        return total, float(y.shape[0] if weight is None else xp.sum(weight))

    return MeanSum.of(table.map(sums, checked=False, threads=True, size=WINDOW))


def _sums(
    y: np.ndarray,
    quantiles: np.ndarray,
    weight: np.ndarray | None,
    tilt: np.ndarray,
    scratch: Scratch,
) -> tuple[float, float]:
    """Sums of tilted and of absolute errors."""
    n_levels, n = quantiles.shape
    step = min(n, max(1, CACHED // n_levels))
    tilted, absolute = 0.0, 0.0
    with scratch.rows(n_levels, step) as space, np.errstate(invalid="ignore"):
        for i in range(0, n, step):
            cut = slice(i, min(i + step, n))
            error = space.reshape(-1)[: n_levels * (cut.stop - i)]
            rows = error.reshape(n_levels, -1)
            np.subtract(y[cut], quantiles[:, cut], out=rows)
            if weight is None:
                tilted += tilt @ rows.sum(axis=1)
                absolute += dasum(error)
            else:
                tilted += tilt @ (rows @ weight[cut])
                np.abs(rows, out=rows)
                absolute += (rows @ weight[cut]).sum()
    return tilted, absolute


@streams_with(pinball_sum, mean_of_state)
def pinball_loss(
    y_true: Any, y_quantiles: Any, *, quantile_levels: Any, sample_weight: Any = None
) -> float:
    """Mean pinball loss of stated quantiles; lower is better, 0 is perfect.

    The score that the quantile of a level minimises: values above the quantile of
    level 0.9 cost nine times as much as values as far below.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_quantiles : array-like of shape (n_samples, n_levels, *output) or of `y_true`
        Predicted quantiles, in the unit of `y_true`; of the shape of `y_true` where
        `quantile_levels` is one number.  numpy array or torch tensor.
    quantile_levels : float or array-like of shape (n_levels,)
        The level of each, in (0, 1), in any order.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    loss : float
        At least 0, in the unit of `y_true`.

    Raises
    ------
    skuq.exceptions.InputError
        For shapes that do not match, levels outside (0, 1), NaN, infinities, or no
        samples.

    See Also
    --------
    crps_quantile : The same for a dense grid, as a CRPS.
    interval_score_loss : The same for the two ends of an interval.

    Notes
    -----
    ``max(q (y - x_q), (q - 1) (y - x_q))`` [1]_, averaged over levels and samples.  The
    median has half the absolute error.  Quantiles may cross.  Streams exactly.

    References
    ----------
    .. [1] R. Koenker and G. Bassett (1978). "Regression quantiles". Econometrica 46(1).
       `doi:10.2307/1913643 <https://doi.org/10.2307/1913643>`_

    Examples
    --------
    >>> from skuq.metrics import pinball_loss
    >>> round(pinball_loss([1.0, 2.0], [2.0, 1.0], quantile_levels=0.9), 4)
    0.5
    >>> quantiles = [[0.0, 2.0], [1.0, 3.0]]
    >>> round(pinball_loss([1.0, 2.0], quantiles, quantile_levels=[0.1, 0.9]), 4)
    0.1
    """
    return pinball_sum(
        y_true,
        y_quantiles,
        quantile_levels=quantile_levels,
        sample_weight=sample_weight,
    ).mean
