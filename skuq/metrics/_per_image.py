"""A metric of each image on its own."""

from functools import partial
from typing import Any

import numpy as np

from skuq._core._arrays import as_array
from skuq.exceptions import InputError, NoSamplesError


def per_image(metric: Any, *data: Any, **params: Any) -> np.ndarray:
    """A metric of each image on its own.

    A model can be calibrated over a data set and on no single image of it; this shows.

    Parameters
    ----------
    metric : callable
        A metric of `skuq.metrics`, or another that returns a number.
    *data : array-like of shape (n_samples, ...)
        What the metric takes by position, such as ``y_true, y_proba``.
    **params : dict
        Keywords of the metric.  Those with one entry per sample, such as `mask`, are
        cut like the data.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        The metric of each image; NaN for an image of which nothing counts, because all
        of it is void or its weight is 0.

    Raises
    ------
    skuq.exceptions.InputError
        For data of different lengths, or what the metric refuses.

    See Also
    --------
    bootstrap_interval : The spread of a metric over samples of images.

    Notes
    -----
    Name the `labels` where an image may miss a class whose label is not a column
    number.  The mean calibration error of images, weighted by their numbers of pixels,
    is never below that of all pixels together in the same bins, by the triangle
    inequality: errors of opposite sign cancel in the latter only [1]_.

    References
    ----------
    .. [1] A. Jungo and M. Reyes (2019). "Assessing reliability and challenges of
       uncertainty estimations for medical image segmentation". MICCAI.
       `doi:10.1007/978-3-030-32245-8_6
       <https://doi.org/10.1007/978-3-030-32245-8_6>`_

    Examples
    --------
    >>> from skuq.metrics import expected_calibration_error, per_image
    >>> y_true = [[0, 0], [1, 1]]
    >>> y_proba = [[[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]]
    >>> expected_calibration_error(y_true, y_proba, labels=[0, 1])
    0.0
    >>> per_image(expected_calibration_error, y_true, y_proba, labels=[0, 1])
    array([0.5, 0.5])
    """
    while isinstance(metric, partial):  # keeps what the metric says of itself
        metric, params = metric.func, {**metric.keywords, **params}
    arrays = [as_array(x) for x in data]
    aligned = {
        name: as_array(params.pop(name))
        for name in getattr(metric, "aligned", ("sample_weight",))
        if params.get(name) is not None
    }
    lengths = {x.shape[0] if x.ndim else 0 for x in (*arrays, *aligned.values())}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(
            f"data have lengths {sorted(lengths)}: expected one entry per image, and "
            "at least one image, in each."
        )

    def value(i: int) -> float:
        own = slice(i, i + 1)
        parts = (x[own, ...] for x in arrays)
        options = {name: x[own, ...] for name, x in aligned.items()}
        try:
            return float(metric(*parts, **params, **options))
        except NoSamplesError:
            return np.nan

    return np.array([value(i) for i in range(lengths.pop())], dtype=np.float64)
