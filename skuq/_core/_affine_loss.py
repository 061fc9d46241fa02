"""Affine maps of features, and the log loss of the probabilities that they give.

Notation: x features `(F, m)`, one column per sample; logits eta = A x + c; q = softmax
(eta); Y the one-hot true classes; w weights that sum to W.

    loss(A, c)  = sum w (log sum exp(eta) - eta_y) / W
    d loss / dA = ((q - Y) * w) x^T / W,     d loss / dc = ((q - Y) * w) 1 / W
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    device,
    is_numpy_array,
    pick,
    to_library_of,
    to_numpy,
)
from skuq._core._batches import Source
from skuq._core._blocks import Block, ScoreTable
from skuq._core._links import as_logits
from skuq._core._threads import Map, map_items
from skuq.exceptions import NoSamplesError

SCORES_PER_BATCH = 2**19
FEW = 2**20  # scores: in float64 their fit is exact, and costs little


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

    def __call__(self, features: Array, out: np.ndarray | None = None) -> Array:
        """Logits `(K, m)` of a block of features in their precision; to `out`."""
        xp = array_namespace(features)
        diagonal = self.is_diagonal
        weight, bias = (
            xp.astype(to_library_of(part, features), features.dtype)
            for part in (np.diag(self.weight) if diagonal else self.weight, self.bias)
        )
        place = {} if out is None else {"out": out}
        if diagonal:
            eta = xp.multiply(weight[:, None], features, **place)
        else:
            eta = xp.matmul(weight, features, **place)
        eta += bias[:, None]
        return eta


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
        for block in self.source.blocks(SCORES_PER_BATCH, copy=True):
            if block.scores.shape[1]:
                yield self.of(block)

    def held(self, table: ScoreTable) -> list[Batch]:
        """The batches of a source that is a table, in memory."""
        windows = table.windows(SCORES_PER_BATCH)
        threads = is_numpy_array(table.scores) and table.n_scores > SCORES_PER_BATCH
        held = map_items(lambda w: self.of(table.block(w)), windows, threads=threads)
        return [batch for batch in held if batch.codes.shape[0]]

    def of(self, block: Block) -> Batch:
        """The features of a block."""
        scores, codes, weight = block
        x = self.features(as_logits(scores, self.kind))
        if self.few:  # copies, as they may be held when the block has changed
            xp = array_namespace(x)
            x = xp.astype(x, accumulator_dtype(x))
            codes = xp.asarray(codes, copy=True)
        return Batch(x, codes, weight)


def feature_batches(
    source: Source, kind: str, features: Callable[[Array], Array]
) -> list[Batch] | FeatureBatches:
    """The features, in memory where the scores are or are few, these in float64."""
    few = source.n_scores <= FEW
    batches = FeatureBatches(source, kind, features, few)
    if isinstance(source, ScoreTable):
        return batches.held(source)
    return list(batches) if few else batches


def loss_and_gradient(
    batches: Iterable[Batch],
    affine: Affine,
    *,
    diagonal: bool = False,
    run: Map = map,
    spaces: list[np.ndarray] | None = None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """The mean log loss and its slopes in A, or in its diagonal only, and in c.

    `run` goes through the batches, and `spaces` keeps memory for the next call.
    """
    loss, total = 0.0, 0.0
    weight, bias = np.zeros(affine.weight.shape), np.zeros(affine.bias.shape)
    spaces = [] if spaces is None else spaces
    work = partial(_terms, affine=affine, diagonal=diagonal, spaces=spaces)
    for part in run(work, batches):
        loss, total = loss + part[0], total + part[3]
        weight += part[1]
        bias += part[2]
    if total == 0:
        raise NoSamplesError("no sample that counts has a weight above zero.")
    return loss / total, weight / total, bias / total


def _terms(
    batch: Batch, affine: Affine, diagonal: bool, spaces: list[np.ndarray]
) -> tuple[float, np.ndarray, np.ndarray, float]:
    """Sums of the loss, its slopes, and the weights of a batch."""
    x, codes, weight = batch
    xp, wide = array_namespace(x), accumulator_dtype(x)
    q, space = _logits(affine, x, spaces)
    q -= xp.max(q, axis=0)
    true = xp.astype(pick(q, codes), wide)
    q = xp.exp(q) if space is None else np.exp(q, out=q)
    total = xp.sum(q, axis=0)
    q /= total
    loss = xp.log(xp.astype(total, wide)) - true
    q = _less_true(q, codes)
    mass = float(x.shape[1])
    if weight is not None:
        loss = loss * weight
        q *= xp.astype(weight, q.dtype)
        mass = float(xp.sum(weight))
    bias = to_numpy(xp.sum(q, axis=1, dtype=wide)).astype(np.float64)
    if diagonal:
        q *= x
        slope = np.diag(to_numpy(xp.sum(q, axis=1, dtype=wide)))
    else:
        slope = to_numpy(xp.matmul(q, x.T)).astype(np.float64)
    if space is not None:
        spaces.append(space)
    return float(xp.sum(loss)), slope, bias, mass


def _logits(
    affine: Affine, x: Array, spaces: list[np.ndarray]
) -> tuple[Array, np.ndarray | None]:
    """The logits of a block, in numpy in memory that is used again: that memory, too.

    Fresh memory costs more than the arithmetic, in page faults, above all in threads.
    """
    if not is_numpy_array(x):
        return affine(x), None
    shape = len(affine.bias), x.shape[1]
    space = spaces.pop() if spaces else np.empty(0, x.dtype)
    if space.size < shape[0] * shape[1] or space.dtype != x.dtype:
        space = np.empty(shape[0] * shape[1], x.dtype)
    return affine(x, out=space[: shape[0] * shape[1]].reshape(shape)), space


def _less_true(q: Array, codes: Array) -> Array:
    """The block q with 1 taken from the true class of each column."""
    xp = array_namespace(q)
    if is_numpy_array(q):
        q[codes, np.arange(q.shape[1])] -= 1
        return q
    hot = xp.arange(q.shape[0], device=device(q))[:, None] == codes[None, :]
    return q - xp.astype(hot, q.dtype)
