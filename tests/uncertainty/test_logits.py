"""Uncertainty of logits: values by hand, and what probabilities cannot see."""

import numpy as np
import pytest
from scipy.special import logsumexp

from skuq._discovery import all_uncertainties
from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.uncertainty import energy, max_logit

FUNCTIONS = list(all_uncertainties("logits").values())
every_function = pytest.mark.parametrize("function", FUNCTIONS)


def test_values_by_hand():
    logits, _ = make_logits(50, 4, random_state=0)
    np.testing.assert_allclose(max_logit(logits), -logits.max(axis=1))
    np.testing.assert_allclose(energy(logits), -logsumexp(logits, axis=1))
    expected = -3 * logsumexp(logits / 3, axis=1)
    np.testing.assert_allclose(energy(logits, temperature=3), expected)


@every_function
def test_a_constant_added_to_all_logits_is_taken_off(function):
    logits, _ = make_logits(50, 4, random_state=0)
    np.testing.assert_allclose(function(logits + 7), function(logits) - 7, rtol=1e-12)


def test_a_cold_energy_is_the_largest_logit():
    logits, _ = make_logits(50, 4, random_state=0)
    np.testing.assert_allclose(
        energy(logits, temperature=1e-6), max_logit(logits), atol=1e-5
    )


def test_no_finite_logit_overflows():
    assert energy([[1e4, -1e4], [-1e4, -1e4]]).tolist() == [-1e4, 1e4 - np.log(2)]


@every_function
def test_a_single_column_is_the_second_of_two(function):
    z = np.linspace(-3, 3, 7)
    both = np.stack([np.zeros(7), z], axis=1)
    np.testing.assert_allclose(function(z), function(both), rtol=1e-12)
    np.testing.assert_allclose(function(z[:, None]), function(both), rtol=1e-12)


@every_function
def test_maps_equal_their_pixels_in_every_library(function, xp):
    logits, _ = make_logits(5, 3, spatial=(6, 7), random_state=0)
    table = function(np.moveaxis(logits, 1, -1).reshape(-1, 3)).reshape(5, 6, 7)
    maps = function(xp.asarray(logits))
    assert type(maps) is type(xp.asarray(logits))
    np.testing.assert_allclose(xp.to_numpy(maps), table, rtol=1e-12)
    single = function(xp.asarray(logits, dtype="float32"))
    assert single.dtype == xp.float32
    np.testing.assert_allclose(xp.to_numpy(single), table, rtol=1e-5)


@every_function
@pytest.mark.parametrize("z", [[[np.nan, 1.0]], [[np.inf, 1.0]], np.empty((0, 3))])
def test_what_is_no_logit_is_refused(function, z):
    with pytest.raises(InputError, match="logits"):
        function(z)


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(InputError, match="temperature"):
        energy([[0.0, 1.0]], temperature=temperature)
