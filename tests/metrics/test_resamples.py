"""The three ways to the metric of a resample agree; groups stay together."""

import numpy as np
import pytest
from scipy.special import softmax

from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.metrics import (
    Streaming,
    accuracy_score,
    area_under_risk_coverage_error,
    average_calibration_error,
    bootstrap_interval,
    brier_score_loss,
    classwise_calibration_error,
    crps_ensemble,
    error_detection_scores,
    expected_calibration_error,
    gaussian_log_loss,
    log_loss,
    pinball_loss,
    ranked_probability_score_loss,
    smooth_calibration_error,
    top_label_calibration_error,
    uncertainty_error_overlap,
)
from skuq.metrics._resamples import Resampler, problem_of, resample_counts

BY_SAMPLES = [
    (accuracy_score, {}),
    (average_calibration_error, {}),
    (brier_score_loss, {}),
    (classwise_calibration_error, {"norm": "l2"}),
    (expected_calibration_error, {"n_bins": 7}),
    (expected_calibration_error, {"convention": "torchmetrics"}),
    (log_loss, {}),
    (ranked_probability_score_loss, {}),
    (top_label_calibration_error, {}),
]


def draw(n, random_state=0, **options):
    z, y = make_logits(n, 3, random_state=random_state, **options)
    return y, softmax(z, axis=1)


def resampler(metric, data, weight=None, groups=None, **params):
    return Resampler(problem_of(metric, data, weight, params), groups)


@pytest.mark.parametrize(("metric", "options"), BY_SAMPLES)
@pytest.mark.parametrize("weighted", [False, True])
def test_samples_summed_again_give_the_metric_of_repeated_samples(
    metric, options, weighted, rng
):
    y, p = draw(150)
    weight = rng.random(150) if weighted else None
    fast = resampler(metric, (y, p), weight, **options)
    assert fast._by_samples() is not None
    counts = resample_counts(150, rng)
    rows = np.repeat(np.arange(150), counts.astype(int))
    repeated = metric(
        y[rows],
        p[rows],
        sample_weight=None if weight is None else weight[rows],
        labels=[0, 1, 2],
        **options,
    )
    assert fast.read(counts)[0] == pytest.approx(repeated, rel=1e-12)


@pytest.mark.parametrize("debias", [False, True])
def test_a_repeated_sample_counts_as_two_for_the_bias(debias, rng):
    y, p = draw(150)
    options = {"debias": debias, "norm": "l2-squared"}
    counts = resample_counts(150, rng)
    rows = np.repeat(np.arange(150), counts.astype(int))
    value = resampler(expected_calibration_error, (y, p), **options).read(counts)[0]
    assert value == pytest.approx(
        expected_calibration_error(y[rows], p[rows], **options), rel=1e-12
    )


@pytest.mark.parametrize(
    ("metric", "options"),
    [
        (log_loss, {}),
        (expected_calibration_error, {"kind": "classwise"}),
        (smooth_calibration_error, {}),
    ],
)
def test_states_of_groups_give_the_metric_of_repeated_groups(metric, options, rng):
    y, p = draw(120)
    names = np.array([f"patient {i}" for i in rng.integers(0, 15, 120)])
    way = resampler(metric, (y, p), groups=names, **options)
    assert way._by_states() is not None
    counts = resample_counts(way.n_units, rng)
    unit = np.unique(names, return_inverse=True)[1]
    rows = np.concatenate(
        [np.flatnonzero(unit == g) for g in range(15) for _ in range(int(counts[g]))]
    )
    repeated = metric(y[rows], p[rows], labels=[0, 1, 2], **options)
    assert way.read(counts)[0] == pytest.approx(repeated, rel=1e-10)


def test_states_of_images_give_the_metric_of_repeated_images(rng):
    y, p = draw(9, spatial=(4, 5))
    y = np.where(rng.random(y.shape) < 0.2, 255, y)
    y[3] = 255  # nothing counts there
    way = resampler(expected_calibration_error, (y, p), ignore_index=255)
    assert way._by_states() is not None
    counts = resample_counts(9, rng)
    rows = np.repeat(np.arange(9), counts.astype(int))
    repeated = expected_calibration_error(
        y[rows], p[rows], ignore_index=255, labels=[0, 1, 2]
    )
    assert way.read(counts)[0] == pytest.approx(repeated, rel=1e-12)


def test_groups_are_resampled_whole():
    # Ten copies of each row say no more than the row.
    y, p = draw(100)
    copies, names = np.repeat(np.arange(100), 10), np.repeat(np.arange(100), 10)
    options = {"n_resamples": 100, "random_state": 0}
    for metric in (log_loss, expected_calibration_error, smooth_calibration_error):
        rows = bootstrap_interval(metric, y, p, **options)
        grouped = bootstrap_interval(
            metric, y[copies], p[copies], groups=names, **options
        )
        assert grouped == pytest.approx(rows, rel=1e-9)
        alone = bootstrap_interval(metric, y[copies], p[copies], **options)
        assert alone.high - alone.low < 0.6 * (rows.high - rows.low)


def test_metrics_that_keep_all_samples_take_groups_too():
    y, p = draw(100)
    copies = np.repeat(np.arange(100), 4)
    options = {"n_resamples": 30, "random_state": 0}
    rows = bootstrap_interval(area_under_risk_coverage_error, y, p, **options)
    grouped = bootstrap_interval(
        area_under_risk_coverage_error, y[copies], p[copies], groups=copies, **options
    )
    assert grouped == pytest.approx(rows, abs=0.02)


def test_data_of_any_kind_are_resampled(rng):
    y, mean, members = (
        rng.normal(size=60),
        rng.normal(size=60),
        rng.normal(size=(5, 60)),
    )
    options = {"n_resamples": 40, "random_state": 0}
    triples = np.arange(60) // 3
    for metric, data in (
        (gaussian_log_loss, (y, mean, np.ones(60))),
        (crps_ensemble, (y, members)),
    ):
        for groups in (None, triples):
            low, high = bootstrap_interval(metric, *data, groups=groups, **options)[1:]
            assert low < metric(*data) < high
    maps = rng.integers(0, 2, (2, 8, 4, 4))
    unsure = rng.random((8, 4, 4))
    interval = bootstrap_interval(uncertainty_error_overlap, *maps, unsure, **options)
    assert interval.low < interval.estimate < interval.high


def test_keywords_aligned_with_the_samples_are_cut_with_them(rng):
    y, p = draw(80)
    way = resampler(
        error_detection_scores, (y, p), confidence=rng.random(80), groups=np.arange(80)
    )
    part = way.problem.part(np.array([3, 5]))
    assert part.params["confidence"].shape == (2,)


@pytest.mark.parametrize("n", [1, 7, 2**14, 2**14 + 3, 50_000])
def test_counts_of_a_resample_are_multinomial(n):
    rng = np.random.default_rng(0)
    draws = np.array([resample_counts(n, rng) for _ in range(30)])
    assert (draws.sum(axis=1) == n).all()
    if n > 1:
        # The variance of a count is 1 - 1/n; its estimate from 30 n counts of kurtosis
        # 4 has a standard error of sqrt(3 / 30 n).
        assert draws.var() == pytest.approx(1 - 1 / n, abs=5 * np.sqrt(3 / (30 * n)))


def test_unusable_groups_get_a_clear_error():
    y, p = draw(20)
    with pytest.raises(InputError, match=r"groups has shape \(3,\)"):
        bootstrap_interval(log_loss, y, p, groups=[1, 2, 3])
    with pytest.raises(InputError, match="single group"):
        bootstrap_interval(log_loss, y, p, groups=np.zeros(20))
    with pytest.raises(InputError, match="method must be one of"):
        bootstrap_interval(log_loss, y, p, method="bca")


@pytest.mark.parametrize("method", ["centered", "basic", "percentile"])
def test_every_method_is_near_the_normal_interval_of_a_mean(method):
    y, p = draw(2000)
    losses = -np.log(p[np.arange(2000), y])
    half = 1.96 * losses.std() / np.sqrt(2000)
    got = bootstrap_interval(
        log_loss, y, p, method=method, n_resamples=2000, random_state=0
    )
    assert got.low == pytest.approx(losses.mean() - half, abs=0.15 * half)
    assert got.high == pytest.approx(losses.mean() + half, abs=0.15 * half)


def test_bias_correction_moves_the_percentiles():
    y, p = draw(300)
    options = {"n_resamples": 300, "random_state": 0}
    plain = bootstrap_interval(
        expected_calibration_error, y, p, method="percentile", **options
    )
    moved = bootstrap_interval(
        expected_calibration_error, y, p, method="bias-corrected", **options
    )
    assert moved.low < plain.low  # resampled errors are too large
    assert moved.high < plain.high


@pytest.mark.parametrize(
    ("metric", "options", "temperature"),
    [
        (log_loss, {}, 2.0),
        (brier_score_loss, {}, 2.0),
        (expected_calibration_error, {"norm": "l2-squared", "debias": True}, 1.4),
    ],
)
def test_95_percent_intervals_cover_93_to_97_percent(metric, options, temperature):
    n, n_runs = 1000, 300
    truth = metric(*draw(10**6, 10**6, temperature=temperature), **options)
    hits = 0
    for run in range(n_runs):
        data = draw(n, run, temperature=temperature)
        _, low, high = bootstrap_interval(
            metric, *data, n_resamples=150, random_state=run, **options
        )
        hits += low <= truth <= high
    # 300 runs have a standard error of 1.3 %: between 93 and 97 within two of them.
    assert 0.93 - 2 * 0.0126 <= hits / n_runs <= 0.97 + 2 * 0.0126


def test_streams_with_array_parameters_add(rng):
    y, q = rng.normal(size=20), np.sort(rng.normal(size=(20, 3)), axis=1)
    levels = np.array([0.1, 0.5, 0.9])
    one = Streaming(pinball_loss, quantile_levels=levels).update(y[:9], q[:9])
    two = Streaming(pinball_loss, quantile_levels=levels.copy()).update(y[9:], q[9:])
    assert (one + two).compute() == pytest.approx(
        pinball_loss(y, q, quantile_levels=levels), rel=1e-12
    )
