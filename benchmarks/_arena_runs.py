"""Cases of the arena, and the row that one calibrator or one peer gets on one of them.

A row is a dict with the columns of ``reference.csv`` and ``input`` and ``warnings``.
"""

import csv
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import softmax

from benchmarks._data import calibration_error, top_label

LIMIT = 120.0  # seconds to fit and predict, as the peers had
LEAST = 1e-15  # of a probability, for the log loss that is finite
DIGITS = 8  # of a log loss in reference.csv; what is equal in these is a tie
N_BINS = 15
PARTS = ("cal", "test")
MEASURES = (
    "log_loss",
    "log_loss_raw",
    "brier",
    "ece15",
    "accuracy",
    "fit_seconds",
    "predict_seconds",
    "row_sum_error",
    "out_of_range",
)


@dataclass(frozen=True)
class Case:
    """``scores`` maps an input of skuq, "proba" or "logit", to the scores to fit on and
    to predict from; ``labels`` are the two parts' labels, 0 to ``n_classes`` - 1."""

    name: str
    n_classes: int
    scores: Mapping[str, tuple[np.ndarray, ...]]
    labels: tuple[np.ndarray, ...]

    @property
    def task(self):
        return "binary" if self.n_classes == 2 else "multiclass"


def load_cases(folder, prefixes=("",)):
    """Yield the cases of a folder whose names begin with one of `prefixes`."""
    for path in sorted(Path(folder).glob("*.npz")):
        if path.stem.startswith(tuple(prefixes)):
            yield load_case(path)


def load_case(path):
    with np.load(path) as file:
        proba = tuple(file[f"{part}_proba"].astype(np.float64) for part in PARTS)
        # The stored digits are few, so that rows do not quite sum to one.
        scores = {"proba": tuple(p / p.sum(axis=1, keepdims=True) for p in proba)}
        if all(f"{part}_logits" in file for part in PARTS):
            scores["logit"] = tuple(file[f"{part}_logits"] for part in PARTS)
        labels = tuple(file[f"{part}_label"].astype(np.int64) for part in PARTS)
    return Case(path.stem, proba[0].shape[1], scores, labels)


# ------------------------------------------------------------------------- skuq


class NoCalibrator:
    """The classifier as it is, to compare with."""

    def __init__(self, *, input, classes):
        self.input = input

    def fit(self, scores, labels):
        return self

    def predict_proba(self, scores):
        if self.input == "proba":
            return scores
        return softmax(scores.astype(np.float64), axis=1)


def run(name, calibrator, case, kind):
    """The row of a class of skuq on the scores of a kind; a failure is a row, too."""
    row = {
        "case": case.name,
        "task": case.task,
        "n_classes": case.n_classes,
        "n_cal": len(case.labels[0]),
        "n_test": len(case.labels[1]),
        "library": "skuq",
        "calibrator": name,
        "input": kind,
        **dict.fromkeys(MEASURES, np.nan),
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            row |= _scored(calibrator, case, kind)
        except Exception as error:  # a failure is a result, not the end of the arena
            reason = str(error).splitlines()[0] if str(error) else ""
            row["status"] = f"failed: {type(error).__name__}: {reason}"
    row["warnings"] = dict(Counter(w.category.__name__ for w in caught))
    return row


def _scored(calibrator, case, kind):
    cal, test = case.scores[kind]
    start = time.perf_counter()
    fitted = calibrator(input=kind, classes=np.arange(case.n_classes))
    fitted.fit(cal, case.labels[0])
    middle = time.perf_counter()
    proba = fitted.predict_proba(test)
    end = time.perf_counter()
    late = end - start > LIMIT
    return {
        "fit_seconds": middle - start,
        "predict_seconds": end - middle,
        **measures(proba, case.labels[1], case.n_classes),
        "status": f"timeout: over {LIMIT:.0f} s" if late else "ok",
    }


def measures(proba, labels, n_classes):
    """Scores of probabilities, after clipping to [0, 1] and dividing rows by sums."""
    if proba.shape != (len(labels), n_classes):
        raise ValueError(f"shape {proba.shape}, not {(len(labels), n_classes)}")
    proba = proba.astype(np.float64)
    bad = int((~np.isfinite(proba)).any(axis=1).sum())
    if bad:
        raise ValueError(f"{bad} rows with nan or inf")
    sums = proba.sum(axis=1)
    p = np.clip(proba, 0, 1)
    p /= p.sum(axis=1, keepdims=True)
    of_truth = p[np.arange(len(labels)), labels]
    top = top_label(p, labels)
    with np.errstate(divide="ignore"):  # a true class of probability 0 costs infinity
        raw = -np.log(of_truth).mean()
    return {
        "log_loss": -np.log(np.clip(of_truth, LEAST, 1)).mean(),
        "log_loss_raw": raw,
        # The sum over classes of (p - 1[y])^2, without a table of ones.
        "brier": ((p**2).sum(axis=1) - 2 * of_truth + 1).mean(),
        "ece15": calibration_error(*top, N_BINS),
        "accuracy": top[1].mean(),
        "row_sum_error": np.abs(sums - 1).max(),
        "out_of_range": max(0.0, -proba.min(), proba.max() - 1),
    }


# ------------------------------------------------------------------------ peers


def load_peers(folder):
    """The rows of ``reference.csv``; none if there is no such file."""
    path = Path(folder, "reference.csv")
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [_peer(row) for row in csv.DictReader(file)]


def _peer(row):
    numbers = {name: float(row[name] or np.nan) for name in MEASURES}
    return row | numbers | {"input": "", "warnings": {}}


def loss(row):
    """The log loss to rank by; a failure is worse than any."""
    return float(f"{row['log_loss']:.{DIGITS}g}") if row["status"] == "ok" else np.inf
