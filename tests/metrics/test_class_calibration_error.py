"""Errors of every class, given the predicted class, and in bins that count alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics import (
    adaptive_calibration_error,
    average_calibration_error,
    classwise_calibration_error,
    expected_calibration_error,
    thresholded_adaptive_calibration_error,
    top_label_calibration_error,
)

TABLE = np.array([[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]])


def draw(rng, n, n_classes=4):
    """Labels and rows of multiples of 1/50, so that some probabilities tie."""
    rows = rng.multinomial(50, rng.dirichlet(np.ones(n_classes), n)) / 50
    return rng.integers(0, n_classes, n), rows


def adaptive_error(y, p, n_bins, threshold=-1.0, weight=None):
    """Mean over classes of the error between quantiles, bin by bin."""
    weight = np.ones(len(y)) if weight is None else weight
    errors = []
    for k in range(p.shape[1]):
        kept = p[:, k] > threshold
        column, hit, w = p[kept, k], y[kept] == k, weight[kept]
        if not kept.any():
            continue
        reached = [w[column <= x].sum() / w.sum() for x in np.unique(column)]
        levels = np.arange(1, n_bins) / n_bins - 1e-12
        edges = np.unique(column)[np.searchsorted(reached, levels)]
        index = np.searchsorted(edges, column)
        gaps = [
            abs((w * (hit - column))[index == b].sum()) / w.sum() for b in range(n_bins)
        ]
        errors.append(sum(gaps))
    return np.mean(errors)


class TestTopLabel:
    @settings(deadline=None, max_examples=100)
    @given(seed=st.integers(0, 2**32 - 1), norm=st.sampled_from(["l1", "l2-squared"]))
    def test_it_is_at_least_the_error_of_the_confidences(self, seed, norm):
        rng = np.random.default_rng(seed)
        y, p = draw(rng, 30)
        options = {"norm": norm, "n_bins": 8, "sample_weight": rng.random(30)}
        given_class = top_label_calibration_error(y, p, **options)
        assert given_class >= expected_calibration_error(y, p, **options) - 1e-15

    def test_errors_of_two_classes_do_not_cancel(self):
        p = [[0.5, 0.3, 0.2], [0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.5, 0.3]]
        y = [0, 0, 2, 2]
        assert expected_calibration_error(y, p) == 0
        assert top_label_calibration_error(y, p) == 0.5

    def test_a_hand_computed_table(self):
        # Class 0 is predicted twice, with 0.9 (right) and 0.6 (wrong); 1 and 2 once.
        y = [0, 1, 2, 2]
        expected = {"weight": (0.7 + 0.1 + 0) / 4, "macro": (0.35 + 0.1 + 0) / 3}
        for average, number in expected.items():
            value = top_label_calibration_error(y, TABLE, class_average=average)
            assert value == pytest.approx(number, rel=1e-12)

    def test_one_predicted_class_is_the_plain_error(self, rng):
        p = rng.uniform(0.6, 1, 50)
        y = (rng.random(50) > p).astype(int)
        rows = np.stack([p, 1 - p], axis=1)
        assert top_label_calibration_error(y, rows) == pytest.approx(
            expected_calibration_error(y, rows), rel=1e-12
        )


class TestClasswise:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"n_bins": 5, "norm": "l2"},
            {"strategy": "quantile", "class_average": "prevalence"},
            {"n_bins": "sweep", "class_average": "sum"},
            {"closed": "left", "norm": "max"},
            {"debias": True, "class_average": "pooled"},
        ],
        ids=str,
    )
    def test_it_is_the_calibration_error_of_kind_classwise(self, options, rng):
        y, p = draw(rng, 100)
        weight = rng.random(100)
        for w in (None, weight):
            value = classwise_calibration_error(y, p, sample_weight=w, **options)
            general = expected_calibration_error(
                y, p, sample_weight=w, kind="classwise", **options
            )
            assert value == general
            assert value > 0

    def test_a_hand_computed_table(self):
        # Columns of TABLE: gaps of their bins, times 4 samples.
        first = 0 + 0.1 + 0.6
        second = 0.1 + 0.1 + 0.2
        third = 0.1 + 0 + 0.8
        value = classwise_calibration_error([0, 1, 2, 2], TABLE)
        assert value == pytest.approx((first + second + third) / 12, rel=1e-12)


class TestAverage:
    def test_filled_bins_count_alike(self):
        p = np.array([0.1, 0.1, 0.1, 0.1, 0.9])
        value = average_calibration_error([0, 0, 0, 1, 0], p, kind="positive")
        assert value == pytest.approx((0.15 + 0.9) / 2, rel=1e-12)
        whole = expected_calibration_error([0, 0, 0, 1, 0], p, kind="positive")
        assert whole == pytest.approx((4 * 0.15 + 0.9) / 5, rel=1e-12)

    def test_classes_count_alike_whatever_bins_they_fill(self):
        value = average_calibration_error([0, 1, 2, 2], TABLE, kind="classwise")
        first = (0 + 0.1 + 0.6) / 3  # 0.0 twice, 0.9, 0.6
        second = (0.0 + 0.1 + 0.1 + 0.2) / 4  # 0.0, 0.1, 0.9, 0.2
        third = (0.0 + 0.1 + 0.0 + 0.8) / 4  # 0.0, 0.1, 1.0, 0.2
        assert value == pytest.approx((first + second + third) / 3, rel=1e-12)

    def test_bins_without_weight_are_not_filled(self):
        y, p = [0, 1, 1], [0.1, 0.5, 0.9]
        weight = [1, 1, 0]
        value = average_calibration_error(y, p, kind="positive", sample_weight=weight)
        assert value == pytest.approx((0.1 + 0.5) / 2, rel=1e-12)

    def test_a_class_without_predictions_is_left_out(self):
        y, p = [0, 1], [[0.5, 0.3, 0.2], [0.3, 0.4, 0.3]]
        value = average_calibration_error(y, p, kind="predicted-class")
        assert value == pytest.approx((0.5 + 0.6) / 2, rel=1e-12)


class TestAdaptive:
    @pytest.mark.parametrize("n_bins", [1, 2, 5, 15])
    def test_bins_lie_between_the_quantiles_of_each_class(self, n_bins, rng):
        y, p = draw(rng, 60)
        value = adaptive_calibration_error(y, p, n_bins=n_bins)
        assert value == pytest.approx(adaptive_error(y, p, n_bins), rel=1e-12)
        weight = rng.random(60)
        value = adaptive_calibration_error(y, p, n_bins=n_bins, sample_weight=weight)
        expected = adaptive_error(y, p, n_bins, weight=weight)
        assert value == pytest.approx(expected, rel=1e-12)

    def test_it_is_the_classwise_error_in_quantile_bins(self, rng):
        y, p = draw(rng, 60)
        options = {"strategy": "quantile", "n_bins": 5}
        assert adaptive_calibration_error(y, p, n_bins=5) == (
            classwise_calibration_error(y, p, **options)
        )

    @pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.7])
    def test_probabilities_up_to_the_threshold_do_not_count(self, threshold, rng):
        y, p = draw(rng, 60)
        p[:3] = [0.3, 0.3, 0.2, 0.2]  # on a threshold
        value = thresholded_adaptive_calibration_error(
            y, p, n_bins=4, threshold=threshold
        )
        # Without a threshold even probabilities of 0 count.
        expected = adaptive_error(y, p, 4, threshold=threshold or -1.0)
        assert value == pytest.approx(expected, rel=1e-12)
        assert (value == adaptive_calibration_error(y, p, n_bins=4)) == (threshold == 0)

    def test_a_class_that_keeps_nothing_is_left_out(self, rng):
        y, p = draw(rng, 40, n_classes=3)
        p = p @ np.diag([1, 1, 0.01]) + 1e-9
        p /= p.sum(axis=1, keepdims=True)
        value = thresholded_adaptive_calibration_error(y, p, n_bins=3, threshold=0.2)
        assert (p[:, 2] < 0.2).sum() >= 30
        expected = adaptive_error(y, p, 3, threshold=0.2)
        assert value == pytest.approx(expected, rel=1e-12)

    def test_a_threshold_above_everything_leaves_nothing(self):
        p = [[0.6, 0.4], [0.3, 0.7]]
        with pytest.raises(NoSamplesError):
            thresholded_adaptive_calibration_error([0, 1], p, threshold=0.8)

    @pytest.mark.parametrize("threshold", [-0.1, 1.0, np.nan])
    def test_a_threshold_that_is_no_probability_is_refused(self, threshold):
        with pytest.raises(InputError, match="threshold"):
            thresholded_adaptive_calibration_error(
                [0, 1], TABLE[:2], threshold=threshold
            )
