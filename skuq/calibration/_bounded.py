"""Log odds that n samples can vouch for: what curved calibrators start from.

A forest states probabilities of 0 and 1, whose log odds are as large as the smallest
float allows; one such sample on the wrong side would bend any curve.  Mixing with the
uniform distribution, ``(1 - e) p + e / 2`` with ``e = 1 / (n + 1)``, bounds log odds to
``log(2 n + 1)``, and changes those below little.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skuq._core._arrays import array_namespace
from skuq._core._links import expit
from skuq._core._logistic import logistic_loss
from skuq.calibration._platt import fit_platt, smooth

CELLS = 2**12  # of a grouped fit; the error falls with their square


def mass_of(score, weight):
    """The number n of samples, or their total weight."""
    return len(score) if weight is None else float(weight.sum())


def shares(score, weight):
    """Shares e to try: 0, and ``1 / (n + 1)`` where a score is beyond its bound."""
    share = 1 / (mass_of(score, weight) + 1)
    counted = score if weight is None else score[weight > 0]
    return (0.0, share) if np.abs(counted).max() > bound_of(share) else (0.0,)


def bound_of(share):
    """Largest log odds of mixed probabilities."""
    return float(np.log(2 / share - 1))


def mixed(score, share):
    """Log odds after mixing the probabilities with the uniform distribution."""
    if share == 0:
        return score
    xp = array_namespace(score)
    yes, no = (
        xp.log((1 - share) * p + share / 2) for p in (expit(score), expit(-score))
    )
    return yes - no


@dataclass(frozen=True)
class BoundedPlatt:
    """Platt scaling, then mixing; and mixing before it, where that fits better.

    Mixing before helps where the scores hold probabilities of 0, which would decide the
    slope; it harms where large scores are just over-confident.  The log loss tells.

    Parameters
    ----------
    slope, intercept : float
        Of the line.
    share : float
        Of the uniform distribution.
    first_share : float
        That of the mixing before the line, or 0.
    """

    slope: float
    intercept: float
    share: float
    first_share: float

    @classmethod
    def fit(cls, score, target, weight):
        """The better of both."""
        share, best = 1 / (mass_of(score, weight) + 1), np.inf
        aim = smooth(target, weight)
        for first_share in shares(score, weight):
            x = mixed(score, first_share)
            line = fit_platt(x, target, weight)
            loss = logistic_loss(x[None, :], aim, weight, line)
            if loss < best:
                slope, intercept = line.tolist()
                best, found = loss, cls(slope, intercept, share, first_share)
        return found

    @property
    def limit(self):
        """Largest log odds that can result."""
        return bound_of(self.share)

    def __call__(self, score):
        """Bounded log odds, in the library of the scores."""
        x = mixed(score, self.first_share)
        return mixed(self.slope * x + self.intercept, self.share)


class Groups(NamedTuple):
    """Mean score, outcome and weight of groups of samples alike in both."""

    score: np.ndarray
    target: np.ndarray
    weight: np.ndarray


def group(score, target, weight, limit):
    """Samples of one outcome in one of `CELLS` cells from -limit to limit, by score.

    A fit to the groups costs the same for any number of samples.
    """
    cell = ((score + limit) * (CELLS / (2 * limit))).astype(np.int64)
    cell = 2 * np.clip(cell, 0, CELLS - 1) + target
    mass = np.bincount(cell, weight, 2 * CELLS).astype(np.float64)
    total = np.bincount(cell, score if weight is None else score * weight, 2 * CELLS)
    kept = np.flatnonzero(mass)
    return Groups(total[kept] / mass[kept], kept % 2 == 1, mass[kept])
