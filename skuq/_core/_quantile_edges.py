"""Edges of bins that hold equal weight, and how many such bins a sweep allows.

The default never parts equal scores, so that their order cannot matter.  The styles of
packages are there to reproduce their figures.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from skuq._core._sorting import Ordered, sum_ties
from skuq.exceptions import InputError

ALMOST = 1 + 1e-12  # cumulated weights reach a share in spite of their rounding


def quantile_edges(
    score: np.ndarray,
    weight: np.ndarray | None,
    n_bins: int,
    style: str = "inverted-cdf",
) -> np.ndarray:
    """`n_bins + 1` edges from 0 to 1 that put equal weight in each bin.

    The inner edges are the quantiles b / n_bins: "inverted-cdf" takes scores, which
    with (lo, hi] bins never part equal ones, and a weight of two equals a repeated
    sample; "linear" interpolates as `numpy.quantile` does,
    "linear-underflow" with a bin for the least score itself; "midpoint" cuts the
    sorted scores in parts of equal length, half-way between neighbours.
    """
    if weight is None:
        return ordered_edges(np.sort(score), None, n_bins, style)
    order = np.argsort(score, kind="stable")
    return ordered_edges(score[order], weight[order], n_bins, style)


def ordered_edges(
    score: np.ndarray, weight: np.ndarray | None, n_bins: int, style: str
) -> np.ndarray:
    """As `quantile_edges`, of scores in ascending order."""
    if style != "inverted-cdf" and weight is not None:
        raise InputError(
            f"quantile bins in the style {style!r} of a package take no sample_weight: "
            "leave the weights out, or use convention='guo2017'."
        )
    inner = _INNER[style](score, weight, n_bins)
    return np.concatenate([[0.0], inner, [1.0]])


def _inverted_cdf(
    score: np.ndarray, weight: np.ndarray | None, n_bins: int
) -> np.ndarray:
    n = len(score)
    if weight is None:
        at = -(-np.arange(1, n_bins) * n // n_bins) - 1  # in integers: no rounding
        return np.asarray(score[np.maximum(at, 0)])
    mass = np.cumsum(weight)
    at = np.searchsorted(mass * ALMOST, np.arange(1, n_bins) / n_bins * mass[-1])
    return np.asarray(score[np.minimum(at, n - 1)])


def _linear(score: np.ndarray, weight: None, n_bins: int) -> np.ndarray:
    return np.asarray(np.quantile(score, np.linspace(0, 1, n_bins + 1)[1:-1]))


def _linear_underflow(score: np.ndarray, weight: None, n_bins: int) -> np.ndarray:
    return np.append(score[0], _linear(score, weight, n_bins))


def _midpoint(score: np.ndarray, weight: None, n_bins: int) -> np.ndarray:
    n = len(score)
    length, longer = divmod(n, n_bins)  # the first `longer` parts have one more
    start = np.arange(1, n_bins) * length + np.minimum(np.arange(1, n_bins), longer)
    start = start[start < n]
    middle = (score[start - 1] + score[start]) / 2
    return np.pad(middle, (0, n_bins - 1 - len(middle)), constant_values=1.0)


_INNER: dict[str, Callable[..., np.ndarray]] = {
    "inverted-cdf": _inverted_cdf,
    "linear": _linear,
    "linear-underflow": _linear_underflow,
    "midpoint": _midpoint,
}


def quantile_cuts(mass: np.ndarray, n_bins: int) -> np.ndarray:
    """Where to cut tie groups into bins of equal weight, 0 and their number included.

    `mass` is their cumulated weight.  A bin ends with the score that reaches its share
    of it; equal scores are never parted, so there may be fewer bins.
    """
    share = np.arange(1, n_bins) / n_bins * mass[-1]
    cut = np.searchsorted(mass, share / ALMOST) + 1
    inner = cut[cut < len(mass)]
    return np.unique(np.concatenate([[0], inner, [len(mass)]]))


def sweep_edges(row: Ordered, strategy: str) -> np.ndarray:
    """The most bins for which the share that came true grows from bin to bin.

    The number of bins rises from 1 until the shares fall somewhere for the first time,
    or to one bin for each distinct score, where they never do.  Bins without samples
    are left out.
    """
    score, outcome, weight = row
    if weight is not None or (score[1:] == score[:-1]).any():
        groups = sum_ties(row).counted()
        score, share = groups.score, groups.hits / groups.weight
        mass, hits = _cumulated(groups.weight), _cumulated(groups.hits)
    else:  # each score is a group of weight one: little memory is needed
        share, mass = outcome, None
        kind = np.int32 if len(score) < 2**31 else np.int64
        hits = _cumulated(outcome, kind)
    if (share[1:] >= share[:-1]).all():
        return np.concatenate([[0.0], score[:-1], [1.0]])
    best = np.zeros(0, dtype=int)
    for n_bins in range(2, len(score) + 1):
        cut = _cuts(score, mass, n_bins, strategy)
        bounds = np.concatenate([[0], cut, [len(score)]])
        in_bins = np.diff(bounds if mass is None else mass[bounds])
        if (np.diff(np.diff(hits[bounds]) / in_bins) < 0).any():
            break
        best = cut
    return np.concatenate([[0.0], score[best - 1], [1.0]])


def _cumulated(values: np.ndarray, kind: Any = np.float64) -> np.ndarray:
    """Sums from 0 to the last."""
    total = np.zeros(len(values) + 1, dtype=kind)
    np.cumsum(values, out=total[1:])
    return total


def _cuts(
    score: np.ndarray, mass: np.ndarray | None, n_bins: int, strategy: str
) -> np.ndarray:
    """Numbers of distinct scores below each inner edge, each of them once.

    Without `mass`, the cumulated weight from 0, each score has the weight one.
    """
    if strategy == "quantile":
        if mass is not None:
            return quantile_cuts(mass[1:], n_bins)[1:-1]
        share = np.arange(1, n_bins) / n_bins * len(score)
        cut = np.unique(np.ceil(share / ALMOST).astype(np.intp))
        return cut[cut < len(score)]
    inner = np.arange(1, n_bins) / n_bins
    cut = np.unique(np.searchsorted(score, inner, side="right"))
    return cut[(cut > 0) & (cut < len(score))]
