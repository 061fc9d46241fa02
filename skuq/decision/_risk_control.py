"""The least confidence at which a classifier may speak, and the risk it then takes.

Notation: m samples, the surest first; n of them are kept, k of these are wrong.  A
threshold keeps all samples of at least its confidence, so that ties stay together.
"""

from math import ceil, inf, log2
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv


class Threshold(NamedTuple):
    """A threshold, what it keeps of the m samples, and a bound on its true risk."""

    value: float
    kept: int
    errors: int
    bound: float


def risk_bound(errors: int, kept: int, delta: float) -> float:
    """Upper bound on a binomial's probability, which fails with probability `delta`.

    The p at which ``P(Binomial(kept, p) <= errors) = delta`` (Clopper and Pearson).
    """
    if errors >= kept:
        return 1.0
    return float(betaincinv(errors + 1, kept - errors, 1 - delta))


def at_risk(
    confidence: np.ndarray, wrong: np.ndarray, target: float, delta: float
) -> Threshold:
    """The threshold that keeps most samples with a bound of at most `target`.

    Algorithm 2 of Geifman and El-Yaniv (SGR): bisection over n, each of whose steps has
    the same part of `delta`.
    """
    ordered, lost = _surest_first(confidence, wrong)
    low, high = 0, len(ordered) + 1  # certified; not certified
    level = _level(delta, len(ordered))
    best = Threshold(inf, 0, 0, 0.0)
    while high - low > 1:
        middle = (low + high) // 2
        found = _keeping(ordered, lost, middle, level)
        if found.bound <= target:
            low, best = max(middle, found.kept), found
        else:
            high = middle
    return best


def at_coverage(
    confidence: np.ndarray, wrong: np.ndarray, coverage: float, delta: float
) -> Threshold:
    """The highest threshold that keeps at least this share of the samples."""
    ordered, lost = _surest_first(confidence, wrong)
    least = ceil(coverage * len(ordered) * (1 - 1e-12))  # 0.7 * 10 rounds up to 7
    return _keeping(ordered, lost, least, delta)


def _surest_first(
    confidence: np.ndarray, wrong: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Minus the confidence, ascending, and the errors among the first n for each n."""
    order = np.argsort(-confidence, kind="stable")
    lost = np.cumsum(np.append(0, wrong[order].astype(np.int64)))
    return -confidence[order], lost


def _keeping(ordered: np.ndarray, lost: np.ndarray, n: int, delta: float) -> Threshold:
    """The threshold that keeps the n surest, and all that are as sure as the n-th."""
    kept = int(np.searchsorted(ordered, ordered[n - 1], side="right"))
    errors = int(lost[kept])
    value = -inf if kept == len(ordered) else -float(ordered[n - 1])
    return Threshold(value, kept, errors, risk_bound(errors, kept, delta))


def least_samples(target: float, delta: float, n_samples: int) -> int:
    """How many samples without an error `at_risk` needs to keep any, of so many."""
    return ceil(np.log(_level(delta, n_samples)) / np.log1p(-target))


def _level(delta: float, n_samples: int) -> float:
    """The part of `delta` that each step of the bisection over so many has."""
    return delta / ceil(log2(n_samples + 1))
