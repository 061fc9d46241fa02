"""Variance scaling: one number that makes stated standard deviations honest."""

import warnings
from math import sqrt

from scipy.special import ndtri

from skuq._core._arrays import array_namespace
from skuq.calibration._regression_base import BaseRegressionCalibrator
from skuq.exceptions import CalibrationWarning


class VarianceScaler(BaseRegressionCalibrator):
    """Normal distributions whose standard deviations are multiplied by one number.

    The temperature scaling of regression: a scale above 1 widens the intervals of a
    model that is too sure, one below 1 narrows them.  Means stay as they are.

    Attributes
    ----------
    scale_ : float
        Factor of the stated standard deviations; without `y_std`, the standard
        deviation itself, in the unit of the observed values.
    uses_std_ : bool
        Whether `fit` was given `y_std`.

    Warns
    -----
    skuq.exceptions.CalibrationWarning
        If all predictions equal their observed values: the scale is 0.

    See Also
    --------
    QuantileCalibrator : Also mends a bias, and tails that are not normal.
    ConformalCalibrator : Intervals whose coverage is guaranteed.
    CalibratedRegressor : Puts this behind a fitted model.

    Notes
    -----
    ``s^2 = sum(w z^2) / sum(w)`` with ``z = (y - m) / s``, which minimises the normal
    log loss [1]_ [2]_.  The scale of weights does not matter.  All outputs share the
    scale; fit one calibrator each where they differ.  One pass, in blocks.

    References
    ----------
    .. [1] M.-H. Laves, S. Ihler, J. F. Fast, L. A. Kahrs and T. Ortmaier (2020).
       "Well-calibrated regression uncertainty in medical imaging with deep learning".
       MIDL. `PMLR 121 <https://proceedings.mlr.press/v121/laves20a.html>`_
    .. [2] D. Levi, L. Gispan, N. Giladi and E. Fetaya (2019). "Evaluating and
       calibrating uncertainty prediction in regression tasks". `arXiv:1905.11659
       <https://arxiv.org/abs/1905.11659>`_

    Examples
    --------
    >>> from skuq.calibration import VarianceScaler
    >>> y_pred, y_std, y_true = [0.0, 0.0], [1.0, 2.0], [2.0, -4.0]
    >>> scaler = VarianceScaler().fit(y_pred, y_true, y_std=y_std)
    >>> scaler.scale_
    2.0
    >>> scaler.predict(y_pred, y_std=y_std, return_std=True)[1]
    array([2., 4.])
    """

    def _fit(self, errors):
        total, mass = 0.0, 0.0
        for z, weight in errors.blocks():
            xp = array_namespace(z)
            square = z * z
            total += float(xp.sum(square if weight is None else square * weight))
            mass += z.shape[0] if weight is None else float(xp.sum(weight))
        self.scale_ = sqrt(total / mass)
        if self.scale_ == 0:
            warnings.warn(
                "VarianceScaler: every prediction equals its observed value, so the "
                "standard deviations become 0. Calibrate on samples that the model "
                "was not trained on.",
                CalibrationWarning,
                stacklevel=3,
            )

    def _quantiles(self, levels):
        return self.scale_ * ndtri(levels)

    def _moments(self):
        return 0.0, self.scale_
