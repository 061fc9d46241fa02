"""Calibrators of one probability, and how they serve several classes."""

from abc import abstractmethod

import numpy as np

from skuq._core._arrays import array_namespace, clip, device, to_numpy
from skuq._core._links import LEAST_PROBABILITY, as_logits
from skuq.base import BaseCalibrator

SCORES_PER_BATCH = 2**18


class BinaryCalibrator(BaseCalibrator):
    """Maps the log odds of one class to its probability, class by class.

    With two classes there is one map, of the second class.  With more there is one for
    each class against the rest, and the results are divided by their sum: each row of a
    calibrated table then sums to one, though the classes were not fitted together.

    A third base beside `BaseCalibrator` and `AffineScaler`: nine calibrators differ
    only in the map that they fit.  A map that is a function of log odds needs no more
    than `_fit_map`; others say how to apply it.
    """

    @abstractmethod
    def _fit_map(self, score, target, weight):
        """Learn a map from log odds, whether the class is true, and weights.

        score : ndarray of shape (n,), float32 or float64; target : ndarray of bool;
        weight : ndarray of float64 or None.  Returns the map, or its parameters.
        """

    def _apply(self, fitted, score):
        """Probabilities of an array of log odds of any library, by a fitted map."""
        return fitted(score)

    def _apply_log_odds(self, fitted, score):
        """Calibrated log odds of an array of log odds, by a fitted map."""
        p = self._apply(fitted, score)
        xp = array_namespace(p)
        yes, no = (xp.log(clip(q, LEAST_PROBABILITY, 1.0)) for q in (p, 1 - p))
        return yes - no

    def _fit(self, table, kind):
        scores, codes, weights = [], [], []
        for window in table.windows(SCORES_PER_BATCH):
            block, code, weight = table.block(window)
            if block.shape[1]:
                scores.append(to_numpy(log_odds(as_logits(block, kind))))
                codes.append(to_numpy(code))
                if weight is not None:
                    weights.append(to_numpy(weight))
        score, code = np.concatenate(scores, axis=1), np.concatenate(codes)
        weight = np.concatenate(weights) if weights else None
        first = 1 if len(score) == 1 else 0  # the class of the first line
        self.maps_ = [
            self._fit_map(line, code == first + i, weight)
            for i, line in enumerate(score)
        ]

    def _calibrated_logits(self, logits):
        score = log_odds(logits)
        xp = array_namespace(score)
        rows = [self._apply_log_odds(m, score[i, :]) for i, m in enumerate(self.maps_)]
        if len(rows) == 1:
            return xp.stack([xp.zeros_like(rows[0]), rows[0]])
        return -softplus(-xp.stack(rows))


def log_odds(logits):
    """Log odds of each class against the rest; of two classes, of the second.

    The rest is summed without the class itself: 1 - p would lose the odds of a sure
    class, of which float32 can tell no more than exp(16).
    """
    xp = array_namespace(logits)
    if logits.shape[0] == 2:
        return logits[1:, :] - logits[:1, :]
    shifted = logits - xp.max(logits, axis=0)
    top = xp.argmax(logits, axis=0)
    is_top = xp.arange(logits.shape[0], device=device(logits))[:, None] == top[None, :]
    others = xp.where(is_top, -np.inf, shifted)
    second = xp.max(others, axis=0)
    near = xp.exp(others - second)
    total = xp.sum(near, axis=0)
    rest_of_top = second + xp.log(total)
    rest = xp.log1p(xp.exp(second) * (total - near))
    return shifted - xp.where(is_top, rest_of_top, rest)


def softplus(x):
    """The logarithm of ``1 + exp(x)``, without overflow."""
    xp = array_namespace(x)
    return clip(x, 0.0, np.inf) + xp.log1p(xp.exp(-xp.abs(x)))
