"""Exchanging the predictions of two models: level, power, and what is exchanged."""

import numpy as np
import pytest
from scipy.special import softmax

from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.metrics import (
    area_under_risk_coverage_error,
    expected_calibration_error,
    gaussian_log_loss,
    log_loss,
    permutation_test,
)


def problem(n, random_state, sharpness=1.0):
    """Labels with two noisy models, the second one sharpened."""
    z, y = make_logits(n, 3, random_state=random_state)
    rng = np.random.default_rng([random_state, 1])  # not the stream of the logits
    noisy = [z + 0.3 * rng.normal(size=z.shape) for _ in range(2)]
    return y, softmax(noisy[0], axis=1), softmax(sharpness * noisy[1], axis=1)


@pytest.mark.parametrize("metric", [log_loss, expected_calibration_error])
def test_equal_models_are_rejected_as_often_as_the_level_says(metric):
    n_runs = 300
    results = [
        permutation_test(metric, *problem(80, run), n_resamples=99, random_state=run)
        for run in range(n_runs)
    ]
    p_values = np.array([result.p_value for result in results])
    for level in (0.05, 0.2):
        error = np.sqrt(level * (1 - level) / n_runs)
        assert (p_values <= level).mean() == pytest.approx(level, abs=4 * error)


@pytest.mark.parametrize(
    "metric",
    [log_loss, expected_calibration_error, area_under_risk_coverage_error],
)
def test_the_difference_is_that_of_the_metric(metric):
    y, first, second = problem(100, 0, sharpness=3.0)
    result = permutation_test(metric, y, first, second, n_resamples=20, random_state=0)
    assert result.difference == metric(y, first) - metric(y, second)
    assert 0 < result.p_value <= 1


def test_power_grows_with_the_number_of_samples():
    p_values = [
        np.mean(
            [
                permutation_test(
                    expected_calibration_error,
                    *problem(n, run, sharpness=2.0),
                    n_resamples=99,
                    random_state=run,
                ).p_value
                for run in range(20)
            ]
        )
        for n in (30, 120, 480)
    ]
    assert p_values[0] > p_values[1] > p_values[2]
    assert p_values[2] < 0.02


def test_the_alternative_is_a_side():
    y, first, second = problem(300, 0, sharpness=3.0)
    p_value = {
        side: permutation_test(
            log_loss, y, first, second, alternative=side, random_state=0
        ).p_value
        for side in ("less", "greater", "two-sided")
    }
    assert p_value["less"] < 0.01
    assert p_value["two-sided"] < 0.01
    assert p_value["greater"] > 0.9


def test_all_exchanges_of_few_samples_are_drawn_alike():
    # Three samples of log losses 1, 2, 3 against 0: of eight exchanges one has a sum of
    # at least 6, and one of at most -6.
    y, first = np.zeros(3, int), np.exp(-np.array([1.0, 2.0, 3.0]))
    first = np.stack([first, 1 - first], axis=1)
    second = np.tile([1.0, 0.0], (3, 1))
    options = {"labels": [0, 1], "n_resamples": 4000, "random_state": 0}
    result = permutation_test(log_loss, y, first, second, **options)
    assert result.difference == pytest.approx(2)
    assert result.p_value == pytest.approx(2 / 8, abs=5 * np.sqrt(3 / 16 / 4000))


def test_groups_are_exchanged_together():
    y, first, second = problem(40, 0)
    copies = np.repeat(np.arange(40), 8)
    options = {"n_resamples": 400, "random_state": 0}
    rows = permutation_test(log_loss, y, first, second, **options)
    data = y[copies], first[copies], second[copies]
    grouped = permutation_test(log_loss, *data, groups=copies, **options)
    assert grouped == pytest.approx(rows, rel=1e-9)


def test_maps_and_several_predictions_are_taken(rng):
    z, y = make_logits(8, 3, spatial=(4, 5), random_state=0)
    maps = permutation_test(
        log_loss, y, softmax(z, axis=1), softmax(4 * z, axis=1), random_state=0
    )
    assert maps.p_value < 0.05
    target = rng.normal(size=200)
    good, bad = (np.zeros(200), np.ones(200)), (np.zeros(200), np.full(200, 5.0))
    result = permutation_test(gaussian_log_loss, target, good, bad, random_state=0)
    assert result.difference < 0
    assert result.p_value < 0.01


def test_weights_count(rng):
    y, first, second = problem(60, 0, sharpness=3.0)
    weight = rng.integers(0, 3, 60)
    rows = np.repeat(np.arange(60), weight)
    result = permutation_test(
        log_loss, y, first, second, sample_weight=weight, random_state=0
    )
    repeated = log_loss(y[rows], first[rows]) - log_loss(y[rows], second[rows])
    assert result.difference == pytest.approx(repeated, rel=1e-12)


def test_unusable_arguments_get_a_clear_error():
    data = problem(20, 0)
    with pytest.raises(InputError, match="n_resamples"):
        permutation_test(log_loss, *data, n_resamples=0)
    with pytest.raises(InputError, match="alternative"):
        permutation_test(log_loss, *data, alternative="smaller")
    with pytest.raises(InputError, match="no statistic"):
        permutation_test(lambda y, p, sample_weight=None: 0.0, *data)
