"""Bounded log odds and groups of samples, which curved calibrators start from."""

import numpy as np
import pytest
from scipy.special import expit, logit

from skuq.calibration._bounded import BoundedPlatt, group, mixed, shares
from skuq.calibration._platt import fit_platt


def test_mixing_is_that_of_probabilities(rng, xp):
    z, share = rng.normal(scale=3, size=50), 0.02
    expected = logit((1 - share) * expit(z) + share / 2)
    got = xp.to_numpy(mixed(xp.asarray(z), share))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mixed_log_odds_are_bounded_and_symmetric(dtype):
    z = np.array([-1e30, -80, 0, 80, 1e30], dtype=dtype)
    got = mixed(z, 1 / 1001)
    bound = np.log(2001)
    np.testing.assert_allclose(got, [-bound, -bound, 0, bound, bound], rtol=1e-6)


def test_mixing_is_tried_only_for_scores_beyond_its_bound():
    bound = np.log(2 * 2 + 1)
    assert shares(np.array([bound - 0.01, -bound + 0.01]), None) == (0.0,)
    assert shares(np.array([0.0, -bound - 0.01]), None) == (0.0, 1 / 3)
    assert shares(np.array([0.0, 99.0]), np.array([2.0, 0.0])) == (0.0,)


def test_over_confident_scores_are_scaled_before_they_are_bounded(rng):
    honest = rng.normal(scale=2, size=2000)
    y = rng.random(2000) < expit(honest)
    line = BoundedPlatt.fit(50 * honest, y, None)
    assert line.first_share == 0
    a, b = fit_platt(50 * honest, y, None)
    assert (line.slope, line.intercept) == (a, b)
    np.testing.assert_allclose(line(50 * honest), honest, atol=0.5)


def test_probabilities_of_zero_are_bounded_before_they_are_scaled(rng):
    p = rng.integers(0, 11, 2000) / 10
    y = rng.random(2000) < 0.02 + 0.96 * p
    z = logit(np.clip(p, 2.0**-126, 1 - 2.0**-53))
    line = BoundedPlatt.fit(z, y, None)
    assert line.first_share == line.share == 1 / 2001
    assert line.slope > 3 * fit_platt(z, y, None)[0]
    assert np.abs(line(z)).max() <= line.limit


@pytest.mark.parametrize("weighted", [False, True])
def test_groups_keep_every_sum(rng, weighted):
    u, y = rng.uniform(-3, 3, 10_000), rng.random(10_000) < 0.3
    w = rng.random(10_000) if weighted else np.ones(10_000)
    groups = group(u, y, w if weighted else None, 3.0)
    assert len(groups.score) <= 2 * 4096
    assert (np.diff(groups.score) > -6 / 4096).all()
    assert groups.weight.sum() == pytest.approx(w.sum(), rel=1e-12)
    assert groups.weight @ groups.score == pytest.approx(w @ u, rel=1e-9)
    assert groups.weight @ groups.target == pytest.approx(w @ y, rel=1e-12)


def test_groups_without_weight_are_left_out():
    u, y = np.array([-3.0, 0.0, 3.0]), np.array([True, False, True])
    groups = group(u, y, np.array([0.0, 2.0, 1.0]), 3.0)
    assert groups.score.tolist() == [0.0, 3.0]
    assert groups.target.tolist() == [False, True]
    assert groups.weight.tolist() == [2.0, 1.0]
