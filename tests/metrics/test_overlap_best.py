"""The exact best threshold against a search over every threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skuq.metrics import (
    _best_threshold,
    choose_overlap_threshold,
    uncertainty_error_overlap,
)

AVERAGES = ["image", "pooled", "error"]
# Small enough for the search to divide even a few pixels.
SMALL = {
    "MOST_INTERVALS": 3,
    "FEWEST_INTERVALS": 2,
    "FEWEST_PIXELS": 1,
    "FEW_PIXELS": 2,
    "CHUNK": 5,
}


@pytest.fixture(params=["sorted", "divided"])
def way(request, monkeypatch):
    """Both ways to the threshold on arrays of any size."""
    if request.param == "divided":
        for name, value in SMALL.items():
            monkeypatch.setattr(_best_threshold, name, value)
    return request.param


def search(wrong, uncertainty, weight, average):
    """All distinct thresholds from the top, and the overlap of each, by definition."""
    levels = np.unique(uncertainty)
    thresholds = np.append(levels, -np.inf)
    values = []
    for t in thresholds:
        flagged = uncertainty > t
        hits = (flagged & wrong).sum(axis=1)
        errors, both = wrong.sum(axis=1), wrong.sum(axis=1) + flagged.sum(axis=1)
        if average == "pooled":
            values.append(
                2 * weight @ hits / (weight @ both) if weight @ both > 0 else 1.0
            )
            continue
        dice = [2 * h / b if b else 1.0 for h, b in zip(hits, both, strict=True)]
        share = weight * errors if average == "error" else weight
        share = share if share.any() else weight
        values.append(share @ np.array(dice) / share.sum())
    order = np.argsort(-thresholds)
    return thresholds[order], np.array(values)[order]


@st.composite
def problems(draw):
    """A few small images; values are few, so that many are tied."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 12)))
    n = shape[0] * shape[1]
    value = st.sampled_from([-3.0, 0.0, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0, 1e4])
    wrong = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    uncertainty = draw(st.lists(value, min_size=n, max_size=n))
    weight = draw(st.lists(st.integers(1, 3), min_size=shape[0], max_size=shape[0]))
    return (
        np.array(wrong).reshape(shape),
        np.array(uncertainty).reshape(shape),
        np.array(weight, dtype=float),
    )


@pytest.mark.parametrize("average", AVERAGES)
@settings(max_examples=150, deadline=None)
@given(problem=problems(), divided=st.booleans())
def test_the_best_is_that_of_all_thresholds(average, problem, divided):
    wrong, uncertainty, weight = problem
    thresholds, values = search(wrong, uncertainty, weight, average)
    data = np.zeros_like(wrong), wrong, uncertainty
    options = {"sample_weight": weight, "average": average}
    with pytest.MonkeyPatch.context() as patch:
        if divided:
            for name, value in SMALL.items():
                patch.setattr(_best_threshold, name, value)
        best = uncertainty_error_overlap(*data, threshold="best", **options)
        chosen = choose_overlap_threshold(*data, **options)
    assert best == pytest.approx(values.max(), rel=1e-12, abs=1e-15)
    # The highest of equal thresholds: it flags the same pixels.
    first = thresholds[np.argmax(values >= values.max() - 1e-12)]
    assert np.array_equal(uncertainty > chosen, uncertainty > first)


@pytest.fixture
def skewed(rng):
    """Images whose pixels mostly have hardly any uncertainty, as those of a network."""
    wrong = rng.random((7, 40, 50)) < 0.1
    u = np.where(wrong, rng.beta(2, 2, wrong.shape), rng.beta(0.05, 2, wrong.shape))
    return np.zeros_like(wrong), wrong, u


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_distinct_values(skewed, average, dtype, way):
    y_true, wrong, u = skewed
    u = u.astype(dtype)
    weight = np.arange(1.0, 8.0)
    flat = wrong.reshape(7, -1), u.reshape(7, -1)
    thresholds, values = search(*flat, weight, average)
    options = {"sample_weight": weight, "average": average}
    best = uncertainty_error_overlap(y_true, wrong, u, threshold="best", **options)
    assert best == pytest.approx(values.max(), rel=1e-12)
    chosen = choose_overlap_threshold(y_true, wrong, u, **options)
    first = thresholds[np.argmax(values >= values.max() - 1e-12)]
    assert np.array_equal(u > chosen, u > first)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize(
    "transform",
    [np.sqrt, lambda u: -1 / (u + 1e-3), lambda u: 1e200 * (u - 0.5), np.exp],
    ids=["root", "negative", "huge", "exponential"],
)
def test_a_monotone_transform_does_not_matter(skewed, average, transform, way):
    y_true, wrong, u = skewed
    u = np.round(u, 3)  # so that a transform keeps distinct values distinct
    options = {"threshold": "best", "average": average}
    value = uncertainty_error_overlap(y_true, wrong, u, **options)
    moved = uncertainty_error_overlap(y_true, wrong, transform(u), **options)
    assert moved == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("average", AVERAGES)
def test_it_is_one_if_and_only_if_a_threshold_separates_the_errors(average, rng, way):
    wrong = rng.random((5, 200)) < 0.3
    u = np.where(wrong, 0.6, 0.0) + 0.4 * rng.random(wrong.shape)
    y = np.zeros_like(wrong)
    options = {"threshold": "best", "average": average}
    best = uncertainty_error_overlap(y, wrong, u, **options)
    assert best == pytest.approx(1, rel=1e-12)
    u[2, np.argmax(wrong[2])] = 0.5 * u[~wrong].max()
    assert uncertainty_error_overlap(y, wrong, u, **options) < 0.999


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("n_values", [1, 2, 10])
def test_ties_are_never_parted(average, n_values, rng, way):
    # Sorted so that the errors come first among equals: parting ties would pay.
    wrong = np.arange(3000).reshape(3, 1000) % 10 < 3
    u = rng.integers(0, n_values, wrong.shape) / n_values
    weight = np.ones(3)
    _, values = search(wrong, u, weight, average)
    best = uncertainty_error_overlap(
        np.zeros_like(wrong), wrong, u, threshold="best", average=average
    )
    assert best == pytest.approx(values.max(), rel=1e-12)


def test_few_pixels_are_sorted(skewed, monkeypatch):
    # The search is exact because it sorts, and fast because it sorts little.
    count = []
    plain = _best_threshold._sorted_best

    def counting(goal, group, *counts):
        count.append(len(group.wrong))
        return plain(goal, group, *counts)

    monkeypatch.setattr(_best_threshold, "_sorted_best", counting)
    monkeypatch.setattr(_best_threshold, "FEW_PIXELS", 500)
    uncertainty_error_overlap(*skewed, threshold="best", average="pooled")
    assert 0 < sum(count) < 0.1 * skewed[1].size


def test_no_grid_beats_it(skewed):
    for average in AVERAGES:
        best = uncertainty_error_overlap(*skewed, threshold="best", average=average)
        for t in np.linspace(-0.05, 1, 43):
            value = uncertainty_error_overlap(*skewed, threshold=t, average=average)
            assert value <= best + 1e-12
