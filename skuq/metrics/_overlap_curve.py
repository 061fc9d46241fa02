"""The overlap of uncertainty and error at many thresholds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skuq.metrics._overlap_state import counts_above, dice, ratio, rows_of

# The thresholds of Jungo and Reyes (2019).
GRID = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class OverlapCurve:
    """What each threshold of the uncertainty flags; all arrays `(n_thresholds,)`.

    Parameters
    ----------
    threshold : ndarray of shape (n_thresholds,)
        Pixels with more uncertainty are flagged; ascending.
    overlap : ndarray of shape (n_thresholds,)
        Dice overlap of flagged and wrong pixels, in [0, 1].
    error_recall : ndarray of shape (n_thresholds,)
        Share of the wrong pixels that are flagged, in [0, 1].
    error_precision : ndarray of shape (n_thresholds,)
        Share of the flagged pixels that are wrong, in [0, 1].
    """

    threshold: np.ndarray
    overlap: np.ndarray
    error_recall: np.ndarray
    error_precision: np.ndarray


def overlap_curve(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    thresholds: Any = None,
    average: str = "image",
    mask: Any = None,
    ignore_index: Any = None,
) -> OverlapCurve:
    """Overlap of uncertainty and error, with its recall and precision, by threshold.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_pred : array-like of shape (n_samples, *spatial)
        Predicted labels.
    uncertainty : array-like of shape (n_samples, *spatial)
        Finite numbers, larger where the model is less sure.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the images, at least 0.
    thresholds : array-like of shape (n_thresholds,), default=None
        Ascending; None takes those of [1]_, for an uncertainty in [0, 1]: 0.05, 0.1,
        0.2, ..., 0.9, 0.95.
    average : {"image", "pooled", "error"}, default="image"
        How images are joined, as in `uncertainty_error_overlap`.
    mask : array-like of bool of shape (n_samples, *spatial), default=None
        True where a pixel counts.
    ignore_index : int or str, default=None
        Value of `y_true` where a pixel does not count.

    Returns
    -------
    curve : OverlapCurve
        `threshold`, `overlap`, `error_recall` and `error_precision`.

    Raises
    ------
    skuq.exceptions.InputError
        For arrays of different shapes, values that are not finite, or no pixels.

    See Also
    --------
    choose_overlap_threshold : The threshold of the highest overlap.
    uncertainty_error_overlap : The overlap at one threshold.

    Notes
    -----
    Each point is what `uncertainty_error_overlap`, `error_recall_score` and
    `error_precision_score` give for its threshold; all come from one pass over the
    data.

    References
    ----------
    .. [1] A. Jungo and M. Reyes (2019). "Assessing reliability and challenges of
       uncertainty estimations for medical image segmentation". MICCAI.
       `doi:10.1007/978-3-030-32245-8_6
       <https://doi.org/10.1007/978-3-030-32245-8_6>`_

    Examples
    --------
    >>> from skuq.metrics import overlap_curve
    >>> y_true, y_pred = [[0, 0, 1, 1, 1]], [[0, 1, 1, 1, 0]]
    >>> uncertainty = [[0.1, 0.9, 0.7, 0.2, 0.4]]
    >>> curve = overlap_curve(y_true, y_pred, uncertainty, thresholds=[0.3, 0.8])
    >>> curve.overlap
    array([0.8       , 0.66666667])
    >>> curve.error_recall, curve.error_precision
    (array([1. , 0.5]), array([0.66666667, 1.        ]))
    """
    state = counts_above(
        y_true,
        y_pred,
        uncertainty,
        sample_weight=sample_weight,
        thresholds=GRID if thresholds is None else thresholds,
        average=average,
        mask=mask,
        ignore_index=ignore_index,
    )
    rows = rows_of(state, average)
    return OverlapCurve(
        np.array(state.setting),
        dice(rows.errors, rows.flagged, rows.hits) @ rows.share,
        ratio(rows.hits, rows.errors) @ rows.share,
        ratio(rows.hits, rows.flagged) @ rows.share,
    )
