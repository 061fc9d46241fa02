"""The temperature that minimises the log loss, by safeguarded Newton steps.

Notation: z logits, y true class, w weight, b = 1/T, q = softmax(b z).

    loss(b)   = sum w (log sum exp(b z) - b z_y) / sum w
    loss'(b)  = sum w (E_q[z] - z_y)             / sum w     zero at the answer
    loss''(b) = sum w Var_q[z]                   / sum w     >= 0: loss is convex in b

One pass over the scores yields all three.  The zero of loss' is sought in u = log b,
where ``d loss'/du = b loss'' >= 0`` too: Newton's step ``-loss' / (b loss'')`` always
points the right way, and a bracket keeps it from leaving.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np

from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    device,
    is_numpy_array,
    pick,
    to_numpy,
)
from skuq._core._batches import Source
from skuq._core._blocks import Block
from skuq._core._links import LEAST_PROBABILITY, as_logits, both_rows
from skuq._core._threads import Map, crew, is_large, map_blocks

# The search ends at T = LOWEST * min(1, s) and T = HIGHEST * max(1, s), where s is the
# root mean square of the logits about the mean of their row.
LOWEST, HIGHEST = 1e-4, 1e4
LARGEST_STEP = 3.0  # in log T: a factor of 20
ROUGH_TOL = 1e-3  # of the fit of a subsample, in log T; its error is larger
NEXT_STEP = 1e-4  # in `tol`: a step after which none is needed would be shorter
TRUST = 1.0  # how far, in log T, the full fit may end from that of a subsample


class Outcome(Enum):
    """How a search ended."""

    FOUND = "found"
    SEPARABLE = "separable"  # T stopped at its lower bound
    WORSE_THAN_CHANCE = "worse than chance"  # T stopped at its upper bound
    CONSTANT = "constant"  # no T changes anything
    OUT_OF_ITERATIONS = "out of iterations"


class Moments(NamedTuple):
    """The loss at one b, its first two derivatives, share of wrong rows, and weight."""

    loss: float
    slope: float
    curvature: float
    error_rate: float
    mass: float


class Limits(NamedTuple):
    """The range of u = log b that is searched."""

    bottom: float
    top: float

    def clip(self, u: float) -> float:
        """The point of the range nearest to u."""
        return min(max(u, self.bottom), self.top)


@dataclass(frozen=True)
class TemperatureFit:
    """The answer: temperature, passes over the full data, and how the search ended."""

    temperature: float
    n_iter: int
    outcome: Outcome


def fit_temperature(
    table: Source, kind: str, *, max_iter: int, tol: float, presample: int | None
) -> TemperatureFit:
    """Minimise the log loss of softmax(z / T) over T.

    With many rows, a rough fit on about `presample` of them gives a start from which
    two or three passes over all rows are enough.
    """
    some = None if presample is None else table.thinned(presample)
    with crew(threads=is_large(table)) as run:
        at = _loss_of(table, kind, run)
        if some is not None:
            few = _loss_of(some, kind, run)
            rough = _cold_search(few, max_iter, max(tol, ROUGH_TOL))
            if rough.outcome is Outcome.FOUND:
                u = -log(rough.temperature)
                near = Limits(u - TRUST, u + TRUST)
                fit = search(at, u, near, max_iter, tol)
                if fit.outcome is Outcome.FOUND:
                    return fit
        return _cold_search(at, max_iter, tol)


def _loss_of(table: Source, kind: str, run: Map) -> Callable[[float], Moments]:
    spaces: list[_Workspace] = []
    return lambda b: moments(table, kind, b, run=run, spaces=spaces)


def _cold_search(
    at: Callable[[float], Moments], max_iter: int, tol: float
) -> TemperatureFit:
    """Start from b = 0, whose moments tell the scale, constant and useless scores."""
    origin = at(0.0)
    scale = sqrt(max(origin.curvature, 0.0))
    if scale == 0:
        return TemperatureFit(1.0, 1, Outcome.CONSTANT)
    limits = Limits(-log(HIGHEST * max(1, scale)), -log(LOWEST * min(1, scale)))
    if origin.slope >= 0:
        return TemperatureFit(exp(-limits.bottom), 1, Outcome.WORSE_THAN_CHANCE)
    if origin.error_rate == 0:  # the loss falls for ever as b grows
        return TemperatureFit(exp(-limits.top), 1, Outcome.SEPARABLE)
    u = log(-origin.slope / origin.curvature)  # Newton's step from b = 0
    fit = search(at, u, limits, max_iter - 1, tol)
    return replace(fit, n_iter=fit.n_iter + 1)


def search(
    at: Callable[[float], Moments], u: float, limits: Limits, max_iter: int, tol: float
) -> TemperatureFit:
    """Find u = log b within `limits` where the slope changes its sign."""
    lower = upper = None  # points seen with slope <= 0 and > 0
    u, last, boost, moved = limits.clip(u), 0.0, 1.0, 0.0
    for n_iter in range(1, max_iter + 1):
        here = at(exp(u))
        below = here.slope < 0 or (here.slope == 0 and here.curvature <= 0)
        if below and u == limits.top:
            return TemperatureFit(exp(-u), n_iter, Outcome.SEPARABLE)
        if here.slope > 0 and u == limits.bottom:
            return TemperatureFit(exp(-u), n_iter, Outcome.WORSE_THAN_CHANCE)
        step = _newton_step(here, u)
        if abs(step) <= tol or _promised(step, moved) <= NEXT_STEP * tol:
            return TemperatureFit(exp(-(u + step)), n_iter, Outcome.FOUND)
        # Steps one way that do not halve creep along an exponential tail: double them.
        boost = 2 * boost if step * last > last * last / 2 else 1.0
        lower, upper, last = (u, upper, step) if below else (lower, u, step)
        before, u = u, _next(u + boost * step, lower, upper, limits)
        moved = step if u == before + step else 0.0
    return TemperatureFit(exp(-u), max_iter, Outcome.OUT_OF_ITERATIONS)


def _promised(step: float, last: float) -> float:
    """About the next of Newton's steps, if each is c times the square of the last."""
    settles = abs(step) < abs(last) / 10
    return abs(step) ** 3 / last**2 if settles else float("inf")


def _newton_step(here: Moments, u: float) -> float:
    """The step in u, bounded; a full stride where every row is saturated."""
    if here.curvature <= 0:
        return -LARGEST_STEP if here.slope > 0 else LARGEST_STEP
    step = -here.slope / (exp(u) * here.curvature)
    return min(max(step, -LARGEST_STEP), LARGEST_STEP)


def _next(
    proposal: float, lower: float | None, upper: float | None, limits: Limits
) -> float:
    """The proposal, or the middle of the bracket that it would leave."""
    outside = (lower is not None and proposal <= lower) or (
        upper is not None and proposal >= upper
    )
    if not outside:
        return limits.clip(proposal)
    low = limits.bottom if lower is None else lower
    high = limits.top if upper is None else upper
    return (low + high) / 2


def moments(
    table: Source,
    kind: str,
    b: float,
    *,
    run: Map = map,
    spaces: "list[_Workspace] | None" = None,
) -> Moments:
    """All moments at ``b`` in one pass; `spaces` keeps memory for the next one."""
    spaces = [] if spaces is None else spaces

    def sums(block: Block) -> np.ndarray:
        scores, codes, weight = block
        if not is_numpy_array(scores):
            return _sums(_terms(as_logits(scores, kind), codes, b), weight)
        space = spaces.pop() if spaces else _Workspace()
        terms = space.terms(scores, kind, codes, b)
        spaces.append(space)
        return _sums(terms, weight)

    total = np.zeros(5)
    for part in map_blocks(sums, table, run):
        total += part
    loss, slope, curvature, error_rate = (total[:4] / total[4]).tolist()
    return Moments(loss, slope, curvature, error_rate, float(total[4]))


def _terms(z: Array, y: Array, b: float) -> tuple[Array, Array, Array, Array]:
    """Each moment of every column of a block of logits."""
    xp = array_namespace(z)
    z = z - xp.max(z, axis=0)  # at most 0: exp cannot overflow
    z_y = pick(z, y)
    q = xp.exp(z * b)
    total = xp.sum(q, axis=0)
    q *= z
    first = xp.sum(q, axis=0) / total
    q *= z
    second = xp.sum(q, axis=0) / total
    wrong = xp.astype(z_y < 0, z.dtype)
    return xp.log(total) - b * z_y, first - z_y, second - first * first, wrong


def count_impossible(table: Source) -> int:
    """Samples whose true class was given a probability of zero."""
    count = 0
    for scores, codes, weight in table.blocks(copy=False):
        zero = pick(both_rows(scores, "proba"), codes) < LEAST_PROBABILITY
        if weight is not None:
            zero = zero & (weight > 0)
        count += int(array_namespace(zero).count_nonzero(zero))
    return count


class _Workspace:
    """`_terms` in numpy, in two blocks of memory that are used again and again.

    Fresh memory for every operation costs three times the arithmetic, in page faults.
    """

    def __init__(self) -> None:
        self.size, self.memory = 0, (np.empty(0), np.empty(0))

    def terms(
        self, scores: np.ndarray, kind: str, y: np.ndarray, b: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Each moment of every column of a block of scores, in any memory order."""
        z, q = self._blocks((max(2, scores.shape[0]), scores.shape[1]), scores.dtype)
        _read_logits(scores, kind, z)
        z -= z.max(axis=0)
        z_y = pick(z, y)
        np.multiply(z, b, out=q)
        np.exp(q, out=q)
        total = q.sum(axis=0)
        q *= z
        first = q.sum(axis=0) / total
        q *= z
        second = q.sum(axis=0) / total
        wrong = (z_y < 0).astype(z.dtype)
        return np.log(total) - b * z_y, first - z_y, second - first * first, wrong

    def _blocks(
        self, shape: tuple[int, int], dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        n = shape[0] * shape[1]
        if n > self.size or dtype != self.memory[0].dtype:
            self.size, self.memory = n, (np.empty(n, dtype), np.empty(n, dtype))
        first, second = self.memory
        return first[:n].reshape(shape), second[:n].reshape(shape)


def _read_logits(scores: np.ndarray, kind: str, out: np.ndarray) -> None:
    """Write the logits of a block of scores into `out`, as `as_logits` gives them."""
    if scores.shape[0] == 1:
        out[1:] = scores
        out[0] = 0 if kind == "logit" else 1 - scores[0]
    else:
        np.copyto(out, scores)
    if kind == "proba":
        np.clip(out, LEAST_PROBABILITY, 1, out=out)
        np.log(out, out=out)


def _sums(terms: tuple[Array, ...], weight: Array | None) -> np.ndarray:
    """Weighted sums of the terms, then that of the weights, on the host."""
    xp, wide = array_namespace(terms[0]), accumulator_dtype(terms[0])
    if weight is None:
        count = xp.asarray(
            float(terms[0].shape[0]), dtype=wide, device=device(terms[0])
        )
        return to_numpy(xp.stack([*(xp.sum(t, dtype=wide) for t in terms), count]))
    weighted = [xp.sum(xp.astype(term, wide) * weight) for term in terms]
    return to_numpy(xp.stack([*weighted, xp.sum(weight)]))
