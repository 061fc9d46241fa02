"""The mergeable statistics behind the overlap of uncertainty and error.

Notation, per image: e error pixels; above a threshold lie k pixels (flagged), h of them
errors (hits).  Images, or all of them together, are the last axis.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from skuq._core._accumulator import Accumulator, collected, summed
from skuq._core._arrays import array_namespace, to_library_of
from skuq._core._checks import check_option
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._pixels import (
    Pixels,
    PixelTable,
    count_by_image,
    count_codes,
    count_pairs,
    count_true,
    kept,
    pixel_table,
    row_sizes,
)

AVERAGES = ("image", "pooled", "error")


@dataclass(frozen=True)
class ImageCounts(Accumulator):
    """How many pixels of each image have each code.

    Parameters
    ----------
    setting : tuple
        What the codes mean.
    counts : ndarray of shape (n_codes, n_images)
        Numbers of pixels.
    weight : ndarray of shape (n_images,)
        Weights of the images.
    """

    setting: tuple[Any, ...]
    counts: np.ndarray = collected()
    weight: np.ndarray = collected()


@dataclass(frozen=True)
class PooledCounts(Accumulator):
    """How many pixels of all images together have each code, `(n_codes, 1)`.

    An image of weight 2 counts twice.
    """

    setting: tuple[Any, ...]
    counts: np.ndarray = summed()

    @property
    def weight(self) -> np.ndarray:
        """That of the single column."""
        return np.ones(1)


Counts = ImageCounts | PooledCounts


@dataclass(frozen=True)
class CollectedPixels(Accumulator):
    """All pixels that count, image by image.

    Parameters
    ----------
    size, errors, weight : ndarray of shape (n_images,)
        Numbers of pixels and of errors, and weight of each image.
    uncertainty : ndarray of shape (n_pixels,)
        In the precision that it was given in.
    wrong : ndarray of shape (n_pixels,), bool
        Whether the predicted label is not the true one.
    """

    size: np.ndarray = collected()
    errors: np.ndarray = collected()
    weight: np.ndarray = collected()
    uncertainty: np.ndarray = collected()
    wrong: np.ndarray = collected()

    def counts(self, threshold: float, average: str) -> Counts:
        """The counts of a single threshold, as `overlap_counts` has them."""
        above = self.uncertainty > threshold
        flagged = self._per_image(above)
        hits = self._per_image(above & self.wrong)
        missed = self.errors - hits
        counts = np.stack([self.size - flagged - missed, missed, flagged - hits, hits])
        if average == "pooled":
            return PooledCounts((threshold,), (counts @ self.weight)[:, None])
        return ImageCounts((threshold,), counts, self.weight)

    def _per_image(self, flags: np.ndarray) -> np.ndarray:
        number, some = np.zeros(len(self.size), dtype=np.int64), self.size > 0
        first = np.cumsum(self.size) - self.size
        if some.any():
            number[some] = np.add.reduceat(flags, first[some], dtype=np.int64)
        return number


def counts_above(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    thresholds: Any,
    average: str = "image",
    **options: Any,
) -> Counts:
    """The mergeable statistic of ascending thresholds."""
    check_option("average", average, AVERAGES)
    bounds = check_thresholds(thresholds)
    return counts_of(
        pixel_table(y_true, y_pred, uncertainty, **options),
        lambda pixels: _count_above(pixels, bounds),
        2 * (len(bounds) + 1),
        setting=tuple(bounds.tolist()),
        pooled=average == "pooled",
        threads=len(bounds) > 1,
    )


def overlap_counts(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    threshold: float = 0.5,
    average: str = "image",
    mask: Any = None,
    ignore_index: Any = None,
) -> Counts:
    """The mergeable statistic of a single threshold."""
    return counts_above(
        y_true,
        y_pred,
        uncertainty,
        thresholds=[check_threshold(threshold)],
        average=average,
        sample_weight=sample_weight,
        mask=mask,
        ignore_index=ignore_index,
    )


def counts_of(
    table: PixelTable,
    count: Callable[[Pixels], np.ndarray],
    n_codes: int,
    *,
    setting: tuple[Any, ...],
    pooled: bool,
    threads: bool,
) -> Counts:
    """Counts of the codes of each image or, `pooled`, of all images."""
    counts = count_codes(table, count, n_codes, pooled=pooled, threads=threads)
    if pooled:
        return PooledCounts(setting, counts)
    return ImageCounts(setting, counts, table.weight)


def check_threshold(threshold: Any) -> float:
    """A threshold as a float."""
    try:
        value = float(threshold)
    except (TypeError, ValueError):
        value = math.nan
    if math.isnan(value):
        raise InputError(f"threshold must be a number, got {threshold!r}.")
    return value


def check_thresholds(thresholds: Any) -> np.ndarray:
    """Ascending thresholds as an array."""
    values = np.asarray(thresholds, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or np.isnan(values).any():
        raise InputError(f"thresholds must be a list of numbers, got {thresholds!r}.")
    if not (values[1:] > values[:-1]).all():
        raise InputError(f"thresholds must be ascending, got {thresholds!r}.")
    return values


def _count_above(pixels: Pixels, thresholds: np.ndarray) -> np.ndarray:
    """Pixels of each code: twice the thresholds below, plus one for an error."""
    u, wrong = pixels.uncertainty, pixels.flag(pixels.y_true != pixels.y_pred)
    if len(thresholds) == 1:
        return count_pairs(u > float(thresholds[0]), wrong, pixels.counts)
    xp = array_namespace(u)
    # In the precision of the uncertainty, as a comparison with a number is.
    bounds = xp.astype(to_library_of(thresholds, u), u.dtype)
    below = xp.searchsorted(bounds, xp.reshape(u, (-1,)), side="left")
    below = xp.reshape(xp.astype(below, xp.int64), u.shape)
    code = 2 * below + xp.astype(wrong, xp.int64)
    return count_by_image(code, pixels.counts, 2 * (len(thresholds) + 1))


def collect_pixels(
    y_true: Any, y_pred: Any, uncertainty: Any, **options: Any
) -> CollectedPixels:
    """The mergeable statistic of the best threshold: all pixels, on the host."""
    table = pixel_table(y_true, y_pred, uncertainty, **options)
    n_pixels = int(np.prod(table.uncertainty.shape))
    single = "float32" in str(table.uncertainty.dtype)
    u = np.empty(n_pixels, dtype=np.float32 if single else np.float64)
    wrong, end = np.empty(n_pixels, dtype=bool), 0
    size = np.zeros(len(table.weight), dtype=np.int64)
    errors = np.zeros(len(table.weight))
    for pixels in table:
        error = pixels.flag(pixels.y_true != pixels.y_pred)
        size[pixels.images] += row_sizes(error, pixels.counts)
        counted = error if pixels.counts is None else error & pixels.counts
        errors[pixels.images] += count_true(counted)
        part = kept(pixels.uncertainty, pixels)
        start, end = end, end + len(part)
        u[start:end], wrong[start:end] = part, kept(error, pixels)
    return CollectedPixels(size, errors, table.weight, u[:end], wrong[:end])


class OverlapRows(NamedTuple):
    """What thresholds do to each image: `(n_images,)`, or `(n_thresholds, n_images)`.

    share: the part of an image in the average; it sums to one.
    """

    share: np.ndarray
    errors: np.ndarray
    flagged: np.ndarray
    hits: np.ndarray


def rows_of(state: Counts, average: str) -> OverlapRows:
    """The rows that counts stand for."""
    table = state.counts.reshape(-1, 2, state.counts.shape[1])
    above = np.cumsum(table[::-1], axis=0)[::-1]  # at least so many thresholds
    size, errors = above[0].sum(axis=0), above[0, 1]
    share = shares(average, size, errors, state.weight)
    return OverlapRows(share, errors, above[1:].sum(axis=1), above[1:, 1])


def shares(
    average: str, size: np.ndarray, errors: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """The part of each image in an average; images without pixels have none."""
    part = np.where(size > 0, weight, 0.0)
    if average == "error" and part @ errors > 0:
        part = part * errors
    if part.sum() == 0:
        raise NoSamplesError(
            "no pixel counts: mask= and ignore_index= leave none in an image whose "
            "sample_weight is above zero."
        )
    return np.asarray(part / part.sum())


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, and 1 where both are 0."""
    result = np.ones(np.broadcast_shapes(part.shape, whole.shape))
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def dice(errors: np.ndarray, flagged: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """The overlap of errors and flagged pixels."""
    return ratio(2 * hits, errors + flagged)
