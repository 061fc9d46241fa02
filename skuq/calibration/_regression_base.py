"""What every calibrator of regressors shares: errors in, quantiles and intervals out.

Notation: m predicted mean, s predicted standard deviation (1 where none is stated), z =
(y - m) / s the standardised error.  A calibrator learns the distribution of z, as a
function of a few levels; what it predicts is m + s times quantiles of z.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import (
    array_namespace,
    as_array,
    to_library_of,
    to_numpy,
    to_real_floating,
)
from skuq.exceptions import InputError
from skuq.metrics._regression_inputs import (
    SampleTable,
    beside,
    check_levels,
    check_std,
    sample_table,
)


def standardise(weight, y, mean, std=None):
    """Errors of a block in units of the stated deviation, and their weights."""
    if std is None:
        return y - mean, weight
    check_std(std)
    return (y - mean) / std, weight


class StandardErrors(NamedTuple):
    """Standardised errors of the calibration set, and how many each sample has."""

    table: SampleTable
    n_outputs: int = 1
    function: Callable[..., tuple] = standardise

    def blocks(self) -> Iterator[tuple]:
        """Pairs of errors `(m,)` and their weights, None if all are one."""
        return self.table.map(self.function)

    def on_host(self) -> tuple[np.ndarray, np.ndarray]:
        """All errors and all weights."""
        errors, weights = [], []
        for z, weight in self.blocks():
            errors.append(to_numpy(z))
            weights.append(np.ones(z.shape[0]) if weight is None else to_numpy(weight))
        return np.concatenate(errors), np.concatenate(weights).astype(np.float64)


class BaseRegressionCalibrator(BaseEstimator):
    """A map from stated means and standard deviations to calibrated distributions.

    A subclass writes `_fit`, `_quantiles` and `_moments`, which see standardised errors
    alone, and `_usable` where it does not take what is stated as it is.
    """

    @abstractmethod
    def _fit(self, errors):
        """Learn from `StandardErrors`."""

    @abstractmethod
    def _quantiles(self, levels):
        """Calibrated quantiles of z at some levels in (0, 1)."""

    @abstractmethod
    def _moments(self):
        """Calibrated mean of z, and its standard deviation or None."""

    def _usable(self, y_std):
        """The standard deviations to divide by, or None."""
        return y_std

    @property
    def moves_mean(self):
        """Whether `predict` changes the mean."""
        return self._moments()[0] != 0

    def fit(self, y_pred, y_true, *, y_std=None, sample_weight=None):
        """Fit the calibrator to predictions for held-out samples.

        Parameters
        ----------
        y_pred : array-like of shape (n_samples, *output)
            Means predicted for samples that the model was not trained on.  numpy array
            or torch tensor.
        y_true : array-like of the shape of `y_pred`
            Observed values.
        y_std : array-like of the shape of `y_pred`, default=None
            Predicted standard deviations, greater than 0, in the unit of `y_true`.
        sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
            Weights, at least 0; a weight of 2 equals a repeated sample.

        Returns
        -------
        self : object
            The fitted calibrator.

        Raises
        ------
        skuq.exceptions.InputError
            A ``ValueError``: for standard deviations that are missing or not positive,
            shapes that do not match, NaN, infinities, or no samples.
        """
        y_std = self._usable(y_std)
        data = {"y_true": y_true, "y_pred": y_pred}
        if y_std is not None:
            data["y_std"] = y_std
        table = sample_table(sample_weight, **data)
        shape = table.columns["y_true"].scores.shape
        self._fit(StandardErrors(table, int(np.prod(shape[1:]))))
        self.uses_std_ = y_std is not None
        return self

    def predict(self, y_pred, *, y_std=None, return_std=False):
        """Calibrated means, and standard deviations.

        Parameters
        ----------
        y_pred : array-like of shape (n_samples, *output)
            Predicted means.
        y_std : array-like of the shape of `y_pred`, default=None
            Predicted standard deviations; needed where `fit` used them.
        return_std : bool, default=False
            Whether to return calibrated standard deviations too.

        Returns
        -------
        mean : array of shape (n_samples, *output)
            In the library and floating dtype of `y_pred`.
        std : array of shape (n_samples, *output)
            Only with ``return_std=True``.

        Raises
        ------
        skuq.exceptions.InputError
            If the calibrator states no standard deviation, or for inputs that `fit`
            would refuse.
        """
        mean, std = self._stated(y_pred, y_std)
        shift, scale = self._moments()
        xp = array_namespace(mean)
        spread = xp.ones_like(mean) if std is None else std
        moved = mean + shift * spread
        if not return_std:
            return moved
        if scale is None:
            raise InputError(
                f"{type(self).__name__} makes intervals and states no standard "
                "deviation: call predict_interval, or use VarianceScaler or "
                "QuantileCalibrator."
            )
        return moved, scale * spread

    def predict_quantiles(self, y_pred, levels, *, y_std=None):
        """Calibrated quantiles.

        Parameters
        ----------
        y_pred : array-like of shape (n_samples, *output)
            Predicted means.
        levels : float or array-like of shape (n_levels,)
            Levels in (0, 1), in any order.
        y_std : array-like of the shape of `y_pred`, default=None
            Predicted standard deviations; needed where `fit` used them.

        Returns
        -------
        quantiles : array of shape (n_samples, n_levels, *output)
            Rising with the level, in the library and floating dtype of `y_pred`.

        Raises
        ------
        skuq.exceptions.InputError
            For levels outside (0, 1), or inputs that `fit` would refuse.
        """
        levels = np.atleast_1d(check_levels(levels, "levels"))
        mean, std = self._stated(y_pred, y_std)
        shape = (1, -1) + (1,) * (mean.ndim - 1)
        z = beside(self._quantiles(levels).reshape(shape), mean)
        return mean[:, None, ...] + (z if std is None else std[:, None, ...] * z)

    def predict_interval(self, y_pred, alpha=0.1, *, y_std=None):
        """Calibrated central intervals.

        Parameters
        ----------
        y_pred : array-like of shape (n_samples, *output)
            Predicted means.
        alpha : float in (0, 1), default=0.1
            Nominal miscoverage: 0.1 for a 90 % interval (a fraction, not a percentage).
        y_std : array-like of the shape of `y_pred`, default=None
            Predicted standard deviations; needed where `fit` used them.

        Returns
        -------
        lower : array of shape (n_samples, *output)
            In the library and floating dtype of `y_pred`.
        upper : array of shape (n_samples, *output)
            At least `lower`.

        Raises
        ------
        skuq.exceptions.InputError
            For an `alpha` outside (0, 1), or inputs that `fit` would refuse.
        """
        alpha = float(check_levels(float(alpha), "alpha"))
        ends = self.predict_quantiles(y_pred, [alpha / 2, 1 - alpha / 2], y_std=y_std)
        return ends[:, 0, ...], ends[:, 1, ...]

    def _stated(self, y_pred, y_std):
        """Means and standard deviations in one library and dtype, checked."""
        check_is_fitted(self)
        y_std = self._usable(y_std)
        if (y_std is not None) != self.uses_std_:
            was, remedy = ("with", "pass") if self.uses_std_ else ("without", "omit")
            raise InputError(
                f"this {type(self).__name__} was fitted {was} y_std: {remedy} it here "
                "too."
            )
        data = {"y_pred": y_pred}
        if y_std is not None:
            data["y_std"] = y_std
        for _ in sample_table(None, **data).map(_check_stated):
            pass  # every block is checked
        mean = to_real_floating(as_array(y_pred), "y_pred")
        if y_std is None:
            return mean, None
        std = to_library_of(to_real_floating(as_array(y_std), "y_std"), mean)
        return mean, array_namespace(std).astype(std, mean.dtype, copy=False)


def _check_stated(weight, mean, std=None):
    if std is not None:
        check_std(std)
