"""Beta calibration: known truth, a general solver, and the bounds of a and b."""

import numpy as np
import pytest
from scipy.special import betaln, expit, logit
from sklearn.linear_model import LogisticRegression

from skuq.calibration import BetaCalibrator, PlattCalibrator
from skuq.exceptions import InputError
from skuq.metrics import log_loss


def both(p):
    """Two columns of a positive-class probability."""
    return np.stack([1 - p, p], axis=1)


@pytest.fixture
def problem(rng):
    """Beta distributed scores of two classes, and labels."""
    y = rng.random(2000) < 0.3
    p = np.where(y, rng.beta(5, 2, 2000), rng.beta(2, 4, 2000))
    return p, y.astype(int)


# betacal 1.1.0: a, b of BetaCalibration(parameters).fit(P, Y), and its prediction of
# 0.1, 0.5 and 0.9.
P = np.array([0.05, 0.1, 0.2, 0.3, 0.35, 0.4, 0.55, 0.6, 0.7, 0.8, 0.9, 0.97])
Y = np.array([0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1])
BETACAL = {
    "abm": ([0.76904, 0.66343], [0.16959, 0.50979, 0.82620]),
    "am": ([0.71465, 0.71465], [0.17476, 0.50449, 0.83036]),
    "ab": ([0.73125, 0.69764], [0.16981, 0.50000, 0.82529]),
}


@pytest.mark.parametrize("parameters", BETACAL)
def test_agrees_with_the_authors_package(parameters):
    slopes, proba = BETACAL[parameters]
    calibrator = BetaCalibrator(parameters=parameters, penalty=0).fit(both(P), Y)
    np.testing.assert_allclose(calibrator.maps_[0][:2], slopes, rtol=2e-3)
    got = calibrator.predict_proba(both(np.array([0.1, 0.5, 0.9])))[:, 1]
    np.testing.assert_allclose(got, proba, rtol=1e-3)


def test_the_map_of_beta_distributed_scores_is_recovered(rng):
    n, rate = 200_000, 0.3
    y = rng.random(n) < rate
    p = np.where(y, rng.beta(5, 2, n), rng.beta(2, 4, n))
    fitted = BetaCalibrator(input="proba").fit(both(p), y).maps_[0]
    # The likelihood ratio of both densities; 5 standard errors are about 0.07.
    expected = [3.0, 2.0, logit(rate) + betaln(2, 4) - betaln(5, 2)]
    np.testing.assert_allclose(fitted[:3], expected, atol=0.07)
    assert fitted.share == 0


def test_without_a_penalty_it_is_a_logistic_regression(problem):
    p, y = problem
    fitted = BetaCalibrator(penalty=0).fit(both(p), y).maps_[0]
    x = np.stack([np.log(p), -np.log(1 - p)], axis=1)
    peer = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000).fit(x, y)
    expected = [*peer.coef_[0], peer.intercept_[0]]
    np.testing.assert_allclose(fitted[:3], expected, rtol=1e-5)
    assert fitted.share == 0


def test_probabilities_follow_the_formula(problem):
    p, y = problem
    calibrator = BetaCalibrator().fit(both(p), y)
    a, b, c, _ = calibrator.maps_[0]
    expected = expit(a * np.log(p) - b * np.log(1 - p) + c)
    got = calibrator.predict_proba(both(p))[:, 1]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_one_slope_is_platt_scaling_without_smoothing(problem):
    p, y = problem
    fitted = BetaCalibrator(parameters="am", penalty=0).fit(both(p), y).maps_[0]
    assert fitted.a == fitted.b
    peer = LogisticRegression(C=np.inf, tol=1e-12).fit(logit(p)[:, None], y)
    expected = [peer.coef_[0, 0], peer.intercept_[0]]
    np.testing.assert_allclose([fitted.a, fitted.c], expected, rtol=1e-5)


def test_without_a_shift_one_half_stays_one_half(problem):
    p, y = problem
    calibrator = BetaCalibrator(parameters="ab").fit(both(p), y)
    half = calibrator.predict_proba([[0.5, 0.5]])
    np.testing.assert_allclose(half, 0.5, rtol=1e-9)
    a, b, _, _ = calibrator.maps_[0]
    assert a != pytest.approx(b, rel=1e-3)


def test_more_freedom_fits_the_calibration_data_better(problem):
    p, y = problem
    loss = {
        parameters: log_loss(
            y,
            BetaCalibrator(parameters=parameters, penalty=0)
            .fit(both(p), y)
            .predict_proba(both(p)),
        )
        for parameters in ("abm", "am", "ab")
    }
    assert loss["abm"] <= min(loss["am"], loss["ab"])


@pytest.mark.parametrize("dropped", ["a", "b"])
def test_a_negative_coefficient_is_dropped_and_the_other_refitted(rng, dropped):
    p = rng.uniform(0.01, 0.99, 5000)
    curve = np.log(p) if dropped == "b" else -np.log(1 - p)
    falling = np.log(1 - p) if dropped == "b" else -np.log(p)
    y = rng.random(5000) < expit(2 * curve + 0.5 * falling + 1)
    fitted = BetaCalibrator(penalty=0).fit(both(p), y).maps_[0]
    peer = LogisticRegression(C=np.inf, tol=1e-12).fit(curve[:, None], y)
    assert getattr(fitted, dropped) == 0
    kept = fitted.a if dropped == "b" else fitted.b
    assert kept == pytest.approx(peer.coef_[0, 0], rel=1e-4)
    assert fitted.c == pytest.approx(peer.intercept_[0], rel=1e-4)


def test_scores_worse_than_chance_give_the_base_rate(problem):
    p, y = problem
    calibrator = BetaCalibrator(penalty=0).fit(both(1 - p), y)
    assert calibrator.maps_[0][:2] == (0, 0)
    got = calibrator.predict_proba(both(p))[:, 1]
    np.testing.assert_allclose(got, y.mean(), rtol=1e-6)
    pulled = BetaCalibrator().fit(both(1 - p), y).predict_proba(both(p))[:, 1]
    np.testing.assert_allclose(pulled, y.mean(), atol=0.01)


def test_the_map_never_falls(problem, rng):
    grid = np.linspace(-50, 50, 1001)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        z, y = rng.normal(size=60), rng.integers(0, 2, 60)
        calibrator = BetaCalibrator(input="logit").fit(z, y)
        assert (np.diff(calibrator.predict_logits(grid)[:, 1]) >= 0).all()


def test_a_strong_penalty_gives_platt_scaling(problem):
    p, y = problem
    beta = BetaCalibrator(penalty=1e9).fit(both(p), y).predict_proba(both(p))
    platt = PlattCalibrator().fit(both(p), y).predict_proba(both(p))
    np.testing.assert_allclose(beta, platt, rtol=1e-5)


def test_separable_scores_keep_finite_coefficients():
    z, y = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])
    a, b, c, _ = BetaCalibrator().fit(z, y).maps_[0]
    assert 0 < a < 10
    assert a == pytest.approx(b, rel=1e-6)
    assert c == pytest.approx(0, abs=1e-6)


def test_probabilities_of_zero_do_not_decide_the_map(rng):
    p = np.round(rng.random(2000), 1)
    y = rng.random(2000) < 0.1 + 0.8 * p
    calibrator = BetaCalibrator().fit(both(p), y)
    assert calibrator.maps_[0].share == 1 / 2001
    platt = PlattCalibrator().fit(both(p), y).predict_proba(both(p))
    assert log_loss(y, calibrator.predict_proba(both(p))) < log_loss(y, platt)


def test_unknown_parameters_get_a_clear_error(problem):
    p, y = problem
    with pytest.raises(InputError, match="'abm', 'am', 'ab'"):
        BetaCalibrator(parameters="m").fit(both(p), y)
