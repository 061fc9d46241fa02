"""Expected and maximum calibration error: readings of one binned statistic."""

from typing import Any

from skuq.metrics._binned import (
    binned_outcomes,
    deviation_of_states,
    error_of_state,
    maximum_deviation_of_states,
    maximum_of_state,
    outcome_samples,
)
from skuq.metrics._streaming import streams_with


@streams_with(
    binned_outcomes, error_of_state, deviation_of_states, samples=outcome_samples
)
def expected_calibration_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str | None = None,
    n_bins: int | str | None = None,
    strategy: str | None = None,
    norm: str = "l1",
    closed: str | None = None,
    class_average: str = "macro",
    debias: bool = False,
    part: str = "all",
    convention: str = "guo2017",
    ignore_index: Any = None,
) -> float:
    """Expected calibration error (ECE); lower is better, 0 is calibrated.

    The mean distance between what a classifier states and what comes true, over bins
    of stated probability.  It is not a proper score: a constant forecast of the base
    rate has an ECE of 0, so read it beside `log_loss` or `brier_score_loss`.  The
    estimate is biased upwards when bins hold few samples.

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
        Compare the largest probability with being right, the probability of the
        second of two classes with its share, every class's probability with its
        share, or the largest probability with being right among the samples of each
        predicted class.  None, here and below: as `convention` says, by default
        "top-label".
    n_bins : int or "sweep", default=None
        Number of bins, by default 15.  "sweep" takes the most bins for which the share
        that came true grows from bin to bin [4]_, of equal weight unless `strategy`
        says otherwise, and at most one for each distinct probability.
    strategy : {"uniform", "quantile"}, default=None
        Bins of equal width over [0, 1] (default), or of equal weight.
    norm : {"l1", "l2", "l2-squared", "max"}, default="l1"
        Weighted mean of the gaps, root of the weighted mean of their squares, that
        mean itself, or the largest gap.
    closed : {"right", "left", "left-overflow", "right-underflow"}, default=None
        (lo, hi] with 0 in the first bin (default), [lo, hi) with 1 in the last, or the
        same with 1, or 0, in a bin of its own.
    class_average : {"macro", "prevalence", "weight", "sum", "pooled"}, default="macro"
        How classes are joined with kind="classwise" or "predicted-class": plain mean,
        mean weighted by the share of each true class, or by the weight of its samples
        (of each predicted class), sum, or all of all classes in one set of bins.
    debias : bool, default=False
        Take off what the noise of the shares adds [3]_.  With "l2-squared" the result
        is unbiased, and so below 0 at times; with "l2" and "l1" it is cut at 0, and
        with "l1" the bias is only reduced.
    part : {"all", "over-confidence", "under-confidence"}, default="all"
        Count all bins, those which state more than comes true, or those which state
        less.  With "l1" the two parts add up to the whole.
    convention : str, default="guo2017"
        Whose definition: "guo2017" [1]_, "naeini2015" [2]_ (positive class, 10 bins),
        or that of a package, to the last bit of the edges: "torchmetrics", "netcal",
        "uncertainty-calibration", "mapie", "relplot", "scikit-learn".
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1] (up to K with class_average="sum").

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, no
        samples, or options that do not go together.

    See Also
    --------
    classwise_calibration_error : The error of every class.
    maximum_calibration_error : The largest gap.
    reliability_curve : The bins themselves.
    smooth_calibration_error : Without bins.

    Notes
    -----
    ``ECE = sum_b (w_b / N) |acc_b - conf_b|``.  Bins without weight add nothing.  For
    p = 0 and 1 see `closed`.  On ties the first class is the predicted one.  With l2,
    classes are joined before the root: ``sqrt(mean_k sum_b ...)``.  Edges are compared
    in the precision of the probabilities.  Classes without samples are left out of the
    plain mean.

    With debias=True and n_b samples in a bin, ``acc_b (1 - acc_b) / (n_b - 1)`` is
    taken from the square of its gap, and bins of one sample add nothing; weighted
    samples count as ``(sum w)^2 / sum w^2``.  For "l1" the mean of ``|N(gap_b, acc_b
    (1 - acc_b) / n_b)|`` less the gap is taken off, in closed form where [3]_ draws
    random numbers.

    Streams exactly with bins of equal width; with strategy="quantile" and
    n_bins="sweep" all samples are kept, since the bins depend on them.  Time is one
    pass over the data.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger (2017). "On calibration of
       modern neural networks". ICML. `arXiv:1706.04599
       <https://arxiv.org/abs/1706.04599>`_
    .. [2] M. P. Naeini, G. F. Cooper and M. Hauskrecht (2015). "Obtaining well
       calibrated probabilities using Bayesian binning". AAAI.
       `doi:10.1609/aaai.v29i1.9602 <https://doi.org/10.1609/aaai.v29i1.9602>`_
    .. [3] A. Kumar, P. Liang and T. Ma (2019). "Verified uncertainty calibration".
       NeurIPS. `arXiv:1909.10155 <https://arxiv.org/abs/1909.10155>`_
    .. [4] R. Roelofs, N. Cain, J. Shlens and M. C. Mozer (2022). "Mitigating bias in
       calibration error estimation". AISTATS. `arXiv:2012.08668
       <https://arxiv.org/abs/2012.08668>`_

    Examples
    --------
    >>> from skuq.metrics import expected_calibration_error
    >>> y_true = [0, 1, 2, 2]
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> expected_calibration_error(y_true, y_proba)
    0.2
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
    return error_of_state(
        state, norm=norm, class_average=class_average, debias=debias, part=part
    )


@streams_with(
    binned_outcomes,
    maximum_of_state,
    maximum_deviation_of_states,
    samples=outcome_samples,
)
def maximum_calibration_error(
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
    """Maximum calibration error (MCE); lower is better, 0 is calibrated.

    The largest distance between what a classifier states and what comes true in any
    bin: a worst case, and a noisy one, since a bin with a single sample counts fully.

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
    error : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    expected_calibration_error : The mean gap.

    Notes
    -----
    ``MCE = max_b |acc_b - conf_b|`` over bins with weight [1]_, and over classes with
    kind="classwise" or "predicted-class".  Streams exactly with bins of equal width.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper and M. Hauskrecht (2015). "Obtaining well
       calibrated probabilities using Bayesian binning". AAAI.
       `doi:10.1609/aaai.v29i1.9602 <https://doi.org/10.1609/aaai.v29i1.9602>`_

    Examples
    --------
    >>> from skuq.metrics import maximum_calibration_error
    >>> y_true = [0, 1, 2, 2]
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> maximum_calibration_error(y_true, y_proba)
    0.6
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
    return maximum_of_state(state)
