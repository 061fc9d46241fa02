"""Spiegelhalter's test: the Brier score against what the model itself expects."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from skuq._core._accumulator import Accumulator, summed
from skuq._core._arrays import accumulator_dtype, array_namespace
from skuq._core._checks import check_option
from skuq._core._outcomes import READERS
from skuq.metrics._inputs import score_table
from skuq.metrics._outcomes import CalibrationTestResult
from skuq.metrics._streaming import streams_with


@dataclass(frozen=True)
class DeviationSums(Accumulator):
    """A sum of deviations, and its variance if the model is calibrated.

    Parameters
    ----------
    kind : str
        What a probability and an outcome are.
    deviation : float
        Sum of w (y - p) (1 - 2 p).
    variance : float
        Sum of w^2 (1 - 2 p)^2 p (1 - p).
    """

    kind: str
    deviation: float = summed()
    variance: float = summed()


def deviation_sums(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str = "positive",
    ignore_index: Any = None,
) -> DeviationSums:
    """The mergeable statistic behind `spiegelhalter_test`."""
    check_option("kind", kind, ("positive", "top-label"))
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    deviation, variance = 0.0, 0.0
    for window in table.windows():
        part = READERS[kind](table, window)
        xp = array_namespace(part.score)
        wide = accumulator_dtype(part.score)
        p = xp.clip(xp.astype(part.score, wide), 0.0, 1.0)
        lean = 1 - 2 * p if part.weight is None else (1 - 2 * p) * part.weight
        deviation += float(xp.sum((xp.astype(part.outcome, wide) - p) * lean))
        variance += float(xp.sum(lean**2 * p * (1 - p)))
    return DeviationSums(kind, deviation, variance)


def deviation_test(state: DeviationSums) -> CalibrationTestResult:
    """The two-sided test that a state allows."""
    if state.variance == 0:  # only sure statements, or only p = 1/2
        z = np.copysign(np.inf, state.deviation) if state.deviation else 0.0
    else:
        z = state.deviation / np.sqrt(state.variance)
    return CalibrationTestResult(float(z), float(2 * ndtr(-abs(z))))


@streams_with(deviation_sums, deviation_test)
def spiegelhalter_test(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str = "positive",
    ignore_index: Any = None,
) -> CalibrationTestResult:
    """Test of calibration by Spiegelhalter's z, two-sided; a small p-value refutes it.

    A positive z says over-confidence (a Brier score worse than the model itself
    expects), a negative one under-confidence.

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
        Test the probability of the second of two classes, or the largest one.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    result : CalibrationTestResult
        The tuple ``(statistic, p_value)`` with z and its two-sided p-value.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    cumulative_calibration_test : Sees other deviations too.

    Notes
    -----
    ``z = sum_i w_i (y_i - p_i) (1 - 2 p_i) / sqrt(sum_i w_i^2 (1 - 2 p_i)^2 p_i (1 -
    p_i))`` and ``p = 2 (1 - Phi(|z|))`` [1]_.  It is blind to deviations at p = 1/2.
    If all p are 0 or 1, one wrong outcome gives an infinite z.  Streams exactly.

    References
    ----------
    .. [1] D. J. Spiegelhalter (1986). "Probabilistic prediction in patient management
       and clinical trials". Statistics in Medicine 5(5). `doi:10.1002/sim.4780050506
       <https://doi.org/10.1002/sim.4780050506>`_

    Examples
    --------
    >>> from skuq.metrics import spiegelhalter_test
    >>> z, p_value = spiegelhalter_test([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9])
    >>> round(z, 3), round(p_value, 3)
    (0.101, 0.92)
    """
    state = deviation_sums(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        kind=kind,
        ignore_index=ignore_index,
    )
    return deviation_test(state)
