"""Proper scores taken apart: miscalibration, discrimination and uncertainty."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression

from skuq._core._binning import CollectedOutcomes, uniform_index
from skuq._core._checks import check_option
from skuq._core._edges import uniform_edges
from skuq._core._links import LEAST_PROBABILITY
from skuq._core._sorting import Ordered, TieGroups, sort_outcomes, sums_between
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._outcomes import collected_outcomes
from skuq.metrics._streaming import streams_with

SCORES = ("brier", "log")
METHODS = ("isotonic", "bins")
LARGEST_SHARE = 1 - 2.0**-53
CHUNK = 2**15  # samples at a time
ROUNDS = 4  # of putting neighbours together: a few in a hundred are left

# Of weights, weighted hits and probabilities.
Loss = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class ScoreDecomposition(NamedTuple):
    """``loss = miscalibration - discrimination + uncertainty``.

    Parameters
    ----------
    loss : float
        The score itself.
    miscalibration : float
        What a recalibration would gain; 0 is calibrated.
    discrimination : float
        What the recalibrated probabilities gain over the base rate; higher is better.
    uncertainty : float
        The score of the base rate: how hard the problem is.
    """

    loss: float
    miscalibration: float
    discrimination: float
    uncertainty: float


def decomposition_of_state(
    state: CollectedOutcomes,
    *,
    score: str = "brier",
    method: str = "isotonic",
    n_bins: int = 15,
) -> ScoreDecomposition:
    """The decomposition of a state, summed over its rows."""
    check_option("score", score, SCORES)
    check_option("method", method, METHODS)
    if n_bins < 1:
        raise InputError(f"n_bins must be at least 1, got {n_bins!r}.")
    parts = [_decompose(row, score, method, n_bins) for row in state.rows()]
    return ScoreDecomposition(*map(float, np.sum(parts, axis=0)))


def _decompose(
    row: Ordered, score: str, method: str, n_bins: int
) -> tuple[float, float, float, float]:
    row = _counted(row)
    stated, total = _stated_loss(row, _LOSSES[score])
    alike = _isotonic_pools(row) if method == "isotonic" else _bins(row, n_bins)
    weight, hits = alike.weight, alike.hits
    base = hits.sum() / weight.sum()
    recalibrated, uninformed = (
        float(_LOSSES[score](weight, hits, p).sum()) / total
        for p in (alike.score, np.full(len(hits), base))
    )
    loss = stated / total
    miscalibration, discrimination = loss - recalibrated, uninformed - recalibrated
    if method == "isotonic":  # but for rounding they are never negative
        miscalibration, discrimination = max(miscalibration, 0), max(discrimination, 0)
    return loss, miscalibration, discrimination, uninformed


def _counted(row: Ordered) -> Ordered:
    """The samples that have a weight."""
    weight = row.weight
    if weight is not None and not weight.all():
        some = weight > 0
        row = Ordered(row.score[some], row.outcome[some], weight[some])
    if not len(row.score):
        raise NoSamplesError("no sample that counts has a weight above zero.")
    return row


def _stated_loss(row: Ordered, loss: Loss) -> tuple[float, float]:
    """The sum of the losses of all samples, piece by piece, and their weight."""
    total = 0.0
    for start in range(0, len(row.score), CHUNK):
        part = slice(start, start + CHUNK)
        p, hit = row.score[part].astype(np.float64), row.outcome[part]
        weight = np.ones(len(p)) if row.weight is None else row.weight[part]
        total += float(loss(weight, weight * hit, p).sum())
    mass = len(row.score) if row.weight is None else row.weight.sum()
    return total, float(mass)


def _isotonic_pools(row: Ordered) -> TieGroups:
    """Neighbours that the isotonic fit makes alike, with the share it gives them.

    Neighbours whose shares fall are alike in the end, whatever comes beside them; so
    most are put together in whole arrays, and few are left for the regression.
    """
    score, hit, row_weight = sort_outcomes(*row)
    rises = _may_rise(score, hit)
    del score  # before more memory is needed
    cuts = np.append(np.flatnonzero(rises), len(hit))
    if row_weight is None:
        weight = np.diff(cuts).astype(np.float64)
        hits = sums_between(hit, cuts)
    else:
        weight = sums_between(row_weight, cuts)
        hits = sums_between(row_weight * hit, cuts)
    for _ in range(ROUNDS):
        share = hits / weight
        starts = np.flatnonzero(np.append(True, share[1:] > share[:-1]))
        weight, hits = (np.add.reduceat(part, starts) for part in (weight, hits))
    pools = TieGroups(hits / weight, weight, hits)
    return pools._replace(score=isotonic_shares(pools))


def _may_rise(score: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """Where a pool may start: not within ties, and not where the outcome falls.

    The share of a tie is not known yet, so that both sides of a tie may be a start.
    """
    first = np.append(True, score[1:] != score[:-1])
    falls = hit[1:] <= hit[:-1]
    falls &= first[1:]
    falls &= first[:-1]
    falls[:-1] &= first[2:]
    np.greater(first[1:], falls, out=first[1:])
    return first


def isotonic_shares(groups: TieGroups) -> np.ndarray:
    """The shares that came true, made to grow with the probability."""
    shares = groups.hits / groups.weight
    return np.asarray(isotonic_regression(shares, weights=groups.weight).x)


def _bins(row: Ordered, n_bins: int) -> TieGroups:
    """Weight and hits of the bins that hold some, with their share."""
    edges = uniform_edges(n_bins, "right", "exact", "float64")
    score = row.score.astype(np.float64, copy=False)
    index = uniform_index(score, edges, "right").astype(np.intp)
    counts = row.outcome if row.weight is None else row.outcome * row.weight
    weight = np.bincount(index, row.weight, n_bins)
    hits = np.bincount(index, counts, n_bins)
    some = weight > 0
    weight, hits = weight[some], hits[some]
    return TieGroups(hits / weight, weight, hits)


def _brier(weight: np.ndarray, hits: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.asarray(hits * (1 - p) ** 2 + (weight - hits) * p**2)


def _log(weight: np.ndarray, hits: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Clipped where it is infinite, as `log_loss` is."""
    log_missed = np.log1p(-np.clip(p, 0, LARGEST_SHARE))
    log_missed[p >= 1] = np.log(LEAST_PROBABILITY)
    log_missed *= np.maximum(weight - hits, 0)
    return np.asarray(-hits * np.log(np.clip(p, LEAST_PROBABILITY, 1)) - log_missed)


_LOSSES: dict[str, Loss] = {"brier": _brier, "log": _log}


decomposition_outcomes = partial(collected_outcomes, kind="positive")


@streams_with(decomposition_outcomes, decomposition_of_state)
def score_decomposition(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    score: str = "brier",
    method: str = "isotonic",
    kind: str = "positive",
    n_bins: int = 15,
    ignore_index: Any = None,
) -> ScoreDecomposition:
    """A proper score as miscalibration minus discrimination plus uncertainty.

    Tells whether a model loses because its probabilities are dishonest, which a
    calibrator can mend, or because it cannot tell the classes apart.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or of `y_true`
        Probabilities in [0, 1]; of the shape of `y_true`, those of the second of two
        classes.  numpy array or torch tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    labels : array-like of shape (n_classes,), default=None
        The label of each column; None takes the sorted labels of `y_true`, or column
        numbers if `y_true` misses a class.
    score : {"brier", "log"}, default="brier"
        ``(p - y)^2`` or ``-log`` of the probability of what came true, in nats.
    method : {"isotonic", "bins"}, default="isotonic"
        The recalibration that the probabilities are compared with: the best monotone
        one (CORP [1]_), or the shares in bins of equal width (Murphy [2]_).
    kind : {"positive", "top-label", "classwise"}, default="positive"
        Of the probability of the second of two classes, of the largest one, or of all,
        summed (the Brier score of several classes, not halved).
    n_bins : int, default=15
        Number of bins for method="bins".
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    parts : ScoreDecomposition
        ``(loss, miscalibration, discrimination, uncertainty)``.

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    brier_score_loss : The score alone.
    reliability_curve : The bins.

    Notes
    -----
    With S(q) the score of probabilities q, r the recalibrated ones and b the base rate:
    ``miscalibration = S(p) - S(r)``, ``discrimination = S(b) - S(r)``, ``uncertainty =
    S(b)``.  With "isotonic" the first two are never negative.  With "bins" they are
    Murphy's reliability and resolution if all p of a bin are equal; otherwise the
    spread within bins counts as miscalibration, and may make it negative.  The
    logarithm is clipped as in `log_loss`.  Equal probabilities are pooled first.  Keeps
    all samples; costs a sort.

    References
    ----------
    .. [1] T. Dimitriadis, T. Gneiting and A. I. Jordan (2021). "Stable reliability
       diagrams for probabilistic classifiers". PNAS 118(8).
       `doi:10.1073/pnas.2016191118 <https://doi.org/10.1073/pnas.2016191118>`_
    .. [2] A. H. Murphy (1973). "A new vector partition of the probability score".
       Journal of Applied Meteorology 12(4).
       `doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2
       <https://doi.org/10.1175/1520-0450(1973)012%3C0595:ANVPOT%3E2.0.CO;2>`_

    Examples
    --------
    >>> from skuq.metrics import score_decomposition
    >>> parts = score_decomposition([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9])
    >>> [round(part, 4) for part in parts]
    [0.1675, 0.0425, 0.125, 0.25]
    """
    state = decomposition_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        kind=kind,
        ignore_index=ignore_index,
    )
    return decomposition_of_state(state, score=score, method=method, n_bins=n_bins)
