"""BBQ: Bayesian binning into quantiles."""

import numpy as np
from scipy.special import gammaln

from skuq._core._links import expit
from skuq._core._quantile_edges import quantile_cuts
from skuq._core._steps import StepFunction, between, counted_groups
from skuq.calibration._binary import BinaryCalibrator

PRIOR = 2.0  # samples that the prior of a bin is worth: N' / B with N' = 2 B
RANGE = 10  # C: numbers of bins from N^(1/3) / C to C N^(1/3)
NEGLIGIBLE = 1e-9  # posterior of a binning that is left out, relative to the largest


class BBQCalibrator(BinaryCalibrator):
    r"""The average of histogram binnings with many numbers of bins, by their evidence.

    Spares the choice of a number of bins: each binning counts by how probable it makes
    the outcomes.

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
    maps_ : list of callable
        The fitted map of log odds of each class; of two classes, of the second.  Each
        has the inner `edges`, in log odds, and the `values` between them.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    HistogramBinningCalibrator : One binning.

    Notes
    -----
    As [1]_: the binnings have B bins of equal weight, B from ``max(1, N^(1/3) / 10)``
    to ``min(N / 5, 10 N^(1/3))`` for N samples.  Their evidence is

    .. math:: \prod_b \frac{\Gamma(c)}{\Gamma(n_b + c)}
        \frac{\Gamma(m_b + c p_b)}{\Gamma(c p_b)}
        \frac{\Gamma(n_b - m_b + c (1 - p_b))}{\Gamma(c (1 - p_b))}

    with n_b samples in a bin, m_b of them of the class, its midpoint p_b (kept within
    [0.005, 0.995]) and c = 2.  A bin predicts ``(m_b + c p_b) / (n_b + c)``, never 0
    or 1, and the binnings are averaged by their evidence.  Some packages name BBQ an
    average by information criteria over bins of equal width.

    Equal scores are never parted, and binnings that become the same for it count once.
    Several classes are calibrated one against the rest.  Cost: a sort and O(N^(2/3))
    bins per class.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper and M. Hauskrecht (2015). "Obtaining well
       calibrated probabilities using Bayesian binning". AAAI.
       `doi:10.1609/aaai.v29i1.9602 <https://doi.org/10.1609/aaai.v29i1.9602>`_

    Examples
    --------
    >>> from skuq.calibration import BBQCalibrator
    >>> from skuq.datasets import make_logits
    >>> from skuq.metrics import log_loss
    >>> logits, y = make_logits(5000, n_classes=2, temperature=2.0, random_state=0)
    >>> calibrator = BBQCalibrator().fit(logits, y)
    >>> new, y_new = make_logits(5000, n_classes=2, temperature=2.0, random_state=1)
    >>> bool(log_loss(y_new, calibrator.predict_proba(new)) < 0.5)
    True
    """

    def _fit_map(self, score, target, weight):
        groups = counted_groups(score, target, weight)
        mass = np.append(0.0, np.cumsum(groups.weight))
        hits = np.append(0.0, np.cumsum(groups.hits))
        cuts = list(_binnings(mass[1:]))
        fits = [_bins(groups, mass, hits, cut) for cut in cuts]
        evidence = np.array([log_evidence for _, log_evidence in fits])
        posterior = np.exp(evidence - evidence.max())
        kept = np.flatnonzero(posterior > NEGLIGIBLE)
        every = np.unique(np.concatenate([cuts[i] for i in kept]))
        values = np.zeros(len(every) - 1)
        for i in kept:
            bin_of = np.searchsorted(cuts[i], every[:-1], side="right") - 1
            values += posterior[i] * fits[i][0][bin_of]
        values /= posterior[kept].sum()
        return StepFunction(between(groups, every[1:-1]), values)


def _binnings(mass):
    """Cuts of every binning that differs from those before it, by cumulated weight."""
    n = mass[-1]
    least = max(1, int(np.cbrt(n) / RANGE))
    most = max(least, int(min(np.ceil(n / 5), np.ceil(RANGE * np.cbrt(n)))))
    seen = set()
    for n_bins in range(least, most + 1):
        cut = quantile_cuts(mass, n_bins)
        if (key := cut.tobytes()) not in seen:
            seen.add(key)
            yield cut


def _bins(groups, mass, hits, cut):
    """Probability of each bin of one binning, and the logarithm of its evidence."""
    bounds = np.concatenate([[0.0], expit(between(groups, cut[1:-1])), [1.0]])
    middle = np.clip((bounds[1:] + bounds[:-1]) / 2, 0.005, 0.995)
    n, m = np.diff(mass[cut]), np.diff(hits[cut])
    a, b = PRIOR * middle, PRIOR * (1 - middle)
    # Sums of weights may miss zero by their rounding.
    right, wrong = np.maximum(m, 0), np.maximum(n - m, 0)
    log_evidence = (
        gammaln(PRIOR)
        - gammaln(n + PRIOR)
        + gammaln(right + a)
        - gammaln(a)
        + gammaln(wrong + b)
        - gammaln(b)
    )
    return (right + a) / (n + PRIOR), float(log_evidence.sum())
