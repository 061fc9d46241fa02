"""Calibration slope and intercept: the logistic line from stated to true log odds."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from skuq._core._binning import CollectedOutcomes
from skuq._core._links import LEAST_PROBABILITY
from skuq._core._sorting import Ordered, TieGroups
from skuq.exceptions import InputError
from skuq.metrics._outcomes import collected_outcomes, groups_of_rows
from skuq.metrics._streaming import streams_with

STEPS = 100
LARGEST_SHARE = 1 - 2.0**-53  # a probability of 1 has no log odds


class SlopeIntercept(NamedTuple):
    """The line ``log odds of the truth = intercept + slope * stated log odds``.

    Parameters
    ----------
    slope : float
        1 if calibrated, below 1 if over-confident.
    intercept : float
        0 if calibrated; the intercept beside `slope`.
    in_the_large : float
        The intercept with a slope of 1: 0 if calibrated, below 0 if probabilities are
        too large on average.
    slope_error : float
        Standard error of `slope`.
    intercept_error : float
        Standard error of `intercept`.
    """

    slope: float
    intercept: float
    in_the_large: float
    slope_error: float
    intercept_error: float


def slope_of_state(state: CollectedOutcomes) -> SlopeIntercept:
    """The logistic line through the outcomes of a state."""
    (groups,) = groups_of_rows(state)
    _refuse_separated(next(state.rows()))
    p = np.clip(groups.score, LEAST_PROBABILITY, LARGEST_SHARE)
    stated = np.log(p) - np.log1p(-p)
    (shift,), _ = _fit(groups, np.ones((1, len(p))), stated)
    (intercept, slope), covariance = _fit(
        groups, np.stack([np.ones(len(p)), stated]), 0 * stated
    )
    error = np.sqrt(np.diag(covariance))
    return SlopeIntercept(*map(float, (slope, intercept, shift, error[1], error[0])))


def _refuse_separated(row: Ordered) -> None:
    """Without overlap of the two outcomes the most likely slope is infinite."""
    some = np.ones(len(row.score), bool) if row.weight is None else row.weight > 0
    hit, missed = row.score[some & row.outcome], row.score[some & ~row.outcome]
    if not (len(hit) and len(missed)):
        raise InputError(
            "all outcomes are the same, so there is no slope: pass samples of both."
        )
    if hit.min() >= missed.max() or missed.min() >= hit.max():
        raise InputError(
            "probabilities separate the outcomes (or are all equal), so the slope is "
            "not finite: pass more samples."
        )


def _fit(
    groups: TieGroups, features: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a logistic fit by Newton steps, halved where they overshoot."""
    coef = np.zeros(len(features))
    loss = np.inf
    step = coef
    for _ in range(STEPS):
        line = offset + coef @ features
        now = (groups.weight * np.logaddexp(0, line) - groups.hits * line).sum()
        if now > loss * (1 + 1e-14):
            step = step / 2
            coef = coef - step
            continue
        share = expit(line)
        gradient = features @ (groups.hits - groups.weight * share)
        hessian = (features * (groups.weight * share * (1 - share))) @ features.T
        loss, step = now, np.linalg.solve(hessian, gradient)
        if np.abs(step).max() <= 1e-12 * (1 + np.abs(coef).max()):
            break
        coef = coef + step
    return coef, np.linalg.inv(hessian)


def slope_outcomes(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str = "positive",
    ignore_index: Any = None,
) -> CollectedOutcomes:
    """The statistic behind `calibration_slope_intercept`."""
    if kind not in ("positive", "top-label"):
        raise InputError(f"kind must be 'positive' or 'top-label', got {kind!r}.")
    return collected_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        kind=kind,
        ignore_index=ignore_index,
    )


@streams_with(slope_outcomes, slope_of_state)
def calibration_slope_intercept(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str = "positive",
    ignore_index: Any = None,
) -> SlopeIntercept:
    """Slope and intercept of a logistic recalibration; (1, 0) is calibrated.

    What clinical prediction models are reported with: a slope below 1 says that
    probabilities are too extreme, `in_the_large` whether they are too low or high.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or of `y_true`
        Probabilities in [0, 1]; of the shape of `y_true`, those of the second of two
        classes.  numpy array or torch tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    labels : array-like of shape (n_classes,), default=None
        The label of each column; None takes the sorted labels of `y_true`, or column
        numbers if `y_true` misses a class.
    kind : {"positive", "top-label"}, default="positive"
        Of the probability of the second of two classes, or of the largest one.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    line : SlopeIntercept
        ``(slope, intercept, in_the_large, slope_error, intercept_error)``.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, no samples,
        or outcomes that probabilities separate, where the slope is infinite.

    See Also
    --------
    expected_calibration_error : Does not assume a line.

    Notes
    -----
    The most likely ``logit P(y = 1) = intercept + slope * logit p`` [1]_.  p is clipped
    to [2**-126, 1 - 2**-53].  Standard errors treat weights as numbers of samples.
    Keeps all samples; costs a sort.

    References
    ----------
    .. [1] D. R. Cox (1958). "Two further applications of a model for binary
       regression". Biometrika 45(3/4). `doi:10.1093/biomet/45.3-4.562
       <https://doi.org/10.1093/biomet/45.3-4.562>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.metrics import calibration_slope_intercept
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=20_000)
    >>> y = rng.random(20_000) < 1 / (1 + np.exp(-z))
    >>> line = calibration_slope_intercept(y, 1 / (1 + np.exp(-2 * z)))
    >>> abs(line.slope - 0.5) < 3 * line.slope_error
    True
    """
    state = slope_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        kind=kind,
        ignore_index=ignore_index,
    )
    return slope_of_state(state)
