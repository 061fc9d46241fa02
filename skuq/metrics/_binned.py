"""The mergeable statistic of binned calibration, under every convention.

Notation: bin b holds weight w_b; conf_b is its mean stated probability, acc_b the share
that came true, N the total weight, K the number of classes.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import erf

from skuq._core._binning import (
    Binning,
    BinSums,
    CollectedOutcomes,
    bin_statistic,
)
from skuq._core._blocks import ScoreTable
from skuq._core._checks import check_option
from skuq._core._edges import CLOSED
from skuq._core._samples import BinnedSamples, binned_samples
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._inputs import score_table

KINDS = ("top-label", "positive", "classwise", "predicted-class")
STRATEGIES = ("uniform", "quantile")
NORMS = ("l1", "l2", "l2-squared", "max")
PARTS = ("all", "over-confidence", "under-confidence")
CLASS_AVERAGES = ("macro", "prevalence", "weight", "sum", "pooled")

# What "the" calibration error means to a paper or package.  kind "binary-positive" is
# the positive class of two classes and the top label of more; "one-column-positive" is
# that only where the scores have a single column.
CONVENTIONS: dict[str, dict[str, Any]] = {
    "guo2017": {},
    "naeini2015": {"kind": "positive", "n_bins": 10},
    "torchmetrics": {
        "kind": "one-column-positive",
        "closed": "left-overflow",
        "edges": "torch",
    },
    "netcal": {
        "kind": "binary-positive",
        "n_bins": 10,
        "closed": "left",
        "edges": "numpy",
        "quantiles": "linear",
    },
    "uncertainty-calibration": {
        "kind": "one-column-positive",
        "quantiles": "midpoint",
    },
    "mapie": {
        "kind": "one-column-positive",
        "n_bins": 49,
        "closed": "right-underflow",
        "edges": "numpy",
        "quantiles": "linear-underflow",
    },
    "relplot": {
        "kind": "positive",
        "n_bins": 10,
        "closed": "left-overflow",
        "edges": "division",
    },
    "scikit-learn": {
        "kind": "positive",
        "n_bins": 5,
        "edges": "numpy",
        "quantiles": "linear",
    },
}

BinState = BinSums | CollectedOutcomes


def binning_of(convention: str, n_columns: int, **options: Any) -> Binning:
    """The binning of a convention, with the options that are not None in its place."""
    check_option("convention", convention, tuple(CONVENTIONS))
    chosen = dict(CONVENTIONS[convention])
    chosen.update({k: v for k, v in options.items() if v is not None})
    kind = chosen.get("kind", "top-label")
    if kind == "binary-positive":
        chosen["kind"] = "positive" if n_columns <= 2 else "top-label"
    elif kind == "one-column-positive":
        chosen["kind"] = "positive" if n_columns == 1 else "top-label"
    if convention == "torchmetrics":  # casts confidences, not positive probabilities
        chosen["single"] = chosen.get("kind") == "top-label"
    if chosen.get("n_bins") == "sweep":
        chosen.setdefault("strategy", "quantile")
    binning = Binning(**chosen)
    check_option("kind", binning.kind, KINDS)
    check_option("strategy", binning.strategy, STRATEGIES)
    check_option("closed", binning.closed, CLOSED)
    n_bins = binning.n_bins
    whole = isinstance(n_bins, (int, np.integer)) and n_bins >= 1
    if not (whole or n_bins == "sweep"):
        raise InputError(
            f"n_bins must be an int of at least 1, or 'sweep', got {n_bins!r}."
        )
    return binning


def _table_and_binning(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    convention: str = "guo2017",
    ignore_index: Any = None,
    **options: Any,
) -> tuple[ScoreTable, Binning]:
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    return table, binning_of(convention, table.n_columns, **options)


def binned_outcomes(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str | None = None,
    n_bins: int | str | None = None,
    strategy: str | None = None,
    closed: str | None = None,
    convention: str = "guo2017",
    ignore_index: Any = None,
) -> BinState:
    """The mergeable statistic behind every binned calibration error."""
    table, binning = _table_and_binning(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        convention=convention,
        ignore_index=ignore_index,
        kind=kind,
        n_bins=n_bins,
        strategy=strategy,
        closed=closed,
    )
    return bin_statistic(table, binning)


def outcome_samples(y_true: Any, y_proba: Any, **options: Any) -> BinnedSamples | None:
    """The same sample by sample, for resampling."""
    return binned_samples(*_table_and_binning(y_true, y_proba, **options))


def error_of_state(
    state: BinState,
    *,
    norm: str = "l1",
    class_average: str = "macro",
    debias: bool = False,
    part: str = "all",
) -> float:
    """The calibration error that a statistic holds."""
    check_option("norm", norm, NORMS)
    check_option("class_average", class_average, CLASS_AVERAGES)
    check_option("part", part, PARTS)
    if debias and (norm == "max" or part != "all"):
        raise InputError(
            "debias=True is for the whole error in norm 'l1', 'l2' or 'l2-squared', "
            f"got norm={norm!r} and part={part!r}."
        )
    sums = binned(state)
    if class_average == "pooled":
        sums = BinSums(sums.binning, *(_pooled(sums, name) for name in SUMS))
    total = sums.weight.sum(axis=1, keepdims=True)
    if total.sum() == 0:
        raise NoSamplesError("no sample that counts has a weight above zero.")
    bins = _bin_errors(sums, norm, debias, part)
    if norm == "max":
        return float(bins.max())
    share = np.divide(
        sums.weight, total, out=np.zeros_like(total * bins), where=total > 0
    )
    per_class = (share * bins).sum(axis=1)
    error = float((_class_share(class_average, sums) * per_class).sum())
    if norm == "l2-squared":
        return error
    return max(error, 0.0) ** (0.5 if norm == "l2" else 1)


SUMS = ("weight", "score", "outcome", "weight_squared")


def _pooled(sums: BinSums, name: str) -> np.ndarray:
    return np.asarray(getattr(sums, name).sum(axis=0, keepdims=True))


def _bin_errors(sums: BinSums, norm: str, debias: bool, part: str) -> np.ndarray:
    r"""The gap of each bin, or its square, without its bias where that is wished.

    The share that came true has the variance acc (1 - acc) / n.  Its unbiased estimate,
    with n - 1, is what the square of the gap is too large by.  The gap itself is too
    large by as much as noise of that variance would add to it once more: the mean of
    \|N(gap, variance)\| is known in closed form.
    """
    weight = sums.weight
    some = weight > 0
    over = np.divide(
        sums.score - sums.outcome, weight, out=np.zeros_like(weight), where=some
    )
    if part != "all":
        over = np.maximum(over if part == "over-confidence" else -over, 0)
    gap = np.abs(over)
    if not debias:
        return np.asarray(gap if norm in ("l1", "max") else gap**2)
    came_true = np.divide(sums.outcome, weight, out=np.zeros_like(weight), where=some)
    spread = np.clip(came_true * (1 - came_true), 0, None)
    count = np.divide(
        weight**2, sums.weight_squared, out=np.zeros_like(weight), where=some
    )
    if norm == "l1":
        deviation = np.sqrt(spread / np.maximum(count, 1))
        return np.asarray(2 * gap - _mean_of_folded_normal(gap, deviation))
    enough = count > 1 + 1e-9  # the count of one sample is 1 up to rounding
    return np.where(enough, gap**2 - spread / np.where(enough, count - 1, 1), 0.0)


def _mean_of_folded_normal(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    r"""The mean of \|N(mean, deviation^2)\|."""
    scaled = mean / np.where(deviation > 0, deviation, 1)
    noisy = deviation * np.sqrt(2 / np.pi) * np.exp(-(scaled**2) / 2)
    return np.where(deviation > 0, noisy + mean * erf(scaled / np.sqrt(2)), mean)


def _class_share(class_average: str, sums: BinSums) -> Any:
    if class_average == "sum":
        return 1.0
    if class_average == "prevalence" and len(sums.outcome) > 1:
        return sums.outcome.sum(axis=1) / sums.weight.sum(axis=1)
    if class_average == "weight":
        return sums.weight.sum(axis=1) / sums.weight.sum()
    some = sums.weight.sum(axis=1) > 0
    return some / some.sum()


def deviation_of_states(
    state: BinState, origin: BinState, *, norm: str = "l1", class_average: str = "macro"
) -> float:
    """The calibration error of the difference of two states: a distance of their gaps.

    By the triangle inequality their errors differ by no more.
    """
    here, there = binned(state), binned(origin)
    mass = there.weight.sum() / here.weight.sum()
    moved = (here.score - here.outcome) * mass - (there.score - there.outcome)
    difference = replace(there, score=there.outcome + moved)
    return error_of_state(difference, norm=norm, class_average=class_average)


def maximum_deviation_of_states(state: BinState, origin: BinState) -> float:
    """As `deviation_of_states`, of the largest gap."""
    return deviation_of_states(state, origin, norm="max")


def maximum_of_state(state: BinState) -> float:
    """The largest gap of any bin of a statistic."""
    return error_of_state(state, norm="max")


def binned(state: BinState) -> BinSums:
    """The sums in bins, made from the collected samples where need be."""
    return state.binned() if isinstance(state, CollectedOutcomes) else state
