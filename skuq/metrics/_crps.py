"""Continuous ranked probability score: of normal distributions, members, quantiles."""

from functools import cache
from math import pi, sqrt
from typing import Any

import numpy as np
from scipy.special import erf

from skuq._core._accumulator import MeanSum
from skuq._core._arrays import Array, array_namespace, device
from skuq._core._checks import check_option
from skuq._core._normal import normal_cdf
from skuq.exceptions import InputError
from skuq.metrics._proper import mean_of_state
from skuq.metrics._quantiles import pinball_sum
from skuq.metrics._regression_inputs import (
    check_finite,
    check_std,
    mean_loss,
    mean_loss_in_place,
    sample_table,
)
from skuq.metrics._streaming import streams_with

ESTIMATORS = ("empirical", "fair")

# The table of the CRPS of the standard normal distribution.
PER_UNIT = 2048
FARTHEST = 8.5  # where the rest is below the last bit
WHOLE = np.float64(2**52)  # float64 of at least this are whole numbers


def crps_gaussian_sum(
    y_true: Any, y_pred: Any, y_std: Any, *, sample_weight: Any = None
) -> MeanSum:
    """The mergeable statistic behind `crps_gaussian`."""
    table = sample_table(sample_weight, y_true=y_true, y_pred=y_pred, y_std=y_std)

    return mean_loss_in_place(table, crps_of_normals, n_rows=8)


def crps_of_normals(
    y: Array, mean: Array, std: Array, rows: np.ndarray | None
) -> Array:
    """The CRPS of each of some normal distributions."""
    least = check_std(std, positive=False)
    if rows is None or not least > 0:
        return _by_formula(y, mean, std)
    error, z = rows[:2]
    np.abs(np.subtract(y, mean, out=error), out=error)
    np.divide(error, std, out=z)
    beyond = np.flatnonzero(z > FARTHEST)
    z[beyond] = FARTHEST
    values = _from_table(z, rows[2:])
    values *= std
    values[beyond] = error[beyond] - std[beyond] / sqrt(pi)
    return values


def _by_formula(y: Array, mean: Array, std: Array) -> Array:
    check_finite(std, "y_std")
    xp = array_namespace(y)
    error, some = y - mean, std > 0
    z = xp.where(some, error, 0.0) / xp.where(some, std, 1.0)
    density = xp.exp(z * z / -2) / sqrt(2 * pi)
    spread = error * (2 * normal_cdf(z) - 1) + std * (2 * density - 1 / sqrt(pi))
    return xp.where(some, spread, xp.abs(error))


def _from_table(z: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The CRPS of the standard normal distribution at z in [0, FARTHEST], overwritten.

    A cubic about the nearest point of a table is as precise as the formula, of which
    the distribution function alone would take longer: the next term is below 2e-16.
    """
    values: np.ndarray = rows[0]
    index, terms = rows[1].view(np.int64), rows[2:6].reshape(-1, 4)
    z *= PER_UNIT
    np.add(z, WHOLE, out=values)  # the nearest point is in the last bits
    np.subtract(values.view(np.int64), WHOLE.view(np.int64), out=index)
    np.take(_table(), index, axis=0, out=terms, mode="clip")  # NaN stays NaN below
    values -= WHOLE
    z -= values
    np.multiply(z, terms[:, 3], out=values)
    for k in (2, 1, 0):
        values += terms[:, k]
        if k:
            values *= z
    return values


@cache
def _table() -> np.ndarray:
    """Coefficients of Taylor's cubic at each point, in the distance of two points."""
    z = np.arange(FARTHEST * PER_UNIT + 1) / PER_UNIT
    density = np.exp(z * z / -2) / sqrt(2 * pi)
    slope = erf(z / sqrt(2))
    value = z * slope + 2 * density - 1 / sqrt(pi)
    terms = np.stack([value, slope, density, z * density / -3], axis=1)
    terms /= float(PER_UNIT) ** np.arange(4)
    return terms


@streams_with(crps_gaussian_sum, mean_of_state)
def crps_gaussian(
    y_true: Any, y_pred: Any, y_std: Any, *, sample_weight: Any = None
) -> float:
    """Mean CRPS of stated normal distributions; lower is better, 0 is perfect.

    The continuous ranked probability score generalises the absolute error to
    distributions.  It is proper like `gaussian_log_loss`, and outliers count in
    proportion to their distance, not to its square.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_pred : array-like of the shape of `y_true`
        Predicted means, in the unit of `y_true`.  numpy array or torch tensor.
    y_std : array-like of the shape of `y_true`
        Predicted standard deviations, at least 0, in the unit of `y_true`.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    loss : float
        At least 0, in the unit of `y_true`.

    Raises
    ------
    skuq.exceptions.InputError
        For negative standard deviations, shapes that do not match, NaN, infinities, or
        no samples.

    See Also
    --------
    crps_ensemble : The same of members, for distributions of any form.
    gaussian_log_loss : The proper score that punishes outliers most.

    Notes
    -----
    The mean of ``s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))`` with
    ``z = (y - m) / s`` [1]_; at ``s = 0`` its limit, the absolute error.  Streams
    exactly.

    References
    ----------
    .. [1] T. Gneiting and A. E. Raftery (2007). "Strictly proper scoring rules,
       prediction, and estimation", section 4.2. Journal of the American Statistical
       Association 102(477). `doi:10.1198/016214506000001437
       <https://doi.org/10.1198/016214506000001437>`_

    Examples
    --------
    >>> from skuq.metrics import crps_gaussian
    >>> round(crps_gaussian([1.0, 2.0], [1.0, 1.0], [1.0, 0.0]), 4)
    0.6168
    """
    return crps_gaussian_sum(y_true, y_pred, y_std, sample_weight=sample_weight).mean


def crps_ensemble_sum(
    y_true: Any,
    members: Any,
    *,
    sample_weight: Any = None,
    estimator: str = "empirical",
) -> MeanSum:
    """The mergeable statistic behind `crps_ensemble`."""
    check_option("estimator", estimator, ESTIMATORS)
    table = sample_table(sample_weight, y_true=y_true, members=members)
    n = table.columns["members"].n_columns
    if estimator == "fair" and n < 2:
        raise InputError(
            "estimator='fair' needs at least 2 members, got 1: use 'empirical'."
        )
    pairs = n * n if estimator == "empirical" else n * (n - 1)

    def loss(y: Array, members: Array) -> Array:
        xp = array_namespace(members)
        error = members - y  # no offset is left that could cancel below
        # The sum of |x_i - x_j| over i < j is that of (2 i - n - 1) x_(i), sorted.
        rank = xp.arange(1 - n, n, 2, dtype=error.dtype, device=device(error))
        ordered = xp.sort(error, axis=0, stable=False)  # stable takes 4 times as long
        spread = xp.sum(ordered * rank[:, None], axis=0)
        return xp.mean(xp.abs(error), axis=0) - spread / pairs

    return mean_loss(table, loss)


@streams_with(crps_ensemble_sum, mean_of_state)
def crps_ensemble(
    y_true: Any,
    members: Any,
    *,
    sample_weight: Any = None,
    estimator: str = "empirical",
) -> float:
    """Mean CRPS of the members of an ensemble; lower is better, 0 is perfect.

    For an ensemble, Monte Carlo draws, or samples of any distribution.  One member has
    the absolute error.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    members : array-like of shape (n_members, n_samples, *output)
        Predictions of the members, in the unit of `y_true`.  numpy array or torch
        tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    estimator : {"empirical", "fair"}, default="empirical"
        Score the members as the distribution that they are, or estimate without bias
        the score of the distribution that they were drawn from: "fair" makes
        ensembles of different sizes comparable and takes at least two members.

    Returns
    -------
    loss : float
        In the unit of `y_true`; at least 0, but "fair" may be below 0 by chance.

    Raises
    ------
    skuq.exceptions.InputError
        For shapes that do not match, an unknown estimator, NaN, infinities, or no
        samples.

    See Also
    --------
    crps_gaussian : The closed form for normal distributions.
    crps_quantile : From quantiles.

    Notes
    -----
    The mean of ``mean_i |x_i - y| - sum_ij |x_i - x_j| / (2 M^2)`` over M members
    [1]_, with ``2 M (M - 1)`` in place of ``2 M^2`` if "fair" [2]_.  The members of
    each sample are sorted, in O(M log M).  Streams exactly.

    References
    ----------
    .. [1] T. Gneiting and A. E. Raftery (2007). "Strictly proper scoring rules,
       prediction, and estimation", section 4.2. Journal of the American Statistical
       Association 102(477). `doi:10.1198/016214506000001437
       <https://doi.org/10.1198/016214506000001437>`_
    .. [2] C. A. T. Ferro (2014). "Fair scores for ensemble forecasts". Quarterly
       Journal of the Royal Meteorological Society 140(683). `doi:10.1002/qj.2270
       <https://doi.org/10.1002/qj.2270>`_

    Examples
    --------
    >>> from skuq.metrics import crps_ensemble
    >>> crps_ensemble([1.0, 2.0], [[0.0, 2.0], [2.0, 2.0]])
    0.25
    >>> crps_ensemble([1.0, 2.0], [[0.0, 2.0], [2.0, 2.0]], estimator="fair")
    0.0
    """
    return crps_ensemble_sum(
        y_true, members, sample_weight=sample_weight, estimator=estimator
    ).mean


def twice_the_mean(state: MeanSum) -> float:
    """The CRPS that a pinball loss stands for."""
    return 2 * state.mean


@streams_with(pinball_sum, twice_the_mean)
def crps_quantile(
    y_true: Any, y_quantiles: Any, *, quantile_levels: Any, sample_weight: Any = None
) -> float:
    """Mean CRPS from quantiles on an even grid; lower is better, 0 is perfect.

    Twice the `pinball_loss`, which is a sum in place of the integral over all levels
    that the CRPS is: it needs a dense, even grid, best 0.005, 0.015, ... 0.995.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values.
    y_quantiles : array-like of shape (n_samples, n_levels, *output)
        Predicted quantiles, in the unit of `y_true`.  numpy array or torch tensor.
    quantile_levels : array-like of shape (n_levels,)
        The level of each, in (0, 1), evenly spaced.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.

    Returns
    -------
    loss : float
        At least 0, in the unit of `y_true`.

    Raises
    ------
    skuq.exceptions.InputError
        For shapes that do not match, levels outside (0, 1), NaN, infinities, or no
        samples.

    See Also
    --------
    crps_gaussian : The exact score of normal distributions.
    pinball_loss : For a few levels, or one.

    Notes
    -----
    ``2 mean_q max(q (y - x_q), (q - 1) (y - x_q))`` [1]_, averaged over samples.  With
    levels ``(k - 1/2) / K`` it is the "empirical" `crps_ensemble` of the K quantiles as
    members; with ``k / (K + 1)`` it is larger by an order of 1 / K, as no level stands
    for the tails.  At levels that are symmetric about the median it is the weighted
    interval score [2]_.  Levels that are not even weigh some parts of the distribution
    more; they are not refused.  Streams exactly.

    References
    ----------
    .. [1] F. Laio and S. Tamea (2007). "Verification tools for probabilistic forecasts
       of continuous hydrological variables". Hydrology and Earth System Sciences
       11(4). `doi:10.5194/hess-11-1267-2007
       <https://doi.org/10.5194/hess-11-1267-2007>`_
    .. [2] J. Bracher, E. L. Ray, T. Gneiting and N. G. Reich (2021). "Evaluating
       epidemic forecasts in an interval format". PLOS Computational Biology 17(2).
       `doi:10.1371/journal.pcbi.1008618
       <https://doi.org/10.1371/journal.pcbi.1008618>`_

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> from skuq.metrics import crps_gaussian, crps_quantile
    >>> levels = (np.arange(100) + 0.5) / 100
    >>> quantiles = norm.ppf(levels)[None, :]
    >>> round(crps_quantile([0.5], quantiles, quantile_levels=levels), 3)
    0.331
    >>> round(crps_gaussian([0.5], [0.0], [1.0]), 3)
    0.331
    """
    return twice_the_mean(
        pinball_sum(
            y_true,
            y_quantiles,
            quantile_levels=quantile_levels,
            sample_weight=sample_weight,
        )
    )
