"""Selective prediction: how wrong what remains is without the least sure."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skuq._core._checks import check_option
from skuq.metrics._confidence import RankedOutcomes, ranked_outcomes
from skuq.metrics._selective_risk import (
    generalized_area,
    kept_sums,
    selective_area,
    surest_first,
)
from skuq.metrics._streaming import streams_with

RISKS = ("selective", "generalized")
ALIGNED = ("confidence", "uncertainty")


@dataclass(frozen=True)
class RiskCoverageCurve:
    """What is wrong among the surest predictions, threshold by threshold.

    Parameters
    ----------
    coverage : ndarray of shape (n_thresholds,)
        Share of samples kept, ascending, in (0, 1].
    risk : ndarray of shape (n_thresholds,)
        Share of errors among those kept, in [0, 1].
    generalized_risk : ndarray of shape (n_thresholds,)
        Errors kept per sample of all: risk times coverage.
    threshold : ndarray of shape (n_thresholds,)
        Samples of at least this confidence are kept (with `uncertainty`, minus it).
    """

    coverage: np.ndarray
    risk: np.ndarray
    generalized_risk: np.ndarray
    threshold: np.ndarray

    @property
    def rejected(self) -> np.ndarray:
        """Share of samples left out."""
        return 1 - self.coverage

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right predictions among those kept."""
        return 1 - self.risk


def curve_of_ranks(state: RankedOutcomes) -> RiskCoverageCurve:
    """The curve that a statistic holds."""
    groups = surest_first(state.groups())
    kept, right = kept_sums(groups)
    wrong = np.maximum(kept - right, 0)
    return RiskCoverageCurve(
        kept / kept[-1], wrong / kept, wrong / kept[-1], groups.score.copy()
    )


def risk_coverage_curve(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    confidence: Any = None,
    uncertainty: Any = None,
    labels: Any = None,
    ignore_index: Any = None,
) -> RiskCoverageCurve:
    """Share of errors among the surest predictions, for every share of samples kept.

    Its `rejected` and `accuracy` are the accuracy-rejection curve.

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
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    curve : RiskCoverageCurve
        One entry per distinct confidence, the surest first.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, no samples,
        or a confidence of another shape.

    See Also
    --------
    area_under_risk_coverage_error : The area under it.

    References
    ----------
    .. [1] R. El-Yaniv and Y. Wiener (2010). "On the foundations of noise-free selective
       classification". JMLR 11. `jmlr:el-yaniv10a
       <https://jmlr.org/papers/v11/el-yaniv10a.html>`_

    Examples
    --------
    >>> from skuq.metrics import risk_coverage_curve
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> curve = risk_coverage_curve([0, 1, 2, 2], y_proba)
    >>> curve.coverage.tolist(), curve.risk.tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.0, 0.25])
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
    return curve_of_ranks(state)


def area_of_ranks(
    state: RankedOutcomes, *, risk: str = "selective", excess: bool = False
) -> float:
    """The area under the curve that a statistic holds."""
    check_option("risk", risk, RISKS)
    groups = surest_first(state.groups())
    weight, wrong = groups.weight, groups.weight - groups.hits
    np.maximum(wrong, 0, out=wrong)
    area = selective_area if risk == "selective" else generalized_area
    value = area(weight, wrong)
    if not excess:
        return value
    parts = np.array([weight.sum() - wrong.sum(), wrong.sum()])
    oracle = np.array([0.0, parts[1]])  # all right ones first
    some = parts > 0
    return max(value - area(parts[some], oracle[some]), 0.0)


@streams_with(ranked_outcomes, area_of_ranks, upper=1.0, aligned=ALIGNED)
def area_under_risk_coverage_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    confidence: Any = None,
    uncertainty: Any = None,
    labels: Any = None,
    risk: str = "selective",
    excess: bool = False,
    ignore_index: Any = None,
) -> float:
    """Area under the risk-coverage curve (AURC, AUGRC); lower is better.

    How often a model is wrong where it says it is sure, over all thresholds.

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
    risk : {"selective", "generalized"}, default="selective"
        Errors among the samples kept (AURC [1]_), or errors kept among all samples
        (AUGRC [2]_), in which a few very sure errors do not outweigh all others.
    excess : bool, default=False
        Take off the area of an oracle that is sure exactly where the model is right
        (E-AURC [1]_): 0 is then the best that this accuracy allows.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1]; AUGRC in [0, 1/2].

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, no samples,
        or a confidence of another shape.

    See Also
    --------
    error_detection_scores : Without the accuracy of the model.
    risk_coverage_curve : The curve.

    Notes
    -----
    AURC is the mean over i of the share of errors among the i surest samples; AUGRC is
    ``(1 - AUROC) acc (1 - acc) + (1 - acc)^2 / 2``.  Ties count as the mean over all
    their orders.  Weights count as numbers of samples.  Keeps all samples; costs a
    sort.

    References
    ----------
    .. [1] Y. Geifman, G. Uziel and R. El-Yaniv (2019). "Bias-reduced uncertainty
       estimation for deep neural classifiers". ICLR. `arXiv:1805.08206
       <https://arxiv.org/abs/1805.08206>`_
    .. [2] J. Traub, T. J. Bungert, C. T. Lueth, M. Baumgartner, K. H. Maier-Hein, L.
       Maier-Hein and P. F. Jaeger (2024). "Overcoming common flaws in the evaluation of
       selective classification systems". NeurIPS. `arXiv:2407.01032
       <https://arxiv.org/abs/2407.01032>`_

    Examples
    --------
    >>> from skuq.metrics import area_under_risk_coverage_error
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> area_under_risk_coverage_error([0, 1, 2, 2], y_proba)
    0.0625
    >>> area_under_risk_coverage_error([0, 1, 2, 2], y_proba, excess=True)
    0.0
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
    return area_of_ranks(state, risk=risk, excess=excess)
