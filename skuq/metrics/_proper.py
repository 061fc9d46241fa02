"""Proper scores: what honest probabilities minimise, on tables and maps."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np

from skuq._core._accumulator import MeanSum
from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    is_numpy_array,
    pick,
    to_numpy,
    weighted_sum,
)
from skuq._core._blocks import HOST_BLOCK, LEAST, MOST, Block, ScoreTable, Window
from skuq._core._checks import check_option
from skuq._core._links import LEAST_PROBABILITY
from skuq._core._outcomes import (
    MOST_ROWS,
    WHOLE_ROWS,
    has_rows,
    proba_block,
    proba_of_truth,
    rows_and_truth,
)
from skuq._core._samples import MeanSamples
from skuq._core._threads import map_windows
from skuq.exceptions import InputError
from skuq.metrics._inputs import score_table
from skuq.metrics._streaming import streams_with

Result = TypeVar("Result")

LARGE_BLOCK = 4 * HOST_BLOCK  # runs of pixels long enough for reductions over classes
LONG_BLOCK = 2**21  # and for threads, which then do not wait for the interpreter

# The losses of the positions of a window that count, and their weights or None.
Losses = Callable[[Window], tuple[Array, Array | None]]
# The sum of the losses of a window, and that of its weights.
Sums = Callable[[Window], tuple[float, float]]


class Terms(NamedTuple):
    """A table, its losses, and how it is walked.

    In windows of `size` scores and `most` columns, by `threads` or not.  `sums` is a
    faster way than to add up the losses.
    """

    table: ScoreTable
    losses: Losses
    size: int = LARGE_BLOCK
    most: int = MOST
    threads: bool = False
    sums: Sums | None = None

    def parts(self, function: Callable[[Window], Result]) -> Iterator[Result]:
        """The results of `function` for all windows in order."""
        size = max(self.size, LEAST * self.table.n_columns)
        windows = self.table.windows(size, self.most)
        if self.threads:
            return map_windows(function, self.table, windows)
        return map(function, windows)


def terms_of_blocks(
    table: ScoreTable, loss: Callable[[Block], Array], **walk: Any
) -> Terms:
    """The terms of a loss of each column of a checked block, and how it is walked."""

    def losses(window: Window) -> tuple[Array, Array | None]:
        block = proba_block(table, window)
        wide = accumulator_dtype(block.scores)
        return array_namespace(block.scores).astype(loss(block), wide), block.weight

    return Terms(table, losses, **walk)


def mean_over(terms: Terms) -> MeanSum:
    """The weighted sum of a loss over a table."""

    def sums(window: Window) -> tuple[float, float]:
        return weighted_sum(*terms.losses(window))

    return MeanSum.of(terms.parts(terms.sums or sums))


def samples_over(terms: Terms) -> MeanSamples:
    """The loss of every sample, for resampling."""
    parts = list(terms.parts(terms.losses))
    weights = [to_numpy(weight) for _, weight in parts if weight is not None]
    return MeanSamples(
        np.concatenate([to_numpy(values) for values, _ in parts]),
        np.concatenate(weights) if weights else None,
    )


def means(terms: Callable[..., Terms]) -> dict[str, Any]:
    """What `streams_with` needs to know of a metric that is the mean of a loss."""

    @wraps(terms)
    def statistic(*data: Any, **options: Any) -> MeanSum:
        return mean_over(terms(*data, **options))

    @wraps(terms)
    def samples(*data: Any, **options: Any) -> MeanSamples:
        return samples_over(terms(*data, **options))

    return {"statistic": statistic, "compute": mean_of_state, "samples": samples}


def mean_of_state(state: MeanSum) -> float:
    """The mean that a statistic holds."""
    return state.mean


def log_loss_terms(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    eps: float | str = "auto",
    ignore_index: Any = None,
) -> Terms:
    """The table of `log_loss` and the loss of a block of it."""
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    xp = array_namespace(table.scores)
    if isinstance(eps, str):
        check_option("eps", eps, ("auto",))
        floor = LEAST_PROBABILITY
    elif 0 <= eps < 0.5:
        floor = float(eps)
    else:
        raise InputError(f"eps must be 'auto' or in [0, 0.5), got {eps!r}.")

    def loss(p: Array) -> Array:
        p = xp.clip(xp.astype(p, accumulator_dtype(p)), floor, 1 - floor)
        if floor > 0:
            return -xp.log(p)
        possible = p > 0
        values = -xp.log(xp.where(possible, p, 1.0))
        return xp.where(possible, values, np.inf)

    def losses(window: Window) -> tuple[Array, Array | None]:
        p, weight = proba_of_truth(table, window)
        return loss(p), weight

    def sums(window: Window) -> tuple[float, float]:
        p, weight = proba_of_truth(table, window)
        if weight is None and is_numpy_array(p):
            return -sum_of_logs(np.clip(p, floor, 1)), float(p.size)
        return weighted_sum(loss(p), weight)

    fast = sums if floor == LEAST_PROBABILITY else None
    if has_rows(table):
        return Terms(table, losses, WHOLE_ROWS, MOST_ROWS, sums=fast)
    return Terms(table, losses, LONG_BLOCK, MOST_ROWS, threads=True, sums=fast)


def sum_of_logs(p: np.ndarray) -> float:
    """The sum of the logarithms of numbers from 2**-126 to 2**126.

    Of their products, eight by eight, for a logarithm takes ten times as long as a
    multiplication; float64 holds such a product to the last bit but one or two.
    """
    eighth = p.size // 8
    whole, rest = p[: 8 * eighth].reshape(8, eighth), p[8 * eighth :]
    products = np.multiply.reduce(whole, axis=0, dtype=np.float64)
    return float(np.log(products).sum() + np.log(rest, dtype=np.float64).sum())


@streams_with(**means(log_loss_terms))
def log_loss(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    eps: float | str = "auto",
    ignore_index: Any = None,
) -> float:
    """Mean negative log-likelihood of the true classes, in nats; lower is better.

    The proper score that temperature scaling minimises.  It punishes confident errors
    without bound.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or of `y_true`
        Probabilities in [0, 1]; of the shape of `y_true`, those of the second of two
        classes.  numpy array or torch tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    labels : array-like of shape (n_classes,), default=None
        The label of each column; None takes the sorted labels of `y_true`, or column
        numbers if `y_true` misses a class.
    eps : float in [0, 0.5) or "auto", default="auto"
        Probabilities are clipped to ``[eps, 1 - eps]``.  "auto" is 2**-126, the
        smallest normal float32, in every precision, so that a loss is at most 87.3 and
        no stated probability is altered; 0 clips nothing.  scikit-learn clips at the
        machine epsilon, ``numpy.finfo(dtype).eps``, which flatters over-confident
        float32 probabilities.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    loss : float
        At least 0.  With ``eps=0``, infinite if a true class has probability 0.

    Raises
    ------
    skuq.exceptions.InputError
        For rows that are not probabilities summing to one, labels without a column,
        NaN, or no samples.

    See Also
    --------
    brier_score_loss : A bounded proper score.

    Notes
    -----
    ``sum(w * -log p_y) / sum(w)`` [1]_.  Streams exactly.

    References
    ----------
    .. [1] I. J. Good (1952). "Rational decisions". Journal of the Royal Statistical
       Society B 14(1). `doi:10.1111/j.2517-6161.1952.tb00104.x
       <https://doi.org/10.1111/j.2517-6161.1952.tb00104.x>`_

    Examples
    --------
    >>> from skuq.metrics import log_loss
    >>> round(log_loss(["ham", "spam"], [[0.9, 0.1], [0.5, 0.5]]), 4)
    0.3993
    """
    terms = log_loss_terms(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        eps=eps,
        ignore_index=ignore_index,
    )
    return mean_over(terms).mean


def brier_score_terms(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    scale_by_half: bool | str = "auto",
    ignore_index: Any = None,
) -> Terms:
    """The table of `brier_score_loss` and the loss of a block of it."""
    check_option("scale_by_half", scale_by_half, ("auto", True, False))
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    half = table.n_classes == 2 if scale_by_half == "auto" else scale_by_half

    def loss(block: Block) -> Array:
        wide = accumulator_dtype(block.scores)
        xp = array_namespace(block.scores)
        p = xp.astype(block.scores, wide)
        return distance(xp.sum(p * p, axis=0), pick(p, block.codes))

    def losses_of_rows(window: Window) -> tuple[Array, Array | None]:
        rows, truth, weight = rows_and_truth(table, window)
        squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        return distance(squares, truth.astype(np.float64)), weight

    def distance(squares: Array, truth: Array) -> Array:
        """From the sum of squares and the true entry; not below 0 by rounding."""
        xp = array_namespace(squares)
        values = xp.maximum(squares - truth**2, 0.0) + (1.0 - truth) ** 2
        return values / 2 if half else values

    if has_rows(table):
        return Terms(table, losses_of_rows, WHOLE_ROWS)
    walk = {"size": LONG_BLOCK // 2, "most": MOST_ROWS, "threads": True}
    return terms_of_blocks(table, loss, **walk)


@streams_with(**means(brier_score_terms))
def brier_score_loss(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    scale_by_half: bool | str = "auto",
    ignore_index: Any = None,
) -> float:
    """Mean squared distance of probabilities from the truth; lower is better.

    A proper score like `log_loss`, but bounded: it forgives confident errors.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or of `y_true`
        Probabilities in [0, 1]; of the shape of `y_true`, those of the second of two
        classes.  numpy array or torch tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    labels : array-like of shape (n_classes,), default=None
        The label of each column; None takes the sorted labels of `y_true`, or column
        numbers if `y_true` misses a class.
    scale_by_half : bool or "auto", default="auto"
        Halve the sum over classes, so that the range is [0, 1].  "auto" does so for two
        classes, where it gives ``(p - y)^2``, as scikit-learn does.  False is Brier's
        own definition, with range [0, 2].
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    loss : float
        In [0, 1], or [0, 2] without halving.

    Raises
    ------
    skuq.exceptions.InputError
        For rows that are not probabilities summing to one, labels without a column,
        NaN, or no samples.

    See Also
    --------
    log_loss : The proper score that punishes confident errors most.

    Notes
    -----
    ``sum_i w_i sum_k (p_ik - [y_i = k])^2 / sum(w)`` [1]_, halved or not.  Streams
    exactly.

    References
    ----------
    .. [1] G. W. Brier (1950). "Verification of forecasts expressed in terms of
       probability". Monthly Weather Review 78(1).
       `doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2
       <https://doi.org/10.1175/1520-0493(1950)078%3C0001:VOFEIT%3E2.0.CO;2>`_

    Examples
    --------
    >>> from skuq.metrics import brier_score_loss
    >>> round(brier_score_loss([0, 1], [0.1, 0.5]), 4)
    0.13
    >>> round(brier_score_loss([0, 2], [[0.9, 0.1, 0.0], [0.0, 0.5, 0.5]]), 4)
    0.26
    """
    terms = brier_score_terms(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        scale_by_half=scale_by_half,
        ignore_index=ignore_index,
    )
    return mean_over(terms).mean
