"""How well a confidence tells right predictions from wrong ones."""

from typing import Any

import numpy as np

from skuq._core._sorting import TieGroups
from skuq.exceptions import InputError
from skuq.metrics._confidence import RankedOutcomes, ranked_outcomes
from skuq.metrics._streaming import streams_with


def detection_of_state(
    state: RankedOutcomes, *, tpr_level: float = 0.95
) -> dict[str, float]:
    """The scores that a statistic holds."""
    if not 0 < tpr_level <= 1:
        raise InputError(f"tpr_level must lie in (0, 1], got {tpr_level!r}.")
    groups = state.groups()
    right, wrong = groups.hits, groups.weight - groups.hits
    np.maximum(wrong, 0, out=wrong)
    return {
        "auroc": _auroc(right, wrong),
        "aupr_error": _average_precision(wrong, groups.weight),
        "aupr_success": _average_precision(right[::-1], groups.weight[::-1]),
        "fpr_at_tpr": _false_positive_rate(groups, wrong, tpr_level),
    }


def _auroc(right: np.ndarray, wrong: np.ndarray) -> float:
    """The share of pairs of a right and a wrong one in order; ties count half."""
    below = np.cumsum(wrong)
    below -= wrong / 2
    below *= right
    pairs = right.sum() * wrong.sum()
    return float(below.sum() / pairs) if pairs > 0 else float("nan")


def _average_precision(found: np.ndarray, weight: np.ndarray) -> float:
    """Mean precision over what is to be found, in the order of the groups."""
    total = found.sum()
    if total == 0:
        return float("nan")
    precision = np.cumsum(found)
    precision /= np.cumsum(weight)
    precision *= found
    return float(precision.sum() / total)


def _false_positive_rate(
    groups: TieGroups, wrong: np.ndarray, tpr_level: float
) -> float:
    """The share of errors at or above the threshold that keeps that many right ones."""
    if wrong.sum() == 0 or groups.hits.sum() == 0:
        return float("nan")
    kept = np.cumsum(groups.hits[::-1])
    kept /= groups.hits.sum()
    first = np.searchsorted(kept, tpr_level * (1 - 1e-12))
    threshold = len(kept) - 1 - first
    return float(wrong[threshold:].sum() / wrong.sum())


@streams_with(
    ranked_outcomes, detection_of_state, aligned=("confidence", "uncertainty")
)
def error_detection_scores(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    confidence: Any = None,
    uncertainty: Any = None,
    labels: Any = None,
    tpr_level: float = 0.95,
    ignore_index: Any = None,
) -> dict[str, float]:
    """How well a confidence tells errors from right predictions: four scores.

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
    tpr_level : float in (0, 1], default=0.95
        Share of right predictions that the threshold of "fpr_at_tpr" keeps.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    scores : dict of str to float
        All in [0, 1]: "auroc" (higher is better, 0.5 is chance), "aupr_error" and
        "aupr_success" (average precision of finding errors by low, and right
        predictions by high confidence; higher is better, chance is their share),
        "fpr_at_tpr" (share of errors kept; lower is better).  NaN where there are no
        errors, or no right predictions, to be told apart.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, no samples,
        or a confidence of another shape.

    See Also
    --------
    area_under_risk_coverage_error : What stays wrong without the least sure.

    Notes
    -----
    The protocol of [1]_; "aupr_error" is its main score.  Average precision is the sum
    over thresholds of precision times the step of recall.  The threshold of
    "fpr_at_tpr" is the largest confidence that at least 95 % of the right predictions
    reach.  Ties in confidence are one threshold.  Keeps all samples; costs a sort.

    References
    ----------
    .. [1] C. Corbiere, N. Thome, A. Bar-Hen, M. Cord and P. Perez (2019). "Addressing
       failure prediction by learning model confidence". NeurIPS. `arXiv:1910.04851
       <https://arxiv.org/abs/1910.04851>`_

    Examples
    --------
    >>> from skuq.metrics import error_detection_scores
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> error_detection_scores([0, 1, 2, 2], y_proba)["auroc"]
    1.0
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
    return detection_of_state(state, tpr_level=tpr_level)
