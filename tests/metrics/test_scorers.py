"""Metrics as scikit-learn scorers: alone, several, weighted, in odd folds."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate

from skuq._discovery import all_scorer_names
from skuq._sklearn import DeviationScorer, ProbabilityScorer, UncertaintyScorer
from skuq.exceptions import InputError
from skuq.metrics import (
    expected_calibration_error,
    get_scorer,
    get_scorers,
    log_loss,
    uncertainty_error_overlap,
)
from skuq.metrics._scorers import SCORERS
from skuq.uncertainty import entropy

NAMES = [
    name
    for name in all_scorer_names()
    if issubclass(SCORERS[name].kind, ProbabilityScorer)
]
every_scorer = pytest.mark.parametrize("name", NAMES)
MAPS = [name for name in all_scorer_names() if SCORERS[name].kind is UncertaintyScorer]
STD = [name for name in all_scorer_names() if SCORERS[name].kind is DeviationScorer]
# A fold without errors has no score.
NEEDS_ERRORS = ("error_detection_aupr", "error_detection_auroc")
GRID = {"C": [1e-3, 1.0]}


def model():
    return LogisticRegression(max_iter=5000)


@pytest.fixture(scope="module")
def iris():
    """Three classes, as strings."""
    X, y = load_iris(return_X_y=True)
    return X, np.array(["ant", "bee", "cow"])[y]


@every_scorer
def test_a_scorer_is_its_metric_with_a_sign(name, iris):
    X, y = iris
    fitted = model().fit(X, y)
    scorer = get_scorer(name)
    metric = scorer._score_func
    value = metric(y, fitted.predict_proba(X), **scorer._kwargs)
    sign = -1 if name.startswith("neg_") else 1
    assert scorer(fitted, X, y) == sign * value


@every_scorer
def test_a_search_takes_a_scorer_of_two_or_more_classes(name, iris):
    binary = load_breast_cancer(return_X_y=True)
    for X, y in (iris, (binary[0][:, :5], binary[1] == 1)):
        search = GridSearchCV(model(), GRID, scoring=get_scorer(name), cv=3)
        search.fit(X, y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        best = search.best_index_
        assert (
            search.cv_results_["mean_test_score"][best]
            == search.cv_results_["mean_test_score"].max()
        )


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NEEDS_ERRORS])
def test_folds_may_miss_a_class(name, iris):
    X, y = iris  # sorted by class
    fitted = model().fit(X, y)
    folds = [(np.arange(150), np.arange(50)), (np.arange(150), np.arange(40, 60))]
    result = cross_validate(
        model(), X, y, scoring=get_scorer(name), cv=folds, error_score="raise"
    )
    assert np.isfinite(result["test_score"]).all()
    scorer = get_scorer(name)
    named = scorer._score_func(
        y[:50], fitted.predict_proba(X[:50]), labels=fitted.classes_, **scorer._kwargs
    )
    assert abs(scorer(fitted, X[:50], y[:50])) == named
    binary = y == "bee"
    score = get_scorer(name)(model().fit(X, binary), X[:20], binary[:20])
    assert np.isfinite(score)


def test_several_scorers_predict_once(iris):
    X, y = iris
    calls = []

    class Counting(LogisticRegression):
        def predict_proba(self, X):
            calls.append(len(X))
            return super().predict_proba(X)

    names = [name for name in NAMES + MAPS if name not in NEEDS_ERRORS]
    result = cross_validate(
        Counting(max_iter=5000), X, y, scoring=get_scorers(*names), cv=3
    )
    assert len(calls) == 3
    for name in names:
        assert np.isfinite(result[f"test_{name}"]).all()


def test_weights_reach_the_metric(iris, rng):
    X, y = iris
    weight = rng.exponential(size=len(y))
    scorers = get_scorers("neg_log_loss", "neg_expected_calibration_error")
    fitted = model().fit(X, y)
    expected = -log_loss(y, fitted.predict_proba(X), sample_weight=weight)
    assert scorers["neg_log_loss"](fitted, X, y, sample_weight=weight) == expected
    search = GridSearchCV(
        model(),
        GRID,
        scoring=scorers,
        cv=KFold(3, shuffle=True, random_state=0),
        refit=False,
    )
    weighted = search.fit(X, y, sample_weight=weight).cv_results_
    plain = search.fit(X, y).cv_results_
    for name in scorers:
        key = f"mean_test_{name}"
        assert not np.allclose(weighted[key], plain[key])


def test_weights_are_routed(iris, rng):
    X, y = iris
    weight = rng.exponential(size=len(y))
    cv = KFold(3, shuffle=True, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        estimator = model().set_fit_request(sample_weight=False)
        routed = cross_validate(
            estimator, X, y, scoring=scorer, cv=cv, params={"sample_weight": weight}
        )["test_score"]
    for score, (train, test) in zip(routed, cv.split(X, y), strict=True):
        proba = model().fit(X[train], y[train]).predict_proba(X[test])
        expected = -log_loss(y[test], proba, sample_weight=weight[test])
        assert score == pytest.approx(expected, rel=1e-12)


class PixelModel(ClassifierMixin, BaseEstimator):
    """Softmax of a map over its channels, sharpened."""

    def __init__(self, sharpness=1.0):
        self.sharpness = sharpness

    def fit(self, X, y):
        self.classes_ = np.arange(X.shape[1])
        return self

    def predict_proba(self, X):
        p = np.exp(self.sharpness * X)
        return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_searches_over_maps_with_void_pixels(n_classes, rng):
    from skuq.datasets import make_logits

    X, y = make_logits(20, n_classes, spatial=(6, 7), temperature=2.0, random_state=0)
    y = np.where(rng.random(y.shape) < 0.2, 255, y)
    scorers = {
        name: get_scorer(name, ignore_index=255)
        for name in ("neg_log_loss", "neg_expected_calibration_error", "accuracy")
    }
    search = GridSearchCV(
        PixelModel(),
        {"sharpness": [0.1, 0.5, 2.0]},
        scoring=scorers,
        refit="neg_log_loss",
        cv=KFold(4),
        error_score="raise",
    )
    search.fit(X, y)
    assert search.best_params_ == {"sharpness": 0.5}  # the true 1 / T
    errors = -search.cv_results_["mean_test_neg_expected_calibration_error"]
    assert errors.argmin() == 1


def test_a_scorer_can_be_pickled_and_takes_options(iris):
    X, y = iris
    fitted = model().fit(X, y)
    scorer = pickle.loads(pickle.dumps(get_scorer("neg_log_loss", eps=0.1)))
    assert scorer(fitted, X, y) == -log_loss(y, fitted.predict_proba(X), eps=0.1)
    ten = get_scorer("neg_expected_calibration_error", n_bins=10)
    assert ten(fitted, X, y) == -expected_calibration_error(
        y, fitted.predict_proba(X), n_bins=10
    )
    assert "expected_calibration_error" in repr(ten)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="neg_log_loss"):
        get_scorer("ece")


class Maps(ClassifierMixin, BaseEstimator):
    """Labels of the pixels of an image from their grey value, logistic in it."""

    def __init__(self, sharpness=5.0):
        self.sharpness = sharpness

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        p = 1 / (1 + np.exp(-self.sharpness * (X - 0.5)))
        return np.stack([1 - p, p], axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]


@pytest.fixture
def images(rng):
    X = rng.random((9, 6, 7))
    y = np.array(["back", "front"])[(rng.random(X.shape) < X).astype(int)]
    return X, y


@pytest.mark.parametrize("name", MAPS)
def test_a_search_over_segmentations_takes_a_scorer_of_errors(name, images):
    search = GridSearchCV(Maps(), {"sharpness": [1.0, 5.0]}, scoring=get_scorer(name))
    scores = search.set_params(cv=3).fit(*images).cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


@pytest.mark.parametrize("name", ["neg_log_loss", "neg_smooth_calibration_error"])
def test_a_search_over_segmentations_takes_a_scorer_of_probabilities(name, images):
    search = GridSearchCV(Maps(), {"sharpness": [5.0, 50.0]}, scoring=get_scorer(name))
    assert search.set_params(cv=3).fit(*images).best_params_ == {"sharpness": 5.0}


def test_the_overlap_scorer_takes_any_uncertainty(images):
    X, y = images
    fitted = Maps().fit(X, y)
    p = fitted.predict_proba(X)
    data = y, fitted.predict(X)
    options = {"threshold": "best", "average": "pooled"}
    plain = get_scorer("uncertainty_error_overlap", **options)
    assert plain(fitted, X, y) == uncertainty_error_overlap(
        *data, 1 - p.max(axis=1), **options
    )
    by_entropy = get_scorer("uncertainty_error_overlap", uncertainty=entropy)
    assert by_entropy(fitted, X, y) == uncertainty_error_overlap(*data, entropy(p))
    fitted.doubt = lambda X: np.abs(X)
    by_method = get_scorer("uncertainty_error_overlap", uncertainty="doubt")
    assert by_method(fitted, X, y) == uncertainty_error_overlap(*data, X)


@pytest.mark.parametrize("name", STD)
def test_a_search_of_regressors_takes_a_scorer_of_their_deviation(name, rng):
    X = rng.normal(size=(90, 3))
    y = X[:, 0] + 0.3 * rng.normal(size=90)
    scorer = get_scorer(name)
    search = GridSearchCV(BayesianRidge(), {"max_iter": [1, 50]}, scoring=scorer, cv=3)
    assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()
    fitted = BayesianRidge().fit(X, y)
    value = scorer._score_func(y, *fitted.predict(X, return_std=True))
    assert scorer(fitted, X, y) == -value
