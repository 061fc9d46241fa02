"""The tree that gives a temperature for each pixel."""

import numpy as np
import pytest
import torch

from skuq.exceptions import InputError
from skuq.nn import LocalTemperatureCalibration, TemperatureTree


def test_the_tree_starts_at_zero_with_gates_that_learn():
    torch.manual_seed(0)
    tree = TemperatureTree(3, 2)
    z, image = torch.randn(2, 3, 9, 9), torch.randn(2, 2, 9, 9)
    assert not tree(z, image).any()
    y = torch.randint(3, (2, 9, 9))
    module = LocalTemperatureCalibration(tree, 2.0)
    optimizer = torch.optim.Adam(tree.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module.calibrated_logits(z, image), y)
        loss.backward()
        optimizer.step()
    weight = tree.branches.weight
    assert weight.grad.abs().amax((1, 2, 3)).min() > 0  # every gate, every leaf
    leaves = weight[:4].detach().flatten(1)
    assert torch.pdist(leaves).min() > 1e-3  # no two are the same


def test_the_tree_is_its_formula():
    torch.manual_seed(0)
    tree = TemperatureTree(
        2, 1, kernel_size=1, logit_scale=2.0, image_center=3.0, image_scale=5.0
    )
    with torch.no_grad():
        for parameter in tree.parameters():
            parameter.copy_(torch.randn_like(parameter))
    z, image = torch.randn(1, 2, 1, 1), torch.randn(1, 1, 1, 1)
    x = (z - z.mean()).flatten() / 2
    branches = tree.branches.weight.flatten(1) @ x + tree.branches.bias
    (a, b, c, d), (f, g, h, k) = branches[:4], branches[4:].sigmoid()
    mixed = h * (f * a + (1 - f) * b) + (1 - h) * (g * c + (1 - g) * d)
    of_image = tree.leaf.weight.flatten() * (image.flatten() - 3) / 5 + tree.leaf.bias
    expected = k * mixed + (1 - k) * of_image
    bound = np.log(100)
    expected = bound * torch.tanh(expected / bound)
    torch.testing.assert_close(tree(z, image).flatten(), expected)


def test_a_constant_added_to_all_logits_and_gradients_pass():
    torch.manual_seed(0)
    tree = TemperatureTree(3)
    torch.nn.init.normal_(tree.branches.weight)
    z = torch.randn(1, 3, 5, 5, requires_grad=True)
    torch.testing.assert_close(tree(z + 7), tree(z), rtol=1e-4, atol=1e-4)
    LocalTemperatureCalibration(tree)(z)[0, 0].sum().backward()
    assert z.grad.abs().min() > 0


@pytest.mark.parametrize("bad", [{"kernel_size": 2}, {"dilation": 0}])
def test_bad_convolutions_are_refused(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        TemperatureTree(3, **bad)


def test_a_tree_of_images_needs_one():
    with pytest.raises(InputError, match=r"image is None"):
        TemperatureTree(3, 1)(torch.zeros(1, 3, 2, 2))
