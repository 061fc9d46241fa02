"""Bootstrap intervals: what they resample, and how often they cover the truth."""

import functools
import math

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm

from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.metrics import (
    accuracy_score,
    bootstrap_interval,
    brier_score_loss,
    expected_calibration_error,
    log_loss,
)

METRICS = [accuracy_score, brier_score_loss, expected_calibration_error, log_loss]


def draw(n, *, random_state, temperature=2.0, n_classes=3, **options):
    """Labels and over-confident probabilities."""
    z, y = make_logits(
        n, n_classes, temperature=temperature, random_state=random_state, **options
    )
    return y, softmax(z, axis=1)


@pytest.fixture
def problem():
    return draw(200, random_state=0)


class TestResampling:
    @pytest.mark.parametrize("metric", METRICS)
    def test_a_weight_is_a_repetition(self, problem, metric):
        def by_repetition(y, p, sample_weight=None):
            if sample_weight is None:
                return metric(y, p, labels=[0, 1, 2])
            assert sample_weight.sum() == len(y)
            rows = np.repeat(np.arange(len(y)), sample_weight.astype(int))
            return metric(y[rows], p[rows], labels=[0, 1, 2])

        options = {"n_resamples": 20, "random_state": 0}
        weighted = bootstrap_interval(metric, *problem, **options)
        repeated = bootstrap_interval(by_repetition, *problem, **options)
        assert weighted == pytest.approx(repeated, rel=1e-12)

    @pytest.mark.parametrize("metric", METRICS)
    def test_the_estimate_is_the_metric(self, problem, metric):
        weight = np.linspace(0, 1, 200)
        for w in (None, weight):
            interval = bootstrap_interval(
                metric, *problem, sample_weight=w, n_resamples=2
            )
            assert interval.estimate == metric(*problem, sample_weight=w)
            assert all(isinstance(value, float) for value in interval)

    def test_resamples_are_drawn_with_equal_chances(self):
        weights = []

        def spy(y, p, sample_weight=None):
            if sample_weight is not None:
                weights.append(sample_weight)
            return 0.0

        bootstrap_interval(spy, np.zeros(10), np.zeros(10), n_resamples=2000)
        counts = np.array(weights)
        assert counts.shape == (2000, 10)
        assert (counts.sum(axis=1) == 10).all()
        # A count is binomial with mean 1 and variance 0.9.
        error = math.sqrt(0.9 / 2000)
        assert np.abs(counts.mean(axis=0) - 1).max() < 5 * error
        assert counts.std() == pytest.approx(math.sqrt(0.9), rel=0.1)

    def test_equal_weights_change_nothing(self, problem):
        options = {"n_resamples": 20, "random_state": 0}
        plain = bootstrap_interval(log_loss, *problem, **options)
        for weight in (np.full(200, 3.0), [0.5] * 200):
            weighted = bootstrap_interval(
                log_loss, *problem, sample_weight=weight, **options
            )
            assert weighted == pytest.approx(plain, rel=1e-12)

    def test_samples_without_weight_have_no_influence(self, problem):
        y, p = problem
        weight = (np.arange(200) % 2).astype(float)
        flipped = np.where(weight == 0, (y + 1) % 3, y)
        options = {"sample_weight": weight, "n_resamples": 20, "random_state": 0}
        one = bootstrap_interval(log_loss, y, p, **options)
        two = bootstrap_interval(log_loss, flipped, p, **options)
        assert one == pytest.approx(two, rel=1e-12)

    def test_images_are_resampled_whole(self, problem):
        # Pixels that repeat one table per image say no more than the table: an interval
        # from single pixels would be 20 times narrower.
        y, p = problem
        maps = np.broadcast_to(y[:, None, None], (200, 10, 40))
        proba = np.broadcast_to(p[:, :, None, None], (200, 3, 10, 40))
        options = {"n_resamples": 50, "random_state": 0}
        for metric in (brier_score_loss, expected_calibration_error):
            table = bootstrap_interval(metric, y, p, **options)
            images = bootstrap_interval(metric, maps, proba, **options)
            assert images == pytest.approx(table, rel=1e-9)
            assert table.high - table.low > 0.02

    def test_weights_of_pixels_are_kept(self, rng):
        y, p = draw(30, random_state=0, spatial=(4, 5))
        weight = rng.random(y.shape)
        void = np.where(weight > 0.5, y, 255)
        options = {"n_resamples": 20, "random_state": 0}
        weighted = bootstrap_interval(
            log_loss, y, p, sample_weight=(weight > 0.5).astype(float), **options
        )
        ignored = bootstrap_interval(log_loss, void, p, ignore_index=255, **options)
        assert weighted == pytest.approx(ignored, rel=1e-12)

    def test_parameters_reach_the_metric(self, problem):
        ece = expected_calibration_error
        options = {"n_resamples": 20, "random_state": 0}
        by_name = bootstrap_interval(ece, *problem, n_bins=5, norm="l2", **options)
        partial = functools.partial(ece, n_bins=5, norm="l2")
        assert by_name == bootstrap_interval(partial, *problem, **options)
        assert by_name != bootstrap_interval(ece, *problem, **options)

    def test_arrays_of_every_library_give_the_same(self, problem, xp):
        y, p = problem
        options = {"n_resamples": 10, "random_state": 0}
        expected = bootstrap_interval(log_loss, y, p, **options)
        got = bootstrap_interval(log_loss, xp.asarray(y), xp.asarray(p), **options)
        assert got == pytest.approx(expected, rel=1e-12)
        weighted = bootstrap_interval(
            log_loss,
            xp.asarray(y),
            xp.asarray(p),
            sample_weight=xp.asarray(np.full(200, 2.0)),
            **options,
        )
        assert weighted == pytest.approx(expected, rel=1e-12)

    def test_lists_are_accepted(self, problem):
        y, p = problem
        options = {"n_resamples": 10, "random_state": 0}
        got = bootstrap_interval(log_loss, y.tolist(), p.tolist(), **options)
        assert got == bootstrap_interval(log_loss, y, p, **options)

    def test_inputs_and_the_global_generator_are_left_alone(self, problem):
        y, p, weight = *problem, np.ones(200)
        copies = [a.copy() for a in (y, p, weight)]
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        bootstrap_interval(log_loss, y, p, sample_weight=weight, n_resamples=5)
        for array, copy in zip((y, p, weight), copies, strict=True):
            np.testing.assert_array_equal(array, copy)
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002

    def test_resamples_without_any_weight_are_not_counted(self):
        # One of three images has labels: about 30 % of the resamples miss it.
        y, p = draw(3, random_state=0, spatial=(4, 5))
        y[1:] = 255
        for metric in METRICS:
            interval = bootstrap_interval(
                metric, y, p, ignore_index=255, n_resamples=50, random_state=0
            )
            # All others hold copies of one image.
            assert interval == pytest.approx((interval.estimate,) * 3, rel=1e-9)

    def test_resamples_without_any_given_weight_are_not_counted(self, problem):
        y, p = problem[0][:3], problem[1][:3]
        interval = bootstrap_interval(
            log_loss, y, p, sample_weight=[1, 0, 0], n_resamples=50, random_state=0
        )
        assert interval == pytest.approx((interval.estimate,) * 3, rel=1e-9)


class TestRandomState:
    def test_a_seed_gives_the_same_interval_and_another_seed_another(self, problem):
        def interval(seed):
            return bootstrap_interval(
                log_loss, *problem, n_resamples=20, random_state=seed
            )

        assert interval(1) == interval(1)
        assert interval(1) != interval(2)
        assert interval(1) == interval(np.random.default_rng(1))

    def test_a_generator_moves_on(self, problem):
        rng = np.random.default_rng(1)
        options = {"n_resamples": 20, "random_state": rng}
        one = bootstrap_interval(log_loss, *problem, **options)
        assert one != bootstrap_interval(log_loss, *problem, **options)

    def test_without_a_seed_each_interval_is_new(self, problem):
        one = bootstrap_interval(log_loss, *problem, n_resamples=20)
        assert one != bootstrap_interval(log_loss, *problem, n_resamples=20)


class TestInterval:
    @pytest.mark.parametrize("level", [0.5, 0.95])
    def test_for_a_mean_it_is_the_textbook_normal_interval(self, level):
        n, n_resamples = 2000, 2000
        y, p = draw(n, random_state=0)
        losses = ((p - np.eye(3)[y]) ** 2).sum(axis=1)
        half = norm.isf((1 - level) / 2) * losses.std(ddof=1) / math.sqrt(n)
        interval = bootstrap_interval(
            brier_score_loss,
            y,
            p,
            n_resamples=n_resamples,
            confidence_level=level,
            random_state=0,
        )
        assert interval.estimate == pytest.approx(losses.mean(), rel=1e-12)
        # An end is a quantile of 2000 values: its standard error is
        # sqrt(q (1 - q) / 2000) / density, in units of the standard error of the mean.
        q = (1 - level) / 2
        error = math.sqrt(q * (1 - q) / n_resamples) / norm.pdf(norm.isf(q))
        allowed = 5 * error / norm.isf(q)
        assert interval.high - interval.estimate == pytest.approx(half, rel=allowed)
        assert interval.estimate - interval.low == pytest.approx(half, rel=allowed)
        assert interval.high - interval.low == pytest.approx(2 * half, rel=0.05)

    @pytest.mark.parametrize("metric", METRICS)
    def test_a_higher_level_gives_an_interval_around_that_of_a_lower(
        self, problem, metric
    ):
        inner, outer = (
            bootstrap_interval(
                metric, *problem, confidence_level=c, n_resamples=99, random_state=0
            )
            for c in (0.5, 0.95)
        )
        assert outer.low <= inner.low < inner.high <= outer.high
        assert outer.high - outer.low > inner.high - inner.low

    def test_four_times_the_samples_halve_the_interval(self):
        widths = []
        for n in (500, 8000):
            y, p = draw(n, random_state=0)
            _, low, high = bootstrap_interval(
                brier_score_loss, y, p, n_resamples=200, random_state=0
            )
            widths.append(high - low)
        # A width from 200 resamples has a standard error of about 6 %.
        assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)

    @pytest.mark.parametrize("metric", METRICS)
    def test_it_does_not_leave_the_range_of_the_metric_at_zero(self, metric):
        y, p = np.tile([0, 1], 20), np.tile([[0.98, 0.02], [0.02, 0.98]], (20, 1))
        y[0] = 1
        assert bootstrap_interval(metric, y, p, random_state=0).low >= 0

    def test_a_metric_that_can_be_negative_is_not_cut_at_zero(self, problem):
        def gain(y, p, sample_weight=None):
            return -log_loss(y, p, sample_weight=sample_weight)

        options = {"n_resamples": 50, "random_state": 0}
        loss = bootstrap_interval(log_loss, *problem, **options)
        mirrored = bootstrap_interval(gain, *problem, **options)
        assert mirrored.low == pytest.approx(-loss.high, rel=1e-12)
        assert mirrored.high == pytest.approx(-loss.low, rel=1e-12)

    def test_the_calibration_error_of_an_over_confident_model_is_not_zero(self):
        for seed in range(5):
            interval = bootstrap_interval(
                expected_calibration_error,
                *draw(500, random_state=seed),
                n_resamples=100,
                random_state=0,
            )
            assert interval.low > 0.05

    def test_it_is_never_inside_out(self):
        # 25 bins of 50 samples, each exactly as often right as stated: the error is 0,
        # and that of every resample is not.
        p = np.repeat(np.linspace(0.5, 0.98, 25), 50)
        y = np.concatenate([np.arange(50) < round(50 * q) for q in p[::50]]).astype(int)
        interval = bootstrap_interval(
            expected_calibration_error,
            y,
            p,
            kind="positive",
            n_bins=50,
            n_resamples=100,
            random_state=0,
        )
        assert interval.estimate == pytest.approx(0, abs=1e-12)
        assert interval.low <= interval.estimate <= interval.high

    @pytest.mark.parametrize("metric", METRICS)
    def test_it_holds_the_estimate(self, metric):
        # Also for the calibration error of a calibrated model, where resamples are
        # biased upwards most.
        for seed in range(20):
            y, p = draw(500, random_state=seed, temperature=1.0)
            interval = bootstrap_interval(metric, y, p, n_resamples=60, random_state=0)
            assert interval.low <= interval.estimate <= interval.high


def intervals(metric, temperature, n_runs):
    """Estimate, low and high of data sets of 300 samples."""
    rows = [
        bootstrap_interval(
            metric,
            *draw(300, random_state=run, temperature=temperature),
            n_resamples=60,
            random_state=run,
        )
        for run in range(n_runs)
    ]
    return np.array(rows).T


def lowest_share(n_runs):
    """Five standard errors below 0.88, for the share of runs that cover the truth.

    The level is 0.95; a bootstrap of few hundred samples covers somewhat less.
    """
    return 0.88 - 5 * math.sqrt(0.88 * 0.12 / n_runs)


class TestCoverage:
    # Of 150 runs that cover with probability 0.88 each, the share has a standard error
    # of 0.0265, so at least 0.747 is asked for.  The percentile interval of these
    # calibration errors covers in 0.63 of the runs.
    @pytest.mark.parametrize(
        ("metric", "temperature"), [(log_loss, 2.0), (expected_calibration_error, 1.4)]
    )
    def test_an_interval_of_an_over_confident_model_covers_the_truth(
        self, metric, temperature
    ):
        truth = metric(*draw(400_000, random_state=10**6, temperature=temperature))
        estimate, low, high = intervals(metric, temperature, 150)
        assert ((low <= truth) & (truth <= high)).mean() >= lowest_share(150)
        # And not because it is far too wide.
        assert (high - low).mean() < 1.5 * 2 * norm.isf(0.025) * estimate.std()

    # Standard error of a share of 0.88: 0.042, so at least 0.670 is asked for.
    # The plain basic interval reaches zero in 0.54 of the runs.
    def test_the_calibration_error_of_a_calibrated_model_reaches_down_to_zero(self):
        estimate, low, _ = intervals(expected_calibration_error, 1.0, 60)
        assert estimate.min() > 0.01  # the plain estimate is biased
        assert (low == 0).mean() >= lowest_share(60)


class TestRefusals:
    @pytest.mark.parametrize("level", [0, 1, 95, -0.1, math.nan])
    def test_a_level_that_is_no_fraction(self, problem, level):
        with pytest.raises(InputError, match="confidence_level must lie between"):
            bootstrap_interval(log_loss, *problem, confidence_level=level)

    @pytest.mark.parametrize("n", [1, 0, -5])
    def test_fewer_than_two_resamples(self, problem, n):
        with pytest.raises(InputError, match="n_resamples must be at least 2"):
            bootstrap_interval(log_loss, *problem, n_resamples=n)

    def test_a_wrong_number_of_weights(self, problem):
        with pytest.raises(InputError, match=r"sample_weight has shape \(3,\)"):
            bootstrap_interval(log_loss, *problem, sample_weight=np.ones(3))

    def test_negative_weights(self, problem):
        with pytest.raises(InputError, match="weights must be finite"):
            bootstrap_interval(log_loss, *problem, sample_weight=np.full(200, -1.0))

    def test_weights_that_are_all_zero(self, problem):
        with pytest.raises(InputError, match="zero for every sample"):
            bootstrap_interval(log_loss, *problem, sample_weight=np.zeros(200))

    def test_other_lengths(self, problem):
        y, p = problem
        with pytest.raises(InputError, match="inconsistent numbers of samples"):
            bootstrap_interval(log_loss, y[:-1], p)

    def test_an_empty_sample(self):
        with pytest.raises(InputError, match="empty"):
            bootstrap_interval(log_loss, np.zeros(0, int), np.zeros((0, 2)))

    def test_a_keyword_that_the_metric_does_not_know(self, problem):
        with pytest.raises(TypeError, match="n_bins"):
            bootstrap_interval(log_loss, *problem, n_bins=10)


class TestMetricsTellOfThemselves:
    def test_a_partial_metric_has_the_interval_of_its_metric(self):
        y, p = draw(300, random_state=0, temperature=1.0)
        options = {"n_resamples": 60, "random_state": 0}
        ece = functools.partial(expected_calibration_error, n_bins=10)
        got = bootstrap_interval(ece, y, p, **options)
        assert got.low == 0
        assert got == bootstrap_interval(
            expected_calibration_error, y, p, n_bins=10, **options
        )

    def test_an_accuracy_is_at_most_one(self):
        y, p = np.tile([0, 1], 20), np.tile([[0.9, 0.1], [0.1, 0.9]], (20, 1))
        y[0] = 1
        interval = bootstrap_interval(accuracy_score, y, p, random_state=0)
        assert interval.estimate == 39 / 40
        assert interval.high == 1
