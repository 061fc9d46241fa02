"""Corrected Dice by hand and by formula, and when a correction pays."""

import math

import numpy as np
import pytest

from skuq.exceptions import InputError
from skuq.metrics import corrected_dice_score, correction_benefit, per_image

# TP 3 (1 flagged), FP 2 (2 flagged), FN 2 (1 flagged), TN 3 (1 flagged).
Y_TRUE = np.array([[1, 1, 1, 0, 0, 1, 1, 0, 0, 0]])
Y_PRED = np.array([[1, 1, 1, 1, 1, 0, 0, 0, 0, 0]])
FLAGGED = np.array([[1, 0, 0, 1, 1, 1, 0, 1, 0, 0]])


def counts(y_true, y_pred, flagged):
    """TP, FP, FN, TPU, FPU, FNU, TNU of each image, `(n_images,)` each."""
    t, p, u = (x.reshape(len(x), -1).astype(bool) for x in (y_true, y_pred, flagged))
    regions = (t & p, ~t & p, t & ~p)
    return [
        *(r.sum(axis=1) for r in regions),
        *((r & u).sum(axis=1) for r in (*regions, ~t & ~p)),
    ]


@pytest.fixture(scope="module")
def images():
    """Many small images of every kind; half of the foregrounds are tiny."""
    rng = np.random.default_rng(1)
    share = rng.choice([0.05, 0.5], (3000, 1))
    y_true = (rng.random((3000, 12)) < share).astype(int)
    y_pred = np.where(rng.random(y_true.shape) < 0.3, 1 - y_true, y_true)
    return y_true, y_pred, (rng.random(y_true.shape) < 0.4).astype(float)


class TestByHand:
    def test_removing_and_adding(self):
        data = Y_TRUE, Y_PRED, FLAGGED
        assert corrected_dice_score(*data, threshold=math.inf) == 2 * 3 / (3 * 2 + 4)
        # Removing leaves TP 2 and FP 0, of 5 true pixels.
        assert corrected_dice_score(*data) == 2 * 2 / (2 + 5)
        # Adding makes TP 4 and FP 3.
        assert corrected_dice_score(*data, correction="add") == 2 * 4 / (7 + 5)

    def test_pooled_is_one_count_of_all_images(self):
        data = [np.concatenate([x, 1 - x]) for x in (Y_TRUE, Y_PRED, FLAGGED)]
        # The second image has TP 3 (2 flagged), FP 2 (1), FN 2 (0), so both together
        # have 10 true pixels, and after removing TP 2 + 1 and FP 0 + 1.
        pooled = corrected_dice_score(*data, average="pooled")
        assert pooled == 2 * 3 / (3 + 1 + 10)
        mean = corrected_dice_score(*data)
        assert mean == pytest.approx((4 / 7 + 2 / (2 + 5)) / 2, rel=1e-15)

    def test_an_empty_foreground_that_stays_empty_is_perfect(self):
        nothing = np.zeros((1, 4), dtype=int)
        u = np.array([[0.9, 0, 0, 0]])
        assert corrected_dice_score(nothing, nothing, u) == 1
        assert corrected_dice_score(nothing, nothing, u, correction="add") == 0
        stated = np.array([[1, 0, 0, 0]])
        assert corrected_dice_score(nothing, stated, u) == 1
        assert correction_benefit(nothing, stated, u) == 1
        assert correction_benefit(nothing, nothing, u) == 0


class TestFormulae:
    def test_corrected_dice_is_that_of_the_papers(self, images):
        tp, fp, fn, tpu, fpu, fnu, tnu = counts(*images)
        left = 2 * tp + fp + fn - tpu - fpu
        some = left > 0
        removed = per_image(corrected_dice_score, *images)
        assert removed[some] == pytest.approx(2 * (tp - tpu)[some] / left[some])
        assert (removed[~some] == 1).all()
        grown = 2 * tp + fp + fn + fnu + tnu
        some = grown > 0
        added = per_image(corrected_dice_score, *images, correction="add")
        assert added[some] == pytest.approx(2 * (tp + fnu)[some] / grown[some])

    def test_removing_pays_if_and_only_if_the_condition_holds(self, images):
        tp, fp, fn, tpu, fpu, _, _ = counts(*images)
        foreground = tp + fn > 0
        pays = per_image(correction_benefit, *images)[foreground] == 1
        # TPU / FPU < TP / (TP + FP + FN), without a division by zero.
        condition = tpu * (tp + fp + fn) < tp * fpu
        assert np.array_equal(pays, condition[foreground])
        assert 0.1 < pays.mean() < 0.9
        before = per_image(corrected_dice_score, *images, threshold=math.inf)
        after = per_image(corrected_dice_score, *images)
        assert np.array_equal(pays, (after > before)[foreground])

    def test_adding_pays_if_and_only_if_the_condition_holds(self, images):
        tp, fp, fn, _, _, fnu, tnu = counts(*images)
        foreground = tp + fn > 0
        options = {"correction": "add"}
        pays = per_image(correction_benefit, *images, **options)[foreground] == 1
        condition = fnu * (tp + fp + fn) > tp * tnu
        assert np.array_equal(pays, condition[foreground])
        assert 0.1 < pays.mean() < 0.9

    @pytest.mark.parametrize("correction", ["remove", "add"])
    def test_the_benefit_is_the_share_of_images(self, images, correction):
        options = {"correction": correction}
        shares = per_image(correction_benefit, *images, **options)
        assert correction_benefit(*images, **options) == (
            pytest.approx(shares.mean(), rel=1e-12)
        )

    @pytest.mark.parametrize("correction", ["remove", "add"])
    def test_a_flag_on_every_error_makes_no_image_worse(self, images, correction):
        y_true, y_pred, _ = images
        u = y_true != y_pred
        after = per_image(corrected_dice_score, *images[:2], u, correction=correction)
        before = per_image(corrected_dice_score, *images[:2], u, threshold=math.inf)
        assert (after >= before).all()


class TestForeground:
    def test_other_labels_are_background(self):
        y_true = np.array([["car", "road", "tree", "car"]])
        y_pred = np.array([["car", "tree", "road", "tree"]])
        u = np.zeros((1, 4))
        for name, expected in (("car", 2 / 3), ("tree", 0), ("road", 0)):
            assert corrected_dice_score(y_true, y_pred, u, positive=name) == expected

    def test_a_foreground_of_another_kind_is_refused(self):
        y = np.array([["car", "road"]])
        with pytest.raises(InputError, match="positive holds numbers"):
            corrected_dice_score(y, y, np.zeros((1, 2)))

    @pytest.mark.parametrize("metric", [corrected_dice_score, correction_benefit])
    def test_an_unknown_correction_is_refused(self, metric):
        with pytest.raises(InputError, match="correction must be one of"):
            metric(Y_TRUE, Y_PRED, FLAGGED, correction="both")

    def test_there_is_no_mean_by_errors(self):
        with pytest.raises(InputError, match="average must be one of"):
            corrected_dice_score(Y_TRUE, Y_PRED, FLAGGED, average="error")
