"""Cumulated losses of the samples kept, surest first: curves and their areas.

Notation: groups of equal confidence with weight m and loss e; before a group, weight C
and loss E are kept.  Within a group samples come in random order, so that the loss of
the j-th kept sample grows as E + e j / m on average.
"""

import numpy as np
from scipy.special import digamma

from skuq._core._sorting import TieGroups


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
    before = np.cumsum(weight) - weight
    before[0] = 0.0
    lost = np.cumsum(loss) - loss
    harmonic = digamma(before + weight + 1) - digamma(before + 1)
    areas = loss + (lost - loss * before / weight) * harmonic
    return float(areas.sum() / weight.sum())


def generalized_area(weight: np.ndarray, loss: np.ndarray) -> float:
    """The area under loss kept per sample of all, over the share kept (trapezoids)."""
    lost = np.cumsum(loss) - loss / 2
    return float((weight * lost).sum() / weight.sum() ** 2)
