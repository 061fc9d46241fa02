"""Adam on the log loss of maps, from a start that the end is never worse than."""

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR
from tqdm import tqdm

from skuq.deep._map_batches import chunks


class Course(NamedTuple):
    """Log losses of the start and of every epoch, and the epoch that is kept."""

    history: np.ndarray
    best: int


def train_tree(
    calibration, batches, index, masses, *, lr, epochs, size, selection, rng, verbose
):
    """Train the tree of a calibration in place; returns the `Course`.

    Of the samples `index` the share `selection` is held out, if there are two or more,
    and tells the best epoch; with None all of them do.  Where that is worse than the
    start over all samples, the start is what is kept.
    """
    train, held_out = _split(index, selection, rng)
    tree, start = calibration.tree, deepcopy(calibration.tree.state_dict())
    optimizer = torch.optim.Adam(tree.parameters(), lr=lr)
    schedule = CosineAnnealingLR(optimizer, T_max=max(1, epochs))
    unit = float(masses[train].mean()) or 1.0
    history = [mean_loss(calibration, batches, held_out, size)]
    best = 0, start
    for epoch in tqdm(range(1, epochs + 1), disable=not verbose, unit="epoch"):
        for part in chunks(rng.permutation(train), size):
            optimizer.zero_grad()
            with torch.enable_grad():
                loss = _losses(calibration, batches[part]).sum() / (unit * len(part))
                loss.backward()
            optimizer.step()
        schedule.step()
        history.append(mean_loss(calibration, batches, held_out, size))
        if history[-1] < history[best[0]]:
            best = epoch, deepcopy(tree.state_dict())
    if best[0]:
        tree.load_state_dict(start)
        least = mean_loss(calibration, batches, index, size)
        tree.load_state_dict(best[1])
        if not mean_loss(calibration, batches, index, size) <= least:
            best = 0, start
    tree.load_state_dict(best[1])
    return Course(np.array(history), best[0])


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


def _losses(calibration, batch):
    """The weighted log loss of each position."""
    z = calibration.calibrated_logits(batch.scores, batch.image)
    return batch.weight * F.cross_entropy(z, batch.codes, reduction="none")


def _split(index, selection, rng):
    """Samples to train on, and those that tell the best epoch."""
    n_held_out = 0 if selection is None else int(np.ceil(selection * len(index)))
    if not 0 < n_held_out < len(index):
        return index, index
    order = rng.permutation(index)
    return order[n_held_out:], order[:n_held_out]
