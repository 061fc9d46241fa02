"""Scaling-binning: a fitted curve, made constant in bins."""

import numpy as np

from skuq._core._links import expit
from skuq._core._quantile_edges import quantile_cuts
from skuq._core._steps import (
    StepFunction,
    between,
    check_n_bins,
    counted_groups,
)
from skuq.calibration._binary import BinaryCalibrator
from skuq.calibration._platt import fit_platt


class ScalingBinningCalibrator(BinaryCalibrator):
    """The mean of Platt's curve in bins of equal weight.

    The calibration error of a map with few values can be measured, that of a curve
    cannot; and means of a fitted curve vary less than shares of outcomes.

    Parameters
    ----------
    n_bins : int, default=15
        Number of bins, at least 1.
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.

    Attributes
    ----------
    maps_ : list of callable
        The fitted map of log odds of each class; of two classes, of the second.  Each
        has the inner `edges`, in log odds, and the `values` of the bins.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    PlattCalibrator : The curve itself.
    HistogramBinningCalibrator : Shares of outcomes in bins.

    Notes
    -----
    As [1]_, with the same samples for the curve, the bins and the means, as the
    authors' package does.  Bins end with the score that reaches their share of the
    weight and are cut half-way to the next one; equal scores are never parted, so that
    there may be fewer bins.

    Several classes are calibrated one against the rest.

    References
    ----------
    .. [1] A. Kumar, P. Liang and T. Ma (2019). "Verified uncertainty calibration".
       NeurIPS. `arXiv:1909.10155 <https://arxiv.org/abs/1909.10155>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.calibration import ScalingBinningCalibrator
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=2, temperature=2.0, random_state=0)
    >>> calibrator = ScalingBinningCalibrator(n_bins=10).fit(logits, y)
    >>> len(np.unique(calibrator.predict_proba(logits)[:, 1]))
    10
    """

    def __init__(self, *, n_bins=15, input="auto", classes=None, ignore_index=None):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.n_bins = n_bins

    def _fit(self, table, kind):
        check_n_bins(self.n_bins)
        super()._fit(table, kind)

    def _fit_map(self, score, target, weight):
        groups = counted_groups(score, target, weight)
        slope, shift = fit_platt(score, target, weight)
        curve = expit(slope * groups.first + shift)
        cut = quantile_cuts(np.cumsum(groups.weight), self.n_bins)
        mass = np.add.reduceat(groups.weight, cut[:-1])
        values = np.add.reduceat(groups.weight * curve, cut[:-1]) / mass
        return StepFunction(between(groups, cut[1:-1]), values)
