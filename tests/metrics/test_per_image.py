"""Metrics of images on their own, and how they compare with all pixels together."""

from functools import partial

import numpy as np
import pytest
from scipy.special import softmax

from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.metrics import (
    brier_score_loss,
    expected_calibration_error,
    log_loss,
    per_image,
    uncertainty_error_overlap,
)


@pytest.fixture
def maps():
    """Over-confident probabilities of nine images."""
    z, y = make_logits(9, 3, temperature=2.0, spatial=(6, 5), random_state=0)
    return y, softmax(z, axis=1)


@pytest.mark.parametrize("metric", [log_loss, brier_score_loss])
def test_the_mean_of_a_mean_is_the_mean(maps, metric, xp):
    values = per_image(metric, *map(xp.asarray, maps))
    assert values.shape == (9,)
    assert values.dtype == np.float64
    assert values.mean() == pytest.approx(metric(*maps), rel=1e-12)


@pytest.mark.parametrize("kind", ["top-label", "positive", "classwise"])
@pytest.mark.parametrize("n_bins", [1, 5, 15])
def test_images_weighted_by_pixels_are_no_better_calibrated_than_all(rng, kind, n_bins):
    # A theorem for the same bins, so it may not fail once in many random data sets.
    for _ in range(20):
        n_classes = 2 if kind == "positive" else 3
        z, y = make_logits(
            6, n_classes, spatial=(4, 5), temperature=1.5, random_state=rng
        )
        void = rng.random(y.shape) < np.linspace(0, 0.8, 6)[:, None, None]
        data = np.where(void, 255, y), softmax(z, axis=1)
        options = {
            "kind": kind,
            "n_bins": n_bins,
            "labels": range(n_classes),
            "ignore_index": 255,
        }
        values = per_image(expected_calibration_error, *data, **options)
        weight = (~void).sum(axis=(1, 2))
        mean = np.average(values[weight > 0], weights=weight[weight > 0])
        assert mean >= expected_calibration_error(*data, **options) - 1e-12


def test_errors_that_cancel_over_a_data_set_show_in_its_images():
    # Each image states 0.5; all of one is true and nothing of the other.
    y, p = np.array([[0, 0], [1, 1]]), np.full((2, 2), 0.5)
    options = {"labels": [0, 1], "kind": "positive"}
    assert expected_calibration_error(y, p, **options) == 0
    assert per_image(expected_calibration_error, y, p, **options).tolist() == [0.5, 0.5]


def test_an_image_of_which_nothing_counts_is_nan(maps):
    y = maps[0].copy()
    y[4] = 255
    options = {"ignore_index": 255, "labels": [0, 1, 2]}
    values = per_image(log_loss, y, maps[1], **options)
    assert np.flatnonzero(np.isnan(values)).tolist() == [4]
    rest = np.arange(9) != 4
    assert values[rest].tolist() == per_image(log_loss, maps[0], maps[1])[rest].tolist()
    weight = np.where(rest, 2.0, 0.0)
    weighted = per_image(log_loss, *maps, sample_weight=weight)
    np.testing.assert_allclose(weighted, values, rtol=1e-14)  # NaN equals NaN


def test_keywords_with_one_entry_per_sample_are_cut(maps, rng):
    y, p = maps
    data = y, p.argmax(axis=1), 1 - p.max(axis=1)
    mask = rng.random(y.shape) < 0.5
    values = per_image(uncertainty_error_overlap, *data, mask=mask, threshold="best")
    for i in range(9):
        pixels = [x[i][mask[i]][None] for x in data]
        expected = uncertainty_error_overlap(*pixels, threshold="best")
        assert values[i] == pytest.approx(expected, rel=1e-12)


def test_no_one_threshold_reaches_the_best_of_each_image(maps):
    y, p = maps
    data = y, p.argmax(axis=1), 1 - p.max(axis=1)
    oracle = per_image(uncertainty_error_overlap, *data, threshold="best").mean()
    assert uncertainty_error_overlap(*data, threshold="best") < oracle


def test_a_partial_metric_keeps_its_keywords(maps):
    metric = partial(expected_calibration_error, n_bins=5)
    assert per_image(metric, *maps).tolist() == (
        per_image(expected_calibration_error, *maps, n_bins=5).tolist()
    )


def test_any_function_will_do():
    def gap(a, b, scale=1):
        return scale * (a - b).mean()

    got = per_image(gap, [[1.0, 2.0], [4.0, 4.0]], [[1.0, 1.0], [1.0, 3.0]], scale=2)
    assert got.tolist() == [1.0, 4.0]


def test_data_of_other_lengths_are_refused(maps):
    with pytest.raises(InputError, match="lengths"):
        per_image(log_loss, maps[0][:-1], maps[1])
    with pytest.raises(InputError, match="lengths"):
        per_image(log_loss, *maps, sample_weight=np.ones(3))
    with pytest.raises(InputError, match="at least one image"):
        per_image(log_loss, [], [])
