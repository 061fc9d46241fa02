"""Scores with outcomes, sorted into bins: the one statistic of binned calibration.

A *row* is one binning problem: the only one for top-label and positive-class
calibration, one per class for classwise calibration.  All sums are `(n_rows, n_bins)`.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from skuq._core._accumulator import Accumulator, collected, summed
from skuq._core._arrays import (
    Array,
    array_namespace,
    bincount,
    clip,
    device,
    pick,
    to_library_of,
    to_numpy,
)
from skuq._core._blocks import Block, ScoreTable, Window
from skuq._core._checks import check_confidence, check_proba, check_range
from skuq._core._edges import quantile_edges, uniform_edges
from skuq._core._links import both_rows
from skuq._core._ranking import MOST_OF_A_TIE, is_table, top_of_rows
from skuq._core._threads import map_windows
from skuq.exceptions import InputError

# Scores per window: few operations each, so larger ones pay.
LARGE_BLOCK = 2**20


class Outcomes(NamedTuple):
    """Stated probabilities and what came true.

    score, outcome: `(n_rows, m)`, float and bool; weight: `(m,)` or None.
    """

    score: Array
    outcome: Array
    weight: Array | None


@dataclass(frozen=True)
class Binning:
    """How scores are binned; two statistics add up only if it is equal.

    Parameters
    ----------
    kind : {"top-label", "positive", "classwise"}
        What a score and an outcome are.
    n_bins : int
        Bins over [0, 1], not counting one for exactly 0 or 1.
    strategy : {"uniform", "quantile"}
        Equal widths or equal weights.
    closed : {"right", "left", "left-overflow", "right-underflow"}
        Which edge belongs to a bin.
    edges : {"exact", "numpy", "torch", "division"}
        How equal-width edges are rounded.
    single : bool
        Whether scores are rounded to float32 first.
    """

    kind: str = "top-label"
    n_bins: int = 15
    strategy: str = "uniform"
    closed: str = "right"
    edges: str = "exact"
    single: bool = False

    def uniform(self, dtype: Any) -> np.ndarray:
        """The equal-width edges for scores of `dtype`.

        Edges are in the precision of the scores: a float32 0.1 lies on the edge 0.1.
        """
        name = "float32" if self.single or "float32" in str(dtype) else "float64"
        return uniform_edges(self.n_bins, self.closed, self.edges, name)


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
    score, outcome : ndarray of shape (n_rows, n_samples)
        Stated probabilities and what came true.
    weight : ndarray of shape (n_samples,) or None
        Weights; None if all are one.
    """

    binning: Binning
    score: np.ndarray = collected()
    outcome: np.ndarray = collected()
    weight: np.ndarray | None = collected()

    def edges(self) -> np.ndarray:
        """Edges that put equal weight in each bin of a row, `(n_rows, n_bins + 1)`."""
        n_bins = self.binning.n_bins
        return np.stack([quantile_edges(s, self.weight, n_bins) for s in self.score])

    def binned(self) -> BinSums:
        """The sums in those bins."""
        part = Outcomes(self.score, self.outcome, self.weight)
        sums = sum_in_bins(part, self.edges(), self.binning.closed)
        return BinSums(self.binning, *sums)


def bin_statistic(table: ScoreTable, binning: Binning) -> BinSums | CollectedOutcomes:
    """The statistic of a table: sums, or all outcomes where bins depend on them."""
    if binning.strategy == "quantile":
        return collect(table, binning)
    read = READERS[binning.kind]
    windows = table.windows(LARGE_BLOCK)
    edges = binning.uniform(table.scores.dtype)

    def sums(window: Window) -> np.ndarray:
        part = read(table, window)
        if binning.single:
            xp = array_namespace(part.score)
            part = part._replace(score=xp.astype(part.score, xp.float32))
        return np.stack(sum_in_bins(part, edges, binning.closed))

    return BinSums(binning, *reduce(np.add, map_windows(sums, table, windows)))


def proba_block(table: ScoreTable, window: Window) -> Block:
    """The block of `window` as checked probabilities, two rows or more."""
    scores, codes, weight = table.block(window)
    scores = both_rows(scores, "proba")
    if scores.shape[1]:
        check_proba(scores, array_namespace(scores).sum(scores, axis=0))
    return Block(scores, codes, weight)


def _top_label(table: ScoreTable, window: Window) -> Outcomes:
    """The largest probability, and whether its class (the first on ties) is true."""
    rows = table.scores[window.samples, ...]
    if is_table(rows) and table.void is None:
        codes, weight = table.targets(window)
        top, right = top_of_rows(rows, codes)
        return Outcomes(top[None, :], right[None, :], weight)
    scores, codes, weight = table.block(window)
    scores = both_rows(scores, "proba")
    xp = array_namespace(scores)
    if scores.shape[1] == 0:
        return Outcomes(scores[:1, :], codes[None, :] == 0, weight)
    top = xp.max(scores, axis=0)
    check_confidence(top, xp.sum(scores, axis=0), scores)
    right = pick(scores, codes) == top
    doubtful = right & (top <= MOST_OF_A_TIE)
    if bool(xp.any(doubtful)):
        tied = xp.take(scores, xp.nonzero(doubtful)[0], axis=1)
        right[doubtful] = xp.argmax(tied, axis=0) == codes[doubtful]
    return Outcomes(top[None, :], right[None, :], weight)


def _positive(table: ScoreTable, window: Window) -> Outcomes:
    """The probability of the second of two classes, and whether it is true."""
    scores, codes, weight = table.block(window)
    if table.n_columns > 2:
        raise InputError(
            f"kind='positive' is for two classes, got {table.n_columns} columns: use "
            "kind='top-label' or kind='classwise'."
        )
    if scores.shape[1]:
        check_range(scores)
    return Outcomes(scores[-1:, :], (codes == 1)[None, :], weight)


def _classwise(table: ScoreTable, window: Window) -> Outcomes:
    """Every probability, and whether its class is true."""
    scores, codes, weight = proba_block(table, window)
    xp = array_namespace(codes)
    classes = xp.arange(scores.shape[0], dtype=xp.int64, device=device(codes))
    return Outcomes(scores, codes[None, :] == classes[:, None], weight)


READERS = {"top-label": _top_label, "positive": _positive, "classwise": _classwise}


def sum_in_bins(
    part: Outcomes, edges: np.ndarray, closed: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums of w, w * score, w * outcome, w squared, each `(n_rows, n_bins)`.

    Equal-width `edges` are `(n_bins + 1,)`; `(n_rows, n_bins + 1)` are each row's own.
    """
    xp = array_namespace(part.score)
    n_rows, n_bins = part.score.shape[0], edges.shape[-1] - 1
    find = uniform_index if edges.ndim == 1 else searched_index
    # One slot per bin and outcome: two counts give all sums.
    index = find(part.score, edges, closed)
    index *= 2
    index += xp.astype(part.outcome, index.dtype)
    slot = xp.astype(index, xp.int64)
    if n_rows > 1:
        row = xp.arange(n_rows, dtype=xp.int64, device=device(slot))
        slot += row[:, None] * (2 * n_bins)
    slot, score = xp.reshape(slot, (-1,)), xp.reshape(part.score, (-1,))
    size, weight, squared = 2 * n_rows * n_bins, part.weight, None
    if weight is not None:
        weight = weight if n_rows == 1 else xp.tile(weight, (n_rows,))
        score = xp.astype(score, weight.dtype) * weight
        squared = bincount(slot, weight * weight, size).reshape(n_rows, n_bins, 2)
    mass = bincount(slot, weight, size).reshape(n_rows, n_bins, 2)
    stated = bincount(slot, score, size).reshape(n_rows, n_bins, 2)
    squared = mass if squared is None else squared
    return mass.sum(-1), stated.sum(-1), mass[..., 1], squared.sum(-1)


def uniform_index(score: Array, edges: np.ndarray, closed: str) -> Array:
    """The bin of each score among bins of equal width, in the dtype of the scores.

    closed="right" takes (lo, hi], the first bin also its lower edge; "left" takes
    [lo, hi), the last bin also its upper edge.  Arithmetic finds the bin, and scores
    within its rounding of an edge are compared with the edge itself.
    """
    xp = array_namespace(score)
    n_bins, start = len(edges) - 1, float(edges[0])
    place = score * (n_bins / (float(edges[-1]) - start))
    if start != 0:
        place = place - start * n_bins / (float(edges[-1]) - start)
    upper = closed.startswith("right")
    edge = xp.ceil(place) if upper else xp.floor(place)
    gap = edge - place if upper else place - edge
    rounding = 8 * n_bins * xp.finfo(score.dtype).eps
    near = (gap < rounding) | (gap > 1 - rounding)
    index = clip(edge - 1 if upper else edge, 0, n_bins - 1)
    if bool(xp.any(near)):
        exact = searched_index(score[near][None, :], edges[None, :], closed)
        index[near] = xp.astype(exact[0, ...], score.dtype)
    return index


def searched_index(score: Array, edges: np.ndarray, closed: str) -> Array:
    """The bin of each score among the edges of its row, as `uniform_index`."""
    xp = array_namespace(score)
    bounds = xp.astype(to_library_of(edges, score), score.dtype)
    side = "left" if closed.startswith("right") else "right"
    rows = [
        xp.searchsorted(bounds[i, 1:-1], score[i, :], side=side)
        for i in range(score.shape[0])
    ]
    return xp.stack(rows)


def collect(table: ScoreTable, binning: Binning) -> CollectedOutcomes:
    """All scores and outcomes of a table, on the host, in the precision they have."""
    read = READERS[binning.kind]
    windows = table.windows(LARGE_BLOCK)
    parts = list(map_windows(lambda w: read(table, w), table, windows))
    if any(part.weight is not None for part in parts):
        weight = np.concatenate([to_numpy(part.weight) for part in parts])
    else:
        weight = None
    return CollectedOutcomes(
        binning,
        np.concatenate([to_numpy(part.score) for part in parts], axis=1),
        np.concatenate([to_numpy(part.outcome) for part in parts], axis=1),
        weight,
    )
