"""The fast ways of the proper scores against their formulas."""

import math

import numpy as np
import pytest

from skuq._core._links import LEAST_PROBABILITY
from skuq.metrics import brier_score_loss, log_loss
from skuq.metrics._proper import sum_of_logs


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 1003])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sum_of_logs_is_that_of_every_logarithm(n, dtype, rng):
    p = (10 ** rng.uniform(-30, 0, n)).astype(dtype)
    expected = math.fsum(math.log(float(x)) for x in p)
    assert sum_of_logs(p) == pytest.approx(expected, rel=1e-14)


def test_the_sum_of_logs_holds_for_the_least_probabilities():
    p = np.full(4001, LEAST_PROBABILITY, np.float32)
    assert sum_of_logs(p) == pytest.approx(-4001 * 126 * math.log(2), rel=1e-14)


@pytest.fixture
def table(rng):
    proba = rng.dirichlet(np.full(7, 0.3), 2000)
    return rng.integers(7, size=2000), proba


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_in_any_order_of_memory_give_the_formulas(table, order, weighted, rng):
    y, p = table
    proba = np.array(p, order=order)
    weight = rng.random(len(y)) if weighted else None
    truth = np.maximum(p[np.arange(len(y)), y], LEAST_PROBABILITY)
    expected = np.average(-np.log(truth), weights=weight)
    found = log_loss(y, proba, sample_weight=weight)
    assert found == pytest.approx(expected, rel=1e-12)
    squares = np.square(p - np.eye(7)[y]).sum(axis=1)
    found = brier_score_loss(y, proba, sample_weight=weight)
    assert found == pytest.approx(np.average(squares, weights=weight), rel=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_brier_score_of_sure_forecasts_is_not_below_zero(order, rng):
    y = rng.integers(3, size=1000)
    p = np.full((1000, 3), 1e-9)
    p[np.arange(1000), y] = 1 - 2e-9
    found = brier_score_loss(y, np.array(p, order=order))
    assert 0 <= found == pytest.approx(6e-18, abs=1e-16)
