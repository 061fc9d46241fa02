"""Risk and coverage: every threshold, every order of ties, and identities."""

import itertools

import numpy as np
import pytest

from skuq.exceptions import InputError
from skuq.metrics import (
    Streaming,
    area_under_risk_coverage_error,
    error_detection_scores,
    risk_coverage_curve,
)

RISKS = ["selective", "generalized"]


@pytest.fixture
def problem(rng):
    """Labels, rows and a confidence without ties."""
    p, y = rng.dirichlet(np.ones(3), 80), rng.integers(0, 3, 80)
    return y, p, rng.random(80) + 0.5 * (p.argmax(axis=1) == y)


def binary(wrong):
    """Labels and rows of predictions that are wrong where that is said."""
    return np.array(wrong).astype(int), np.tile([0.8, 0.2], (len(wrong), 1))


def area(wrong, confidence, **options):
    """The area of predictions that are wrong where that is said."""
    y, p = binary(wrong)
    return area_under_risk_coverage_error(
        y, p, labels=[0, 1], confidence=confidence, **options
    )


def orders_of(wrong, confidence):
    """Errors from surest to least sure, in every order of ties."""
    wrong, confidence = np.array(wrong), np.array(confidence)
    groups = [wrong[confidence == c] for c in np.unique(confidence)[::-1]]
    for parts in itertools.product(*map(itertools.permutations, groups)):
        yield np.concatenate(parts)


def mean_selective_risk(ordered):
    return np.mean(np.cumsum(ordered) / np.arange(1, len(ordered) + 1))


def trapezoids(ordered):
    """Errors kept per sample of all, over coverage from 0 to 1."""
    n = len(ordered)
    kept = np.append(0, np.cumsum(ordered)) / n
    return ((kept[:-1] + kept[1:]) / 2).sum() / n


class TestCurve:
    def test_each_threshold_is_counted(self, problem, rng):
        y, p, confidence = problem
        confidence, weight = np.round(confidence, 1), rng.random(80)
        wrong = p.argmax(axis=1) != y
        curve = risk_coverage_curve(y, p, confidence=confidence, sample_weight=weight)
        np.testing.assert_array_equal(curve.threshold, np.unique(confidence)[::-1])
        for i, threshold in enumerate(curve.threshold):
            kept = confidence >= threshold
            coverage = weight[kept].sum() / weight.sum()
            risk = (weight * wrong)[kept].sum() / weight[kept].sum()
            assert curve.coverage[i] == pytest.approx(coverage, rel=1e-12)
            assert curve.risk[i] == pytest.approx(risk, rel=1e-12, abs=1e-13)

    def test_coverage_grows_to_one(self, problem):
        curve = risk_coverage_curve(*problem[:2], uncertainty=-problem[2])
        assert (np.diff(curve.coverage) > 0).all()
        assert curve.coverage[-1] == 1
        assert (np.diff(curve.generalized_risk) >= 0).all()
        assert (np.diff(curve.threshold) < 0).all()

    def test_its_parts_belong_together(self, problem):
        y, p, confidence = problem
        curve = risk_coverage_curve(y, p, confidence=confidence)
        np.testing.assert_allclose(
            curve.generalized_risk, curve.risk * curve.coverage, rtol=1e-12
        )
        np.testing.assert_array_equal(curve.accuracy, 1 - curve.risk)
        np.testing.assert_array_equal(curve.rejected, 1 - curve.coverage)
        assert curve.risk[-1] == pytest.approx((p.argmax(axis=1) != y).mean())

    def test_the_largest_probability_ranks_by_default(self, problem):
        y, p, _ = problem
        one = risk_coverage_curve(y, p)
        two = risk_coverage_curve(y, p, confidence=p.max(axis=1))
        np.testing.assert_array_equal(one.risk, two.risk)
        np.testing.assert_array_equal(one.threshold, two.threshold)


class TestArea:
    def test_without_ties_it_is_the_mean_of_the_risks(self, problem):
        y, p, confidence = problem
        curve = risk_coverage_curve(y, p, confidence=confidence)
        assert len(curve.risk) == 80
        value = area_under_risk_coverage_error(y, p, confidence=confidence)
        assert value == pytest.approx(curve.risk.mean(), rel=1e-12)

    @pytest.mark.parametrize(
        ("wrong", "confidence"),
        [
            ([1, 0, 0, 1], [2, 2, 2, 2]),
            ([0, 1, 0, 1, 1, 0], [3, 3, 2, 2, 2, 1]),
            ([1, 0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 0, 0, 5]),
            ([1, 1, 1], [0, 0, 1]),
        ],
    )
    def test_with_ties_it_is_the_mean_over_their_orders(self, wrong, confidence):
        orders = list(orders_of(wrong, confidence))
        selective = np.mean([mean_selective_risk(order) for order in orders])
        assert area(wrong, confidence) == pytest.approx(selective, rel=1e-12)
        generalized = np.mean([trapezoids(order) for order in orders])
        value = area(wrong, confidence, risk="generalized")
        assert value == pytest.approx(generalized, rel=1e-12)

    @pytest.mark.parametrize("ties", [False, True])
    def test_the_generalized_area_is_that_of_the_roc_curve(self, ties, problem, rng):
        y, p, confidence = problem
        confidence = np.round(confidence, 1) if ties else confidence
        for weight in (np.ones(80), rng.random(80)):
            options = {"confidence": confidence, "sample_weight": weight}
            auroc = error_detection_scores(y, p, **options)["auroc"]
            accuracy = np.average(p.argmax(axis=1) == y, weights=weight)
            value = area_under_risk_coverage_error(y, p, risk="generalized", **options)
            expected = (1 - auroc) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2
            assert value == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("risk", RISKS)
    @pytest.mark.parametrize("excess", [False, True])
    def test_a_weight_is_a_repetition(self, risk, excess, problem, rng):
        y, p, confidence = problem
        count = rng.integers(0, 4, 80)
        rows = np.repeat(np.arange(80), count)
        options = {"risk": risk, "excess": excess}
        weighted = area_under_risk_coverage_error(
            y, p, confidence=confidence, sample_weight=count, **options
        )
        repeated = area_under_risk_coverage_error(
            y[rows], p[rows], confidence=confidence[rows], **options
        )
        assert weighted == pytest.approx(repeated, rel=1e-11)

    @pytest.mark.parametrize("risk", RISKS)
    def test_an_oracle_has_no_excess(self, risk, problem, rng):
        y, p, confidence = problem
        right = p.argmax(axis=1) == y
        for weight in (None, rng.random(80)):
            options = {"risk": risk, "sample_weight": weight, "excess": True}
            for oracle in (right, right + 0.5 * rng.random(80)):
                value = area_under_risk_coverage_error(
                    y, p, confidence=oracle, **options
                )
                assert value == pytest.approx(0, abs=1e-15)
            value = area_under_risk_coverage_error(
                y, p, confidence=confidence, **options
            )
            assert value > 0.01

    @pytest.mark.parametrize("risk", RISKS)
    def test_excess_is_the_distance_to_the_best_order(self, risk):
        wrong, confidence = [1, 0, 0, 1, 0], [5, 4, 3, 2, 1]
        best = area(wrong, [0, 1, 1, 0, 1], risk=risk)
        value = area(wrong, confidence, risk=risk, excess=True)
        assert value == pytest.approx(area(wrong, confidence, risk=risk) - best)

    def test_hand_computed_values(self):
        wrong, confidence = [0, 1, 0, 1], [0.9, 0.8, 0.7, 0.6]
        expected = (0 + 1 / 2 + 1 / 3 + 2 / 4) / 4
        assert area(wrong, confidence) == pytest.approx(expected, rel=1e-12)
        value = area(wrong, confidence, risk="generalized")
        assert value == pytest.approx((0 + 0.5 + 1 + 1.5) / 16, rel=1e-12)
        oracle = (0 + 0 + 1 / 3 + 2 / 4) / 4
        value = area(wrong, confidence, excess=True)
        assert value == pytest.approx(expected - oracle, rel=1e-12)

    @pytest.mark.parametrize("excess", [False, True])
    def test_all_right_and_all_wrong(self, excess):
        confidence = [0.3, 0.1, 0.3]
        assert area([0, 0, 0], confidence, excess=excess) == 0
        wrong = 0 if excess else 1
        value = area([1, 1, 1], confidence, excess=excess)
        assert value == pytest.approx(wrong, abs=1e-15)
        value = area([1, 1, 1], confidence, excess=excess, risk="generalized")
        assert value == pytest.approx(wrong / 2, abs=1e-15)

    def test_many_ties_cost_no_precision(self):
        # Tied samples have a risk of one half on average, however many they are.
        wrong = np.tile([0, 1], 50_000)
        assert area(wrong, np.ones(100_000)) == pytest.approx(0.5, rel=1e-9)

    def test_void_pixels_of_a_confidence_map_do_not_count(self, rng):
        p = np.moveaxis(rng.dirichlet(np.ones(3), (4, 5, 6)), -1, 1)
        y, confidence = rng.integers(0, 3, (4, 5, 6)), rng.random((4, 5, 6))
        void = rng.random(y.shape) < 0.3
        kept = area_under_risk_coverage_error(
            y[~void], np.moveaxis(p, 1, -1)[~void], uncertainty=confidence[~void]
        )
        value = area_under_risk_coverage_error(
            np.where(void, 255, y), p, uncertainty=confidence, ignore_index=255
        )
        assert value == pytest.approx(kept, rel=1e-12)

    def test_an_aligned_keyword_streams(self, problem, rng):
        y, p, confidence = problem
        weight = rng.random(80)
        options = {"risk": "generalized", "excess": True}
        whole = area_under_risk_coverage_error(
            y, p, confidence=confidence, sample_weight=weight, **options
        )
        first, second = (
            Streaming(area_under_risk_coverage_error, **options).update(
                y[i], p[i], sample_weight=weight[i], confidence=confidence[i]
            )
            for i in (slice(0, 30), slice(30, None))
        )
        assert (second + first).compute() == pytest.approx(whole, rel=1e-12)

    def test_unknown_risks_get_a_clear_error(self):
        with pytest.raises(InputError, match="risk"):
            area([0, 1], [1, 2], risk="total")
        with pytest.raises(InputError, match="NaN"):
            area([0, 1], [1, np.nan])
        with pytest.raises(InputError, match="shape"):
            area([0, 1], [1, 2, 3])
