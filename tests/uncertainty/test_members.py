"""Uncertainty of members in memory: values by hand, identities and laws."""

import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import entropy as scipy_entropy

from skuq._discovery import all_uncertainties
from skuq.exceptions import InputError
from skuq.uncertainty import (
    disagreement,
    entropy,
    expected_entropy,
    mutual_information,
    predictive_entropy,
    variance,
    variation_ratio,
)

FUNCTIONS = list(all_uncertainties("members").values())
every_function = pytest.mark.parametrize("function", FUNCTIONS)


def test_values_by_hand():
    opposed = [[[1e-8, 1 - 1e-8], [1.0, 0.0]], [[1 - 1e-8, 1e-8], [1.0, 0.0]]]
    for measure in (mutual_information, disagreement, predictive_entropy):
        np.testing.assert_allclose(measure(opposed), [np.log(2), 0], atol=1e-6)
    np.testing.assert_allclose(expected_entropy(opposed), [0, 0], atol=1e-6)
    np.testing.assert_allclose(variation_ratio(opposed), [0.5, 0])
    np.testing.assert_allclose(variance(opposed)[0], [0.25, 0.25], atol=1e-7)


def test_values_of_scipy_and_numpy(members):
    mean = members.mean(axis=0)
    total = scipy_entropy(mean, axis=1)
    aleatoric = scipy_entropy(members, axis=2).mean(axis=0)
    np.testing.assert_allclose(predictive_entropy(members), total, rtol=1e-12)
    np.testing.assert_allclose(expected_entropy(members), aleatoric, rtol=1e-12)
    np.testing.assert_allclose(
        mutual_information(members), total - aleatoric, atol=1e-12
    )
    kl = scipy_entropy(members, np.broadcast_to(mean, members.shape), axis=2)
    np.testing.assert_allclose(disagreement(members), kl.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(variance(members), members.var(axis=0), rtol=1e-12)


def test_total_is_the_sum_of_its_parts(members, map_members):
    for m in (members, map_members):
        total = expected_entropy(m) + mutual_information(m)
        np.testing.assert_allclose(predictive_entropy(m), total, atol=1e-10)


def test_disagreement_is_mutual_information(members, map_members):
    for m in (members, map_members):
        np.testing.assert_allclose(disagreement(m), mutual_information(m), atol=1e-12)


def test_disagreement_is_exact_where_members_almost_agree():
    step = 1e-9
    members = [[[0.5 + step, 0.5 - step]], [[0.5 - step, 0.5 + step]]]
    # KL(1/2 + d || 1/2) = 2 d^2 + O(d^4)
    np.testing.assert_allclose(disagreement(members), [2 * step**2], rtol=1e-6)


def test_the_entropy_of_the_mean_is_not_epistemic():
    agreed = np.full((10, 1, 2), 0.5)
    assert predictive_entropy(agreed)[0] == pytest.approx(np.log(2))
    assert mutual_information(agreed)[0] == 0


def test_the_mode_of_the_votes_counts_and_not_the_class_of_the_mean():
    members = [[[0.95, 0.05]], [[0.4, 0.6]], [[0.4, 0.6]]]
    assert np.mean(members, axis=0)[0].argmax() == 0  # one vote of three
    assert variation_ratio(members)[0] == pytest.approx(1 / 3)


def test_votes_go_to_the_first_class_on_ties():
    assert variation_ratio([[[0.5, 0.5]], [[1.0, 0.0]]])[0] == 0


def test_one_member_has_its_own_entropy_and_no_disagreement(members):
    one = members[:1]
    np.testing.assert_allclose(predictive_entropy(one), entropy(one[0]), rtol=1e-12)
    for measure in (mutual_information, disagreement, variation_ratio, variance):
        assert not np.any(measure(one))


@every_function
def test_members_of_probability_zero_give_finite_values(function):
    corners = np.eye(3)[[0, 1, 1]][:, None, :]
    assert np.isfinite(function(corners)).all()
    assert (function(corners) >= 0).all()


@every_function
def test_the_order_of_members_and_samples_does_not_matter(function, members, rng):
    turn, order = rng.permutation(len(members)), rng.permutation(members.shape[1])
    expected = function(members)[order]
    np.testing.assert_allclose(function(members[turn][:, order]), expected, atol=1e-12)


@every_function
def test_members_that_come_twice_change_nothing(function, members):
    twice = np.concatenate([members, members])
    np.testing.assert_allclose(function(twice), function(members), atol=1e-12)


@every_function
def test_lists_of_arrays_and_single_columns_are_accepted(function, members):
    expected = function(members)
    np.testing.assert_array_equal(function(list(members)), expected)
    two = members[:, :, :2] / members[:, :, :2].sum(axis=2, keepdims=True)
    column = function(two[:, :, 1])
    np.testing.assert_allclose(column, function(two), atol=1e-12)


@every_function
def test_maps_equal_their_pixels_in_every_library(function, map_members, xp):
    before = map_members.copy()
    pixels = np.moveaxis(map_members, 2, -1).reshape(5, -1, 3)
    table = function(pixels)
    n_rows = table.shape[1:]
    table = np.moveaxis(table.reshape(3, 6, 7, *n_rows), -1, 1) if n_rows else table
    given = xp.asarray(map_members)
    maps = function(given)
    assert type(maps) is type(given)
    np.testing.assert_allclose(
        xp.to_numpy(maps).ravel(), np.asarray(table).ravel(), atol=1e-12
    )
    np.testing.assert_array_equal(xp.to_numpy(given), before)
    single = function(xp.asarray(map_members, dtype="float32"))
    assert single.dtype == xp.float32
    np.testing.assert_allclose(
        xp.to_numpy(single).ravel(), np.asarray(table).ravel(), atol=1e-5
    )


@every_function
def test_many_blocks_equal_one(function, monkeypatch, map_members, members):
    expected = [function(members), function(map_members)]
    monkeypatch.setattr("skuq._core._blocks.HOST_BLOCK", 24)
    monkeypatch.setattr("skuq._core._blocks.LEAST", 8)
    for value, m in zip(expected, (members, map_members), strict=True):
        np.testing.assert_allclose(function(m), value, atol=1e-12)


def leave_one_out(members):
    n = len(members)
    rest = [mutual_information(np.delete(members, t, axis=0)) for t in range(n)]
    return n * mutual_information(members) - (n - 1) * np.mean(rest, axis=0)


def test_the_jackknife_is_its_formula(members, map_members):
    for m in (members, map_members):
        corrected = mutual_information(m, correction="jackknife")
        np.testing.assert_allclose(corrected, leave_one_out(m), atol=1e-11)


def test_the_jackknife_never_lowers(members, map_members):
    # m is the mean of the means without one member, and entropy is concave.
    for m in (members, map_members):
        corrected = mutual_information(m, correction="jackknife")
        assert (corrected >= mutual_information(m) - 1e-12).all()
    opposed = mutual_information([[[1.0, 0.0]], [[0.0, 1.0]]], correction="jackknife")
    assert opposed[0] == pytest.approx(2 * np.log(2))


def test_the_jackknife_reduces_the_bias_of_dirichlet_members(rng):
    alpha, n_members, n_sets = np.array([0.5, 1.0, 2.5]), 5, 20_000
    mean = alpha / alpha.sum()
    expected = -np.sum(mean * (digamma(alpha + 1) - digamma(alpha.sum() + 1)))
    truth = scipy_entropy(mean) - expected
    members = rng.dirichlet(alpha, (n_members, n_sets))
    plain = mutual_information(members)
    corrected = mutual_information(members, correction="jackknife")
    error = corrected.std() / np.sqrt(n_sets)
    bias = truth - plain.mean()
    assert bias > 20 * error
    # What is left is of order 1 / T^2.
    assert abs(corrected.mean() - truth) < bias / n_members + 5 * error


def test_the_jackknife_needs_two_members(members):
    with pytest.raises(InputError, match="at least 2 members"):
        mutual_information(members[:1], correction="jackknife")
    with pytest.raises(InputError, match="correction"):
        mutual_information(members, correction="bootstrap")


@every_function
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "no members"),
        (np.empty((2, 0, 3)), "members"),
        ([np.full((2, 2), 0.5), np.full((3, 2), 0.5)], "different shapes"),
        ([[[2.0, -1.0]]], "probabilities"),
        ([[[np.nan, 1.0]]], "NaN"),
        ([[[0.5, 0.2]]], "sum of one"),
    ],
)
def test_what_is_no_set_of_members_is_refused(function, bad, message):
    with pytest.raises(InputError, match=message):
        function(bad)
