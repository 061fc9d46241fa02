"""Uncertainty of probabilities: values by hand and identities between them."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy

from skuq._discovery import all_uncertainties
from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.uncertainty import entropy, margin_uncertainty, max_probability_uncertainty

FUNCTIONS = list(all_uncertainties("y_proba").values())
every_function = pytest.mark.parametrize("function", FUNCTIONS)


@pytest.fixture
def proba():
    logits, _ = make_logits(100, 4, random_state=0)
    return softmax(logits, axis=1)


def test_values_by_hand(proba):
    largest = np.sort(proba, axis=1)[:, ::-1]
    np.testing.assert_allclose(
        max_probability_uncertainty(proba), 1 - largest[:, 0], rtol=1e-12
    )
    np.testing.assert_allclose(
        margin_uncertainty(proba), 1 - (largest[:, 0] - largest[:, 1]), rtol=1e-12
    )
    expected = scipy_entropy(proba, axis=1)
    np.testing.assert_allclose(entropy(proba), expected, rtol=1e-10)
    np.testing.assert_allclose(
        entropy(proba, normalize=True), expected / np.log(4), rtol=1e-10
    )


@every_function
def test_certainty_is_zero_and_the_uniform_is_the_most_unsure(function, proba):
    assert function(np.eye(4)).tolist() == [0.0] * 4
    assert not np.signbit(function(np.eye(4))).any()
    uniform = function(np.full((1, 4), 0.25))[0]
    assert (function(proba) <= uniform).all()
    assert margin_uncertainty(np.full((1, 4), 0.25)) == 1
    assert entropy(np.full((1, 4), 0.25), normalize=True) == pytest.approx(1)


def test_two_classes_are_ranked_alike():
    p = np.random.default_rng(0).random(50)
    orders = [np.argsort(function(p)).tolist() for function in FUNCTIONS]
    assert orders[0] == orders[1] == orders[2]


@every_function
def test_maps_equal_their_pixels_in_every_library(function, xp):
    logits, _ = make_logits(5, 3, spatial=(6, 7), random_state=0)
    p = softmax(logits, axis=1)
    table = function(np.moveaxis(p, 1, -1).reshape(-1, 3)).reshape(5, 6, 7)
    maps = function(xp.asarray(p))
    assert type(maps) is type(xp.asarray(p))
    np.testing.assert_allclose(xp.to_numpy(maps), table, rtol=1e-12)
    single = function(xp.asarray(p, dtype="float32"))
    assert single.dtype == xp.float32
    np.testing.assert_allclose(xp.to_numpy(single), table, atol=1e-5)


@every_function
@pytest.mark.parametrize(
    "p", [[[2.0, -1.0]], [[np.nan, 1.0]], np.empty((0, 3)), [[0.5, 0.2]]]
)
def test_what_is_no_probability_is_refused(function, p):
    with pytest.raises(InputError, match="y_proba"):
        function(p)
