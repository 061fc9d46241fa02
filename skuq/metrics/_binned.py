"""The mergeable statistic of binned calibration, under every convention.

Notation: bin b holds weight w_b; conf_b is its mean stated probability, acc_b the share
that came true, N the total weight, K the number of classes.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from skuq._core._binning import (
    Binning,
    BinSums,
    CollectedOutcomes,
    bin_statistic,
)
from skuq._core._checks import check_option
from skuq._core._edges import CLOSED
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._inputs import score_table

KINDS = ("top-label", "positive", "classwise")
STRATEGIES = ("uniform", "quantile")
NORMS = ("l1", "l2", "max")
CLASS_AVERAGES = ("macro", "prevalence", "sum", "pooled")

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
    },
    "uncertainty-calibration": {"kind": "one-column-positive"},
    "mapie": {
        "kind": "one-column-positive",
        "n_bins": 49,
        "closed": "right-underflow",
        "edges": "numpy",
    },
    "relplot": {
        "kind": "positive",
        "n_bins": 10,
        "closed": "left-overflow",
        "edges": "division",
    },
    "scikit-learn": {"kind": "positive", "n_bins": 5, "edges": "numpy"},
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
    binning = Binning(**chosen)
    check_option("kind", binning.kind, KINDS)
    check_option("strategy", binning.strategy, STRATEGIES)
    check_option("closed", binning.closed, CLOSED)
    n_bins = binning.n_bins
    if not isinstance(n_bins, (int, np.integer)) or n_bins < 1:
        raise InputError(f"n_bins must be an int of at least 1, got {n_bins!r}.")
    return binning


def binned_outcomes(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str | None = None,
    n_bins: int | None = None,
    strategy: str | None = None,
    closed: str | None = None,
    convention: str = "guo2017",
    ignore_index: Any = None,
) -> BinState:
    """The mergeable statistic behind every binned calibration error."""
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    options = {"kind": kind, "n_bins": n_bins, "strategy": strategy, "closed": closed}
    return bin_statistic(table, binning_of(convention, table.n_columns, **options))


def error_of_state(
    state: BinState, *, norm: str = "l1", class_average: str = "macro"
) -> float:
    """The calibration error that a statistic holds."""
    check_option("norm", norm, NORMS)
    check_option("class_average", class_average, CLASS_AVERAGES)
    sums = binned(state)
    weight, score, outcome = sums.weight, sums.score, sums.outcome
    if class_average == "pooled":
        weight, score, outcome = (
            s.sum(axis=0, keepdims=True) for s in (weight, score, outcome)
        )
    total = weight.sum(axis=1, keepdims=True)
    if total[0, 0] == 0:
        raise NoSamplesError("no sample that counts has a weight above zero.")
    gap = np.divide(
        np.abs(score - outcome), weight, out=np.zeros_like(weight), where=weight > 0
    )
    if norm == "max":
        return float(gap.max())
    power = 1 if norm == "l1" else 2
    per_class = (weight / total * gap**power).sum(axis=1)
    share = _class_share(class_average, outcome, total)
    return float((share * per_class).sum() ** (1 / power))


def _class_share(class_average: str, outcome: np.ndarray, total: np.ndarray) -> Any:
    if class_average == "sum":
        return 1.0
    if class_average == "prevalence" and len(outcome) > 1:
        return outcome.sum(axis=1) / total[:, 0]
    return 1 / len(outcome)


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
