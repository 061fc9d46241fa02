"""Metrics as scikit-learn scorers, by name.

scikit-learn has no public registry of scorers, so pass these objects:
``GridSearchCV(..., scoring=get_scorer("neg_log_loss"))``.
"""

from typing import Any

from skuq._sklearn import ProbabilityScorer
from skuq.exceptions import InputError
from skuq.metrics._accuracy import accuracy_score
from skuq.metrics._calibration_error import (
    expected_calibration_error,
    maximum_calibration_error,
)
from skuq.metrics._proper import brier_score_loss, log_loss

# name -> metric, sign, options.  Only losses carry "neg_": higher is always better.
SCORERS: dict[str, tuple[Any, int, dict[str, Any]]] = {
    "accuracy": (accuracy_score, 1, {}),
    "neg_brier_score_loss": (brier_score_loss, -1, {}),
    "neg_classwise_calibration_error": (
        expected_calibration_error,
        -1,
        {"kind": "classwise"},
    ),
    "neg_expected_calibration_error": (expected_calibration_error, -1, {}),
    "neg_log_loss": (log_loss, -1, {}),
    "neg_maximum_calibration_error": (maximum_calibration_error, -1, {}),
}


def get_scorer(name: str, **params: Any) -> ProbabilityScorer:
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
    metric, sign, defaults = SCORERS[name]
    return ProbabilityScorer(metric, sign, {**defaults, **params}, "predict_proba")


def get_scorers(*names: str) -> dict[str, ProbabilityScorer]:
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
