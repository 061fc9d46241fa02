"""Scenes for ``benchmarks.segmentation``: to train on, to choose by, to judge."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from skuq.datasets import load_maps

SETS = ("camvid", "isbi")
VOID = 255  # where a set has no void pixels
CROP = 256  # pixels, of membranes: quarters of a slice
STRETCH = 13  # frames
TRAIN, VAL = 20, 25  # slices 0 to 19, 20 to 24, 25 to 29


class Part(NamedTuple):
    """Images `(n, channels, h, w)` in [0, 1] and labels `(n, h, w)`."""

    images: np.ndarray
    y: np.ndarray


class Scenes(NamedTuple):
    """A set in three parts; ``void`` is the label of pixels that do not count."""

    name: str
    n_classes: int
    void: int
    train: Part
    val: Part
    test: Part


def load_scenes(folder, name):
    """The scenes of a set by its name."""
    return (_camvid if name == "camvid" else _membranes)(Path(folder))


def by_stretches(scenes):
    """Every second stretch of the test images to choose by, the others to judge."""
    odd = np.arange(len(scenes.test.y)) // STRETCH % 2 == 1
    val, test = (
        Part(scenes.test.images[which], scenes.test.y[which]) for which in (~odd, odd)
    )
    return scenes._replace(val=val, test=test)


def _camvid(folder):
    parts = [
        load_maps(folder / f"camvid_120x160_{part}.npz")
        for part in ("train", "val", "test")
    ]
    n_classes = len(parts[0].classes)
    void = parts[0].ignore_index
    return Scenes("camvid", n_classes, void, *(Part(p.images, p.y) for p in parts))


def _membranes(folder):
    maps = load_maps(folder / "isbi_em.npz")
    images, y = maps.images, maps.y
    starts = range(0, y.shape[1], CROP)
    cuts = [(slice(a, a + CROP), slice(b, b + CROP)) for a in starts for b in starts]

    def part(slices):
        return Part(
            np.concatenate([images[slices, :, rows, cols] for rows, cols in cuts]),
            np.concatenate([y[slices, rows, cols] for rows, cols in cuts]),
        )

    parts = map(part, (slice(0, TRAIN), slice(TRAIN, VAL), slice(VAL, None)))
    return Scenes("isbi", 2, VOID, *parts)
