"""Calibration slope and intercept: the logistic line from stated to true log odds."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from skuq._core._binning import CollectedOutcomes
from skuq._core._links import LEAST_PROBABILITY
from skuq._core._logistic import fit_logistic
from skuq._core._sorting import Ordered
from skuq.exceptions import InputError
from skuq.metrics._outcomes import collected_outcomes
from skuq.metrics._streaming import streams_with

STEPS = 100
LARGEST_STEP = 2.0
CHUNK = 2**13  # samples at a time: BLAS starts no threads for so few
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
    row = next(state.rows())
    _refuse_separated(row)
    stated = _log_odds(row.score)
    slope, intercept = fit_logistic(stated[None, :], row.outcome, row.weight, tol=1e-12)
    shift = _shift(stated, row)
    covariance = np.linalg.inv(_curvature(stated, row, slope, intercept))
    error = np.sqrt(np.diag(covariance))
    return SlopeIntercept(*map(float, (slope, intercept, shift, error[0], error[1])))


def _log_odds(score: np.ndarray) -> np.ndarray:
    odds = np.empty(len(score))
    for start in range(0, len(score), CHUNK):
        part = slice(start, start + CHUNK)
        p = np.clip(score[part].astype(np.float64), LEAST_PROBABILITY, LARGEST_SHARE)
        odds[part] = np.log(p) - np.log1p(-p)
    return odds


def _shift(stated: np.ndarray, row: Ordered) -> float:
    """The intercept beside a slope of 1, by bounded Newton steps."""
    shift = 0.0
    for _ in range(STEPS):
        missed, bend = _sums(stated, row, 1.0, shift)[:2]
        step = min(max(missed / bend, -LARGEST_STEP), LARGEST_STEP)
        shift += step
        if abs(step) <= 1e-9:  # squared by the next one
            break
    return shift


def _curvature(
    stated: np.ndarray, row: Ordered, slope: float, intercept: float
) -> np.ndarray:
    """Minus the second derivatives of the log likelihood in slope and intercept."""
    _, bend, tilted, twice = _sums(stated, row, slope, intercept)
    return np.array([[twice, tilted], [tilted, bend]])


def _sums(
    stated: np.ndarray, row: Ordered, slope: float, intercept: float
) -> tuple[float, float, float, float]:
    """Sums of y - q, of b = q (1 - q), of b x and of b x^2, x the stated log odds."""
    total = np.zeros(4)
    for start in range(0, len(stated), CHUNK):
        part = slice(start, start + CHUNK)
        x, y = stated[part], row.outcome[part]
        q = expit(slope * x + intercept)
        bend = q * (1 - q)
        miss = y - q
        if row.weight is not None:
            miss, bend = miss * row.weight[part], bend * row.weight[part]
        total += miss.sum(), bend.sum(), bend @ x, bend @ (x * x)
    missed, bent, tilted, twice = map(float, total)
    return missed, bent, tilted, twice


def _refuse_separated(row: Ordered) -> None:
    """Without overlap of the two outcomes the most likely slope is infinite."""
    some = True if row.weight is None else row.weight > 0
    hit, missed = (_ends(row.score, some & y) for y in (row.outcome, ~row.outcome))
    if hit is None or missed is None:
        raise InputError(
            "all outcomes are the same, so there is no slope: pass samples of both."
        )
    if hit[0] >= missed[1] or missed[0] >= hit[1]:
        raise InputError(
            "probabilities separate the outcomes (or are all equal), so the slope is "
            "not finite: pass more samples."
        )


def _ends(score: np.ndarray, some: np.ndarray) -> tuple[float, float] | None:
    """The least and the largest score of some; None if there are none."""
    if not some.any():
        return None
    least = np.min(score, where=some, initial=np.inf)
    return float(least), float(np.max(score, where=some, initial=-np.inf))


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
    Keeps all samples; costs some passes over them.

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
