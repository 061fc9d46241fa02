"""How well two segmentations of an image agree."""

import numpy as np

from skuq._core._arrays import to_numpy
from skuq._core._checks import check_option
from skuq.exceptions import InputError

METRICS = ("dice", "jaccard")


def mask_overlap(y_true, masks, *, metric="dice", background=0, ignore_index=None):
    """Dice or Jaccard overlap of each mask with the truth; higher is better.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    masks : array-like of shape (n_samples, *spatial)
        Predicted labels.
    metric : {"dice", "jaccard"}, default="dice"
        ``2 |A and B| / (|A| + |B|)``, or ``|A and B| / |A or B|``.
    background : int, str or None, default=0
        Label that is no object; None if every label is one.
    ignore_index : int or str, default=None
        Value of `y_true` where a pixel does not count.

    Returns
    -------
    overlap : ndarray of shape (n_samples,)
        Mean over the classes of an image, those in its mask or its truth; 1 for an
        image that has none.  In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For labels of different shapes, or that are no maps.

    See Also
    --------
    SegmentationQualityRegressor : Predicts it without the truth.
    skuq.metrics.corrected_dice_score : After unsure pixels have changed sides.

    Examples
    --------
    >>> from skuq.decision import mask_overlap
    >>> mask_overlap([[0, 1, 1, 1]], [[0, 0, 1, 1]])
    array([0.8])
    """
    check_option("metric", metric, METRICS)
    y, p = to_numpy(y_true), checked_masks(masks)
    if y.shape != p.shape:
        raise InputError(
            f"y_true has shape {y.shape} and masks {p.shape}: pass labels of the same "
            "images, (n_samples, *spatial)."
        )
    classes = np.union1d(np.unique(y), np.unique(p))
    return np.array(
        [
            _of_image(*image, classes, metric, background, ignore_index)
            for image in zip(y, p, strict=True)
        ]
    )


def checked_masks(masks):
    """Labels of images as an array of maps."""
    masks = to_numpy(masks)
    if masks.ndim < 2 or masks.size == 0:
        raise InputError(
            f"masks have shape {masks.shape}: expected labels of one image or more, "
            "(n_samples, *spatial)."
        )
    return masks


def _of_image(y, p, classes, metric, background, ignore_index):
    if ignore_index is not None:
        counts = y != ignore_index
        y, p = y[counts], p[counts]
    n = len(classes)
    pair = n * np.searchsorted(classes, y) + np.searchsorted(classes, p)
    table = np.bincount(pair.reshape(-1), minlength=n * n).reshape(n, n)
    sizes, both = table.sum(axis=0) + table.sum(axis=1), table.diagonal()
    kept = (sizes > 0) & (classes != background)
    return mean_overlap(both[kept], sizes[kept], metric)


def mean_overlap(both, sizes, metric):
    """Mean over classes of the overlap, from intersections and sums of two sizes."""
    if len(sizes) == 0:
        return 1.0
    if metric == "dice":
        return float((2 * both / sizes).mean())
    return float((both / (sizes - both)).mean())
