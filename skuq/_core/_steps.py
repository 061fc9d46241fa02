"""Maps of one number to another made of steps or lines, and the isotonic fit of one.

Notation: x scores in ascending order, y the share that came true, w its weight.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression

from skuq._core._arrays import Array, array_namespace, clip, to_library_of
from skuq._core._sorting import tie_groups
from skuq.exceptions import InputError

# Scores that differ by fewer units in the last place, of 1 or of their size if that is
# more, are equal.
ROUNDING = 64

SMOOTHINGS = ("laplace", None)


@dataclass(frozen=True)
class StepFunction:
    """``values[i]`` between ``edges[i - 1]`` and ``edges[i]``.

    closed="right" counts an edge to the step below it, "left" to the one above.
    """

    edges: np.ndarray
    values: np.ndarray
    closed: str = "right"

    def __call__(self, x: Array) -> Array:
        """The step of each number of a 1-d array of any library, in its dtype."""
        xp = array_namespace(x)
        side = "left" if self.closed == "right" else "right"
        index = xp.searchsorted(_like(self.edges, x), x, side=side)
        return xp.take(_like(self.values, x), index, axis=0)

    def simplified(self) -> "StepFunction":
        """The same function without edges between equal values."""
        jump = np.flatnonzero(self.values[1:] != self.values[:-1])
        values = self.values[np.append(jump, len(self.values) - 1)]
        return StepFunction(self.edges[jump], values, self.closed)


@dataclass(frozen=True)
class PiecewiseLinear:
    """Lines between the points (knots, values), ends prolonged as constants."""

    knots: np.ndarray
    values: np.ndarray

    def __call__(self, x: Array) -> Array:
        """The line of each number of a 1-d array of any library, in its dtype."""
        xp = array_namespace(x)
        if len(self.knots) == 1:
            return xp.full_like(x, float(self.values[0]))
        # Slopes come from the knots as rounded to the dtype: lines never overshoot.
        knots, values = _like(self.knots, x), _like(self.values, x)
        width, rise = knots[1:] - knots[:-1], values[1:] - values[:-1]
        slope = xp.where(width > 0, rise, 0.0) / xp.where(width > 0, width, 1.0)
        index = xp.searchsorted(knots[1:-1], x)
        x = clip(x, float(self.knots[0]), float(self.knots[-1]))
        line = (x - xp.take(knots, index, axis=0)) * xp.take(slope, index, axis=0)
        return line + xp.take(values, index, axis=0)


def _like(numbers: np.ndarray, x: Array) -> Array:
    return array_namespace(x).astype(to_library_of(numbers, x), x.dtype)


class Groups(NamedTuple):
    """Equal scores, ascending: their ends, and sums of weight and weighted outcome.

    The ends differ where scores are equal but for their rounding.
    """

    first: np.ndarray
    last: np.ndarray
    weight: np.ndarray
    hits: np.ndarray


class Blocks(NamedTuple):
    """Pools of an isotonic fit: their y, and their first and last group."""

    value: np.ndarray
    first: np.ndarray
    last: np.ndarray


def counted_groups(
    score: np.ndarray, target: np.ndarray, weight: np.ndarray | None
) -> Groups:
    """Sums over equal scores, without those of weight zero.

    Equal rows get scores that differ in their last bits from some matrix products, and
    so do equal probabilities of rows that divide the rest otherwise: these count as
    equal, lest a step depend on them.
    """
    unit = float(np.finfo(score.dtype).eps)
    groups = tie_groups(score, target, weight)
    score, mass, hits = (part[groups.weight > 0] for part in groups)
    first, last = _runs(score, ROUNDING * unit * np.maximum(np.abs(score), 1.0))
    mass, hits = np.add.reduceat(mass, first), np.add.reduceat(hits, first)
    hits = np.clip(hits, 0.0, mass)  # differences of sums were rounded
    return Groups(score[first], score[last], mass, hits)


def _runs(score: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last of each run of neighbours nearer than `near`.

    A run that is longer than that is no rounding: its scores lie close, each alone.
    """
    apart = np.append(True, np.diff(score) > near[1:])
    first = np.flatnonzero(apart)
    last = np.append(first[1:], len(score)) - 1
    wide = score[last] - score[first] > near[last]
    if wide.any():
        apart |= np.repeat(wide, last - first + 1)
        first = np.flatnonzero(apart)
        last = np.append(first[1:], len(score)) - 1
    return first, last


def isotonic_blocks(groups: Groups) -> Blocks:
    """The weighted least-squares fit that never falls, by pooling adjacent violators.

    Neighbouring pools differ in their value; each holds the mean of what it pools.
    """
    fit = isotonic_regression(groups.hits / groups.weight, weights=groups.weight)
    value = fit.x[fit.blocks[:-1]]
    start = np.append(0, np.flatnonzero(np.diff(value)) + 1)
    first = fit.blocks[start]
    last = np.append(first[1:], len(groups.weight)) - 1
    mass = np.add.reduceat(groups.weight, first)
    # Sums of counts are exact, so that weights act as repetitions to the last bit.
    return Blocks(np.add.reduceat(groups.hits, first) / mass, first, last)


def between(groups: Groups, cut: np.ndarray) -> np.ndarray:
    """Edges half-way between the scores before and at each cut, above the former."""
    low, high = groups.last[cut - 1], groups.first[cut]
    middle = low + (high - low) / 2
    return np.asarray(np.where(middle < high, middle, low))


def smoothed(p: np.ndarray, n: float, smoothing: str | None) -> np.ndarray:
    """Probabilities of a class from n samples, "laplace" ones never 0 or 1.

    These mix in one more sample, half of each outcome: ``(n p + 1/2) / (n + 1)``.
    """
    return p if smoothing is None else (n * p + 0.5) / (n + 1)


def check_n_bins(n_bins: object) -> None:
    """Refuse a number of bins that is not a whole number of at least 1."""
    if not isinstance(n_bins, Integral) or isinstance(n_bins, bool) or n_bins < 1:
        raise InputError(f"n_bins must be an int of at least 1, got {n_bins!r}.")
