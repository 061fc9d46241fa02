"""Step functions, lines, isotonic fits and bins of equal weight."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skuq._core._quantile_edges import quantile_cuts
from skuq._core._steps import (
    Groups,
    PiecewiseLinear,
    StepFunction,
    between,
    check_n_bins,
    counted_groups,
    isotonic_blocks,
    smoothed,
)
from skuq.exceptions import InputError

SAMPLES = st.lists(
    st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 3)),
    min_size=1,
    max_size=25,
).filter(lambda rows: any(weight for *_, weight in rows))


def columns(rows):
    score, target, weight = (np.array(column) for column in zip(*rows, strict=True))
    return score / 10, target, weight.astype(float)


def test_an_edge_belongs_to_its_closed_side(xp):
    x = xp.asarray([0.5, 1.0, 1.5, 2.0, 9.0])
    for closed, expected in (("right", [3, 3, 4, 4, 5]), ("left", [3, 4, 4, 5, 5])):
        step = StepFunction(np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]), closed)
        got = step(x)
        assert type(got) is type(x)
        assert xp.to_numpy(got).tolist() == expected


def test_a_step_function_without_edges_is_constant(xp):
    step = StepFunction(np.zeros(0), np.array([0.25]))
    assert xp.to_numpy(step(xp.asarray([-1.0, 5.0]))).tolist() == [0.25, 0.25]


@pytest.mark.parametrize("closed", ["left", "right"])
def test_a_simplified_step_function_is_the_same_function(closed, rng):
    values = np.sort(rng.integers(0, 4, 31)).astype(float)
    step = StepFunction(np.arange(30.0), values, closed)
    short = step.simplified()
    assert len(short.values) == len(np.unique(values))
    x = np.arange(-1, 31, 0.5)
    assert np.array_equal(short(x), step(x))


def test_lines_join_their_points_and_end_as_constants(xp):
    knots, values = np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.5, 0.75])
    x = [-2.0, 0.0, 0.25, 1.0, 2.0, 3.0, 8.0]
    got = PiecewiseLinear(knots, values)(xp.asarray(x))
    assert type(got) is type(xp.asarray(x))
    np.testing.assert_allclose(xp.to_numpy(got), np.interp(x, knots, values), 1e-15)


def test_one_point_is_a_constant(xp):
    line = PiecewiseLinear(np.array([2.0]), np.array([0.25]))
    assert xp.to_numpy(line(xp.asarray([1.0, 2.0, 3.0]))).tolist() == [0.25] * 3


def test_maps_keep_the_dtype_and_lines_never_overshoot_in_it(xp):
    knots, values = np.array([1.0, 1 + 1e-9, 2.0]), np.array([0.0, 0.9, 1.0])
    x = xp.asarray([0.5, 1.0, 1 + 2e-7, 1.5, 2.0], dtype="float32")
    for function in (PiecewiseLinear(knots, values), StepFunction(knots[1:], values)):
        got = function(x)
        assert got.dtype == xp.float32
        assert (xp.to_numpy(got) <= 1).all()
        assert (np.diff(xp.to_numpy(got)) >= 0).all()


@given(SAMPLES)
def test_isotonic_values_are_the_greatest_of_the_least_means(rows):
    groups = counted_groups(*columns(rows))
    blocks = isotonic_blocks(groups)
    n = len(groups.weight)

    def mean(a, b):
        return groups.hits[a : b + 1].sum() / groups.weight[a : b + 1].sum()

    expected = [
        max(min(mean(a, b) for b in range(i, n)) for a in range(i + 1))
        for i in range(n)
    ]
    got = np.repeat(blocks.value, blocks.last - blocks.first + 1)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@given(SAMPLES)
def test_isotonic_blocks_rise_and_cover_all_groups(rows):
    groups = counted_groups(*columns(rows))
    blocks = isotonic_blocks(groups)
    assert (np.diff(blocks.value) > 0).all()
    assert blocks.first[0] == 0
    assert blocks.last[-1] == len(groups.weight) - 1
    assert np.array_equal(blocks.first[1:], blocks.last[:-1] + 1)


@given(SAMPLES)
def test_a_weight_groups_as_repetition_and_zero_as_absence(rows):
    score, target, weight = columns(rows)
    repeated = np.repeat(np.arange(len(score)), weight.astype(int))
    weighted = counted_groups(score, target, weight)
    copied = counted_groups(score[repeated], target[repeated], None)
    for a, b in zip(weighted, copied, strict=True):
        assert np.array_equal(a, b)


@given(SAMPLES, st.integers(1, 12))
def test_bins_of_equal_weight_end_where_their_share_is_reached(rows, n_bins):
    groups = counted_groups(*columns(rows))
    mass = np.cumsum(groups.weight)
    cut = quantile_cuts(mass, n_bins)
    ends = {
        int(np.flatnonzero(mass * n_bins >= k * mass[-1])[0]) + 1
        for k in range(1, n_bins + 1)
    }
    assert cut.tolist() == sorted({0} | ends)


def test_distinct_scores_are_cut_into_bins_of_equal_count():
    assert quantile_cuts(np.arange(1.0, 13.0), 4).tolist() == [0, 3, 6, 9, 12]


def test_edges_part_neighbours_even_if_no_number_lies_between():
    score = np.array([0.0, 1.0, np.nextafter(1, 2), 3.0])
    edges = between(Groups(score, score, score, score), np.array([1, 2, 3]))
    assert edges.tolist() == [0.5, 1.0, 2.0]


def test_scores_that_differ_by_their_rounding_are_one_group():
    score = np.array([0.1 + 0.2, 0.3, 5.0, 5.1, 5.1 + 1e-15, -2.0])
    groups = counted_groups(score, np.array([1, 0, 1, 1, 1, 0], bool), None)
    assert groups.first.tolist() == [-2.0, 0.3, 5.0, 5.1]
    assert groups.last.tolist() == [-2.0, 0.1 + 0.2, 5.0, 5.1 + 1e-15]
    assert groups.weight.tolist() == [1, 2, 1, 2]
    assert groups.hits.tolist() == [0, 1, 1, 2]


def test_smoothing_adds_half_a_sample_of_each_outcome():
    p = np.array([0.0, 0.25, 1.0])
    assert smoothed(p, 4, "laplace").tolist() == [0.1, 0.3, 0.9]
    assert smoothed(p, 4, None) is p


@pytest.mark.parametrize("n_bins", [0, -3, 2.5, "15", None, True])
def test_an_impossible_number_of_bins_gets_a_clear_error(n_bins):
    with pytest.raises(InputError, match="n_bins must be an int of at least 1"):
        check_n_bins(n_bins)
