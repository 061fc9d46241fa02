"""Accurate or not against certain or not: patches by hand and by loops."""

import math

import numpy as np
import pytest

from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics import Streaming, accuracy_uncertainty_scores

PAVPU = "accuracy_vs_uncertainty"
ACCURATE = "accurate_given_certain"
UNCERTAIN = "uncertain_given_inaccurate"


def loops(y, pred, unsure, threshold, size, accuracy, weight, void):
    """The counts by one loop over patches."""
    n = np.zeros((2, 2))  # inaccurate or accurate, uncertain or certain
    for image in range(len(y)):
        for i in range(0, y.shape[1], size):
            for j in range(0, y.shape[2], size):
                patch = image, slice(i, i + size), slice(j, j + size)
                some = y[patch] != void
                if not some.any():
                    continue
                right = (y[patch] == pred[patch])[some].mean() >= accuracy
                certain = unsure[patch][some].mean() <= threshold
                n[int(right), int(certain)] += weight[image]
    parts = {
        PAVPU: (n[1, 1] + n[0, 0], n.sum()),
        ACCURATE: (n[1, 1], n[:, 1].sum()),
        UNCERTAIN: (n[0, 0], n[0].sum()),
    }
    return {k: part / all_ if all_ else math.nan for k, (part, all_) in parts.items()}


def draw(rng, shape=(4, 7, 5)):
    """Labels, predictions and uncertainties of images."""
    y = rng.integers(0, 2, shape)
    return y, np.where(rng.random(shape) < 0.6, y, 1 - y), rng.random(shape)


def test_a_row_of_a_table_is_a_patch():
    y, pred = [0, 1, 1, 0, 1], [0, 1, 0, 1, 0]
    scores = accuracy_uncertainty_scores(
        y, pred, [0.1, 0.9, 0.2, 0.8, 0.7], threshold=0.5
    )
    # Certain and right: 1; certain and wrong: 1; unsure and right: 1; both wrong: 2.
    assert scores == {PAVPU: 3 / 5, ACCURATE: 1 / 2, UNCERTAIN: 2 / 3}


def test_patches_at_the_far_edges_may_be_smaller():
    # Sizes 2x2, 2x1, 1x2, 1x1; all certain but the second.
    y = np.zeros((1, 3, 3), int)
    pred = np.array([[[0, 1, 1], [1, 0, 1], [0, 1, 0]]])
    unsure = np.array([[[0.1, 0.1, 0.9], [0.1, 0.1, 0.9], [0.4, 0.6, 0.2]]])
    scores = accuracy_uncertainty_scores(y, pred, unsure, threshold=0.5, patch_size=2)
    # Right: 2 of 4, 0 of 2, 1 of 2, 1 of 1.
    assert scores == {PAVPU: 1, ACCURATE: 1, UNCERTAIN: 1}
    strict = accuracy_uncertainty_scores(
        y, pred, unsure, threshold=0.5, patch_size=2, accuracy_threshold=0.6
    )
    assert strict == {PAVPU: 2 / 4, ACCURATE: 1 / 3, UNCERTAIN: 1 / 3}


@pytest.mark.parametrize("size", [1, 2, 3, 10])
@pytest.mark.parametrize("accuracy", [0.3, 0.5, 0.9])
def test_patches_are_those_of_a_loop(size, accuracy, rng):
    y, pred, unsure = draw(rng)
    weight = rng.random(4)
    void = np.where(rng.random(y.shape) < 0.4, 255, y)
    void[0, :4, :4] = 255  # whole patches
    for labels in (y, void):
        scores = accuracy_uncertainty_scores(
            labels,
            pred,
            unsure,
            threshold=0.5,
            patch_size=size,
            accuracy_threshold=accuracy,
            sample_weight=weight,
            ignore_index=255,
        )
        expected = loops(labels, pred, unsure, 0.5, size, accuracy, weight, 255)
        assert scores == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_void_pixels_may_hold_anything(rng):
    y, pred, unsure = draw(rng)
    void = rng.random(y.shape) < 0.3
    options = {"threshold": 0.5, "patch_size": 2, "ignore_index": 255}
    plain = accuracy_uncertainty_scores(np.where(void, 255, y), pred, unsure, **options)
    for filler in (-1e9, np.nan, np.inf):
        scores = accuracy_uncertainty_scores(
            np.where(void, 255, y),
            np.where(void, 255, pred),
            np.where(void, filler, unsure),
            **options,
        )
        assert scores == plain


def test_the_mean_uncertainty_may_equal_the_threshold():
    scores = accuracy_uncertainty_scores([0], [0], [0.5], threshold=0.5)
    assert scores[ACCURATE] == 1


def test_a_pixel_is_a_row(rng):
    y, pred, unsure = draw(rng)
    maps = accuracy_uncertainty_scores(y, pred, unsure, threshold=0.4)
    table = accuracy_uncertainty_scores(
        y.ravel(), pred.ravel(), unsure.ravel(), threshold=0.4
    )
    assert maps == table


def test_array_libraries_agree(rng, xp):
    y, pred, unsure = draw(rng)
    options = {"threshold": 0.4, "patch_size": 3}
    scores = accuracy_uncertainty_scores(
        xp.asarray(y), xp.asarray(pred), xp.asarray(unsure), **options
    )
    assert scores == accuracy_uncertainty_scores(y, pred, unsure, **options)


def test_a_weight_is_a_repetition(rng):
    data, count = draw(rng), np.array([2, 0, 3, 1])
    options = {"threshold": 0.4, "patch_size": 2}
    weighted = accuracy_uncertainty_scores(*data, sample_weight=count, **options)
    repeated = [np.repeat(x, count, axis=0) for x in data]
    assert weighted == pytest.approx(
        accuracy_uncertainty_scores(*repeated, **options), rel=1e-12
    )


def test_batches_stream_to_four_counts(rng):
    data, weight = draw(rng), rng.random(4)
    options = {"threshold": 0.4, "patch_size": 2, "ignore_index": 1}
    whole = accuracy_uncertainty_scores(*data, sample_weight=weight, **options)
    stream = Streaming(accuracy_uncertainty_scores, **options)
    for i in ([3], [0, 2], [1]):
        stream.update(*(x[i] for x in data), sample_weight=weight[i])
    assert stream.state.counts.shape == (2, 2)
    assert stream.compute() == pytest.approx(whole, rel=1e-12)


def test_what_is_undefined_is_nan():
    right = accuracy_uncertainty_scores([0, 1], [0, 1], [0.9, 0.8], threshold=0.5)
    assert right[PAVPU] == 0
    assert math.isnan(right[ACCURATE])
    assert math.isnan(right[UNCERTAIN])


@pytest.mark.parametrize(
    "options", [{"ignore_index": 0}, {"sample_weight": [0, 0]}], ids=str
)
def test_nothing_left_gets_a_clear_error(options):
    with pytest.raises(NoSamplesError):
        accuracy_uncertainty_scores(
            [0, 0], [0, 1], [0.1, 0.2], threshold=0.5, **options
        )


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (([0, 1], [0, 1], [0.1]), {}, "shape"),
        (([0, 1], [0], [0.1, 0.2]), {}, "shape"),
        (([], [], []), {}, "at least one sample"),
        (([0, 1], [0, 1], [0.1, np.nan]), {}, "finite"),
        (([0, 1], [0, 1], [0.1, np.inf]), {}, "finite"),
        (([0, 1], [0, 1], [0.1, 0.2]), {"patch_size": 0}, "patch_size"),
        (([0, 1], [0, 1], [0.1, 0.2]), {"accuracy_threshold": 50}, "accuracy_thresh"),
        (([0, 1], [0, 1], [0.1, 0.2]), {"sample_weight": [-1, 2]}, "sample_weight"),
        (([0, 1], [0, 1], [0.1, 0.2]), {"sample_weight": [1]}, "sample_weight"),
        (([0, 1], [0, 1], [0.1, 0.2]), {"threshold": np.nan}, "threshold"),
    ],
    ids=str,
)
def test_unusable_input_gets_a_clear_error(data, options, message):
    with pytest.raises(InputError, match=message):
        accuracy_uncertainty_scores(*data, **{"threshold": 0.5, **options})
