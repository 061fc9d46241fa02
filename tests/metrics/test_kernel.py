"""Kernel calibration errors against double loops, and how often their test errs."""

import functools
import math

import numpy as np
import pytest
from scipy.special import ndtr

from skuq.exceptions import InputError
from skuq.metrics import (
    kernel_calibration_error,
    kernel_calibration_test,
    maximum_mean_calibration_error,
)
from skuq.metrics._kernel_pairs import spread_rows

ESTIMATORS = ["unbiased", "biased", "linear"]
KERNELS = {
    "laplacian": lambda r: math.exp(-r),
    "gaussian": lambda r: math.exp(-(r**2) / 2),
}


def draw(rng, n, n_classes=3, power=1.0):
    """Outcomes of random rows; a power above 1 states too sure ones instead."""
    p = rng.dirichlet(np.ones(n_classes), n)
    y = (rng.random((n, 1)) > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)
    stated = p**power
    return y, stated / stated.sum(axis=1, keepdims=True)


def pair_value(y, p, i, j, kernel, bandwidth):
    """H of two samples."""
    unit = np.eye(p.shape[1])
    k = KERNELS[kernel](math.dist(p[i], p[j]) / bandwidth)
    return k * float((unit[y[i]] - p[i]) @ (unit[y[j]] - p[j]))


def double_loop(y, p, weight, estimator, kernel, bandwidth):
    """The definition."""
    n = len(y)
    pairs = {
        "unbiased": [(i, j) for i in range(n) for j in range(n) if i != j],
        "biased": [(i, j) for i in range(n) for j in range(n)],
        "linear": [(i, i + 1) for i in range(0, n - 1, 2)],
    }[estimator]
    total, mass = 0.0, 0.0
    for i, j in pairs:
        total += weight[i] * weight[j] * pair_value(y, p, i, j, kernel, bandwidth)
        mass += weight[i] * weight[j]
    return total / mass


@pytest.fixture
def problem(rng):
    """An odd number of samples, in which some rows are equal."""
    y, p = draw(rng, 25, n_classes=4, power=2)
    p[5:10] = p[0]
    return y, p


class TestKernelError:
    @pytest.mark.parametrize("estimator", ESTIMATORS)
    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize("bandwidth", [0.01, 0.3, 5])
    def test_it_is_a_double_loop(self, estimator, kernel, bandwidth, problem, rng):
        y, p = problem
        options = {"estimator": estimator, "kernel": kernel, "bandwidth": bandwidth}
        for weight in (np.ones(25), rng.random(25)):
            value = kernel_calibration_error(y, p, sample_weight=weight, **options)
            expected = double_loop(y, p, weight, **options)
            assert value == pytest.approx(expected, rel=1e-10)

    def test_the_median_is_that_of_the_distances_of_different_rows(self, problem):
        y, p = problem
        distances = [math.dist(p[i], p[j]) for i in range(25) for j in range(i)]
        width = float(np.median([d for d in distances if d > 0]))
        assert kernel_calibration_error(y, p) == pytest.approx(
            kernel_calibration_error(y, p, bandwidth=width), rel=1e-10
        )

    @pytest.mark.parametrize("n_classes", [2, 4, 7, 17])
    def test_equal_rows_are_not_set_apart_by_rounding(self, n_classes, rng):
        y, p = draw(rng, 40, n_classes)
        p[1:] = p[1]  # nearly all distances are 0
        width = math.dist(p[0], p[1])
        assert kernel_calibration_error(y, p) == pytest.approx(
            kernel_calibration_error(y, p, bandwidth=width), rel=1e-10
        )

    def test_rows_that_are_all_equal_have_a_value(self):
        y, p = [0, 0, 1], [[0.5, 0.5]] * 3
        # d = +-(0.5, -0.5): one pair of three agrees.
        value = kernel_calibration_error(y, p)
        assert value == pytest.approx((0.5 - 0.5 - 0.5) / 3, rel=1e-12)
        assert kernel_calibration_error(y, p, estimator="biased") == pytest.approx(
            (3 * 0.5 + 2 * (0.5 - 0.5 - 0.5)) / 9, rel=1e-12
        )

    @pytest.mark.parametrize("estimator", ESTIMATORS)
    def test_samples_without_weight_change_nothing(self, estimator, problem, rng):
        y, p = problem
        y_more = np.concatenate([y, [0, 1, 2]])
        p_more = np.concatenate([p, np.eye(4)[:3]])
        weight = np.append(rng.random(25), np.zeros(3))
        order = rng.permutation(28) if estimator != "linear" else np.arange(28)
        value = kernel_calibration_error(
            y_more[order],
            p_more[order],
            sample_weight=weight[order],
            estimator=estimator,
        )
        expected = kernel_calibration_error(
            y, p, sample_weight=weight[:25], estimator=estimator
        )
        assert value == pytest.approx(expected, rel=1e-10)

    def test_a_probability_is_a_row_of_two(self, rng):
        y, p = draw(rng, 30, n_classes=2)
        assert kernel_calibration_error(y, p[:, 1]) == kernel_calibration_error(
            y, np.stack([1 - p[:, 1], p[:, 1]], axis=1)
        )

    def test_two_estimators_are_unbiased_and_one_is_not(self, rng):
        values = []
        for _ in range(1500):
            y, p = draw(rng, 30)
            values.append(
                [
                    kernel_calibration_error(y, p, estimator=e, bandwidth=0.4)
                    for e in ESTIMATORS
                ]
            )
        mean, noise = np.mean(values, axis=0), np.std(values, axis=0) / 1500**0.5
        assert abs(mean[0]) < 5 * noise[0]
        assert abs(mean[2]) < 5 * noise[2]
        assert mean[1] > 50 * noise[1]
        assert noise[2] > 2 * noise[0]  # what the linear one pays for its speed

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"estimator": "exact"}, "estimator"),
            ({"kernel": "cubic"}, "kernel"),
            ({"bandwidth": "mean"}, "bandwidth"),
            ({"bandwidth": 0}, "bandwidth"),
            ({"bandwidth": np.nan}, "bandwidth"),
            ({"sample_weight": [1, 0, 0]}, "two samples"),
            ({"sample_weight": [0, 2, 0], "estimator": "linear"}, "two samples"),
            ({"sample_weight": [0, 0, 0]}, "sample_weight"),
        ],
        ids=str,
    )
    def test_unusable_options_get_a_clear_error(self, options, message):
        with pytest.raises(InputError, match=message):
            kernel_calibration_error([0, 1, 2], np.eye(3), **options)

    @pytest.mark.parametrize("estimator", ["unbiased", "linear"])
    def test_one_sample_has_no_pair(self, estimator):
        with pytest.raises(InputError, match="two samples"):
            kernel_calibration_error([1], [[0.3, 0.7]], estimator=estimator)


class TestKernelTest:
    def test_the_statistic_is_the_unbiased_error(self, problem):
        y, p = problem
        result = kernel_calibration_test(y, p, n_resamples=1, random_state=0)
        expected = kernel_calibration_error(y, p)
        assert result.statistic == pytest.approx(expected, rel=1e-10)

    def test_the_linear_statistic_is_a_z_score(self, problem):
        y, p = problem
        result = kernel_calibration_test(y, p, estimator="linear", bandwidth=0.3)
        values = [pair_value(y, p, i, i + 1, "laplacian", 0.3) for i in range(0, 24, 2)]
        z = np.mean(values) / np.std(values, ddof=1) * 12**0.5
        assert result.statistic == pytest.approx(z, rel=1e-10)
        assert result.p_value == pytest.approx(ndtr(-z), rel=1e-10)

    def test_a_calibrated_model_is_refuted_as_often_as_stated(self, rng):
        refuted = 0
        for _ in range(400):
            y, p = draw(rng, 60)
            result = kernel_calibration_test(y, p, n_resamples=200, random_state=rng)
            refuted += result.p_value < 0.05
        assert abs(refuted / 400 - 0.05) < 3 * math.sqrt(0.05 * 0.95 / 400)

    def test_the_normal_limit_has_its_level_too(self, rng):
        refuted = 0
        for _ in range(400):
            y, p = draw(rng, 1000)
            result = kernel_calibration_test(y, p, estimator="linear", bandwidth=0.5)
            refuted += result.p_value < 0.05
        assert abs(refuted / 400 - 0.05) < 3 * math.sqrt(0.05 * 0.95 / 400)

    def test_power_grows_with_the_number_of_samples(self, rng):
        power = []
        for n in (20, 60, 180):
            hits = 0
            for _ in range(40):
                y, p = draw(rng, n, power=2.5)
                result = kernel_calibration_test(y, p, n_resamples=99, random_state=rng)
                hits += result.p_value < 0.05
            power.append(hits / 40)
        assert power[0] < power[1] <= power[2]
        assert power[2] > 0.9

    def test_a_seed_gives_the_same_result(self, problem):
        def p_value(random_state):
            return kernel_calibration_test(
                *problem, n_resamples=50, random_state=random_state
            ).p_value

        assert p_value(3) == p_value(3) == p_value(np.random.default_rng(3))
        assert len({p_value(seed) for seed in range(6)}) > 1

    @pytest.mark.parametrize("estimator", ["unbiased", "linear"])
    def test_only_sure_statements(self, estimator):
        options = {"estimator": estimator, "n_resamples": 99, "random_state": 0}
        p = np.eye(2)[[0] * 8]
        wrong = kernel_calibration_test([1] * 8, p, **options)
        assert wrong.p_value == (0.01 if estimator == "unbiased" else 0)
        assert kernel_calibration_test([0] * 8, p, **options).p_value >= 0.5

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"estimator": "biased"}, "estimator"),
            ({"kernel": "cubic"}, "kernel"),
            ({"bandwidth": -1.0}, "bandwidth"),
            ({"n_resamples": 0}, "n_resamples"),
        ],
        ids=str,
    )
    def test_unusable_options_get_a_clear_error(self, options, message, problem):
        with pytest.raises(InputError, match=message):
            kernel_calibration_test(*problem, **options)

    def test_three_samples_are_too_few(self):
        with pytest.raises(InputError, match="4 samples"):
            kernel_calibration_test([0, 1, 2], np.eye(3))


class TestMeanEmbedding:
    # Below 1 / 300 the sums are taken in stretches, below 1e-19 past all integers.
    @pytest.mark.parametrize(
        "bandwidth", [10, 1, 0.4, 0.1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-25]
    )
    def test_it_is_a_double_sum(self, bandwidth, rng):
        p = np.sort(np.round(rng.random(60), 2))
        p[::7] += 1e-5
        y = (rng.random(60) < p**2).astype(int)
        error = functools.partial(
            maximum_mean_calibration_error, kind="positive", bandwidth=bandwidth
        )
        kernel = np.exp(-abs(p[:, None] - p) / bandwidth)
        order = rng.permutation(60)
        for weight in (np.ones(60), rng.random(60)):
            d = weight * (y - p)
            value = error(y[order], p[order], sample_weight=weight[order])
            expected = math.sqrt(d @ kernel @ d) / weight.sum()
            assert value == pytest.approx(expected, rel=1e-10)

    def test_a_hand_computed_value(self):
        # d = -0.5, 0.2 at the distance 0.3.
        value = maximum_mean_calibration_error(
            [0, 1], [0.5, 0.8], kind="positive", bandwidth=0.3
        )
        square = 0.25 + 0.04 - 2 * 0.1 * math.exp(-1)
        assert value == pytest.approx(math.sqrt(square) / 2, rel=1e-12)

    def test_an_endless_bandwidth_gives_the_mean_residual(self, rng):
        y, p = draw(rng, 40, n_classes=2)
        value = maximum_mean_calibration_error(
            y, p[:, 1], kind="positive", bandwidth=1e9
        )
        assert value == pytest.approx(abs((y - p[:, 1]).mean()), rel=1e-6)

    def test_a_class_at_a_time(self, rng):
        y, p = draw(rng, 40)
        per_class = [
            maximum_mean_calibration_error(y == k, p[:, k], kind="positive")
            for k in range(3)
        ]
        value = maximum_mean_calibration_error(y, p, kind="classwise")
        assert value == pytest.approx(np.mean(per_class), rel=1e-12)

    @pytest.mark.parametrize("bandwidth", [0, -1, np.nan])
    def test_a_bandwidth_that_is_none_gets_a_clear_error(self, bandwidth):
        with pytest.raises(InputError, match="bandwidth"):
            maximum_mean_calibration_error([0, 1], [0.2, 0.9], bandwidth=bandwidth)


@pytest.mark.parametrize("levels", [2, 7, 10_000])
@pytest.mark.parametrize("step", [1, 3])
def test_spread_rows_are_those_of_the_whole_order(levels, step, rng):
    p = rng.integers(1, levels + 1, (500, 3)) / levels
    whole = p[np.lexsort(p.T)]
    np.testing.assert_array_equal(spread_rows(p.T, step), whole[::step])
    one = np.sort(p[:, 0])
    found = spread_rows(p[:, :1].T, step)  # of two classes, given by the second
    np.testing.assert_array_equal(found, np.column_stack([1 - one, one])[::step])
