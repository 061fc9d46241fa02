"""Calibration error of every class, and given the predicted class."""

from functools import partial
from typing import Any

from skuq.metrics._binned import (
    binned_outcomes,
    deviation_of_states,
    error_of_state,
    outcome_samples,
)
from skuq.metrics._streaming import streams_with

classwise_outcomes = partial(binned_outcomes, kind="classwise")


@streams_with(
    classwise_outcomes,
    error_of_state,
    deviation_of_states,
    samples=partial(outcome_samples, kind="classwise"),
)
def classwise_calibration_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    n_bins: int | str | None = None,
    strategy: str | None = None,
    norm: str = "l1",
    closed: str | None = None,
    class_average: str = "macro",
    debias: bool = False,
    ignore_index: Any = None,
) -> float:
    """Calibration error of all classes, averaged (SCE); lower is better, 0 is best.

    Looks at every probability and not only at the largest: a classifier may be honest
    about its first choice and wrong about all others.  With many classes most
    probabilities are near 0, and so is this error; see
    `thresholded_adaptive_calibration_error`.

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
    n_bins : int or "sweep", default=None
        Number of bins, by default 15; as in `expected_calibration_error`.
    strategy : {"uniform", "quantile"}, default=None
        Bins of equal width over [0, 1] (default), or of equal weight for each class.
    norm : {"l1", "l2", "l2-squared", "max"}, default="l1"
        As in `expected_calibration_error`.
    closed : {"right", "left", "left-overflow", "right-underflow"}, default=None
        Which edge belongs to a bin, by default (lo, hi].
    class_average : {"macro", "prevalence", "weight", "sum", "pooled"}, default="macro"
        Plain mean over classes, mean weighted by the share of each class, sum, or all
        probabilities in one set of bins.
    debias : bool, default=False
        Take off what noise adds, as in `expected_calibration_error`.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1] (up to K with class_average="sum").

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    expected_calibration_error : The same with kind="classwise", and all its presets.
    adaptive_calibration_error : With bins of equal weight.

    Notes
    -----
    ``(1/K) sum_k sum_b (w_kb / N) |share_kb - mean_kb|``, "static calibration error" in
    [1]_, "classwise-ECE" in [2]_.  Streams exactly with bins of equal width.

    References
    ----------
    .. [1] J. Nixon, M. Dusenberry, G. Jerfel, T. Nguyen, J. Liu, L. Zhang and D. Tran
       (2019). "Measuring calibration in deep learning". CVPR workshops.
       `arXiv:1904.01685 <https://arxiv.org/abs/1904.01685>`_
    .. [2] M. Kull, M. Perello-Nieto, M. Kaengsepp, T. Silva Filho, H. Song and P. Flach
       (2019). "Beyond temperature scaling". NeurIPS. `arXiv:1910.12656
       <https://arxiv.org/abs/1910.12656>`_

    Examples
    --------
    >>> from skuq.metrics import classwise_calibration_error
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> round(classwise_calibration_error([0, 1, 2, 2], y_proba), 4)
    0.1667
    """
    state = classwise_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        n_bins=n_bins,
        strategy=strategy,
        closed=closed,
        ignore_index=ignore_index,
    )
    return error_of_state(state, norm=norm, class_average=class_average, debias=debias)


predicted_class_outcomes = partial(binned_outcomes, kind="predicted-class")
top_label_error_of_state = partial(error_of_state, class_average="weight")
top_label_deviation = partial(deviation_of_states, class_average="weight")


@streams_with(
    predicted_class_outcomes,
    top_label_error_of_state,
    top_label_deviation,
    samples=partial(outcome_samples, kind="predicted-class"),
)
def top_label_calibration_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    n_bins: int | str | None = None,
    strategy: str | None = None,
    norm: str = "l1",
    closed: str | None = None,
    class_average: str = "weight",
    ignore_index: Any = None,
) -> float:
    """Calibration error given the predicted class; lower is better, 0 is calibrated.

    Over-confidence in one class and under-confidence in another cancel in
    `expected_calibration_error`, which most packages call top-label too; here they do
    not.

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
    n_bins : int or "sweep", default=None
        Number of bins of each class, by default 15.
    strategy : {"uniform", "quantile"}, default=None
        Bins of equal width over [0, 1] (default), or of equal weight in each class.
    norm : {"l1", "l2", "l2-squared", "max"}, default="l1"
        As in `expected_calibration_error`.
    closed : {"right", "left", "left-overflow", "right-underflow"}, default=None
        Which edge belongs to a bin, by default (lo, hi].
    class_average : {"weight", "macro"}, default="weight"
        Mean over predicted classes, weighted by their samples [1]_ or plain.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1]; at least `expected_calibration_error` with the same bins of equal
        width.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    expected_calibration_error : Not given the predicted class.

    Notes
    -----
    ``sum_c (n_c / N) ECE_c`` with ECE_c of the samples for which class c is predicted
    [1]_.  Classes that are never predicted count nothing.  On ties the first class is
    predicted.  Streams exactly with bins of equal width.

    References
    ----------
    .. [1] C. Gupta and A. Ramdas (2022). "Top-label calibration and
       multiclass-to-binary reductions". ICLR. `arXiv:2107.08353
       <https://arxiv.org/abs/2107.08353>`_

    Examples
    --------
    >>> from skuq.metrics import expected_calibration_error, top_label_calibration_error
    >>> y_proba = [[0.5, 0.3, 0.2], [0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.5, 0.3]]
    >>> expected_calibration_error([0, 0, 2, 2], y_proba)
    0.0
    >>> top_label_calibration_error([0, 0, 2, 2], y_proba)
    0.5
    """
    state = predicted_class_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        n_bins=n_bins,
        strategy=strategy,
        closed=closed,
        ignore_index=ignore_index,
    )
    return top_label_error_of_state(state, norm=norm, class_average=class_average)
