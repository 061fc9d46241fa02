"""Scenes for ``benchmarks.segmentation``: to train on, to choose by, to judge.

The official validation frames of CamVid are seven seconds of a film of which 204 other
frames are for training, while most test frames are of a film that is not: a network is
more often right on the first, and needs less calibration.  So the film 0006R0, official
training frames too, is not trained on here but chosen by, with the validation frames.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from skuq.datasets import load_maps

SETS = ("camvid", "isbi")
HELD_OUT = "0006R0"  # film of CamVid
VOID = 255  # where a set has no void pixels
CROP = 256  # pixels, of membranes: quarters of a slice
STRETCH = 13  # frames
TRAIN, VAL = 20, 25  # slices 0 to 19, 20 to 24, 25 to 29


class Part(NamedTuple):
    """Images `(n, channels, h, w)` in [0, 1] and labels `(n, h, w)`."""

    images: np.ndarray
    y: np.ndarray


class Scenes(NamedTuple):
    """A set in three parts; ``void`` is the label of pixels that do not count.

    ``sources`` are the films of the images to choose by, or None.
    """

    name: str
    n_classes: int
    void: int
    train: Part
    val: Part
    test: Part
    sources: np.ndarray | None = None


def load_scenes(folder, name):
    """The scenes of a set by its name."""
    return (_camvid if name == "camvid" else _membranes)(Path(folder))


def by_stretches(scenes):
    """Every second stretch of the test images to choose by, the others to judge."""
    odd = np.arange(len(scenes.test.y)) // STRETCH % 2 == 1
    val, test = (those(scenes.test, which) for which in (~odd, odd))
    return scenes._replace(val=val, test=test, sources=None)


def _camvid(folder):
    files = [folder / f"camvid_120x160_{part}.npz" for part in ("train", "val", "test")]
    maps = [load_maps(file) for file in files]
    train, val, test = (Part(m.images, m.y) for m in maps)
    out = _films(files[0]) == HELD_OUT
    return Scenes(
        "camvid",
        n_classes=len(maps[0].classes),
        void=maps[0].ignore_index,
        train=those(train, ~out),
        val=Part(*map(np.concatenate, zip(val, those(train, out), strict=True))),
        test=test,
        sources=np.concatenate([_films(files[1]), _films(files[0])[out]]),
    )


def those(part, which):
    """Some of the images and their labels."""
    return Part(part.images[which], part.y[which])


def _films(path):
    """The film of each frame, from names such as 0006R0_f00930."""
    with np.load(path) as file:
        return np.array([name.split("_")[0] for name in file["names"]])


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
