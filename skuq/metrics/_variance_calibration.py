"""Do stated variances match squared errors?  ENCE and UCE.

Notation: bin b holds weight w_b of the total N; MSE_b is its mean squared error, MV_b
its mean stated variance, RMSE_b and RMV_b their roots.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from skuq._core._accumulator import Accumulator, collected
from skuq._core._arrays import Array, to_numpy
from skuq._core._binning import gather
from skuq._core._checks import check_option
from skuq._core._quantile_edges import quantile_edges
from skuq.exceptions import InputError
from skuq.metrics._regression_inputs import check_std, sample_table
from skuq.metrics._streaming import streams_with

STRATEGIES = ("quantile", "uniform")
CHUNK = 2**14  # samples at a time
FEW_EDGES = 40


@dataclass(frozen=True)
class CollectedErrors(Accumulator):
    """Spreads and errors of all samples, for bins that depend on all of them.

    Parameters
    ----------
    std, squared_error : ndarray of shape (n_samples,)
        Stated standard deviations and what came true.
    weight : ndarray of shape (n_samples,) or None
        Weights, greater than 0; None if all are one.
    """

    std: np.ndarray = collected()
    squared_error: np.ndarray = collected()
    weight: np.ndarray | None = collected()


def squared_errors(
    y_true: Any, y_pred: Any, y_std: Any, *, sample_weight: Any = None
) -> CollectedErrors:
    """The mergeable statistic behind both calibration errors of variances."""
    table = sample_table(sample_weight, y_true=y_true, y_pred=y_pred, y_std=y_std)

    def part(
        weight: Array | None, y: Array, mean: Array, std: Array
    ) -> tuple[np.ndarray, ...]:
        check_std(std, positive=False)
        found = [std, (y - mean) ** 2, *([] if weight is None else [weight])]
        return tuple(to_numpy(x).astype(np.float64, copy=False) for x in found)

    n_values = next(iter(table.columns.values())).n_scores
    std, error, *weights = gather(table.map(part), n_values)
    if not weights:
        return CollectedErrors(std, error, None)
    some = weights[0] > 0  # the rest must not stretch the range of the bins
    return CollectedErrors(std[some], error[some], weights[0][some])


class VarianceBins(NamedTuple):
    """Weight, mean variance and mean squared error of each bin, 0 where it is empty."""

    weight: np.ndarray
    variance: np.ndarray
    squared_error: np.ndarray


def inner_edges(
    state: CollectedErrors, n_bins: int, strategy: str, power: int = 1
) -> np.ndarray:
    """The edges between bins of the standard deviation, or of its square."""
    check_option("strategy", strategy, STRATEGIES)
    if not (isinstance(n_bins, (int, np.integer)) and n_bins >= 1):
        raise InputError(f"n_bins must be an int of at least 1, got {n_bins!r}.")
    if strategy == "quantile":
        return quantile_edges(state.std, state.weight, int(n_bins))[1:-1] ** power
    low, high = state.std.min() ** power, state.std.max() ** power
    return np.linspace(low, high, n_bins + 1)[1:-1]


def bins_of(state: CollectedErrors, edges: np.ndarray, power: int = 1) -> VarianceBins:
    """Bins (lo, hi] of the standard deviation to a power, summed piece by piece."""
    n_bins = len(edges) + 1
    sums = np.zeros((3, n_bins))
    for start in range(0, len(state.std), CHUNK):
        part = slice(start, start + CHUNK)
        std, error = state.std[part], state.squared_error[part]
        weight = np.ones(len(std)) if state.weight is None else state.weight[part]
        index = _index(std**power, edges)
        terms = (weight, weight * std**2, weight * error)
        sums += [np.bincount(index, term, n_bins) for term in terms]
    some = np.where(sums[0] > 0, sums[0], 1)
    return VarianceBins(sums[0], sums[1] / some, sums[2] / some)


def _index(score: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The number of edges below each score; few are counted faster than searched."""
    if len(edges) > FEW_EDGES:
        return np.searchsorted(edges, score, side="left")
    index = np.zeros(len(score), dtype=np.int8)
    for edge in edges:
        index += score > edge
    return index.astype(np.intp)


def relative_gaps(bins: VarianceBins) -> np.ndarray:
    """By what share of the spread errors exceed it, 0 in empty bins."""
    some = bins.weight > 0
    ratio = bins.squared_error / np.where(some, bins.variance, 1)
    return np.where(some, np.sqrt(ratio) - 1, 0.0)


def normalized_error_of_state(
    state: CollectedErrors, *, n_bins: int = 15, strategy: str = "quantile"
) -> float:
    """The ENCE that a statistic holds."""
    check_std(state.std)
    bins = bins_of(state, inner_edges(state, n_bins, strategy))
    return float(np.mean(np.abs(relative_gaps(bins))[bins.weight > 0]))


def normalized_deviation(
    state: CollectedErrors,
    origin: CollectedErrors,
    *,
    n_bins: int = 15,
    strategy: str = "quantile",
) -> float:
    """The mean distance of relative gaps, in the bins of `origin` that both fill."""
    edges = inner_edges(origin, n_bins, strategy)
    here, there = (bins_of(x, edges) for x in (state, origin))
    both = (here.weight > 0) & (there.weight > 0)
    return float(np.mean(np.abs(relative_gaps(here) - relative_gaps(there))[both]))


@streams_with(squared_errors, normalized_error_of_state, normalized_deviation)
def expected_normalized_calibration_error(
    y_true: Any,
    y_pred: Any,
    y_std: Any,
    *,
    n_bins: int = 15,
    strategy: str = "quantile",
    sample_weight: Any = None,
) -> float:
    """Expected normalized calibration error (ENCE); lower is better, 0 is calibrated.

    Whether errors are as large as stated, where little is stated and where much is: a
    relative gap between the root mean squared error and the root mean variance, over
    bins of the standard deviation.  It has no unit.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_pred : array-like of the shape of `y_true`
        Predicted means, in the unit of `y_true`.  numpy array or torch tensor.
    y_std : array-like of the shape of `y_true`
        Predicted standard deviations, greater than 0, in the unit of `y_true`.
    n_bins : int, default=15
        Number of bins.
    strategy : {"quantile", "uniform"}, default="quantile"
        Bins of equal weight [1]_, or of equal width from the least to the largest
        standard deviation, as netcal has them.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    error : float
        At least 0; 0.1 means that errors and spreads differ by 10 % of the spread.

    Raises
    ------
    skuq.exceptions.InputError
        For standard deviations that are not positive, shapes that do not match, NaN,
        infinities, or no samples.

    See Also
    --------
    quantile_calibration_error : Whether the whole distribution is right on average.
    uncertainty_calibration_error : The same in squared units.

    Notes
    -----
    The mean of ``|RMV_b - RMSE_b| / RMV_b`` over the bins that hold something [1]_.
    Bins are (lo, hi], so that equal standard deviations are never parted; ties may
    leave bins empty.  Keeps all samples.

    Errors of few samples are noisy, and noise counts as error: the ENCE of a model with
    calibrated normal distributions is not 0 but grows as ``sqrt(n_bins / n)``, of which
    it is about 0.56.  Compare models at equal n and `n_bins` only.

    References
    ----------
    .. [1] D. Levi, L. Gispan, N. Giladi and E. Fetaya (2022). "Evaluating and
       calibrating uncertainty prediction in regression tasks". Sensors 22(15).
       `arXiv:1905.11659 <https://arxiv.org/abs/1905.11659>`_

    Examples
    --------
    >>> from skuq.metrics import expected_normalized_calibration_error
    >>> y, pred, std = [1.0, 2.0, 3.0, 6.0], [0.0, 1.0, 1.0, 4.0], [1.0, 1.0, 4.0, 4.0]
    >>> expected_normalized_calibration_error(y, pred, std, n_bins=2)
    0.25
    """
    state = squared_errors(y_true, y_pred, y_std, sample_weight=sample_weight)
    return normalized_error_of_state(state, n_bins=n_bins, strategy=strategy)


def variance_error_of_state(
    state: CollectedErrors, *, n_bins: int = 15, strategy: str = "uniform"
) -> float:
    """The UCE that a statistic holds."""
    bins = bins_of(state, inner_edges(state, n_bins, strategy, power=2), power=2)
    gap = np.abs(bins.squared_error - bins.variance)
    return float(np.average(gap, weights=bins.weight))


def variance_deviation(
    state: CollectedErrors,
    origin: CollectedErrors,
    *,
    n_bins: int = 15,
    strategy: str = "uniform",
) -> float:
    """The mean distance of gaps, in the bins of `origin` that both fill."""
    edges = inner_edges(origin, n_bins, strategy, power=2)
    here, there = (bins_of(x, edges, power=2) for x in (state, origin))
    gaps = [bins.squared_error - bins.variance for bins in (here, there)]
    weight = np.where(here.weight > 0, there.weight, 0)
    return float(np.average(np.abs(gaps[0] - gaps[1]), weights=weight))


@streams_with(squared_errors, variance_error_of_state, variance_deviation)
def uncertainty_calibration_error(
    y_true: Any,
    y_pred: Any,
    y_std: Any,
    *,
    n_bins: int = 15,
    strategy: str = "uniform",
    sample_weight: Any = None,
) -> float:
    """Uncertainty calibration error (UCE) of variances; lower is better.

    The mean distance between squared errors and stated variances, over bins of the
    variance; 0 is calibrated.  Large variances dominate it, and it has the squared unit
    of the observed values: `expected_normalized_calibration_error` has none.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_pred : array-like of the shape of `y_true`
        Predicted means, in the unit of `y_true`.  numpy array or torch tensor.
    y_std : array-like of the shape of `y_true`
        Predicted standard deviations, not variances, at least 0.
    n_bins : int, default=15
        Number of bins.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width from the least to the largest variance [1]_, or of equal
        weight, which a few large variances cannot empty.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    error : float
        At least 0, in the squared unit of `y_true`.

    Raises
    ------
    skuq.exceptions.InputError
        For negative standard deviations, shapes that do not match, NaN, infinities, or
        no samples.

    See Also
    --------
    expected_normalized_calibration_error : The same without a unit.

    Notes
    -----
    ``sum_b w_b |MSE_b - MV_b| / N`` [1]_ over bins (lo, hi] of the variance.  Noise
    counts as error, the more so the more bins there are.  Keeps all samples.

    References
    ----------
    .. [1] M.-H. Laves, S. Ihler, J. F. Fast, L. A. Kahrs and T. Ortmaier (2020).
       "Well-calibrated regression uncertainty in medical imaging with deep learning".
       MIDL. `PMLR 121 <https://proceedings.mlr.press/v121/laves20a.html>`_

    Examples
    --------
    >>> from skuq.metrics import uncertainty_calibration_error
    >>> y, pred, std = [1.0, 2.0, 3.0, 6.0], [0.0, 1.0, 1.0, 4.0], [1.0, 1.0, 4.0, 4.0]
    >>> uncertainty_calibration_error(y, pred, std, n_bins=2)
    6.0
    """
    state = squared_errors(y_true, y_pred, y_std, sample_weight=sample_weight)
    return variance_error_of_state(state, n_bins=n_bins, strategy=strategy)
