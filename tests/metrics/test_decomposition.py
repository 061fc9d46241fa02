"""Proper scores taken apart: identities, isotonic regression by brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skuq._core._sorting import Ordered, tie_groups
from skuq.exceptions import InputError
from skuq.metrics import brier_score_loss, log_loss, score_decomposition
from skuq.metrics._decomposition import _isotonic_pools, isotonic_shares

SCORES = ["brier", "log"]
METHODS = ["isotonic", "bins"]
some_outcomes = st.lists(
    st.tuples(st.integers(0, 10), st.booleans(), st.integers(1, 3)),
    min_size=1,
    max_size=12,
)


def as_arrays(data):
    """Outcomes, probabilities with 0 and 1, and weights."""
    tenths, hits, weight = (np.array(column) for column in zip(*data, strict=True))
    return hits.astype(int), tenths / 10, weight


def isotonic_fit(y, p, weight):
    """Largest of the smallest means over stretches around each distinct p."""
    distinct = np.unique(p)

    def mean(low, high):
        inside = (p >= low) & (p <= high)
        return (weight * y)[inside].sum() / weight[inside].sum()

    return np.array(
        [
            max(
                min(mean(low, high) for high in distinct[distinct >= x])
                for low in distinct[distinct <= x]
            )
            for x in distinct
        ]
    )


@pytest.fixture
def problem(rng):
    """Too sure probabilities with ties and both ends, and weights."""
    p = np.round(rng.random(120), 1)
    y = (rng.random(120) < 0.2 + 0.5 * p).astype(int)
    return y, p, rng.random(120)


def mean_score(score, y, p, weight):
    """The score of any probabilities, by the metric of that name."""
    metric = {"brier": brier_score_loss, "log": log_loss}[score]
    options = {"scale_by_half": True} if score == "brier" else {}
    return metric(y, p, sample_weight=weight, labels=[0, 1], **options)


@settings(deadline=None, max_examples=100)
@given(data=some_outcomes)
def test_the_isotonic_fit_is_that_of_brute_force(data):
    y, p, weight = as_arrays(data)
    fit = isotonic_shares(tie_groups(p, y, weight))
    np.testing.assert_allclose(fit, isotonic_fit(y, p, weight), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decimals", [2, 3, 17])
def test_neighbours_put_together_first_do_not_change_the_fit(decimals, weighted, rng):
    p = np.round(rng.random(1000), decimals)
    y = rng.random(1000) < p**2
    weight = rng.random(1000) if weighted else None
    groups = tie_groups(p, y, weight)
    fit = groups._replace(score=isotonic_shares(groups))
    pools = _isotonic_pools(Ordered(p, y, weight))
    assert len(pools.score) < len(fit.score)
    for power in (1, 2, 3):
        moments = [(g.weight * g.score**power).sum() for g in (fit, pools)]
        assert moments[0] == pytest.approx(moments[1], rel=1e-12)


@pytest.mark.parametrize("score", SCORES)
@settings(deadline=None, max_examples=50)
@given(data=some_outcomes)
def test_each_part_is_a_difference_of_scores(score, data):
    y, p, weight = as_arrays(data)
    honest = isotonic_fit(y, p, weight)[np.searchsorted(np.unique(p), p)]
    base = np.full(len(p), np.average(y, weights=weight))
    stated, recalibrated, uninformed = (
        mean_score(score, y, q, weight) for q in (p, honest, base)
    )
    parts = score_decomposition(y, p, sample_weight=weight, labels=[0, 1], score=score)
    expected = (
        stated,
        stated - recalibrated,
        uninformed - recalibrated,
        uninformed,
    )
    assert parts == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("kind", ["positive", "top-label", "classwise"])
def test_the_parts_add_up_to_the_loss(method, score, kind, problem):
    y, p, weight = problem
    parts = score_decomposition(
        y, p, sample_weight=weight, method=method, score=score, kind=kind
    )
    whole = parts.miscalibration - parts.discrimination + parts.uncertainty
    assert whole == pytest.approx(parts.loss, rel=1e-13)
    assert parts.loss > 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("score", SCORES)
def test_the_loss_is_the_metric(method, score, problem):
    y, p, weight = problem
    for w in (None, weight):
        parts = score_decomposition(y, p, sample_weight=w, method=method, score=score)
        assert parts.loss == pytest.approx(mean_score(score, y, p, w), rel=1e-12)


def test_classes_sum_to_the_brier_score(rng):
    p, y = rng.dirichlet(np.ones(4), 60), rng.integers(0, 4, 60)
    weight = rng.random(60)
    parts = score_decomposition(y, p, sample_weight=weight, kind="classwise")
    loss = brier_score_loss(y, p, sample_weight=weight, scale_by_half=False)
    assert parts.loss == pytest.approx(loss, rel=1e-12)
    per_class = [
        score_decomposition((y == k).astype(int), p[:, k], sample_weight=weight)
        for k in range(4)
    ]
    assert parts == pytest.approx(np.sum(per_class, axis=0), rel=1e-12)


@pytest.mark.parametrize("score", SCORES)
@settings(deadline=None, max_examples=100)
@given(data=some_outcomes)
def test_isotonic_parts_are_never_negative(score, data):
    y, p, weight = as_arrays(data)
    parts = score_decomposition(y, p, sample_weight=weight, labels=[0, 1], score=score)
    assert parts.miscalibration >= -1e-15
    assert parts.discrimination >= -1e-15
    assert parts.discrimination <= parts.uncertainty + 1e-15


def test_bins_of_equal_probabilities_give_the_parts_of_murphy(rng):
    values, counts = np.array([0.05, 0.3, 0.55, 0.8, 1.0]), [30, 20, 10, 20, 15]
    p = np.repeat(values, counts)
    y = (rng.random(95) < 0.6 * p + 0.1).astype(int)
    share = np.array([y[p == x].mean() for x in values])
    parts = score_decomposition(y, p, method="bins", n_bins=10)
    reliability = np.average((values - share) ** 2, weights=counts)
    resolution = np.average((share - y.mean()) ** 2, weights=counts)
    assert parts.miscalibration == pytest.approx(reliability, rel=1e-12)
    assert parts.discrimination == pytest.approx(resolution, rel=1e-12)
    assert parts.uncertainty == pytest.approx(y.mean() * (1 - y.mean()), rel=1e-12)


def test_the_spread_within_a_bin_counts_as_miscalibration():
    # One bin: its share of 1/2 is worse than 0.4 and 0.6, which rank perfectly.
    parts = score_decomposition([0, 1], [0.4, 0.6], method="bins", n_bins=1)
    assert parts == pytest.approx((0.16, 0.16 - 0.25, 0, 0.25), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("score", SCORES)
def test_the_base_rate_is_honest_and_says_nothing(method, score, rng):
    y = np.repeat([0, 1], [13, 7])
    parts = score_decomposition(y, np.full(20, 0.35), method=method, score=score)
    assert parts.miscalibration == pytest.approx(0, abs=1e-15)
    assert parts.discrimination == pytest.approx(0, abs=1e-15)
    assert parts.loss == pytest.approx(parts.uncertainty, rel=1e-15)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("score", SCORES)
def test_a_forecast_that_comes_true_has_no_miscalibration(method, score):
    tenths = np.arange(11)
    p = np.repeat(tenths / 10, 10)
    y = np.concatenate([np.repeat([0, 1], [10 - k, k]) for k in tenths])
    parts = score_decomposition(y, p, method=method, score=score)
    assert parts.miscalibration == pytest.approx(0, abs=1e-14)
    assert parts.discrimination > 0.09


@pytest.mark.parametrize("score", SCORES)
def test_any_order_preserving_change_keeps_the_discrimination(score, problem):
    y, p, weight = problem
    options = {"sample_weight": weight, "score": score}
    one = score_decomposition(y, p, **options)
    two = score_decomposition(y, 0.3 + 0.2 * p**3, **options)
    assert two[2:] == pytest.approx(one[2:], rel=1e-12)
    assert two.miscalibration != pytest.approx(one.miscalibration, rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_wrong_sure_statements_cost_a_finite_log_score(method):
    y, p = [1, 0, 1, 0], [0.0, 1.0, 1.0, 0.0]
    parts = score_decomposition(y, p, score="log", method=method)
    assert np.isfinite(parts).all()
    assert parts.loss == pytest.approx(log_loss(y, p), rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "spherical"}, "score"),
        ({"method": "pava"}, "method"),
        ({"n_bins": 0}, "n_bins"),
        ({"kind": "predicted-class"}, "kind"),
    ],
    ids=str,
)
def test_unknown_options_get_a_clear_error(options, message):
    with pytest.raises(InputError, match=message):
        score_decomposition([0, 1], [0.2, 0.9], **options)
