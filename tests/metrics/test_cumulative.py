"""Cumulative differences: the walk itself, its limit laws, and the test they allow."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from skuq.exceptions import InputError
from skuq.metrics import (
    _cumulative,
    cumulative_calibration_error,
    cumulative_calibration_test,
)
from skuq.metrics._cumulative import _maximum_survival, _range_survival

error = functools.partial(cumulative_calibration_error, kind="positive")
run_test = functools.partial(cumulative_calibration_test, kind="positive")
STATISTICS = ["maximum", "range"]
SURVIVAL = {"maximum": _maximum_survival, "range": _range_survival}
CATALAN = 0.915965594177219015


def walk_of(y, p, weight):
    """C_k by one sum per distinct probability."""
    sums = [(weight * (y - p))[p <= x].sum() for x in np.unique(p)]
    return np.array([0.0, *sums]) / weight.sum()


def excursion(walk, statistic):
    return abs(walk).max() if statistic == "maximum" else walk.max() - walk.min()


@pytest.fixture
def problem(rng):
    """Probabilities with ties."""
    p = np.round(rng.random(80), 1)
    return (rng.random(80) < p**1.5).astype(int), p


class TestError:
    @pytest.mark.parametrize("statistic", STATISTICS)
    def test_the_walk_is_read_where_the_probability_changes(
        self, statistic, problem, rng
    ):
        y, p = problem
        for weight in (np.ones(80), rng.random(80)):
            value = error(y, p, sample_weight=weight, statistic=statistic)
            expected = excursion(walk_of(y, p, weight), statistic)
            assert value == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("statistic", STATISTICS)
    def test_the_order_of_ties_does_not_matter(self, statistic, rng):
        y, p = np.array([1, 1, 0, 0]), np.full(4, 0.5)
        # A walk that read ties one by one would reach 1/4.
        for _ in range(5):
            assert error(rng.permutation(y), p, statistic=statistic) == 0

    def test_hand_computed_values(self):
        # Steps / 4: -0.2, +0.6, -0.6, +0.1.
        y, p = [0, 1, 0, 1], [0.2, 0.4, 0.6, 0.9]
        assert error(y, p) == pytest.approx(0.1, rel=1e-12)
        assert error(y, p, statistic="range") == pytest.approx(0.15, rel=1e-12)

    def test_the_range_counts_the_start(self):
        y, p = [1, 1], [0.2, 0.4]
        assert error(y, p, statistic="range", labels=[0, 1]) == pytest.approx(0.7)

    def test_a_class_at_a_time(self, rng):
        p, y = rng.dirichlet(np.ones(3), 50), rng.integers(0, 3, 50)
        per_class = [error((y == k).astype(int), p[:, k]) for k in range(3)]
        value = cumulative_calibration_error(y, p, kind="classwise")
        assert value == pytest.approx(np.mean(per_class), rel=1e-12)

    def test_an_unknown_statistic_gets_a_clear_error(self):
        for metric in (error, run_test):
            with pytest.raises(InputError, match="statistic"):
                metric([0, 1], [0.2, 0.9], statistic="mean")


class TestLimitLaws:
    @pytest.mark.parametrize("statistic", STATISTICS)
    def test_both_series_agree(self, statistic, monkeypatch):
        for x in np.linspace(0.7, 3, 24):
            values = []
            for small in (0.0, np.inf):  # images everywhere, modes everywhere
                monkeypatch.setattr(_cumulative, "SMALL", small)
                values.append(SURVIVAL[statistic](x))
            assert values[0] == pytest.approx(values[1], rel=0, abs=1e-12)

    @pytest.mark.parametrize("statistic", STATISTICS)
    def test_they_fall_from_one_to_zero(self, statistic):
        values = np.array([SURVIVAL[statistic](x) for x in np.linspace(0, 40, 2000)])
        assert values[0] == 1
        assert 0 <= values[-1] < 1e-300
        assert (np.diff(values) <= 1e-15).all()

    def test_known_quantiles_of_the_maximum(self):
        for x, tail in ((1.959963984540054, 0.1), (2.241402727604947, 0.05)):
            assert _maximum_survival(x) == pytest.approx(tail, abs=1e-7)

    @pytest.mark.parametrize(
        ("statistic", "mean", "mean_square"),
        [
            ("maximum", math.sqrt(math.pi / 2), 2 * CATALAN),
            ("range", math.sqrt(8 / math.pi), 4 * math.log(2)),
        ],
    )
    def test_known_moments(self, statistic, mean, mean_square):
        survival = SURVIVAL[statistic]
        first = quad(survival, 0, 12, points=[0.01, 0.9, 1.8])[0]
        assert first == pytest.approx(mean, rel=1e-9)
        second = quad(lambda x: 2 * x * survival(x), 0, 12, points=[0.01, 0.9, 1.8])[0]
        assert second == pytest.approx(mean_square, rel=1e-9)

    def test_they_are_those_of_a_random_walk(self, rng):
        n, paths = 500, 8000
        walk = np.cumsum(rng.normal(size=(paths, n)), axis=1) / math.sqrt(n)
        high, low = np.maximum(walk.max(axis=1), 0), np.minimum(walk.min(axis=1), 0)
        # A walk in steps misses the extremes of a Brownian motion by this much each.
        missed = 0.5826 / math.sqrt(n)
        for x in (0.8, 1.2, 1.6, 2.0, 2.5):
            for law, reached, sides in (
                (_maximum_survival, np.maximum(high, -low), 1),
                (_range_survival, high - low, 2),
            ):
                expected = law(x + sides * missed)
                noise = math.sqrt(expected * (1 - expected) / paths)
                assert abs((reached > x).mean() - expected) < 5 * noise


class TestTest:
    @pytest.mark.parametrize("statistic", STATISTICS)
    def test_the_statistic_is_the_error_in_standard_deviations(
        self, statistic, problem, rng
    ):
        y, p = problem
        for weight in (np.ones(80), rng.random(80)):
            result = run_test(y, p, sample_weight=weight, statistic=statistic)
            sigma = math.sqrt((weight**2 * p * (1 - p)).sum()) / weight.sum()
            expected = error(y, p, sample_weight=weight, statistic=statistic) / sigma
            assert result.statistic == pytest.approx(expected, rel=1e-12)
            tail = SURVIVAL[statistic](result.statistic)
            assert result.p_value == pytest.approx(tail, rel=1e-12)

    def test_a_calibrated_model_is_refuted_as_often_as_stated(self, rng):
        refuted = np.zeros(2)
        for _ in range(1500):
            p = rng.random(1000)
            y = (rng.random(1000) < p).astype(int)
            refuted += [run_test(y, p, statistic=s).p_value < 0.05 for s in STATISTICS]
        assert (abs(refuted / 1500 - 0.05) < 0.015).all()

    @pytest.mark.parametrize("statistic", STATISTICS)
    def test_power_grows_with_the_number_of_samples(self, statistic, rng):
        power = []
        for n in (50, 200, 800):
            hits = 0
            for _ in range(100):
                p = rng.random(n)
                y = (rng.random(n) < 0.1 + 0.8 * p).astype(int)  # too sure
                hits += run_test(y, p, statistic=statistic).p_value < 0.05
            power.append(hits / 100)
        assert power[0] < power[1] < power[2]
        assert power[2] > 0.5

    @settings(deadline=None, max_examples=100)
    @given(
        data=st.lists(
            st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=20
        ),
        statistic=st.sampled_from(STATISTICS),
    )
    def test_the_p_value_is_a_probability(self, data, statistic):
        p, y = np.array(data).T
        result = run_test(y, p, statistic=statistic, labels=[0, 1])
        assert 0 <= result.p_value <= 1
        assert result.statistic >= 0

    @pytest.mark.parametrize("statistic", STATISTICS)
    def test_only_sure_statements(self, statistic):
        p = np.array([0.0, 0.0, 1.0, 1.0])
        assert run_test([0, 0, 1, 1], p, statistic=statistic) == (0, 1)
        assert run_test([0, 1, 1, 1], p, statistic=statistic) == (math.inf, 0)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_the_rounding_of_a_softmax_refutes_nothing(self, dtype):
        p = np.array([-1e-7, 1 + 1e-6], dtype=dtype)
        assert run_test([0, 1], p) == (0, 1)
        assert run_test([1, 0], p).p_value == 0

    def test_several_classes_at_once_are_refused(self):
        with pytest.raises(InputError, match="one set"):
            cumulative_calibration_test([0, 1, 2], np.eye(3), kind="classwise")
