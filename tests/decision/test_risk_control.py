"""The bound on the risk: exact, and kept as often as it promises."""

import numpy as np
import pytest
from scipy.stats import binomtest

from skuq.decision._risk_control import (
    at_coverage,
    at_risk,
    least_samples,
    risk_bound,
)

N_RESAMPLINGS = 1000


@pytest.mark.parametrize(("errors", "kept"), [(0, 10), (3, 40), (39, 40), (7, 1000)])
@pytest.mark.parametrize("delta", [0.001, 0.05, 0.5])
def test_the_bound_is_the_one_sided_one_of_clopper_and_pearson(errors, kept, delta):
    peer = binomtest(errors, kept, alternative="less").proportion_ci(1 - delta)
    assert risk_bound(errors, kept, delta) == pytest.approx(peer.high, rel=1e-10)


def test_without_errors_the_bound_has_a_closed_form():
    assert risk_bound(0, 50, 0.05) == pytest.approx(1 - 0.05 ** (1 / 50), rel=1e-12)


def test_where_all_are_wrong_or_none_is_kept_the_bound_is_one():
    assert risk_bound(5, 5, 0.05) == risk_bound(0, 0, 0.05) == 1.0


def share_that_fails(draw, is_too_risky, target, delta, n_samples=500):
    """How often, of 1,000 held-out sets, the chosen threshold takes too high a risk."""
    failed = 0
    for seed in range(N_RESAMPLINGS):
        sure, wrong = draw(np.random.default_rng(seed), n_samples)
        failed += is_too_risky(at_risk(sure, wrong, target, delta).value)
    return failed / N_RESAMPLINGS


def within(share, delta):
    """Whether a share is at most `delta`, up to five standard errors."""
    return share <= delta + 5 * np.sqrt(delta * (1 - delta) / N_RESAMPLINGS)


def calibrated(rng, n):
    """Confidences that are the probabilities of being right: risk (1 - t) / 2."""
    sure = rng.uniform(0.5, 1, n)
    return sure, rng.random(n) > sure


@pytest.mark.parametrize("delta", [0.05, 0.3])
def test_the_true_risk_exceeds_the_target_in_at_most_delta_of_resamplings(delta):
    share = share_that_fails(calibrated, lambda t: t < 0.8, 0.1, delta)
    assert share <= delta


@pytest.mark.parametrize("delta", [0.05, 0.3])
def test_ties_keep_the_promise(delta):
    def draw(rng, n):
        sure, wrong = calibrated(rng, n)
        return np.ceil(sure * 10) / 10, wrong

    # "At least 0.9" is all above 0.8, with a risk of 0.1.
    share = share_that_fails(draw, lambda t: t <= 0.8, 0.1, delta)
    assert share <= delta


@pytest.mark.parametrize("delta", [0.05, 0.3])
def test_a_confidence_without_meaning_keeps_the_promise(delta):
    """The hardest case: every threshold is too risky, by a hair."""

    def draw(rng, n):
        return rng.random(n), rng.random(n) < 0.1001

    share = share_that_fails(draw, lambda t: t < np.inf, 0.1, delta)
    assert share > 0
    assert within(share, delta)


@pytest.mark.parametrize("delta", [0.05, 0.3])
def test_the_bound_at_a_coverage_fails_in_at_most_delta_of_resamplings(delta):
    failed = 0
    for seed in range(N_RESAMPLINGS):
        sure, wrong = calibrated(np.random.default_rng(seed), 400)
        found = at_coverage(sure, wrong, 0.6, delta)
        failed += (1 - found.value) / 2 > found.bound
    assert failed > 0
    assert within(failed / N_RESAMPLINGS, delta)


def test_the_chosen_threshold_meets_the_target_and_counts_what_it_keeps(rng):
    sure, wrong = calibrated(rng, 2000)
    found = at_risk(sure, wrong, 0.1, 0.05)
    kept = sure >= found.value
    assert (found.kept, found.errors) == (kept.sum(), wrong[kept].sum())
    assert found.bound <= 0.1
    assert found.bound == risk_bound(found.errors, found.kept, 0.05 / 11)


def test_without_errors_all_is_kept():
    found = at_risk(np.linspace(0, 1, 200), np.zeros(200, bool), 0.05, 0.05)
    assert (found.value, found.kept, found.errors) == (-np.inf, 200, 0)


def test_where_all_are_wrong_nothing_is_kept():
    found = at_risk(np.linspace(0, 1, 200), np.ones(200, bool), 0.5, 0.05)
    assert (found.value, found.kept) == (np.inf, 0)


def test_equal_confidences_are_kept_together():
    sure = np.repeat([3.0, 2.0, 1.0], [120, 60, 20])
    wrong = np.repeat([False, True], [120, 80])
    found = at_risk(sure, wrong, 0.1, 0.05)
    assert (found.value, found.kept) == (3.0, 120)
    found = at_risk(np.ones(200), np.zeros(200, bool), 0.1, 0.05)
    assert (found.value, found.kept) == (-np.inf, 200)


def test_one_sample_fewer_than_the_least_keeps_nothing():
    least = next(n for n in range(1, 500) if least_samples(0.1, 0.05, n) <= n)
    for n, kept in (least - 1, 0), (least, least):
        found = at_risk(np.ones(n), np.zeros(n, bool), 0.1, 0.05)
        assert found.kept == kept


@pytest.mark.parametrize(("coverage", "kept"), [(0.7, 7), (0.71, 8), (1.0, 10)])
def test_a_coverage_is_reached_by_the_fewest_samples(coverage, kept):
    found = at_coverage(np.arange(10.0), np.zeros(10, bool), coverage, 0.05)
    assert found.kept == kept
    assert found.value == (-np.inf if kept == 10 else 10 - kept)
