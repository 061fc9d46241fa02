"""Squared kernel calibration error of whole rows of probabilities, and its test."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.special import ndtr

from skuq._core._checks import check_option
from skuq.exceptions import InputError
from skuq.metrics._kernel_pairs import (
    CollectedRows,
    checked_bandwidth,
    collected_rows,
    grams,
    neighbours,
    rows_of,
)
from skuq.metrics._outcomes import CalibrationTestResult
from skuq.metrics._streaming import streams_with

ESTIMATORS = ("unbiased", "biased", "linear")


def kernel_error_of_state(
    state: CollectedRows,
    *,
    estimator: str = "unbiased",
    kernel: str = "laplacian",
    bandwidth: float | str = "median",
) -> float:
    """The squared kernel calibration error of a state."""
    check_option("estimator", estimator, ESTIMATORS)
    state = state.counted()
    n = state.proba.shape[1]
    if n < 2 and estimator != "biased":
        raise InputError(
            f"the {estimator} estimator needs two samples with a weight above zero, "
            f"got {n}."
        )
    width = checked_bandwidth(state.proba, kernel, bandwidth)
    if estimator == "linear":
        values = neighbours(state.proba, state, kernel, width)
        return _mean_of_pairs(values, state.weight)
    p, d = rows_of(state.proba), state.residuals()
    weight = np.ones(len(p)) if state.weight is None else state.weight
    d = d * weight[:, None]
    total = sum(
        float((gram * (d[rows] @ d.T)).sum()) for rows, gram in grams(p, kernel, width)
    )
    if estimator == "biased":
        return float(total / weight.sum() ** 2)
    pairs = weight.sum() ** 2 - (weight**2).sum()
    return float((total - (d**2).sum()) / pairs)


def _mean_of_pairs(pieces: Iterable[np.ndarray], weight: np.ndarray | None) -> float:
    """The mean of values of the samples 1 and 2, 3 and 4, ..., which come in pieces."""
    total = mass = 0.0
    n = 0
    for values in pieces:
        if weight is None:
            total, mass = total + float(values.sum()), mass + len(values)
        else:
            both = (
                slice(n, n + 2 * len(values), 2),
                slice(n + 1, n + 2 * len(values), 2),
            )
            pair_weight = weight[both[0]] * weight[both[1]]
            total += float(values @ pair_weight)
            mass += float(pair_weight.sum())
        n += 2 * len(values)
    return total / mass


@streams_with(collected_rows, kernel_error_of_state)
def kernel_calibration_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    estimator: str = "unbiased",
    kernel: str = "laplacian",
    bandwidth: float | str = "median",
    ignore_index: Any = None,
) -> float:
    """Squared kernel calibration error (SKCE); lower is better, 0 is calibrated.

    Looks at whole rows of probabilities, so at the strongest notion of calibration: of
    all samples that get the same row, the classes come true as it says.

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
    estimator : {"unbiased", "biased", "linear"}, default="unbiased"
        All pairs of different samples, all pairs, or neighbours in the data only.
    kernel : {"laplacian", "gaussian"}, default="laplacian"
        ``exp(-r / bandwidth)`` or ``exp(-(r / bandwidth)^2 / 2)`` of the Euclidean
        distance r of two rows.
    bandwidth : float above 0 or "median", default="median"
        "median" takes the median distance of different rows, out of up to 1,000.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        The square of the error, in [-2, 2].  The unbiased and the linear estimator are
        below 0 about every second time for a calibrated model.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    kernel_calibration_test : Whether it is more than noise.
    maximum_mean_calibration_error : Of the largest probability only.

    Notes
    -----
    ``sum_{i != j} w_i w_j k(p_i, p_j) <e_i - p_i, e_j - p_j> / sum_{i != j} w_i w_j``
    with e_i the unit vector of the true class [1]_.  A repeated sample is one more
    sample, and a weight of two is not: i != j tells them apart.  Keeps all rows.
    Time grows with the square of the number of samples (10,000 samples of 10 classes:
    some seconds), for "linear" with the number itself, and that one depends on the
    order of samples.

    References
    ----------
    .. [1] D. Widmann, F. Lindsten and D. Zachariah (2019). "Calibration tests in
       multi-class classification: a unifying framework". NeurIPS. `arXiv:1910.11385
       <https://arxiv.org/abs/1910.11385>`_

    Examples
    --------
    >>> from skuq.metrics import kernel_calibration_error
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> error = kernel_calibration_error([0, 1, 2, 2], y_proba, bandwidth=0.5)
    >>> round(error, 4)
    -0.0059
    """
    state = collected_rows(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    return kernel_error_of_state(
        state, estimator=estimator, kernel=kernel, bandwidth=bandwidth
    )


def kernel_calibration_test(
    y_true: Any,
    y_proba: Any,
    *,
    labels: Any = None,
    estimator: str = "unbiased",
    kernel: str = "laplacian",
    bandwidth: float | str = "median",
    n_resamples: int = 1000,
    random_state: Any = None,
    ignore_index: Any = None,
) -> CalibrationTestResult:
    """Test of calibration of whole rows of probabilities; a small p-value refutes it.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or of `y_true`
        Probabilities in [0, 1]; of the shape of `y_true`, those of the second of two
        classes.  numpy array or torch tensor.
    labels : array-like of shape (n_classes,), default=None
        The label of each column; None takes the sorted labels of `y_true`, or column
        numbers if `y_true` misses a class.
    estimator : {"unbiased", "linear"}, default="unbiased"
        With "unbiased" the classes are drawn anew from the stated probabilities, which
        makes the level exact; "linear" uses a normal limit, for many samples.
    kernel : {"laplacian", "gaussian"}, default="laplacian"
        As in `kernel_calibration_error`.
    bandwidth : float above 0 or "median", default="median"
        As in `kernel_calibration_error`.
    n_resamples : int, default=1000
        Number of sets of classes drawn.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the draws.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    result : CalibrationTestResult
        The tuple ``(statistic, p_value)``; with "linear" the statistic is a z-score.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    cumulative_calibration_test : Of the largest probability, for many samples.

    Notes
    -----
    If the model is calibrated, the true classes are draws from the stated rows.  The
    p-value is the share of such draws with an error at least as large, the data
    themselves among them.  All kernel values are kept: n^2 numbers of 8 bytes.

    References
    ----------
    .. [1] D. Widmann, F. Lindsten and D. Zachariah (2019). "Calibration tests in
       multi-class classification: a unifying framework". NeurIPS. `arXiv:1910.11385
       <https://arxiv.org/abs/1910.11385>`_

    Examples
    --------
    >>> from skuq.datasets import make_logits
    >>> from skuq.calibration import TemperatureScaler
    >>> from skuq.metrics import kernel_calibration_test
    >>> logits, y = make_logits(300, n_classes=3, random_state=0)
    >>> scaler = TemperatureScaler(input="logit").fit(logits, y)
    >>> proba = scaler.predict_proba(logits)
    >>> kernel_calibration_test(y, proba, random_state=0).p_value > 0.05
    True
    """
    check_option("estimator", estimator, ("unbiased", "linear"))
    state = collected_rows(y_true, y_proba, labels=labels, ignore_index=ignore_index)
    p = rows_of(state.proba)
    p /= p.sum(axis=1, keepdims=True)
    if len(p) < 4:
        raise InputError(f"a test needs at least 4 samples, got {len(p)}.")
    width = checked_bandwidth(p.T, kernel, bandwidth)
    if estimator == "linear":
        z = _z_score(np.concatenate(list(neighbours(p.T, state, kernel, width))))
        return CalibrationTestResult(z, float(ndtr(-z)))
    if n_resamples < 1:
        raise InputError(f"n_resamples must be at least 1, got {n_resamples}.")
    gram = np.concatenate([part for _, part in grams(p, kernel, width)])
    np.fill_diagonal(gram, 0.0)
    observed = _pair_sum(gram, state.residuals())
    rng = np.random.default_rng(random_state)
    larger = sum(
        _pair_sum(gram, _drawn_residuals(p, rng)) >= observed
        for _ in range(n_resamples)
    )
    statistic = observed / (len(p) * (len(p) - 1))
    return CalibrationTestResult(
        float(statistic), float((1 + larger) / (1 + n_resamples))
    )


def _z_score(values: np.ndarray) -> float:
    """The mean in standard errors; without any spread, 0 or infinite."""
    mean, spread = values.mean(), values.std(ddof=1)
    if spread == 0:
        return float(np.copysign(np.inf, mean)) if mean else 0.0
    return float(mean / spread * np.sqrt(len(values)))


def _pair_sum(gram: np.ndarray, d: np.ndarray) -> float:
    return float(((gram @ d) * d).sum())


def _drawn_residuals(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """D of classes drawn from the rows of p."""
    levels = np.cumsum(p, axis=1)
    code = (rng.random((len(p), 1)) * levels[:, -1:] >= levels).sum(axis=1)
    residual = -p
    residual[np.arange(len(p)), np.minimum(code, p.shape[1] - 1)] += 1
    return residual
