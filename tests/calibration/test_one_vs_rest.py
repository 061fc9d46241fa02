"""Each class against the rest, by calibrators of skuq, of users and of scikit-learn."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from skuq._core._links import as_logits
from skuq._core._steps import counted_groups
from skuq._discovery import all_calibrators
from skuq.base import BaseCalibrator
from skuq.calibration import (
    AutoCalibrator,
    CalibratedModel,
    OneVsRestCalibrator,
    PlattCalibrator,
    QuadraticCalibrator,
    TemperatureScaler,
)
from skuq.calibration._binary import BinaryCalibrator, log_odds
from skuq.datasets import make_logits
from skuq.exceptions import InputError

BINARY = [
    c
    for c in all_calibrators().values()
    if issubclass(c, BinaryCalibrator) and c is not OneVsRestCalibrator
]


class Halved(BaseCalibrator):
    """A user's own calibrator."""

    def _fit(self, table, kind):
        pass

    def _calibrated_logits(self, logits):
        return logits / 2


class BaseRate(ClassifierMixin, BaseEstimator):
    """A user's own estimator, which knows nothing of skuq."""

    def fit(self, X, y):
        self.shape_ = X.shape
        self.rate_ = np.mean(y)
        return self

    def predict_proba(self, X):
        return np.tile([1 - self.rate_, self.rate_], (len(X), 1))


@pytest.fixture
def problem():
    return make_logits(500, n_classes=4, temperature=2.0, random_state=0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("calibrator_class", BINARY)
def test_it_is_what_calibrators_of_two_classes_do(
    calibrator_class, weighted, problem, rng
):
    z, y = problem
    weight = rng.random(len(y)) if weighted else None
    alone = calibrator_class().fit(z, y, sample_weight=weight)
    wrapped = OneVsRestCalibrator(calibrator_class()).fit(z, y, sample_weight=weight)
    np.testing.assert_allclose(
        wrapped.predict_log_proba(z), alone.predict_log_proba(z), rtol=1e-12
    )


def test_the_default_is_platt(problem):
    z, y = problem
    np.testing.assert_allclose(
        OneVsRestCalibrator().fit(z, y).predict_proba(z),
        PlattCalibrator().fit(z, y).predict_proba(z),
        rtol=1e-12,
    )


def test_a_calibrator_of_a_user_becomes_one_of_several_classes(problem, xp):
    z, y = problem
    calibrator = OneVsRestCalibrator(Halved()).fit(z, y)
    p = 1 / (1 + np.exp(-log_odds(z.T) / 2))
    got = calibrator.predict_proba(xp.asarray(z))
    assert type(got) is type(xp.asarray(z))
    np.testing.assert_allclose(xp.to_numpy(got), (p / p.sum(axis=0)).T, rtol=1e-9)


def test_an_estimator_gets_one_column_and_labels_0_and_1(problem, xp):
    z, y = problem
    calibrator = OneVsRestCalibrator(BaseRate()).fit(z, y)
    assert [m.shape_ for m in calibrator.maps_] == 4 * [(500, 1)]
    got = xp.to_numpy(calibrator.predict_proba(xp.asarray(z[:3])))
    rates = np.bincount(y) / len(y)
    np.testing.assert_allclose(got, np.tile(rates, (3, 1)), rtol=1e-12)


def test_logistic_regression_is_nearly_platt(problem):
    z, y = problem
    regression = OneVsRestCalibrator(LogisticRegression(C=1e6)).fit(z, y)
    platt = PlattCalibrator().fit(z, y)
    got, expected = regression.predict_proba(z), platt.predict_proba(z)
    np.testing.assert_allclose(got, expected, atol=0.02)


def test_two_classes_have_one_calibrator():
    z, y = make_logits(300, n_classes=2, temperature=2.0, random_state=0)
    calibrator = OneVsRestCalibrator(TemperatureScaler()).fit(z, y)
    assert len(calibrator.maps_) == 1
    np.testing.assert_allclose(
        calibrator.predict_proba(z),
        TemperatureScaler().fit(z, y).predict_proba(z),
        rtol=1e-12,
    )


def test_the_template_is_left_alone_and_can_be_set(problem):
    template = QuadraticCalibrator()
    calibrator = OneVsRestCalibrator(template).set_params(calibrator__penalty=7.0)
    calibrator.fit(*problem)
    assert not hasattr(template, "maps_")
    assert template.get_params()["input"] == "auto"
    assert [m.penalty for m in calibrator.maps_] == 4 * [7.0]


def test_each_class_may_choose_its_own(problem):
    z, y = problem
    auto = AutoCalibrator(candidates=[None, PlattCalibrator()], rule="best")
    calibrator = OneVsRestCalibrator(auto).fit(z, y)
    assert [list(m.weights_) for m in calibrator.maps_] == 4 * [["PlattCalibrator"]]


def test_it_goes_behind_a_model(problem):
    z, y = problem
    model = LogisticRegression().fit(z, y)
    calibrator = OneVsRestCalibrator(QuadraticCalibrator())
    calibrated = CalibratedModel(model, calibrator).fit(z, y)
    assert calibrated.predict_proba(z).shape == z.shape


def test_an_estimator_without_classes_needs_samples_of_each(problem):
    z, y = problem
    kept = y != 2
    with pytest.raises(InputError, match="LogisticRegression cannot be fitted"):
        OneVsRestCalibrator(LogisticRegression()).fit(z[kept], y[kept])
    fitted = OneVsRestCalibrator(TemperatureScaler()).fit(z[kept], y[kept])
    assert (fitted.predict_proba(z)[:, 2] > 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_probabilities_are_tied_however_the_rest_is_divided(dtype, rng):
    votes = rng.multinomial(100, [0.4, 0.3, 0.2, 0.1], size=3000)
    proba = (votes / 100).astype(dtype)
    scores = log_odds(as_logits(proba.T, "proba"))
    for k in range(4):
        groups = counted_groups(scores[k], votes[:, k] % 2 == 0, None)
        assert len(groups.weight) == len(np.unique(votes[:, k]))


def test_dense_scores_of_float32_are_not_taken_for_ties(rng):
    scores = np.linspace(1, 1.01, 2000, dtype=np.float32)
    groups = counted_groups(scores, scores > 1.005, None)
    assert len(groups.weight) == len(np.unique(scores))
