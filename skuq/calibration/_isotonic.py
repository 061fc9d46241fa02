"""Isotonic calibration: probabilities that never fall as the score rises."""

import numpy as np

from skuq._core._checks import check_option
from skuq._core._steps import (
    SMOOTHINGS,
    PiecewiseLinear,
    counted_groups,
    isotonic_blocks,
    smoothed,
)
from skuq.calibration._binary import BinaryCalibrator


class IsotonicCalibrator(BinaryCalibrator):
    """The non-decreasing map of the log odds that fits the outcomes best.

    Corrects any monotone distortion, without a form assumed; wants a thousand
    calibration samples or more, and over-fits fewer.

    Parameters
    ----------
    centered : bool, default=False
        False keeps the plateaus of the fit.  True joins the centres of the plateaus by
        lines (centred isotonic regression): the map rises strictly between them, so
        that scores keep their order.
    smoothing : {"laplace", None}, default="laplace"
        "laplace" mixes the n calibration samples of a map with one more, half of each
        class: ``(n p + 1/2) / (n + 1)``, so that no log loss is infinite.  None keeps
        probabilities of exactly 0 and 1 in `maps_`.
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
        has `knots` and `values`, joined by lines.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    VennAbersCalibrator : Two isotonic fits per score, with an interval.
    HistogramBinningCalibrator : Shares in bins, without an order.

    Notes
    -----
    Equal scores are pooled first, then neighbours until the shares that came true never
    fall: the least weighted squares fit [1]_.  Between two pools the map is the line
    from the last score of one to the first of the next, as in scikit-learn, but over
    log odds; outside the calibration scores it is constant.  Only the order of the
    scores decides the pools.

    ``centered=True`` [2]_ puts the value of a pool at the weighted mean of its log
    odds.  Pools whose share is exactly 0 or 1 keep both their ends, as in the paper.

    Several classes are calibrated one against the rest.  Cost: one sort per class.

    References
    ----------
    .. [1] B. Zadrozny and C. Elkan (2002). "Transforming classifier scores into
       accurate multiclass probability estimates". KDD.
       `doi:10.1145/775047.775151 <https://doi.org/10.1145/775047.775151>`_
    .. [2] A. P. Oron and N. Flournoy (2017). "Centered isotonic regression: point and
       interval estimation for dose-response studies". Statistics in Biopharmaceutical
       Research 9. `arXiv:1701.05964 <https://arxiv.org/abs/1701.05964>`_

    Examples
    --------
    >>> from skuq.calibration import IsotonicCalibrator
    >>> from skuq.datasets import make_logits
    >>> from skuq.metrics import log_loss
    >>> logits, y = make_logits(5000, n_classes=2, temperature=2.0, random_state=0)
    >>> calibrator = IsotonicCalibrator().fit(logits, y)
    >>> new, y_new = make_logits(5000, n_classes=2, temperature=2.0, random_state=1)
    >>> bool(log_loss(y_new, calibrator.predict_proba(new)) < 0.5)
    True
    """

    def __init__(
        self,
        *,
        centered=False,
        smoothing="laplace",
        input="auto",
        classes=None,
        ignore_index=None,
    ):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.centered = centered
        self.smoothing = smoothing

    def _fit(self, table, kind):
        check_option("centered", self.centered, (True, False))
        check_option("smoothing", self.smoothing, SMOOTHINGS)
        super()._fit(table, kind)

    def _fit_map(self, score, target, weight):
        groups = counted_groups(score, target, weight)
        blocks = isotonic_blocks(groups)
        left, right = groups.first[blocks.first], groups.last[blocks.last]
        if self.centered:
            mass = np.add.reduceat(groups.weight, blocks.first)
            centre = np.add.reduceat(groups.weight * groups.first, blocks.first) / mass
            inside = (blocks.value > 0) & (blocks.value < 1)
            left, right = (
                np.where(inside, centre, left),
                np.where(inside, centre, right),
            )
        knots = np.stack([left, right], axis=1).ravel()
        values = smoothed(blocks.value, groups.weight.sum(), self.smoothing).repeat(2)
        distinct = np.append(True, np.diff(knots) > 0)
        return PiecewiseLinear(knots[distinct], values[distinct])
