"""Options of the calibration error, against their definitions written as loops."""

import functools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import foldnorm

from skuq.exceptions import InputError
from skuq.metrics import expected_calibration_error, reliability_curve

error = functools.partial(expected_calibration_error, kind="positive")
some_outcomes = st.lists(
    st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=30
)


def draw(rng, n):
    """Calibrated outcomes of uniform probabilities."""
    p = rng.random(n)
    return (rng.random(n) < p).astype(int), p


def uniform_bins(p, n_bins):
    """Rows of the samples in each filled bin (lo, hi]."""
    number = [max(0, -(-Fraction(x) * n_bins // 1) - 1) for x in p.tolist()]
    return [np.flatnonzero(np.array(number) == b) for b in sorted(set(number))]


def plain_error(y, p, bins):
    """L1 over any bins."""
    return sum(abs(y[i].sum() - p[i].sum()) for i in bins) / len(p)


class TestDebias:
    @pytest.mark.parametrize("n", [5, 40, 300])
    def test_what_noise_adds_to_a_squared_gap_is_taken_off(self, n, rng):
        y, p = draw(rng, n)
        expected = 0.0
        for i in uniform_bins(p, 7):
            m, share = len(i), y[i].mean()
            if m >= 2:
                gap = p[i].mean() - share
                expected += m / n * (gap**2 - share * (1 - share) / (m - 1))
        options = {"n_bins": 7, "debias": True}
        squared = error(y, p, norm="l2-squared", **options)
        assert squared == pytest.approx(expected, rel=1e-12, abs=1e-15)
        root = error(y, p, norm="l2", **options)
        assert root == pytest.approx(max(expected, 0) ** 0.5, rel=1e-12)

    def test_weights_count_as_their_effective_number_of_samples(self, rng):
        y, p = draw(rng, 60)
        weight = rng.exponential(size=60)
        expected = 0.0
        for i in uniform_bins(p, 15):
            w, mass = weight[i], weight[i].sum()
            share, count = w @ y[i] / mass, mass**2 / (w @ w)
            if len(i) > 1:
                gap = w @ p[i] / mass - share
                excess = share * (1 - share) / (count - 1)
                expected += mass / weight.sum() * (gap**2 - excess)
        options = {"sample_weight": weight, "norm": "l2-squared", "debias": True}
        assert error(y, p, **options) == pytest.approx(expected, rel=1e-12)

    def test_l1_is_what_resampled_shares_give(self, rng):
        y, p = draw(rng, 70)
        p = p**2
        plain = error(y, p, n_bins=10)
        resampled, mean = 0.0, 0.0
        for i in uniform_bins(p, 10):
            m, share, stated = len(i), y[i].mean(), p[i].mean()
            noise = (share * (1 - share) / m) ** 0.5
            drawn = rng.normal(share, noise, 20_000)
            resampled = resampled + m / 70 * np.abs(drawn - stated)
            gap = abs(share - stated)
            folded = foldnorm.mean(gap / noise, scale=noise) if noise > 0 else gap
            mean += m / 70 * folded
        value = error(y, p, n_bins=10, debias=True)
        assert value == pytest.approx(2 * plain - mean, rel=1e-10)
        by_draws = 2 * plain - resampled.mean()
        assert abs(value - by_draws) < 5 * resampled.std() / 20_000**0.5
        assert value < plain

    def test_it_is_unbiased_where_the_plain_error_is_not(self, rng):
        values = []
        for _ in range(400):
            y, p = draw(rng, 500)
            values.append(
                [
                    error(y, p, n_bins=15, norm="l2-squared", debias=debias)
                    for debias in (False, True)
                ]
            )
        plain, debiased = np.mean(values, axis=0)
        noise = np.std(values, axis=0) / 400**0.5
        assert abs(debiased) < 5 * noise[1]
        assert plain > 20 * noise[0]

    def test_weights_leave_it_unbiased(self, rng):
        # 0.4 is stated where 0.7 is true: the square of the gap is 0.09.
        p = np.full(8, 0.4)
        values = []
        for _ in range(2000):
            y, weight = (rng.random(8) < 0.7).astype(int), rng.random(8)
            options = {"sample_weight": weight, "norm": "l2-squared", "debias": True}
            values.append(error(y, p, **options))
        assert abs(np.mean(values) - 0.09) < 5 * np.std(values) / 2000**0.5

    def test_it_changes_little_when_weights_do(self):
        y, p = [0, 1], [0.42, 0.43]
        options = {"norm": "l2-squared", "debias": True}
        equal = error(y, p, **options)
        assert equal == pytest.approx(0.075**2 - 0.25, rel=1e-12)
        close = error(y, p, sample_weight=[1, 1 + 1e-6], **options)
        assert close == pytest.approx(equal, abs=1e-5)

    def test_bins_of_one_sample_add_nothing_to_a_square(self):
        y, p = [0, 1], [0.3, 0.6]
        assert error(y, p, norm="l2-squared", debias=True) == 0
        weight = [0.1, 0.3]  # their squares round
        options = {"norm": "l2-squared", "debias": True}
        assert error(y, p, sample_weight=weight, **options) == 0


def sweep(y, p, strategy):
    """The error over the most bins whose shares grow, by trying all numbers of bins."""
    distinct = np.unique(p)
    best = [np.flatnonzero(p == x) for x in distinct]
    if is_growing(y, best):
        return plain_error(y, p, best)
    for n_bins in range(1, len(distinct) + 1):
        levels = np.arange(1, n_bins) / n_bins
        if strategy == "quantile":
            levels = np.quantile(p, levels, method="inverted_cdf")
        index = np.searchsorted(levels, p)
        bins = [np.flatnonzero(index == b) for b in np.unique(index)]
        if not is_growing(y, bins):
            break
        best = bins
    return plain_error(y, p, best)


def is_growing(y, bins):
    return (np.diff([y[i].mean() for i in bins]) >= 0).all()


class TestSweep:
    @pytest.mark.parametrize("strategy", ["quantile", "uniform"])
    @pytest.mark.parametrize("ties", [False, True])
    def test_the_most_bins_whose_shares_grow(self, strategy, ties, rng):
        for _ in range(100):
            n = rng.integers(1, 14)
            y, p = draw(rng, n)
            p = np.ceil(p * 11) / 12 if ties else p  # also on edges
            y[0], y[-1] = 0, 1
            value = error(y, p, n_bins="sweep", strategy=strategy)
            assert value == pytest.approx(sweep(y, p, strategy), rel=1e-12, abs=1e-15)

    def test_it_takes_bins_of_equal_weight(self, rng):
        y, p = draw(rng, 200)
        value = error(y, p, n_bins="sweep")
        assert value == error(y, p, n_bins="sweep", strategy="quantile")
        assert value != error(y, p, n_bins="sweep", strategy="uniform")

    @pytest.mark.parametrize("strategy", ["quantile", "uniform"])
    def test_shares_that_never_fall_set_every_score_apart(self, strategy):
        y, p = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.4, 0.7, 0.9])
        value = error(y, p, n_bins="sweep", strategy=strategy)
        assert value == pytest.approx(np.abs(y - p).mean(), rel=1e-12)
        curve = reliability_curve(
            y, p, kind="positive", n_bins="sweep", strategy=strategy
        )
        np.testing.assert_array_equal(curve.weight, np.ones(5))
        np.testing.assert_array_equal(curve.mean_confidence, p)

    def test_shares_that_always_fall_leave_one_bin(self):
        y, p = np.array([1, 1, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4])
        value = error(y, p, n_bins="sweep")
        assert value == pytest.approx(abs(y.mean() - p.mean()), rel=1e-12)

    def test_each_class_has_its_own_number_of_bins(self, rng):
        p = rng.dirichlet(np.ones(3), 60)
        y = np.arange(60) % 3
        value = expected_calibration_error(y, p, kind="classwise", n_bins="sweep")
        per_class = [
            error((y == k).astype(int), p[:, k], n_bins="sweep") for k in (0, 1, 2)
        ]
        assert value == pytest.approx(np.mean(per_class), rel=1e-12)


class TestParts:
    @settings(deadline=None, max_examples=50)
    @given(data=some_outcomes)
    def test_over_and_under_confidence_add_up(self, data):
        p, y = np.array([(x / 20, hit) for x, hit in data]).T
        for norm in ("l1", "l2-squared"):
            whole, over, under = (
                error(y, p, labels=[0, 1], norm=norm, part=part)
                for part in ("all", "over-confidence", "under-confidence")
            )
            assert over + under == pytest.approx(whole, rel=1e-12, abs=1e-15)

    def test_one_bin_too_sure_and_one_not_sure_enough(self):
        y, p = [0, 1, 1, 1], [0.7, 0.7, 0.9, 0.9]
        assert error(y, p, part="over-confidence") == pytest.approx(0.1, rel=1e-12)
        assert error(y, p, part="under-confidence") == pytest.approx(0.05, rel=1e-12)
        largest = {"norm": "max", "part": "under-confidence"}
        assert error(y, p, **largest) == pytest.approx(0.1, rel=1e-12)


class TestJoiningClasses:
    def test_classwise_averages(self, rng):
        p, y = rng.dirichlet(np.ones(3), 50), rng.choice(3, 50, p=[0.6, 0.3, 0.1])
        share = np.bincount(y, minlength=3) / 50
        columns = [((y == k).astype(int), p[:, k]) for k in range(3)]
        per_class = np.array([error(*column) for column in columns])
        pooled = error(np.concatenate([c[0] for c in columns]), p.T.ravel())
        expected = {
            "macro": per_class.mean(),
            "prevalence": share @ per_class,
            "weight": per_class.mean(),  # every class has the weight of all samples
            "sum": per_class.sum(),
            "pooled": pooled,
        }
        for average, number in expected.items():
            value = expected_calibration_error(
                y, p, kind="classwise", class_average=average
            )
            assert value == pytest.approx(number, rel=1e-12)

    def test_squares_are_joined_before_the_root(self, rng):
        p, y = rng.dirichlet(np.ones(3), 50), np.arange(50) % 3
        squares = [
            error((y == k).astype(int), p[:, k], norm="l2-squared") for k in range(3)
        ]
        value = expected_calibration_error(y, p, kind="classwise", norm="l2")
        assert value == pytest.approx(np.mean(squares) ** 0.5, rel=1e-12)

    def test_each_predicted_class_has_its_bins(self, rng):
        p, y = rng.dirichlet(np.ones(4), 80), np.arange(80) % 4
        p[:, 3] /= 10  # the last class is never predicted
        p /= p.sum(axis=1, keepdims=True)
        y[p[:, 3] == p.max(axis=1)] = 0
        predicted, top = p.argmax(axis=1), p.max(axis=1)
        count = np.bincount(predicted, minlength=4)
        assert count[3] == 0
        per_class = np.array(
            [
                error(y[predicted == k] == k, top[predicted == k], labels=[0, 1])
                for k in range(3)
            ]
        )
        expected = {"macro": per_class.mean(), "weight": count[:3] @ per_class / 80}
        for average, number in expected.items():
            value = expected_calibration_error(
                y, p, kind="predicted-class", class_average=average
            )
            assert value == pytest.approx(number, rel=1e-12)
        pooled = expected_calibration_error(
            y, p, kind="predicted-class", class_average="pooled"
        )
        assert pooled == pytest.approx(expected_calibration_error(y, p), rel=1e-12)


class TestQuantileBins:
    @settings(deadline=None, max_examples=50)
    @given(data=some_outcomes, n_bins=st.integers(1, 8))
    def test_equal_scores_share_a_bin(self, data, n_bins):
        p, y = np.array([(x / 20, hit) for x, hit in data]).T
        levels = np.arange(1, n_bins) / n_bins
        index = np.searchsorted(np.quantile(p, levels, method="inverted_cdf"), p)
        bins = [np.flatnonzero(index == b) for b in range(n_bins)]
        value = error(y, p, labels=[0, 1], n_bins=n_bins, strategy="quantile")
        assert value == pytest.approx(plain_error(y, p, bins), rel=1e-12, abs=1e-15)

    def test_two_distinct_scores_fill_two_bins(self):
        y, p = np.array([0, 0, 1, 1, 0, 1]), np.array([0.2] * 4 + [0.8] * 2)
        value = error(y, p, n_bins=5, strategy="quantile")
        assert value == pytest.approx(4 / 6 * 0.3 + 2 / 6 * 0.3, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "l3"}, "norm"),
        ({"class_average": "micro"}, "class_average"),
        ({"part": "over"}, "part"),
        ({"kind": "bottom-label"}, "kind"),
        ({"strategy": "equal"}, "strategy"),
        ({"closed": "both"}, "closed"),
        ({"convention": "guo"}, "convention"),
        ({"n_bins": 0}, "n_bins"),
        ({"n_bins": 2.5}, "n_bins"),
        ({"n_bins": "swoop"}, "n_bins"),
        ({"debias": True, "norm": "max"}, "debias"),
        ({"debias": True, "part": "over-confidence"}, "debias"),
        (
            {
                "convention": "netcal",
                "strategy": "quantile",
                "sample_weight": [1, 2],
            },
            "sample_weight",
        ),
    ],
    ids=str,
)
def test_unknown_options_get_a_clear_error(options, message):
    with pytest.raises(InputError, match=message):
        expected_calibration_error([0, 1], [0.2, 0.9], **options)


def test_the_positive_class_of_three_is_refused():
    with pytest.raises(InputError, match="two classes"):
        error([0, 1, 2], np.eye(3))
