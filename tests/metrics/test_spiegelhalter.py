"""Spiegelhalter's test: its value, its two sides, and how often it errs."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from skuq.exceptions import InputError
from skuq.metrics import Streaming, brier_score_loss, spiegelhalter_test


def test_a_hand_computed_value():
    z, p_value = spiegelhalter_test([1, 0], [0.2, 0.7])
    deviation = 0.8 * 0.6 + (-0.7) * (-0.4)
    variance = 0.6**2 * 0.16 + 0.4**2 * 0.21
    assert z == pytest.approx(deviation / math.sqrt(variance), rel=1e-12)
    assert p_value == pytest.approx(2 * norm.sf(z), rel=1e-12)


def test_it_compares_the_brier_score_with_what_the_model_expects(rng):
    p = rng.random(50)
    y = (rng.random(50) < p**2).astype(int)
    excess = brier_score_loss(y, p, scale_by_half=True) - (p * (1 - p)).mean()
    variance = ((1 - 2 * p) ** 2 * p * (1 - p)).sum() / 50**2
    z = spiegelhalter_test(y, p).statistic
    assert z == pytest.approx(excess / math.sqrt(variance), rel=1e-10)


def test_both_sides_are_refuted(rng):
    p = rng.random(2000)
    for slope, sign in ((0.5, 1), (1.5, -1)):  # too sure, not sure enough
        true = np.clip(0.5 + slope * (p - 0.5), 0, 1)
        z, p_value = spiegelhalter_test((rng.random(2000) < true).astype(int), p)
        assert sign * z > 4
        assert p_value < 1e-4


def test_the_names_of_right_and_wrong_do_not_matter(rng):
    p = rng.random(60)
    y = (rng.random(60) < p).astype(int)
    assert spiegelhalter_test(1 - y, 1 - p) == pytest.approx(
        spiegelhalter_test(y, p), rel=1e-12
    )


def test_a_calibrated_model_is_refuted_as_often_as_stated(rng):
    refuted = 0
    for _ in range(1500):
        p = rng.random(300)
        y = (rng.random(300) < p).astype(int)
        refuted += spiegelhalter_test(y, p).p_value < 0.05
    assert abs(refuted / 1500 - 0.05) < 0.015


def test_weights_keep_the_level(rng):
    values = []
    for _ in range(1500):
        p, weight = rng.random(300), rng.exponential(size=300)
        y = (rng.random(300) < p).astype(int)
        values.append(spiegelhalter_test(y, p, sample_weight=weight).statistic)
    # A standard normal: mean 0, and a variance of 1 whose own error is sqrt(2 / n).
    assert abs(np.mean(values)) < 5 / math.sqrt(1500)
    assert abs(np.var(values) - 1) < 5 * math.sqrt(2 / 1500)


def test_only_sure_statements():
    assert spiegelhalter_test([0, 1], [0.0, 1.0]) == (0, 1)
    assert spiegelhalter_test([1, 1], [0.0, 1.0], labels=[0, 1]) == (math.inf, 0)
    assert spiegelhalter_test([0, 1], [-1e-7, 1 + 1e-7]) == (0, 1)


def test_it_is_blind_at_one_half():
    assert spiegelhalter_test([1, 1, 1], [0.5] * 3, labels=[0, 1]) == (0, 1)


def test_the_top_label_is_the_probability_of_being_right(rng):
    p, y = rng.dirichlet(np.ones(4), 60), rng.integers(0, 4, 60)
    confidence, correct = p.max(axis=1), (p.argmax(axis=1) == y).astype(int)
    assert spiegelhalter_test(y, p, kind="top-label") == pytest.approx(
        spiegelhalter_test(correct, confidence), rel=1e-12
    )


def test_batches_add_up_to_two_numbers(rng):
    p, weight = rng.random(90), rng.random(90)
    y = (rng.random(90) < p).astype(int)
    parts = [
        Streaming(spiegelhalter_test).update(y[i], p[i], sample_weight=weight[i])
        for i in np.split(np.arange(90), [10, 50])
    ]
    total = parts[2] + parts[0] + parts[1]
    assert total.compute() == pytest.approx(
        spiegelhalter_test(y, p, sample_weight=weight), rel=1e-12
    )
    assert all(
        isinstance(x, float) for x in (total.state.deviation, total.compute()[0])
    )


def test_other_kinds_get_a_clear_error():
    with pytest.raises(InputError, match="kind"):
        spiegelhalter_test([0, 1], [0.2, 0.9], kind="classwise")
    with pytest.raises(InputError, match="two classes"):
        spiegelhalter_test([0, 1, 2], np.eye(3))
