"""Affine maps of scores that minimise the log loss: one convex fit for many uses.

Notation: x features `(F, m)`, one column per sample; logits eta = A x + c; q = softmax
(eta); Y the one-hot true classes; w weights that sum to W.

    loss(A, c)  = sum w (log sum exp(eta) - eta_y) / W + penalty
    d loss / dA = ((q - Y) * w) x^T / W,     d loss / dc = ((q - Y) * w) 1 / W

The penalty is ``sum P (A - A_0)^2 + p (c - c_0)^2``: quadratic about the start, entry
by entry, and infinite where an entry is not free.  The loss is convex, so calibrators
differ only in features, start and penalty.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    contiguous,
    device,
    is_numpy_array,
    pick,
    to_library_of,
    to_numpy,
)
from skuq._core._batches import Source
from skuq._core._blocks import ScoreTable
from skuq._core._links import as_logits, softmax
from skuq._core._threads import map_items
from skuq.exceptions import NoSamplesError

SCORES_PER_BATCH = 2**18
FEW = 2**20  # scores: in float64 their fit is exact, and costs little
SINGLE_TOL = 1e-5  # slopes of features in float32 are not known better
ENOUGH = 20_000  # samples of the rough fit that starts the full one
ROUNDING = 1e-4  # of slopes, with features in float32
MEMORY = 20  # past steps that the curvature is estimated from
LEAST_CURVATURE = 1e-6  # of a class that is hardly ever in doubt
LARGEST_FOR_THREADS = 32**2  # entries of A; BLAS has threads of its own for more


class Batch(NamedTuple):
    """Features `(F, m)`, true classes `(m,)`, weights `(m,)` or None."""

    features: Array
    codes: Array
    weight: Array | None


class Affine(NamedTuple):
    """The map ``eta = weight x + bias``; `(K, F)` and `(K,)`, float64 on the host."""

    weight: np.ndarray
    bias: np.ndarray

    @property
    def is_diagonal(self) -> bool:
        """Whether each class has one feature, so that a product is not needed."""
        square = self.weight.shape[0] == self.weight.shape[1]
        return square and not (self.weight - np.diag(np.diag(self.weight))).any()

    def __call__(self, features: Array) -> Array:
        """Logits `(K, m)` of a block of features, in their precision."""
        xp = array_namespace(features)
        diagonal = self.is_diagonal
        weight, bias = (
            xp.astype(to_library_of(part, features), features.dtype)
            for part in (np.diag(self.weight) if diagonal else self.weight, self.bias)
        )
        eta = weight[:, None] * features if diagonal else xp.matmul(weight, features)
        eta += bias[:, None]
        return eta


@dataclass(frozen=True)
class AffineFit:
    """The answer: the map, passes over the full data, and whether the search ended."""

    map: Affine
    n_iter: int
    converged: bool


@dataclass(frozen=True)
class FeatureBatches:
    """The features of all positions that count, made anew in each pass.

    Parameters
    ----------
    source : ScoreTable or BatchedTable
        Labelled scores.
    kind : str
        "logit" or "proba".
    features : callable
        Features of a block of logits.
    few : bool
        Whether they are made in float64.
    """

    source: Source
    kind: str
    features: Callable[[Array], Array]
    few: bool = False

    def __iter__(self) -> Iterator[Batch]:
        """The batches that are not empty, in order."""
        for scores, codes, weight in self.source.blocks(SCORES_PER_BATCH, copy=True):
            if scores.shape[1]:
                x = self.features(as_logits(scores, self.kind))
                if self.few:  # copies, as they may be held when the block has changed
                    xp = array_namespace(x)
                    x = xp.astype(x, accumulator_dtype(x))
                    codes = xp.asarray(codes, copy=True)
                yield Batch(x, codes, weight)


def feature_batches(
    source: Source, kind: str, features: Callable[[Array], Array]
) -> list[Batch] | FeatureBatches:
    """The features, in memory where the scores are or are few, these in float64."""
    few = source.n_scores <= FEW
    batches = FeatureBatches(source, kind, features, few)
    return list(batches) if few or isinstance(source, ScoreTable) else batches


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
    some = _every(batches, max(1, size // ENOUGH))
    if any("float32" in str(batch.features.dtype) for batch in some):
        tol = max(tol, SINGLE_TOL)
    frame = Frame.of(some, start, penalty)
    point = np.zeros(frame.size)
    if size >= 4 * ENOUGH:
        point = _search(some, frame, point, max_iter, 1e-4).x
    found = _search(batches, frame, point, max_iter, tol)
    # A line search that ends in rounding has arrived, if the slope says so.
    arrived = found.success or np.abs(found.jac).max() <= max(tol, ROUNDING)
    return AffineFit(frame.map(found.x), int(found.nfev), bool(arrived))


def _search(
    batches: Iterable[Batch],
    frame: "Frame",
    point: np.ndarray,
    max_iter: int,
    tol: float,
) -> Any:
    return minimize(
        lambda x: frame.loss(batches, x),
        point,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iter, "maxcor": MEMORY, "ftol": 1e-15, "gtol": tol},
    )


def loss_and_gradient(
    batches: Iterable[Batch], affine: Affine, *, diagonal: bool = False
) -> tuple[float, np.ndarray, np.ndarray]:
    """The mean log loss and its slopes in A, or in its diagonal only, and in c."""
    held = isinstance(batches, list) and len(batches) > 1
    threads = affine.weight.size <= LARGEST_FOR_THREADS and held
    loss, total = 0.0, 0.0
    weight, bias = np.zeros(affine.weight.shape), np.zeros(affine.bias.shape)
    work = partial(_terms, affine=affine, diagonal=diagonal)
    for part in map_items(work, batches, threads=threads):
        loss, total = loss + part[0], total + part[3]
        weight += part[1]
        bias += part[2]
    if total == 0:
        raise NoSamplesError("no sample that counts has a weight above zero.")
    return loss / total, weight / total, bias / total


def _terms(
    batch: Batch, affine: Affine, diagonal: bool
) -> tuple[float, np.ndarray, np.ndarray, float]:
    """Sums of the loss, its slopes, and the weights of a batch."""
    x, codes, weight = batch
    xp, wide = array_namespace(x), accumulator_dtype(x)
    eta = affine(x)
    eta -= xp.max(eta, axis=0)
    true = xp.astype(pick(eta, codes), wide)
    q = xp.exp(eta)
    total = xp.sum(q, axis=0)
    q /= total
    loss = xp.log(xp.astype(total, wide)) - true
    q = _less_true(q, codes)
    mass = float(x.shape[1])
    if weight is not None:
        loss = loss * weight
        q *= xp.astype(weight, q.dtype)
        mass = float(xp.sum(weight))
    if diagonal:
        slope = np.diag(to_numpy(xp.sum(q * x, axis=1, dtype=wide)))
    else:
        slope = to_numpy(xp.matmul(q, x.T)).astype(np.float64)
    bias = to_numpy(xp.sum(q, axis=1, dtype=wide)).astype(np.float64)
    return float(xp.sum(loss)), slope, bias, mass


def _less_true(q: Array, codes: Array) -> Array:
    """The block q with 1 taken from the true class of each column."""
    xp = array_namespace(q)
    if is_numpy_array(q):
        q[codes, np.arange(q.shape[1])] -= 1
        return q
    hot = xp.arange(q.shape[0], device=device(q))[:, None] == codes[None, :]
    return q - xp.astype(hot, q.dtype)


def _moments(
    batches: Iterable[Batch], start: Affine
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and covariance of the features, and mean of q (1 - q) of each class."""
    n_classes, n_features = start.weight.shape
    total, variance = 0, np.zeros(n_classes)
    first, second = np.zeros(n_features), np.zeros((n_features, n_features))
    for x, _, _ in batches:
        xp = array_namespace(x)
        wide = xp.astype(x, accumulator_dtype(x))
        q = softmax(start(wide))
        total += x.shape[1]
        first += to_numpy(xp.sum(wide, axis=1))
        second += to_numpy(xp.matmul(wide, wide.T))
        variance += to_numpy(xp.sum(q * (1 - q), axis=1))
    mean = first / total
    return mean, second / total - np.outer(mean, mean), variance / total


def _every(batches: Iterable[Batch], stride: int) -> list[Batch]:
    """The samples 0, stride, 2 stride, ... of all batches, as copies if not all."""
    some, n_seen = [], 0
    for x, codes, weight in batches:
        cut = slice(-n_seen % stride, None, stride)
        n_seen += codes.shape[0]
        if stride > 1:
            x, codes = contiguous(x[:, cut]), codes[cut]
            weight = None if weight is None else weight[cut]
        if codes.shape[0]:
            some.append(Batch(x, codes, weight))
    return some


@dataclass(frozen=True)
class Frame:
    """Coordinates in which the loss is nearly round, so that few steps are needed.

    ``A = A_0 + (S * V) U^T`` and ``c = c_0 + s * d - (A - A_0) mu``, where mu, U and
    lambda are the mean of the features and the axes of their covariance, and ``S_kj =
    1 / sqrt(h_k lambda_j + 2 P_k)`` what the curvature at the start, h_k =
    mean q_k (1 - q_k), and the penalty of a row allow.  V and d are free.

    Parameters
    ----------
    start, penalty : Affine
        As in `fit_affine`.
    free : ndarray of bool of shape (K, F)
        Free entries of A.
    free_bias : ndarray of bool of shape (K,)
        Free entries of c.
    mean : ndarray of shape (F,)
        Mean of the features.
    axes : ndarray of shape (F, F)
        The matrix U.
    scale : Affine
        S and s.
    """

    start: Affine
    penalty: Affine
    free: np.ndarray
    free_bias: np.ndarray
    mean: np.ndarray
    axes: np.ndarray
    scale: Affine

    @classmethod
    def of(cls, batches: Iterable[Batch], start: Affine, penalty: Affine) -> "Frame":
        """The frame of the features at the start."""
        free, free_bias = (np.isfinite(part) for part in penalty)
        mean, covariance, curvature = _moments(batches, start)
        if free.sum(axis=1).max() <= 1:  # one feature per class: no directions to mix
            axes, spread = np.eye(len(mean)), np.diag(covariance)
        else:
            spread, axes = np.linalg.eigh(covariance)
        if not free_bias.all():
            mean = np.zeros_like(mean)
        curvature = np.maximum(curvature, LEAST_CURVATURE)
        strength = np.where(free, penalty.weight, -np.inf).max(axis=1)
        strength = np.maximum(strength, 0)[:, None]
        floor = LEAST_CURVATURE * max(float(spread.max()), 1e-12)
        stiffness = curvature[:, None] * np.maximum(spread, floor) + 2 * strength
        own = np.where(free_bias, penalty.bias, 0.0)
        scale = Affine(stiffness**-0.5, (curvature + 2 * own) ** -0.5)
        return cls(start, penalty, free, free_bias, mean, axes, scale)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return int(self.free.sum() + self.free_bias.sum())

    def map(self, point: np.ndarray) -> Affine:
        """The affine map of coordinates."""
        n_free = int(self.free.sum())
        change, shift = np.zeros(self.free.shape), np.zeros(len(self.free_bias))
        change[self.free], shift[self.free_bias] = point[:n_free], point[n_free:]
        change = (self.scale.weight * change) @ self.axes.T
        bias = self.start.bias + self.scale.bias * shift - change @ self.mean
        return Affine(self.start.weight + change, bias)

    def loss(
        self, batches: Iterable[Batch], point: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """The penalised loss and its slope in the coordinates."""
        affine = self.map(point)
        alone = affine.is_diagonal and self.free.sum() <= len(self.free)
        loss, weight, bias = loss_and_gradient(batches, affine, diagonal=alone)
        parts = zip(affine, self.start, self.penalty, (weight, bias), strict=True)
        for value, origin, penalty, slope in parts:
            strength = np.where(np.isfinite(penalty), penalty, 0.0)
            loss += float((strength * (value - origin) ** 2).sum())
            slope += 2 * strength * (value - origin)
        weight -= np.outer(bias, self.mean)
        slopes = self.scale.weight * (weight @ self.axes)
        return loss, np.concatenate(
            [slopes[self.free], (self.scale.bias * bias)[self.free_bias]]
        )
