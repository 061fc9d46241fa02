"""Scores with outcomes, sorted into bins: the one statistic of binned calibration.

A *row* is one binning problem: the only one for top-label and positive-class
calibration, one per class for classwise calibration, and one per predicted class for
top-label calibration given the class.  All sums are `(n_rows, n_bins)`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from skuq._core._accumulator import Accumulator, collected, summed
from skuq._core._arrays import (
    Array,
    array_namespace,
    bincount,
    device,
    is_numpy_array,
    to_library_of,
    to_numpy,
)
from skuq._core._blocks import ScoreTable, Window
from skuq._core._edges import uniform_edges
from skuq._core._outcomes import READERS, WHOLE_ROWS, Outcomes, row_count
from skuq._core._quantile_edges import ordered_edges, sweep_edges
from skuq._core._sorting import Ordered, sort_outcomes, sums_between
from skuq._core._threads import SHARED_BLOCK, map_windows

MOST_SMALL_BINS = 63  # twice as many slots fit into 8 bits


@dataclass(frozen=True)
class Binning:
    """How scores are binned; two statistics add up only if it is equal.

    Parameters
    ----------
    kind : {"top-label", "positive", "classwise", "predicted-class"}
        What a score and an outcome are.
    n_bins : int or "sweep"
        Bins over [0, 1], not counting one for exactly 0 or 1; or as many as a sweep
        finds.
    strategy : {"uniform", "quantile"}
        Equal widths or equal weights.
    closed : {"right", "left", "left-overflow", "right-underflow"}
        Which edge belongs to a bin.
    edges : {"exact", "numpy", "torch", "division"}
        How equal-width edges are rounded.
    single : bool
        Whether scores are rounded to float32 first.
    quantiles : {"inverted-cdf", "linear", "linear-underflow", "midpoint"}
        How edges of equal weight are found.
    threshold : float
        Scores up to here are left out.
    """

    kind: str = "top-label"
    n_bins: int | str = 15
    strategy: str = "uniform"
    closed: str = "right"
    edges: str = "exact"
    single: bool = False
    quantiles: str = "inverted-cdf"
    threshold: float = 0.0

    @property
    def needs_all(self) -> bool:
        """Whether the bins depend on all samples."""
        return self.strategy == "quantile" or self.n_bins == "sweep"

    def uniform(self, dtype: Any) -> np.ndarray:
        """The equal-width edges for scores of `dtype`.

        Edges are in the precision of the scores: a float32 0.1 lies on the edge 0.1.
        """
        name = "float32" if self.single or "float32" in str(dtype) else "float64"
        return uniform_edges(int(self.n_bins), self.closed, self.edges, name)


@dataclass(frozen=True)
class BinSums(Accumulator):
    """Sums over the samples of each bin, all float64 of shape `(n_rows, n_bins)`.

    Parameters
    ----------
    binning : Binning
        The bins.
    weight, score, outcome, weight_squared : ndarray of shape (n_rows, n_bins)
        Sums of w, w * score, w * outcome and w squared.
    """

    binning: Binning
    weight: np.ndarray = summed()
    score: np.ndarray = summed()
    outcome: np.ndarray = summed()
    weight_squared: np.ndarray = summed()

    def edges(self) -> np.ndarray:
        """Edges of the bins of each row, `(n_rows, n_bins + 1)`."""
        return np.tile(self.binning.uniform("float64"), (len(self.weight), 1))


@dataclass(frozen=True)
class CollectedOutcomes(Accumulator):
    """All scores and outcomes, for bins that depend on all of them.

    Parameters
    ----------
    binning : Binning
        The bins to come.
    n_rows : int
        Number of binning problems.
    score, outcome : ndarray of shape (n_rows, n_samples) or (1, n_samples)
        Stated probabilities and what came true.
    weight : ndarray of shape (n_samples,) or None
        Weights; None if all are one.
    row : ndarray of shape (n_samples,) or None
        The row each sample belongs to, if the samples are divided among the rows.
    """

    binning: Binning
    n_rows: int
    score: np.ndarray = collected()
    outcome: np.ndarray = collected()
    weight: np.ndarray | None = collected()
    row: np.ndarray | None = collected()

    def rows(self) -> Iterator[Ordered]:
        """Scores, outcomes and weights of each row, in no particular order."""
        if self.row is None:
            for score, outcome in zip(self.score, self.outcome, strict=True):
                yield Ordered(score, outcome, self.weight)
            return
        for i in range(self.n_rows):
            own = self.row == i
            weight = None if self.weight is None else self.weight[own]
            yield Ordered(self.score[0, own], self.outcome[0, own], weight)

    def edges(self) -> np.ndarray:
        """Edges of the bins, `(n_rows, n_bins + 1)`; the last of a row may repeat."""
        found = [self._edges_of(sort_outcomes(*row)) for row in self.rows()]
        return _stacked(found, fill=1.0)

    def _edges_of(self, row: Ordered) -> np.ndarray:
        if not len(row.score):
            return np.array([0.0, 1.0])
        n_bins, style = self.binning.n_bins, self.binning.quantiles
        if n_bins == "sweep":
            return sweep_edges(row, self.binning.strategy)
        return ordered_edges(row.score, row.weight, int(n_bins), style)

    def binned(self) -> BinSums:
        """The sums in those bins."""
        found = [self._sums_of(sort_outcomes(*row)) for row in self.rows()]
        return BinSums(self.binning, *np.moveaxis(_stacked(found, fill=0.0), 1, 0))

    def _sums_of(self, row: Ordered) -> np.ndarray:
        inner = self._edges_of(row)[1:-1].astype(row.score.dtype)
        to_the_edge = self.binning.closed.startswith("right")
        cuts = np.searchsorted(row.score, inner, "right" if to_the_edge else "left")
        return _ordered_sums(row, np.concatenate([[0], cuts, [len(row.score)]]))


def _ordered_sums(row: Ordered, cuts: np.ndarray) -> np.ndarray:
    """The four sums of `BinSums` between cuts of a row in order, `(4, n_bins)`."""
    score, outcome, weight = row
    if weight is None:
        mass = np.diff(cuts)
        stated, hits = (sums_between(part, cuts) for part in (score, outcome))
        return np.stack([mass, stated, hits, mass])
    terms = (weight, weight * score, weight * outcome, weight * weight)
    return np.stack([sums_between(term, cuts) for term in terms])


def _stacked(rows: list[np.ndarray], fill: float) -> np.ndarray:
    """The rows, filled up along their last axis to the longest."""
    longest = max(row.shape[-1] for row in rows)
    out = np.full((len(rows), *rows[0].shape[:-1], longest), fill)
    for whole, row in zip(out, rows, strict=True):
        whole[..., : row.shape[-1]] = row
    return out


def bin_statistic(table: ScoreTable, binning: Binning) -> BinSums | CollectedOutcomes:
    """The statistic of a table: sums, or all outcomes where bins depend on them."""
    if binning.needs_all:
        return collect(table, binning)
    read = READERS[binning.kind]
    alone = row_count(table, binning.kind) == 1
    windows = table.windows(WHOLE_ROWS if alone else SHARED_BLOCK)
    edges = binning.uniform(table.scores.dtype)
    n_rows = row_count(table, binning.kind)

    def sums(window: Window) -> np.ndarray:
        part = read(table, window)
        if binning.single:
            xp = array_namespace(part.score)
            part = part._replace(score=xp.astype(part.score, xp.float32))
        return np.stack(sum_in_bins(part, edges, binning.closed, n_rows))

    return BinSums(binning, *reduce(np.add, map_windows(sums, table, windows)))


def sum_in_bins(
    part: Outcomes, edges: np.ndarray, closed: str, n_rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums of w, w * score, w * outcome, w squared, each `(n_rows, n_bins)`.

    Equal-width `edges` are `(n_bins + 1,)`; `(n_rows, n_bins + 1)` are each row's own.
    """
    xp = array_namespace(part.score)
    n_lines, n_bins = part.score.shape[0], edges.shape[-1] - 1
    slot = xp.reshape(slot_of(part, edges, closed, n_rows), (-1,))
    score, weight, squared = xp.reshape(part.score, (-1,)), part.weight, None
    size = 2 * n_rows * n_bins
    if weight is not None:
        weight = weight if n_lines == 1 else xp.tile(weight, (n_lines,))
        score = xp.astype(score, weight.dtype) * weight
        squared = bincount(slot, weight * weight, size).reshape(n_rows, n_bins, 2)
    mass = bincount(slot, weight, size).reshape(n_rows, n_bins, 2)
    stated = bincount(slot, score, size).reshape(n_rows, n_bins, 2)
    squared = mass if squared is None else squared
    return mass.sum(-1), stated.sum(-1), mass[..., 1], squared.sum(-1)


def slot_of(part: Outcomes, edges: np.ndarray, closed: str, n_rows: int) -> Array:
    """One slot per row, bin and outcome, so that two counts give all sums."""
    xp = array_namespace(part.score)
    if edges.ndim == 1:
        index = uniform_index(part.score, edges, closed)
    else:
        index = searched_index(part.score, edges, closed, part.row)
    index *= 2
    index += xp.astype(part.outcome, index.dtype)
    slot = xp.astype(index, xp.int64)
    n_slots = 2 * (edges.shape[-1] - 1)
    if part.row is not None:
        slot += xp.astype(part.row, xp.int64)[None, :] * n_slots
    elif n_rows > 1:
        row = xp.arange(n_rows, dtype=xp.int64, device=device(slot))
        slot += row[:, None] * n_slots
    return slot


def uniform_index(score: Array, edges: np.ndarray, closed: str) -> Array:
    """The bin of each score among bins of equal width, of an integer type.

    closed="right" takes (lo, hi], the first bin also its lower edge; "left" takes
    [lo, hi), the last bin also its upper edge.  Arithmetic that is a quarter of a bin
    short finds the bin or the one below it; the edge between the two decides.
    """
    xp = array_namespace(score)
    n_bins, start = len(edges) - 1, float(edges[0])
    if n_bins * float(xp.finfo(score.dtype).eps) > 1 / 64:
        line = searched_index(xp.reshape(score, (1, -1)), edges[None, :], closed)
        return xp.reshape(line, score.shape)
    per_width = n_bins / (float(edges[-1]) - start)
    place = score * per_width
    place -= start * per_width + 0.25
    small = n_bins <= MOST_SMALL_BINS and is_numpy_array(score)
    index = xp.astype(place, xp.int8 if small else xp.int64)  # towards 0
    upper = to_library_of(np.append(edges[1:-1], np.inf), score)
    bound = xp.take(xp.astype(upper, score.dtype), xp.reshape(index, (-1,)), axis=0)
    bound = xp.reshape(bound, score.shape)
    above = score > bound if closed.startswith("right") else score >= bound
    index += xp.astype(above, index.dtype)
    return index


def searched_index(
    score: Array, edges: np.ndarray, closed: str, row: Array | None = None
) -> Array:
    """The bin of each score among the edges of its row, as `uniform_index`."""
    xp = array_namespace(score)
    bounds = xp.astype(to_library_of(edges, score), score.dtype)
    side = "left" if closed.startswith("right") else "right"
    if row is not None:
        index = xp.zeros(score.shape, dtype=xp.int64, device=device(score))
        for i in range(edges.shape[0]):
            own = row == i
            found = xp.searchsorted(bounds[i, 1:-1], score[0, own], side=side)
            index[0, own] = xp.astype(found, xp.int64)
        return index
    rows = [
        xp.searchsorted(bounds[i, 1:-1], score[i, :], side=side)
        for i in range(score.shape[0])
    ]
    return xp.stack(rows)


def collect(table: ScoreTable, binning: Binning) -> CollectedOutcomes:
    """All scores and outcomes of a table, on the host, in the precision they have.

    Scores of the second class alone, of which all count, are a view of the table's.
    """
    read = READERS[binning.kind]
    scores = table.scores
    alone = binning.kind == "positive" and scores.ndim == 1 and table.void is None
    as_they_are = alone and is_numpy_array(scores)

    def part(window: Window) -> Sequence[Array | None]:
        outcomes = read(table, window)
        return outcomes[1:] if as_they_are else outcomes

    parts = map_windows(part, table, table.windows())
    if binning.kind == "classwise":  # threads would run ahead of what is written
        parts = map(part, table.windows())
    size = table.n_scores // table.n_columns
    n_rows = row_count(table, binning.kind)
    columns = gather(parts, size)
    if as_they_are:
        columns = scores[None, :], *columns
    return CollectedOutcomes(binning, n_rows, *columns)


def gather(parts: Iterable[Sequence[Array | None]], size: int) -> tuple[Any, ...]:
    """The columns of `parts` end to end on the host, up to `size` long, or None.

    Each part is written where it belongs, so that none is held twice.
    """
    whole: list[np.ndarray | None] = []
    stop = 0
    for part in parts:
        columns: list[Any] = [None if x is None else to_numpy(x) for x in part]
        whole = whole or [_room(column, size) for column in columns]
        start, stop = stop, stop + columns[0].shape[-1]
        for out, column in zip(whole, columns, strict=True):
            if out is not None:
                out[..., start:stop] = column
    return tuple(None if out is None else out[..., :stop] for out in whole)


def _room(column: np.ndarray | None, size: int) -> np.ndarray | None:
    """Memory for columns like this one; what is not written takes none."""
    if column is None:
        return None
    return np.empty((*column.shape[:-1], size), column.dtype)
