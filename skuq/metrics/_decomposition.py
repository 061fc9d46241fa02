"""Proper scores taken apart: miscalibration, discrimination and uncertainty."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression

from skuq._core._binning import CollectedOutcomes, uniform_index
from skuq._core._checks import check_option
from skuq._core._edges import uniform_edges
from skuq._core._links import LEAST_PROBABILITY
from skuq._core._sorting import TieGroups
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._outcomes import collected_outcomes, groups_of_rows
from skuq.metrics._streaming import streams_with

SCORES = ("brier", "log")
METHODS = ("isotonic", "bins")
LARGEST_SHARE = 1 - 2.0**-53


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
    parts = [_decompose(g, score, method, n_bins) for g in groups_of_rows(state)]
    return ScoreDecomposition(*map(float, np.sum(parts, axis=0)))


def _decompose(
    groups: TieGroups, score: str, method: str, n_bins: int
) -> tuple[float, float, float, float]:
    groups = groups.counted()
    if not len(groups.score):
        raise NoSamplesError("no sample that counts has a weight above zero.")
    if method == "isotonic":
        honest = isotonic_shares(groups)
    else:
        honest = _bin_shares(groups, n_bins)
    base = np.full(len(honest), groups.hits.sum() / groups.weight.sum())
    loss, recalibrated, uninformed = (
        _LOSSES[score](groups, p) for p in (groups.score, honest, base)
    )
    miscalibration, discrimination = loss - recalibrated, uninformed - recalibrated
    return loss, miscalibration, discrimination, uninformed


def isotonic_shares(groups: TieGroups) -> np.ndarray:
    """The shares that came true, made to grow with the probability."""
    shares = groups.hits / groups.weight
    return np.asarray(isotonic_regression(shares, weights=groups.weight).x)


def _bin_shares(groups: TieGroups, n_bins: int) -> np.ndarray:
    """The share that came true in the bin of each probability."""
    edges = uniform_edges(n_bins, "right", "exact", "float64")
    index = uniform_index(groups.score, edges, "right").astype(np.intp)
    weight = np.bincount(index, groups.weight, n_bins)
    hits = np.bincount(index, groups.hits, n_bins)
    return np.asarray(hits[index] / weight[index])


def _brier(groups: TieGroups, p: np.ndarray) -> float:
    missed = groups.weight - groups.hits
    total = groups.hits * (1 - p) ** 2 + missed * p**2
    return float(total.sum() / groups.weight.sum())


def _log(groups: TieGroups, p: np.ndarray) -> float:
    """Clipped where it is infinite, as `log_loss` is."""
    missed = np.maximum(groups.weight - groups.hits, 0)
    total = groups.hits * np.log(np.clip(p, LEAST_PROBABILITY, 1))
    log_missed = np.log1p(-np.clip(p, 0, LARGEST_SHARE))
    total += missed * np.where(p < 1, log_missed, np.log(LEAST_PROBABILITY))
    return float(-total.sum() / groups.weight.sum())


_LOSSES = {"brier": _brier, "log": _log}


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
