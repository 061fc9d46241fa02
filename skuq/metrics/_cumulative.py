"""Calibration without bins: cumulative differences of outcomes and probabilities.

Notation: samples in order of their probability p; C_k = sum_{i <= k} w_i (y_i - p_i) /
sum(w), read only where p changes, and C_0 = 0.
"""

from typing import Any

import numpy as np
from scipy.special import ndtr

from skuq._core._binning import CollectedOutcomes
from skuq._core._checks import check_option
from skuq._core._sorting import Ordered, sort_outcomes
from skuq.exceptions import InputError
from skuq.metrics._outcomes import (
    CalibrationTestResult,
    collected_outcomes,
)
from skuq.metrics._streaming import streams_with

STATISTICS = ("maximum", "range")
SMALL = 0.9  # below it the series of images converges slowly, above it that of modes
CHUNK = 2**15  # samples at a time
LEAST = 1e-2  # below it a Brownian motion surely lies higher


def cumulative_of_state(
    state: CollectedOutcomes, *, statistic: str = "maximum"
) -> float:
    """The largest cumulative difference of a state, the mean of those of its rows."""
    check_option("statistic", statistic, STATISTICS)
    rows = [_excursion(row, statistic) for row in state.rows()]
    return float(np.mean(rows))


def _excursion(row: Ordered, statistic: str, *, clip: bool = False) -> float:
    """The largest cumulative difference of a row, found in the memory of one copy."""
    score, outcome, weight = sort_outcomes(*row)
    last_of_tie = np.append(score[1:] != score[:-1], True)
    walk = score.astype(np.float64, copy=False)
    if clip:
        np.clip(walk, 0, 1, out=walk)
    np.subtract(outcome, walk, out=walk)
    if weight is not None:
        walk *= weight
    np.cumsum(walk, out=walk)
    walk *= last_of_tie  # C_0 = 0 counts anyway
    high, low = max(walk.max(), 0.0), min(walk.min(), 0.0)
    total = len(walk) if weight is None else weight.sum()
    return float((max(high, -low) if statistic == "maximum" else high - low) / total)


@streams_with(collected_outcomes, cumulative_of_state)
def cumulative_calibration_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str = "top-label",
    statistic: str = "maximum",
    ignore_index: Any = None,
) -> float:
    """Largest cumulative difference of outcomes and probabilities; lower is better.

    Needs neither bins nor a bandwidth: any stretch of probabilities in which a
    classifier is wrong on average shows as a slope.

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
    kind : {"top-label", "positive", "classwise"}, default="top-label"
        Compare the largest probability with being right, the probability of the
        second of two classes with its share, or every class's probability with its
        share (mean over classes).
    statistic : {"maximum", "range"}, default="maximum"
        ``max_k |C_k|``, the Kolmogorov-Smirnov calibration error [1]_ (ECCE-MAD in
        [2]_), or ``max_k C_k - min_k C_k``, Kuiper's (ECCE-R).
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1]; 0 is calibrated.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    cumulative_calibration_test : Whether it is more than noise.
    expected_calibration_error : With bins.

    Notes
    -----
    ``C_k = sum_{i <= k} w_i (y_i - p_i) / sum(w)`` in order of p, with ``C_0 = 0``.
    Equal probabilities are summed first, so their order does not matter.  Keeps all
    samples; costs a sort.

    References
    ----------
    .. [1] K. Gupta, A. Rahimi, T. Ajanthan, T. Mensink, C. Sminchisescu and R. Hartley
       (2021). "Calibration of neural networks using splines". ICLR. `arXiv:2006.12800
       <https://arxiv.org/abs/2006.12800>`_
    .. [2] I. Arrieta-Ibarra, P. Gujral, J. Tannen, M. Tygert and C. Xu (2022). "Metrics
       of calibration for probabilistic predictions". JMLR 23. `arXiv:2205.09680
       <https://arxiv.org/abs/2205.09680>`_

    Examples
    --------
    >>> from skuq.metrics import cumulative_calibration_error
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> round(cumulative_calibration_error([0, 1, 2, 2], y_proba), 4)
    0.15
    """
    state = collected_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        kind=kind,
        ignore_index=ignore_index,
    )
    return cumulative_of_state(state, statistic=statistic)


def cumulative_test_of_state(
    state: CollectedOutcomes, *, statistic: str = "maximum"
) -> CalibrationTestResult:
    """The test that a state allows."""
    check_option("statistic", statistic, STATISTICS)
    if state.binning.kind == "classwise":
        raise InputError(
            "a test is of one set of probabilities: use kind='top-label' or, for one "
            "class, kind='positive' with its probability."
        )
    row = next(state.rows())
    deviation = _deviation(row)
    # A softmax may leave [0, 1] by its rounding, which must not refute a sure model.
    excursion = _excursion(row, statistic, clip=True)
    if deviation == 0:  # only sure statements: one wrong one refutes them
        perfect = excursion == 0
        return CalibrationTestResult(
            0.0 if perfect else float("inf"), 1.0 if perfect else 0.0
        )
    scaled = excursion / deviation
    survival = _SURVIVAL[statistic](scaled)
    return CalibrationTestResult(float(scaled), float(np.clip(survival, 0, 1)))


def _deviation(row: Ordered) -> float:
    """The standard deviation of the last C_k if all probabilities are true."""
    variance = 0.0
    for start in range(0, len(row.score), CHUNK):
        part = slice(start, start + CHUNK)
        p = np.clip(row.score[part].astype(np.float64), 0, 1)
        p *= 1 - p
        if row.weight is not None:
            p *= row.weight[part] ** 2
        variance += float(p.sum())
    total = len(row.score) if row.weight is None else row.weight.sum()
    return float(np.sqrt(variance) / total)


@streams_with(collected_outcomes, cumulative_test_of_state)
def cumulative_calibration_test(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str = "top-label",
    statistic: str = "maximum",
    ignore_index: Any = None,
) -> CalibrationTestResult:
    """Test of calibration by cumulative differences; a small p-value refutes it.

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
    kind : {"top-label", "positive"}, default="top-label"
        Test the largest probability, or that of the second of two classes.
    statistic : {"maximum", "range"}, default="maximum"
        Kolmogorov-Smirnov's or Kuiper's, as in `cumulative_calibration_error`.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    result : CalibrationTestResult
        The tuple ``(statistic, p_value)``; the statistic in standard deviations.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    cumulative_calibration_error : The size of the deviation.
    spiegelhalter_test : Looks for over- and under-confidence.

    Notes
    -----
    The error over ``sqrt(sum w_i^2 p_i (1 - p_i)) / sum(w)`` tends, for a calibrated
    classifier and independent samples, to the maximum of ``|B|`` or the range of a
    Brownian motion B on [0, 1], whose distributions are known [1]_ [2]_.  Discrete
    steps make the test cautious for few samples.  Pixels of an image are not
    independent.  If all p are 0 or 1, one wrong outcome gives ``p_value = 0``.

    References
    ----------
    .. [1] I. Arrieta-Ibarra, P. Gujral, J. Tannen, M. Tygert and C. Xu (2022). "Metrics
       of calibration for probabilistic predictions". JMLR 23. `arXiv:2205.09680
       <https://arxiv.org/abs/2205.09680>`_
    .. [2] W. Feller (1951). "The asymptotic distribution of the range of sums of
       independent random variables". Annals of Mathematical Statistics 22(3).
       `doi:10.1214/aoms/1177729589 <https://doi.org/10.1214/aoms/1177729589>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.metrics import cumulative_calibration_test
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(500)
    >>> honest, biased = rng.random(500) < p, rng.random(500) < p**2
    >>> cumulative_calibration_test(honest, p, kind="positive").p_value > 0.05
    True
    >>> cumulative_calibration_test(biased, p, kind="positive").p_value < 0.001
    True
    """
    state = collected_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        kind=kind,
        ignore_index=ignore_index,
    )
    return cumulative_test_of_state(state, statistic=statistic)


def _maximum_survival(x: float) -> float:
    """P(max abs B > x): modes for small x, images of the walls for large x."""
    if x < LEAST:
        return 1.0
    k = np.arange(30)
    odd = 2 * k + 1
    if x < SMALL:
        decay = np.exp(-((odd * np.pi) ** 2) / (8 * x * x))
        return 1 - float((4 / np.pi * (-1.0) ** k / odd * decay).sum())
    return float((4 * (-1.0) ** k * ndtr(-odd * x)).sum())


def _range_survival(x: float) -> float:
    """P(max B - min B > x), by modes for small x and by images for large x."""
    if x < LEAST:
        return 1.0
    k = np.arange(1, 40)
    if x < 2 * SMALL:
        odd = (2 * k - 1) * np.pi
        decay = np.exp(-(odd**2) / (2 * x * x))
        return 1 - float(((8 / odd**2 + 8 / (x * x)) * decay).sum())
    return float((8 * (-1.0) ** (k - 1) * k * ndtr(-k * x)).sum())


_SURVIVAL = {"maximum": _maximum_survival, "range": _range_survival}
