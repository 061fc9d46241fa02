"""The threshold of the best overlap of uncertainty and error, without sorting it all.

Notation: row r is an image, or all images together, with e_r error pixels.  Above a
threshold lie k_r pixels, h_r of them errors.  The overlap to be maximised is the sum
over rows of ``share_r * 2 h_r / (e_r + k_r)``.

Pixels are counted in intervals of uncertainty.  A threshold inside an interval can at
most flag all of its errors and none of its other pixels, which bounds the overlap.
Intervals whose bound is below an overlap that is reached elsewhere need no look; the
others are divided again, and their last few pixels sorted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skuq._core._sorting import ends_of_ties
from skuq.metrics._overlap_state import CollectedPixels, dice, shares

MOST_INTERVALS = 1024
FEWEST_INTERVALS = 16  # below, dividing does not pay
FEWEST_PIXELS = 8  # of each row in an interval, so that counts cost less than pixels
FEW_PIXELS = 2**13  # are sorted
CHUNK = 2**18  # pixels counted together
# Overlaps that differ by less are equal, and the higher threshold is taken.
ROUNDING = 1e-12


class Best(NamedTuple):
    """An overlap, and the smallest uncertainty that is flagged for it."""

    value: float
    least: float

    def or_better(self, other: "Best") -> "Best":
        """`other`, of a lower threshold, where it is better."""
        return other if other.value > self.value + ROUNDING else self


@dataclass(frozen=True)
class Goal:
    """What is maximised: `errors` and `share` of each row."""

    errors: np.ndarray
    share: np.ndarray

    def value(self, flagged: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """The overlap for counts `(n_rows, ...)`."""
        errors = self.errors.reshape(-1, *[1] * (flagged.ndim - 1))
        return np.asarray(self.share @ dice(errors, flagged, hits))


@dataclass(frozen=True)
class Group:
    """Pixels between two thresholds, in order of their rows; mass None means one."""

    uncertainty: np.ndarray
    wrong: np.ndarray
    row: np.ndarray
    mass: np.ndarray | None

    def take(self, index: np.ndarray) -> "Group":
        """The pixels of `index`."""
        mass = None if self.mass is None else self.mass[index]
        return Group(self.uncertainty[index], self.wrong[index], self.row[index], mass)

    def chunks(self) -> Iterator[slice]:
        """Slices of all pixels."""
        for start in range(0, len(self.wrong), CHUNK):
            yield slice(start, start + CHUNK)


def best_threshold(pixels: CollectedPixels, average: str) -> float:
    """The threshold with the best overlap; the highest of equal ones.

    It lies midway between neighbouring values of the uncertainty; -inf flags all pixels
    and inf none.
    """
    size, errors, weight = pixels.size, pixels.errors, pixels.weight
    mass = None
    share = shares(average, size, errors, weight)
    if average != "pooled":
        number = np.arange(len(size), dtype=np.min_scalar_type(len(size)))
        row = np.repeat(number, size)
    else:
        row = np.broadcast_to(np.uint8(0), pixels.wrong.shape)
        if (weight != weight[0]).any():
            mass = np.repeat(weight, size)
        else:
            weight = np.ones(len(size))
        errors, share = (weight @ errors)[None], np.ones(1)
    goal = Goal(errors, share)
    none = np.zeros(len(share))
    best = Best(float(goal.value(none, none)), np.inf)
    group = Group(pixels.uncertainty, pixels.wrong, row, mass)
    best = _search(goal, group, none, none, best)
    return _below(pixels.uncertainty, best.least)


def _below(uncertainty: np.ndarray, least: float) -> float:
    """The middle between `least` and the next smaller value, in their precision."""
    if least == np.inf:
        return np.inf
    lower = uncertainty.max(initial=-np.inf, where=uncertainty < least)
    middle = lower / 2 + uncertainty.dtype.type(least) / 2
    return float(middle if lower < middle < least else lower)


def _search(
    goal: Goal,
    group: Group,
    flagged: np.ndarray,
    hits: np.ndarray,
    best: Best,
    levels: int = 3,
) -> Best:
    """`best`, or a threshold inside the group, above which lie the counts given."""
    n_pixels, n_rows = len(group.wrong), len(goal.share)
    low, high = float(group.uncertainty.min()), float(group.uncertainty.max())
    n = min(MOST_INTERVALS, n_pixels // (FEWEST_PIXELS * n_rows))
    finite = 1e-30 < high - low < 1e30  # and so is the arithmetic of intervals
    dividing = levels and finite and n_pixels > FEW_PIXELS and n >= FEWEST_INTERVALS
    if low < high and not dividing:
        return best.or_better(_sorted_best(goal, group, flagged, hits))
    n = n if low < high else 1
    place = _intervals(group, low, high, n)
    mass, hit = _count(group, place, n, n_rows)
    k, h = _from_top(flagged, mass), _from_top(hits, hit)
    reached = goal.value(k[:, :-1], h[:, :-1])
    if n == 1:
        return best.or_better(Best(float(reached[0]), low))
    bound = goal.value(k[:, 1:] + hit, h[:, :-1])
    floor = max(best.value, reached.max()) - ROUNDING
    wanted = (bound >= floor) & mass.any(axis=0)
    chosen = np.flatnonzero(wanted[place])
    chosen = chosen[np.argsort(place[chosen], kind="stable")]
    ends = np.cumsum(np.bincount(place[chosen], minlength=n))
    for j in np.flatnonzero(wanted)[::-1]:
        part = group.take(chosen[ends[j - 1] if j else 0 : ends[j]])
        best = _search(goal, part, k[:, j + 1], h[:, j + 1], best, levels - 1)
    return best


def _intervals(group: Group, low: float, high: float, n: int) -> np.ndarray:
    """The interval of each pixel, of `n` of equal width."""
    place = np.zeros(len(group.wrong), dtype=np.uint16)
    if n == 1:
        return place
    for chunk in group.chunks():
        # Rounded, this never falls as the uncertainty rises: order is kept.
        scaled = (group.uncertainty[chunk] - low) * (n / (high - low))
        place[chunk] = np.minimum(scaled, n - 1)
    return place


def _count(
    group: Group, place: np.ndarray, n: int, n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mass of all pixels and of errors in each interval, `(n_rows, n)`."""
    total = np.zeros((n_rows, n, 2))
    for chunk in group.chunks():
        row = group.row[chunk]
        first, last = int(row[0]), int(row[-1])
        slot = (row - first) * np.int64(2 * n) + place[chunk] * np.int64(2)
        slot += group.wrong[chunk]
        mass = None if group.mass is None else group.mass[chunk]
        part = np.bincount(slot, mass, (last - first + 1) * 2 * n)
        total[first : last + 1] += part.reshape(-1, n, 2)
    return total.sum(axis=-1), total[..., 1]


def _from_top(above: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """What lies above the lower end of each interval, and last above the highest."""
    steps = np.concatenate([inside, above[:, None]], axis=1)
    return np.cumsum(steps[:, ::-1], axis=1)[:, ::-1]


def _sorted_best(
    goal: Goal, group: Group, flagged: np.ndarray, hits: np.ndarray
) -> Best:
    """The best threshold inside the group: each pixel changes the overlap of its row.

    The changes are computed row by row and summed in order of uncertainty.
    """
    group = group.take(np.argsort(group.uncertainty)[::-1])
    by_row = np.argsort(group.row, kind="stable")
    row = group.row[by_row]
    start = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
    mass = np.ones(len(row)) if group.mass is None else group.mass[by_row]
    k = flagged[row] + _sum_in_rows(mass, start)
    h = hits[row] + _sum_in_rows(mass * group.wrong[by_row], start)
    after = dice(goal.errors[row], k, h)
    before = np.roll(after, 1)
    before[start] = dice(goal.errors, flagged, hits)[row[start]]
    change = np.empty(len(row))
    change[by_row] = goal.share[row] * (after - before)
    ends = ends_of_ties(group.uncertainty)
    value = goal.value(flagged, hits) + np.cumsum(change)[ends]
    first = int(np.argmax(value >= value.max() - ROUNDING))
    return Best(float(value[first]), float(group.uncertainty[ends[first]]))


def _sum_in_rows(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Cumulative sums that begin anew at each start."""
    total = np.cumsum(values)
    before = total[start] - values[start]
    return np.asarray(total - np.repeat(before, np.diff(start, append=len(values))))
