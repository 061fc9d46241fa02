"""Quadratic calibration: log odds bent by a half parabola on either side of 0."""

from dataclasses import astuple
from typing import NamedTuple

import numpy as np

from skuq._core._arrays import clip
from skuq._core._logistic import fit_logistic
from skuq.calibration._binary import BinaryCalibrator
from skuq.calibration._bounded import BoundedPlatt, group
from skuq.calibration._to_torch import ToTorch


class QuadraticMap(NamedTuple):
    """``intercept + slope u + upper max(u, 0)^2 - lower max(-u, 0)^2``, u = line(z)."""

    line: BoundedPlatt
    slope: float
    upper: float
    lower: float
    intercept: float


class QuadraticCalibrator(ToTorch, BinaryCalibrator):
    """Log odds ``c + a u + b u^2`` of bounded Platt-scaled ones, b of either side of 0.

    Bends what Platt scaling leaves straight, upwards or downwards and for each class on
    its own, and never falls.  Among the best for two classes, from 200 samples up.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    penalty : float, default=1.0
        Strength of the ridge about the Platt line, in samples: it fades as 1/n.

    Attributes
    ----------
    maps_ : list of QuadraticMap
        (line, slope, upper, lower, intercept) of each class; of two classes, of the
        second.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    PlattCalibrator : The straight line it starts from.
    SplineCalibrator : Bends in more places, for more data.

    Notes
    -----
    u is Platt's line mixed with a share ``e = 1 / (n + 1)`` of the uniform
    distribution: log odds between -L and L, with ``L = log(2 n + 1)``, whatever the
    score.  Where probabilities of 0 would decide the line, the score is mixed, too.

    The fit is a logistic regression with coefficients t >= 0 of the features ``u - u
    |u| / 2L``, ``max(u, 0)^2 / 2L`` and ``-max(-u, 0)^2 / 2L``, whose slopes in u are
    nowhere negative: t are the slopes of the map at 0, L and -L.  So it is monotone for
    every score, which a free parabola [1]_ is not.  The ridge is ``penalty / n *
    (sum (t - 1)^2 + c^2)``.  Samples are grouped into 4096 cells of u.

    If Platt's slope is negative, as for scores that rank worse than chance, the map
    falls everywhere instead.  Several classes are calibrated one against the rest.

    References
    ----------
    .. [1] E. Berta, D. Holzmueller, M. I. Jordan and F. Bach (2025). "Structured matrix
       scaling for multi-class calibration". `arXiv:2511.03685
       <https://arxiv.org/abs/2511.03685>`_

    Examples
    --------
    >>> from skuq.calibration import QuadraticCalibrator
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=2, temperature=2.0, random_state=0)
    >>> calibrator = QuadraticCalibrator().fit(logits, y)
    >>> calibrator.predict_proba(logits).shape
    (5000, 2)
    """

    def __init__(self, *, input="auto", classes=None, ignore_index=None, penalty=1.0):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.penalty = penalty

    def _fit_map(self, score, target, weight):
        line = BoundedPlatt.fit(score, target, weight)
        bound = line.limit
        data = group(line(score.astype(np.float64)), target, weight, bound)
        u = data.score
        upper, lower = np.maximum(u, 0) ** 2, np.maximum(-u, 0) ** 2
        features = np.stack([2 * bound * u - upper + lower, upper, -lower])
        middle, top, bottom, intercept = fit_logistic(
            features / (2 * bound),
            data.target,
            data.weight,
            penalty=np.full(4, self.penalty / data.weight.sum()),
            start=np.array([1.0, 1.0, 1.0, 0.0]),
            nonnegative=True,
        ).tolist()
        upper, lower = (top - middle) / (2 * bound), (bottom - middle) / (2 * bound)
        return QuadraticMap(line, middle, upper, lower, intercept)

    def _apply_log_odds(self, fitted, score):
        u = fitted.line(score)
        upper, lower = clip(u, 0.0, np.inf), clip(u, -np.inf, 0.0)
        bent = fitted.upper * upper * upper - fitted.lower * lower * lower
        return fitted.intercept + fitted.slope * u + bent

    def _module(self, nn):
        lines = [astuple(fitted.line) for fitted in self.maps_]
        curves = np.transpose([fitted[1:] for fitted in self.maps_])
        return nn.QuadraticCalibration(lines, *curves, input=self.input_)
