"""Proper scores of distributions, members, quantiles and intervals."""

from math import erf, exp, log, pi, sqrt

import numpy as np
import pytest
from scipy import special
from scipy.stats import norm
from sklearn.metrics import mean_absolute_error, mean_pinball_loss

from skuq.exceptions import InputError
from skuq.metrics import (
    crps_ensemble,
    crps_gaussian,
    crps_quantile,
    gaussian_log_loss,
    interval_coverage_score,
    interval_score_loss,
    interval_width_loss,
    pinball_loss,
)


def brute_force_crps(y, members, pairs):
    """From the definition, without sorting."""
    distance = np.abs(members - y).mean(axis=0)
    spread = np.abs(members[:, None] - members[None]).sum(axis=(0, 1))
    return (distance - spread / (2 * pairs)).mean()


@pytest.fixture
def problem(rng):
    mean, std = rng.normal(size=200), rng.gamma(4, 0.3, 200)
    return mean + std * rng.normal(size=200), mean, std


class TestGaussianLogLoss:
    def test_a_value_computed_by_hand(self):
        # z = 0 with s = 1, and z = 1/2 with s = 2.
        expected = (log(2 * pi) / 2 + log(2 * pi) / 2 + log(2) + 1 / 8) / 2
        assert gaussian_log_loss([1, 2], [1, 1], [1, 2]) == pytest.approx(
            expected, rel=1e-15
        )

    def test_is_the_log_density_of_scipy(self, problem):
        y, mean, std = problem
        expected = -norm.logpdf(y, mean, std).mean()
        assert gaussian_log_loss(y, mean, std) == pytest.approx(expected, rel=1e-13)

    @pytest.mark.parametrize("scale", [1e-300, 1e-40, 1.0, 1e40, 1e300])
    def test_no_scale_is_too_small_or_large(self, problem, scale):
        y, mean, std = problem
        expected = gaussian_log_loss(y, mean, std) + log(scale)
        scaled = gaussian_log_loss(scale * y, scale * mean, scale * std)
        assert scaled == pytest.approx(expected, rel=1e-13)

    def test_scales_that_differ_within_one_product(self):
        # One by one the products of the scales would fall below float64 and come back.
        std = np.tile([1e-160, 1e-160, 1e100, 1e200], 20)
        expected = log(2 * pi) / 2 + np.log(std).mean()
        zeros = np.zeros(80)
        assert gaussian_log_loss(zeros, zeros, std) == pytest.approx(expected, 1e-14)

    @pytest.mark.parametrize("std", [0.0, -1.0])
    def test_a_std_that_is_not_positive_is_refused(self, std):
        with pytest.raises(InputError, match=r"y_std has the value .* greater than 0"):
            gaussian_log_loss([1.0, 2.0], [1.0, 1.0], [1.0, std])

    def test_is_lowest_at_mean_and_std_of_the_values(self, problem, rng):
        y = problem[0]

        def stated(mean, std):
            return gaussian_log_loss(y, np.full(200, mean), np.full(200, std))

        best = stated(y.mean(), y.std())
        for shift, factor in rng.normal(size=(50, 2)):
            assert stated(y.mean() + shift, y.std() * exp(factor)) > best


class TestCrpsOfNormalDistributions:
    def test_a_value_computed_by_hand(self):
        cdf, density = (1 + erf(1 / sqrt(2))) / 2, exp(-1 / 2) / sqrt(2 * pi)
        expected = 2 * ((2 * cdf - 1) + 2 * density - 1 / sqrt(pi))
        assert crps_gaussian([3.0], [1.0], [2.0]) == pytest.approx(expected, rel=1e-15)

    @pytest.mark.parametrize("sign", [-1, 1])
    def test_every_sample_is_as_precise_as_the_formula(self, rng, sign):
        edges = np.concatenate([[8.5, 8.4999, 8.5001, 9.0], np.logspace(-300, 300, 61)])
        z = np.concatenate([edges, rng.uniform(0, 9, 1000), rng.normal(size=1000) ** 2])
        expected = z * special.erf(z / sqrt(2)) - 1 / sqrt(pi)
        expected += sqrt(2 / pi) * np.exp(-(np.minimum(z, 40) ** 2) / 2)
        found = [crps_gaussian([sign * value], [0.0], [1.0]) for value in z]
        np.testing.assert_allclose(found, expected, rtol=2e-15)

    def test_an_error_of_more_deviations_than_float64_holds(self):
        assert crps_gaussian([1e10], [0.0], [1e-300]) == 1e10

    @pytest.mark.parametrize("score", [crps_gaussian, gaussian_log_loss])
    def test_many_samples_are_the_mean_of_each(self, rng, score):
        n = 70_000  # several pieces, and a part of one
        std = rng.gamma(4, 0.3, n)
        y, weight = 2 * std * rng.normal(size=n), rng.uniform(size=n)
        starts = np.arange(0, n, 999)
        means, sums = [], []
        for start in starts:
            part = slice(start, start + 999)
            means.append(score(y[part], 0 * y[part], std[part]))
            sums.append(
                score(y[part], 0 * y[part], std[part], sample_weight=weight[part])
            )
        sizes = np.minimum(999, n - starts)
        expected = np.average(means, weights=sizes)
        assert score(y, 0 * y, std) == pytest.approx(expected, rel=1e-13)
        weighted = np.average(sums, weights=np.add.reduceat(weight, starts))
        found = score(y, 0 * y, std, sample_weight=weight)
        assert found == pytest.approx(weighted, rel=1e-13)

    def test_is_the_integral_of_its_definition(self):
        x, step = np.linspace(-12, 12, 240_001, retstep=True)
        squares = (norm.cdf(x, 0.3, 0.8) - (x >= 1.1)) ** 2
        assert crps_gaussian([1.1], [0.3], [0.8]) == pytest.approx(
            squares.sum() * step, abs=step
        )

    def test_without_spread_it_is_the_absolute_error(self, problem):
        y, mean, _ = problem
        expected = mean_absolute_error(y, mean)
        assert crps_gaussian(y, mean, 0 * y) == pytest.approx(expected, rel=1e-14)
        assert crps_gaussian(y, mean, 0 * y + 1e-12) == pytest.approx(expected, 1e-9)
        mixed = np.where(np.arange(200) < 100, 0.0, 1.0)
        halves = [
            crps_gaussian(y[part], mean[part], mixed[part])
            for part in (slice(100), slice(100, None))
        ]
        assert crps_gaussian(y, mean, mixed) == pytest.approx(sum(halves) / 2, 1e-14)

    def test_a_negative_std_is_refused(self):
        with pytest.raises(InputError, match="at least 0"):
            crps_gaussian([1.0], [1.0], [-1.0])

    def test_is_lowest_at_the_truth(self):
        y = norm.ppf((np.arange(1000) + 0.5) / 1000)  # all values, equally likely

        def stated(mean, std):
            return crps_gaussian(y, np.full(1000, mean), np.full(1000, std))

        best = stated(0.0, 1.0)
        for angle in np.linspace(0, 2 * pi, 20):
            assert stated(0.1 * np.cos(angle), exp(0.1 * np.sin(angle))) > best


class TestCrpsOfMembers:
    def test_a_value_computed_by_hand(self):
        # |0-1|, |2-1|, |5-1| have mean 2; pairs differ by 2, 5 and 3, each twice.
        members = [[0.0], [2.0], [5.0]]
        assert crps_ensemble([1.0], members) == pytest.approx(2 - 20 / 18, rel=1e-15)
        assert crps_ensemble([1.0], members, estimator="fair") == pytest.approx(
            2 - 20 / 12, rel=1e-15
        )

    @pytest.mark.parametrize("n_members", [2, 3, 10])
    def test_sorting_gives_what_all_pairs_give(self, problem, rng, n_members):
        y, mean, std = problem
        members = np.round(mean + std * rng.normal(size=(n_members, 200)), 1)  # ties
        for estimator, pairs in (
            ("empirical", n_members**2),
            ("fair", n_members * (n_members - 1)),
        ):
            assert crps_ensemble(y, members, estimator=estimator) == pytest.approx(
                brute_force_crps(y, members, pairs), rel=1e-12
            )

    def test_an_offset_of_all_values_costs_no_precision(self, problem, rng):
        y, mean, std = (np.round(x, 3) for x in problem)
        members = np.round(mean + std * rng.normal(size=(9, 200)), 3)
        # Values of this size are rounded to multiples of 2**-32.
        assert crps_ensemble(y + 2.0**20, members + 2.0**20) == pytest.approx(
            crps_ensemble(y, members), abs=2.0**-30
        )

    def test_the_order_of_members_does_not_matter(self, problem, rng):
        y, members = problem[0], rng.normal(size=(9, 200))
        assert crps_ensemble(y, rng.permutation(members)) == pytest.approx(
            crps_ensemble(y, members), rel=1e-14
        )

    def test_one_member_has_the_absolute_error(self, problem):
        y, mean, _ = problem
        expected = mean_absolute_error(y, mean)
        assert crps_ensemble(y, mean[None]) == pytest.approx(expected, rel=1e-14)
        with pytest.raises(InputError, match="at least 2 members"):
            crps_ensemble(y, mean[None], estimator="fair")

    def test_many_members_come_to_the_closed_form(self, problem):
        y, mean, std = problem
        closed = crps_gaussian(y, mean, std)
        errors = []
        for n in (10, 100, 1000):
            z = norm.ppf((np.arange(n) + 0.5) / n)
            errors.append(abs(crps_ensemble(y, mean + std * z[:, None]) - closed))
        assert errors[2] < errors[1] / 5 < errors[0] / 25
        assert errors[2] < 1e-3 * closed

    def test_fair_is_without_bias_for_two_members(self, rng):
        closed = 1 / sqrt(pi)  # of N(0, 1): half of the mean distance of two draws
        draws = rng.normal(size=(500, 3, 400))  # 500 repetitions
        fair = [crps_ensemble(y[0], y[1:], estimator="fair") for y in draws]
        empirical = [crps_ensemble(y[0], y[1:]) for y in draws]
        error = np.std(fair) / sqrt(500)
        assert abs(np.mean(fair) - closed) < 5 * error
        # That distance over 2 M is what drawn members have in excess.
        assert abs(np.mean(empirical) - closed * 3 / 2) < 5 * error

    def test_an_ensemble_without_members_is_refused(self):
        with pytest.raises(
            InputError, match=r"shape \(n_members, n_samples, \*output\)"
        ):
            crps_ensemble([1.0], np.empty((0, 1)))

    def test_an_unknown_estimator_is_refused(self):
        with pytest.raises(InputError, match="'empirical', 'fair'"):
            crps_ensemble([1.0], [[1.0]], estimator="unbiased")


class TestQuantiles:
    def test_a_value_computed_by_hand(self):
        quantiles = [[0.0, 2.0], [3.0, 1.0]]  # the second pair crosses
        # 0.1 * 1, 0.1 * 1; (1 - 0.1) * 1, 0.9 * 1.
        expected = (0.1 + 0.1 + 0.9 + 0.9) / 4
        loss = pinball_loss([1.0, 2.0], quantiles, quantile_levels=[0.1, 0.9])
        assert loss == pytest.approx(expected, rel=1e-15)

    @pytest.mark.parametrize("level", [0.1, 0.5, 0.99])
    def test_one_level_is_the_loss_of_scikit_learn(self, problem, level):
        y, mean, _ = problem
        expected = mean_pinball_loss(y, mean, alpha=level)
        assert pinball_loss(y, mean, quantile_levels=level) == pytest.approx(
            expected, rel=1e-13
        )
        assert pinball_loss(y, mean[:, None], quantile_levels=[level]) == (
            pytest.approx(expected, rel=1e-13)
        )

    def test_levels_may_come_in_any_order(self, problem, rng):
        y, levels = problem[0], np.array([0.1, 0.3, 0.8])
        quantiles, order = rng.normal(size=(200, 3)), [2, 0, 1]
        assert pinball_loss(
            y, quantiles[:, order], quantile_levels=levels[order]
        ) == pytest.approx(
            pinball_loss(y, quantiles, quantile_levels=levels), rel=1e-14
        )

    def test_the_median_has_half_the_absolute_error(self, problem):
        y, mean, _ = problem
        assert pinball_loss(y, mean, quantile_levels=0.5) == pytest.approx(
            mean_absolute_error(y, mean) / 2, rel=1e-14
        )

    @pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
    def test_is_lowest_at_the_quantile(self, rng, level):
        y = rng.normal(size=101)
        best = np.quantile(y, level, method="inverted_cdf")

        def stated(value):
            return pinball_loss(y, np.full(101, value), quantile_levels=level)

        for value in y[y != best]:
            assert stated(value) > stated(best)

    def test_even_quantiles_score_as_members_do(self, problem, rng):
        y, quantiles = problem[0], np.sort(rng.normal(size=(200, 20)), axis=1)
        levels = (np.arange(20) + 0.5) / 20
        assert crps_quantile(y, quantiles, quantile_levels=levels) == pytest.approx(
            crps_ensemble(y, quantiles.T), rel=1e-12
        )

    def test_a_dense_grid_comes_to_the_closed_form(self, problem):
        y, mean, std = problem
        levels = np.arange(1, 2000) / 2000
        quantiles = mean[:, None] + std[:, None] * norm.ppf(levels)
        assert crps_quantile(y, quantiles, quantile_levels=levels) == pytest.approx(
            crps_gaussian(y, mean, std), rel=1e-3
        )

    @pytest.mark.parametrize("levels", [[0.0, 0.5], [0.5, 1.0], [5, 95], [np.nan, 0.5]])
    def test_levels_that_are_no_fractions_are_refused(self, levels):
        with pytest.raises(InputError, match="quantile_levels"):
            pinball_loss([1.0], [[0.0, 1.0]], quantile_levels=levels)

    @pytest.mark.parametrize("levels", [[], [[0.1, 0.9]]])
    def test_levels_of_another_dimension_are_refused(self, levels):
        with pytest.raises(InputError, match="must be one-dimensional"):
            pinball_loss([1.0], [[0.0, 1.0]], quantile_levels=levels)

    def test_levels_and_quantiles_of_other_numbers_are_refused(self):
        with pytest.raises(InputError, match="3 levels and y_quantiles has 2"):
            pinball_loss([1.0], [[0.0, 1.0]], quantile_levels=[0.1, 0.5, 0.9])
        with pytest.raises(InputError, match="needs the same shape"):
            pinball_loss([1.0], [[0.0, 1.0]], quantile_levels=0.5)


class TestIntervals:
    def test_values_computed_by_hand(self):
        y, lower, upper = [1.0, 2.5, -1.0], [0.0, 1.0, 1.0], [2.0, 2.0, 1.0]
        # Widths 2, 1, 0; misses 0, 0.5, 2, at 2 / 0.5 each.
        assert interval_score_loss(y, lower, upper, alpha=0.5) == pytest.approx(
            (2 + 1 + 4 * 0.5 + 4 * 2) / 3, rel=1e-15
        )
        assert interval_width_loss(y, lower, upper) == 1.0
        assert interval_coverage_score(y, lower, upper) == 1 / 3

    def test_both_ends_belong_to_the_interval(self):
        assert interval_coverage_score([0.0, 1.0], [0.0, 0.0], [1.0, 1.0]) == 1.0

    def test_coverage_grows_with_the_width(self, problem):
        y, mean, std = problem
        shares = [
            interval_coverage_score(y, mean - k * std, mean + k * std)
            for k in (0, 0.5, 1, 2, 20)
        ]
        assert shares == sorted(shares)
        assert shares[0] == 0
        assert shares[-1] == 1

    def test_honest_intervals_cover_their_level(self, rng):
        mean, std = rng.normal(size=10_000), rng.gamma(4, 0.3, 10_000)
        y, z = mean + std * rng.normal(size=10_000), norm.ppf(0.95)
        share = interval_coverage_score(y, mean - z * std, mean + z * std)
        assert abs(share - 0.9) < 5 * sqrt(0.9 * 0.1 / 10_000)

    @pytest.mark.parametrize("alpha", [0.05, 0.5])
    def test_is_the_pinball_loss_of_both_ends(self, problem, alpha):
        y, mean, std = problem
        ends = np.stack([mean - std, mean + std], axis=1)
        both = 2 * pinball_loss(y, ends, quantile_levels=[alpha / 2, 1 - alpha / 2])
        assert interval_score_loss(y, *ends.T, alpha=alpha) == pytest.approx(
            2 / alpha * both, rel=1e-13
        )

    def test_is_lowest_at_the_quantiles(self, rng):
        y = rng.normal(size=101)
        lower, upper = np.quantile(y, [0.1, 0.9], method="inverted_cdf")

        def stated(low, high):
            return interval_score_loss(y, 0 * y + low, 0 * y + high, alpha=0.2)

        best = stated(lower, upper)
        for low, high in np.sort(rng.normal(size=(100, 2))):
            assert stated(low, high) > best

    def test_observed_values_do_not_change_a_width(self, problem):
        y, mean, std = problem
        assert interval_width_loss(y, mean, mean + std) == interval_width_loss(
            0 * y, mean, mean + std
        )

    @pytest.mark.parametrize(
        "metric", [interval_score_loss, interval_coverage_score, interval_width_loss]
    )
    def test_ends_that_cross_are_refused(self, metric):
        with pytest.raises(InputError, match="y_lower exceeds y_upper by up to 2"):
            metric([1.0, 2.0], [0.0, 3.0], [0.0, 1.0])

    @pytest.mark.parametrize("alpha", [0, 1, 10, -0.1, float("nan")])
    def test_an_alpha_that_is_no_fraction_is_refused(self, alpha):
        with pytest.raises(InputError, match=r"alpha must lie in \(0, 1\)"):
            interval_score_loss([1.0], [0.0], [2.0], alpha=alpha)


def test_half_precision_is_upcast():
    torch = pytest.importorskip("torch")
    y = torch.tensor([1.0, 2.5], dtype=torch.float16, requires_grad=True)
    mean, std = torch.tensor([1.0, 1.0]).half(), torch.tensor([1.0, 2.0]).bfloat16()
    assert crps_gaussian(y, mean, std) == crps_gaussian([1, 2.5], [1, 1], [1, 2])
    assert crps_gaussian(np.float16([1, 2.5]), [1, 1], [1, 2]) == (
        crps_gaussian([1, 2.5], [1, 1], [1, 2])
    )


def test_pandas_are_matched_by_position():
    pd = pytest.importorskip("pandas")
    y = pd.Series([1.0, 2.0], index=["b", "a"])
    mean, std = pd.Series([1.0, 1.0]), pd.Series([1.0, 2.0], index=[7, 3])
    assert gaussian_log_loss(y, mean, std) == gaussian_log_loss([1, 2], [1, 1], [1, 2])
