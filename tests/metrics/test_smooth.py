"""Smooth calibration error, against integrals of reflected Gaussians in closed form."""

import functools

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr

from skuq.exceptions import InputError
from skuq.metrics import Streaming, smooth_calibration_error
from skuq.metrics._smooth import CELLS, LEAST_BANDWIDTH

error = functools.partial(smooth_calibration_error, kind="positive")
# With the relative tolerance: the lattice has 1 / 32768 between its nodes.
BANDWIDTHS = [(0.3, 3e-6), (0.03, 3e-6), (0.003, 5e-6), (0.001, 1e-5), (3e-4, 5e-5)]


def integral(y, p, bandwidth, weight=None):
    """Between its zeros the integral of the smoothed residuals is a sum of normals."""
    weight = np.ones(len(p)) if weight is None else weight
    d = weight * (y - p) / weight.sum()
    images = 2 * np.arange(-2, 3)[:, None]
    centre = np.concatenate([images + p, images - p]).reshape(-1, 1)
    d = np.tile(d, 10)

    def smooth(t):
        z = (t - centre) / bandwidth
        return d @ np.exp(-(z**2) / 2)

    grid = np.linspace(0, 1, 20_000)
    value = smooth(grid)
    some = np.flatnonzero(value)  # it is 0 far from all p, at small bandwidths
    change = np.flatnonzero(np.diff(np.sign(value[some])))
    zeros = [
        brentq(lambda t: smooth(np.array([t]))[0], grid[some[i]], grid[some[i + 1]])
        for i in change
    ]
    ends = np.array([0, *zeros, 1])
    return np.abs(np.diff(d @ ndtr((ends - centre) / bandwidth))).sum()


@pytest.fixture
def problem(rng):
    """Too sure outcomes, with probabilities at both ends."""
    p = rng.beta(0.5, 0.5, 60)
    y = (rng.random(60) < 0.2 + 0.6 * p).astype(int)
    p[:2], y[:2] = [0, 1], [1, 0]
    return y, p


@pytest.mark.parametrize(("bandwidth", "rel"), BANDWIDTHS)
def test_a_given_bandwidth_gives_the_integral(bandwidth, rel, problem, rng):
    y, p = problem
    value = error(y, p, bandwidth=bandwidth)
    assert value == pytest.approx(integral(y, p, bandwidth), rel=rel)
    weight = rng.random(60)
    value = error(y, p, bandwidth=bandwidth, sample_weight=weight)
    assert value == pytest.approx(integral(y, p, bandwidth, weight), rel=rel)


def test_crowded_probabilities_are_seen_apart_at_ten_cells_of_the_lattice(rng):
    # 150 residuals of both signs within 70 bandwidths: many zeros between the nodes.
    p = rng.uniform(0.4, 0.42, 150)
    y = rng.integers(0, 2, 150)
    value = error(y, p, bandwidth=3e-4)
    assert value == pytest.approx(integral(y, p, 3e-4), rel=1e-3)


def test_the_bandwidth_is_the_error(problem, rng):
    y, p = problem
    for options in ({}, {"sample_weight": rng.random(60)}):
        value = error(y, p, **options)
        assert error(y, p, bandwidth=value, **options) == pytest.approx(value, rel=1e-7)
        weight = options.get("sample_weight")
        assert integral(y, p, value, weight) == pytest.approx(value, rel=1e-5)


def test_a_wider_kernel_never_gives_more(problem):
    widths = np.geomspace(LEAST_BANDWIDTH, 3, 40)
    values = np.array([error(*problem, bandwidth=s) for s in widths])
    assert (np.diff(values) <= 1e-7).all()
    assert values[0] > 2 * values[-1]


def test_an_endless_kernel_gives_the_mean_residual(problem):
    y, p = problem
    for bandwidth in (20, 1e6):
        value = error(y, p, bandwidth=bandwidth)
        assert value == pytest.approx(abs((y - p).mean()), rel=1e-12)


def test_residuals_of_one_sign_give_their_mean(rng):
    p = rng.random(50)
    assert error(np.ones(50, int), p, labels=[0, 1]) == pytest.approx((1 - p).mean())
    weight = rng.random(50)
    value = error(np.zeros(50, int), p, labels=[0, 1], sample_weight=weight)
    assert value == pytest.approx(weight @ p / weight.sum(), rel=1e-9)


def test_everything_wrong_is_one():
    assert error([1, 1, 1], [0, 0, 0]) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("size", [1e-5, 1e-8])
def test_tiny_errors_are_found(size):
    y, p = np.array([0, 0, 1, 1]), np.array([size, size, 1 - 2 * size, 1])
    assert error(y, p) == pytest.approx(size, rel=1e-6)
    assert error(y, np.abs(y - size)) == pytest.approx(size, rel=1e-6)


def test_the_state_has_a_fixed_size(problem, rng):
    y, p = problem
    stream = Streaming(smooth_calibration_error, kind="positive").update(y, p)
    assert stream.state.residual.shape == (1, CELLS + 1)
    more = rng.random(1000)
    stream.update((rng.random(1000) < more).astype(int), more)
    assert stream.state.residual.shape == (1, CELLS + 1)
    assert stream.state.weight == 1060


def test_states_add_with_their_weights(problem, rng):
    y, p = problem
    weight = rng.random(60)
    stream = Streaming(smooth_calibration_error, kind="positive")
    stream.update(y[:20], p[:20], sample_weight=weight[:20])
    stream.update(y[20:], p[20:], sample_weight=weight[20:])
    whole = error(y, p, sample_weight=weight)
    assert stream.compute() == pytest.approx(whole, rel=1e-12)


def test_classwise_is_the_mean_over_classes(rng):
    p, y = rng.dirichlet(np.ones(3), 80), rng.integers(0, 3, 80)
    per_class = [error((y == k).astype(int), p[:, k]) for k in range(3)]
    value = smooth_calibration_error(y, p, kind="classwise")
    assert value == pytest.approx(np.mean(per_class), rel=1e-9)


def test_it_vanishes_on_calibrated_data_as_samples_grow(rng):
    means = []
    for n in (1000, 8000, 64_000):
        values = []
        for _ in range(10):
            p = rng.random(n)
            values.append(error((rng.random(n) < p).astype(int), p))
        means.append(np.mean(values))
    # The noise falls as the cube root of the number of samples: by half each time.
    assert means[0] < 0.06
    assert 0.4 < means[1] / means[0] < 0.6
    assert 0.4 < means[2] / means[1] < 0.6


def test_a_constant_shift_is_found(rng):
    base = rng.uniform(0.1, 0.8, 50_000)
    y = (rng.random(50_000) < base).astype(int)
    noise = np.sqrt((base * (1 - base)).sum()) / 50_000
    value = error(y, base + 0.1)
    assert abs(value - 0.1) < 5 * noise


def test_probabilities_that_leave_the_interval_by_rounding_count_as_its_ends():
    y = [0, 1]
    assert error(y, [-1e-7, 1 + 1e-7]) == pytest.approx(0, abs=2e-7)


@pytest.mark.parametrize("bandwidth", [0, -0.1, np.nan, np.inf])
def test_a_bandwidth_that_is_none_gets_a_clear_error(bandwidth):
    with pytest.raises(InputError, match="bandwidth"):
        error([0, 1], [0.2, 0.9], bandwidth=bandwidth)


def test_an_unknown_kind_gets_a_clear_error():
    with pytest.raises(InputError, match="kind"):
        smooth_calibration_error([0, 1], [0.2, 0.9], kind="predicted-class")
