"""What a segmentation gains when it is corrected where it is uncertain.

Notation, per image: TP, FP, FN, TN pixels of the foreground; TPU, FPU, FNU, TNU those
of them that are flagged as uncertain.
"""

from typing import Any

import numpy as np

from skuq._core._checks import check_option
from skuq.metrics._overlap_state import (
    Counts,
    check_threshold,
    counts_of,
    ratio,
    shares,
)
from skuq.metrics._pixels import (
    Pixels,
    check_same_kind,
    count_by_image,
    pixel_table,
    to_code,
)
from skuq.metrics._streaming import streams_with

CORRECTIONS = ("remove", "add")


def foreground_counts(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    threshold: float = 0.5,
    positive: Any = 1,
    average: str = "image",
    mask: Any = None,
    ignore_index: Any = None,
) -> Counts:
    """The mergeable statistic: TN, TNU, FP, FPU, FN, FNU, TP and TPU."""
    check_option("average", average, ("image", "pooled"))
    level = check_threshold(threshold)
    table = pixel_table(
        y_true,
        y_pred,
        uncertainty,
        sample_weight=sample_weight,
        mask=mask,
        ignore_index=ignore_index,
    )
    check_same_kind(table.y_true, positive, "positive")

    def count(pixels: Pixels) -> np.ndarray:
        truth = pixels.flag(pixels.y_true == positive)
        stated = pixels.flag(pixels.y_pred == positive)
        code = to_code(truth, stated, pixels.uncertainty > level)
        return count_by_image(code, pixels.counts, 8)

    pooled = average == "pooled"
    setting = (level, positive)
    return counts_of(table, count, 8, setting=setting, pooled=pooled, threads=True)


def dice_of(counts: np.ndarray, correction: str | None = None) -> np.ndarray:
    """The Dice of each image, `(n_images,)`, after a correction or without."""
    region = counts.reshape(2, 2, 2, -1)  # by truth, prediction and flag
    stated = region[:, 1].sum(axis=1)
    if correction == "remove":
        stated = region[:, 1, 0]
    elif correction == "add":
        stated = stated + region[:, 0, 1]
    truth = region[1].sum(axis=(0, 1))
    return ratio(2 * stated[1], stated.sum(axis=0) + truth)


def corrected_dice_of_state(state: Counts, *, correction: str = "remove") -> float:
    """The mean corrected Dice that a statistic holds."""
    check_option("correction", correction, CORRECTIONS)
    return float(dice_of(state.counts, correction) @ _share(state))


def benefit_of_state(state: Counts, *, correction: str = "remove") -> float:
    """The share of images that a correction improves."""
    check_option("correction", correction, CORRECTIONS)
    better = dice_of(state.counts, correction) > dice_of(state.counts)
    return float(better @ _share(state))


def _share(state: Counts) -> np.ndarray:
    return shares("image", state.counts.sum(axis=0), state.counts[0], state.weight)


@streams_with(foreground_counts, corrected_dice_of_state, upper=1.0, aligned=("mask",))
def corrected_dice_score(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    threshold: float = 0.5,
    positive: Any = 1,
    correction: str = "remove",
    average: str = "image",
    mask: Any = None,
    ignore_index: Any = None,
) -> float:
    """Dice score after uncertain pixels changed sides; higher is better.

    A simple use of uncertainty: take flagged pixels out of the foreground, or into it.

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
        Pixels with more uncertainty are flagged; ``math.inf`` flags none, which gives
        the plain Dice score.
    positive : int or str, default=1
        The label of the foreground; all others are background.
    correction : {"remove", "add"}, default="remove"
        Flagged pixels of the predicted foreground become background, or those of the
        predicted background become foreground.
    average : {"image", "pooled"}, default="image"
        Mean over images, or all pixels of all images in one count.
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
    correction_benefit : The share of images that are improved.

    Notes
    -----
    With the counts TP, FP, FN, TN of an image and their flagged parts TPU, FPU, FNU and
    TNU it is ``2 (TP - TPU) / (2 TP + FP + FN - TPU - FPU)`` after removing [1]_, and
    ``2 (TP + FNU) / (2 TP + FP + FN + FNU + TNU)`` after adding.  It is 1 where true
    and corrected foreground are both empty.  Streams exactly.

    References
    ----------
    .. [1] A. Jungo and M. Reyes (2019). "Assessing reliability and challenges of
       uncertainty estimations for medical image segmentation". MICCAI.
       `doi:10.1007/978-3-030-32245-8_6
       <https://doi.org/10.1007/978-3-030-32245-8_6>`_

    Examples
    --------
    >>> import math
    >>> from skuq.metrics import corrected_dice_score
    >>> y_true, y_pred = [[0, 0, 1, 1]], [[0, 1, 1, 1]]
    >>> uncertainty = [[0.1, 0.9, 0.2, 0.3]]
    >>> corrected_dice_score(y_true, y_pred, uncertainty, threshold=math.inf)
    0.8
    >>> corrected_dice_score(y_true, y_pred, uncertainty)
    1.0
    """
    state = foreground_counts(
        y_true,
        y_pred,
        uncertainty,
        sample_weight=sample_weight,
        threshold=threshold,
        positive=positive,
        average=average,
        mask=mask,
        ignore_index=ignore_index,
    )
    return corrected_dice_of_state(state, correction=correction)


@streams_with(foreground_counts, benefit_of_state, upper=1.0, aligned=("mask",))
def correction_benefit(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    threshold: float = 0.5,
    positive: Any = 1,
    correction: str = "remove",
    mask: Any = None,
    ignore_index: Any = None,
) -> float:
    """Share of images whose Dice score a correction improves; higher is better.

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
    positive : int or str, default=1
        The label of the foreground; all others are background.
    correction : {"remove", "add"}, default="remove"
        Flagged pixels of the predicted foreground become background, or those of the
        predicted background become foreground.
    mask : array-like of bool of shape (n_samples, *spatial), default=None
        True where a pixel counts.
    ignore_index : int or str, default=None
        Value of `y_true` where a pixel does not count.

    Returns
    -------
    share : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For arrays of different shapes, values that are not finite, or no pixels.

    See Also
    --------
    corrected_dice_score : How large the Dice score becomes.

    Notes
    -----
    Where there is true foreground, removing improves an image if and only if ``TPU /
    FPU < TP / (TP + FP + FN)`` [1]_: among the removed pixels, right and wrong ones
    are in a lower ratio than the Jaccard index.  Adding does if and only if ``FNU /
    TNU > TP / (TP + FP + FN)``.  Without true foreground, an image is improved if all
    of a predicted foreground is removed.  An equal score is no improvement.

    Streams exactly.

    References
    ----------
    .. [1] A. Jungo and M. Reyes (2019). "Assessing reliability and challenges of
       uncertainty estimations for medical image segmentation". MICCAI.
       `doi:10.1007/978-3-030-32245-8_6
       <https://doi.org/10.1007/978-3-030-32245-8_6>`_

    Examples
    --------
    >>> from skuq.metrics import correction_benefit
    >>> y_true = [[0, 0, 1, 1], [0, 0, 1, 1]]
    >>> y_pred = [[0, 1, 1, 1], [0, 1, 1, 1]]
    >>> uncertainty = [[0.1, 0.9, 0.2, 0.3], [0.1, 0.2, 0.9, 0.3]]
    >>> correction_benefit(y_true, y_pred, uncertainty)
    0.5
    """
    state = foreground_counts(
        y_true,
        y_pred,
        uncertainty,
        sample_weight=sample_weight,
        threshold=threshold,
        positive=positive,
        mask=mask,
        ignore_index=ignore_index,
    )
    return benefit_of_state(state, correction=correction)
