"""Label maps with an uncertainty per pixel: what the segmentation metrics are given.

An *image* is an entry of the first axis, a *pixel* a position of the other axes; each
sample of a plain table is an image of one pixel.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import tee
from math import prod
from operator import and_
from typing import Any, NamedTuple

import numpy as np

from skuq._core._arrays import (
    Array,
    array_namespace,
    as_array,
    bincount,
    device,
    host_view,
    is_numpy_array,
    to_library_of,
    to_numpy,
    to_real_floating,
)
from skuq._core._blocks import ScoreTable, Window
from skuq._core._checks import check_weight, host_summary
from skuq._core._threads import SHARED_BLOCK, map_items
from skuq.exceptions import InputError

LONG_ROW = 2**12  # pixels from which a call for each row pays
LEAST_SHARED = 2**22  # pixels from which threads pay
LARGE_BLOCK = 2**21  # pixels counted at a time, by few and fast operations


class Pixels(NamedTuple):
    """Some pixels of some images, all `(n_images, n_pixels)`.

    `images` says which; `counts` is True where a pixel counts, None if all do.
    """

    images: slice
    y_true: Array
    y_pred: Array
    uncertainty: Array
    counts: Array | None

    def flag(self, condition: Array) -> Array:
        """A bool array of the labels in the library and on the device of the rest."""
        return to_library_of(condition, self.uncertainty)


@dataclass(frozen=True)
class PixelTable:
    """Checked label maps, walked in windows so that memory stays small.

    Parameters
    ----------
    y_true, y_pred, uncertainty : array of shape (n_samples, *spatial)
        Labels, and float32 or float64.
    mask : array of the same shape or None
        True where a pixel counts.
    void : label or None
        Value of `y_true` where a pixel does not count.
    weight : ndarray of shape (n_samples,)
        Weights of the images, on the host.
    """

    y_true: Array
    y_pred: Array
    uncertainty: Array
    mask: Array | None
    void: Any
    weight: np.ndarray

    def __iter__(self) -> Iterator[Pixels]:
        """The pixels in order."""
        return map(self.pixels, self.windows())

    def windows(self, size: int | None = None) -> Iterator[Window]:
        """Windows in order, each of about `size` pixels, by default one block."""
        table = ScoreTable(self.uncertainty[:, None, ...])
        return table.windows(size, most=LARGE_BLOCK)

    def pixels(self, window: Window) -> Pixels:
        """The checked pixels of a window."""
        y_true = _labels(self.y_true, window, "y_true")
        y_pred = _labels(self.y_pred, window, "y_pred")
        u = _rows(self.uncertainty, window)
        counts = self._counts(window, y_true, u)
        _check_finite(u, counts)
        y_pred = to_library_of(y_pred, y_true)
        return Pixels(window.samples, y_true, y_pred, u, counts)

    def _counts(self, window: Window, y_true: Array, u: Array) -> Array | None:
        conditions = []
        if self.mask is not None:
            conditions.append(_rows(self.mask, window))
        if self.void is not None:
            conditions.append(y_true != self.void)
        weight = self.weight[window.samples, None]
        if not weight.all():  # an image without weight leaves no trace
            conditions.append(np.repeat(weight > 0, u.shape[1], axis=1))
        if not conditions:
            return None
        return reduce(and_, [to_library_of(x, u) for x in conditions])


def pixel_table(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    mask: Any = None,
    ignore_index: Any = None,
) -> PixelTable:
    """Label maps that fit together, with one weight per image."""
    y, p = host_view(as_array(y_true)), host_view(as_array(y_pred))
    u = host_view(to_real_floating(as_array(uncertainty), "uncertainty"))
    _check_shapes(y, p, u)
    check_same_kind(y, p, "y_pred")
    if mask is not None:
        mask = host_view(as_array(mask))
        if "bool" not in str(mask.dtype) or tuple(mask.shape) != tuple(y.shape):
            raise InputError(
                f"mask has shape {tuple(mask.shape)} and dtype {mask.dtype}: expected "
                f"bool of shape {tuple(y.shape)}, True where a pixel counts."
            )
    one = np.ones(u.shape[0])
    weight = check_weight(sample_weight, one, one)
    weight = one if weight is None else weight.astype(np.float64)
    return PixelTable(y, p, u, mask, ignore_index, weight)


def _check_shapes(y: Array, p: Array, u: Array) -> None:
    shapes = [tuple(x.shape) for x in (y, p, u)]
    if len(set(shapes)) > 1:
        hint = ""
        if p.ndim == y.ndim + 1:
            hint = " If y_pred holds probabilities, pass their argmax over axis 1."
        raise InputError(
            f"y_true has shape {shapes[0]}, y_pred {shapes[1]} and uncertainty "
            f"{shapes[2]}: all need one shape, (n_samples, *spatial).{hint}"
        )
    if y.ndim == 0:
        raise InputError("y_true must have shape (n_samples, *spatial), got a scalar.")
    if 0 in shapes[0]:
        raise InputError(
            f"y_true of shape {shapes[0]} is empty: pass a sample or more."
        )


def check_same_kind(y: Array, other: Any, name: str) -> None:
    """Refuse text beside numbers, which would differ everywhere without a word."""
    other = as_array(other)
    kinds = {_kind(y), _kind(other)} - {"object"}
    if len(kinds) > 1:
        raise InputError(
            f"y_true holds {_kind(y)} such as {host_summary(y, 2)} but {name} holds "
            f"{_kind(other)} such as {host_summary(other, 2)}: use the same labels."
        )


def _kind(x: Array) -> str:
    if not is_numpy_array(x):
        return "numbers"
    return {"U": "text", "S": "text", "T": "text", "O": "object"}.get(
        x.dtype.kind, "numbers"
    )


def _rows(x: Array, window: Window) -> Array:
    """The values of `window` as `(n_images, n_pixels)`."""
    part = x[window.samples, ...]
    flat = array_namespace(part).reshape(part, (part.shape[0], -1))
    return flat[:, window.pixels]


def _labels(y: Array, window: Window, name: str) -> Array:
    part = _rows(y, window)
    xp = array_namespace(part)
    if "float" in str(part.dtype) and bool(xp.any(part != xp.floor(part))):
        raise InputError(
            f"{name} holds numbers such as {host_summary(part[part != xp.floor(part)])}"
            ": labels must be classes, not NaN and not probabilities."
        )
    return part


def _check_finite(u: Array, counts: Array | None) -> None:
    """Refuse NaN and infinity where a pixel counts; elsewhere they may stand."""
    xp = array_namespace(u)
    if bool(xp.isfinite(xp.min(u))) and bool(xp.isfinite(xp.max(u))):
        return
    wrong = ~xp.isfinite(u) if counts is None else ~xp.isfinite(u) & counts
    if bool(xp.any(wrong)):
        raise InputError(
            f"uncertainty holds {host_summary(u[wrong], 1)}: values must be finite. "
            "Repair them, or leave their pixels out with mask=."
        )


def count_codes(
    table: PixelTable,
    count: Callable[[Pixels], np.ndarray],
    n_codes: int,
    *,
    pooled: bool,
    threads: bool,
) -> np.ndarray:
    """How many pixels of each image have each code, `(n_codes, n_images)`.

    `count` says so of some pixels, `(n_images, n_codes)`.  With `pooled` there is one
    column, the sum over images by their weights.

    `threads` are for a `count` of long operations, and for many pixels.  Between a few
    short ones they wait for the interpreter; larger windows serve those better.
    """
    n_images = table.weight.shape[0]
    total = np.zeros((1 if pooled else n_images, n_codes))
    large = prod(table.uncertainty.shape) >= LEAST_SHARED
    size = SHARED_BLOCK if threads else LARGE_BLOCK
    threads = threads and large and is_numpy_array(table.uncertainty)

    def counted(window: Window) -> np.ndarray:
        return count(table.pixels(window))

    places, work = tee(table.windows(size))
    parts = map_items(counted, work, threads=threads)
    for window, part in zip(places, parts, strict=True):
        if pooled:
            total[0] += table.weight[window.samples] @ part
        else:
            total[window.samples] += part
    return total.T


def count_by_image(code: Array, counts: Array | None, n_codes: int) -> np.ndarray:
    """How many pixels of each row have each code, `(n_images, n_codes)`."""
    n_images, n_slots = code.shape[0], n_codes
    xp = array_namespace(code)
    if counts is not None:  # the others share a slot that is cut off
        code, n_slots = xp.where(counts, code, n_codes), n_codes + 1
    if n_images > 1:
        image = xp.arange(n_images, dtype=code.dtype, device=device(code))
        code = code + n_slots * image[:, None]
    flat = bincount(xp.reshape(code, (-1,)), None, n_images * n_slots)
    return flat.reshape(n_images, n_slots)[:, :n_codes]


def count_pairs(high: Array, low: Array, counts: Array | None) -> np.ndarray:
    """`count_by_image` of ``to_code(high, low)``, without the codes."""
    if counts is not None:
        high, low = high & counts, low & counts
    size = row_sizes(high, counts)
    both, highs, lows = (count_true(x) for x in (high & low, high, low))
    pairs = [size - highs - lows + both, lows - both, highs - both, both]
    return np.stack(pairs, axis=1)


def row_sizes(flags: Array, counts: Array | None) -> np.ndarray:
    """How many pixels count in each row of flags, `(n_images,)`."""
    if counts is None:
        return np.full(flags.shape[0], flags.shape[1])
    return count_true(counts)


def count_true(flags: Array) -> np.ndarray:
    """How many are True in each row, `(n_images,)`, on the host."""
    if is_numpy_array(flags) and flags.shape[1] >= LONG_ROW:
        return np.array([np.count_nonzero(row) for row in flags])
    xp = array_namespace(flags)
    return to_numpy(xp.sum(xp.astype(flags, xp.int64), axis=1))


def to_code(*flags: Array) -> Array:
    """Bool arrays as the digits of a binary number, the first one highest."""
    xp = array_namespace(flags[0])
    code = xp.astype(flags[0], xp.int64)
    for flag in flags[1:]:
        code = 2 * code + xp.astype(flag, xp.int64)
    return code


def kept(values: Array, pixels: Pixels) -> np.ndarray:
    """Those values whose pixels count, one after the other, on the host."""
    if pixels.counts is None:
        return to_numpy(values).reshape(-1)
    return to_numpy(values[pixels.counts])
