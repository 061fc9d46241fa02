"""Adversarial training by the fast gradient sign, as a callback of skorch.

Each step minimises ``loss(x) + loss(x')`` with ``x' = x + step * sign(grad loss(x))``.
The gradient of the clean loss serves the weights and the input alike: two passes
forward and two backward.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.nn.modules.batchnorm import _NormBase

from skuq._core._arrays import is_torch_array
from skuq.exceptions import InputError


@dataclass(frozen=True)
class Attack:
    """How inputs are changed.

    `epsilon` is relative to the range of each feature, `mask` says which features are
    changed at all and `clip` holds the lowest and the highest value, or is None.
    """

    epsilon: float
    mask: Any = None
    clip: Any = None

    def steps(self, X):
        """How far each feature moves: 0 where it is constant or left alone."""
        if not (isinstance(X, np.ndarray) or is_torch_array(X)):
            raise InputError(
                f"adversarial training changes arrays, got X of {type(X).__name__}: "
                "pass a numpy array or a tensor, or adversarial=False."
            )
        if not is_torch_array(X):
            X = torch.from_numpy(np.ascontiguousarray(X))
        if not X.is_floating_point():
            raise InputError(
                f"adversarial training changes real numbers, got X of {X.dtype}."
            )
        steps = self.epsilon * (X.amax(0) - X.amin(0))
        if self.mask is None:
            return steps
        mask = torch.as_tensor(np.asarray(self.mask, dtype=bool), device=X.device)
        if mask.shape != steps.shape:
            raise InputError(
                f"adversarial_mask has shape {tuple(mask.shape)}, but a sample has "
                f"{tuple(steps.shape)}: give one truth value for each feature."
            )
        return torch.where(mask, steps, torch.zeros_like(steps))

    def __call__(self, x, gradient, steps):
        """Inputs moved up the loss; `gradient` is that of the loss by `x`."""
        moved = torch.addcmul(x.detach(), steps.to(x), gradient.sign())
        return moved if self.clip is None else moved.clamp(*self.clip)


class Adversary(Callback):
    """Adds the gradient of the loss at changed inputs to that at the batch."""

    def __init__(self, attack):
        self.attack = attack

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Look at the range of the inputs."""
        self.steps_ = self.attack.steps(X).to(net.device)

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        """Ask for the gradient by the inputs."""
        if training:
            batch[0].requires_grad_(True)

    def on_grad_computed(self, net, named_parameters, X=None, batch=None, **kwargs):
        """The second half of the step."""
        x, y = batch
        moved = self.attack(x, x.grad, self.steps_)
        x.grad = None
        with frozen_statistics(net.module_):
            loss = net.get_loss(net.infer(moved), y, X=moved, training=True)
            loss.backward()

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        """Leave the batch as it was."""
        if training:
            batch[0].requires_grad_(False)


@contextmanager
def attacking(net, attack):
    """A net that trains against `attack` for the time of the block."""
    if attack is None:
        yield
        return
    adversary = ("skuq_adversary", Adversary(attack))
    net.callbacks_.insert(0, adversary)  # before those that clip gradients
    try:
        yield
    finally:
        net.callbacks_.remove(adversary)


@contextmanager
def frozen_statistics(module):
    """Batch normalisation that does not move its running statistics."""
    tracking = [
        part
        for part in module.modules()
        if isinstance(part, _NormBase) and part.track_running_stats
    ]
    for part in tracking:
        part.track_running_stats = False
    try:
        yield
    finally:
        for part in tracking:
            part.track_running_stats = True
