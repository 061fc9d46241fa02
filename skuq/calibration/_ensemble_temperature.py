"""Ensemble temperature scaling: tempered, original and uniform probabilities, mixed."""

import numpy as np

from skuq._core._arrays import array_namespace, pick, to_numpy
from skuq._core._links import LEAST_PROBABILITY, as_logits, softmax
from skuq.base import BaseCalibrator
from skuq.calibration._affine_scaler import temperature_of
from skuq.calibration._to_torch import ToTorch

STEPS = 2000


class EnsembleTemperatureScaler(ToTorch, BaseCalibrator):
    """A mixture of tempered, original and uniform probabilities, with fitted shares.

    As careful as temperature scaling: the predicted class never changes.  The uniform
    part keeps sure errors from costing too much.

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
    temperature_ : float
        T of the first part.
    weights_ : ndarray of shape (3,)
        Shares of ``softmax(z / T)``, ``softmax(z)`` and the uniform distribution; they
        sum to one.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    TemperatureScaler : The first part alone.

    Notes
    -----
    T is that of temperature scaling; the shares minimise the log loss given T [1]_,
    which is convex in them, by the multiplicative steps of the EM algorithm.

    References
    ----------
    .. [1] J. Zhang, B. Kailkhura and T. Y.-J. Han (2020). "Mix-n-Match: ensemble and
       compositional methods for uncertainty calibration in deep learning". ICML.
       `arXiv:2003.07329 <https://arxiv.org/abs/2003.07329>`_

    Examples
    --------
    >>> from skuq.calibration import EnsembleTemperatureScaler
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=3, temperature=2.0, random_state=0)
    >>> scaler = EnsembleTemperatureScaler().fit(logits, y)
    >>> round(scaler.temperature_, 1), bool(scaler.weights_[0] > 0.8)
    (2.0, True)
    """

    def _fit(self, table, kind):
        self.temperature_ = temperature_of(table, kind)
        likelihoods, weights = [], []
        for window in table.windows():
            scores, codes, weight = table.block(window)
            if scores.shape[1]:
                parts = self._parts(as_logits(scores, kind))
                rows = [to_numpy(pick(part, codes)) for part in parts]
                rows.append(np.full(len(rows[0]), 1 / table.n_classes))
                likelihoods.append(np.stack(rows).astype(np.float64))
                weights.append(
                    np.ones(len(rows[0])) if weight is None else to_numpy(weight)
                )
        self.weights_ = _mixture(
            np.concatenate(likelihoods, 1), np.concatenate(weights)
        )

    def _parts(self, logits):
        return softmax(logits / self.temperature_), softmax(logits)

    def _calibrated_logits(self, logits):
        tempered, plain = self._parts(logits)
        xp = array_namespace(logits)
        first, second, uniform = map(float, self.weights_)
        p = first * tempered + second * plain + uniform / tempered.shape[0]
        return xp.log(xp.clip(p, LEAST_PROBABILITY, 1.0))

    def _ranking(self, logits):
        """The logits themselves: mixing could round two into a tie."""
        return logits

    def _module(self, nn):
        return nn.MixtureCalibration(
            self.temperature_, self.weights_, input=self.input_
        )


def _mixture(likelihood, weight):
    """Shares of the parts that make the data most likely."""
    share = np.full(len(likelihood), 1 / len(likelihood))
    likelihood = np.maximum(likelihood, LEAST_PROBABILITY)
    total = weight.sum()
    for _ in range(STEPS):
        responsible = likelihood / (share @ likelihood)
        factor = responsible @ weight / total  # above 1 where a part explains more
        share = share * factor
        if factor[share > 0].max() - 1 < 1e-7:  # the loss is within 1e-7 of the least
            break
    return share / share.sum()
