"""Platt scaling: a logistic curve of the score."""

import numpy as np

from skuq._core._logistic import fit_logistic
from skuq.calibration._binary import BinaryCalibrator
from skuq.calibration._to_torch import ToTorch


class PlattCalibrator(ToTorch, BinaryCalibrator):
    """Probabilities ``1 / (1 + exp(-(a z + b)))`` of the log odds z, targets smoothed.

    Two numbers per class, so a hundred samples do.  Mends a wrong scale and a wrong
    base rate, not a wrong shape.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.

    Attributes
    ----------
    maps_ : list of ndarray of shape (2,)
        (a, b) of each class; of two classes, of the second.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    BetaCalibrator : Also curves the map.
    TemperatureScaler : Without a shift.

    Notes
    -----
    Fits the targets ``(n_pos + 1) / (n_pos + 2)`` and ``1 / (n_neg + 2)`` [1]_, so that
    separable scores keep finite coefficients.  Works on log odds: on probabilities, as
    some packages do, the curve has the wrong shape.  Several classes are calibrated one
    against the rest.  Nothing keeps a positive: scores that rank worse than chance are
    turned round.

    References
    ----------
    .. [1] J. Platt (1999). "Probabilistic outputs for support vector machines and
       comparisons to regularized likelihood methods". Advances in Large Margin
       Classifiers. `pdf
       <https://www.cs.colorado.edu/~mozer/Teaching/syllabi/6622/papers/Platt1999.pdf>`_

    Examples
    --------
    >>> from skuq.calibration import PlattCalibrator
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=2, temperature=2.0, random_state=0)
    >>> a, b = PlattCalibrator().fit(logits, y).maps_[0].tolist()
    >>> round(a, 1), abs(b) < 0.1
    (0.5, True)
    """

    def _fit_map(self, score, target, weight):
        return fit_platt(score, target, weight)

    def _apply_log_odds(self, fitted, score):
        return float(fitted[0]) * score + float(fitted[1])

    def _module(self, nn):
        return nn.PlattCalibration(*np.transpose(self.maps_), input=self.input_)


def fit_platt(score, target, weight):
    """(a, b) of the smoothed targets."""
    return fit_logistic(score[None, :], smooth(target, weight), weight)


def smooth(target, weight):
    """Platt's targets: the mean outcome of each class after one more of either kind."""
    mass = np.ones(len(target)) if weight is None else weight
    positive = float(mass[target].sum())
    negative = float(mass.sum()) - positive
    return np.where(target, (positive + 1) / (positive + 2), 1 / (negative + 2))
