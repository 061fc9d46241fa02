"""The overlap of what is uncertain with what is wrong, and the threshold for it."""

from typing import Any

import numpy as np

from skuq._core._checks import check_option
from skuq.metrics._best_threshold import ROUNDING, best_threshold
from skuq.metrics._overlap_state import (
    AVERAGES,
    CollectedPixels,
    Counts,
    collect_pixels,
    counts_above,
    dice,
    overlap_counts,
    rows_of,
)
from skuq.metrics._streaming import streams_with


def overlap_statistic(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    threshold: float | str = 0.5,
    average: str = "image",
    mask: Any = None,
    ignore_index: Any = None,
) -> Counts | CollectedPixels:
    """The mergeable statistic behind `uncertainty_error_overlap`."""
    data = (y_true, y_pred, uncertainty)
    options = {
        "sample_weight": sample_weight,
        "mask": mask,
        "ignore_index": ignore_index,
    }
    if isinstance(threshold, str):
        check_option("threshold", threshold, ("best",))
        check_option("average", average, AVERAGES)
        return collect_pixels(*data, **options)
    return overlap_counts(*data, threshold=threshold, average=average, **options)


def overlap_of_state(
    state: Counts | CollectedPixels, *, average: str = "image"
) -> float:
    """The overlap that a statistic holds."""
    if isinstance(state, CollectedPixels):
        state = state.counts(best_threshold(state, average), average)
    return float(overlaps(state, average)[0])


def overlaps(state: Counts, average: str) -> np.ndarray:
    """The overlap at each threshold of a statistic."""
    rows = rows_of(state, average)
    return np.asarray(dice(rows.errors, rows.flagged, rows.hits) @ rows.share)


@streams_with(overlap_statistic, overlap_of_state, upper=1.0, aligned=("mask",))
def uncertainty_error_overlap(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    threshold: float | str = 0.5,
    average: str = "image",
    mask: Any = None,
    ignore_index: Any = None,
) -> float:
    """Dice overlap of uncertain and wrong pixels; higher is better, 1 is perfect.

    Would a reader who looks only at the uncertain pixels see the errors, and little
    else?  An uncertainty without any sense still reaches ``2 e / (1 + e)``, where e is
    the share of errors, by flagging every pixel: compare with that.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_pred : array-like of shape (n_samples, *spatial)
        Predicted labels.
    uncertainty : array-like of shape (n_samples, *spatial)
        Finite numbers in any range, larger where the model is less sure.  numpy array
        or torch tensor.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the images, at least 0.
    threshold : float or "best", default=0.5
        Pixels with more uncertainty are flagged.  "best" takes the one threshold for
        all images with the highest value, which is optimistic on the very data it is
        chosen on: see `choose_overlap_threshold`.
    average : {"image", "pooled", "error"}, default="image"
        Mean over images; overlap of all pixels of all images in one count; or mean over
        images weighted by their numbers of error pixels.
    mask : array-like of bool of shape (n_samples, *spatial), default=None
        True where a pixel counts, for example `segmentation_boundary` of `y_true`.
    ignore_index : int or str, default=None
        Value of `y_true` where a pixel does not count.

    Returns
    -------
    overlap : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For arrays of different shapes, values that are not finite, or no pixels.

    See Also
    --------
    choose_overlap_threshold : The best threshold itself, for use on other data.
    error_recall_score : The share of the errors that is flagged.
    error_precision_score : The share of what is flagged that is wrong.
    overlap_curve : All three at many thresholds.

    Notes
    -----
    With errors ``E = {y_pred != y_true}`` and flagged pixels ``U = {u > threshold}`` it
    is ``2 |E and U| / (|E| + |U|)`` [1]_, and 1 where both are empty.  It is 1 if and
    only if the threshold separates errors from the rest.  The threshold is compared in
    the precision of the uncertainty.

    Images without a pixel that counts are left out.  Where no image has an error, the
    mean weighted by errors is the plain mean over images.

    "best" is the exact maximum over all thresholds.  It does not change under a
    monotone transform of the uncertainty, and pixels of equal uncertainty stay
    together.  The best threshold of each image on its own, which nobody can know
    beforehand, is ``per_image(uncertainty_error_overlap, ..., threshold="best")``.

    Streams exactly.  The state holds four numbers per image, or in all for
    average="pooled"; with threshold="best" it keeps all samples on the host.  Time is
    one pass over the data, for "best" two or three: only pixels whose uncertainty lies
    near the best threshold are sorted.

    References
    ----------
    .. [1] A. Jungo and M. Reyes (2019). "Assessing reliability and challenges of
       uncertainty estimations for medical image segmentation". MICCAI.
       `doi:10.1007/978-3-030-32245-8_6
       <https://doi.org/10.1007/978-3-030-32245-8_6>`_

    Examples
    --------
    >>> from skuq.metrics import uncertainty_error_overlap
    >>> y_true = [[0, 0, 1, 1, 1]]
    >>> y_pred = [[0, 1, 1, 1, 0]]
    >>> uncertainty = [[0.1, 0.9, 0.7, 0.2, 0.4]]
    >>> uncertainty_error_overlap(y_true, y_pred, uncertainty)
    0.5
    >>> uncertainty_error_overlap(y_true, y_pred, uncertainty, threshold="best")
    0.8
    """
    state = overlap_statistic(
        y_true,
        y_pred,
        uncertainty,
        sample_weight=sample_weight,
        threshold=threshold,
        average=average,
        mask=mask,
        ignore_index=ignore_index,
    )
    return overlap_of_state(state, average=average)


def choose_overlap_threshold(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    average: str = "image",
    thresholds: Any = None,
    mask: Any = None,
    ignore_index: Any = None,
) -> float:
    """The threshold where uncertainty and error overlap most.

    Choose it on validation data, and report `uncertainty_error_overlap` of test data.

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
    average : {"image", "pooled", "error"}, default="image"
        Which mean of the overlap to maximise, as in `uncertainty_error_overlap`.
    thresholds : array-like of shape (n_thresholds,), default=None
        The thresholds to choose from, ascending; None takes all there can be.
    mask : array-like of bool of shape (n_samples, *spatial), default=None
        True where a pixel counts.
    ignore_index : int or str, default=None
        Value of `y_true` where a pixel does not count.

    Returns
    -------
    threshold : float
        Pixels with more uncertainty are to be flagged.  Without `thresholds`, midway
        between neighbouring values of the uncertainty, -inf if it is best to flag all
        pixels, or inf if it is best to flag none.

    Raises
    ------
    skuq.exceptions.InputError
        For arrays of different shapes, values that are not finite, or no pixels.

    See Also
    --------
    overlap_curve : The overlap at many thresholds.

    Notes
    -----
    Of thresholds that are equally good (to 1e-12) it is the highest, which flags the
    fewest pixels.  A middle is rounded to the precision of the uncertainty; where it
    falls on a value, the lower of the two values is the threshold.

    Examples
    --------
    >>> from skuq.metrics import choose_overlap_threshold
    >>> y_true = [[0, 0, 1, 1, 1]]
    >>> y_pred = [[0, 1, 1, 1, 0]]
    >>> uncertainty = [[0.1, 0.9, 0.7, 0.2, 0.4]]
    >>> choose_overlap_threshold(y_true, y_pred, uncertainty)
    0.3
    >>> choose_overlap_threshold(y_true, y_pred, uncertainty, thresholds=[0.25, 0.5])
    0.25
    """
    data = (y_true, y_pred, uncertainty)
    options = {
        "sample_weight": sample_weight,
        "mask": mask,
        "ignore_index": ignore_index,
    }
    if thresholds is None:
        check_option("average", average, AVERAGES)
        return best_threshold(collect_pixels(*data, **options), average)
    state = counts_above(*data, thresholds=thresholds, average=average, **options)
    value = overlaps(state, average)
    equal = np.flatnonzero(value >= value.max() - ROUNDING)
    return float(state.setting[equal[-1]])
