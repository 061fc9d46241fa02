"""Scores with outcomes in order of the score, and what lies between ties."""

from typing import Any, NamedTuple

import numpy as np

FEW_CUTS = 1000
SOME_CUTS = 2**14


class Ordered(NamedTuple):
    """Scores in ascending order with their outcomes and weights (None if all one)."""

    score: np.ndarray
    outcome: np.ndarray
    weight: np.ndarray | None


def ones(n: int) -> np.ndarray:
    """Weights of one that take no memory, and cannot be written to."""
    return np.broadcast_to(1.0, n)


class TieGroups(NamedTuple):
    """One entry per distinct score, ascending: sums of weight and weighted outcome.

    An outcome is whether something came true, or any number such as a loss.
    """

    score: np.ndarray
    weight: np.ndarray
    hits: np.ndarray

    def counted(self) -> "TieGroups":
        """The groups that have a weight."""
        some = self.weight > 0
        if some.all():
            return self
        return TieGroups(self.score[some], self.weight[some], self.hits[some])


def sort_outcomes(
    score: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None = None
) -> Ordered:
    """Sort copies by score; the order within ties is not defined.

    Without weights the outcome travels as the last bit of an integer, in which floats
    of [0, 2) keep their order: sorting numbers is twice as fast as sorting pairs.
    """
    binary = outcome.dtype == bool and weight is None and len(score) > 0
    if binary and score.min() >= 0 and score.max() < 2:
        return _sort_packed(score + 0, outcome)  # -0.0 becomes 0.0
    order = np.argsort(score)
    weight = None if weight is None else weight[order]
    score = score[order]
    score += 0
    return Ordered(score, outcome[order], weight)


def _sort_packed(score: np.ndarray, outcome: np.ndarray) -> Ordered:
    """In the memory of `score`, since floats below 2 leave two bits of theirs free."""
    key: Any = score.view(np.int32 if score.dtype == np.float32 else np.int64)
    key <<= 1
    key |= outcome
    key.sort()
    hit = np.empty(len(key), dtype=bool)
    np.bitwise_and(key, 1, out=hit, casting="unsafe")
    key >>= 1
    return Ordered(score, hit, None)


def ends_of_ties(ordered: np.ndarray) -> np.ndarray:
    """Index of the last of each run of equal values."""
    return np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)


def tie_groups(
    score: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None = None
) -> TieGroups:
    """Sums over equal scores, so that their order cannot matter."""
    return sum_ties(sort_outcomes(score, outcome, weight))


def in_order_of(
    score: np.ndarray, values: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and weighted values, in ascending order of the score; ties summed.

    As `tie_groups` has them.  Where no two scores are equal, these are not kept, which
    saves a third of the memory.
    """
    order = np.argsort(score)
    if any(_tied(score, order[i : i + SOME_CUTS + 1]) for i in _starts(len(order))):
        groups = tie_groups(score, values, weight)
        return groups.weight, groups.hits
    if weight is None:
        return ones(len(order)), values[order].astype(np.float64, copy=False)
    weight = weight[order]
    values = values[order] * weight
    return weight, values


def _starts(n: int) -> range:
    return range(0, n, SOME_CUTS)


def _tied(score: np.ndarray, order: np.ndarray) -> bool:
    part = score[order]
    return bool((part[1:] == part[:-1]).any())


def sum_ties(ordered: Ordered) -> TieGroups:
    """Sums over the equal scores of what is in order."""
    score, outcome, weight = ordered
    if (score[1:] != score[:-1]).all():  # no ties: nothing to sum
        return _single(ordered)
    ends = ends_of_ties(score)
    if weight is not None:
        mass = _steps(np.cumsum(weight)[ends])
        hits = _steps(np.cumsum(weight * outcome)[ends])
        return TieGroups(score[ends].astype(np.float64), mass, hits)
    kind: Any = np.float64
    if outcome.dtype == bool:
        kind = np.int32 if len(score) < 2**31 else np.int64
    hits = _steps(np.cumsum(outcome, dtype=kind)[ends])
    distinct = score[ends].astype(np.float64)
    ends += 1
    return TieGroups(distinct, _steps(ends), hits)


def _steps(cumulated: np.ndarray) -> np.ndarray:
    """What sums from 0 up grow by, in float64."""
    steps = np.empty(len(cumulated))
    steps[0] = cumulated[0]
    np.subtract(cumulated[1:], cumulated[:-1], out=steps[1:])
    return steps


def sums_between(values: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Float64 sums of the values between `cuts`, of which the first is 0.

    Many cuts are taken some at a time, since `reduceat` makes a copy.
    """
    total = np.zeros(len(cuts) - 1)
    if len(cuts) <= FEW_CUTS:
        for i in range(len(total)):
            total[i] = values[cuts[i] : cuts[i + 1]].sum(dtype=np.float64)
        return total
    for i in range(0, len(total), SOME_CUTS):
        part = cuts[i : i + SOME_CUTS + 1]
        inside = values[part[0] : part[-1]]
        filled = np.flatnonzero(part[:-1] < part[1:])
        if len(filled):
            starts = part[filled] - part[0]
            total[i + filled] = np.add.reduceat(inside, starts, dtype=np.float64)
    return total


def _single(ordered: Ordered) -> TieGroups:
    """Each sample as a group of its own."""
    score, outcome, weight = ordered
    if weight is None:
        hits = outcome.astype(np.float64, copy=False)
        weight = ones(len(score))
    else:
        hits = outcome * weight
    return TieGroups(score.astype(np.float64, copy=False), weight, hits)
