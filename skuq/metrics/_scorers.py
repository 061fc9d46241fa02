"""Metrics as scikit-learn scorers, by name.

scikit-learn has no public registry of scorers, so pass these objects:
``GridSearchCV(..., scoring=get_scorer("neg_log_loss"))``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from skuq._sklearn import (
    ConfidenceScorer,
    DeviationScorer,
    ProbabilityScorer,
    UncertaintyScorer,
)
from skuq.exceptions import InputError
from skuq.metrics._accuracy import accuracy_score
from skuq.metrics._adaptive import (
    adaptive_calibration_error,
    average_calibration_error,
    thresholded_adaptive_calibration_error,
)
from skuq.metrics._calibration_error import (
    expected_calibration_error,
    maximum_calibration_error,
)
from skuq.metrics._class_calibration_error import (
    classwise_calibration_error,
    top_label_calibration_error,
)
from skuq.metrics._crps import crps_gaussian
from skuq.metrics._cumulative import cumulative_calibration_error
from skuq.metrics._error_detection import error_detection_scores
from skuq.metrics._flagged_errors import error_precision_score, error_recall_score
from skuq.metrics._gaussian import gaussian_log_loss
from skuq.metrics._kernel import kernel_calibration_error
from skuq.metrics._mean_embedding import maximum_mean_calibration_error
from skuq.metrics._operating_point import (
    coverage_at_risk_score,
    risk_at_coverage_error,
)
from skuq.metrics._ordinal import ranked_probability_score_loss
from skuq.metrics._overlap import uncertainty_error_overlap
from skuq.metrics._proper import brier_score_loss, log_loss
from skuq.metrics._quantile_calibration import quantile_calibration_error
from skuq.metrics._risk_coverage import area_under_risk_coverage_error
from skuq.metrics._smooth import smooth_calibration_error
from skuq.metrics._sparsification import sparsification_error
from skuq.metrics._variance_calibration import (
    expected_normalized_calibration_error,
    uncertainty_calibration_error,
)

Scorer = ProbabilityScorer | DeviationScorer | UncertaintyScorer


class Recipe(NamedTuple):
    """How a scorer is made: its metric, what it reads, its sign and its options."""

    metric: Callable[..., Any]
    kind: type[Scorer]
    sign: int = -1
    options: dict[str, Any] = {}  # noqa: RUF012 (never changed)


def error_detection_score(*data: Any, score: str, **options: Any) -> float:
    """One of the scores of `error_detection_scores`."""
    scores: dict[str, float] = error_detection_scores(*data, **options)
    return scores[score]


PROBA, STD, UNSURE = ProbabilityScorer, DeviationScorer, UncertaintyScorer
SURE = ConfidenceScorer
AREA = area_under_risk_coverage_error

# Only losses carry "neg_": higher is always better.
SCORERS = {
    "accuracy": Recipe(accuracy_score, PROBA, 1),
    "coverage_at_risk": Recipe(coverage_at_risk_score, SURE, 1),
    "error_detection_aupr": Recipe(
        error_detection_score, PROBA, 1, {"score": "aupr_error"}
    ),
    "error_detection_auroc": Recipe(
        error_detection_score, PROBA, 1, {"score": "auroc"}
    ),
    "error_precision": Recipe(error_precision_score, UNSURE, 1),
    "error_recall": Recipe(error_recall_score, UNSURE, 1),
    "neg_adaptive_calibration_error": Recipe(adaptive_calibration_error, PROBA),
    "neg_area_under_generalized_risk": Recipe(AREA, PROBA, -1, {"risk": "generalized"}),
    "neg_area_under_risk_coverage": Recipe(AREA, PROBA),
    "neg_average_calibration_error": Recipe(average_calibration_error, PROBA),
    "neg_brier_score_loss": Recipe(brier_score_loss, PROBA),
    "neg_classwise_calibration_error": Recipe(classwise_calibration_error, PROBA),
    "neg_crps_gaussian": Recipe(crps_gaussian, STD),
    "neg_cumulative_calibration_error": Recipe(cumulative_calibration_error, PROBA),
    "neg_excess_area_under_risk_coverage": Recipe(AREA, PROBA, -1, {"excess": True}),
    "neg_expected_calibration_error": Recipe(expected_calibration_error, PROBA),
    "neg_expected_normalized_calibration_error": Recipe(
        expected_normalized_calibration_error, STD
    ),
    "neg_gaussian_log_loss": Recipe(gaussian_log_loss, STD),
    "neg_kernel_calibration_error": Recipe(kernel_calibration_error, PROBA),
    "neg_log_loss": Recipe(log_loss, PROBA),
    "neg_maximum_calibration_error": Recipe(maximum_calibration_error, PROBA),
    "neg_maximum_mean_calibration_error": Recipe(maximum_mean_calibration_error, PROBA),
    "neg_quantile_calibration_error": Recipe(quantile_calibration_error, STD),
    "neg_ranked_probability_score_loss": Recipe(ranked_probability_score_loss, PROBA),
    "neg_risk_at_coverage": Recipe(risk_at_coverage_error, SURE),
    "neg_smooth_calibration_error": Recipe(smooth_calibration_error, PROBA),
    "neg_sparsification_error": Recipe(sparsification_error, STD),
    "neg_thresholded_adaptive_calibration_error": Recipe(
        thresholded_adaptive_calibration_error, PROBA
    ),
    "neg_top_label_calibration_error": Recipe(top_label_calibration_error, PROBA),
    "neg_uncertainty_calibration_error": Recipe(uncertainty_calibration_error, STD),
    "uncertainty_error_overlap": Recipe(uncertainty_error_overlap, UNSURE, 1),
}


def get_scorer(name: str, **params: Any) -> Scorer:
    """A scorer for `scoring=` of GridSearchCV, cross_validate and friends.

    Parameters
    ----------
    name : str
        One of `get_scorer_names`.
    **params : dict
        Keywords of the metric, for example ``n_bins=10`` or ``ignore_index=255``.

    Returns
    -------
    scorer : callable
        Called as ``scorer(estimator, X, y, sample_weight=None)``; higher is better.

    Raises
    ------
    skuq.exceptions.InputError
        If there is no scorer of that name.

    See Also
    --------
    get_scorers : Several at once, for multimetric scoring.

    Notes
    -----
    Scorers of classifiers call `predict_proba`, those of regressors ``predict(X,
    return_std=True)``.  Scorers of errors and their uncertainty (overlap, error recall
    and precision) rank by 1 minus the largest probability, by the function of
    probabilities given as ``uncertainty=``, for example `skuq.uncertainty.entropy`, or
    by the method of the estimator of that name.  Scorers of coverage and risk rank by
    `predict_confidence` of the estimator where it has that method, such as a
    `skuq.decision.SelectiveClassifier`, else by the largest probability.  Labels
    may be maps, `(n_samples, *spatial)`.

    Columns are matched to labels by ``estimator.classes_``, so a fold may miss a class.
    A calibration error is not a proper score: alone, it may prefer a model that states
    the base rate for every sample.  Select with "neg_log_loss" or
    "neg_brier_score_loss" and watch the calibration error beside it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skuq.metrics import get_scorer
    >>> search = GridSearchCV(
    ...     LogisticRegression(max_iter=500),
    ...     {"C": [0.1, 10.0]},
    ...     scoring=get_scorer("neg_log_loss"),
    ... )
    >>> search.fit(*load_iris(return_X_y=True)).best_params_
    {'C': 10.0}
    """
    if name not in SCORERS:
        raise InputError(f"no scorer {name!r}: choose from {get_scorer_names()}.")
    metric, kind, sign, options = SCORERS[name]
    method = "predict" if kind is DeviationScorer else "predict_proba"
    return kind(metric, sign, {**options, **params}, method)


def get_scorers(*names: str) -> dict[str, Scorer]:
    """Several scorers for multimetric scoring, which predict only once.

    Parameters
    ----------
    *names : str
        Names out of `get_scorer_names`.

    Returns
    -------
    scorers : dict of str to callable
        The scorers under their names.

    Examples
    --------
    >>> from skuq.metrics import get_scorers
    >>> sorted(get_scorers("accuracy", "neg_log_loss"))
    ['accuracy', 'neg_log_loss']
    """
    return {name: get_scorer(name) for name in names}


def get_scorer_names() -> list[str]:
    """The names that `get_scorer` knows.

    Returns
    -------
    names : list of str
        Sorted.

    Examples
    --------
    >>> from skuq.metrics import get_scorer_names
    >>> "neg_expected_calibration_error" in get_scorer_names()
    True
    """
    return sorted(SCORERS)
