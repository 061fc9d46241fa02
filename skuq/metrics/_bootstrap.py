"""How sure is a metric?  Intervals by resampling the samples."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from skuq._core._arrays import as_array, to_numpy
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._streaming import options_of


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
    metric: Any,
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
    interval is ``[2 e - q(1 - a/2), 2 e - q(a/2)]``, widened to hold e.  It moves
    against the bias of the estimate, which matters for calibration errors: resampling
    inflates them once more by about as much as they are inflated already.  For means it
    agrees with the percentile interval.

    A calibration error is a norm and cannot be negative, which no resampling of its
    values respects.  Its interval begins at 0 where 0 cannot be refuted: where the
    distance of resampled gaps from the gaps of the data, of which a share a is larger,
    reaches e.  In simulations with 150 to 3000 samples, 95 % intervals covered the
    truth in 89 to 95 % of the runs, for calibrated and over-confident models alike.

    Resamples without any weight that counts are drawn again.

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
    while isinstance(metric, partial):  # keeps what the metric says of itself
        metric, params = metric.func, {**metric.keywords, **params}
    measure = _measure_of(metric, y_true, y_proba, params)
    estimate, origin = measure(sample_weight)
    n = as_array(y_true).shape[0]
    base = np.ones(n) if sample_weight is None else to_numpy(sample_weight)
    rng = np.random.default_rng(random_state)
    draws = [_draw(measure, base, rng) for _ in range(n_resamples)]
    values = np.array([value for value, _ in draws])
    tail = (1 - confidence_level) / 2
    upper, lower = np.quantile(values, [1 - tail, tail])
    low, high = min(2 * estimate - upper, estimate), max(2 * estimate - lower, estimate)
    if min(estimate, values.min()) >= 0:
        low = max(low, 0.0)
    if origin is not None:
        options = options_of(metric.deviation, params)
        distances = [metric.deviation(state, origin, **options) for _, state in draws]
        if np.quantile(distances, confidence_level) >= estimate:
            low = 0.0
    high = min(high, getattr(metric, "upper", np.inf))
    return Interval(float(estimate), float(low), float(high))


Measure = Callable[[Any], tuple[float, Any]]


def _measure_of(
    metric: Any, y_true: Any, y_proba: Any, params: dict[str, Any]
) -> Measure:
    """The metric of the data under given weights, and its state if that is needed."""

    def plain(weight: Any) -> tuple[float, None]:
        return metric(y_true, y_proba, sample_weight=weight, **params), None

    if getattr(metric, "deviation", None) is None:
        return plain
    signature(metric).bind(y_true, y_proba, **params)  # refuses unknown parameters

    def with_state(weight: Any) -> tuple[float, Any]:
        options = options_of(metric.statistic, params)
        state = metric.statistic(y_true, y_proba, sample_weight=weight, **options)
        return metric.compute(state, **options_of(metric.compute, params)), state

    return with_state


def _draw(
    measure: Measure, base: np.ndarray, rng: np.random.Generator
) -> tuple[float, Any]:
    """The measure of one resample that leaves something to measure."""
    n = len(base)
    while True:
        counts = rng.multinomial(n, np.full(n, 1 / n))
        weight = base * counts.reshape((n,) + (1,) * (base.ndim - 1))
        try:
            return measure(weight)
        except NoSamplesError:  # the data themselves hold some, so this ends
            continue
