"""Adam on the log loss of maps, from a start that the end is never worse than."""

from copy import deepcopy
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR
from tqdm import tqdm

from skuq.deep._map_batches import chunks
from skuq.exceptions import InputError

MOST_FOLDS = 5  # trainings beside that of all images


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
    tree, size = calibration.tree, plan.batch_size
    history = [mean_loss(calibration, batches, held_out, size)]
    start = kept = deepcopy(tree.state_dict())
    best = 0
    for epoch in epochs(calibration, batches, masses, train, plan, rng):
        history.append(mean_loss(calibration, batches, held_out, size))
        if history[-1] < history[best]:
            best, kept = epoch, deepcopy(tree.state_dict())
    best = _settle(calibration, best, kept, start, batches, index, plan)
    return Course(np.array(history), best)


def train_across(made, batches, masses, folds, plan, rng):
    """A calibration trained for as long as it helps images of other groups.

    Each of `folds`, pairs of images to train on and of images held out, trains one of
    its own.  The epoch of the least log loss of all images held out is that at which
    the last one, of all images, stops; it stays at its start where it is worse than
    that over all images.

    Parameters
    ----------
    made : callable
        Gives a calibration that was fitted to some images, before its tree is trained.
    batches, masses, plan, rng
        As of `train_tree`.
    folds : list of tuple of two arrays
        Numbers of the images, those of mass above 0; each is held out once.

    Returns
    -------
    calibration : LocalTemperatureCalibration
        The trained one.
    course : Course
        With the mean losses of the images held out.
    """
    total, size = np.zeros(plan.epochs + 1), plan.batch_size
    for train, held_out in folds:
        calibration = made(train)
        losses = [mean_loss(calibration, batches, held_out, size)]
        for _ in epochs(calibration, batches, masses, train, plan, rng):
            losses.append(mean_loss(calibration, batches, held_out, size))
        total += masses[held_out].sum() * np.array(losses)
    index = np.flatnonzero(masses)
    history = total / masses.sum()  # each image is held out once
    best = int(history.argmin())
    calibration = made(index)
    start = deepcopy(calibration.tree.state_dict())
    for _ in islice(epochs(calibration, batches, masses, index, plan, rng), best):
        pass
    state = deepcopy(calibration.tree.state_dict())
    best = _settle(calibration, best, state, start, batches, index, plan)
    return calibration, Course(history, best)


def epochs(calibration, batches, masses, train, plan, rng):
    """Train on the images `train`; yields the number of each epoch after it."""
    tree = calibration.tree
    optimizer = torch.optim.Adam(tree.parameters(), lr=plan.lr)
    schedule = CosineAnnealingLR(optimizer, T_max=max(1, plan.epochs))
    mass = float(masses[train].sum())
    numbers = range(1, plan.epochs + 1)
    for epoch in tqdm(
        numbers, disable=not plan.verbose, unit="epoch", desc="Temperatures"
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
        yield epoch


def _settle(calibration, best, state, start, batches, index, plan):
    """Leave the tree in its state of the epoch `best`, or at the start; says in which.

    At the start where that has the lower loss over all images.
    """
    if best and not _better(state, start, calibration, batches, index, plan):
        best, state = 0, start
    calibration.tree.load_state_dict(state)
    return best


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


def folds_of(groups, index):
    """Pairs of samples of `index` to train on and to hold out, whole groups at a time.

    Raises
    ------
    InputError
        If there is one group.
    """
    own = groups[index]
    n_groups = len(np.unique(own))
    if n_groups < 2:
        raise InputError(
            f"groups must tell at least 2 groups apart, got {n_groups} among the "
            "images with labels: leave groups out, which holds out a stretch of them."
        )
    splitter = GroupKFold(n_splits=min(MOST_FOLDS, n_groups))
    return [(index[a], index[b]) for a, b in splitter.split(own, groups=own)]
