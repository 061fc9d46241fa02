"""Statistics of members that come one at a time equal those of members in memory."""

import pickle
import tracemalloc

import numpy as np
import pytest

from skuq.exceptions import InputError, StateMismatchError
from skuq.uncertainty import (
    MemberStatistics,
    _statistics,
    disagreement,
    expected_entropy,
    margin_uncertainty,
    max_probability_uncertainty,
    mutual_information,
    predictive_entropy,
    variance,
    variation_ratio,
)

STACKED = [
    predictive_entropy,
    expected_entropy,
    mutual_information,
    disagreement,
    variation_ratio,
    variance,
]
METHODS = [*(function.__name__ for function in STACKED), "mean_proba", "standard_error"]


def stream(members):
    statistics = MemberStatistics()
    for member in members:
        statistics.update(member)
    return statistics


def results(statistics):
    named = {name: np.asarray(getattr(statistics, name)()) for name in METHODS}
    pairs = {pair: statistics.uncertainty(*pair[::-1]) for pair in statistics.METHODS}
    return named | {pair: np.asarray(value) for pair, value in pairs.items()}


def assert_same(statistics, other, atol=1e-12):
    mine, theirs = results(statistics), results(other)
    assert statistics.n_members == other.n_members
    for name, value in mine.items():
        np.testing.assert_allclose(value, theirs[name], atol=atol, err_msg=str(name))


def test_streamed_equals_stacked(members, map_members):
    for m in (members, map_members):
        statistics = stream(m)
        for function in STACKED:
            streamed = getattr(statistics, function.__name__)()
            np.testing.assert_allclose(streamed, function(m), atol=1e-12)
        np.testing.assert_allclose(statistics.mean_proba(), m.mean(axis=0))
        error = m.std(axis=0, ddof=1) / np.sqrt(len(m))
        np.testing.assert_allclose(statistics.standard_error(), error)


def test_totals_are_those_of_the_mean_prediction(members):
    statistics, mean = stream(members), members.mean(axis=0)
    np.testing.assert_allclose(
        statistics.uncertainty("total", "max_probability"),
        max_probability_uncertainty(mean),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        statistics.uncertainty("total", "margin"),
        margin_uncertainty(mean),
        atol=1e-12,
    )
    gini = 1 - (mean**2).sum(axis=1)
    np.testing.assert_allclose(statistics.uncertainty("total", "variance"), gini)


def test_the_parts_of_the_variance_are_those_of_a_label(members):
    parts = stream(members).decompose("variance")
    within = (members * (1 - members)).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(parts.aleatoric, within, rtol=1e-10)
    between = members.var(axis=0).sum(axis=1)
    np.testing.assert_allclose(parts.epistemic, between, rtol=1e-10)


@pytest.mark.parametrize("measure", ["entropy", "variance"])
def test_total_is_the_sum_of_its_parts(measure, members, map_members):
    for m in (members, map_members):
        parts = stream(m).decompose(measure)
        together = parts.aleatoric + parts.epistemic
        np.testing.assert_allclose(parts.total, together, atol=1e-10)


def test_any_order_and_any_split_give_the_same(map_members, rng):
    whole = stream(map_members)
    assert_same(stream(rng.permutation(map_members)), whole)
    for cut in range(len(map_members) + 1):
        first, second = stream(map_members[:cut]), stream(map_members[cut:])
        assert_same(first + second, whole)
        assert_same(second + first, whole)


@pytest.mark.parametrize("cut", [[], [1], [2, 3]])
def test_members_may_come_stacked(cut, members, map_members):
    for given in (members, map_members, members[..., 0]):
        statistics = MemberStatistics()
        for part in np.split(given, cut):
            statistics.update(part, stacked=True)
        assert_same(statistics, stream(given))


def test_stacked_members_of_many_blocks_equal_one(monkeypatch, map_members):
    whole = stream(map_members)
    monkeypatch.setattr(_statistics, "HOST_BLOCK", 40)
    monkeypatch.setattr(_statistics, "LEAST", 1)
    assert_same(MemberStatistics().update(map_members, stacked=True), whole)


def test_a_sum_is_independent_of_its_parts(members):
    for empty in (MemberStatistics(), stream(members[:2])):
        part = stream(members[2:4])
        before = results(part)
        (part + empty).update(members[0])
        (empty + part).update(members[0])
        for name, value in results(part).items():
            np.testing.assert_array_equal(value, before[name])


def test_batches_of_samples_are_joined(members, map_members):
    for m in (members, map_members):
        parts = [stream(m[:, :2]), stream(m[:, 2:])]
        assert_same(MemberStatistics.concatenate(parts), stream(m), atol=1e-14)


def test_statistics_survive_pickle_and_go_on(members):
    statistics = stream(members[:3])
    copy = pickle.loads(pickle.dumps(statistics))
    for member in members[3:]:
        statistics.update(member)
        copy.update(member)
    assert_same(copy, statistics, atol=0)


def test_the_pickle_does_not_hold_a_member(xp, members):
    given = xp.asarray(np.tile(members[0], (50, 1)), dtype="float32")
    try:
        size = len(pickle.dumps(stream([given, given])))
    except TypeError:
        pytest.skip(f"{xp.name} arrays cannot be pickled")
    n_values = 50 * members[0].size
    assert size < n_values * (8 + 8 + 4 + 8 / 4) + 5000


def test_every_library_gives_its_own_arrays(xp, map_members):
    expected = results(stream(map_members))
    for dtype, atol in [("float64", 1e-12), ("float32", 1e-5)]:
        given = [xp.asarray(member, dtype=dtype) for member in map_members]
        statistics = stream(given[:2]) + stream(given[2:])
        assert_same(statistics, stream(map_members), atol=atol)
        for name in METHODS:
            value = getattr(statistics, name)()
            assert type(value) is type(given[0])
            assert value.dtype == given[0].dtype
            assert tuple(value.shape) == expected[name].shape


def test_half_precision_rises_to_single(members):
    statistics = stream(members.astype(np.float16))
    assert statistics.mean_proba().dtype == np.float32
    mean = members.astype(np.float16).astype(float).mean(axis=0)
    np.testing.assert_allclose(statistics.mean_proba(), mean, rtol=1e-6)


def test_a_single_column_is_the_second_of_two(members):
    p = members[:, :, 0]
    assert_same(stream(p), stream(np.stack([1 - p, p], axis=2)))


def test_many_blocks_equal_one(monkeypatch, members, map_members):
    expected = [stream(members), stream(map_members)]
    monkeypatch.setattr("skuq._core._blocks.HOST_BLOCK", 24)
    monkeypatch.setattr("skuq._core._blocks.LEAST", 8)
    for one, m in zip(expected, (members, map_members), strict=True):
        assert_same(stream(m), one, atol=1e-14)


def test_inputs_are_left_alone(members):
    before = members.copy()
    statistics = stream(members)
    statistics.mean_proba()[...] = 7  # results are copies
    np.testing.assert_array_equal(members, before)
    np.testing.assert_allclose(statistics.mean_proba(), members.mean(axis=0))


def test_the_variance_of_almost_equal_members_is_exact():
    step = 2.0**-40
    members = [[[0.5 + i * step, 0.5 - i * step]] for i in range(4)]
    expected = np.full((1, 2), 1.25 * step**2)
    np.testing.assert_allclose(stream(members).variance(), expected, rtol=1e-12)


def test_one_member_tells_no_standard_error(members):
    statistics = stream(members[:1])
    assert np.isinf(statistics.standard_error()).all()
    assert not statistics.uncertainty("epistemic").any()


def peak_memory(n_members):
    rng = np.random.default_rng(0)
    statistics = MemberStatistics()
    tracemalloc.start()
    for _ in range(n_members):
        p = rng.random((20_000, 5))
        statistics.update(p / p.sum(axis=1, keepdims=True))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_members():
    peak_memory(2)  # what is allocated once
    assert peak_memory(40) < 1.05 * peak_memory(4)


def test_a_refused_member_changes_nothing(members):
    statistics = stream(members)
    worse = members[0].copy()
    worse[-1] = 0.3, np.nan, 0.3, 0.4
    for bad, message in [
        (worse, "NaN"),
        (members[0] * 5, "probabilities"),
        (members[0][:5], "same samples"),
        (members[0][:, :2], "same samples"),
    ]:
        with pytest.raises(InputError, match=message):
            statistics.update(bad)
    assert_same(statistics, stream(members), atol=0)


def test_stacked_members_need_an_axis_and_one_shape(members):
    with pytest.raises(InputError, match="holds one member: stacked=True"):
        MemberStatistics().update(members[0, :, 0], stacked=True)
    statistics = MemberStatistics().update(members, stacked=True)
    with pytest.raises(InputError, match="must predict the same samples"):
        statistics.update(members[:, 1:], stacked=True)
    spoilt = members.copy()
    spoilt[-1, -1] = np.nan
    with pytest.raises(InputError, match="NaN"):
        statistics.update(spoilt, stacked=True)
    assert_same(statistics, stream(members))


def test_pairs_that_do_not_exist_are_refused_with_those_that_do(members):
    statistics = stream(members)
    for kind, measure in [
        ("aleatoric", "margin"),
        ("total", "variation_ratio"),
        ("model", "entropy"),
        ("total", "std"),
    ]:
        with pytest.raises(InputError, match=r"choose .*'epistemic', 'entropy'"):
            statistics.uncertainty(kind, measure)
    with pytest.raises(InputError, match="choose"):
        statistics.decompose("margin")


def test_nothing_can_be_said_of_no_members():
    empty = MemberStatistics()
    for name in METHODS:
        with pytest.raises(InputError, match="no members yet"):
            getattr(empty, name)()


def test_statistics_of_other_samples_are_not_added(members):
    with pytest.raises(StateMismatchError, match="same samples"):
        stream(members) + stream(members[:, :5])
    with pytest.raises(StateMismatchError, match=r"\[6, 7\] members"):
        MemberStatistics.concatenate([stream(members), stream(members[:6])])
    with pytest.raises(TypeError):
        stream(members) + 1


def test_results_may_be_asked_for_in_another_library(xp, members):
    statistics = stream(members)
    like = xp.asarray([0.0], dtype="float32")
    moved = statistics.to(like)
    assert_same(moved, statistics, atol=0)
    assert type(moved.mean_proba()) is type(like)
    assert moved.mean_proba().dtype == xp.float64  # that of the members
    back = moved.to(members)
    assert type(back.mean_proba()) is np.ndarray
    assert_same(back.update(members[0]), stream([*members, members[0]]))
    with pytest.raises(InputError, match="no members yet"):
        MemberStatistics().to(like)
