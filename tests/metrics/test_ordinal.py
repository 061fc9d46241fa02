"""The ranked probability score: hand values, and that it knows distances."""

import numpy as np
import pytest

from skuq.metrics import (
    brier_score_loss,
    ranked_probability_score_loss,
)

loss = ranked_probability_score_loss


def test_hand_computed_values():
    p = [[0.2, 0.5, 0.3]]
    # Cumulated: 0.2, 0.7.
    for y, total in ((0, 0.64 + 0.09), (1, 0.04 + 0.09), (2, 0.04 + 0.49)):
        assert loss([y], p) == pytest.approx(total / 2, rel=1e-12)
        assert loss([y], p, normalize=False) == pytest.approx(total, rel=1e-12)


def test_it_is_a_sum_over_thresholds(rng):
    p, y, weight = rng.dirichlet(np.ones(6), 40), rng.integers(0, 6, 40), rng.random(40)
    per_threshold = [
        np.average((p[:, : k + 1].sum(axis=1) - (y <= k)) ** 2, weights=weight)
        for k in range(5)
    ]
    value = loss(y, p, sample_weight=weight)
    assert value == pytest.approx(np.mean(per_threshold), rel=1e-12)


def test_two_classes_give_the_brier_score(rng):
    p, y = rng.random(50), rng.integers(0, 2, 50)
    expected = brier_score_loss(y, p, scale_by_half=True)
    assert loss(y, p) == pytest.approx(expected, rel=1e-12)
    rows = np.stack([1 - p, p], axis=1)
    assert loss(y, rows) == pytest.approx(expected, rel=1e-12)


def test_a_far_class_costs_more_than_a_near_one():
    costs = [loss([0], np.eye(5)[[k]]) for k in range(5)]
    np.testing.assert_allclose(costs, np.arange(5) / 4, rtol=1e-12)
    brier = [brier_score_loss([0], np.eye(5)[[k]]) for k in range(5)]
    assert len(set(brier[1:])) == 1


def test_reversed_classes_give_the_same(rng):
    p, y = rng.dirichlet(np.ones(4), 30), rng.integers(0, 4, 30)
    assert loss(3 - y, p[:, ::-1]) == pytest.approx(loss(y, p), rel=1e-12)
    shuffled = [2, 0, 3, 1]
    assert loss(np.argsort(shuffled)[y], p[:, shuffled]) != pytest.approx(loss(y, p))


def test_labels_give_the_order_of_the_columns(rng):
    p, grades = rng.dirichlet(np.ones(3), 30), np.array(["low", "middle", "high"])
    y = rng.integers(0, 3, 30)
    assert loss(grades[y], p, labels=grades) == loss(y, p)
    by_name = loss(grades[y], p[:, [2, 0, 1]])  # high, low, middle
    assert by_name != pytest.approx(loss(y, p))


def test_it_is_lowest_at_the_truth(rng):
    y = np.arange(4)
    for truth in rng.dirichlet(np.ones(4), 5):

        def expected(forecast, truth=truth):
            return loss(y, np.tile(forecast, (4, 1)), sample_weight=truth)

        best = expected(truth)
        assert all(expected(other) > best for other in rng.dirichlet(np.ones(4), 50))


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_it_runs_from_zero_to_one(n_classes):
    right = np.eye(n_classes)[[0, n_classes - 1]]
    y = [0, n_classes - 1]
    assert loss(y, right, labels=range(n_classes)) == 0
    assert loss(y, right[::-1], labels=range(n_classes)) == 1
    most = loss(y, right[::-1], labels=range(n_classes), normalize=False)
    assert most == n_classes - 1
