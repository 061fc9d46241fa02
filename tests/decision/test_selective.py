"""SelectiveClassifier around models of any kind."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skuq.decision import SelectiveClassifier
from skuq.exceptions import CalibrationWarning, InputError
from skuq.metrics import (
    coverage_at_risk_score,
    get_scorers,
    risk_at_coverage_error,
)
from skuq.uncertainty import entropy


@pytest.fixture(scope="module")
def digits():
    """A fitted model, and held-out samples."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    model = GaussianNB().fit(X[:400], y[:400])
    return model, X[400:], y[400:]


@pytest.fixture
def problem(rng):
    """Probabilities of three classes, and labels drawn from them."""
    p = rng.dirichlet(np.ones(3), 600)
    return p, (p.cumsum(1) < rng.random((600, 1))).sum(1)


def test_predictions_are_those_of_the_model_or_rejected(digits):
    model, X, y = digits
    selective = SelectiveClassifier(model, target_coverage=0.7).fit(X, y)
    labels, accepted = selective.predict_selective(X)
    np.testing.assert_array_equal(labels, model.predict(X))
    y_pred = selective.predict(X)
    np.testing.assert_array_equal(y_pred[accepted], labels[accepted])
    assert (y_pred[~accepted] == -1).all()
    assert 0 < accepted.mean() < 1


def test_the_score_is_the_accuracy_of_what_is_accepted(digits):
    model, X, y = digits
    selective = SelectiveClassifier(model, target_coverage=0.7).fit(X, y)
    labels, accepted = selective.predict_selective(X)
    score = selective.score(X, y)
    assert score == pytest.approx((labels == y)[accepted].mean(), rel=1e-12)
    assert score == pytest.approx(1 - selective.risk_, rel=1e-12)
    assert accepted.mean() == selective.coverage_ >= 0.7


def test_a_full_coverage_never_abstains(digits):
    model, X, y = digits
    selective = SelectiveClassifier(model, target_coverage=1.0).fit(X[:300], y[:300])
    np.testing.assert_array_equal(selective.predict(X), model.predict(X))
    assert selective.score(X, y) == model.score(X, y)


@pytest.mark.parametrize("name", ["margin", "entropy"])
def test_two_classes_have_one_order_of_confidence(name, told, rng):
    p = rng.uniform(0.01, 0.99, 300)
    X, y = np.column_stack([1 - p, p]), (rng.random(300) < p).astype(int)
    models = [
        SelectiveClassifier(told(), confidence=c, target_coverage=0.5).fit(X, y)
        for c in (name, "max_probability")
    ]
    accepted = [model.predict_selective(X)[1] for model in models]
    np.testing.assert_array_equal(*accepted)


def test_a_function_of_probabilities_is_a_confidence(problem, told):
    X, y = problem
    options = {"target_coverage": 0.4}
    model = told(range(3))
    by_name = SelectiveClassifier(model, confidence="entropy", **options).fit(X, y)
    by_function = SelectiveClassifier(
        model, confidence=lambda p: -entropy(p), **options
    )
    assert by_function.fit(X, y).threshold_ == by_name.threshold_


def test_the_models_own_confidence_comes_first(problem, told):
    class Confident(told):
        def predict_confidence(self, X):
            return np.arange(len(X)) / 100

    X, y = problem
    selective = SelectiveClassifier(Confident(range(3)), target_coverage=0.25)
    assert selective.fit(X, y).threshold_ == 4.5
    other = SelectiveClassifier(
        told(range(3)), confidence=Confident(range(3)), target_coverage=0.25
    )
    assert other.fit(X, y).threshold_ == 4.5


def test_strings_are_rejected_by_none_or_a_word(problem, told):
    X, codes = problem
    classes = np.array(["cat", "dog", "ape"])
    y = classes[codes]
    model = SelectiveClassifier(told(classes), target_coverage=0.5).fit(X, y)
    accepted = model.predict_selective(X)[1]
    assert model.reject_label_ is None
    y_pred = model.predict(X)
    assert {label is None for label in y_pred[~accepted]} == {True}
    assert (y_pred[accepted] == classes[X.argmax(1)][accepted]).all()
    worded = clone(model).set_params(reject_label="nobody knows").fit(X, y).predict(X)
    assert worded.dtype.kind == "U"
    assert (worded[~accepted] == "nobody knows").all()


@pytest.mark.parametrize(
    ("classes", "label", "kind"),
    [
        (np.array([0, 1, 2], np.uint8), -1, "i"),
        ([-1, 0, 1], -2, "i"),
        ([-5.0, 0.0, 1.0], -6, "f"),
    ],
)
def test_numbers_are_rejected_by_a_number_that_is_no_class(
    classes, label, kind, problem, told
):
    X, codes = problem
    y = np.asarray(classes)[codes]
    model = SelectiveClassifier(told(classes), target_coverage=0.5).fit(X, y)
    y_pred = model.predict(X)
    assert model.reject_label_ == label
    assert y_pred.dtype.kind == kind
    assert label in y_pred


def test_a_target_that_no_threshold_meets_warns_and_rejects_all(problem, told):
    X, y = problem
    model = SelectiveClassifier(told(range(3)), target_risk=0.001)
    with pytest.warns(CalibrationWarning, match="always abstains.*takes"):
        model.fit(X, y)
    assert (model.predict(X) == -1).all()
    assert (model.threshold_, model.coverage_) == (np.inf, 0.0)
    assert np.isnan([model.risk_, model.risk_bound_, model.score(X, y)]).all()


def test_all_errors_keep_nothing_and_no_errors_keep_all(problem, told):
    X, _ = problem
    model = SelectiveClassifier(told(range(3)), target_risk=0.1)
    right = X.argmax(1)
    assert model.fit(X, right).threshold_ == -np.inf
    with pytest.warns(CalibrationWarning, match="always abstains"):
        model.fit(X, (right + 1) % 3)


def test_a_class_that_is_missing_or_new_does_no_harm(problem, told):
    X, _ = problem
    model = SelectiveClassifier(told(range(3)), target_coverage=0.5)
    model.fit(X, np.where(np.arange(600) % 2, 0, 7))
    kept = X.max(1) >= model.threshold_
    assert model.coverage_ == kept.mean()
    assert model.risk_ >= 0.4


def test_a_map_is_judged_by_its_pixels_and_has_no_promise(rng, told):
    X = np.moveaxis(rng.dirichlet(np.ones(3), (6, 8, 9)), -1, 1)
    y = rng.integers(0, 3, (6, 8, 9))
    y[:, 0] = 255
    model = SelectiveClassifier(told(range(3)), target_coverage=0.5, ignore_index=255)
    model.fit(X, y)
    flat = X.transpose(0, 2, 3, 1)[:, 1:].reshape(-1, 3)
    same = SelectiveClassifier(told(range(3)), target_coverage=0.5)
    same.fit(flat, y[:, 1:].reshape(-1))
    assert (model.threshold_, model.risk_) == (same.threshold_, same.risk_)
    assert model.score(X, y) == pytest.approx(1 - model.risk_, rel=1e-12)
    assert np.isnan(model.risk_bound_)
    assert model.predict(X).shape == y.shape
    with pytest.raises(InputError, match="target_coverage for maps"):
        SelectiveClassifier(told(range(3)), target_risk=0.1).fit(X, y)


def test_tensors_stay_tensors(rng, told):
    torch = pytest.importorskip("torch")

    class ToldTensors(told):
        def predict(self, X):
            return X.argmax(1)

    X = torch.asarray(rng.normal(size=(80, 3, 4, 5)), dtype=torch.float32).softmax(1)
    y = X.argmax(1)
    model = SelectiveClassifier(ToldTensors(range(3)), target_coverage=0.5).fit(X, y)
    y_pred = model.predict(X)
    assert torch.is_tensor(y_pred)
    assert y_pred.shape == y.shape
    accepted = model.predict_selective(X)[1]
    assert torch.equal(y_pred == -1, ~accepted)
    assert model.score(X, y) == 1.0


def test_a_held_out_part_trains_the_model_on_the_rest(digits):
    _, X, y = digits
    model = SelectiveClassifier(
        GaussianNB(), target_coverage=0.8, holdout=300, random_state=0
    )
    model.fit(X, y)
    assert model.estimator_.class_count_.sum() == len(y) - 300
    assert (model.coverage_ * 300) == pytest.approx(240, abs=1)
    assert clone(model).fit(X, y).threshold_ == model.threshold_


def test_it_works_in_a_pipeline_and_a_search(digits):
    _, X, y = digits
    selective = SelectiveClassifier(
        LogisticRegression(max_iter=500), target_coverage=0.8, holdout=0.3
    ).set_params(random_state=0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), selective),
        {"selectiveclassifier__confidence": ["margin", "entropy"]},
        scoring=get_scorers("coverage_at_risk", "neg_risk_at_coverage"),
        refit="coverage_at_risk",
        cv=2,
    ).fit(X, y)
    assert search.best_score_ > 0.8
    assert search.predict(X).shape == y.shape


def test_a_frozen_model_can_be_cross_validated(digits):
    model, X, y = digits
    frozen = SelectiveClassifier(FrozenEstimator(model), target_coverage=0.6)
    scores = cross_validate(frozen, X, y, cv=3)["test_score"]
    assert (scores > model.score(X, y)).all()


def test_scorers_rank_by_the_confidence_of_the_model(digits):
    model, X, y = digits
    own = SelectiveClassifier(model, confidence="entropy", target_coverage=0.5)
    own.fit(X, y)
    data = y, model.predict_proba(X)
    options = {"confidence": own.predict_confidence(X)}
    scorers = get_scorers("coverage_at_risk", "neg_risk_at_coverage")
    found = [scorer(own, X, y) for scorer in scorers.values()]
    assert found[0] == coverage_at_risk_score(*data, **options)
    assert found[1] == -risk_at_coverage_error(*data, **options)
    assert scorers["coverage_at_risk"](model, X, y) == coverage_at_risk_score(*data)


def test_hand_computed_operating_points():
    p = np.array([0.9, 0.8, 0.7, 0.6])
    data = [0, 1, 1, 0], np.column_stack([1 - p, p])
    for risk, kept in (0.0, 0.0), (1 / 3, 0.75), (0.4, 0.75), (0.5, 1.0):
        assert coverage_at_risk_score(*data, max_risk=risk) == kept
    for coverage, risk in (0.25, 1.0), (0.5, 0.5), (0.75, 1 / 3), (1.0, 0.5):
        found = risk_at_coverage_error(*data, coverage=coverage)
        assert found == pytest.approx(risk, rel=1e-12)
    tied = [0, 1, 1, 0], np.full((4, 2), 0.5)
    assert risk_at_coverage_error(*tied, coverage=0.3) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of them"),
        ({"target_risk": 0.1, "target_coverage": 0.5}, "exactly one of them"),
        ({"target_risk": 0.0}, r"target_risk must lie in \(0, 1\), got 0.0"),
        ({"target_coverage": 1.5}, r"target_coverage must lie in \(0, 1\], got 1.5"),
        ({"target_risk": 0.1, "delta": 1}, r"delta must lie in \(0, 1\), got 1"),
        ({"target_risk": 0.1, "confidence": "size"}, "confidence must be one of"),
        ({"target_risk": 0.1, "confidence": lambda p: p}, "one value per label"),
        ({"target_risk": 0.1, "confidence": lambda p: p[:, 0] * np.nan}, "NaN"),
    ],
)
def test_what_cannot_be_used_is_refused(options, message, problem, told):
    with pytest.raises(InputError, match=message):
        SelectiveClassifier(told(range(3)), **options).fit(*problem)


def test_labels_of_another_kind_are_refused(problem, told):
    X, y = problem
    model = SelectiveClassifier(told(range(3)), target_coverage=0.5)
    with pytest.raises(InputError, match="none of which is among the classes"):
        model.fit(X, y.astype(str))


def test_a_model_that_is_not_fitted_asks_for_it(problem):
    model = SelectiveClassifier(GaussianNB(), target_coverage=0.5)
    with pytest.raises(NotFittedError, match=r"trains the threshold alone.*holdout"):
        model.fit(*problem)
    with pytest.raises(TypeError, match="TorchModuleClassifier"):
        model.set_params(estimator=7).fit(*problem)
