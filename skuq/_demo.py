"""What ``skuq demo`` shows: a table and a picture, before and after calibration."""

from copy import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skuq._core._labels import infer_classes
from skuq._core._optional import require
from skuq.calibration import CalibratedModel, TemperatureScaler
from skuq.datasets import load_predictions
from skuq.displays import ReliabilityDisplay
from skuq.evaluation import compare_predictions
from skuq.exceptions import InputError
from skuq.report import text_table

PICTURES = (".png", ".pdf", ".svg")
FEWEST_ROWS = 20  # of a user's own file


class Case(NamedTuple):
    """Probabilities of the same test samples before and after calibration."""

    title: str
    temperature: float
    y: np.ndarray
    before: np.ndarray
    after: np.ndarray
    labels: np.ndarray


def run_demo(data, output, seed):
    """Print the tables and write the picture."""
    if (suffix := Path(output).suffix) not in PICTURES:
        raise InputError(
            f"{output}: unknown picture type {suffix!r}, expected one of "
            f"{', '.join(PICTURES)}."
        )
    cases = [_own_case(data)] if data else _shipped_cases()
    for case in cases:
        print(f"{case.title}\ntemperature T = {case.temperature:.4f}")
        comparison = compare_predictions(
            case.y,
            {"before": case.before, "after": case.after},
            labels=case.labels,
            random_state=seed,
        )
        print(text_table(comparison), end="\n\n")
    draw_cases(cases).savefig(output, dpi=120)
    print(f"reliability diagrams: {output}")


def _shipped_cases():
    """Nearly unpenalised models of few samples: accurate, and far too sure."""
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e6, max_iter=1000))
    quadratic = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(2, interaction_only=True),
        LogisticRegression(C=1e6, max_iter=1000),
    )
    return [
        _case("digits: logistic regression", load_digits, linear, 0.08),
        _case(
            "breast cancer: quadratic logistic regression",
            load_breast_cancer,
            quadratic,
            0.2,
        ),
    ]


def _case(name, load, model, train_share):
    X, y = load(return_X_y=True)
    X_train, X_rest, y_train, y_rest = train_test_split(
        X, y, train_size=train_share, stratify=y, random_state=0
    )
    X_val, X_test, y_val, y_test = train_test_split(
        X_rest, y_rest, test_size=0.6, stratify=y_rest, random_state=0
    )
    model.fit(X_train, y_train)
    calibrated = CalibratedModel(model).fit(X_val, y_val)
    sizes = f"{len(y_train)} train, {len(y_val)} validation, {len(y_test)} test samples"
    return Case(
        f"{name} ({sizes})",
        calibrated.calibrator_.temperature_,
        y_test,
        model.predict_proba(X_test),
        calibrated.predict_proba(X_test),
        model.classes_,
    )


def _own_case(path):
    """The first half of a user's predictions calibrates, the second is scored."""
    scores, y, kind, classes = load_predictions(path)
    half = len(y) // 2
    if len(y) < FEWEST_ROWS:
        raise InputError(
            f"{path}: {len(y)} rows are too few to calibrate and to score; at least "
            f"{FEWEST_ROWS} are needed, some hundreds are better."
        )
    if classes is None:
        n_columns = scores.shape[1] if scores.ndim > 1 else 1
        classes = infer_classes(y, n_columns)
    _note_sorted_rows(y, half)
    scaler = TemperatureScaler(input=kind, classes=classes).fit(scores[:half], y[:half])
    unscaled = copy(scaler)
    unscaled.temperature_ = 1.0
    return Case(
        f"{path}: {half} rows calibrate, {len(y) - half} are scored",
        scaler.temperature_,
        y[half:],
        unscaled.predict_proba(scores[half:]),
        scaler.predict_proba(scores[half:]),
        scaler.classes_,
    )


def _note_sorted_rows(y, half):
    """Files sorted by label calibrate on other classes than they are scored on."""
    new = np.setdiff1d(y[half:], y[:half])
    if len(new) > 0:
        print(
            f"note: {len(new)} of {len(np.unique(y))} classes occur only in the second "
            "half; shuffle the rows if they are sorted by label"
        )


def draw_cases(cases):
    """A row of two reliability diagrams per case."""
    figures = require("matplotlib.figure", caller="skuq demo")
    figure = figures.Figure(figsize=(9.6, 5.6 * len(cases)), layout="constrained")
    axes = figure.subplots(len(cases), 2, squeeze=False)
    for row, case in zip(axes, cases, strict=True):
        for ax, name in zip(row, ("before", "after"), strict=True):
            proba = getattr(case, name)
            ReliabilityDisplay.from_predictions(
                case.y, proba, labels=case.labels, name=name, ax=ax
            )
            ax.set_title(f"{case.title.split(' (')[0]}, {name}", fontsize="medium")
    return figure
