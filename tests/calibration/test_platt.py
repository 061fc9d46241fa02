"""Platt scaling: LibSVM's numbers, smoothed targets, and hard scores."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skuq.calibration import PlattCalibrator
from skuq.calibration._platt import smooth
from skuq.datasets import make_logits
from skuq.metrics import log_loss


@pytest.fixture
def problem():
    """Margins and labels, over-confident."""
    z, y = make_logits(500, n_classes=2, temperature=2.0, random_state=0)
    return z[:, 1] - z[:, 0], y


def test_agrees_with_libsvm():
    """The numbers that scikit-learn tests its own port of LibSVM against."""
    fitted = PlattCalibrator().fit([5.0, -4.0, 1.0], [1, -1, -1]).maps_[0]
    expected = [0.20261354391187855, -0.65236314980010512]
    np.testing.assert_allclose(fitted, expected, atol=1e-5)


def test_targets_are_smoothed_by_one_sample_of_either_kind():
    target = np.array([True, False, True, False, False])
    assert smooth(target, None).tolist() == [3 / 4, 1 / 5, 3 / 4, 1 / 5, 1 / 5]
    weight = np.array([0.5, 1.0, 2.5, 0.0, 1.0])
    assert smooth(target, weight).tolist() == [4 / 5, 1 / 4, 4 / 5, 1 / 4, 1 / 4]


def test_agrees_with_a_general_minimiser(problem):
    z, y = problem
    n = np.bincount(y)
    aim = np.where(y == 1, (n[1] + 1) / (n[1] + 2), 1 / (n[0] + 2))

    def loss(line):
        eta = line[0] * z + line[1]
        return (np.logaddexp(0, eta) - aim * eta).mean()

    found = minimize(loss, [1.0, 0.0], options={"gtol": 1e-9})
    fitted = PlattCalibrator().fit(z, y).maps_[0]
    np.testing.assert_allclose(fitted, found.x, rtol=1e-5)


def test_probabilities_are_the_logistic_curve(problem):
    z, y = problem
    calibrator = PlattCalibrator().fit(z, y)
    a, b = calibrator.maps_[0]
    expected = 1 / (1 + np.exp(-(a * z + b)))
    np.testing.assert_allclose(calibrator.predict_proba(z)[:, 1], expected, rtol=1e-12)


def test_sure_classes_keep_their_odds_in_float32(problem):
    z, y = problem
    calibrator = PlattCalibrator().fit(z, y)
    far = np.array([60.0, -60.0], dtype=np.float32)
    log_proba = calibrator.predict_log_proba(far)
    a, b = calibrator.maps_[0]
    wrong = log_proba[[0, 1], [0, 1]]
    np.testing.assert_allclose(wrong, [-60 * a - b, -60 * a + b], rtol=1e-5)


def test_the_unit_of_the_scores_does_not_matter(problem):
    z, y = problem
    expected = PlattCalibrator().fit(z, y).predict_proba(z)
    for unit in (1e-6, 1e4, 1e10):
        scaled = PlattCalibrator(input="logit").fit(unit * z, y)
        np.testing.assert_allclose(scaled.predict_proba(unit * z), expected, rtol=1e-6)


def test_separable_scores_keep_finite_coefficients():
    z, y = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])
    calibrator = PlattCalibrator().fit(z, y)
    a, b = calibrator.maps_[0]
    assert 0 < a < 10
    assert b == pytest.approx(0, abs=1e-9)
    # Two samples of a class aim at 3/4, and at the minimum z q has the mean of z t.
    q = calibrator.predict_proba(z)[2:, 1]
    assert q @ z[2:] == pytest.approx(3 / 4 * 3, rel=1e-6)


def test_scores_that_rank_worse_than_chance_are_turned_round(problem):
    z, y = problem
    right, wrong = PlattCalibrator().fit(z, y), PlattCalibrator().fit(-z, y)
    np.testing.assert_allclose(wrong.maps_[0], right.maps_[0] * [-1, 1], rtol=1e-6)


def test_equal_scores_give_the_smoothed_base_rate():
    y = np.array([0, 0, 0, 1])
    proba = PlattCalibrator().fit(np.full(4, 3.0), y).predict_proba(np.full(1, 3.0))
    # 3 targets of 1/5 and one of 2/3.
    assert proba[0, 1] == pytest.approx((3 / 5 + 2 / 3) / 4, rel=1e-6)


def test_each_class_has_its_own_line():
    z, y = make_logits(20_000, n_classes=3, temperature=3.0, random_state=0)
    z += np.array([0.0, 2.0, 0.0])  # the second class is over-rated
    calibrator = PlattCalibrator().fit(z, y)
    slopes, shifts = np.array(calibrator.maps_).T
    assert (slopes < 0.6).all()
    assert shifts.argmin() == 1
    mean = calibrator.predict_proba(z).mean(axis=0)
    np.testing.assert_allclose(mean, np.bincount(y) / len(y), atol=0.02)
    uniform = log_loss(y, np.full((len(y), 3), 1 / 3))
    assert log_loss(y, calibrator.predict_proba(z)) < uniform
