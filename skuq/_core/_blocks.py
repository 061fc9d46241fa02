"""Scores, labels and weights of any shape, walked in cache-sized class-major blocks.

Every array of skuq is `(n_samples, n_classes, *spatial)` outside.  Inside, all maths
sees blocks `(n_classes, m)`: one column per labelled position, whether it is the row of
a table or the pixel of an image.  Reductions over classes are then additions of long
contiguous rows (3 times faster than along short rows, measured with 10 classes), maps
need no copy, and memory stays at one block however large the input.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    contiguous,
    device,
    is_numpy_array,
    is_torch_array,
)

# Elements per block: with its temporaries about 1 MB of float32, a level-2 cache.  An
# accelerator wants fewer, larger kernels.  So do threads, see `_threads`.
HOST_BLOCK = 2**16
ACCELERATOR_BLOCK = 2**25
MOST = 2**17  # columns of a large one
LEAST = 256  # columns of a block on the host, so that loops over them pay


class Block(NamedTuple):
    """One piece: scores `(n_rows, m)`, class index `(m,)`, weight `(m,)` or None."""

    scores: Array
    codes: Array
    weight: Array | None


class Window(NamedTuple):
    """A run of samples and, in each of them, a run of spatial positions."""

    samples: slice
    pixels: slice


@dataclass(frozen=True)
class ScoreTable:
    """Checked scores with what is known about their rows.

    Parameters
    ----------
    scores : array of shape (n_samples,) or (n_samples, n_columns, *spatial)
        float32 or float64; one column stands for the positive class of two.
    codes : array of shape (n_samples, *spatial), optional
        Column number of the true class.
    weight : array of shape (n_samples,) or (n_samples, *spatial), optional
        Weights, at least 0.
    void : int, optional
        The code of positions that do not count.
    """

    scores: Array
    codes: Array | None = None
    weight: Array | None = None
    void: int | None = None

    @property
    def n_samples(self) -> int:
        """Length of the first axis."""
        return int(self.scores.shape[0])

    @property
    def n_columns(self) -> int:
        """Score columns; 1 for a binary problem given by its positive class."""
        return 1 if self.scores.ndim == 1 else int(self.scores.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes, at least 2."""
        return max(2, self.n_columns)

    @property
    def n_scores(self) -> int:
        """Number of scores, void ones too."""
        return prod(self.scores.shape)

    def thinned(self, size: int) -> "ScoreTable | None":
        """About `size` evenly spaced samples; None where that saves little."""
        few = self.n_samples < 4 * size
        return None if few else self.every(self.n_samples // size)

    def every(self, stride: int) -> "ScoreTable":
        """The samples 0, stride, 2 stride, ... as a view."""
        cut = slice(None, None, stride)
        codes = None if self.codes is None else self.codes[cut, ...]
        weight = None if self.weight is None else self.weight[cut, ...]
        return replace(self, scores=self.scores[cut, ...], codes=codes, weight=weight)

    def windows(self, size: int | None = None, most: int = MOST) -> Iterator[Window]:
        """Windows in order, each of about `size` scores, by default one block.

        On the host of no more than `most` columns, whose temporaries stay small.
        """
        if not _on_host(self.scores):
            size = ACCELERATOR_BLOCK
        elif size is not None:
            size = min(size, most * self.n_columns)
        return _windows(
            self.scores.shape, size or max(HOST_BLOCK, LEAST * self.n_columns)
        )

    def part(self, window: Window) -> Array:
        """The scores of `window` as they lie in memory, in two or three dimensions."""
        part = self.scores[window.samples, ...]
        if part.ndim < 3:
            return part
        n, k = part.shape[:2]
        flat = array_namespace(part).reshape(part, (n, k, -1))
        return flat[:, :, window.pixels]

    def columns(self, window: Window, *, copy: bool = True) -> Array:
        """The scores of `window` as a class-major `(n_columns, m)` block.

        With ``copy=False`` that of a table is a transposed view, not contiguous.
        """
        part = self.part(window)
        if part.ndim == 1:
            return part[None, :]
        if part.ndim == 2:
            return contiguous(part.T) if copy else part.T
        if part.shape[0] == 1:
            return part[0, ...]
        xp = array_namespace(part)
        return xp.reshape(xp.moveaxis(part, 1, 0), (part.shape[1], -1))

    def block(self, window: Window, *, copy: bool = True) -> Block:
        """The positions of `window` that count; there may be none."""
        scores = self.columns(window, copy=copy)
        codes, weight = self.targets(window)
        if self.void is None:
            return Block(scores, codes, weight)
        xp = array_namespace(codes)
        keep = codes != self.void
        if bool(xp.all(keep)):
            return Block(scores, codes, weight)
        weight = None if weight is None else weight[keep]
        columns = xp.nonzero(keep)[0]
        return Block(xp.take(scores, columns, axis=1), codes[keep], weight)

    def blocks(
        self, size: int | None = None, *, copy: bool | None = None
    ) -> Iterator[Block]:
        """The blocks of all windows in order, some of them empty.

        By default, those in numpy are views where they can be.
        """
        copy = not is_numpy_array(self.scores) if copy is None else copy
        for window in self.windows(size):
            yield self.block(window, copy=copy)

    def targets(self, window: Window) -> tuple[Array, Array | None]:
        """Class index and weight of all positions of `window`, void ones too."""
        if self.codes is None:
            raise TypeError("this table of scores has no labels")
        codes = _flat(self.codes, window)
        return codes, self._weight(window, codes)

    def aligned(self, values: Array, window: Window) -> Array:
        """Values of the shape of the labels at the positions that `block` keeps."""
        flat = _flat(values, window)
        if self.void is None or self.codes is None:
            return flat
        return flat[_flat(self.codes, window) != self.void]

    def _weight(self, window: Window, codes: Array) -> Array | None:
        if self.weight is None:
            return None
        xp = array_namespace(self.weight)
        weight = _flat(self.weight, window)
        if weight.shape[0] != codes.shape[0]:  # one weight per image
            weight = xp.repeat(weight, codes.shape[0] // weight.shape[0])
        return xp.astype(weight, accumulator_dtype(weight))


def _windows(full_shape: tuple[int, ...], size: int) -> Iterator[Window]:
    """Cut scores by samples and, where one sample fills a block, by positions."""
    n, *shape = full_shape
    n_columns, n_pixels = (shape[0] if shape else 1), prod(shape[1:])
    samples = max(1, size // max(1, n_columns * n_pixels))
    pixels = max(1, n_pixels if samples > 1 else size // n_columns)
    for start in range(0, n, samples):
        for first in range(0, n_pixels, pixels):
            yield Window(
                slice(start, min(start + samples, n)),
                slice(first, min(first + pixels, n_pixels)),
            )


def _on_host(scores: Array) -> bool:
    return not is_torch_array(scores) or device(scores).type == "cpu"


def _flat(values: Array, window: Window) -> Array:
    """The values `(n_samples,)` or `(n_samples, *spatial)` of `window` in one row."""
    part = values[window.samples, ...]
    if part.ndim == 1:
        return part
    xp = array_namespace(part)
    part = xp.reshape(part, (part.shape[0], -1))[:, window.pixels]
    return xp.reshape(part, (-1,))


def put(out: Array, window: Window, block: Array) -> None:
    """Write a class-major block into `out` of shape (n_samples, n_rows, *spatial)."""
    if out.ndim == 2:
        out[window.samples, :] = block.T
        return
    xp = array_namespace(out)
    shape = (*out.shape[:2], prod(out.shape[2:]))
    flat = xp.reshape(out, shape)  # a view, since out is our own
    part = xp.reshape(block, (block.shape[0], -1, _length(window.pixels, flat)))
    flat[window.samples, :, window.pixels] = xp.moveaxis(part, 1, 0)


def _length(pixels: slice, flat: Array) -> int:
    return len(range(*pixels.indices(flat.shape[2])))
