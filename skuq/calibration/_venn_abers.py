"""Venn-Abers calibration: probabilities with an interval, from isotonic fits."""

from functools import partial
from typing import NamedTuple

import numpy as np

from skuq._core._arrays import array_namespace
from skuq._core._steps import Groups, StepFunction, counted_groups, isotonic_blocks
from skuq.calibration._binary import BinaryCalibrator, log_odds


class VennAbersMap(NamedTuple):
    """The probability after one more sample of the other class, and of the class."""

    lower: StepFunction
    upper: StepFunction


class VennAbersCalibrator(BinaryCalibrator):
    """Isotonic fits with the new sample in either class, and their middle.

    A new score is added to the calibration samples, once as a sample of the other class
    and once of the class.  Isotonic regression then gives it two probabilities, p0 and
    a larger p1; one of them is calibrated whatever the distribution.  Their distance
    says how much the data leave open.

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
    maps_ : list of tuple (lower, upper)
        The step functions p0 and p1 of log odds of each class; of two classes, of the
        second.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    IsotonicCalibrator : One isotonic fit.

    Notes
    -----
    Inductive Venn-Abers predictors [1]_.  The probability is ``p1 / (1 - p0 + p1)``,
    which has the least greatest log loss over p0 and p1; it is never 0 or 1.

    With W and Y the cumulated weights and hits over the distinct scores, p1 at the i-th
    is the greatest over ``j <= i`` of the least slope from ``(W_{j-1}, Y_{j-1})`` to
    ``(W_m + 1, Y_m + 1)``, m among the ends of isotonic blocks from that of j on.  The
    slope falls and then rises along the blocks, so that bisection finds its minimum for
    all scores at once: O(n log n).  p0 is the same from the other end.  p1 of a score
    in between is that of the next calibration score, p0 that of the last.  A prediction
    is two searches in sorted numbers.

    Several classes are calibrated one against the rest.

    References
    ----------
    .. [1] V. Vovk, I. Petej and V. Fedorova (2015). "Large-scale probabilistic
       predictors with and without guarantees of validity". NeurIPS.
       `arXiv:1511.00213 <https://arxiv.org/abs/1511.00213>`_

    Examples
    --------
    >>> from skuq.calibration import VennAbersCalibrator
    >>> calibrator = VennAbersCalibrator().fit([0.1, 0.3, 0.6, 0.8], [0, 1, 0, 1])
    >>> calibrator.predict_proba([0.8]).round(3)
    array([[0.333, 0.667]])
    >>> p0, p1 = calibrator.predict_interval([0.8])
    >>> p0, p1
    (array([[0. , 0.5]]), array([[0.5, 1. ]]))
    """

    def predict_interval(self, X):
        """The probabilities p0 and p1 of each class against the rest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
            Scores of the kind that `fit` saw, `input_`.

        Returns
        -------
        lower : array of shape (n_samples, n_classes, *spatial)
            The p0, after the sample was added to the other classes; in the library,
            floating dtype and device of `X`.  Rows need not sum to one.
        upper : array of shape (n_samples, n_classes, *spatial)
            The p1, after it was added to the class; greater than `lower`.
        """
        lower, upper = (self._predict(X, partial(self._end, end)) for end in (0, 1))
        return lower, upper

    def _end(self, end, logits):
        """Lower (0) or upper (1) ends; of the first of two classes, 1 - the other."""
        score = log_odds(logits)
        rows = [both[end](score[i, :]) for i, both in enumerate(self.maps_)]
        if len(rows) == 1:
            rows.insert(0, 1 - self.maps_[0][1 - end](score[0, :]))
        return array_namespace(score).stack(rows)

    def _fit_map(self, score, target, weight):
        groups = counted_groups(score, target, weight)
        upper = np.append(_with_one_more(groups), 1.0)
        mirrored = Groups(
            -groups.last[::-1],
            -groups.first[::-1],
            groups.weight[::-1],
            (groups.weight - groups.hits)[::-1],
        )
        lower = np.append(0.0, 1 - _with_one_more(mirrored)[::-1])
        return VennAbersMap(
            StepFunction(groups.first, lower, closed="left").simplified(),
            StepFunction(groups.last, upper).simplified(),
        )

    def _apply(self, fitted, score):
        low, high = fitted.lower(score), fitted.upper(score)
        return high / (1 - low + high)


def _with_one_more(groups):
    """The isotonic value at each distinct score after one more hit there.

    The greatest convex minorant of the points (W, Y), sums of weights and hits, has its
    corners at the ends of isotonic blocks.  One more hit at score i moves all points
    from i on by (1, 1).  The value there is the slope of the edge over i, whose right
    end is a moved corner from the end of i's own block on.
    """
    total, hits = np.cumsum(groups.weight), np.cumsum(groups.hits)
    blocks = isotonic_blocks(groups)
    corner_x, corner_y = total[blocks.last] + 1, hits[blocks.last] + 1
    x, y = total - groups.weight, hits - groups.hits

    def slope(corner):
        return (corner_y[corner] - y) / (corner_x[corner] - x)

    low = np.repeat(np.arange(len(blocks.value)), blocks.last - blocks.first + 1)
    high = np.full(len(low), len(blocks.value) - 1)
    while (low < high).any():
        middle = (low + high) // 2
        falls = slope(np.minimum(middle + 1, high)) < slope(middle)
        low, high = np.where(falls, middle + 1, low), np.where(falls, high, middle)
    # The left end may be any point before i: the greatest slope is that of the edge.
    return np.minimum(np.maximum.accumulate(slope(low)), 1.0)
