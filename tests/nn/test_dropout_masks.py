"""Masks of dropout: what each depends on, and how many units they keep."""

import numpy as np
import pytest
import torch

from skuq.nn._dropout_masks import AHEAD, Masks, draw_masks

KEY = [7, 123, 0]


def test_a_mask_does_not_depend_on_the_others_that_are_asked_for():
    together = draw_masks(KEY, range(9), 0.3, (5, 11))
    for draw in (0, 3, 8):
        assert torch.equal(draw_masks(KEY, [draw], 0.3, (5, 11))[0], together[draw])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(draw_masks([8, 123, 0], [0], 0.3, (5, 11)), together[:1])


def test_a_longer_mask_begins_as_a_shorter_one():
    longer = draw_masks(KEY, [2], 0.5, (31,))
    for n in (1, 2, 17):
        assert torch.equal(draw_masks(KEY, [2], 0.5, (n,))[0], longer[0, :n])


@pytest.mark.parametrize("p", [0.01, 0.5, 0.9])
def test_units_are_kept_with_probability_one_less_p(p):
    masks = draw_masks(KEY, range(100), p, (4000,)).double()
    error = np.sqrt(p * (1 - p) / masks.numel())
    assert abs(float(masks.mean()) - (1 - p)) < 5 * error
    # Nor does a unit know of its neighbour, or of itself in the next draw.
    for shifted, kept in ((masks[:, 1:], masks[:, :-1]), (masks[1:], masks[:-1])):
        agreement = float((shifted * kept).mean()) - (1 - p) ** 2
        assert abs(agreement) < 5 * (1 - p) / np.sqrt(kept.numel())


def test_all_units_may_be_dropped():
    assert not draw_masks(KEY, [0, 1], 1.0, (8,)).any()


@pytest.mark.parametrize("shared", [True, False])
def test_factors_are_the_mask_over_the_share_that_is_kept(shared):
    x = torch.ones(3, 6)
    for draw in (0, 5, AHEAD, 3 * AHEAD + 1):
        found = []
        for read in (Masks.factors, Masks.keep):
            masks = Masks(1, shared=shared)
            masks.start([draw], 3, 0)
            found.append(read(masks, "layer", 0.25, (3, 6), x))
        factors, keep = found
        assert torch.equal(factors, keep / 0.75)


def test_masks_that_find_no_room_are_the_same(monkeypatch):
    def first(draw):
        masks = Masks(1)
        masks.start([draw], 3, 0)
        return masks.factors("layer", 0.25, (3, 6), torch.ones(3, 6))

    kept = [first(draw) for draw in range(4)]
    monkeypatch.setattr("skuq.nn._dropout_masks.MEMORY", 0)
    assert all(torch.equal(first(draw), kept[draw]) for draw in range(4))
