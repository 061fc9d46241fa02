"""One uncertainty for each image, from that of its pixels or from sampled masks."""

import numpy as np

from skuq._core._arrays import to_numpy, to_real_floating
from skuq._core._checks import check_option
from skuq.decision._mask_overlap import checked_masks, mean_overlap
from skuq.exceptions import InputError
from skuq.metrics import segmentation_boundary

WAYS = ("mean", "inside", "volume", "boundary", "quantile", "pairwise_dice")


def aggregate_uncertainty(
    uncertainty, mask=None, *, how="mean", background=0, width=1, q=0.95
):
    """One uncertainty for each image, from that of its pixels; higher is less sure.

    Parameters
    ----------
    uncertainty : array-like of shape (n_samples, *spatial)
        Of each pixel; None for ``how="pairwise_dice"``.
    mask : array-like of shape (n_samples, *spatial), default=None
        Predicted labels, or True where the object is.  For ``how="pairwise_dice"``
        those of several draws or members, `(n_members, n_samples, *spatial)`.
    how : {"mean", "inside", "volume", "boundary", "quantile", "pairwise_dice"}, \
            default="mean"
        Mean over all pixels, over the mask, or over the band at its boundary; sum over
        all pixels divided by the size of the mask, in pixels; a quantile of all pixels;
        or one minus the mean Dice overlap of all pairs of sampled masks.
    background : int, str or None, default=0
        Label that does not belong to the mask; None if every label does.
    width : float, default=1
        Of the band, in pixels, as in `skuq.metrics.segmentation_boundary`.
    q : float in [0, 1], default=0.95
        Which quantile; 1 is the largest value.

    Returns
    -------
    score : ndarray of shape (n_samples,)
        One number for every image.

    Raises
    ------
    skuq.exceptions.InputError
        For shapes that do not fit, or values that are not finite.

    See Also
    --------
    SegmentationQualityRegressor : Learns what the scores say of the quality.
    skuq.evaluation.uncertainty_map : The uncertainty of pixels.

    Notes
    -----
    The mean over all pixels is ruled by the size of the object, since most uncertainty
    is at its boundary; "volume" and "boundary" are not.  An empty mask counts as one
    pixel for "volume"; where the mask or its band is empty, the mean is over all
    pixels.  Sampled masks are compared class by class, the mean is over the classes of
    a pair, and two empty ones agree.

    References
    ----------
    .. [1] A. Jungo, F. Balsiger and M. Reyes (2020). "Analyzing the quality and
       challenges of uncertainty estimations for brain tumor segmentation". Frontiers in
       Neuroscience 14. `doi:10.3389/fnins.2020.00282
       <https://doi.org/10.3389/fnins.2020.00282>`_

    Examples
    --------
    >>> from skuq.decision import aggregate_uncertainty
    >>> uncertainty, mask = [[0.0, 0.2, 0.4, 0.0]], [[0, 0, 1, 1]]
    >>> aggregate_uncertainty(uncertainty)
    array([0.15])
    >>> aggregate_uncertainty(uncertainty, mask, how="boundary")
    array([0.3])
    >>> aggregate_uncertainty(uncertainty, mask, how="volume")
    array([0.3])
    >>> draws = [[[0, 0, 1, 1]], [[0, 0, 0, 1]]]
    >>> aggregate_uncertainty(None, draws, how="pairwise_dice")
    array([0.333])
    """
    check_option("how", how, WAYS)
    if how == "pairwise_dice":
        return _spread_of_masks(mask, background)
    u = checked_uncertainty(uncertainty)
    flat = u.reshape(len(u), -1)
    if how == "mean":
        return flat.mean(axis=1)
    if how == "quantile":
        if not 0 <= q <= 1:
            raise InputError(f"q must be in [0, 1], got {q!r}.")
        return np.quantile(flat, q, axis=1)
    if mask is None:
        raise InputError(f"how={how!r} needs the mask: pass the predicted labels.")
    mask = checked_masks(mask)
    if mask.shape != u.shape:
        raise InputError(
            f"uncertainty has shape {u.shape} and mask {mask.shape}: pass both for the "
            "same pixels, (n_samples, *spatial)."
        )
    if how == "boundary":
        return mean_within(u, segmentation_boundary(mask, width))
    inside = mask != background
    if how == "inside":
        return mean_within(u, inside)
    return flat.sum(axis=1) / np.maximum(inside.reshape(len(u), -1).sum(axis=1), 1)


def checked_uncertainty(uncertainty):
    """Finite numbers for the pixels of one image or more, in double precision."""
    if uncertainty is None:
        raise InputError("uncertainty is None: pass that of each pixel.")
    u = to_real_floating(to_numpy(uncertainty), "uncertainty").astype(np.float64)
    if u.ndim < 2 or u.size == 0:
        raise InputError(
            f"uncertainty has shape {u.shape}: expected one value for each pixel, "
            "(n_samples, *spatial)."
        )
    if not np.isfinite(u).all():
        raise InputError("uncertainty holds NaN or infinity: repair them first.")
    return u


def mean_within(values, where):
    """Mean of each image over some of its pixels; over all where these are none."""
    values, where = (x.reshape(len(x), -1) for x in (values, where))
    where = where | ~where.any(axis=1, keepdims=True)
    return (values * where).sum(axis=1) / where.sum(axis=1)


def _spread_of_masks(masks, background):
    """One minus the mean Dice of all pairs of sampled masks."""
    masks = to_numpy([] if masks is None else masks)
    if masks.ndim < 3 or len(masks) < 2 or masks.size == 0:
        raise InputError(
            f"mask has shape {masks.shape}: 'pairwise_dice' needs those of two members "
            "or more, (n_members, n_samples, *spatial)."
        )
    classes = np.unique(masks)
    classes = classes[classes != background]
    first, second = np.triu_indices(len(masks), 1)
    scores = []
    for image in np.moveaxis(masks, 1, 0):
        both = np.zeros((len(classes), len(masks), len(masks)))
        for k, label in enumerate(classes):
            own = (image == label).reshape(len(masks), -1).astype(np.float32)
            both[k] = own @ own.T
        size = both.diagonal(axis1=1, axis2=2)
        sizes, shared = size[:, first] + size[:, second], both[:, first, second]
        pairs = zip(shared.T, sizes.T, strict=True)
        dice = [mean_overlap(b[s > 0], s[s > 0], "dice") for b, s in pairs]
        scores.append(1 - np.mean(dice))
    return np.array(scores)
