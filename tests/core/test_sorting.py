"""Sorting scores with their outcomes, and sums over ties."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skuq._core import _sorting
from skuq._core._sorting import (
    ends_of_ties,
    sort_outcomes,
    sums_between,
    tie_groups,
)

FLOATS = st.floats(-3, 3, allow_subnormal=True).map(lambda x: round(x, 1))
TINY = st.sampled_from([0.0, -0.0, 5e-324, 2.0**-126, 1 - 2**-53, 1.0, 1.5, 2.0, -1.0])


@given(
    arrays(np.float64, st.integers(1, 40), elements=FLOATS | TINY),
    st.sampled_from(["float32", "float64"]),
    st.randoms(use_true_random=False),
)
def test_pairs_are_sorted_and_none_is_lost(score, dtype, random):
    score = score.astype(dtype)
    outcome = np.array([random.random() < 0.5 for _ in score])
    copies = score.copy(), outcome.copy()
    got = sort_outcomes(score, outcome)
    assert got.score.dtype == score.dtype
    pairs = sorted(zip(score.tolist(), outcome.tolist(), strict=True))
    assert sorted(zip(got.score.tolist(), got.outcome.tolist(), strict=True)) == pairs
    assert (np.diff(got.score) >= 0).all()
    assert (score == copies[0]).all()
    assert (outcome == copies[1]).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shift", [0, -5])
def test_ties_are_summed(weighted, shift, rng):
    score = rng.integers(0, 7, 100) / 7 + shift
    outcome = rng.random(100) < 0.4
    weight = rng.random(100) if weighted else None
    groups = tie_groups(score, outcome, weight)
    w = np.ones(100) if weight is None else weight
    assert groups.score.tolist() == np.unique(score).tolist()
    for value, mass, hits in zip(*groups, strict=True):
        same = score == value
        assert mass == pytest.approx(w[same].sum(), rel=1e-12)
        assert hits == pytest.approx(w[same & outcome].sum(), rel=1e-12)


def test_runs_of_ties_end_where_the_value_changes():
    assert ends_of_ties(np.array([1.0, 1.0, 2.0, 3.0, 3.0])).tolist() == [1, 2, 4]
    assert ends_of_ties(np.array([4.0])).tolist() == [0]


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bool"])
def test_sums_between_cuts_are_those_of_the_slices(dtype, few, monkeypatch, rng):
    monkeypatch.setattr(_sorting, "FEW_CUTS", few)
    monkeypatch.setattr(_sorting, "SOME_CUTS", 3)
    values = (rng.random(50) * 2).astype(dtype)
    cuts = np.array([0, 0, 4, 4, 4, 4, 4, 17, 30, 50, 50])
    slices = [values[a:b].sum(dtype=float) for a, b in pairwise(cuts)]
    got = sums_between(values, cuts)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, slices, rtol=1e-15)
