"""The logistic line from stated to true log odds, and its standard errors."""

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from skuq.exceptions import InputError
from skuq.metrics import calibration_slope_intercept


def draw(rng, n, slope=1.0, intercept=0.0):
    """Outcomes whose log odds lie on a line over the stated ones."""
    z = rng.normal(scale=1.5, size=n)
    y = (rng.random(n) < expit(intercept + slope * z)).astype(int)
    return y, expit(z)


@pytest.fixture
def problem(rng):
    """Outcomes, probabilities and weights."""
    y, p = draw(rng, 150, slope=0.6, intercept=-0.5)
    return y, np.round(p, 2).clip(0.01, 0.99), rng.uniform(0.2, 2, 150)


def gradient(coef, y, p, weight):
    """Of the log-likelihood, in intercept and slope."""
    z = logit(p)
    missing = weight * (y - expit(coef[0] + coef[1] * z))
    return np.array([missing.sum(), (missing * z).sum()])


def test_the_line_is_that_of_an_unpenalized_logistic_regression(problem):
    y, p, weight = problem
    for w in (None, weight):
        line = calibration_slope_intercept(y, p, sample_weight=w)
        model = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky")
        model.fit(logit(p)[:, None], y, sample_weight=w)
        assert line.slope == pytest.approx(model.coef_[0, 0], rel=1e-7)
        assert line.intercept == pytest.approx(model.intercept_[0], rel=1e-7)


def test_the_likelihood_is_stationary(problem):
    y, p, weight = problem
    line = calibration_slope_intercept(y, p, sample_weight=weight)
    slopes = gradient([line.intercept, line.slope], y, p, weight)
    assert np.abs(slopes).max() < 1e-10


def test_standard_errors_are_the_curvature_of_the_likelihood(problem):
    y, p, weight = problem
    for w in (np.ones(150), weight):
        line = calibration_slope_intercept(y, p, sample_weight=w)
        best = np.array([line.intercept, line.slope])
        hessian = np.stack(
            [
                approx_fprime(best, lambda c, i=i, w=w: gradient(c, y, p, w)[i], 1e-6)
                for i in (0, 1)
            ]
        )
        errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
        np.testing.assert_allclose(
            [line.intercept_error, line.slope_error], errors, rtol=1e-5
        )


def test_intervals_of_the_slope_cover_the_truth(rng):
    covered = 0
    for _ in range(500):
        line = calibration_slope_intercept(*draw(rng, 400, slope=0.7, intercept=0.3))
        covered += abs(line.slope - 0.7) < 1.96 * line.slope_error
    assert abs(covered / 500 - 0.95) < 5 * math.sqrt(0.05 * 0.95 / 500)


def test_in_the_large_makes_the_mean_right(problem):
    y, p, weight = problem
    for w in (np.ones(150), weight):
        shift = calibration_slope_intercept(y, p, sample_weight=w).in_the_large
        mean = w @ expit(logit(p) + shift) / w.sum()
        assert mean == pytest.approx(w @ y / w.sum(), rel=1e-10)


def test_a_calibrated_model_has_slope_one_and_intercept_zero(rng):
    line = calibration_slope_intercept(*draw(rng, 50_000))
    assert abs(line.slope - 1) < 5 * line.slope_error
    assert abs(line.intercept) < 5 * line.intercept_error
    assert line.slope_error < 0.02


def test_recalibrated_probabilities_lie_on_the_line(problem):
    y, p, weight = problem
    line = calibration_slope_intercept(y, p, sample_weight=weight)
    honest = expit(line.intercept + line.slope * logit(p))
    again = calibration_slope_intercept(y, honest, sample_weight=weight)
    np.testing.assert_allclose(again[:3], [1, 0, 0], atol=1e-9)


def test_the_other_class_has_the_same_slope(problem):
    y, p, _ = problem
    line = calibration_slope_intercept(y, p)
    other = calibration_slope_intercept(1 - y, 1 - p)
    assert other.slope == pytest.approx(line.slope, rel=1e-9)
    assert other.intercept == pytest.approx(-line.intercept, rel=1e-9)
    assert other.in_the_large == pytest.approx(-line.in_the_large, rel=1e-9)


def test_the_top_label_is_the_probability_of_being_right(rng):
    p, y = rng.dirichlet(np.ones(3), 100), rng.integers(0, 3, 100)
    line = calibration_slope_intercept(y, p, kind="top-label")
    correct = (p.argmax(axis=1) == y).astype(int)
    expected = calibration_slope_intercept(correct, p.max(axis=1))
    assert line == pytest.approx(expected, rel=1e-10)


def test_weights_count_as_samples(problem, rng):
    y, p, _ = problem
    count = rng.integers(0, 3, 150)
    rows = np.repeat(np.arange(150), count)
    assert calibration_slope_intercept(y, p, sample_weight=count) == pytest.approx(
        calibration_slope_intercept(y[rows], p[rows]), rel=1e-9
    )


def test_exact_zeros_and_ones_are_clipped(problem):
    y, p, _ = problem
    y, p = np.append(y, [0, 1, 1, 0]), np.append(p, [0.0, 0.0, 1.0, 1.0])
    clipped = p.clip(2.0**-126, 1 - 2.0**-53)
    line = calibration_slope_intercept(y, p)
    assert line == calibration_slope_intercept(y, clipped)
    model = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky")
    z = np.log(clipped) - np.log1p(-clipped)
    model.fit(z[:, None], y)
    assert line.slope == pytest.approx(model.coef_[0, 0], rel=1e-6)


def test_only_zeros_and_ones_have_a_line():
    # Shares of 1/3 at p = 0 and 3/4 at p = 1: two points fix the line.
    y, p = [0, 0, 1, 0, 1, 1, 1], [0.0] * 3 + [1.0] * 4
    line = calibration_slope_intercept(y, p)
    low, high = np.log(2.0**-126), 53 * np.log(2)
    slope = (logit(3 / 4) - logit(1 / 3)) / (high - low)
    assert line.slope == pytest.approx(slope, rel=1e-9)
    assert line.intercept == pytest.approx(logit(3 / 4) - slope * high, rel=1e-9)


@pytest.mark.parametrize(
    "y",
    [
        [0, 0, 0, 1, 1, 1],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 1],
    ],
    ids=["right", "wrong", "but-one-tie"],
)
def test_outcomes_that_probabilities_separate_have_no_slope(y, rng):
    p = [0.1, 0.4, 0.5, 0.5, 0.7, 0.9]
    for weight in (None, *rng.random((20, 6))):
        with pytest.raises(InputError, match="separate"):
            calibration_slope_intercept(y, p, sample_weight=weight)


def test_samples_without_weight_do_not_hide_a_separation():
    y, p = [0, 0, 1, 1, 0], [0.1, 0.2, 0.6, 0.8, 0.9]
    calibration_slope_intercept(y, p)
    with pytest.raises(InputError, match="separate"):
        calibration_slope_intercept(y, p, sample_weight=[1, 1, 1, 1, 0])


def test_equal_probabilities_have_no_slope():
    with pytest.raises(InputError, match="all equal"):
        calibration_slope_intercept([0, 1, 1], [0.4, 0.4, 0.4])


def test_equal_outcomes_have_no_slope():
    with pytest.raises(InputError, match="outcomes are the same"):
        calibration_slope_intercept([1, 1], [0.4, 0.6], labels=[0, 1])


def test_other_kinds_get_a_clear_error():
    with pytest.raises(InputError, match="kind"):
        calibration_slope_intercept([0, 1], [0.2, 0.9], kind="classwise")
