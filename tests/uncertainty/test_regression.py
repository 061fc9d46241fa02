"""Statistics of a regressor's members: the mixture, its parts, and stability."""

import pickle

import numpy as np
import pytest

from skuq.exceptions import InputError, StateMismatchError
from skuq.uncertainty import RegressionStatistics

METHODS = ["mean", "std", "standard_error"]
PAIRS = [
    (k, m) for k in ("total", "aleatoric", "epistemic") for m in ("variance", "std")
]


@pytest.fixture
def means(rng):
    return rng.normal(size=(6, 30, 2))


@pytest.fixture
def variances(rng):
    return rng.gamma(2.0, size=(6, 30, 2))


def stream(means, variances=None, **options):
    statistics = RegressionStatistics(**options)
    for t, mean in enumerate(means):
        statistics.update(mean, None if variances is None else variances[t])
    return statistics


def results(statistics):
    named = {name: np.asarray(getattr(statistics, name)()) for name in METHODS}
    return named | {pair: np.asarray(statistics.uncertainty(*pair)) for pair in PAIRS}


def assert_same(statistics, other, atol=1e-12):
    mine, theirs = results(statistics), results(other)
    assert statistics.n_members == other.n_members
    for name, value in mine.items():
        np.testing.assert_allclose(value, theirs[name], atol=atol, err_msg=str(name))


def test_values_of_numpy(means, variances):
    statistics = stream(means, variances, noise_variance=0.25)
    parts = statistics.decompose()
    np.testing.assert_allclose(statistics.mean(), means.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(parts.epistemic, means.var(axis=0), rtol=1e-12)
    within = variances.mean(axis=0) + 0.25
    np.testing.assert_allclose(parts.aleatoric, within, rtol=1e-12)
    np.testing.assert_allclose(statistics.std() ** 2, parts.total, rtol=1e-12)
    error = means.std(axis=0, ddof=1) / np.sqrt(6)
    np.testing.assert_allclose(statistics.standard_error(), error, rtol=1e-12)


def test_total_is_the_sum_of_its_parts(means, variances):
    parts = stream(means, variances).decompose()
    np.testing.assert_allclose(parts.total, parts.aleatoric + parts.epistemic, 1e-10)


def test_the_total_is_the_variance_of_draws_from_the_mixture(rng):
    means, variances = np.array([[0.0], [4.0]]), np.array([[1.0], [9.0]])
    n = 200_000
    member = rng.integers(2, size=n)
    draws = rng.normal(means[member, 0], np.sqrt(variances[member, 0]))
    total = stream(means, variances).uncertainty("total")[0]
    squared = (draws - draws.mean()) ** 2
    assert abs(squared.mean() - total) < 5 * squared.std() / np.sqrt(n)


def test_one_member_is_itself(means, variances):
    statistics = stream(means[:1], variances[:1])
    np.testing.assert_array_equal(statistics.mean(), means[0])
    np.testing.assert_allclose(statistics.std(), np.sqrt(variances[0]))
    assert not statistics.uncertainty("epistemic").any()
    assert np.isinf(statistics.standard_error()).all()


def test_members_without_variances_are_only_epistemic(means):
    parts = stream(means).decompose()
    assert not parts.aleatoric.any()
    np.testing.assert_array_equal(parts.total, parts.epistemic)


def test_a_huge_offset_cancels_nothing():
    values = np.array([1.0, 2.0, 4.0])[:, None]
    shifted = stream(values + 2.0**40).uncertainty("epistemic")
    np.testing.assert_array_equal(shifted, stream(values).uncertainty("epistemic"))
    halves = stream(values[:1] + 2.0**40) + stream(values[1:] + 2.0**40)
    np.testing.assert_allclose(halves.uncertainty("epistemic"), values.var(), 1e-10)


def test_float32_members_with_an_offset_keep_their_spread():
    values = np.float32([[10_000.0], [10_000.5], [10_001.0]])
    epistemic = stream(values).uncertainty("epistemic")
    assert epistemic.dtype == np.float32
    np.testing.assert_allclose(epistemic, [1 / 6], rtol=1e-6)


@pytest.mark.parametrize("stated", [True, False])
def test_any_order_and_any_split_give_the_same(stated, means, variances, rng):
    variances = variances if stated else None
    whole = stream(means, variances)
    order = rng.permutation(6)
    turned = None if variances is None else variances[order]
    assert_same(stream(means[order], turned), whole)
    for cut in range(7):
        head, tail = slice(cut), slice(cut, None)
        parts = [
            stream(means[part], None if variances is None else variances[part])
            for part in (head, tail)
        ]
        assert_same(parts[0] + parts[1], whole)
        assert_same(parts[1] + parts[0], whole)
    rows = [slice(10), slice(10, None)]
    batches = [
        stream(means[:, r], None if variances is None else variances[:, r])
        for r in rows
    ]
    assert_same(RegressionStatistics.concatenate(batches), whole, atol=1e-14)


@pytest.mark.parametrize("stated", [True, False])
def test_members_may_come_stacked(stated, means, variances):
    given = (means, variances) if stated else (means,)
    one_by_one = RegressionStatistics()
    for member in zip(*given, strict=True):
        one_by_one.update(*member)
    together = RegressionStatistics()
    together.update(*(x[:2] for x in given), stacked=True)
    together.update(*(x[2] for x in given))
    together.update(*(x[3:] for x in given), stacked=True)
    assert together.n_members == len(means)
    for name in ("mean", "std", "standard_error"):
        expected = getattr(one_by_one, name)()
        np.testing.assert_allclose(getattr(together, name)(), expected, rtol=1e-12)
    for kind in ("aleatoric", "epistemic"):
        expected = one_by_one.uncertainty(kind)
        np.testing.assert_allclose(together.uncertainty(kind), expected, rtol=1e-12)


def test_stacked_members_need_an_axis(means):
    with pytest.raises(InputError, match="holds one member: stacked=True"):
        RegressionStatistics().update(means.reshape(-1), stacked=True)


def test_statistics_survive_pickle(means, variances):
    statistics = stream(means, variances, noise_variance=0.5)
    assert_same(pickle.loads(pickle.dumps(statistics)), statistics, atol=0)


def test_every_library_gives_its_own_arrays(xp, means, variances):
    expected = stream(means, variances)
    for dtype, atol in [("float64", 1e-12), ("float32", 1e-5)]:
        given = [xp.asarray(x, dtype=dtype) for x in (means, variances)]
        statistics = RegressionStatistics()
        for t in range(6):
            statistics.update(given[0][t, ...], given[1][t, ...])
        assert_same(statistics, expected, atol=atol)
        assert type(statistics.mean()) is type(given[0])
        assert statistics.std().dtype == given[0].dtype


def test_outputs_of_any_shape_equal_flattened_ones(means, variances):
    flat = stream(means.reshape(6, 60), variances.reshape(6, 60))
    for name, value in results(stream(means, variances)).items():
        np.testing.assert_array_equal(value.ravel(), results(flat)[name])


@pytest.mark.parametrize(
    ("mean", "variance", "message"),
    [
        ([[np.nan, 0.0]], None, "mean"),
        ([[np.inf, 0.0]], None, "finite"),
        ([[0.0, 0.0]], [[-1.0, 1.0]], "at least 0"),
        ([[0.0, 0.0]], [[np.inf, 1.0]], "finite"),
        ([[0.0, 0.0]], [1.0], "variance has shape"),
        ([], None, "no samples"),
        (1.0, None, "no samples"),
    ],
)
def test_what_is_no_member_is_refused(mean, variance, message):
    with pytest.raises(InputError, match=message):
        RegressionStatistics().update(mean, variance)


def test_all_members_state_a_variance_or_none_does(means, variances):
    statistics = stream(means, variances)
    with pytest.raises(InputError, match="some members state a variance"):
        statistics.update(means[0])
    with pytest.raises(InputError, match="same samples"):
        statistics.update(means[0, :3], variances[0, :3])
    assert statistics.n_members == 6
    with pytest.raises(StateMismatchError, match="state a variance"):
        statistics + stream(means)
    with pytest.raises(StateMismatchError, match="noise_variance"):
        stream(means) + stream(means, noise_variance=1.0)
    with pytest.raises(StateMismatchError, match="same samples"):
        stream(means) + stream(means[:, :3])


def test_settings_and_pairs_that_do_not_exist_are_refused(means):
    for noise in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="noise_variance"):
            RegressionStatistics(noise_variance=noise)
    with pytest.raises(InputError, match="choose"):
        stream(means).uncertainty("total", "entropy")
    with pytest.raises(InputError, match="no members yet"):
        RegressionStatistics().mean()


@pytest.mark.parametrize("stated", [True, False])
def test_results_may_be_asked_for_in_another_library(xp, means, variances, stated):
    statistics = stream(means, variances if stated else None, noise_variance=0.5)
    like = xp.asarray([0.0])
    moved = statistics.to(like)
    assert_same(moved, statistics, atol=0)
    assert type(moved.mean()) is type(like)
    assert type(moved.to(means).std()) is np.ndarray
