"""Quantile recalibration: the levels that a model states, by how often they held."""

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri, ndtri_exp
from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import to_numpy
from skuq._core._sorting import tie_groups
from skuq.calibration._regression_base import (
    BaseRegressionCalibrator,
    StandardErrors,
)
from skuq.exceptions import InputError
from skuq.metrics._regression_inputs import check_levels, sample_table

# Nodes of the trapezoidal rule for moments: the normal density beyond 7.5 is below
# 1e-12, and levels there have lost half of their digits.
NODES = np.linspace(-7.5, 7.5, 3001)


class QuantileCalibrator(BaseRegressionCalibrator):
    """Distributions whose levels hold as often as they say, by a monotone map.

    Where 0.7 of the observed values lie below the stated quantiles of level 0.5, the
    stated quantiles become those of level 0.7.  Mends a spread, a bias in units of the
    standard deviation, and tails; needs a few hundred samples.

    Attributes
    ----------
    errors_ : ndarray of shape (n_knots,)
        Distinct standardised errors of the calibration set, rising.
    levels_ : ndarray of shape (n_knots,)
        How often errors up to each of them are to be expected, rising, in (0, 1).
    uses_std_ : bool
        Always True.

    See Also
    --------
    VarianceScaler : One number, for small calibration sets.
    ConformalCalibrator : Intervals whose coverage is guaranteed.
    CalibratedRegressor : Puts this behind a fitted model.

    Notes
    -----
    With the stated distribution ``F = Phi((y - m) / s)``, the map R from F(y) to the
    share of observed values that have at most as much makes ``R(F(y))`` uniform [1]_.
    R is the isotonic regression of these shares, piecewise linear with R(0) = 0 and
    R(1) = 1; the calibrated quantile of level q is ``F^-1(R^-1(q))``.  The i-th of n
    values gets the share i / (n + 1) which a new value stays below on average, and of
    tied values the middle of theirs; the paper's i / n would promise that no value is
    larger than the largest seen.

    Weights count as repetitions.  Mean and standard deviation are those of the
    calibrated distribution.  All outputs share the map.  Sorts the errors on the host
    and keeps one knot for each distinct one.

    The stated distribution need not be normal: `fit_pit` takes levels of the observed
    values in any distribution, and `stated_levels` gives the levels to read there.

    References
    ----------
    .. [1] V. Kuleshov, N. Fenner and S. Ermon (2018). "Accurate uncertainties for deep
       learning using calibrated regression". ICML. `arXiv:1807.00263
       <https://arxiv.org/abs/1807.00263>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.calibration import QuantileCalibrator
    >>> y_true = np.random.default_rng(0).normal(loc=1.0, size=2000)
    >>> y_pred, y_std = np.zeros(2000), np.ones(2000)
    >>> calibrator = QuantileCalibrator().fit(y_pred, y_true, y_std=y_std)
    >>> mean, std = calibrator.predict([5.0], y_std=[1.0], return_std=True)
    >>> mean.round(1), std.round(1)
    (array([6.]), array([1.]))

    An ensemble whose members are too high by one:

    >>> from skuq.metrics import probability_integral_transform
    >>> members = np.random.default_rng(1).normal(loc=2.0, size=(200, 2000))
    >>> pit = probability_integral_transform(y_true, members=members)
    >>> calibrator = QuantileCalibrator().fit_pit(pit)
    >>> levels = calibrator.stated_levels([0.25, 0.5])
    >>> np.quantile(members, levels, axis=0).mean(axis=1).round(1)
    array([0.3, 1. ])
    """

    def _usable(self, y_std):
        if y_std is None:
            raise InputError(
                "QuantileCalibrator needs y_std, the stated standard deviations: "
                "without them, use VarianceScaler or ConformalCalibrator."
            )
        return y_std

    def fit_pit(self, pit, *, sample_weight=None):
        """Fit the map to levels of the observed values, for any stated distribution.

        Parameters
        ----------
        pit : array-like of shape (n_samples, *output)
            In [0, 1]: the stated probability of values up to the observed one, such as
            `skuq.metrics.probability_integral_transform` of quantiles or members.
        sample_weight : array-like of shape (n_samples,) or of `pit`, default=None
            Weights, at least 0; a weight of 2 equals a repeated sample.

        Returns
        -------
        self : QuantileCalibrator
            The fitted calibrator.

        Raises
        ------
        skuq.exceptions.InputError
            For values outside [0, 1], NaN, or no samples.
        """
        table = sample_table(sample_weight, pit=pit)
        self._fit(StandardErrors(table, function=_normal_scores))
        self.uses_std_ = True
        return self

    def stated_levels(self, levels):
        """The levels at which the stated distribution has the calibrated quantiles.

        Parameters
        ----------
        levels : float or array-like of shape (n_levels,)
            Levels in (0, 1), in any order.

        Returns
        -------
        stated : ndarray of shape (n_levels,)
            ``R^-1(levels)``, in [0, 1].

        Raises
        ------
        skuq.exceptions.InputError
            For levels outside (0, 1).
        """
        check_is_fitted(self)
        return ndtr(self._quantiles(np.atleast_1d(check_levels(levels, "levels"))))

    def _fit(self, errors):
        z, weight = errors.on_host()
        counts = weight > 0
        groups = tie_groups(z[counts], np.zeros(counts.sum()), weight[counts])
        below = np.cumsum(groups.weight) - groups.weight
        # The middle of the ranks below + 1 to below + weight.
        middle = below + (groups.weight + 1) / 2
        self.errors_ = groups.score
        self.levels_ = middle / (groups.weight.sum() + 1)

    def _quantiles(self, levels):
        z = np.concatenate([[-np.inf], self.errors_, [np.inf]])
        share = np.concatenate([[0.0], self.levels_, [1.0]])
        right = np.searchsorted(share, levels)  # at least 1, since levels exceed 0
        left = right - 1
        part = (levels - share[left]) / (share[right] - share[left])
        lower = _mixture(part, log_ndtr(z[left]), log_ndtr(z[right]))
        upper = _mixture(part, log_ndtr(-z[left]), log_ndtr(-z[right]))
        # From the smaller of both tails: the other has rounded to one.
        return np.where(lower < upper, ndtri_exp(lower), -ndtri_exp(upper))

    def _moments(self):
        """By the trapezoidal rule over the normal variable whose level is read."""
        if np.isinf(self.errors_[[0, -1]]).any():
            raise InputError(
                "levels of exactly 0 or 1 were passed to fit_pit, so the calibrated "
                "normal distribution has no mean: use stated_levels."
            )
        weight = np.exp(-(NODES**2) / 2)
        weight /= weight.sum()
        z = self._quantiles(ndtr(NODES))
        mean = float(weight @ z)
        return mean, float(np.sqrt(weight @ (z - mean) ** 2))


def _normal_scores(weight, pit):
    """The standard normal values of levels."""
    pit = to_numpy(pit)
    if pit.min() < 0 or pit.max() > 1:
        raise InputError(
            f"pit runs from {pit.min():g} to {pit.max():g}: levels of observed values "
            "lie in [0, 1]."
        )
    return ndtri(pit), weight


def _mixture(part, log_left, log_right):
    """``log((1 - part) exp(log_left) + part exp(log_right))``."""
    return logsumexp([log_left, log_right], axis=0, b=[1 - part, part])
