"""Scores that come in batches, read anew for every pass of a solver.

A `BatchedTable` serves a solver as a `ScoreTable` does, and holds one batch at a time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from skuq._core._arrays import Array, array_namespace
from skuq._core._blocks import Block, ScoreTable
from skuq.exceptions import InputError

MOST_PIXELS = 64  # of one map in a sample of a stream


@dataclass(frozen=True)
class BatchedTable:
    """Labelled scores in several tables, of which one exists at a time.

    Parameters
    ----------
    tables : callable
        Gives an iterator over the tables, a new one at each call.
    n_columns : int
        Score columns of every table.
    n_positions : int
        Samples, or pixels of maps, in all tables together.
    sample : BatchedTable, optional
        Some of the positions, for a rough fit.
    """

    tables: Callable[[], Iterator[ScoreTable]]
    n_columns: int
    n_positions: int
    sample: "BatchedTable | None" = None

    @property
    def n_classes(self) -> int:
        """Number of classes, at least 2."""
        return max(2, self.n_columns)

    @property
    def n_scores(self) -> int:
        """Number of scores, void ones too."""
        return self.n_positions * self.n_columns

    def thinned(self, size: int) -> "BatchedTable | None":
        """The sample; None where less than 4 times `size` are there."""
        return None if self.n_positions < 4 * size else self.sample

    def blocks(
        self, size: int | None = None, *, copy: bool | None = None
    ) -> Iterator[Block]:
        """The blocks of all tables in order, as `ScoreTable.blocks` gives them."""
        for table in self.tables():
            yield from table.blocks(size, copy=copy)


Source = ScoreTable | BatchedTable


class Batch(NamedTuple):
    """Checked scores, labels of any type, and weights or None."""

    scores: Array
    y: Array
    weight: Array | None


def reader_of(batches: Any) -> Callable[[], Iterator[Any]]:
    """A function that starts to read `batches` anew; an error for one-shot iterators.

    A solver makes several passes, and a generator is empty after the first.
    """
    if not hasattr(batches, "__iter__"):
        if callable(batches):
            return lambda: iter(batches())
        raise InputError(
            f"batches must be an iterable of (X, y) or (X, y, sample_weight), or a "
            f"function that returns one, got {type(batches).__name__}."
        )
    if iter(batches) is batches:
        raise InputError(
            f"batches is a {type(batches).__name__}, which can be read only once, but "
            "the fit makes several passes: pass a list, a DataLoader, or a function "
            "that returns a new iterator, such as `lambda: make_batches()`."
        )
    return lambda: iter(batches)


def unpack(batch: Any) -> tuple[Any, Any, Any]:
    """X, y and the weights or None of a batch."""
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        size = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
        raise InputError(
            f"each batch must be a tuple (X, y) or (X, y, sample_weight), got "
            f"{type(batch).__name__}{size}."
        )
    return batch[0], batch[1], batch[2] if len(batch) == 3 else None


class Sample:
    """Evenly spaced samples of a stream of unknown length, in bounded memory.

    Every sample is kept at first.  Whenever the positions are more than `limit`, every
    second one goes, and from then on only one of twice as many is kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.stride, self.n_seen, self.n_kept = 1, 0, 0
        self._parts: list[tuple[int, Batch]] = []  # with the number of the first

    def add(self, batch: Batch) -> None:
        """Keep some of the samples of `batch`, as copies."""
        n = int(batch.scores.shape[0])
        start, self.n_seen = self.n_seen, self.n_seen + n
        batch = _fewer_pixels(batch)
        pixels = int(batch.scores.shape[2]) if batch.scores.ndim > 2 else 1
        while self.n_kept + n * pixels // self.stride > self.limit:
            self._halve()
        self._keep(start, batch, 1)

    def batches(self) -> list[Batch]:
        """What was kept, in order."""
        return [batch for _, batch in self._parts]

    def _halve(self) -> None:
        old, self.stride = self._parts, 2 * self.stride
        self._parts, self.n_kept = [], 0
        for start, batch in old:
            self._keep(start, batch, self.stride // 2)

    def _keep(self, start: int, batch: Batch, step: int) -> None:
        """Keep those whose number the stride divides, of samples `step` apart."""
        first = -start % self.stride // step
        cut = slice(first, None, self.stride // step)
        scores, y = (_copy(x[cut, ...]) for x in batch[:2])
        weight = None if batch.weight is None else _copy(batch.weight[cut, ...])
        if y.shape[0]:
            self._parts.append((start + first * step, Batch(scores, y, weight)))
            self.n_kept += array_size(y)


def array_size(x: Array) -> int:
    """Number of elements."""
    return prod(int(length) for length in x.shape)


def _fewer_pixels(batch: Batch) -> Batch:
    """Maps as rows of at most `MOST_PIXELS` evenly spaced pixels, as views."""
    scores, y, weight = batch
    if scores.ndim < 3:
        return batch
    xp = array_namespace(scores)
    scores = xp.reshape(scores, (*scores.shape[:2], -1))
    cut = slice(None, None, -(-int(scores.shape[2]) // MOST_PIXELS))
    y = array_namespace(y).reshape(y, (y.shape[0], -1))[:, cut]
    if weight is not None and weight.ndim > 1:
        weight = xp.reshape(weight, (weight.shape[0], -1))[:, cut]
    return Batch(scores[:, :, cut], y, weight)


def _copy(x: Array) -> Array:
    return array_namespace(x).asarray(x, copy=True)
