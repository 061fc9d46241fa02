"""Scores with outcomes in order of the score, and what lies between ties."""

from typing import NamedTuple

import numpy as np


class Ordered(NamedTuple):
    """Scores in ascending order with their outcomes and weights (None if all one)."""

    score: np.ndarray
    outcome: np.ndarray
    weight: np.ndarray | None


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
    """Sort by score; the order within ties is not defined.

    Without weights the outcome travels as the last bit of an integer, in which floats
    of [0, 2) keep their order: sorting numbers is twice as fast as sorting pairs.
    """
    score = score + 0  # -0.0 becomes 0.0, and the caller's array stays
    binary = outcome.dtype == bool and weight is None and len(score) > 0
    if binary and score.min() >= 0 and score.max() < 2:
        return _sort_packed(score, outcome)
    order = np.argsort(score)
    weight = None if weight is None else weight[order]
    return Ordered(score[order], outcome[order], weight)


def _sort_packed(score: np.ndarray, outcome: np.ndarray) -> Ordered:
    """A float64 below 2 has its two highest bits free; a float32 is widened to one."""
    key = score.astype(np.float64, copy=False).view(np.int64)
    key <<= 1
    key |= outcome
    key.sort()
    hit = (key & 1).astype(bool)
    key >>= 1
    return Ordered(key.view(np.float64).astype(score.dtype, copy=False), hit, None)


def ends_of_ties(ordered: np.ndarray) -> np.ndarray:
    """Index of the last of each run of equal values."""
    return np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)


def tie_groups(
    score: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None = None
) -> TieGroups:
    """Sums over equal scores, so that their order cannot matter."""
    ordered = sort_outcomes(score, outcome, weight)
    ends = ends_of_ties(ordered.score)
    if len(ends) == len(score):  # no ties: nothing to sum
        return _single(ordered)
    if ordered.weight is None:
        total = (ends + 1).astype(np.float64)
        kind = np.int64 if outcome.dtype == bool else np.float64
        hits = np.cumsum(ordered.outcome, dtype=kind)[ends].astype(np.float64)
    else:
        total = np.cumsum(ordered.weight)[ends]
        hits = np.cumsum(ordered.weight * ordered.outcome)[ends]
    return TieGroups(
        ordered.score[ends].astype(np.float64),
        np.diff(total, prepend=0.0),
        np.diff(hits, prepend=0.0),
    )


def _single(ordered: Ordered) -> TieGroups:
    """Each sample as a group of its own."""
    score, outcome, weight = ordered
    hits = outcome.astype(np.float64)
    if weight is None:
        weight = np.ones(len(score))
    else:
        hits *= weight
    return TieGroups(score.astype(np.float64, copy=False), weight, hits)
