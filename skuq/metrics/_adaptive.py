"""Calibration errors that weigh bins differently: average, adaptive, thresholded."""

from functools import partial
from typing import Any

import numpy as np

from skuq._core._arrays import array_namespace
from skuq._core._binning import Binning, CollectedOutcomes, collect, gather
from skuq._core._blocks import ScoreTable, Window
from skuq._core._outcomes import READERS, Outcomes
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._binned import (
    BinState,
    binned,
    binned_outcomes,
    binning_of,
    error_of_state,
    outcome_samples,
)
from skuq.metrics._inputs import score_table
from skuq.metrics._streaming import streams_with


def average_of_state(state: BinState) -> float:
    """The mean gap of the bins that a statistic fills."""
    sums = binned(state)
    some = sums.weight > 0
    if not some.any():
        raise NoSamplesError("no sample that counts has a weight above zero.")
    gap = np.abs(sums.score - sums.outcome) / np.where(some, sums.weight, 1)
    filled = some.sum(axis=1)
    per_row = gap.sum(axis=1) / np.maximum(filled, 1)
    return float(per_row[filled > 0].mean())


@streams_with(binned_outcomes, average_of_state, samples=outcome_samples)
def average_calibration_error(
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
) -> float:
    """Mean gap of all filled bins alike (ACE); lower is better, 0 is calibrated.

    Rare confidences count as much as common ones, which shows errors that
    `expected_calibration_error` hides, and the noise of bins with few samples.

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
        Number of bins, by default 15.
    strategy : {"uniform", "quantile"}, default=None
        Bins of equal width over [0, 1] (default), or of equal weight.
    closed : {"right", "left", "left-overflow", "right-underflow"}, default=None
        Which edge belongs to a bin, as in `expected_calibration_error`.
    convention : str, default="guo2017"
        Whose bins, as in `expected_calibration_error`.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    expected_calibration_error : Bins count by their samples.
    adaptive_calibration_error : The ACE of Nixon et al.

    Notes
    -----
    ``(1 / B) sum_b |acc_b - conf_b|`` over the B bins with samples [1]_, averaged over
    classes where there are several rows of bins.  What else is called ACE:
    `adaptive_calibration_error`.  Streams exactly with bins of equal width.

    References
    ----------
    .. [1] L. Neumann, A. Zisserman and A. Vedaldi (2018). "Relaxed softmax: efficient
       confidence auto-calibration for safe pedestrian detection". NeurIPS workshops.
       `openreview:S1lG7aTnqQ <https://openreview.net/forum?id=S1lG7aTnqQ>`_

    Examples
    --------
    >>> from skuq.metrics import average_calibration_error
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> round(average_calibration_error([0, 1, 2, 2], y_proba), 4)
    0.2333
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
    return average_of_state(state)


def adaptive_outcomes(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    n_bins: int = 15,
    threshold: float = 0.0,
    ignore_index: Any = None,
) -> CollectedOutcomes:
    """All probabilities of all classes, those above a threshold if there is one."""
    if not 0 <= threshold < 1:
        raise InputError(f"threshold must lie in [0, 1), got {threshold!r}.")
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    options = {"kind": "classwise", "strategy": "quantile", "n_bins": n_bins}
    binning = binning_of("guo2017", table.n_columns, **options, threshold=threshold)
    return collect_above(table, binning) if threshold > 0 else collect(table, binning)


def collect_above(table: ScoreTable, binning: Binning) -> CollectedOutcomes:
    """Probabilities above the threshold, with the class each belongs to."""
    parts = (_above(table, binning.threshold, window) for window in table.windows())
    whole = gather(parts, table.n_classes * (table.n_scores // table.n_columns))
    return CollectedOutcomes(binning, table.n_classes, *whole)


def _above(table: ScoreTable, threshold: float, window: Window) -> Outcomes:
    score, outcome, weight, _ = READERS["classwise"](table, window)
    xp = array_namespace(score)
    row, column = xp.nonzero(score > threshold)
    return Outcomes(
        score[row, column][None, :],
        outcome[row, column][None, :],
        None if weight is None else weight[column],
        xp.astype(row, xp.int32),
    )


@streams_with(adaptive_outcomes, error_of_state)
def adaptive_calibration_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    n_bins: int = 15,
    ignore_index: Any = None,
) -> float:
    """Calibration error of all classes in bins of equal weight; lower is better.

    Bins follow the probabilities, so that each holds enough of them: the adaptive
    calibration error (ACE) of Nixon et al.

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
    n_bins : int, default=15
        Number of bins of each class.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1]; 0 is calibrated.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    average_calibration_error : The ACE of Neumann et al.
    expected_calibration_error : With strategy="quantile" for confidences only.
    thresholded_adaptive_calibration_error : Without the many small probabilities.

    Notes
    -----
    ``1 / (K R) sum_k sum_r |acc_kr - conf_kr|`` over R bins of equal weight [1]_.
    Equal probabilities are never parted, so bins may differ in weight; each then counts
    by its weight, without which the result would depend on the order of ties.  Keeps
    all probabilities, since bins depend on them.

    References
    ----------
    .. [1] J. Nixon, M. Dusenberry, G. Jerfel, T. Nguyen, J. Liu, L. Zhang and D. Tran
       (2019). "Measuring calibration in deep learning". CVPR workshops.
       `arXiv:1904.01685 <https://arxiv.org/abs/1904.01685>`_

    Examples
    --------
    >>> from skuq.metrics import adaptive_calibration_error
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> round(adaptive_calibration_error([0, 1, 2, 2], y_proba, n_bins=2), 4)
    0.1333
    """
    state = adaptive_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        n_bins=n_bins,
        ignore_index=ignore_index,
    )
    return error_of_state(state)


thresholded_outcomes = partial(adaptive_outcomes, threshold=0.01)


@streams_with(thresholded_outcomes, error_of_state)
def thresholded_adaptive_calibration_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    n_bins: int = 15,
    threshold: float = 0.01,
    ignore_index: Any = None,
) -> float:
    """Adaptive calibration error of probabilities above a threshold (TACE).

    Lower is better, 0 is calibrated.  With many classes nearly all probabilities are
    next to 0 and hide the others; this error leaves them out.

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
    n_bins : int, default=15
        Number of bins of each class.
    threshold : float in [0, 1), default=0.01
        Only probabilities above it count.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, no
        samples, or no probability above the threshold.

    See Also
    --------
    adaptive_calibration_error : All probabilities.

    Notes
    -----
    As `adaptive_calibration_error`, with weights relative to those of the probabilities
    kept of each class [1]_; a class that keeps none is left out of the mean.  Keeps all
    probabilities above the threshold.

    References
    ----------
    .. [1] J. Nixon, M. Dusenberry, G. Jerfel, T. Nguyen, J. Liu, L. Zhang and D. Tran
       (2019). "Measuring calibration in deep learning". CVPR workshops.
       `arXiv:1904.01685 <https://arxiv.org/abs/1904.01685>`_

    Examples
    --------
    >>> from skuq.metrics import thresholded_adaptive_calibration_error
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> error = thresholded_adaptive_calibration_error([0, 1, 2, 2], y_proba, n_bins=2)
    >>> round(error, 4)
    0.2389
    """
    state = thresholded_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        n_bins=n_bins,
        threshold=threshold,
        ignore_index=ignore_index,
    )
    return error_of_state(state)
