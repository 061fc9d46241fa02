"""How sure is a metric?  Intervals by resampling the samples."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skuq._core._arrays import as_array, to_numpy
from skuq.exceptions import InputError


class Interval(NamedTuple):
    """A metric and its confidence interval.

    Parameters
    ----------
    estimate : float
        The metric of the data itself.
    low : float
        Lower end of the interval.
    high : float
        Upper end of the interval.
    """

    estimate: float
    low: float
    high: float


def bootstrap_interval(
    metric: Callable[..., float],
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    random_state: Any = None,
    **params: Any,
) -> Interval:
    """A metric with a bootstrap confidence interval.

    Samples (rows of a table, whole images of a stack of maps) are drawn with
    replacement; the pixels of an image stay together, as they are not independent.

    Parameters
    ----------
    metric : callable
        Called as ``metric(y_true, y_proba, sample_weight=..., **params)``, where a
        weight of 2 must equal a repeated sample, as in all metrics of skuq.
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial)
        Probabilities, as the metric takes them.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, at least 0.
    n_resamples : int, default=1000
        Number of resamples.
    confidence_level : float in (0, 1), default=0.95
        Coverage of the interval, a fraction.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the resampling.
    **params : dict
        Further keywords of the metric.

    Returns
    -------
    interval : Interval
        The tuple ``(estimate, low, high)``.

    Raises
    ------
    skuq.exceptions.InputError
        If an argument is out of range.

    See Also
    --------
    expected_calibration_error : A metric whose plain estimate is biased upwards.

    Notes
    -----
    The basic bootstrap [1]_: with resampled values m, quantiles q and estimate e, the
    interval is ``[2 e - q(1 - a/2), 2 e - q(a/2)]``, cut to the range [min(0, e), ...)
    of the metric.  It moves against the bias of the estimate, which matters for
    calibration errors: resampling inflates them once more by about as much as they are
    inflated already.  For means it agrees with the percentile interval.

    References
    ----------
    .. [1] A. C. Davison and D. V. Hinkley (1997). "Bootstrap methods and their
       application", section 5.2.  `doi:10.1017/CBO9780511802843
       <https://doi.org/10.1017/CBO9780511802843>`_

    Examples
    --------
    >>> from skuq.datasets import make_logits
    >>> from skuq.calibration import TemperatureScaler
    >>> from skuq.metrics import bootstrap_interval, log_loss
    >>> logits, y = make_logits(2000, n_classes=3, random_state=0)
    >>> proba = TemperatureScaler().fit(logits, y).predict_proba(logits)
    >>> interval = bootstrap_interval(log_loss, y, proba, random_state=0)
    >>> interval.low < interval.estimate < interval.high
    True
    """
    if not 0 < confidence_level < 1:
        raise InputError(
            f"confidence_level must lie between 0 and 1, got {confidence_level}."
        )
    if n_resamples < 2:
        raise InputError(f"n_resamples must be at least 2, got {n_resamples}.")
    n = as_array(y_true).shape[0]
    base = np.ones(n) if sample_weight is None else to_numpy(sample_weight)
    base = base.reshape(n, *base.shape[1:])
    rng = np.random.default_rng(random_state)
    estimate = metric(y_true, y_proba, sample_weight=sample_weight, **params)
    values = np.empty(n_resamples)
    for i in range(n_resamples):
        counts = rng.multinomial(n, np.full(n, 1 / n))
        weight = base * counts.reshape((n,) + (1,) * (base.ndim - 1))
        values[i] = metric(y_true, y_proba, sample_weight=weight, **params)
    tail = (1 - confidence_level) / 2
    upper, lower = np.quantile(values, [1 - tail, tail])
    low, high = 2 * estimate - upper, 2 * estimate - lower
    return Interval(float(estimate), float(max(low, min(0.0, estimate))), float(high))
