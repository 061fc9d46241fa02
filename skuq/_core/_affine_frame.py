"""Coordinates of an affine map in which its penalised log loss is nearly round."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skuq._core._affine_loss import Affine, Batch, loss_and_gradient
from skuq._core._arrays import accumulator_dtype, array_namespace, to_numpy
from skuq._core._links import softmax
from skuq._core._threads import Map

LEAST_CURVATURE = 1e-6  # of a class that is hardly ever in doubt
LEAST_SHARE = 1e-4  # of its own curvature that a coordinate keeps beside the others
MOST_EXACT = 600  # parameters of which all curvatures are computed


class Known(NamedTuple):
    """Features and 1 `(F + 1, m)`, probabilities `(K, m)` and weights, in float64."""

    x: np.ndarray
    q: np.ndarray
    mass: np.ndarray


@dataclass(frozen=True)
class Block:
    """Parameters with their exact curvature H on a sample: theta = root v.

    Entries ``A[rows, cols]``, then ``c[shifts]``, which moves by ``-A mean``, too;
    ``root root^T`` is the inverse of H.
    """

    rows: np.ndarray
    cols: np.ndarray
    shifts: np.ndarray
    mean: np.ndarray
    root: np.ndarray

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.rows) + len(self.shifts)

    def changes(self, point: np.ndarray, shape: tuple[int, int]) -> Affine:
        """What the coordinates `point` add to A of `shape` and to c."""
        theta, n = self.root @ point, len(self.rows)
        change, shift = np.zeros(shape), np.zeros(shape[0])
        change[self.rows, self.cols] = theta[:n]
        shift[self.shifts] = theta[n:]
        return Affine(change, shift - change @ self.mean)

    def slopes(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Slopes in the coordinates, of those in A and c."""
        about_mean = (
            weight[self.rows, self.cols] - bias[self.rows] * self.mean[self.cols]
        )
        own = np.concatenate([about_mean, bias[self.shifts]])
        return np.asarray(self.root.T @ own)


@dataclass(frozen=True)
class Apart:
    """All free parameters, as if doubt did not depend on x: ``[A c] = W (S * V) U^T``.

    Parameters
    ----------
    free : ndarray of bool of shape (K, F + 1)
        Free entries of A and c.
    classes : ndarray of shape (K, K)
        W, directions in which the classes do not compete.
    axes : ndarray of shape (F + 1, F + 1)
        U, directions in which the features, and the penalty, are apart.
    scale : ndarray of shape (K, F + 1)
        S, one over the root of the curvature along them.
    """

    free: np.ndarray
    classes: np.ndarray
    axes: np.ndarray
    scale: np.ndarray

    @property
    def size(self) -> int:
        """Number of parameters."""
        return int(self.free.sum())

    def changes(self, point: np.ndarray) -> Affine:
        """What the coordinates `point` add to A and c."""
        values = np.zeros(self.free.shape)
        values[self.free] = point
        change = self.classes @ (self.scale * values) @ self.axes.T
        return Affine(change[:, :-1], change[:, -1])

    def slopes(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Slopes in the coordinates, of those in A and c."""
        slopes = self.classes.T @ np.column_stack([weight, bias]) @ self.axes
        return np.asarray((self.scale * slopes)[self.free])


@dataclass(frozen=True)
class Frame:
    """A point stands for a map near `origin`; 0 stands for `origin` itself.

    The first coordinates are those of `apart`, the others those of `block`, whose
    curvature is exact.  Where all free parameters are in the block, `apart` is not
    needed.  Else the block holds the diagonal and the intercept, if they fit: these
    then have two coordinates each, and the search takes the longer one.  The diagonal,
    hardly penalised, moves by the block, though the row that it is in is stiff.

    Parameters
    ----------
    origin, start, penalty : Affine
        The map at 0, that which is penalised least, and the strength of the penalty.
    apart : Apart or None
        All free parameters, with an estimate of their curvature.
    block : Block or None
        Some or all of them, with their curvature on a sample.
    """

    origin: Affine
    start: Affine
    penalty: Affine
    apart: Apart | None
    block: Block | None

    @classmethod
    def of(
        cls, sample: list[Batch], origin: Affine, start: Affine, penalty: Affine
    ) -> "Frame":
        """The frame of the curvatures at `origin`, on a sample of the data."""
        free = np.isfinite(np.column_stack(penalty))
        exact = free if free.sum() <= MOST_EXACT else _own(free)
        known = list(_walk(sample, origin))
        block = None if exact is None else _block(known, penalty, exact)
        apart = None if exact is free else _apart(known, penalty, free)
        return cls(origin, start, penalty, apart, block)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return sum(part.size for part in (self.apart, self.block) if part is not None)

    def affine(self, point: np.ndarray) -> Affine:
        """The affine map of coordinates."""
        weight, bias = self.origin
        n_apart = 0 if self.apart is None else self.apart.size
        if self.apart is not None:
            change = self.apart.changes(point[:n_apart])
            weight, bias = weight + change.weight, bias + change.bias
        if self.block is not None:
            change = self.block.changes(point[n_apart:], weight.shape)
            weight, bias = weight + change.weight, bias + change.bias
        return Affine(weight, bias)

    def loss(
        self,
        point: np.ndarray,
        batches: Iterable[Batch],
        run: Map = map,
        spaces: list[np.ndarray] | None = None,
    ) -> tuple[float, np.ndarray]:
        """The penalised loss and its slope in the coordinates."""
        affine = self.affine(point)
        alone = affine.is_diagonal and _is_diagonal(np.isfinite(self.penalty.weight))
        loss, *slopes = loss_and_gradient(
            batches, affine, diagonal=alone, run=run, spaces=spaces
        )
        parts = zip(affine, self.start, self.penalty, slopes, strict=True)
        for value, center, penalty, slope in parts:
            strength = np.where(np.isfinite(penalty), penalty, 0.0)
            loss += float((strength * (value - center) ** 2).sum())
            slope += 2 * strength * (value - center)
        own = [part for part in (self.apart, self.block) if part is not None]
        return loss, np.concatenate([part.slopes(*slopes) for part in own])


def _is_diagonal(entries: np.ndarray) -> bool:
    """Whether only those of a class in its own feature are set."""
    square = entries.shape[0] == entries.shape[1]
    return square and not (entries & ~np.eye(len(entries), dtype=bool)).any()


def _own(free: np.ndarray) -> np.ndarray | None:
    """The free entries of a class in its own feature and c, if these are few enough."""
    if free.shape[0] + 1 != free.shape[1] or 2 * len(free) > MOST_EXACT:
        return None
    own = np.column_stack([np.eye(len(free)), np.ones(len(free))])
    return np.asarray(free & (own > 0))


def _apart(sample: list[Known], penalty: Affine, free: np.ndarray) -> Apart:
    """Directions and scales, from the means of features and doubt apart.

    The curvature is about ``G x M + 2 diag(P)``, a Kronecker product of ``G =
    E[diag(q) - q q^T]`` and the second moments M of the features and 1.  Where all is
    free, one P serves all classes, the largest, and both parts are diagonal along the
    directions.
    """
    moments, doubt = _moments(sample)
    strength = np.where(free, np.column_stack(penalty), 0.0)
    if free.all():
        least = LEAST_CURVATURE * np.diag(doubt).mean() * np.diag(moments)
        size = np.maximum(strength.max(axis=0), least) ** -0.5
        spread, axes = np.linalg.eigh(size[:, None] * moments * size)
        rivalry, classes = np.linalg.eigh(doubt)
        stiffness = np.outer(np.maximum(rivalry, 0), np.maximum(spread, 0)) + 2
        return Apart(free, classes, size[:, None] * axes, stiffness**-0.5)
    classes, axes, mean = np.eye(len(doubt)), np.eye(len(moments)), moments[-1, :-1]
    if free[:, -1].all():  # a change of A leaves the mean of the logits
        axes[-1, :-1] = -mean
        moments = moments - np.outer(moments[-1], moments[-1])
        moments[-1, -1] = 1
    spread = np.diag(moments)
    floor = LEAST_CURVATURE * max(float(spread.max()), 1e-12)
    own = np.maximum(np.diag(doubt), LEAST_CURVATURE)
    stiffness = np.outer(own, np.maximum(spread, floor)) + 2 * strength
    return Apart(free, classes, axes, stiffness**-0.5)


def _block(sample: list[Known], penalty: Affine, exact: np.ndarray) -> Block:
    """The block of the entries of A and c that are marked in `exact`.

    A parameter of class k with the feature x_j, less its mean, or 1 for c, has ``u =
    q_k x_j``.  The curvature is E[q_k x x^T] within a class, less E[u u^T], and that of
    the penalty.
    """
    (rows, cols), shifts = np.nonzero(exact[:, :-1]), np.flatnonzero(exact[:, -1])
    total = sum(float(mass.sum()) for _, _, mass in sample)
    center = np.zeros(exact.shape[1])
    if exact[:, -1].all():
        center[:-1] = sum(x[:-1] @ mass for x, _, mass in sample) / total
    classes = np.concatenate([rows, shifts])
    features = np.concatenate([cols, np.full(len(shifts), len(center) - 1)])
    members = [np.flatnonzero(classes == k) for k in np.unique(classes)]
    curvature = np.zeros((len(classes), len(classes)))
    for x, q, mass in sample:
        about = (x - center[:, None]).astype(np.float32)  # a guide needs no more digits
        u = q.astype(np.float32)[classes] * about[features]
        weighted = u * mass.astype(np.float32)
        curvature -= weighted @ u.T
        for own in members:
            curvature[np.ix_(own, own)] += weighted[own] @ about[features[own]].T
    curvature /= total
    for own in members:  # c moves with A, by the centers: its penalty is one of both
        k, apart = classes[own[0]], own[features[own] < len(center) - 1]
        curvature[apart, apart] += 2 * penalty.weight[k, features[apart]]
        if exact[k, -1]:
            lever = np.append(-center[:-1], 1.0)[features[own]]
            curvature[np.ix_(own, own)] += 2 * penalty.bias[k] * np.outer(lever, lever)
    return Block(rows, cols, shifts, center[:-1], _root_of_inverse(curvature))


def _root_of_inverse(curvature: np.ndarray) -> np.ndarray:
    """R with R R^T the inverse of a matrix, made safe where that is singular."""
    own = np.maximum(np.diag(curvature), np.finfo(float).tiny)
    size = np.maximum(own, LEAST_CURVATURE**2 * own.max()) ** -0.5
    equal = size[:, None] * curvature * size
    factor = np.linalg.cholesky(equal + LEAST_SHARE * np.eye(len(own)))
    # numpy's, since the threads of scipy's BLAS get in the way of those of numpy's.
    return np.asarray(size[:, None] * np.linalg.inv(factor).T)


def _moments(sample: list[Known]) -> tuple[np.ndarray, np.ndarray]:
    """E[x x^T] of the features and 1, and E[diag(q) - q q^T]."""
    total = sum(float(mass.sum()) for _, _, mass in sample)
    moments = sum((x * mass) @ x.T for x, _, mass in sample)
    doubt = sum(np.diag(q @ mass) - (q * mass) @ q.T for _, q, mass in sample)
    return moments / total, doubt / total


def _walk(sample: list[Batch], affine: Affine) -> Iterator[Known]:
    """What is known of batches, on the host."""
    for features, _, weight in sample:
        x = array_namespace(features).astype(features, accumulator_dtype(features))
        q = to_numpy(softmax(affine(x))).astype(np.float64, copy=False)
        one = np.ones((1, q.shape[1]))
        mass = one[0] if weight is None else to_numpy(weight)
        yield Known(np.concatenate([to_numpy(x), one]), q, mass)
