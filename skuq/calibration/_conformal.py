"""Split conformal prediction: intervals that cover as often as they promise."""

import warnings
from math import ceil

import numpy as np

from skuq._core._checks import check_option
from skuq._core._conformal import reached
from skuq._core._sorting import tie_groups
from skuq.calibration._regression_base import BaseRegressionCalibrator
from skuq.exceptions import CalibrationWarning, InputError


class ConformalCalibrator(BaseRegressionCalibrator):
    """Intervals that cover at least 1 - alpha of new values, whatever the model.

    Assumes only that calibration samples and new ones are exchangeable, such as drawn
    from the same distribution; neither a good model nor normal errors.

    Parameters
    ----------
    normalize : bool or "auto", default="auto"
        Whether errors are divided by the stated standard deviations, so that intervals
        are wide where the model is unsure.  "auto" does so where `y_std` is given.
    symmetric : bool, default=True
        True: ``m - h`` to ``m + h``, from absolute errors.  False: each side leaves out
        alpha / 2, from signed errors, which mends a bias and follows skewed errors but
        needs twice as many samples.

    Attributes
    ----------
    scores_ : ndarray of shape (n_scores,)
        Distinct errors of the calibration set, absolute if symmetric, rising.
    mass_ : ndarray of shape (n_scores,)
        Weight of all errors up to each of them.
    n_outputs_ : int
        Values per sample.
    uses_std_ : bool
        Whether errors are divided by standard deviations.

    Warns
    -----
    skuq.exceptions.CalibrationWarning
        If the calibration set is too small for a level: the interval is infinite.

    See Also
    --------
    QuantileCalibrator : States a whole distribution, without a guarantee.
    CalibratedRegressor : Puts this behind a fitted model.
    skuq.metrics.interval_coverage_score : How often intervals did cover.

    Notes
    -----
    Of n absolute errors the ``ceil((n + 1) (1 - alpha))``-th smallest is the half
    width h [1]_, in units of the standard deviation if normalised [2]_.  On average
    over calibration sets and new values the coverage is at least 1 - alpha, and
    without ties at most ``1 - alpha + 1 / (n + 1)``; for one calibration set it varies
    by about ``sqrt(alpha (1 - alpha) / n)``, and for some kinds of samples it may be
    lower than for others.  With ``symmetric=False`` each side is bounded in this way
    with alpha / 2.

    Fewer than ``1 / alpha - 1`` samples (``2 / alpha - 1`` if not symmetric) give
    infinite intervals.  Weights count as repetitions, and a new sample as one [3]_.  Of
    several outputs, the mean coverage over those of a new sample has the guarantee: n
    counts samples, however many values each of them has [4]_.

    Quantiles of level q are the ends of the interval with ``alpha = 2 min(q, 1 - q)``;
    the mean stays as it is, and there is no standard deviation.  Sorts the errors on
    the host and keeps all that are distinct.

    References
    ----------
    .. [1] J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani and L. Wasserman (2018).
       "Distribution-free predictive inference for regression". Journal of the American
       Statistical Association 113(523). `doi:10.1080/01621459.2017.1307116
       <https://doi.org/10.1080/01621459.2017.1307116>`_
    .. [2] H. Papadopoulos, K. Proedrou, V. Vovk and A. Gammerman (2002). "Inductive
       confidence machines for regression". ECML. `doi:10.1007/3-540-36755-1_29
       <https://doi.org/10.1007/3-540-36755-1_29>`_
    .. [3] R. F. Barber, E. J. Candes, A. Ramdas and R. J. Tibshirani (2023). "Conformal
       prediction beyond exchangeability". Annals of Statistics 51(2).
       `arXiv:2202.13415 <https://arxiv.org/abs/2202.13415>`_
    .. [4] Y. Lee, R. F. Barber and R. Willett (2023). "Distribution-free inference with
       hierarchical data". `arXiv:2306.06342 <https://arxiv.org/abs/2306.06342>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.calibration import ConformalCalibrator
    >>> y_true = np.arange(1.0, 20.0)  # 19 errors of 1 to 19
    >>> calibrator = ConformalCalibrator().fit(np.zeros(19), y_true)
    >>> calibrator.predict_interval([0.0], alpha=0.1)  # the 18th
    (array([-18.]), array([18.]))
    """

    def __init__(self, *, normalize="auto", symmetric=True):
        self.normalize = normalize
        self.symmetric = symmetric

    def _usable(self, y_std):
        check_option("normalize", self.normalize, ("auto", True, False))
        if self.normalize is True and y_std is None:
            raise InputError(
                "normalize=True divides by y_std, which is missing: pass it, or set "
                "normalize=False for intervals of one width."
            )
        return y_std if self.normalize else None

    def _fit(self, errors):
        z, weight = errors.on_host()
        score = np.abs(z) if self.symmetric else z
        counts = weight > 0
        groups = tie_groups(score[counts], np.zeros(counts.sum()), weight[counts])
        self.scores_ = groups.score
        self.mass_ = np.cumsum(groups.weight)
        self.n_outputs_ = errors.n_outputs

    def _quantiles(self, levels):
        # The new sample counts among all; the median alone has no outer side.
        total = self.mass_[-1] + np.where(levels == 0.5, 0.0, self.n_outputs_)
        if self.symmetric:
            half = reached(self.scores_, self.mass_, np.abs(2 * levels - 1) * total)
            z = np.where(levels == 0.5, 0.0, np.copysign(half, levels - 0.5))
        else:
            weight = np.diff(self.mass_, prepend=0.0)
            upper = reached(self.scores_, self.mass_, levels * total)
            mirrored = -self.scores_[::-1], np.cumsum(weight[::-1])
            lower = -reached(*mirrored, (1 - levels) * total)
            z = np.where(levels < 0.5, lower, upper)
            middle = levels == 0.5
            z[middle] = (lower[middle] + upper[middle]) / 2
        self._warn_if_infinite(levels, z)
        return z

    def _moments(self):
        return 0.0, None

    def _warn_if_infinite(self, levels, z):
        outer = np.minimum(levels, 1 - levels)[np.isinf(z)]
        if outer.size == 0:
            return
        alpha = 2 * outer.min()
        needed = ceil((1 if self.symmetric else 2) / alpha * (1 - 1e-9)) - 1
        warnings.warn(
            f"ConformalCalibrator: {self.mass_[-1] / self.n_outputs_:g} calibration "
            f"samples are too few for alpha={alpha:g}, so the interval is infinite: "
            f"use at least {needed}, or a larger alpha.",
            CalibrationWarning,
            stacklevel=4,
        )
