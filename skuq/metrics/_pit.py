"""Probability integral transform: where an observed value falls in what was stated."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skuq._core._arrays import (
    Array,
    array_namespace,
    as_array,
    pick,
    to_library_of,
    to_real_floating,
)
from skuq._core._normal import normal_cdf
from skuq.exceptions import InputError
from skuq.metrics._quantiles import quantile_table
from skuq.metrics._regression_inputs import (
    SampleTable,
    beside,
    check_levels,
    check_std,
    sample_table,
)


class Forecast(NamedTuple):
    """Observed values with what was stated, and the function of a block that reads it.

    transform : called with blocks ``(y, *stated)``; the values `(m,)` in [0, 1].
    """

    table: SampleTable
    transform: Callable[..., Array]


def forecast_of(
    y_true: Any,
    y_pred: Any = None,
    y_std: Any = None,
    *,
    members: Any = None,
    y_quantiles: Any = None,
    quantile_levels: Any = None,
    sample_weight: Any = None,
) -> Forecast:
    """The one of three kinds of forecast that was passed, checked."""
    normal = y_pred is not None, y_std is not None
    given = (any(normal), members is not None, y_quantiles is not None)
    if sum(given) != 1 or any(normal) != all(normal):
        raise InputError(
            "pass one kind of forecast: y_pred and y_std, or members=, or y_quantiles= "
            "with quantile_levels=."
        )
    if (y_quantiles is None) != (quantile_levels is None):
        raise InputError("y_quantiles and quantile_levels belong together: pass both.")
    if members is not None:
        table = sample_table(sample_weight, y_true=y_true, members=members)
        return Forecast(table, share_below)
    if y_quantiles is not None:
        levels = np.atleast_1d(
            check_levels(quantile_levels, "quantile_levels", rising=True)
        )
        table = quantile_table(sample_weight, y_true, y_quantiles, levels)
        return Forecast(table, lambda y, x: level_between(y, x, levels))
    table = sample_table(sample_weight, y_true=y_true, y_pred=y_pred, y_std=y_std)
    return Forecast(table, normal_transform)


def normal_transform(y: Array, mean: Array, std: Array) -> Array:
    """The stated normal probability of values up to `y`."""
    check_std(std)
    return normal_cdf((y - mean) / std)


def share_below(y: Array, members: Array) -> Array:
    """The share of members below `y`, and half of those that equal it."""
    xp = array_namespace(members)
    below, up_to = _counts(y, members)
    return xp.astype(below + up_to, members.dtype) / (2 * members.shape[0])


def level_between(y: Array, quantiles: Array, levels: np.ndarray) -> Array:
    """The level of `y`, on a line between the quantiles on both sides of it.

    Beyond the outermost quantiles it is the middle of what is left, and where several
    quantiles equal `y` the middle of their levels.
    """
    xp = array_namespace(quantiles)
    if bool(xp.any(quantiles[1:, :] < quantiles[:-1, :])):
        raise InputError(
            "y_quantiles cross: sort them along axis 1, so that they rise with "
            "quantile_levels."
        )
    outer = np.array([levels[0] / 2, (1 + levels[-1]) / 2])
    padded = beside(np.concatenate([outer[:1], levels, outer[1:]]), quantiles)
    below, up_to = _counts(y, quantiles)
    tied = xp.astype(up_to > below, xp.int64)
    # Places in `padded`: around y, or of the first and the last quantile that equal it.
    first, last = below + tied, up_to + 1 - tied
    low, high = xp.take(padded, first), xp.take(padded, last)
    n = levels.shape[0]
    left = pick(quantiles, xp.clip(first - 1, 0, n - 1))
    right = pick(quantiles, xp.clip(last - 1, 0, n - 1))
    gap = right - left  # 0 outside and for ties
    share = (y - left) / xp.where(gap > 0, gap, 1.0)
    share = xp.where(gap > 0, share, 0.5 + 0.5 * xp.sign(y - left))
    return low + share * (high - low)


def _counts(y: Array, rows: Array) -> tuple[Array, Array]:
    """How many of the `rows` of each column lie below `y`, and how many not above."""
    xp = array_namespace(rows)
    below, up_to = xp.astype(rows < y, xp.int8), xp.astype(rows <= y, xp.int8)
    return (
        xp.sum(below, axis=0, dtype=xp.int64),
        xp.sum(up_to, axis=0, dtype=xp.int64),
    )


def probability_integral_transform(
    y_true: Any,
    y_pred: Any = None,
    y_std: Any = None,
    *,
    members: Any = None,
    y_quantiles: Any = None,
    quantile_levels: Any = None,
) -> Array:
    """The stated probability of values up to the observed one; uniform is calibrated.

    The probability integral transform (PIT) of normal distributions, of the members of
    an ensemble, or of quantiles.  A histogram that is high at both ends shows spreads
    that are too small, one that is high in the middle spreads that are too large, and a
    slope a bias: predictions too high give small values.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_pred : array-like of the shape of `y_true`, default=None
        Predicted means, in the unit of `y_true`; with `y_std`.
    y_std : array-like of the shape of `y_true`, default=None
        Predicted standard deviations, greater than 0.
    members : array-like of shape (n_members, n_samples, *output), default=None
        Predictions of the members of an ensemble, or draws of any distribution.
    y_quantiles : array-like of shape (n_samples, n_levels, *output), default=None
        Predicted quantiles, which must not cross; with `quantile_levels`.
    quantile_levels : array-like of shape (n_levels,), default=None
        The level of each, in (0, 1), rising.

    Returns
    -------
    pit : array of the shape of `y_true`
        In [0, 1], in the library and dtype of `y_true` (float64 for integers).

    Raises
    ------
    skuq.exceptions.InputError
        For more than one kind of forecast or none, standard deviations that are not
        positive, quantiles that cross, shapes that do not match, NaN, infinities, or no
        samples.

    See Also
    --------
    quantile_calibration_error : How far its values are from uniform ones.

    Notes
    -----
    ``F(y)`` [1]_.  Of normal distributions ``Phi((y - m) / s)``; of members the share
    below y and half of the share that equals it; of quantiles the level at y on
    straight lines between them, beyond the outermost ones the middle of what is left
    of [0, 1], and of equal quantiles the middle of their levels.  M members can only
    give the M + 1 values ``k / M`` where nothing is tied.

    Worked on in blocks; an array library without ``erfc`` has Phi computed on the host,
    block by block.

    References
    ----------
    .. [1] T. Gneiting, F. Balabdaoui and A. E. Raftery (2007). "Probabilistic
       forecasts, calibration and sharpness". Journal of the Royal Statistical Society B
       69(2). `doi:10.1111/j.1467-9868.2007.00587.x
       <https://doi.org/10.1111/j.1467-9868.2007.00587.x>`_

    Examples
    --------
    >>> from skuq.metrics import probability_integral_transform
    >>> probability_integral_transform([0.0, 1.0], [0.0, 0.0], [1.0, 1.0]).round(3)
    array([0.5  , 0.841])
    >>> members = [[-1.0, 0.0], [0.0, 2.0]]
    >>> probability_integral_transform([0.0, 1.0], members=members)
    array([0.75, 0.5 ])
    """
    table, transform = forecast_of(
        y_true,
        y_pred,
        y_std,
        members=members,
        y_quantiles=y_quantiles,
        quantile_levels=quantile_levels,
    )
    blocks = list(table.map(lambda weight, *data: transform(*data)))
    pit = array_namespace(blocks[0]).concat(blocks)
    y = to_real_floating(as_array(y_true), "y_true")
    pit = to_library_of(pit, y)
    xp = array_namespace(pit)
    return xp.reshape(xp.astype(pit, y.dtype, copy=False), y.shape)
