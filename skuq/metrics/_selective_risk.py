"""Cumulated losses of the samples kept, surest first: curves and their areas.

Notation: groups of equal confidence with weight m and loss e; before a group, weight C
and loss E are kept.  Within a group samples come in random order, so that the loss of
the j-th kept sample grows as E + e j / m on average.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import digamma

from skuq._core._sorting import TieGroups

CHUNK = 2**15  # groups at a time


def surest_first(groups: TieGroups) -> TieGroups:
    """Groups of ascending confidence in the order in which they are kept."""
    return TieGroups(*(part[::-1] for part in groups))


def kept_sums(groups: TieGroups) -> tuple[np.ndarray, np.ndarray]:
    """Weight and loss kept after each group."""
    return np.cumsum(groups.weight), np.cumsum(groups.hits)


def selective_area(weight: np.ndarray, loss: np.ndarray) -> float:
    """The mean, over samples kept one by one, of the mean loss of those kept so far.

    ``sum_{j=1..m} (E + e j / m) / (C + j)`` is a difference of digamma functions, which
    takes a weight of two as two samples, and any other weight in between.
    """
    area = 0.0
    for m, e, before, lost in _pieces(weight, loss):
        lost -= e * before / m
        lost *= _harmonic(before, m)
        area += float(e.sum() + lost.sum())
    return area / float(weight.sum())


def _pieces(weight: np.ndarray, loss: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Of some groups at a time m, e, C and E."""
    kept, lost = 0.0, 0.0
    for start in range(0, len(weight), CHUNK):
        part = slice(start, start + CHUNK)
        m, e = weight[part], loss[part]
        yield m, e, kept + (np.cumsum(m) - m), lost + (np.cumsum(e) - e)
        kept += float(m.sum())
        lost += float(e.sum())


def _harmonic(before: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``sum_{j=1..m} 1 / (C + j)`` of each group."""
    total = before + 1
    np.reciprocal(total, out=total)
    several = np.flatnonzero(weight != 1)
    first = before[several] + 1
    total[several] = digamma(first + weight[several]) - digamma(first)
    return np.asarray(total)


def generalized_area(weight: np.ndarray, loss: np.ndarray) -> float:
    """The area under loss kept per sample of all, over the share kept (trapezoids)."""
    area = 0.0
    for m, e, _, lost in _pieces(weight, loss):
        area += float((m * (lost + e / 2)).sum())
    return area / float(weight.sum()) ** 2
