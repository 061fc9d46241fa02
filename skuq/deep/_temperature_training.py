"""Adam on the log loss of maps, from a start that the end is never worse than."""

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR
from tqdm import tqdm

from skuq.deep._map_batches import chunks


class Plan(NamedTuple):
    """How to train: the parameters of a `MapTemperatureScaler`."""

    alpha: float
    lr: float
    epochs: int
    batch_size: int
    validation_fraction: float | None
    verbose: bool


class Course(NamedTuple):
    """Log losses of the start and of every epoch, and the epoch that is kept."""

    history: np.ndarray
    best: int


def train_tree(calibration, batches, masses, plan, rng):
    """Train the tree of a calibration in place; returns the `Course`.

    Kept is the epoch of the least log loss of the images held out, or the start where
    that is worse than the start over all images.  Images of mass 0 do not count.
    """
    index = np.flatnonzero(masses)
    train, held_out = split_images(index, plan.validation_fraction, rng)
    tree = calibration.tree
    optimizer = torch.optim.Adam(tree.parameters(), lr=plan.lr)
    schedule = CosineAnnealingLR(optimizer, T_max=max(1, plan.epochs))
    history = [mean_loss(calibration, batches, held_out, plan.batch_size)]
    start = kept = deepcopy(tree.state_dict())
    best, mass, epochs = 0, float(masses[train].sum()), range(1, plan.epochs + 1)
    for epoch in tqdm(
        epochs, disable=not plan.verbose, unit="epoch", desc="Temperatures"
    ):
        for part in chunks(rng.permutation(train), plan.batch_size):
            share = len(part) / len(train)
            with torch.enable_grad():
                loss = _losses(calibration, batches[part]).sum() / share / mass
                penalty = plan.alpha / 2 * _square_of_weights(tree) / len(train)
                optimizer.zero_grad()
                (loss + penalty).backward()
            optimizer.step()
        schedule.step()
        history.append(mean_loss(calibration, batches, held_out, plan.batch_size))
        if history[-1] < history[best]:
            best, kept = epoch, deepcopy(tree.state_dict())
    if best and not _better(kept, start, calibration, batches, index, plan):
        best, kept = 0, start
    tree.load_state_dict(kept)
    return Course(np.array(history), best)


def _better(state, other, calibration, batches, index, plan):
    """Whether the loss over all images is no larger in a state of the tree."""
    losses = []
    for candidate in (state, other):
        calibration.tree.load_state_dict(candidate)
        losses.append(mean_loss(calibration, batches, index, plan.batch_size))
    return losses[0] <= losses[1]


def mean_loss(calibration, batches, index, size):
    """The weighted mean log loss over the positions of the samples `index`."""
    total = torch.zeros(2, dtype=torch.float64)
    with torch.no_grad():
        for part in chunks(index, size):
            batch = batches[part]
            loss = _losses(calibration, batch).sum(dtype=torch.float64)
            mass = batch.weight.sum(dtype=torch.float64)
            total += torch.stack([loss, mass]).cpu()
    return float(total[0] / total[1])


def _square_of_weights(tree):
    """The sum of their squares, without constant terms."""
    return sum(p.square().sum() for p in tree.parameters() if p.ndim > 1)


def _losses(calibration, batch):
    """The weighted log loss of each position."""
    z = calibration.calibrated_logits(batch.scores, batch.image)
    return batch.weight * F.cross_entropy(z, batch.codes, reduction="none")


def split_images(index, selection, rng):
    """Samples to train on, and a stretch of neighbours that tell the best epoch.

    The same for both with None, or where a share would leave none of either.
    """
    n_held_out = 0 if selection is None else int(np.ceil(selection * len(index)))
    if not 0 < n_held_out < len(index):
        return index, index
    first = rng.integers(len(index) - n_held_out + 1)
    held_out = np.arange(first, first + n_held_out)
    return np.delete(index, held_out), index[held_out]
