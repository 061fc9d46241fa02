"""Logistic fits with few coefficients: slopes, bounds, and a general solver."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from skuq._core import _logistic
from skuq._core._logistic import (
    Data,
    Penalty,
    fit_logistic,
    logistic_loss,
    penalised_loss,
)


@pytest.fixture
def problem(rng):
    """Two correlated features, outcomes, and weights."""
    x = rng.normal(size=(2, 300))
    x[1] += 0.7 * x[0]
    p = 1 / (1 + np.exp(-(1.5 * x[0] - 0.5 * x[1] + 0.3)))
    return x, rng.random(300) < p, rng.uniform(0.1, 2, 300)


def objective(coef, x, y, weight, strength, start):
    """The penalised loss in plain numpy."""
    line = coef[:-1] @ x + coef[-1]
    terms = np.logaddexp(0, line) - y * line
    return np.average(terms, weights=weight) + (coef - start) @ strength @ (
        coef - start
    )


def test_slope_and_curvature_are_those_of_the_loss(problem, rng):
    x, y, weight = problem
    root = rng.normal(size=(3, 3))
    prior = Penalty(np.array([1.0, 0.5, -1.0]), root @ root.T)
    point, data = np.array([0.3, -0.2, 0.1]), Data(x, y, weight)
    loss, gradient, hessian = penalised_loss(data, point, prior)
    expected = objective(point, x, y, weight, prior.strength, prior.origin)
    assert loss == pytest.approx(expected, rel=1e-12)
    for i, move in enumerate(1e-5 * np.eye(3)):
        up, down = (penalised_loss(data, point + s * move, prior) for s in (1, -1))
        assert (up[0] - down[0]) / 2e-5 == pytest.approx(gradient[i], rel=1e-7)
        np.testing.assert_allclose((up[1] - down[1]) / 2e-5, hessian[i], rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_agrees_with_scikit_learn(problem, dtype):
    x, y, weight = problem
    x = x.astype(dtype)
    peer = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000)
    peer.fit(x.T.astype(np.float64), y, sample_weight=weight)
    expected = np.append(peer.coef_[0], peer.intercept_)
    np.testing.assert_allclose(fit_logistic(x, y, weight), expected, rtol=1e-5)


def test_a_ridge_agrees_with_scikit_learn(problem):
    x, y, _ = problem
    strength = np.array([0.02, 0.02, 0.0])
    got = fit_logistic(x, y, penalty=strength, start=np.zeros(3))
    # C multiplies the sum of the losses, against half the square.
    peer = LogisticRegression(C=1 / (2 * 0.02 * len(y)), tol=1e-12).fit(x.T, y)
    np.testing.assert_allclose(got, np.append(peer.coef_[0], peer.intercept_), 1e-5)


def test_a_strong_penalty_gives_the_start(problem):
    x, y, _ = problem
    start = np.array([0.4, -2.0, 7.0])
    got = fit_logistic(x, y, penalty=np.full(3, 1e9), start=start)
    np.testing.assert_allclose(got, start, rtol=1e-8)


def test_a_weight_equals_repetition_and_a_scale_does_not_matter(problem, rng):
    x, y, _ = problem
    count = rng.integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), count)
    expected = fit_logistic(x[:, repeated], y[repeated])
    for weight in (count.astype(float), 10.0 * count):
        np.testing.assert_allclose(fit_logistic(x, y, weight), expected, rtol=1e-8)


def test_fractional_targets_equal_weighted_outcomes(problem):
    x, y, _ = problem
    both = np.concatenate([x, x], axis=1)
    outcome = np.repeat([True, False], len(y))
    share = np.where(y, 0.9, 0.2)
    expected = fit_logistic(both, outcome, np.concatenate([share, 1 - share]))
    np.testing.assert_allclose(fit_logistic(x, share), expected, rtol=1e-8)


@pytest.mark.parametrize("seed", range(20))
def test_bounded_coefficients_are_the_constrained_optimum(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4, 100)) + rng.normal(size=100)
    line = rng.normal(size=4) @ x + rng.normal()
    y, weight = rng.random(100) < 1 / (1 + np.exp(-line)), rng.random(100)
    start, strength = np.array([1.0, 1, 1, 1, 0]), 0.01 * np.eye(5)
    got = fit_logistic(
        x, y, weight, penalty=strength, start=start, nonnegative=True, tol=1e-12
    )
    assert (got[:-1] >= 0).all()
    found = minimize(
        objective,
        start,
        (x, y, weight, strength, start),
        bounds=[(0, None)] * 4 + [(None, None)],
        options={"ftol": 1e-15, "gtol": 1e-9},
    )
    value = objective(got, x, y, weight, strength, start)
    assert value == pytest.approx(found.fun, rel=1e-8)
    np.testing.assert_allclose(got, found.x, atol=1e-4)


def test_bounds_that_do_not_bind_change_nothing(problem):
    x, y, weight = problem
    flipped = x * np.array([[1.0], [-1.0]])
    got = fit_logistic(flipped, y, weight, nonnegative=True)
    np.testing.assert_allclose(got, fit_logistic(flipped, y, weight), rtol=1e-9)


def test_the_unit_of_a_feature_does_not_matter(problem):
    x, y, _ = problem
    expected = fit_logistic(x, y)
    for unit in (1e-8, 1e4, 1e12):
        scale = np.array([unit, 1.0])
        got = fit_logistic(x * scale[:, None], y)
        np.testing.assert_allclose(got * [unit, 1, 1], expected, rtol=1e-6)


def test_features_that_repeat_each_other_share_the_slope(problem):
    x, y, _ = problem
    single = fit_logistic(x[:1], y)
    double = fit_logistic(x[[0, 0]], y)
    assert double[:2].sum() == pytest.approx(single[0], rel=1e-6)
    assert double[2] == pytest.approx(single[1], rel=1e-6)


def test_separable_samples_give_a_finite_answer_of_no_loss():
    x = np.array([[-2.0, -1.0, 1.0, 2.0]])
    y = np.array([False, False, True, True])
    coef = fit_logistic(x, y)
    assert np.isfinite(coef).all()
    assert logistic_loss(x, y, None, coef) < 1e-10


def test_one_outcome_gives_a_finite_answer(rng):
    x = rng.normal(size=(1, 50))
    for y in (np.zeros(50, bool), np.ones(50, bool)):
        coef = fit_logistic(x, y)
        assert np.isfinite(coef).all()
        assert logistic_loss(x, y, None, coef) < 1e-10


@pytest.mark.parametrize("weighted", [False, True])
def test_a_rough_start_does_not_change_the_result(monkeypatch, rng, weighted):
    x = rng.normal(size=(2, 4000))
    y = rng.random(4000) < 1 / (1 + np.exp(-x[0]))
    weight = rng.random(4000) if weighted else None
    expected = fit_logistic(x, y, weight)
    monkeypatch.setattr(_logistic, "ENOUGH", 200)
    monkeypatch.setattr(_logistic, "CHUNK", 333)
    np.testing.assert_allclose(fit_logistic(x, y, weight), expected, rtol=1e-8)


def test_a_rough_start_from_samples_of_one_kind_does_no_harm(monkeypatch, rng):
    x = rng.normal(size=(1, 4000))
    y = np.zeros(4000, bool)
    y[[7, 9, 1001]] = True  # no multiple of the stride
    expected = fit_logistic(x, y)
    monkeypatch.setattr(_logistic, "ENOUGH", 200)
    np.testing.assert_allclose(fit_logistic(x, y), expected, rtol=1e-7)
    no_weight = np.ones(4000)
    no_weight[::20] = 0
    got = fit_logistic(x, y, no_weight)
    monkeypatch.undo()
    np.testing.assert_allclose(got, fit_logistic(x, y, no_weight), rtol=1e-7)


def test_a_guess_does_not_change_the_result(problem):
    x, y, weight = problem
    got = fit_logistic(x, y, weight, guess=np.array([3.0, -2.0, 1.0]))
    np.testing.assert_allclose(got, fit_logistic(x, y, weight), rtol=1e-8)


def test_inputs_are_left_alone(problem):
    x, y, weight = problem
    copies = [a.copy() for a in (x, y, weight)]
    for array in (x, y, weight):
        array.flags.writeable = False
    fit_logistic(x, y, weight, nonnegative=True)
    for array, copy in zip((x, y, weight), copies, strict=True):
        assert np.array_equal(array, copy)
