"""Overlaps of masks, and one uncertainty for each image: values by hand, and laws."""

from itertools import combinations

import numpy as np
import pytest
import torch

from skuq.decision import aggregate_uncertainty, mask_overlap
from skuq.exceptions import InputError
from skuq.metrics import segmentation_boundary

WITH_MASK = ["inside", "volume", "boundary"]


@pytest.fixture
def maps(rng):
    mask = np.zeros((4, 9, 8), int)
    mask[0, 2:5, 2:6] = 1
    mask[1, 1:8, 1:7] = 2
    mask[2, 4, 4] = 1
    return rng.random((4, 9, 8)), mask


class TestOverlap:
    def test_dice_and_jaccard_by_hand(self):
        y, p = [[0, 1, 1, 1, 0]], [[0, 0, 1, 1, 1]]
        assert mask_overlap(y, p) == pytest.approx([2 * 2 / 6])
        assert mask_overlap(y, p, metric="jaccard") == pytest.approx([2 / 4])

    def test_classes_are_averaged_where_they_occur(self):
        y = [[0, 1, 1, 2, 2], [0, 1, 1, 0, 0]]
        p = [[0, 1, 1, 0, 2], [0, 1, 1, 0, 2]]
        # 2 is in the mask of the second image alone, so that it counts there with 0.
        assert mask_overlap(y, p) == pytest.approx([(1 + 2 / 3) / 2, (1 + 0) / 2])

    def test_two_empty_masks_agree(self):
        assert mask_overlap([[0, 0]], [[0, 0]]) == [1]
        assert mask_overlap([[0, 0]], [[0, 1]]) == [0]

    def test_the_background_can_be_any_label_or_none(self):
        y, p = np.array([["b", "b", "c"]]), np.array([["b", "c", "c"]])
        assert mask_overlap(y, p, background="b") == pytest.approx([2 / 3])
        assert mask_overlap(y, p, background=None) == pytest.approx([2 / 3])
        assert mask_overlap(y, p, background="c") == pytest.approx([2 / 3])
        assert mask_overlap([[3, 3, 1]], [[3, 1, 1]], background=3) == [2 / 3]

    def test_void_pixels_do_not_count(self):
        y, p = [[1, 1, 9, 9, 0]], [[1, 1, 1, 0, 0]]
        assert mask_overlap(y, p, ignore_index=9) == [1]
        assert mask_overlap(y, p) < 1
        assert mask_overlap([[9, 9]], [[1, 0]], ignore_index=9) == [1]

    def test_jaccard_is_a_function_of_dice_for_one_class(self, rng):
        y, p = rng.integers(2, size=(2, 20, 5, 5))
        dice, jaccard = (mask_overlap(y, p, metric=m) for m in ("dice", "jaccard"))
        np.testing.assert_allclose(jaccard, dice / (2 - dice))
        np.testing.assert_allclose(mask_overlap(p, y), dice)

    def test_tensors_are_accepted(self, rng):
        y, p = rng.integers(3, size=(2, 6, 5, 5))
        found = mask_overlap(torch.from_numpy(y), torch.from_numpy(p))
        np.testing.assert_array_equal(found, mask_overlap(y, p))

    @pytest.mark.parametrize(
        ("y", "p", "options", "match"),
        [
            ([[0, 1]], [[0, 1, 1]], {}, r"\(1, 2\) and masks \(1, 3\)"),
            ([0, 1], [0, 1], {}, r"\(2,\).*\(n_samples, \*spatial\)"),
            ([[0, 1]], [[0, 1]], {"metric": "iou"}, "metric must be one of"),
        ],
    )
    def test_what_cannot_be_compared_is_refused(self, y, p, options, match):
        with pytest.raises(InputError, match=match):
            mask_overlap(y, p, **options)


class TestAggregate:
    def test_each_way_by_its_definition(self, maps):
        u, mask = maps
        near = segmentation_boundary(mask, 2)
        for i in range(3):  # the last mask is empty
            expected = {
                "mean": u[i].mean(),
                "inside": u[i][mask[i] > 0].mean(),
                "volume": u[i].sum() / (mask[i] > 0).sum(),
                "boundary": u[i][near[i]].mean(),
                "quantile": np.quantile(u[i], 0.9),
            }
            for how, value in expected.items():
                found = aggregate_uncertainty(u, mask, how=how, width=2, q=0.9)
                assert found.shape == (4,)
                assert found[i] == pytest.approx(value), how

    def test_an_empty_mask_has_the_mean_of_the_image_or_one_pixel(self, maps):
        u, mask = maps
        for how in ("inside", "boundary"):
            assert aggregate_uncertainty(u, mask, how=how)[3] == pytest.approx(
                u[3].mean()
            )
        found = aggregate_uncertainty(u, mask, how="volume")
        assert found[3] == pytest.approx(u[3].sum())

    @pytest.mark.parametrize("how", ["mean", "quantile", *WITH_MASK])
    def test_scores_scale_with_the_uncertainty_and_do_not_see_other_images(
        self, how, maps
    ):
        u, mask = maps
        whole = aggregate_uncertainty(u, mask, how=how)
        np.testing.assert_allclose(
            aggregate_uncertainty(3 * u, mask, how=how), 3 * whole
        )
        for i in range(4):
            own = aggregate_uncertainty(u[i : i + 1], mask[i : i + 1], how=how)
            np.testing.assert_allclose(own, whole[i])

    def test_a_larger_object_has_another_mean_and_the_same_band(
        self,
    ):
        rows, columns = np.mgrid[-40:41, -40:41]
        depth = np.array([10, 30])[:, None, None] - np.hypot(rows, columns)
        u, mask = np.exp(-(depth**2) / 8), depth > 0
        small, large = aggregate_uncertainty(u, mask)
        assert large > 2 * small
        small, large = aggregate_uncertainty(u, mask, how="boundary", width=2)
        assert large == pytest.approx(small, rel=0.05)

    def test_masks_are_bools_or_labels_with_any_background(self, maps):
        u, mask = maps
        for how in WITH_MASK[:2]:
            expected = aggregate_uncertainty(u, mask, how=how)
            as_bool = aggregate_uncertainty(u, mask > 0, how=how)
            other = aggregate_uncertainty(u, mask + 5, how=how, background=5)
            np.testing.assert_array_equal(as_bool, expected)
            np.testing.assert_array_equal(other, expected)

    def test_tensors_are_accepted(self, maps):
        u, mask = (torch.from_numpy(x) for x in maps)
        found = aggregate_uncertainty(u, mask, how="boundary")
        np.testing.assert_allclose(found, aggregate_uncertainty(*maps, how="boundary"))

    @pytest.mark.parametrize("background", [0, None])
    def test_pairwise_dice_is_the_mean_over_all_pairs(self, background, rng):
        draws = rng.integers(3, size=(5, 4, 3, 3))
        draws[:, 1] = 0
        draws[1:, 2] = 0
        found = aggregate_uncertainty(
            None, draws, how="pairwise_dice", background=background
        )
        pairs = [
            mask_overlap(a, b, background=background) for a, b in combinations(draws, 2)
        ]
        np.testing.assert_allclose(found, 1 - np.mean(pairs, axis=0), atol=1e-12)

    def test_draws_that_agree_have_no_uncertainty(self, maps):
        _, mask = maps
        draws = np.stack([mask] * 3)
        found = aggregate_uncertainty(None, draws, how="pairwise_dice")
        np.testing.assert_allclose(found, 0, atol=1e-12)

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"how": "sum"}, "how must be one of"),
            ({"how": "inside", "mask": None}, "needs the mask"),
            ({"how": "inside", "mask": np.zeros((4, 3))}, r"\(4, 9, 8\) and mask"),
            ({"how": "quantile", "q": 1.1}, "q must be in"),
            ({"uncertainty": None}, "uncertainty is None"),
            ({"uncertainty": np.full((2, 3), np.nan)}, "NaN"),
            ({"uncertainty": np.zeros(3)}, r"\(3,\)"),
            ({"how": "pairwise_dice"}, "two members"),
            ({"how": "pairwise_dice", "mask": None}, "two members"),
            ({"how": "pairwise_dice", "mask": np.zeros((1, 2, 3))}, "two members"),
        ],
    )
    def test_what_cannot_be_aggregated_is_refused(self, change, match, maps):
        options = {"uncertainty": maps[0], "mask": np.zeros((9, 8)), **change}
        with pytest.raises(InputError, match=match):
            aggregate_uncertainty(**options)
