"""Accuracy of the most probable class, beside the metrics of how honest it is."""

from typing import Any

from skuq._core._arrays import Array, accumulator_dtype, array_namespace
from skuq._core._blocks import Window
from skuq._core._outcomes import READERS, WHOLE_ROWS
from skuq.metrics._inputs import score_table
from skuq.metrics._proper import Terms, mean_over, means
from skuq.metrics._streaming import streams_with


def accuracy_terms(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    ignore_index: Any = None,
) -> Terms:
    """The table of `accuracy_score` and its part of a block."""
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )

    def right(window: Window) -> tuple[Array, Array | None]:
        outcomes = READERS["top-label"](table, window)
        wide = accumulator_dtype(outcomes.score)
        hits = array_namespace(outcomes.score).astype(outcomes.outcome[0, :], wide)
        return hits, outcomes.weight

    return Terms(table, right, size=WHOLE_ROWS, threads=True)


@streams_with(**means(accuracy_terms), upper=1.0)
def accuracy_score(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    ignore_index: Any = None,
) -> float:
    """Share of samples whose most probable class is true; higher is better.

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
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    score : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For rows that are not probabilities summing to one, labels without a column,
        NaN, or no samples.

    See Also
    --------
    log_loss : Tells right from wrong and sure from unsure.

    Notes
    -----
    On ties the first class is predicted.  Streams exactly.

    Examples
    --------
    >>> from skuq.metrics import accuracy_score
    >>> accuracy_score(["ham", "spam"], [[0.9, 0.1], [0.6, 0.4]])
    0.5
    """
    terms = accuracy_terms(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    return mean_over(terms).mean
