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
    is_numpy_array,
    pick,
    to_library_of,
    to_numpy,
)
from skuq._core._blocks import Block, ScoreTable, Window
from skuq._core._checks import RANGE_TOLERANCE, SUM_TOLERANCE
from skuq._core._edges import quantile_edges, uniform_edges
from skuq._core._links import both_rows
from skuq.exceptions import InputError

# Scores per window: few operations each, so larger ones pay.  (Threads were tried: they
# gain a third on an idle machine, and lose as much beside those of torch.)
LARGE_BLOCK = 2**20
CACHED = 2**18  # scores that a level-2 cache holds
MOST_OF_A_TIE = (1 + SUM_TOLERANCE) / 2  # two equal probabilities are at most this
LONG_ROW = 32  # classes from which a reduction along the row of a table is faster


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
    weight : ndarray of shape (n_samples,)
        Weights.
    """

    binning: Binning
    score: np.ndarray = collected()
    outcome: np.ndarray = collected()
    weight: np.ndarray = collected()

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
    read = READERS[binning.kind]
    windows = table.windows(LARGE_BLOCK)
    if binning.strategy == "quantile":
        parts = [read(table, window) for window in windows]
        return CollectedOutcomes(binning, *_collect(parts))
    edges = binning.uniform(table.scores.dtype)

    def sums(window: Window) -> np.ndarray:
        part = read(table, window)
        if binning.single:
            xp = array_namespace(part.score)
            part = part._replace(score=xp.astype(part.score, xp.float32))
        return np.stack(sum_in_bins(part, edges, binning.closed))

    return BinSums(binning, *reduce(np.add, map(sums, windows)))


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
    if _is_table(rows) and table.void is None:
        codes, weight = table.targets(window)
        top, right = _top_of_rows(rows, codes)
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


def _is_table(rows: Array) -> bool:
    return bool(
        is_numpy_array(rows)
        and rows.ndim == 2
        and rows.shape[1] > 1
        and rows.flags.c_contiguous
    )


def _top_of_rows(rows: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_top_label` for the rows of a table, in cached pieces and reused memory."""
    n, k = rows.shape
    top, right = np.empty(n, rows.dtype), np.empty(n, dtype=bool)
    step = max(1, CACHED // k)
    kind: type[_LongRows] | type[_ShortRows] = (
        _LongRows if k >= LONG_ROW else _ShortRows
    )
    find = kind(k, step, rows.dtype)
    for i in range(0, n, step):
        part, y = rows[i : i + step], codes[i : i + step]
        high, hit = top[i : i + step], right[i : i + step]
        row_sum, doubtful = find(part, y, high, hit)
        check_confidence(high, row_sum, part)
        if len(doubtful):
            hit[doubtful] = part[doubtful].argmax(axis=1) == y[doubtful]
    return top, right


class _ShortRows:
    """Largest values of short rows, by columns: along a row the loop is too short."""

    def __init__(self, k: int, step: int, dtype: np.dtype) -> None:
        self.columns = np.empty((k, step), dtype)
        self.equal = np.empty((k, step), dtype=bool)
        self.place = np.empty(step, np.intp)
        self.ones, self.counting = np.ones(k, dtype), np.arange(step)

    def __call__(
        self, part: np.ndarray, y: np.ndarray, top: np.ndarray, hit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fill `top` and `hit`; the sums of the rows, and rows that may be tied."""
        n, step = len(part), self.columns.shape[1]
        columns, equal, place = self.columns[:, :n], self.equal[:, :n], self.place[:n]
        np.copyto(columns, part.T)
        np.maximum.reduce(columns, axis=0, out=top)
        np.equal(columns, top, out=equal)
        np.multiply(y, step, out=place, casting="unsafe", dtype=np.intp)
        place += self.counting[:n]
        np.copyto(hit, self.equal.reshape(-1).take(place))
        tied = np.count_nonzero(equal) > n
        doubtful = np.flatnonzero(hit) if tied else place[:0]
        return self.ones @ columns, doubtful


class _LongRows:
    """Largest values of long rows, along them: 3 times faster with 100 classes."""

    def __init__(self, k: int, step: int, dtype: np.dtype) -> None:
        self.ones, self.starts = np.ones(k, dtype), np.arange(0, step * k, k)

    def __call__(
        self, part: np.ndarray, y: np.ndarray, top: np.ndarray, hit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fill `top` and `hit`; the sums of the rows, and rows that may be tied."""
        flat, starts = part.reshape(-1), self.starts[: len(part)]
        np.maximum.reduceat(flat, starts, out=top)
        np.equal(flat.take(starts + y), top, out=hit)
        doubtful = np.flatnonzero(hit & (top <= MOST_OF_A_TIE))
        equal = part.take(doubtful, axis=0) == top[doubtful, None]
        tied = np.count_nonzero(equal) > len(doubtful)
        return part @ self.ones, doubtful if tied else doubtful[:0]


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


def check_confidence(top: Array, row_sum: Array, p: Array) -> None:
    """Refuse rows of `p` by their largest value and sum, without a pass over all."""
    xp = array_namespace(top)
    error = max(float(xp.max(row_sum)) - 1, 1 - float(xp.min(row_sum)))
    if not (float(xp.max(top)) <= 1 + RANGE_TOLERANCE and error <= SUM_TOLERANCE):
        check_proba(p, row_sum)


def check_proba(p: Array, row_sum: Array) -> None:
    """Refuse a block of values that are not probabilities, or do not sum to one.

    At least 0 and a sum of one imply at most 1.
    """
    xp = array_namespace(p)
    low = float(xp.min(p))
    error = max(float(xp.max(row_sum)) - 1, 1 - float(xp.min(row_sum)))
    if low >= -RANGE_TOLERANCE and error <= SUM_TOLERANCE:
        return
    check_range(p)
    raise InputError(
        f"y_proba has rows that miss a sum of one by up to {error:.3g} (allowed: "
        f"{SUM_TOLERANCE}): pass probabilities that sum to one over axis 1, the class "
        "axis."
    )


def check_range(p: Array) -> None:
    """Refuse values that are not probabilities."""
    xp = array_namespace(p)
    low, high = float(xp.min(p)), float(xp.max(p))
    if low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE:
        return
    if low != low or high != high:
        raise InputError("y_proba contains NaN: drop or repair those samples first.")
    raise InputError(
        f"y_proba runs from {low:.4g} to {high:.4g}: a metric needs probabilities in "
        "[0, 1]. Apply softmax or the logistic function to logits first."
    )


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
    slot = xp.astype(2 * index + xp.astype(part.outcome, index.dtype), xp.int64)
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
    gap, rounding = xp.abs(place - edge), 8 * n_bins * xp.finfo(score.dtype).eps
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


def _collect(parts: list[Outcomes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, outcomes `(n_rows, n)` and weights `(n,)` of all parts, on the host."""
    scores, hits, weights = [], [], []
    for part in parts:
        n = part.score.shape[1]
        scores.append(to_numpy(part.score).astype(np.float64))
        hits.append(to_numpy(part.outcome))
        weights.append(np.ones(n) if part.weight is None else to_numpy(part.weight))
    return (
        np.concatenate(scores, axis=1),
        np.concatenate(hits, axis=1),
        np.concatenate(weights),
    )
