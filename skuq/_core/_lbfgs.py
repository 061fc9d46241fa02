"""Quasi-Newton steps for a smooth convex loss in coordinates where it is nearly round.

scipy's L-BFGS-B is not used here: with 10,000 coordinates half of the time of a fit
went into its bookkeeping, and its first step is not that of Newton.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

MEMORY = 20  # past steps that the curvature is estimated from
SUFFICIENT = 1e-4  # share of the predicted decrease that a step must reach
ROUNDING = 1e-9  # of a loss: below it, slopes tell more than a difference of losses
SHORTEST = 1e-10  # step of a line search

Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]
Pair = tuple[np.ndarray, np.ndarray, float]


class Minimum(NamedTuple):
    """Where a search ended, the slope there, calls of the loss, and if it arrived."""

    point: np.ndarray
    slope: np.ndarray
    n_calls: int
    arrived: bool


class _Place(NamedTuple):
    point: np.ndarray
    loss: float
    slope: np.ndarray


def minimise(loss: Loss, point: np.ndarray, *, max_iter: int, tol: float) -> Minimum:
    """Search until no slope exceeds `tol`, by L-BFGS from a curvature of one.

    `loss` gives value and slope.  Its curvature at `point` should be near the identity,
    so that the first step, that of steepest descent, is nearly Newton's.
    """
    here = _Place(point, *loss(point))
    pairs: deque[Pair] = deque(maxlen=MEMORY)
    n_calls = 1
    for _ in range(max_iter):
        if np.abs(here.slope).max(initial=0.0) <= tol:
            return Minimum(here.point, here.slope, n_calls, True)
        there, more = _line_search(loss, here, -_times_inverse(pairs, here.slope))
        n_calls += more
        if there is None:
            break
        step, rise = there.point - here.point, there.slope - here.slope
        if (product := float(step @ rise)) > 0:
            pairs.append((step, rise, product))
        here = there
    arrived = bool(np.abs(here.slope).max(initial=0.0) <= tol)
    return Minimum(here.point, here.slope, n_calls, arrived)


def _times_inverse(pairs: deque[Pair], slope: np.ndarray) -> np.ndarray:
    """The estimated inverse curvature times the slope, by the two-loop recursion."""
    direction, shares = slope.copy(), []
    for step, rise, product in reversed(pairs):
        share = float(step @ direction) / product
        direction -= share * rise
        shares.append(share)
    if pairs:
        _, rise, product = pairs[-1]
        direction *= product / float(rise @ rise)
    for (step, rise, product), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - float(rise @ direction) / product) * step
    return direction


def _line_search(
    loss: Loss, here: _Place, direction: np.ndarray
) -> tuple[_Place | None, int]:
    """The place after a step that is short enough, None if none is; calls made."""
    descent, size, n_calls = float(here.slope @ direction), 1.0, 0
    while size > SHORTEST:
        point = here.point + size * direction
        there = _Place(point, *loss(point))
        n_calls += 1
        rise = there.loss - here.loss
        if rise <= SUFFICIENT * size * descent:
            return there, n_calls
        left = float(there.slope @ direction)
        if abs(rise) <= ROUNDING * abs(here.loss) and abs(left) <= -0.9 * descent:
            return there, n_calls
        # The parabola through both losses and the slope here has its minimum there.
        bend = rise - size * descent
        best = -descent * size**2 / (2 * bend) if np.isfinite(bend) else 0.0
        size = min(max(best, size / 10), size / 2)
    return None, n_calls
