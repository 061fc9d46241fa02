"""Beta calibration: the map that beta distributed scores need."""

from typing import NamedTuple

import numpy as np

from skuq._core._checks import check_option
from skuq._core._logistic import fit_logistic, logistic_loss
from skuq.calibration._binary import BinaryCalibrator, softplus
from skuq.calibration._bounded import mass_of, mixed, shares
from skuq.calibration._platt import fit_platt
from skuq.calibration._to_torch import ToTorch

PARAMETERS = ("abm", "am", "ab")
PINNED = 1e12  # penalty of an intercept that is not free
LEAST_SLOPE = 1e-6  # of Platt's line, for the unit of the ridge
LOG_2 = float(np.log(2))


class BetaMap(NamedTuple):
    """Log odds ``a log p - b log(1 - p) + c``, p mixed with a share of 1/2."""

    a: float
    b: float
    c: float
    share: float


class BetaCalibrator(ToTorch, BinaryCalibrator):
    """Log odds ``a log p - b log(1 - p) + c`` of the calibrated probability.

    The map is right where the scores of each class are beta distributed.  It bends p
    near 0 and near 1 in two different ways, and the identity is one of its members.  It
    never falls: a, b >= 0.

    Parameters
    ----------
    parameters : {"abm", "am", "ab"}, default="abm"
        What is free: "abm" all three, "am" one slope a = b, "ab" no shift, so that 1/2
        stays 1/2.
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    penalty : float, default=1.0
        Strength of the ridge about Platt scaling, in samples: it fades as 1/n.  0 is
        the method as published, whose coefficients are huge for separable data.

    Attributes
    ----------
    maps_ : list of BetaMap
        (a, b, c, share) of each class; of two classes, of the second.  See the notes
        for `share`.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    PlattCalibrator : The same with a = b.
    QuadraticCalibrator : Bends in three places.
    SplineCalibrator : Bends where the data ask for it.

    Notes
    -----
    Minimises ``log loss + penalty / n * ((a / s - 1)^2 + (b / s - 1)^2 + (c - t)^2)``
    over a, b >= 0, with ``s z + t`` of Platt scaling, so that the unit of the scores
    does not matter [1]_.  A coefficient that would be negative is 0 and the others are
    fitted without it, as in the paper; scores that rank worse than chance end at a
    constant.

    Probabilities of exactly 0 or 1, as forests give, have no logarithm.  Where log odds
    exceed ``log(2 n + 1)``, the map is also fitted to ``(1 - e) p + e / 2`` with ``e =
    1 / (n + 1)``; `share` is e if that has the lower loss, else 0.

    Works on log odds z: ``log p = -log(1 + exp(-z))`` keeps what p has lost to
    rounding.  Several classes are calibrated one against the rest.

    References
    ----------
    .. [1] M. Kull, T. Silva Filho and P. Flach (2017). "Beta calibration: a
       well-founded and easily implemented improvement on logistic calibration for
       binary classifiers". AISTATS. `pdf
       <https://proceedings.mlr.press/v54/kull17a.html>`_

    Examples
    --------
    >>> from skuq.calibration import BetaCalibrator
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=2, temperature=2.0, random_state=0)
    >>> fitted = BetaCalibrator().fit(logits, y).maps_[0]
    >>> round(fitted.a, 1), round(fitted.b, 1)
    (0.5, 0.5)
    """

    def __init__(
        self,
        *,
        parameters="abm",
        input="auto",
        classes=None,
        ignore_index=None,
        penalty=1.0,
    ):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.parameters = parameters
        self.penalty = penalty

    def _fit_map(self, score, target, weight):
        check_option("parameters", self.parameters, PARAMETERS)
        best = np.inf
        for share in shares(score, weight):
            z = mixed(score, share)
            x = self._features(z)
            coef = self._coefficients(x, target, weight, fit_platt(z, target, weight))
            loss = logistic_loss(x, target, weight, coef)
            if loss < best:
                best, found = loss, self._map(coef, share)
        return found

    def _coefficients(self, x, target, weight, line):
        """The fit with the ridge about Platt's line."""
        slope = max(float(line[0]), LEAST_SLOPE)
        start = np.append(np.full(len(x), slope), line[1])
        penalty = np.append(np.full(len(x), slope**-2), 1.0)
        penalty *= self.penalty / mass_of(target, weight)
        if self.parameters == "ab":
            penalty[-1], start[-1] = PINNED, 0.0
        return fit_logistic(
            x, target, weight, penalty=penalty, start=start, nonnegative=True
        )

    def _features(self, score):
        """What a and b multiply; if they are one number, their sum."""
        if self.parameters == "am":
            return score[None, :]
        parts = np.stack([-softplus(-score), softplus(score)])
        if self.parameters == "ab":  # so that p = 1/2 makes both zero
            parts += np.array([[LOG_2], [-LOG_2]])
        return parts

    def _map(self, coef, share):
        a, b, c = coef[0], coef[-2], coef[-1]
        if self.parameters == "ab":
            c = (a - b) * LOG_2
        return BetaMap(float(a), float(b), float(c), share)

    def _apply_log_odds(self, fitted, score):
        z = mixed(score, fitted.share)
        return fitted.b * softplus(z) - fitted.a * softplus(-z) + fitted.c

    def _module(self, nn):
        return nn.BetaCalibration(*np.transpose(self.maps_), input=self.input_)
