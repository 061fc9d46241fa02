"""The search for a minimum: in how many steps, and how it ends."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from skuq._core._lbfgs import minimise


def test_a_round_bowl_takes_one_step(rng):
    center = rng.normal(size=50)
    found = minimise(
        lambda x: (((x - center) ** 2).sum() / 2, x - center),
        np.zeros(50),
        max_iter=10,
        tol=1e-12,
    )
    assert found.arrived
    assert found.n_calls == 2
    np.testing.assert_allclose(found.point, center, atol=1e-14)


def test_a_long_valley_is_followed_to_its_end():
    matrix = np.diag(np.geomspace(1e-2, 1e2, 10))
    found = minimise(
        lambda x: (x @ matrix @ x / 2, matrix @ x), np.ones(10), max_iter=200, tol=1e-8
    )
    assert found.arrived
    np.testing.assert_allclose(found.point, 0, atol=1e-6)


def test_a_curved_valley_needs_shorter_steps():
    found = minimise(
        lambda x: (rosen(x), rosen_der(x)), np.zeros(4), max_iter=200, tol=1e-8
    )
    assert found.arrived
    np.testing.assert_allclose(found.point, 1, atol=1e-6)


def test_steps_from_a_place_that_overflows_are_shortened():
    def loss(x):
        with np.errstate(over="ignore"):
            return float(np.exp(x).sum() - 1e3 * x.sum()), np.exp(x) - 1e3

    found = minimise(loss, np.zeros(3), max_iter=200, tol=1e-6)
    assert found.arrived
    np.testing.assert_allclose(found.point, np.log(1e3), rtol=1e-6)


def test_it_says_when_it_has_not_arrived():
    found = minimise(
        lambda x: (rosen(x), rosen_der(x)), np.zeros(4), max_iter=3, tol=1e-8
    )
    assert not found.arrived
    assert np.abs(found.slope).max() > 1e-8


def test_where_no_step_goes_down_it_stays():
    found = minimise(
        lambda x: (abs(x[0]), -np.ones(1)), np.zeros(1), max_iter=5, tol=1e-8
    )
    assert not found.arrived
    assert found.point == pytest.approx(0)


def test_nothing_to_move_is_no_error():
    found = minimise(lambda x: (1.0, x), np.zeros(0), max_iter=5, tol=1e-8)
    assert found.arrived
    assert found.n_calls == 1
