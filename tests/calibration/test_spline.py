"""Spline calibration: the basis, known truth, and a curve that never falls."""

import numpy as np
import pytest
from scipy.interpolate import BSpline
from scipy.special import expit

from skuq.calibration import PlattCalibrator, SplineCalibrator, _bounded
from skuq.calibration._bounded import Groups
from skuq.calibration._spline import STRENGTHS, Basis, _knots
from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.metrics import log_loss

KNOTS = np.array([-2.0, -1.0, 0.5, 3.0])


@pytest.fixture
def steps(rng):
    """Scores whose true log odds rise in two steps; outcomes and true log odds."""
    z = rng.uniform(-4, 4, 20_000)
    truth = 1.5 * np.tanh(3 * (z - 2)) + 1.5 * np.tanh(3 * (z + 2))
    return z, (rng.random(20_000) < expit(truth)).astype(int), truth


def eta(calibrator, z):
    """Calibrated log odds."""
    return calibrator.predict_logits(z)[:, 1]


def test_equal_slopes_are_a_straight_line():
    basis, u = Basis.of(KNOTS), np.linspace(-2, 3, 101)
    coef = basis.identity
    np.testing.assert_allclose(coef[:-1] @ basis.features(u) + coef[-1], u, atol=1e-12)
    curvature = basis.curvature()
    assert coef @ curvature @ coef == pytest.approx(0, abs=1e-12)
    assert (np.linalg.eigvalsh(curvature) > -1e-12).all()


def test_slopes_at_least_zero_are_a_rising_curve(rng):
    basis, u = Basis.of(KNOTS), np.linspace(-2, 3, 1001)
    for _ in range(20):
        slopes = rng.exponential(size=5) * rng.integers(0, 2, 5)
        assert (np.diff(slopes @ basis.features(u)) >= -1e-12).all()


def test_pieces_are_the_spline_and_straight_outside(rng):
    basis, coef = Basis.of(KNOTS), rng.exponential(size=6)
    anchors, pieces = basis.pieces(coef)
    heights = coef[-1] + np.append(0, np.cumsum(coef[:-1] * basis.gaps))
    spline = BSpline(basis.padded, heights, 3)
    u = np.linspace(-2, 3, 57)
    piece = np.searchsorted(KNOTS, u)
    got = sum(pieces[3 - k, piece] * (u - anchors[piece]) ** k for k in range(4))
    np.testing.assert_allclose(got, spline(u), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        got, coef[:-1] @ basis.features(u) + coef[-1], rtol=1e-10, atol=1e-12
    )
    for column, end in ((0, -2.0), (-1, 3.0)):
        expected = [0, 0, spline(end, 1), spline(end)]
        np.testing.assert_allclose(pieces[:, column], expected, atol=1e-12)


def test_knots_are_weighted_quantiles_and_never_close():
    u = np.linspace(0, 1, 1001)
    even = _knots(Groups(u, u, np.ones(1001)), 4, 5.0)
    np.testing.assert_allclose(even, [0, 0.25, 0.5, 0.75, 1], atol=1e-3)
    heavy = np.where(np.abs(u - 0.5) < 0.004, 1e6, 1.0)
    np.testing.assert_allclose(
        _knots(Groups(u, u, heavy), 4, 5.0), [0, 0.5, 1], atol=5e-3
    )
    one = np.zeros(1)
    assert _knots(Groups(one, one, one + 3), 4, 5.0).tolist() == [-5.0, 5.0]


def test_a_curve_of_steps_is_recovered(steps):
    z, y, truth = steps
    calibrator = SplineCalibrator(n_pieces=12).fit(z, y)
    error = np.abs(calibrator.predict_proba(z)[:, 1] - expit(truth)).mean()
    platt = PlattCalibrator().fit(z, y).predict_proba(z)[:, 1]
    assert error < 0.02
    assert error < np.abs(platt - expit(truth)).mean() / 4


def test_curved_data_are_smoothed_less_than_straight_ones(steps):
    z, y, _ = steps
    curved = SplineCalibrator().fit(z, y).maps_[0].smoothing
    logits, labels = make_logits(5000, n_classes=2, temperature=2.0, random_state=0)
    calibrator = SplineCalibrator().fit(logits, labels)
    straight = calibrator.maps_[0].smoothing
    assert curved < straight
    assert straight == STRENGTHS[0]
    platt = PlattCalibrator().fit(logits, labels).predict_proba(logits)
    assert np.abs(calibrator.predict_proba(logits) - platt).mean() < 0.005


def test_few_samples_do_not_overfit():
    """Fitted to 100 samples, the curve predicts new ones about as well as a line."""
    loss = {SplineCalibrator: [], PlattCalibrator: []}
    fresh, fresh_y = make_logits(20_000, n_classes=2, temperature=2.0, random_state=99)
    for seed in range(10):
        z, y = make_logits(100, n_classes=2, temperature=2.0, random_state=seed)
        for kind, values in loss.items():
            proba = kind().fit(z, y).predict_proba(fresh)
            values.append(log_loss(fresh_y, proba))
    assert np.mean(loss[SplineCalibrator]) < np.mean(loss[PlattCalibrator]) + 0.01


@pytest.mark.parametrize("seed", range(10))
def test_the_map_never_falls(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=3, size=100)
    y = (rng.random(100) < expit(z + 3 * np.sin(2 * z))).astype(int)
    calibrator = SplineCalibrator(penalty=0.01).fit(z, y)
    grid = np.concatenate([[-1e9], np.linspace(-60, 60, 4001), [1e9]])
    assert calibrator.maps_[0].line.slope > 0
    assert (np.diff(eta(calibrator, grid)) >= -1e-9).all()


def test_the_map_is_smooth_across_the_knots(steps):
    z, y, _ = steps
    calibrator = SplineCalibrator().fit(z, y)
    grid = np.linspace(-5, 5, 20_001)
    first = np.diff(eta(calibrator, grid)) / np.diff(grid)
    assert np.abs(np.diff(first)).max() < 0.02


def test_float32_tensors_give_the_same_curve(steps, xp):
    z, y, _ = steps
    calibrator = SplineCalibrator().fit(z, y)
    single = z[:500].astype(np.float32)
    got = calibrator.predict_proba(xp.asarray(single))
    assert got.dtype == xp.float32
    expected = calibrator.predict_proba(single.astype(np.float64))
    np.testing.assert_allclose(xp.to_numpy(got), expected, rtol=1e-4)


def test_the_size_of_the_groups_does_not_matter(steps, monkeypatch):
    z, y, _ = steps
    expected = SplineCalibrator().fit(z, y).predict_proba(z)
    monkeypatch.setattr(_bounded, "CELLS", 2**16)
    got = SplineCalibrator().fit(z, y).predict_proba(z)
    np.testing.assert_allclose(got, expected, atol=5e-4)  # the knots move by a cell


def test_scores_of_few_values_get_about_their_rates(rng):
    p = rng.integers(0, 6, 20_000) / 5
    rate = np.array([0.02, 0.1, 0.3, 0.6, 0.9, 0.97])[(5 * p).astype(int)]
    y = (rng.random(20_000) < rate).astype(int)
    proba = np.stack([1 - p, p], axis=1)
    got = SplineCalibrator(n_pieces=10).fit(proba, y).predict_proba(proba)[:, 1]
    truth = np.stack([1 - rate, rate], axis=1)
    fitted = np.stack([1 - got, got], axis=1)
    assert log_loss(y, fitted) < 1.01 * log_loss(y, truth)


def test_equal_scores_give_the_base_rate():
    y = np.repeat([0, 1], [300, 100])
    got = SplineCalibrator().fit(np.full(400, 3.0), y).predict_proba(np.full(1, 3.0))
    assert got[0, 1] == pytest.approx(0.25, abs=0.01)


def test_few_separable_samples_stay_bounded():
    z, y = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])
    proba = SplineCalibrator().fit(z, y).predict_proba(z)
    assert ((proba > 0.01) & (proba < 0.99)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_pieces": 0}, "n_pieces"),
        ({"n_pieces": 2.5}, "n_pieces"),
        ({"penalty": 0}, "above 0"),
    ],
)
def test_unusable_parameters_get_a_clear_error(options, message):
    z, y = make_logits(50, n_classes=2, random_state=0)
    with pytest.raises(InputError, match=message):
        SplineCalibrator(**options).fit(z, y)
