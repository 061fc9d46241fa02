"""Ranked probability score: a proper score that knows the order of the classes."""

from typing import Any

from skuq._core._arrays import Array, accumulator_dtype, array_namespace
from skuq._core._blocks import Block
from skuq.metrics._inputs import score_table
from skuq.metrics._proper import Terms, mean_over, means, terms_of_blocks
from skuq.metrics._streaming import streams_with


def ranked_probability_terms(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    normalize: bool = True,
    ignore_index: Any = None,
) -> Terms:
    """The table of `ranked_probability_score_loss` and its part of a block."""
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    scale = table.n_classes - 1 if normalize else 1

    def loss(block: Block) -> Array:
        xp = array_namespace(block.scores)
        wide = accumulator_dtype(block.scores)
        below = xp.zeros_like(block.codes, dtype=wide)
        total = xp.zeros_like(below)
        for k in range(block.scores.shape[0] - 1):
            below = below + xp.astype(block.scores[k, :], wide)
            total = total + (below - xp.astype(block.codes <= k, wide)) ** 2
        return total / scale

    return terms_of_blocks(table, loss)


@streams_with(**means(ranked_probability_terms))
def ranked_probability_score_loss(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    normalize: bool = True,
    ignore_index: Any = None,
) -> float:
    """Ranked probability score of ordered classes (RPS); lower is better, 0 is best.

    A proper score for ordinal labels (grades, stages): probability on a neighbour of
    the true class costs less than on a far one.  `brier_score_loss` cannot tell them
    apart.

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
    normalize : bool, default=True
        Divide by K - 1, so that the range is [0, 1].
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    loss : float
        In [0, 1], or [0, K - 1] if not normalized.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    brier_score_loss : For classes without an order; equal for two classes.

    Notes
    -----
    ``sum_{k < K} (P(class <= k) - [y <= k])^2 / (K - 1)`` [1]_.  Columns must be in the
    order of the classes: without `labels`, in the sorted order of `y_true`.  Streams
    exactly.

    References
    ----------
    .. [1] E. S. Epstein (1969). "A scoring system for probability forecasts of ranked
       categories". Journal of Applied Meteorology 8(6).
       `doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2
       <https://doi.org/10.1175/1520-0450(1969)008%3C0985:ASSFPF%3E2.0.CO;2>`_

    Examples
    --------
    >>> from skuq.metrics import ranked_probability_score_loss
    >>> near, far = [[0.6, 0.4, 0.0]], [[0.6, 0.0, 0.4]]
    >>> round(ranked_probability_score_loss([0], near), 3)
    0.08
    >>> round(ranked_probability_score_loss([0], far), 3)
    0.16
    """
    terms = ranked_probability_terms(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        normalize=normalize,
        ignore_index=ignore_index,
    )
    return mean_over(terms).mean
