"""Quadratic calibration: known truth, the formula, and a map that never falls."""

import numpy as np
import pytest
from scipy.special import expit

from skuq.calibration import PlattCalibrator, QuadraticCalibrator, _bounded
from skuq.datasets import make_logits
from skuq.metrics import log_loss


@pytest.fixture
def bent(rng):
    """Scores with log odds ``z + 0.3 max(z, 0)^2``, outcomes and true log odds."""
    z = rng.normal(scale=1.5, size=20_000)
    truth = z + 0.3 * np.maximum(z, 0) ** 2
    return z, (rng.random(20_000) < expit(truth)).astype(int), truth


def eta(calibrator, z):
    """Calibrated log odds."""
    return calibrator.predict_logits(z)[:, 1]


def test_a_curve_on_one_side_is_recovered(bent):
    z, y, truth = bent
    calibrator = QuadraticCalibrator().fit(z, y)
    error = np.abs(calibrator.predict_proba(z)[:, 1] - expit(truth)).mean()
    platt = PlattCalibrator().fit(z, y).predict_proba(z)[:, 1]
    assert error < 0.01
    assert error < np.abs(platt - expit(truth)).mean() / 2
    fitted = calibrator.maps_[0]
    assert fitted.upper > 3 * abs(fitted.lower)


def test_log_odds_follow_the_formula(bent):
    z, y, _ = bent
    calibrator = QuadraticCalibrator().fit(z, y)
    line, slope, upper, lower, intercept = calibrator.maps_[0]
    u = line(z)
    expected = intercept + slope * u
    expected += upper * np.maximum(u, 0) ** 2 - lower * np.maximum(-u, 0) ** 2
    np.testing.assert_allclose(eta(calibrator, z), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_the_map_never_falls(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=4, size=80)
    y = (rng.random(80) < expit(z - z**2 / 3)).astype(int)
    calibrator = QuadraticCalibrator(penalty=0.01).fit(z, y)
    line, slope, upper, lower, _ = calibrator.maps_[0]
    if line.slope >= 0:
        grid = np.concatenate([np.linspace(-60, 60, 4001), [-1e9, 1e9]])
        grid.sort()
        assert (np.diff(eta(calibrator, grid)) >= -1e-9).all()
    ends = np.array([0, 2 * upper, 2 * lower]) * line.limit
    assert (slope + ends >= -1e-12).all()


def test_a_strong_penalty_gives_bounded_platt_scaling(bent):
    z, y, _ = bent
    calibrator = QuadraticCalibrator(penalty=1e9).fit(z, y)
    np.testing.assert_allclose(
        eta(calibrator, z), calibrator.maps_[0].line(z), rtol=1e-4, atol=1e-4
    )


def test_straight_data_stay_nearly_straight():
    z, y = make_logits(50_000, n_classes=2, temperature=2.0, random_state=0)
    z = z[:, 1] - z[:, 0]
    curved = QuadraticCalibrator().fit(z, y).predict_proba(z)
    straight = PlattCalibrator().fit(z, y).predict_proba(z)
    assert np.abs(curved - straight).mean() < 0.005


def test_mirrored_scores_give_the_mirrored_map(bent):
    z, y, _ = bent
    z, y = z[:500], y[:500]
    there = QuadraticCalibrator().fit(z, y)
    back = QuadraticCalibrator().fit(-z, 1 - y)
    np.testing.assert_allclose(eta(back, -z), -eta(there, z), rtol=1e-4, atol=1e-6)


def test_the_size_of_the_groups_does_not_matter(bent, monkeypatch):
    z, y, _ = bent
    expected = eta(QuadraticCalibrator().fit(z, y), z)
    monkeypatch.setattr(_bounded, "CELLS", 2**18)
    got = eta(QuadraticCalibrator().fit(z, y), z)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_few_separable_samples_stay_bounded():
    z, y = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])
    proba = QuadraticCalibrator().fit(z, y).predict_proba(z)
    assert ((proba > 0.01) & (proba < 0.99)).all()
    assert (np.diff(proba[:, 1]) > 0).all()


def test_wrong_probabilities_of_zero_cost_little(rng):
    p = rng.integers(0, 11, 2000) / 10
    y = (rng.random(2000) < 0.05 + 0.9 * p).astype(int)
    proba = np.stack([1 - p, p], axis=1)
    truth = np.stack([0.95 - 0.9 * p, 0.05 + 0.9 * p], axis=1)
    fitted = QuadraticCalibrator().fit(proba, y).predict_proba(proba)
    assert log_loss(y, fitted) < 1.02 * log_loss(y, truth)


def test_equal_scores_give_the_base_rate():
    y = np.repeat([0, 1], [300, 100])
    got = QuadraticCalibrator().fit(np.full(400, 3.0), y).predict_proba(np.full(1, 3.0))
    assert got[0, 1] == pytest.approx(0.25, abs=0.01)
