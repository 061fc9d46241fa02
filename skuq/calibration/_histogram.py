"""Histogram binning: the share that came true in bins of the probability."""

import numpy as np

from skuq._core._arrays import to_numpy
from skuq._core._checks import check_option
from skuq._core._links import as_logits, expit
from skuq._core._quantile_edges import quantile_cuts
from skuq._core._steps import (
    SMOOTHINGS,
    StepFunction,
    between,
    check_n_bins,
    counted_groups,
    smoothed,
)
from skuq.calibration._binary import SCORES_PER_BATCH, BinaryCalibrator, log_odds
from skuq.calibration._partial_fit import PartialFitMixin
from skuq.exceptions import InputError

# Log odds by which an edge is raised: a probability that equals an edge may have been
# rounded upwards, in float32 too, and still lies in the bin (lo, hi] below.
ROUNDING = 2e-6


class HistogramBinningCalibrator(PartialFitMixin, BinaryCalibrator):
    """The share of calibration samples of the class in bins of its probability.

    The simplest map without an assumed form.  It returns at most `n_bins` different
    probabilities, so the ranking of samples suffers.

    Parameters
    ----------
    n_bins : int, default=15
        Number of bins, at least 1.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width over [0, 1], or of equal weight.
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
        has the inner `edges`, in log odds, and the `values` of the bins.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.
    n_samples_seen_ : int
        Samples that `partial_fit` has seen; not set by `fit`.

    See Also
    --------
    BBQCalibrator : Averages over numbers of bins.
    ScalingBinningCalibrator : Bins a fitted curve instead of the outcomes.

    Notes
    -----
    Bins are (lo, hi] [1]_.  A bin of equal width without calibration samples returns
    its midpoint.  Bins of equal weight end with the score that reaches their share and
    are cut half-way to the next one; equal scores are never parted, so that there may
    be fewer of them.

    Several classes are calibrated one against the rest.  Cost: one sort per class for
    bins of equal weight, one count for those of equal width.

    `partial_fit`, for bins of equal width only, adds the sums of each batch: the result
    is that of `fit` on all batches together, in whatever order they come.

    References
    ----------
    .. [1] B. Zadrozny and C. Elkan (2001). "Obtaining calibrated probability estimates
       from decision trees and naive Bayesian classifiers". ICML. `pdf
       <https://cseweb.ucsd.edu/~elkan/calibrated.pdf>`_

    Examples
    --------
    >>> from skuq.calibration import HistogramBinningCalibrator
    >>> y_proba = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
    >>> y = [0, 0, 0, 1, 0, 1, 1, 1]
    >>> calibrator = HistogramBinningCalibrator(n_bins=2, smoothing=None)
    >>> calibrator.fit(y_proba, y).predict_proba([0.05, 0.95])
    array([[0.75, 0.25],
           [0.25, 0.75]])
    """

    def __init__(
        self,
        *,
        n_bins=15,
        strategy="uniform",
        smoothing="laplace",
        input="auto",
        classes=None,
        ignore_index=None,
    ):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.n_bins = n_bins
        self.strategy = strategy
        self.smoothing = smoothing

    def _fit(self, table, kind):
        self._check_options()
        if self.strategy == "quantile":
            super()._fit(table, kind)
        else:
            edges = _uniform_edges(self.n_bins)
            self._set_maps(edges, _bin_sums(table, kind, edges))

    def _check_options(self):
        check_n_bins(self.n_bins)
        check_option("strategy", self.strategy, ("uniform", "quantile"))
        check_option("smoothing", self.smoothing, SMOOTHINGS)

    def _fit_map(self, score, target, weight):
        groups = counted_groups(score, target, weight)
        cut = quantile_cuts(np.cumsum(groups.weight), self.n_bins)
        edges = between(groups, cut[1:-1])
        index = np.searchsorted(edges, groups.first)
        mass = np.bincount(index, groups.weight, len(edges) + 1)
        hits = np.bincount(index, groups.hits, len(edges) + 1)
        return self._steps(edges, mass, hits)

    def _steps(self, edges, mass, hits):
        """The map of bins with sums of weights and of weighted outcomes."""
        values = _midpoints(edges)
        np.divide(hits, mass, out=values, where=mass > 0)
        return StepFunction(edges, smoothed(values, mass.sum(), self.smoothing))

    def _set_maps(self, edges, sums):
        self.maps_ = [self._steps(edges, mass, hits) for mass, hits in sums]

    def _can_stream(self):
        return self.strategy == "uniform"

    def _partial_fit(self, stream, table, kind):
        self._check_options()
        edges = _uniform_edges(self.n_bins)
        sums = _bin_sums(table, kind, edges)
        if stream is not None and stream.shape != sums.shape:
            raise InputError(
                f"n_bins is {self.n_bins}, but was {stream.shape[2]} in the first call "
                "of partial_fit: call fit to start anew."
            )
        sums = sums if stream is None else stream + sums
        self._set_maps(edges, sums)
        return sums


def _bin_sums(table, kind, edges):
    """Sums `(n_maps, 2, n_bins)` of weights, and of weights of the class itself."""
    n_bins = len(edges) + 1
    first = 1 if table.n_classes == 2 else 0  # the class of the first line
    sums = np.zeros((table.n_classes - first, 2, n_bins))
    for block, codes, weight in table.blocks(SCORES_PER_BATCH, copy=True):
        if not block.shape[1]:
            continue
        codes = to_numpy(codes)
        weight = np.ones(len(codes)) if weight is None else to_numpy(weight)
        lines = to_numpy(log_odds(as_logits(block, kind)))
        for i, line in enumerate(lines):
            index = np.searchsorted(edges, line)
            hit = codes == first + i
            sums[i, 0] += np.bincount(index, weight, n_bins)
            sums[i, 1] += np.bincount(index[hit], weight[hit], n_bins)
    return sums


def _uniform_edges(n_bins):
    """Log odds of k / n_bins, all but 0 and 1."""
    k = np.arange(1, n_bins)
    return np.log(k / (n_bins - k)) + ROUNDING


def _midpoints(edges):
    bounds = np.concatenate([[0.0], expit(edges), [1.0]])
    return (bounds[1:] + bounds[:-1]) / 2
