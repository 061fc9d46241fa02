"""Calibration of distributions: shares within levels, and variances."""

from math import pi, sqrt

import numpy as np
import pytest
from scipy.stats import norm

from skuq.exceptions import InputError, StateMismatchError
from skuq.metrics import (
    Streaming,
    expected_normalized_calibration_error,
    quantile_calibration_error,
    sharpness,
    uncertainty_calibration_error,
)
from skuq.metrics._quantile_calibration import LevelSums
from skuq.metrics._variance_calibration import CollectedErrors, bins_of

LEVELS = np.arange(1, 20) / 20


def draw(n, *, random_state, output=()):
    """Values from stated normal distributions."""
    rng = np.random.default_rng(random_state)
    shape = (n, *output)
    mean, std = rng.normal(size=shape), rng.gamma(4, 0.3, shape)
    return mean + std * rng.normal(size=shape), mean, std


def quantiles_of(mean, std, levels=LEVELS):
    return mean[:, None] + std[:, None] * norm.ppf(levels)


class TestQuantileCalibrationError:
    def test_a_value_computed_by_hand(self):
        # PITs of 1/2 and 0.84: shares 0, 1/2, 1/2 at the levels 1/4, 1/2, 3/4.
        data = [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]
        for norm_, expected in [("l1", 1 / 6), ("l2", sqrt(1 / 24)), ("max", 0.25)]:
            error = quantile_calibration_error(*data, n_levels=3, norm=norm_)
            assert error == pytest.approx(expected, rel=1e-15)
        # Central intervals: 0 lies within all of them, 0.68 within the last.
        error = quantile_calibration_error(*data, n_levels=3, levels="interval")
        assert error == pytest.approx((1 / 4 + 0 + 1 / 4) / 3, rel=1e-15)

    def test_is_the_share_below_each_quantile(self):
        y, mean, std = draw(300, random_state=0)
        mean = mean + 0.5
        shares = (y[:, None] <= quantiles_of(mean, std)).mean(axis=0)
        expected = np.abs(shares - LEVELS).mean()
        assert quantile_calibration_error(y, mean, std, n_levels=19) == (
            pytest.approx(expected, rel=1e-12)
        )
        by_quantiles = quantile_calibration_error(
            y, y_quantiles=quantiles_of(mean, std), quantile_levels=LEVELS
        )
        assert by_quantiles == pytest.approx(expected, rel=1e-12)

    def test_is_the_share_in_each_central_interval(self):
        y, mean, std = draw(300, random_state=0)
        levels = np.arange(1, 10) / 10
        inside = np.abs(y - mean)[:, None] <= std[:, None] * norm.ppf(0.5 + levels / 2)
        expected = np.abs(inside.mean(axis=0) - levels).mean()
        options = {"levels": "interval"}
        assert quantile_calibration_error(y, mean, std, n_levels=9, **options) == (
            pytest.approx(expected, rel=1e-12)
        )
        by_quantiles = quantile_calibration_error(
            y, y_quantiles=quantiles_of(mean, std), quantile_levels=LEVELS, **options
        )
        assert by_quantiles == pytest.approx(expected, rel=1e-12)

    def test_ends_of_central_intervals_belong_to_them(self):
        levels = np.array([0.05, 0.1, 0.3, 0.7, 0.9, 0.95])
        quantiles = np.tile(levels, (2, 1))
        for k, within in enumerate([[0, 0, 2], [0, 2, 2], [2, 2, 2]]):
            y = [levels[k], levels[-1 - k]]
            state = quantile_calibration_error.statistic(
                y, y_quantiles=quantiles, quantile_levels=levels, levels="interval"
            )
            assert state.levels == pytest.approx((0.4, 0.8, 0.9))
            assert state.within.tolist() == within

    def test_a_bias_is_seen_in_its_direction(self):
        # Predictions that are too high have values below every quantile too often.
        y, mean, std = draw(5000, random_state=0)
        state = quantile_calibration_error.statistic(y, mean + std, std)
        assert (state.shares > state.levels).all()
        expected = norm.cdf(norm.ppf(state.levels) + 1)
        error = np.sqrt(expected * (1 - expected) / 5000)
        assert (np.abs(state.shares - expected) < 5 * error).all()

    def test_only_the_interval_reading_is_blind_to_a_bias_in_wide_spreads(self):
        y, mean, _ = draw(20_000, random_state=0)
        rng = np.random.default_rng(1)
        # Errors of one sign, as large as a normal distribution has them.
        y = mean + np.abs(rng.normal(size=20_000))
        std = np.ones(20_000)
        assert quantile_calibration_error(y, mean, std, levels="interval") < 0.01
        assert quantile_calibration_error(y, mean, std) > 0.2

    @pytest.mark.parametrize("n", [500, 2000])
    def test_of_a_calibrated_model_it_falls_as_one_over_root_n(self, n):
        q = np.arange(1, 100) / 100
        expected = sqrt(2 / pi) * np.sqrt(q * (1 - q)).mean() / sqrt(n)
        assert expected == pytest.approx(0.31 / sqrt(n), rel=0.02)  # the docstring's
        errors = [
            quantile_calibration_error(*draw(n, random_state=seed))
            for seed in range(200)
        ]
        assert abs(np.mean(errors) - expected) < 5 * np.std(errors) / sqrt(200)

    def test_members_are_compared_without_bias_at_their_ranks(self, rng):
        draws = rng.normal(size=(10, 40_000))
        y, members = draws[0], draws[1:]
        noise = 5 * sqrt(0.25 / 40_000)
        state = quantile_calibration_error.statistic(y, members=members, n_levels=9)
        assert np.abs(state.shares - state.levels).max() < noise
        state = quantile_calibration_error.statistic(y, members=members, n_levels=99)
        expected = (np.floor(np.array(state.levels) * 9) + 1) / 10
        assert np.abs(state.shares - expected).max() < noise

    def test_levels_can_be_given(self):
        y, mean, std = draw(300, random_state=0)
        levels = np.arange(1, 10) / 10
        by_number = quantile_calibration_error(y, mean, std, n_levels=9)
        for given in (levels, levels.tolist(), levels[::-1]):
            assert quantile_calibration_error(y, mean, std, levels_at=given) == (
                by_number
            )
        # At 0 and 1 a continuous distribution has no gap.
        wider = [0.0, *levels, 1.0]
        assert quantile_calibration_error(y, mean, std, levels_at=wider) == (
            pytest.approx(by_number * 9 / 11, rel=1e-14)
        )

    def test_a_weight_of_members_streams_by_name(self, rng):
        y, members = rng.normal(size=100), rng.normal(size=(5, 100))
        stream = Streaming(quantile_calibration_error, n_levels=5)
        stream.update(y[:60], members=members[:, :60])
        stream.update(y[60:], members=members[:, 60:])
        assert stream.compute() == pytest.approx(
            quantile_calibration_error(y, members=members, n_levels=5), rel=1e-14
        )

    def test_states_at_other_levels_do_not_add(self):
        one = LevelSums("quantile", (0.5,), np.ones(1), 2.0)
        for other in (
            LevelSums("quantile", (0.6,), np.ones(1), 2.0),
            LevelSums("interval", (0.5,), np.ones(1), 2.0),
        ):
            with pytest.raises(StateMismatchError):
                one + other

    def test_the_deviation_bounds_the_difference_of_two_errors(self):
        states = [
            quantile_calibration_error.statistic(*draw(100, random_state=seed))
            for seed in (0, 1)
        ]
        for norm_ in ("l1", "l2", "max"):
            errors = [
                quantile_calibration_error.compute(state, norm=norm_)
                for state in states
            ]
            apart = quantile_calibration_error.deviation(*states, norm=norm_)
            assert abs(errors[0] - errors[1]) <= apart
            same = quantile_calibration_error.deviation(states[0], states[0])
            assert same == 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"levels": "central"}, "levels must be one of"),
            ({"norm": "l3"}, "norm must be one of"),
            ({"n_levels": 0}, "n_levels must be an int"),
            ({"n_levels": 0.5}, "n_levels must be an int"),
            ({"levels_at": [0.5, 1.5]}, r"levels_at must be fractions in \[0, 1\]"),
            ({"levels_at": []}, "levels_at must be fractions"),
            ({"levels_at": [np.nan]}, "levels_at must be fractions"),
            ({"levels_at": [0.5], "n_levels": 9}, "exclude each other"),
        ],
    )
    def test_unusable_options_get_a_clear_error(self, options, message):
        with pytest.raises(InputError, match=message):
            quantile_calibration_error([1.0], [1.0], [1.0], **options)

    def test_intervals_need_a_quantile_where_they_begin(self):
        with pytest.raises(InputError, match=r"below 0\.5"):
            quantile_calibration_error(
                [1.0],
                y_quantiles=[[1.0, 2.0]],
                quantile_levels=[0.5, 0.9],
                levels="interval",
            )


class TestVariances:
    Y, PRED, STD = [1.0, 2.0, 3.0, 6.0], [0.0, 1.0, 1.0, 4.0], [1.0, 1.0, 4.0, 4.0]

    def test_values_computed_by_hand(self):
        # Errors 1, 1 | 2, 2; spreads 1, 1 | 4, 4.
        data = self.Y, self.PRED, self.STD
        for strategy in ("quantile", "uniform"):
            options = {"n_bins": 2, "strategy": strategy}
            assert expected_normalized_calibration_error(*data, **options) == 0.25
            assert uncertainty_calibration_error(*data, **options) == 6
        # One bin: mean variance 8.5, mean squared error 2.5.
        assert expected_normalized_calibration_error(*data, n_bins=1) == (
            pytest.approx(1 - sqrt(2.5 / 8.5), rel=1e-15)
        )
        assert uncertainty_calibration_error(*data, n_bins=1) == 6

    def test_bins_count_alike_in_one_and_by_weight_in_the_other(self):
        data = [1.0, 1.0, 1.0, 8.0], [0.0] * 4, [2.0, 2.0, 2.0, 4.0]
        options = {"n_bins": 2, "strategy": "uniform"}
        assert expected_normalized_calibration_error(*data, **options) == (0.5 + 1) / 2
        assert uncertainty_calibration_error(*data, **options) == (3 * 3 + 48) / 4

    @pytest.mark.parametrize("n_bins", [1, 2, 3, 15])
    def test_equal_spreads_are_never_parted(self, n_bins, rng):
        y, std = rng.normal(size=100), np.ones(100)
        expected = abs(1 - sqrt(np.mean(y**2)))
        for strategy in ("quantile", "uniform"):
            options = {"n_bins": n_bins, "strategy": strategy}
            error = expected_normalized_calibration_error(y, 0 * y, std, **options)
            assert error == pytest.approx(expected, rel=1e-12)

    def test_equal_mass_bins_hold_as_many_samples_each(self):
        y, mean, std = draw(90, random_state=0)
        order = np.argsort(std).reshape(9, 10)
        rmse = np.sqrt(((y - mean)[order] ** 2).mean(axis=1))
        rmv = np.sqrt((std[order] ** 2).mean(axis=1))
        expected = np.mean(np.abs(rmv - rmse) / rmv)
        error = expected_normalized_calibration_error(y, mean, std, n_bins=9)
        assert error == pytest.approx(expected, rel=1e-12)

    def test_more_bins_than_samples_leave_some_empty(self):
        error = expected_normalized_calibration_error(
            [1.0, 3.0], [0.0, 0.0], [2.0, 4.0], n_bins=50
        )
        assert error == (0.5 + 0.25) / 2

    def test_errors_of_the_stated_size_have_no_error(self):
        _, mean, std = draw(100, random_state=0)
        data = mean + std, mean, std
        assert expected_normalized_calibration_error(*data) < 1e-12
        assert uncertainty_calibration_error(*data) < 1e-12

    @pytest.mark.parametrize("factor", [0.5, 2.0])
    def test_a_wrong_factor_is_found(self, factor):
        y, mean, std = draw(50_000, random_state=0)
        error = expected_normalized_calibration_error(y, mean, factor * std)
        assert error == pytest.approx(abs(1 - 1 / factor), abs=0.02)
        # Its bins share all samples: the variance is wrong by this much on average.
        gap = abs(1 - factor**2) * np.mean(std**2)
        error = uncertainty_calibration_error(y, mean, factor * std)
        assert error == pytest.approx(gap, rel=0.05)

    @pytest.mark.parametrize(("n", "n_bins"), [(3000, 15), (3000, 60), (12_000, 15)])
    def test_noise_grows_with_the_root_of_bins_over_samples(self, n, n_bins):
        # RMSE / RMV of m normal errors has a deviation of sqrt(1 / (2 m)).
        expected = sqrt(2 / pi) * sqrt(n_bins / (2 * n))
        assert expected == pytest.approx(0.56 * sqrt(n_bins / n), rel=0.01)
        errors = [
            expected_normalized_calibration_error(
                *draw(n, random_state=seed), n_bins=n_bins
            )
            for seed in range(100)
        ]
        tolerance = 5 * np.std(errors) / sqrt(100) + expected * n_bins / n
        assert abs(np.mean(errors) - expected) < tolerance

    @pytest.mark.parametrize(
        "metric",
        [expected_normalized_calibration_error, uncertainty_calibration_error],
    )
    @pytest.mark.parametrize("strategy", ["quantile", "uniform"])
    def test_resamples_deviate_by_the_noise_of_a_calibrated_model(
        self, metric, strategy
    ):
        options = {"n_bins": 5, "strategy": strategy}
        errors, deviations = [], []
        for seed in range(100):
            data = draw(500, random_state=seed)
            origin = metric.statistic(*data)
            counts = np.bincount(
                np.random.default_rng(seed).integers(0, 500, 500), minlength=500
            )
            resample = metric.statistic(*data, sample_weight=counts)
            errors.append(metric.compute(origin, **options))
            deviations.append(metric.deviation(resample, origin, **options))
            assert metric.deviation(origin, origin, **options) == 0
        error = np.hypot(np.std(errors), np.std(deviations)) / sqrt(100)
        # Resampled means have 1 - 1 / n of the variance; the smallest bins hold few.
        tolerance = 5 * error + 0.1 * np.mean(errors)
        assert abs(np.mean(errors) - np.mean(deviations)) < tolerance

    def test_only_the_relative_error_needs_positive_spreads(self):
        data = [1.0, 2.0], [1.0, 1.0], [1.0, 0.0]
        with pytest.raises(InputError, match="greater than 0"):
            expected_normalized_calibration_error(*data)
        assert uncertainty_calibration_error(*data, n_bins=1) == 0
        for metric in (
            expected_normalized_calibration_error,
            uncertainty_calibration_error,
        ):
            with pytest.raises(InputError, match="at least 0"):
                metric([1.0], [1.0], [-1.0])

    @pytest.mark.parametrize(
        "metric",
        [expected_normalized_calibration_error, uncertainty_calibration_error],
    )
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_bins": 0}, "n_bins must be an int"),
            ({"n_bins": 2.5}, "n_bins must be an int"),
            ({"strategy": "kmeans"}, "strategy must be one of"),
        ],
    )
    def test_unusable_options_get_a_clear_error(self, metric, options, message):
        with pytest.raises(InputError, match=message):
            metric([1.0], [1.0], [1.0], **options)


class TestSharpness:
    def test_values_computed_by_hand(self):
        assert sharpness([1.0, 7.0]) == 5
        assert sharpness([1.0, 7.0], average="mean") == 4
        assert sharpness([1.0, 7.0], sample_weight=[3, 1], average="mean") == 2.5
        assert sharpness([0.0, 0.0]) == 0

    def test_unusable_input_gets_a_clear_error(self):
        with pytest.raises(InputError, match="at least 0"):
            sharpness([1.0, -1.0])
        with pytest.raises(InputError, match="average must be one of"):
            sharpness([1.0], average="median")


@pytest.mark.parametrize("n_bins", [15, 41, 60])
def test_edges_counted_or_searched_give_the_same_bins(n_bins, rng):
    edges = np.sort(rng.random(n_bins - 1))
    std = np.concatenate([rng.random(300), edges])
    expected = np.bincount(np.searchsorted(edges, std, side="left"), minlength=n_bins)
    bins = bins_of(CollectedErrors(std, std**2, None), edges)
    assert bins.weight.tolist() == expected.tolist()
