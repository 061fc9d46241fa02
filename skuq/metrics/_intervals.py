"""Prediction intervals: Winkler's proper loss, coverage and width."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from skuq._core._accumulator import MeanSum
from skuq._core._arrays import Array, array_namespace, weighted_sum
from skuq.exceptions import InputError
from skuq.metrics._proper import mean_of_state
from skuq.metrics._regression_inputs import check_finite, sample_table
from skuq.metrics._streaming import streams_with

# The loss of a block, from observed values, both ends and the widths.
Loss = Callable[[Array, Array, Array, Array], Array]


def sum_over(
    loss: Loss, sample_weight: Any, y_true: Any, y_lower: Any, y_upper: Any
) -> MeanSum:
    """The weighted sum of a loss of intervals, none of which ends before it begins."""
    table = sample_table(sample_weight, y_true=y_true, y_lower=y_lower, y_upper=y_upper)

    def sums(
        weight: Array | None, y: Array, lower: Array, upper: Array
    ) -> tuple[float, float]:
        xp = array_namespace(y)
        with np.errstate(invalid="ignore", over="ignore"):
            widths = upper - lower
            least = float(xp.min(widths))
            total = float(xp.sum(y) + xp.sum(widths))
        if least < 0 or not isfinite(total):  # fewer passes than to look at each value
            for name, values in zip(table.columns, (y, lower, upper), strict=True):
                check_finite(values, name)
        if least < 0:
            raise InputError(
                f"y_lower exceeds y_upper by up to {-least:g}: pass the lower end "
                "first, and sort ends that cross."
            )
        return weighted_sum(loss(y, lower, upper, widths), weight)

    return MeanSum.of(table.map(sums, checked=False))


def interval_score_sum(
    y_true: Any,
    y_lower: Any,
    y_upper: Any,
    *,
    alpha: float = 0.1,
    sample_weight: Any = None,
) -> MeanSum:
    """The mergeable statistic behind `interval_score_loss`."""
    if not 0 < alpha < 1:
        raise InputError(
            f"alpha must lie in (0, 1), got {alpha!r}: it is the share of values that "
            "may miss, 0.1 for intervals of 90 %."
        )

    def loss(y: Array, lower: Array, upper: Array, widths: Array) -> Array:
        xp = array_namespace(y)
        values = xp.maximum(lower - y, y - upper)
        values = xp.maximum(values, 0.0)
        values *= 2 / alpha
        values += widths
        return values

    return sum_over(loss, sample_weight, y_true, y_lower, y_upper)


@streams_with(interval_score_sum, mean_of_state)
def interval_score_loss(
    y_true: Any,
    y_lower: Any,
    y_upper: Any,
    *,
    alpha: float = 0.1,
    sample_weight: Any = None,
) -> float:
    """Mean interval score of Winkler; lower is better, 0 is a perfect point.

    The proper score of a central interval: its width, and a fine for what lies
    outside in proportion to the distance.  It weighs coverage against width, which
    `interval_coverage_score` and `interval_width_loss` only show one by one.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_lower : array-like of the shape of `y_true`
        Lower ends, in the unit of `y_true`.  numpy array or torch tensor.
    y_upper : array-like of the shape of `y_true`
        Upper ends, not below the lower ones.
    alpha : float in (0, 1), default=0.1
        The nominal share of values that miss: 0.1 for intervals of 90 %.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    loss : float
        At least 0, in the unit of `y_true`.

    Raises
    ------
    skuq.exceptions.InputError
        For a lower end above the upper one, `alpha` outside (0, 1), shapes that do not
        match, NaN, infinities, or no samples.

    See Also
    --------
    interval_coverage_score : The share of values inside.
    interval_width_loss : The mean width.
    pinball_loss : The proper score of single quantiles.

    Notes
    -----
    ``u - l + (2 / alpha) (max(l - y, 0) + max(y - u, 0))`` [1]_ [2]_.  The
    quantiles alpha / 2 and 1 - alpha / 2 minimise it; it is 2 / alpha times the sum of
    their pinball losses.  Streams exactly.

    References
    ----------
    .. [1] R. L. Winkler (1972). "A decision-theoretic approach to interval estimation".
       Journal of the American Statistical Association 67(337).
       `doi:10.1080/01621459.1972.10481224
       <https://doi.org/10.1080/01621459.1972.10481224>`_
    .. [2] T. Gneiting and A. E. Raftery (2007). "Strictly proper scoring rules,
       prediction, and estimation", section 6.2. Journal of the American Statistical
       Association 102(477). `doi:10.1198/016214506000001437
       <https://doi.org/10.1198/016214506000001437>`_

    Examples
    --------
    >>> from skuq.metrics import interval_score_loss
    >>> interval_score_loss([1.0, 2.5], [0.0, 1.0], [2.0, 2.0], alpha=0.5)
    2.5
    """
    return interval_score_sum(
        y_true, y_lower, y_upper, alpha=alpha, sample_weight=sample_weight
    ).mean


def coverage_sum(
    y_true: Any, y_lower: Any, y_upper: Any, *, sample_weight: Any = None
) -> MeanSum:
    """The mergeable statistic behind `interval_coverage_score`."""

    def inside(y: Array, lower: Array, upper: Array, widths: Array) -> Array:
        covered = lower <= y
        covered &= y <= upper
        return covered

    return sum_over(inside, sample_weight, y_true, y_lower, y_upper)


@streams_with(coverage_sum, mean_of_state, upper=1.0)
def interval_coverage_score(
    y_true: Any, y_lower: Any, y_upper: Any, *, sample_weight: Any = None
) -> float:
    """Share of values inside their intervals; best is the nominal level, not 1.

    Also called prediction interval coverage probability (PICP).  Higher means that
    more is covered, which wider intervals always do: compare it with the level that
    the intervals claim, and read it beside `interval_width_loss`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_lower : array-like of the shape of `y_true`
        Lower ends, in the unit of `y_true`.  numpy array or torch tensor.
    y_upper : array-like of the shape of `y_true`
        Upper ends, not below the lower ones.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    score : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For a lower end above the upper one, shapes that do not match, NaN, infinities,
        or no samples.

    See Also
    --------
    interval_score_loss : A proper score, to compare intervals with.
    quantile_calibration_error : The coverage of intervals of all levels.

    Notes
    -----
    The mean of ``[l <= y <= u]`` [1]_: both ends belong to the interval.  Of n
    independent values, the share that intervals of level p cover has a standard error
    of ``sqrt(p (1 - p) / n)``.  Streams exactly.

    References
    ----------
    .. [1] A. Khosravi, S. Nahavandi, D. Creighton and A. F. Atiya (2011).
       "Comprehensive review of neural network-based prediction intervals and new
       advances". IEEE Transactions on Neural Networks 22(9).
       `doi:10.1109/TNN.2011.2162110 <https://doi.org/10.1109/TNN.2011.2162110>`_

    Examples
    --------
    >>> from skuq.metrics import interval_coverage_score
    >>> interval_coverage_score([1.0, 2.5], [0.0, 1.0], [1.0, 2.0])
    0.5
    """
    return coverage_sum(y_true, y_lower, y_upper, sample_weight=sample_weight).mean


def interval_width_sum(
    y_true: Any, y_lower: Any, y_upper: Any, *, sample_weight: Any = None
) -> MeanSum:
    """The mergeable statistic behind `interval_width_loss`."""

    def loss(y: Array, lower: Array, upper: Array, widths: Array) -> Array:
        return widths

    return sum_over(loss, sample_weight, y_true, y_lower, y_upper)


@streams_with(interval_width_sum, mean_of_state)
def interval_width_loss(
    y_true: Any, y_lower: Any, y_upper: Any, *, sample_weight: Any = None
) -> float:
    """Mean width of intervals; lower is sharper, at equal coverage.

    Also called mean prediction interval width (MPIW).  It says nothing of honesty:
    read it beside `interval_coverage_score`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.  Their shape is checked and their values do not count: all
        metrics of intervals are called in one way.
    y_lower : array-like of the shape of `y_true`
        Lower ends, in the unit of `y_true`.  numpy array or torch tensor.
    y_upper : array-like of the shape of `y_true`
        Upper ends, not below the lower ones.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    loss : float
        At least 0, in the unit of `y_true`.

    Raises
    ------
    skuq.exceptions.InputError
        For a lower end above the upper one, shapes that do not match, NaN, infinities,
        or no samples.

    See Also
    --------
    interval_score_loss : A proper score that weighs width against coverage.
    sharpness : The same for standard deviations.

    Notes
    -----
    The mean of ``u - l`` [1]_.  Streams exactly.

    References
    ----------
    .. [1] A. Khosravi, S. Nahavandi, D. Creighton and A. F. Atiya (2011).
       "Comprehensive review of neural network-based prediction intervals and new
       advances". IEEE Transactions on Neural Networks 22(9).
       `doi:10.1109/TNN.2011.2162110 <https://doi.org/10.1109/TNN.2011.2162110>`_

    Examples
    --------
    >>> from skuq.metrics import interval_width_loss
    >>> interval_width_loss([1.0, 2.5], [0.0, 1.0], [1.0, 4.0])
    2.0
    """
    return interval_width_sum(
        y_true, y_lower, y_upper, sample_weight=sample_weight
    ).mean
