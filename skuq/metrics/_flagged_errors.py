"""How many errors are flagged as uncertain, and how much of what is flagged is wrong.

Their harmonic mean, image by image, is the overlap.
"""

from typing import Any

from skuq.metrics._overlap_state import Counts, overlap_counts, ratio, rows_of
from skuq.metrics._streaming import streams_with


def recall_of_state(state: Counts, *, average: str = "image") -> float:
    """The share of the errors that is flagged."""
    rows = rows_of(state, average)
    return float((ratio(rows.hits, rows.errors) @ rows.share)[0])


def precision_of_state(state: Counts, *, average: str = "image") -> float:
    """The share of what is flagged that is wrong."""
    rows = rows_of(state, average)
    return float((ratio(rows.hits, rows.flagged) @ rows.share)[0])


@streams_with(overlap_counts, recall_of_state, upper=1.0, aligned=("mask",))
def error_recall_score(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    threshold: float = 0.5,
    average: str = "image",
    mask: Any = None,
    ignore_index: Any = None,
) -> float:
    """Share of the wrong pixels that are flagged as uncertain; higher is better.

    What a reader finds who looks only at the uncertain pixels.  Flagging everything
    gives 1: read it beside `error_precision_score`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_pred : array-like of shape (n_samples, *spatial)
        Predicted labels.
    uncertainty : array-like of shape (n_samples, *spatial)
        Finite numbers in any range, larger where the model is less sure.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the images, at least 0.
    threshold : float, default=0.5
        Pixels with more uncertainty are flagged.
    average : {"image", "pooled", "error"}, default="image"
        Mean over images, all pixels of all images together, or mean over images
        weighted by their numbers of error pixels, which equals "pooled" here.
    mask : array-like of bool of shape (n_samples, *spatial), default=None
        True where a pixel counts.
    ignore_index : int or str, default=None
        Value of `y_true` where a pixel does not count.

    Returns
    -------
    score : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For arrays of different shapes, values that are not finite, or no pixels.

    See Also
    --------
    error_precision_score : The share of what is flagged that is wrong.
    uncertainty_error_overlap : The harmonic mean of both, image by image.

    Notes
    -----
    ``|E and U| / |E|`` with errors E and flagged pixels U, and 1 for an image without
    an error: none was missed.  Streams exactly.

    Examples
    --------
    >>> from skuq.metrics import error_recall_score
    >>> error_recall_score([[0, 0, 1, 1]], [[0, 1, 0, 1]], [[0.7, 0.9, 0.2, 0.8]])
    0.5
    """
    state = overlap_counts(
        y_true,
        y_pred,
        uncertainty,
        sample_weight=sample_weight,
        threshold=threshold,
        average=average,
        mask=mask,
        ignore_index=ignore_index,
    )
    return recall_of_state(state, average=average)


@streams_with(overlap_counts, precision_of_state, upper=1.0, aligned=("mask",))
def error_precision_score(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    threshold: float = 0.5,
    average: str = "image",
    mask: Any = None,
    ignore_index: Any = None,
) -> float:
    """Share of the pixels flagged as uncertain that are wrong; higher is better.

    What makes flagged pixels worth a look: the rest are false alarms.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_pred : array-like of shape (n_samples, *spatial)
        Predicted labels.
    uncertainty : array-like of shape (n_samples, *spatial)
        Finite numbers in any range, larger where the model is less sure.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the images, at least 0.
    threshold : float, default=0.5
        Pixels with more uncertainty are flagged.
    average : {"image", "pooled", "error"}, default="image"
        Mean over images, all pixels of all images together, or mean over images
        weighted by their numbers of error pixels.
    mask : array-like of bool of shape (n_samples, *spatial), default=None
        True where a pixel counts.
    ignore_index : int or str, default=None
        Value of `y_true` where a pixel does not count.

    Returns
    -------
    score : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For arrays of different shapes, values that are not finite, or no pixels.

    See Also
    --------
    error_recall_score : The share of the errors that is flagged.
    uncertainty_error_overlap : The harmonic mean of both, image by image.

    Notes
    -----
    ``|E and U| / |U|`` with errors E and flagged pixels U, and 1 for an image where
    nothing is flagged: there is no false alarm.  Streams exactly.

    Examples
    --------
    >>> from skuq.metrics import error_precision_score
    >>> error_precision_score([[0, 0, 1, 1]], [[0, 1, 0, 1]], [[0.7, 0.9, 0.2, 0.8]])
    0.333
    """
    state = overlap_counts(
        y_true,
        y_pred,
        uncertainty,
        sample_weight=sample_weight,
        threshold=threshold,
        average=average,
        mask=mask,
        ignore_index=ignore_index,
    )
    return precision_of_state(state, average=average)
