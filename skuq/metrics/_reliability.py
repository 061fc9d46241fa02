"""The curve of a reliability diagram."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skuq.metrics._binned import BinState, binned, binned_outcomes


@dataclass(frozen=True)
class ReliabilityCurve:
    """What was stated and what came true, bin by bin.

    All arrays are float64 of shape `(n_bins,)`, or `(n_classes, n_bins)` for classwise
    calibration; empty bins hold NaN, and weight 0.

    Parameters
    ----------
    mean_confidence : ndarray of shape (n_bins,)
        Mean stated probability, in [0, 1].
    accuracy : ndarray of shape (n_bins,)
        Share that came true, in [0, 1].
    weight : ndarray of shape (n_bins,)
        Sum of the sample weights.
    effective_count : ndarray of shape (n_bins,)
        (sum w)^2 / sum w^2: the number of samples where all weights are one.
    """

    mean_confidence: np.ndarray
    accuracy: np.ndarray
    weight: np.ndarray
    effective_count: np.ndarray


def reliability_curve(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str | None = None,
    n_bins: int | str | None = None,
    strategy: str | None = None,
    closed: str | None = None,
    convention: str = "guo2017",
    ignore_index: Any = None,
) -> ReliabilityCurve:
    """What was stated and what came true, bin by bin: a reliability diagram's data.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or of `y_true`
        Probabilities in [0, 1]; of the shape of `y_true`, those of the second of two
        classes.  numpy array or torch tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    labels : array-like of shape (n_classes,), default=None
        The label of each column; None takes the sorted labels of `y_true`, or column
        numbers if `y_true` misses a class.
    kind : {"top-label", "positive", "classwise", "predicted-class"}, default=None
        What is compared, as in `expected_calibration_error`.
    n_bins : int or "sweep", default=None
        Number of bins, by default 15; "sweep" as in `expected_calibration_error`.
    strategy : {"uniform", "quantile"}, default=None
        Bins of equal width over [0, 1] (default), or of equal weight.
    closed : {"right", "left", "left-overflow", "right-underflow"}, default=None
        Which edge belongs to a bin, as in `expected_calibration_error`.
    convention : str, default="guo2017"
        Whose definition, as in `expected_calibration_error`.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    curve : ReliabilityCurve
        `mean_confidence`, `accuracy`, `weight` and `effective_count` of each bin, NaN
        where a bin is empty.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    skuq.displays.ReliabilityDisplay : The picture.

    Notes
    -----
    ``sum(weight * |accuracy - mean_confidence|) / sum(weight)`` over the bins with
    weight is `expected_calibration_error`.

    Examples
    --------
    >>> from skuq.metrics import reliability_curve
    >>> curve = reliability_curve([0, 1, 1], [0.2, 0.7, 0.9], kind="positive", n_bins=2)
    >>> curve.mean_confidence, curve.accuracy, curve.weight
    (array([0.2, 0.8]), array([0., 1.]), array([1., 2.]))
    """
    state = binned_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        kind=kind,
        n_bins=n_bins,
        strategy=strategy,
        closed=closed,
        convention=convention,
        ignore_index=ignore_index,
    )
    return curve_of_state(state)


def curve_of_state(state: BinState) -> ReliabilityCurve:
    """The reliability curve that a statistic holds."""
    sums = binned(state)
    empty = np.full_like(sums.weight, np.nan)
    some = sums.weight > 0
    arrays = (
        np.divide(sums.score, sums.weight, out=empty.copy(), where=some),
        np.divide(sums.outcome, sums.weight, out=empty.copy(), where=some),
        sums.weight,
        np.divide(
            sums.weight**2,
            sums.weight_squared,
            out=np.zeros_like(empty),
            where=some,
        ),
    )
    one = len(sums.weight) == 1
    return ReliabilityCurve(*(array[0] if one else array for array in arrays))
