"""Log loss of a stated mean and standard deviation."""

from math import log, pi
from typing import Any

import numpy as np

from skuq._core._accumulator import MeanSum
from skuq._core._arrays import Array, array_namespace
from skuq._core._links import LEAST_PROBABILITY
from skuq.metrics._proper import mean_of_state, sum_of_logs
from skuq.metrics._regression_inputs import (
    check_std,
    into,
    mean_loss_in_place,
    sample_table,
)
from skuq.metrics._streaming import streams_with

LOG_ROOT = log(2 * pi) / 2


def gaussian_log_loss_sum(
    y_true: Any, y_pred: Any, y_std: Any, *, sample_weight: Any = None
) -> MeanSum:
    """The mergeable statistic behind `gaussian_log_loss`."""
    table = sample_table(sample_weight, y_true=y_true, y_pred=y_pred, y_std=y_std)

    def standardized(y: Array, mean: Array, std: Array, rows: Any) -> Array:
        error = array_namespace(y).subtract(y, mean, **into(rows, 0))
        error /= std
        return error

    def loss(y: Array, mean: Array, std: Array, rows: Any) -> Array:
        check_std(std)
        values = standardized(y, mean, std, rows)
        values *= values
        values /= 2
        values += array_namespace(std).log(std, **into(rows, 1))
        values += LOG_ROOT
        return values

    def total(y: Array, mean: Array, std: Array, rows: Any) -> float:
        least = check_std(std)
        z = standardized(y, mean, std, rows)
        moderate = least > LEAST_PROBABILITY and std.max() < 1 / LEAST_PROBABILITY
        logs = sum_of_logs(std) if moderate else float(np.log(std).sum())
        z *= z
        return logs + float(z.sum()) / 2 + float(z.size * LOG_ROOT)

    return mean_loss_in_place(table, loss, n_rows=2, total=total)


@streams_with(gaussian_log_loss_sum, mean_of_state)
def gaussian_log_loss(
    y_true: Any, y_pred: Any, y_std: Any, *, sample_weight: Any = None
) -> float:
    """Mean negative log density of stated normal distributions; lower is better.

    A proper score of the mean and the spread together.  It punishes a spread that is
    too small for the error without bound; `crps_gaussian` is more forgiving.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_pred : array-like of the shape of `y_true`
        Predicted means, in the unit of `y_true`.  numpy array or torch tensor.
    y_std : array-like of the shape of `y_true`
        Predicted standard deviations, greater than 0, in the unit of `y_true`.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    loss : float
        In nats.  May be below 0, as a density may be above 1, and depends on the unit
        of `y_true`.

    Raises
    ------
    skuq.exceptions.InputError
        For standard deviations that are not positive, shapes that do not match, NaN,
        infinities, or no samples.

    See Also
    --------
    crps_gaussian : A proper score in the unit of the observed values.

    Notes
    -----
    ``sum(w * (log(2 pi s^2) / 2 + (y - m)^2 / (2 s^2))) / sum(w)`` [1]_, the constant
    included.  Streams exactly.

    References
    ----------
    .. [1] I. J. Good (1952). "Rational decisions". Journal of the Royal Statistical
       Society B 14(1). `doi:10.1111/j.2517-6161.1952.tb00104.x
       <https://doi.org/10.1111/j.2517-6161.1952.tb00104.x>`_

    Examples
    --------
    >>> from skuq.metrics import gaussian_log_loss
    >>> round(gaussian_log_loss([1.0, 2.0], [1.0, 1.0], [1.0, 2.0]), 4)
    1.328
    """
    return gaussian_log_loss_sum(
        y_true, y_pred, y_std, sample_weight=sample_weight
    ).mean
