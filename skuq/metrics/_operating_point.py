"""Single points of the risk-coverage curve: what is kept, or what is wrong in it."""

from typing import Any

import numpy as np

from skuq.exceptions import InputError
from skuq.metrics._confidence import RankedOutcomes, ranked_outcomes
from skuq.metrics._risk_coverage import ALIGNED, curve_of_ranks
from skuq.metrics._selective_risk import kept_sums, surest_first
from skuq.metrics._streaming import streams_with

ROUNDING = 1e-12  # of cumulated weights


def coverage_of_ranks(state: RankedOutcomes, *, max_risk: float = 0.05) -> float:
    """The largest coverage, over all thresholds, whose risk is at most `max_risk`."""
    if not 0 <= max_risk <= 1:
        raise InputError(f"max_risk must lie in [0, 1], got {max_risk!r}.")
    curve = curve_of_ranks(state)
    small = curve.risk <= max_risk + ROUNDING
    return float(curve.coverage[small].max(initial=0.0))


def risk_of_ranks(state: RankedOutcomes, *, coverage: float = 0.8) -> float:
    """The share of errors among the surest share `coverage` of the samples."""
    if not 0 < coverage <= 1:
        raise InputError(f"coverage must lie in (0, 1], got {coverage!r}.")
    groups = surest_first(state.groups())
    kept, right = (np.append(0.0, sums) for sums in kept_sums(groups))
    target = coverage * kept[-1]
    share = 1 - np.interp(target, kept, right) / target
    return float(np.clip(share, 0, 1))


@streams_with(ranked_outcomes, coverage_of_ranks, upper=1.0, aligned=ALIGNED)
def coverage_at_risk_score(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    confidence: Any = None,
    uncertainty: Any = None,
    labels: Any = None,
    max_risk: float = 0.05,
    ignore_index: Any = None,
) -> float:
    """Share of samples that can be kept at a given risk; higher is better.

    How much of the work a threshold of the confidence could automate.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or of `y_true`
        Probabilities in [0, 1]; of the shape of `y_true`, those of the second of two
        classes.  numpy array or torch tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    confidence : array-like of the shape of `y_true`, default=None
        How sure the model is, in any unit, higher is surer; None takes the largest
        probability.
    uncertainty : array-like of the shape of `y_true`, default=None
        How unsure it is, instead of `confidence`.
    labels : array-like of shape (n_classes,), default=None
        The label of each column; None takes the sorted labels of `y_true`, or column
        numbers if `y_true` misses a class.
    max_risk : float in [0, 1], default=0.05
        Share of errors allowed among the samples kept.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    score : float
        In [0, 1]; 0 if no threshold is good enough.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, no samples,
        a confidence of another shape, or a risk outside [0, 1].

    See Also
    --------
    risk_at_coverage_error : The risk, given the coverage.
    skuq.decision.SelectiveClassifier : Chooses the threshold, with a guarantee.

    Notes
    -----
    The largest coverage on the risk-coverage curve whose risk is at most `max_risk`,
    seen afterwards: no threshold chosen beforehand can be promised to do as well.
    Samples of equal confidence are kept together.  Keeps all samples; costs a sort.

    References
    ----------
    .. [1] R. El-Yaniv and Y. Wiener (2010). "On the foundations of noise-free selective
       classification". JMLR 11. `jmlr:el-yaniv10a
       <https://jmlr.org/papers/v11/el-yaniv10a.html>`_

    Examples
    --------
    >>> from skuq.metrics import coverage_at_risk_score
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> coverage_at_risk_score([0, 1, 2, 2], y_proba, max_risk=0.1)
    0.75
    """
    state = ranked_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        confidence=confidence,
        uncertainty=uncertainty,
        labels=labels,
        ignore_index=ignore_index,
    )
    return coverage_of_ranks(state, max_risk=max_risk)


@streams_with(ranked_outcomes, risk_of_ranks, upper=1.0, aligned=ALIGNED)
def risk_at_coverage_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    confidence: Any = None,
    uncertainty: Any = None,
    labels: Any = None,
    coverage: float = 0.8,
    ignore_index: Any = None,
) -> float:
    """Share of errors among a given share of surest samples; lower is better.

    How often the model is wrong where a person takes over the rest.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or of `y_true`
        Probabilities in [0, 1]; of the shape of `y_true`, those of the second of two
        classes.  numpy array or torch tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    confidence : array-like of the shape of `y_true`, default=None
        How sure the model is, in any unit, higher is surer; None takes the largest
        probability.
    uncertainty : array-like of the shape of `y_true`, default=None
        How unsure it is, instead of `confidence`.
    labels : array-like of shape (n_classes,), default=None
        The label of each column; None takes the sorted labels of `y_true`, or column
        numbers if `y_true` misses a class.
    coverage : float in (0, 1], default=0.8
        Share of samples kept.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, no samples,
        a confidence of another shape, or a coverage outside (0, 1].

    See Also
    --------
    coverage_at_risk_score : The coverage, given the risk.
    area_under_risk_coverage_error : Over all coverages.

    Notes
    -----
    Of the samples at the threshold, and of a part of a sample, the mean counts: ties
    may come in any order.  Keeps all samples; costs a sort.

    References
    ----------
    .. [1] R. El-Yaniv and Y. Wiener (2010). "On the foundations of noise-free selective
       classification". JMLR 11. `jmlr:el-yaniv10a
       <https://jmlr.org/papers/v11/el-yaniv10a.html>`_

    Examples
    --------
    >>> from skuq.metrics import risk_at_coverage_error
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> risk_at_coverage_error([0, 1, 2, 2], y_proba, coverage=0.75)
    0.0
    >>> risk_at_coverage_error([0, 1, 2, 2], y_proba, coverage=1.0)
    0.25
    """
    state = ranked_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        confidence=confidence,
        uncertainty=uncertainty,
        labels=labels,
        ignore_index=ignore_index,
    )
    return risk_of_ranks(state, coverage=coverage)
