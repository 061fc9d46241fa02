"""Quantile calibration error: how far transformed values are from uniform ones.

Notation: PIT is the stated probability of values up to the observed one.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from skuq._core._accumulator import Accumulator, summed
from skuq._core._arrays import (
    Array,
    array_namespace,
    as_array,
    bincount,
    to_numpy,
    to_real_floating,
)
from skuq._core._checks import check_option
from skuq.exceptions import InputError
from skuq.metrics._pit import forecast_of
from skuq.metrics._regression_inputs import beside
from skuq.metrics._streaming import streams_with

KINDS = ("quantile", "interval")
NORMS = ("l1", "l2", "max")
DEFAULT_LEVELS = 99
ROUNDING = 1e-12  # of twice a PIT less one, so that ends of intervals are closed


@dataclass(frozen=True)
class LevelSums(Accumulator):
    """The weight of the values within each level.

    Parameters
    ----------
    kind : {"quantile", "interval"}
        What lies within a level q: a PIT up to q, or one in the central interval of q.
    levels : tuple of float
        In [0, 1], rising.
    within : ndarray of shape (n_levels,)
        Sums of w.
    weight : float
        Sum of all w.
    """

    kind: str
    levels: tuple[float, ...]
    within: np.ndarray = summed()
    weight: float = summed()

    @property
    def shares(self) -> np.ndarray:
        """The share within each level."""
        return self.within / self.weight


def level_sums(
    y_true: Any,
    y_pred: Any = None,
    y_std: Any = None,
    *,
    members: Any = None,
    y_quantiles: Any = None,
    quantile_levels: Any = None,
    levels: str = "quantile",
    n_levels: int | None = None,
    levels_at: Any = None,
    sample_weight: Any = None,
) -> LevelSums:
    """The mergeable statistic behind `quantile_calibration_error`."""
    check_option("levels", levels, KINDS)
    table, transform = forecast_of(
        y_true,
        y_pred,
        y_std,
        members=members,
        y_quantiles=y_quantiles,
        quantile_levels=quantile_levels,
        sample_weight=sample_weight,
    )
    at = resolve_levels(levels, n_levels, levels_at, quantile_levels)

    def counts(weight: Array | None, *data: Array) -> np.ndarray:
        pit = transform(*data)
        xp = array_namespace(pit)
        if levels == "interval":
            pit = xp.abs(2 * pit - 1) - ROUNDING
        first = xp.searchsorted(beside(at, pit), pit, side="left")
        first = xp.astype(first, xp.int64)
        return bincount(first, weight, len(at) + 1)  # by the first level it is within

    sums = np.cumsum(reduce(np.add, table.map(counts)))
    return LevelSums(levels, tuple(at.tolist()), sums[:-1], float(sums[-1]))


def resolve_levels(
    kind: str, n_levels: int | None, levels_at: Any, quantile_levels: Any
) -> np.ndarray:
    """The levels to compare at, rising."""
    if levels_at is not None and n_levels is not None:
        raise InputError("n_levels and levels_at exclude each other: pass one of them.")
    if levels_at is not None:
        return _checked(levels_at)
    if n_levels is None and quantile_levels is not None:
        return _stated_levels(kind, to_numpy(as_array(quantile_levels)))
    n = DEFAULT_LEVELS if n_levels is None else n_levels
    if not (isinstance(n, (int, np.integer)) and n >= 1):
        raise InputError(f"n_levels must be an int of at least 1, got {n!r}.")
    return np.arange(1, n + 1) / (n + 1)


def _stated_levels(kind: str, quantile_levels: np.ndarray) -> np.ndarray:
    stated = np.atleast_1d(quantile_levels).astype(np.float64)
    if kind == "quantile":
        return stated
    if stated[0] >= 0.5:
        raise InputError(
            "levels='interval' needs quantile_levels below 0.5, where intervals "
            f"begin, got none below {stated[0]:g}: use levels='quantile'."
        )
    return _checked(1 - 2 * stated[stated < 0.5])


def _checked(levels_at: Any) -> np.ndarray:
    x = to_numpy(to_real_floating(as_array(levels_at), "levels_at"))
    x = np.unique(x.astype(np.float64))
    if x.size == 0 or not (x[0] >= 0 and x[-1] <= 1):
        raise InputError(
            f"levels_at must be fractions in [0, 1], got {levels_at!r}: pass for "
            "example [0.5, 0.9]."
        )
    return x


def error_of_shares(state: LevelSums, *, norm: str = "l1") -> float:
    """The quantile calibration error that a statistic holds."""
    return _norm(state.shares - state.levels, norm)


def deviation_of_shares(
    state: LevelSums, origin: LevelSums, *, norm: str = "l1"
) -> float:
    """The norm of the difference of the shares of two states."""
    return _norm(state.shares - origin.shares, norm)


def _norm(gap: np.ndarray, norm: str) -> float:
    check_option("norm", norm, NORMS)
    if norm == "l2":
        return float(np.sqrt(np.mean(gap**2)))
    return float(np.mean(np.abs(gap)) if norm == "l1" else np.max(np.abs(gap)))


@streams_with(
    level_sums,
    error_of_shares,
    deviation_of_shares,
    upper=1.0,
    aligned=("members", "y_quantiles"),
)
def quantile_calibration_error(
    y_true: Any,
    y_pred: Any = None,
    y_std: Any = None,
    *,
    members: Any = None,
    y_quantiles: Any = None,
    quantile_levels: Any = None,
    levels: str = "quantile",
    n_levels: int | None = None,
    levels_at: Any = None,
    norm: str = "l1",
    sample_weight: Any = None,
) -> float:
    """Marginal calibration error of distributions; lower is better, 0 is calibrated.

    Values should fall below the quantile of level 0.9 in 90 % of the cases.  This is
    the distance between such shares and their levels.  It is not a proper score: the
    distribution of all observed values, stated for every sample, has an error of 0, so
    read it beside `crps_gaussian` or `sharpness`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_pred : array-like of the shape of `y_true`, default=None
        Predicted means, in the unit of `y_true`; with `y_std`.
    y_std : array-like of the shape of `y_true`, default=None
        Predicted standard deviations, greater than 0.
    members : array-like of shape (n_members, n_samples, *output), default=None
        Predictions of the members of an ensemble, in place of `y_pred` and `y_std`.
    y_quantiles : array-like of shape (n_samples, n_levels, *output), default=None
        Predicted quantiles, which must not cross, in place of `y_pred` and `y_std`.
    quantile_levels : array-like of shape (n_levels,), default=None
        The level of each of `y_quantiles`, in (0, 1), rising.
    levels : {"quantile", "interval"}, default="quantile"
        Compare the share below the quantile of a level, or the share in the central
        interval that holds it.  "interval" is blind to the sign of errors, so that a
        bias may hide behind spreads that are too large.
    n_levels : int, default=None
        Compare at the levels ``k / (n_levels + 1)``; None takes 99 of them, or with
        `y_quantiles` the levels that are stated: with ``levels="interval"`` those of
        the intervals from each q below 0.5 to 1 - q.
    levels_at : array-like of shape (n,), default=None
        The levels in [0, 1] to compare at, each once, in place of `n_levels`.
    norm : {"l1", "l2", "max"}, default="l1"
        Mean of the gaps over the levels, root of the mean of their squares, or the
        largest gap.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    error : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For more than one kind of forecast or none, standard deviations that are not
        positive, quantiles that cross, levels outside [0, 1], shapes that do not match,
        NaN, infinities, or no samples.

    See Also
    --------
    probability_integral_transform : The values whose distribution is compared.
    expected_normalized_calibration_error : Whether large errors are expected where
        they occur.

    Notes
    -----
    The norm over levels q of ``|share(PIT <= q) - q|`` [1]_, or of
    ``|share(|2 PIT - 1| <= q) - q|`` [2]_, where PIT is that of
    `probability_integral_transform`.  The mean absolute calibration error of
    uncertainty-toolbox is ``levels="interval"`` at ``levels_at=linspace(0, 1, 100)``,
    and its root mean squared one has ``norm="l2"``; its "quantile" reading mirrors the
    observed values, which tells in curves but not in a norm over an even grid.  The
    M-QCE of netcal is ``levels="interval"``.

    The error of n values from a calibrated model is not 0 but about
    ``0.31 / sqrt(n)`` (quantile, l1).  With M calibrated members the share within q
    is ``(floor(q M) + 1) / (M + 1)``, which is q only at the multiples of
    ``1 / (M + 1)``: pass ``n_levels=M``.  Streams exactly.

    References
    ----------
    .. [1] V. Kuleshov, N. Fenner and S. Ermon (2018). "Accurate uncertainties for deep
       learning using calibrated regression". ICML. `arXiv:1807.00263
       <https://arxiv.org/abs/1807.00263>`_
    .. [2] F. Kueppers, J. Schneider and A. Haselhoff (2022). "Parametric and
       multivariate uncertainty calibration for regression and object detection". ECCV
       Workshops. `arXiv:2207.01242 <https://arxiv.org/abs/2207.01242>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.metrics import quantile_calibration_error
    >>> rng = np.random.default_rng(0)
    >>> y, std = rng.normal(size=10_000), np.ones(10_000)
    >>> bool(quantile_calibration_error(y, np.zeros(10_000), std) < 0.01)
    True
    >>> round(quantile_calibration_error(y, np.full(10_000, 0.5), std), 2)
    0.14
    """
    return error_of_shares(
        level_sums(
            y_true,
            y_pred,
            y_std,
            members=members,
            y_quantiles=y_quantiles,
            quantile_levels=quantile_levels,
            levels=levels,
            n_levels=n_levels,
            levels_at=levels_at,
            sample_weight=sample_weight,
        ),
        norm=norm,
    )
