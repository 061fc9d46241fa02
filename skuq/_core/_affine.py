"""Affine maps of scores that minimise the log loss: one convex fit for many uses.

To the loss of `_affine_loss` comes the penalty ``sum P (A - A_0)^2 + p (c - c_0)^2``:
quadratic about the start, entry by entry, and infinite where an entry is not free.
Both are convex, so calibrators differ only in features, start and penalty.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from skuq._core._affine_frame import Frame
from skuq._core._affine_loss import Affine, Batch
from skuq._core._arrays import array_namespace, contiguous, is_numpy_array
from skuq._core._lbfgs import minimise
from skuq._core._threads import MOST_WORKERS, core_count, crew

SINGLE_TOL = 1e-4  # of slopes of features in float32: their rounding is near
SMALL = 32**2  # entries of A whose products are too short for threads of BLAS
ENOUGH = 4096  # samples that tell the curvatures, and start the search near its end
ROUGH_TOL = 3e-3  # of that start; its slopes have an error of 1/sqrt(4096) = .016
ROUGH_RIDGE = 1e-2  # keeps a class that these samples lack from running away


@dataclass(frozen=True)
class AffineFit:
    """The answer: the map, passes over the full data, and whether the search ended."""

    map: Affine
    n_iter: int
    converged: bool


def fit_affine(
    batches: Iterable[Batch],
    start: Affine,
    penalty: Affine,
    *,
    max_iter: int = 500,
    tol: float = 1e-7,
) -> AffineFit:
    """Minimise the penalised log loss of an affine map.

    The search ends where no slope in the coordinates of `Frame` exceeds `tol`.  With
    many samples, a rough fit to some of them gives a start from which a few passes over
    all are enough.
    """
    size = sum(batch.codes.shape[0] for batch in batches)
    some = _sample(batches, max(1, size // ENOUGH))
    if any("float32" in str(batch.features.dtype) for batch in some):
        tol = max(tol, SINGLE_TOL)
    with crew(threads=_shared(batches, penalty)) as run:
        frame = Frame.of(some, start, start, penalty)
        if size >= 4 * ENOUGH >= 8 * frame.size:
            near = frame.affine(_rough(some, frame, max_iter))
            frame = Frame.of(some, near, start, penalty)
        loss = partial(frame.loss, batches=batches, run=run, spaces=[])
        found = minimise(loss, np.zeros(frame.size), max_iter=max_iter, tol=tol)
    # A line search that ends in rounding has arrived, if the slope says so.
    arrived = found.arrived or np.abs(found.slope).max() <= max(tol, SINGLE_TOL)
    return AffineFit(frame.affine(found.point), found.n_calls, bool(arrived))


def _rough(batches: list[Batch], frame: Frame, max_iter: int) -> np.ndarray:
    """About the minimum on some samples, in coordinates."""
    spaces: list[np.ndarray] = []

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = frame.loss(point, batches, spaces=spaces)
        return value + ROUGH_RIDGE / 2 * (point @ point), slope + ROUGH_RIDGE * point

    origin = np.zeros(frame.size)
    return minimise(loss, origin, max_iter=max_iter, tol=ROUGH_TOL).point


def _shared(batches: Iterable[Batch], penalty: Affine) -> bool:
    """Whether threads go through the batches, rather than BLAS's through a product."""
    if not isinstance(batches, list) or len(batches) < 2:
        return False
    of_blas = core_count() > MOST_WORKERS and penalty.weight.size > SMALL
    return is_numpy_array(batches[0].features) and not of_blas


def _sample(batches: Iterable[Batch], stride: int) -> list[Batch]:
    """The samples 0, stride, 2 stride, ... of all batches; all of them as they are."""
    if stride == 1:
        return list(batches)
    parts, n_seen = [], 0
    for x, codes, weight in batches:
        cut = slice(-n_seen % stride, None, stride)
        n_seen += codes.shape[0]
        some = x[:, cut], codes[cut], None if weight is None else weight[cut]
        parts.append(tuple(p if p is None else contiguous(p) for p in some))  # copies
    xs, codes, weights = zip(*parts, strict=True)
    xp = array_namespace(xs[0])
    weight = None if weights[0] is None else xp.concat(weights)
    if weight is not None and not bool(xp.any(weight > 0)):
        weight = None  # all weight is on the others
    return [Batch(xp.concat(xs, axis=1), xp.concat(codes), weight)]
