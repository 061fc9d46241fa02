"""Bins and edges: brute force, hand-computed tables, and the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skuq._core._accumulator import MeanSum
from skuq._core._arrays import bincount
from skuq._core._binning import (
    Binning,
    BinSums,
    CollectedOutcomes,
    gather,
    searched_index,
    sum_in_bins,
    uniform_index,
)
from skuq._core._edges import CLOSED, EDGE_STYLES, uniform_edges
from skuq._core._outcomes import Outcomes
from skuq._core._quantile_edges import quantile_edges
from skuq.exceptions import StateMismatchError
from skuq.metrics import expected_calibration_error, reliability_curve


def brute_force_index(score, edges, closed):
    """The bin of one score, by looking at every edge."""
    n_bins = len(edges) - 1
    for i in range(n_bins):
        low, high = edges[i], edges[i + 1]
        if closed.startswith("right") and (low < score <= high):
            return i
        if closed.startswith("left") and (low <= score < high):
            return i
    return 0 if score <= edges[0] else n_bins - 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("style", EDGE_STYLES)
@settings(max_examples=60, deadline=None)
@given(n_bins=st.integers(1, 64), data=st.data())
def test_every_score_falls_into_its_bin(closed, style, dtype, n_bins, data):
    edges = uniform_edges(n_bins, closed, style, dtype)
    inside = edges[(edges >= 0) & (edges <= 1)]
    up, down = np.nextafter(inside, 2), np.nextafter(inside, -1)
    drawn = data.draw(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
    score = np.concatenate([inside, up, down, drawn]).astype(dtype)
    score = score[(score >= 0) & (score <= 1)]
    expected = [brute_force_index(s, edges, closed) for s in score]
    assert uniform_index(score, edges, closed).tolist() == expected
    searched = searched_index(score[None, :], edges[None, :], closed)[0]
    assert searched.tolist() == expected


@pytest.mark.parametrize("n_bins", [63, 64, 1000, 300_000])
@pytest.mark.parametrize("closed", CLOSED)
def test_many_bins_are_found_like_few(closed, n_bins):
    edges = uniform_edges(n_bins, closed, "exact", "float32")
    inside = edges[(edges >= 0) & (edges <= 1)]
    score = np.concatenate([inside, np.nextafter(inside, np.float32(0.5))])[None, :]
    index = uniform_index(score, edges, closed)
    assert (index == searched_index(score, edges[None, :], closed)).all()
    assert (uniform_index(score[0], edges, closed) == index[0]).all()


def test_edges_of_ten_bins_lie_where_their_package_puts_them():
    exact = uniform_edges(10, "right", "exact", "float64")
    assert exact.tolist() == [k / 10 for k in range(11)]
    above = {"numpy": [3, 6, 7], "torch": [3], "division": [3, 6, 7]}
    for style, moved in above.items():
        edges = uniform_edges(10, "right", style, "float64")
        assert np.flatnonzero(edges > exact).tolist() == moved
        assert (edges - exact <= np.spacing(exact)).all()


def test_a_float32_tenth_lies_on_the_edge():
    p = np.array([0.1], dtype=np.float32)
    curve = reliability_curve([1], p, kind="positive", n_bins=10)
    assert curve.weight.argmax() == 0
    assert reliability_curve([1], [0.1], kind="positive", n_bins=10).weight[0] == 1


def test_calibration_error_by_hand():
    """Two bins: (0, .5] holds .2 and .5 with one hit, (.5, 1] holds .6 and .9."""
    y, p = [0, 1, 1, 1], [0.2, 0.5, 0.6, 0.9]
    gaps = [abs(0.5 - 0.35), abs(1.0 - 0.75)]
    options = {"kind": "positive", "n_bins": 2}
    assert expected_calibration_error(y, p, **options) == pytest.approx(sum(gaps) / 2)
    assert expected_calibration_error(y, p, norm="max", **options) == pytest.approx(
        max(gaps)
    )
    assert expected_calibration_error(y, p, norm="l2", **options) == pytest.approx(
        np.sqrt(np.mean(np.square(gaps)))
    )
    left = expected_calibration_error(y, p, closed="left", **options)
    assert left == pytest.approx(0.25 * 0.2 + 0.75 * (1 - 2 / 3))
    weighted = expected_calibration_error(y, p, sample_weight=[3, 1, 0, 2], **options)
    assert weighted == pytest.approx((4 * abs(0.25 - 0.275) + 2 * 0.1) / 6)


def test_a_class_average_is_what_it_says():
    y, p = [0, 0, 1], np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    options = {"kind": "classwise", "n_bins": 1}
    gap = abs(2 / 3 - p[:, 0].mean())
    for average, value in {
        "macro": gap,
        "sum": 2 * gap,
        "prevalence": gap,
        "pooled": 0.0,
    }.items():
        assert expected_calibration_error(
            y, p, class_average=average, **options
        ) == pytest.approx(value, abs=1e-15)


def test_zero_and_one_may_have_bins_of_their_own():
    p, y = [0.95, 1.0], [1, 0]
    options = {"kind": "positive", "n_bins": 10}
    shared = expected_calibration_error(y, p, closed="left", **options)
    apart = expected_calibration_error(y, p, closed="left-overflow", **options)
    assert shared == pytest.approx(0.475)
    assert apart == pytest.approx(0.525)
    mirrored = expected_calibration_error(
        [0, 1], [0.05, 0.0], closed="right-underflow", **options
    )
    assert mirrored == pytest.approx(0.525)


def test_the_first_of_tied_classes_is_predicted():
    for n_classes in (2, 5, 40):  # both ways of finding the top label
        p = np.full((3, n_classes), 1 / n_classes)
        curve = reliability_curve([0, 1, n_classes - 1], p)
        assert np.nansum(curve.accuracy * curve.weight) == 1
    p = np.zeros((4, 40))
    p[:, [3, 7]] = 0.5
    curve = reliability_curve([3, 7, 3, 7], p, labels=range(40))
    assert np.nansum(curve.accuracy * curve.weight) == 2


@pytest.mark.parametrize("n_classes", [2, 10, 31, 32, 100])
def test_top_labels_are_those_of_argmax(n_classes, rng):
    p = np.round(rng.dirichlet(np.full(n_classes, 0.3), 500), 2)  # many ties
    p /= p.sum(axis=1, keepdims=True)
    y = rng.integers(0, n_classes, 500)
    for array in (p, np.asfortranarray(p), p.astype(np.float32), p[::-1][::-1]):
        curve = reliability_curve(y, array, labels=range(n_classes))
        right = (array.argmax(axis=1) == y).sum()
        assert np.nansum(curve.accuracy * curve.weight) == pytest.approx(right)
        total = np.nansum(curve.mean_confidence * curve.weight)
        assert total == pytest.approx(array.max(axis=1).sum(dtype=float), rel=1e-6)


def test_equal_mass_bins_hold_equal_mass_and_never_part_ties(rng):
    score = np.round(rng.random(1000), 2)
    edges = quantile_edges(score, np.ones(1000), 7)
    parts = Outcomes(score[None, :], score[None, :] > 0.5, None)
    weight = sum_in_bins(parts, edges[None, :], "right", 1)[0][0]
    most_tied = np.unique(score, return_counts=True)[1].max()
    assert weight.sum() == 1000
    assert np.abs(weight - 1000 / 7).max() <= most_tied
    distinct = rng.random(1001)
    edges = quantile_edges(distinct, np.ones(1001), 7)
    parts = Outcomes(distinct[None, :], distinct[None, :] > 0.5, None)
    weight = sum_in_bins(parts, edges[None, :], "right", 1)[0][0]
    assert weight.tolist() == [143.0] * 7


def test_edge_cases_of_equal_mass_bins():
    for score in ([0.3], [0.3, 0.3, 0.3], [0.1, 0.9]):
        value = expected_calibration_error(
            np.ones(len(score)), score, kind="positive", strategy="quantile", n_bins=15
        )
        assert value == pytest.approx(1 - np.mean(score))


def test_merging_is_associative_and_commutative(rng):
    binning = Binning(n_bins=3)
    a, b, c = (BinSums(binning, *rng.random((4, 1, 3))) for _ in range(3))
    for name in ("weight", "score", "outcome", "weight_squared"):
        left, right = getattr((a + b) + c, name), getattr(a + (b + c), name)
        np.testing.assert_allclose(left, right, rtol=1e-15)
        assert np.array_equal(getattr(a + b, name), getattr(b + a, name))


def test_states_of_other_kinds_do_not_add():
    sums = BinSums(Binning(), *np.ones((4, 1, 15)))
    with pytest.raises(StateMismatchError, match="binning"):
        sums + BinSums(Binning(closed="left"), *np.ones((4, 1, 15)))
    with pytest.raises(TypeError):
        sums + MeanSum(1.0, 2.0)


def test_counts_agree_on_every_library(xp, rng):
    index, weight = rng.integers(0, 6, 50), rng.random(50)
    expected = np.bincount(index, weight, 8)
    got = bincount(xp.asarray(index), xp.asarray(weight), 8)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert bincount(xp.asarray(index), None, 8).sum() == 50


def test_parts_are_gathered_end_to_end():
    parts = [(np.eye(2), None, np.arange(2)), (np.ones((2, 3)), None, np.arange(3))]
    table, nothing, line = gather(iter(parts), 7)
    assert table.tolist() == [[1, 0, 1, 1, 1], [0, 1, 1, 1, 1]]
    assert nothing is None
    assert line.tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("weighted", [False, True])
def test_cuts_of_sorted_scores_sum_as_a_search_of_each_score(closed, weighted, rng):
    score = np.round(rng.random((3, 200)), 2).astype(np.float32)
    outcome = rng.random((3, 200)) < score
    weight = rng.random(200) if weighted else None
    binning = Binning("classwise", 7, "quantile", closed)
    state = CollectedOutcomes(binning, 3, score, outcome, weight, None)
    part = Outcomes(score, outcome, weight)
    searched = sum_in_bins(part, state.edges(), closed, 3)
    got = state.binned()
    cut = (got.weight, got.score, got.outcome, got.weight_squared)
    for mine, expected in zip(cut, searched, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12)
