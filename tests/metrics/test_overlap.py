"""Overlap of uncertainty and error on arrays worked out by hand, and its parts."""

import math

import numpy as np
import pytest

from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics import (
    choose_overlap_threshold,
    error_precision_score,
    error_recall_score,
    overlap_curve,
    uncertainty_error_overlap,
)

# Two images. First: errors at 1, 4. Second: one error, at 0.
Y_TRUE = np.array([[0, 0, 1, 1, 1], [2, 2, 2, 2, 2]])
Y_PRED = np.array([[0, 1, 1, 1, 0], [1, 2, 2, 2, 2]])
UNCERTAINTY = np.array([[0.1, 0.9, 0.7, 0.2, 0.4], [0.6, 0.3, 0.3, 0.0, 0.1]])
DATA = (Y_TRUE, Y_PRED, UNCERTAINTY)
CLEAN = ([[0, 0, 0]], [[0, 0, 0]])  # no error


@pytest.fixture
def maps(rng):
    """Six images with an uncertainty that knows something, and two without errors."""
    y_true = rng.integers(0, 3, (8, 9, 7))
    wrong = rng.random(y_true.shape) < np.linspace(0.05, 0.4, 8)[:, None, None]
    wrong[[2, 5]] = False
    uncertainty = np.round(0.4 * wrong + 0.6 * rng.random(y_true.shape), 2)
    return y_true, np.where(wrong, (y_true + 1) % 3, y_true), uncertainty


class TestByHand:
    @pytest.mark.parametrize(
        ("threshold", "overlap", "recall", "precision"),
        [
            # Flagged {0.9, 0.7} and {0.6}: one hit of 2 errors; one of one.
            (0.5, (0.5, 1.0), (0.5, 1.0), (0.5, 1.0)),
            # Flagged {0.9, 0.7, 0.4} and {0.6}: all errors, one false alarm.
            (0.3, (0.8, 1.0), (1.0, 1.0), (2 / 3, 1.0)),
            # Nothing flagged in the second image: an empty flag raises no false alarm.
            (0.6, (0.5, 0.0), (0.5, 0.0), (0.5, 1.0)),
            (0.9, (0.0, 0.0), (0.0, 0.0), (1.0, 1.0)),
        ],
    )
    def test_each_image(self, threshold, overlap, recall, precision):
        for i in range(2):
            image = [x[i : i + 1] for x in DATA]
            options = {"threshold": threshold}
            assert uncertainty_error_overlap(*image, **options) == (
                pytest.approx(overlap[i], rel=1e-15)
            )
            assert error_recall_score(*image, **options) == recall[i]
            assert error_precision_score(*image, **options) == precision[i]

    def test_averages(self):
        # At 0.3 the images have overlaps 4/5 and 1, errors 2 and 1; together 3 errors,
        # 4 flagged, 3 hits.
        def overlap(average):
            return uncertainty_error_overlap(*DATA, threshold=0.3, average=average)

        assert overlap("image") == pytest.approx((0.8 + 1) / 2, rel=1e-15)
        assert overlap("error") == pytest.approx((2 * 0.8 + 1) / 3, rel=1e-15)
        assert overlap("pooled") == pytest.approx(6 / 7, rel=1e-15)

    @pytest.mark.parametrize("average", ["image", "pooled", "error"])
    @pytest.mark.parametrize("threshold", [-1.0, -math.inf])
    def test_flagging_every_pixel_gives_the_floor(self, average, threshold):
        e = 2 / 5
        got = uncertainty_error_overlap(
            *(x[:1] for x in DATA), threshold=threshold, average=average
        )
        assert got == pytest.approx(2 * e / (1 + e), rel=1e-15)

    @pytest.mark.parametrize("average", ["image", "pooled", "error"])
    def test_an_image_without_errors_is_right_if_nothing_is_flagged(self, average):
        for threshold, expected in ((0.5, 1.0), (0.1, 0.0)):
            got = uncertainty_error_overlap(
                *CLEAN, [[0.2, 0.1, 0.4]], threshold=threshold, average=average
            )
            assert got == expected
        options = {"threshold": 0.1, "average": average}
        assert error_recall_score(*CLEAN, [[0.2, 0.1, 0.4]], **options) == 1
        assert error_precision_score(*CLEAN, [[0.2, 0.1, 0.4]], **options) == 0

    def test_without_any_error_the_mean_by_errors_is_that_of_images(self):
        y = np.zeros((4, 3), dtype=int)
        u = np.array([[0.9, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
        for average in ("image", "error"):
            assert uncertainty_error_overlap(y, y, u, average=average) == 0.75

    def test_the_threshold_itself_is_not_flagged(self):
        for dtype in (np.float32, np.float64):
            u = np.array([[0.1, 0.7]], dtype=dtype)
            assert error_recall_score([[0, 0]], [[0, 1]], u, threshold=0.7) == 0
            assert error_recall_score([[0, 0]], [[0, 1]], u, threshold=0.69) == 1


class TestRelations:
    def test_the_overlap_is_the_harmonic_mean_of_precision_and_recall(self, maps):
        for i in range(len(maps[0])):
            image = [x[i : i + 1] for x in maps]
            for t in (0.05, 0.3, 0.5, 0.9):
                p = error_precision_score(*image, threshold=t)
                r = error_recall_score(*image, threshold=t)
                expected = 2 * p * r / (p + r) if p + r else 0.0
                assert uncertainty_error_overlap(*image, threshold=t) == (
                    pytest.approx(expected, rel=1e-12)
                )

    def test_recall_weighted_by_errors_is_pooled_recall(self, maps):
        for t in (0.2, 0.5, 0.7):
            assert error_recall_score(*maps, threshold=t, average="error") == (
                pytest.approx(
                    error_recall_score(*maps, threshold=t, average="pooled"), rel=1e-12
                )
            )

    @pytest.mark.parametrize("average", ["image", "pooled", "error"])
    def test_a_single_image_has_one_average(self, maps, average):
        image = [x[:1] for x in maps]
        for threshold in (0.5, "best"):
            assert uncertainty_error_overlap(
                *image, threshold=threshold, average=average
            ) == pytest.approx(
                uncertainty_error_overlap(*image, threshold=threshold), rel=1e-12
            )

    def test_uncertainty_of_the_error_itself_is_perfect(self, maps):
        y_true, y_pred, _ = maps
        oracle = (y_true != y_pred).astype(float)
        for average in ("image", "pooled", "error"):
            assert uncertainty_error_overlap(
                y_true, y_pred, oracle, average=average
            ) == pytest.approx(1, rel=1e-15)


class TestCurve:
    @pytest.mark.parametrize("average", ["image", "pooled", "error"])
    def test_each_point_is_the_metric_at_its_threshold(self, maps, average, xp):
        curve = overlap_curve(*map(xp.asarray, maps), average=average)
        assert len(curve.threshold) == 11
        metrics = {
            "overlap": uncertainty_error_overlap,
            "error_recall": error_recall_score,
            "error_precision": error_precision_score,
        }
        for name, metric in metrics.items():
            expected = [
                metric(*maps, threshold=t, average=average) for t in curve.threshold
            ]
            assert getattr(curve, name) == pytest.approx(expected, rel=1e-12)

    def test_a_value_on_a_threshold_is_not_above_it(self):
        for dtype in (np.float32, np.float64):
            u = np.array([[0.1, 0.3, 0.7]], dtype=dtype)
            curve = overlap_curve([[0, 0, 0]], [[1, 1, 1]], u, thresholds=[0.1, 0.3, 1])
            assert curve.error_recall == pytest.approx([2 / 3, 1 / 3, 0], rel=1e-15)

    @pytest.mark.parametrize(
        ("thresholds", "message"),
        [([0.5, 0.5], "ascending"), ([0.5, 0.1], "ascending"), ([], "list of numbers")],
    )
    def test_thresholds_must_ascend(self, maps, thresholds, message):
        with pytest.raises(InputError, match=message):
            overlap_curve(*maps, thresholds=thresholds)


class TestWhatCounts:
    @pytest.mark.parametrize("average", ["image", "pooled", "error"])
    @pytest.mark.parametrize("threshold", [0.5, "best"])
    def test_masked_and_void_pixels_leave_no_trace(self, maps, average, threshold, rng):
        # Each image as a row: the pixels that stay are its first ones.
        y_true, y_pred, u = (x.reshape(8, -1) for x in maps)
        keep = np.arange(63) < 40
        options = {"threshold": threshold, "average": average}
        expected = uncertainty_error_overlap(
            y_true[:, keep], y_pred[:, keep], u[:, keep], **options
        )
        order = rng.permutation(63)
        mask = np.broadcast_to(keep, u.shape)[:, order]
        shuffled = [x[:, order] for x in (y_true, y_pred, u)]
        masked = uncertainty_error_overlap(*shuffled, mask=mask, **options)
        assert masked == pytest.approx(expected, rel=1e-12)
        void = np.where(mask, shuffled[0], 255)
        spoilt = np.where(mask, shuffled[2], np.nan)
        marked = uncertainty_error_overlap(
            void, shuffled[1], spoilt, ignore_index=255, **options
        )
        assert marked == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("average", ["image", "pooled", "error"])
    @pytest.mark.parametrize("threshold", [0.5, "best"])
    def test_an_image_of_which_nothing_counts_is_left_out(
        self, maps, average, threshold
    ):
        y_true = maps[0].copy()
        y_true[3] = 255
        options = {"threshold": threshold, "average": average}
        rest = np.arange(8) != 3
        assert uncertainty_error_overlap(
            y_true, *maps[1:], ignore_index=255, **options
        ) == pytest.approx(
            uncertainty_error_overlap(*(x[rest] for x in maps), **options), rel=1e-12
        )

    @pytest.mark.parametrize("average", ["image", "pooled", "error"])
    @pytest.mark.parametrize("threshold", [0.5, "best"])
    def test_nothing_at_all_is_an_error(self, maps, average, threshold):
        with pytest.raises(NoSamplesError, match="no pixel counts"):
            uncertainty_error_overlap(
                *maps,
                mask=np.zeros(maps[0].shape, dtype=bool),
                threshold=threshold,
                average=average,
            )


class TestChoice:
    def test_it_lies_midway_between_neighbouring_values(self):
        image = [x[:1] for x in DATA]
        assert choose_overlap_threshold(*image) == pytest.approx(0.3, rel=1e-15)

    def test_all_or_nothing_may_be_best(self):
        assert choose_overlap_threshold([[0, 0]], [[1, 1]], [[0.5, 0.5]]) == -math.inf
        assert choose_overlap_threshold(*CLEAN, [[0.2, 0.1, 0.4]]) == math.inf

    def test_of_equal_ones_it_is_the_highest(self):
        # Flagging the first pixel has overlap 2/3, and so has flagging all four.
        data = [[0, 0, 0, 0]], [[1, 0, 0, 1]], [[0.9, 0.6, 0.4, 0.2]]
        assert choose_overlap_threshold(*data) == pytest.approx(0.75, rel=1e-15)
        assert choose_overlap_threshold(*data, thresholds=[0.1, 0.7, 0.8, 0.95]) == 0.8

    @pytest.mark.parametrize("average", ["image", "pooled", "error"])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_it_reaches_the_best_overlap(self, maps, average, dtype):
        data = (*maps[:2], maps[2].astype(dtype))
        t = choose_overlap_threshold(*data, average=average)
        assert uncertainty_error_overlap(*data, threshold=t, average=average) == (
            uncertainty_error_overlap(*data, threshold="best", average=average)
        )

    @pytest.mark.parametrize("average", ["image", "pooled", "error"])
    def test_of_a_grid_it_is_the_best_point_of_the_curve(self, maps, average):
        grid = np.linspace(0, 1, 41)
        curve = overlap_curve(*maps, thresholds=grid, average=average)
        t = choose_overlap_threshold(*maps, thresholds=grid, average=average)
        assert curve.overlap[grid == t] == pytest.approx(curve.overlap.max(), rel=1e-12)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_it_separates_neighbouring_numbers(self, dtype):
        low = dtype(0.7)
        high = np.nextafter(low, dtype(1))
        data = [[0, 0]], [[0, 1]], np.array([[low, high]])
        t = choose_overlap_threshold(*data)
        assert low <= t < high
        assert uncertainty_error_overlap(*data, threshold=t) == 1

    def test_images_without_weight_do_not_move_it(self, maps):
        weight = np.array([1, 0, 2, 0, 1, 1, 3, 0])
        for average in ("image", "pooled", "error"):
            repeated = [np.repeat(x, weight, axis=0) for x in maps]
            assert choose_overlap_threshold(
                *maps, sample_weight=weight, average=average
            ) == choose_overlap_threshold(*repeated, average=average)


class TestRefusals:
    @pytest.mark.parametrize("threshold", ["worst", math.nan, None, [0.2, 0.4]])
    def test_a_threshold_that_is_none(self, threshold):
        with pytest.raises(InputError, match="threshold must be"):
            uncertainty_error_overlap(*DATA, threshold=threshold)

    @pytest.mark.parametrize("threshold", [0.5, "best"])
    def test_an_average_that_is_none(self, threshold):
        with pytest.raises(InputError, match="average must be one of"):
            uncertainty_error_overlap(*DATA, threshold=threshold, average="macro")
        with pytest.raises(InputError, match="average must be one of"):
            choose_overlap_threshold(*DATA, average="macro")
