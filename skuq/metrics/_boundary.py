"""Where the labels of a segmentation change."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from skuq._core._arrays import (
    Array,
    array_namespace,
    as_array,
    device,
    host_view,
    to_library_of,
)
from skuq._core._checks import check_option
from skuq.exceptions import InputError

DISTANCES = ("euclidean", "rows-and-columns")


def segmentation_boundary(
    labels: Any,
    width: float = 1,
    *,
    metric: str = "euclidean",
    ignore_index: Any = None,
) -> Array:
    """Mask of the pixels near a change of label, on both sides of it.

    A model is least sure and least calibrated there: pass the result as `mask` to look
    at the boundary alone, or its complement to look at the rest.

    Parameters
    ----------
    labels : array-like of shape (n_samples, *spatial)
        True or predicted labels, with any number of spatial axes.
    width : float, default=1
        How near is near, in pixels, at least 1.
    metric : {"euclidean", "rows-and-columns"}, default="euclidean"
        Distance between the middles of two pixels, or steps along a single axis.
    ignore_index : int or str, default=None
        Label of pixels that are neither near a change nor make one.

    Returns
    -------
    near : array of bool of shape (n_samples, *spatial)
        True where a pixel of the same image with another label lies within `width`; in
        the library and on the device of `labels`.

    Raises
    ------
    skuq.exceptions.InputError
        For labels without a spatial axis, or a width below 1.

    See Also
    --------
    uncertainty_error_overlap : A metric with a `mask`.

    Notes
    -----
    "euclidean" is the band of a distance transform, ``distance <= width`` [1]_;
    "rows-and-columns" is the rule of [2]_ with width 2, except that here nothing wraps
    around the borders of an image, so that no frame is left out.  They agree for width
    1; beyond, the first also takes diagonal neighbours.

    Every pair of pixels within `width` is compared: about ``1.6 * width**2`` passes
    over two-dimensional images, or ``2 * width`` along rows and columns.

    References
    ----------
    .. [1] A. Jungo and M. Reyes (2019). "Assessing reliability and challenges of
       uncertainty estimations for medical image segmentation". MICCAI.
       `doi:10.1007/978-3-030-32245-8_6
       <https://doi.org/10.1007/978-3-030-32245-8_6>`_
    .. [2] Z. Ding, X. Han, P. Liu and M. Niethammer (2021). "Local temperature scaling
       for probability calibration". ICCV. `arXiv:2008.05105
       <https://arxiv.org/abs/2008.05105>`_

    Examples
    --------
    >>> from skuq.metrics import segmentation_boundary
    >>> segmentation_boundary([[0, 0, 0, 1, 1, 1]])
    array([[False, False,  True,  True, False, False]])
    """
    check_option("metric", metric, DISTANCES)
    original = as_array(labels)
    y = host_view(original)
    if y.ndim < 2:
        raise InputError(
            f"labels have shape {tuple(y.shape)}: expected (n_samples, *spatial), such "
            "as labels[None] for a single image."
        )
    if not width >= 1:
        raise InputError(f"width must be at least 1 pixel, got {width!r}.")
    xp = array_namespace(y)
    near = xp.zeros(y.shape, dtype=xp.bool, device=device(y))
    known = None if ignore_index is None else y != ignore_index
    for step in _steps(float(width), tuple(y.shape[1:]), metric):
        here, there = _pairs(step)
        change = y[here] != y[there]
        if known is not None:
            change = change & known[here] & known[there]
        near[here] |= change
        near[there] |= change
    return to_library_of(near, original)


def _steps(
    width: float, shape: tuple[int, ...], metric: str
) -> Iterator[tuple[int, ...]]:
    """The steps from a pixel to others within `width`, one of each opposite pair."""
    reach = [min(int(width), size - 1) for size in shape]
    zero = (0,) * len(shape)
    for step in product(*(range(-n, n + 1) for n in reach)):
        lengths = [abs(d) for d in step if d]
        straight = metric == "euclidean" or len(lengths) == 1
        if step > zero and straight and sum(d * d for d in lengths) <= width**2:
            yield step


def _pairs(step: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The pixels that have a neighbour one `step` away, and those neighbours."""
    here = tuple(slice(max(0, -d), -d if d > 0 else None) for d in step)
    there = tuple(slice(max(0, d), d if d < 0 else None) for d in step)
    return (slice(None), *here), (slice(None), *there)
