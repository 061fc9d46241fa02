"""What other packages return for failures and ordered classes, met or told apart.

tests/references/regression_metrics.json holds the arrays, the calls, and what each
computes.
"""

import json

import numpy as np
import pytest

from skuq.metrics import (
    area_under_risk_coverage_error,
    error_detection_scores,
    ranked_probability_score_loss,
    risk_coverage_curve,
    sparsification_curve,
)
from tests.conftest import ROOT

REFERENCES = json.loads(
    (ROOT / "tests" / "references" / "regression_metrics.json").read_text("utf-8")
)
ENTRIES = [
    entry
    for entry in REFERENCES["values"]
    if entry["case"] in ("ordinal", "failure", "failure_ties")
]


def arrays(entry):
    return {k: np.array(v) for k, v in REFERENCES["cases"][entry["case"]].items()}


def problem(entry):
    """Labels and rows of predictions that are correct where that is said."""
    correct = arrays(entry)["correct"]
    return 1 - correct, np.tile([0.8, 0.2], (len(correct), 1))


def detection(entry, name):
    confidence = arrays(entry)["confidence"]
    return error_detection_scores(*problem(entry), confidence=confidence)[name]


def precision(entry):
    of_success = entry["meaning"]["positive"] == "success"
    return detection(entry, "aupr_success" if of_success else "aupr_error")


def false_positives(entry):
    if "pos_label=1" in entry["call"]:
        return detection(entry, "fpr_at_tpr")
    y, p = problem(entry)  # errors take the part of right predictions
    confidence = -arrays(entry)["confidence"]
    return error_detection_scores(1 - y, p, confidence=confidence)["fpr_at_tpr"]


def curve(entry):
    return risk_coverage_curve(*problem(entry), confidence=arrays(entry)["confidence"])


def trapezoids(values):
    """The area over k / n = 1/n .. 1 by its width: not the mean of the n values."""
    return ((values[:-1] + values[1:]) / 2).mean()


def largest_coverage(entry, risk):
    found = curve(entry)
    return found.coverage[found.risk <= risk].max()


def risk_at(entry, coverage):
    found = curve(entry)
    return found.risk[np.flatnonzero(found.coverage >= coverage - 1e-12)[0]]


def sparsification(entry):
    case = arrays(entry)
    wrong = 1.0 - case["correct"]
    found = sparsification_curve(
        wrong, 0 * wrong, 1 - case["confidence"], n_points=len(wrong)
    )
    gap = (found.error - found.oracle) / wrong.mean()
    return trapezoids(gap) * found.removed[-1]


def ranked(entry):
    case = arrays(entry)
    return ranked_probability_score_loss(
        case["y_true"], case["y_proba"], normalize=False
    )


COUNTERPARTS = {
    "AUROC": lambda e: detection(e, "auroc"),
    "average precision": precision,
    "FPR95": false_positives,
    "AURC()": lambda e: trapezoids(curve(e).risk),
    "AUGRC()": lambda e: trapezoids(curve(e).generalized_risk),
    "CovAt5Risk()": lambda e: largest_coverage(e, 0.05),
    "CovAtxRisk(0.1)": lambda e: largest_coverage(e, 0.1),
    "RiskAt80Cov()": lambda e: risk_at(e, 0.8),
    "RiskAtxCov(0.5)": lambda e: risk_at(e, 0.5),
    "AUSE": sparsification,
    "ranked probability score": ranked,
}
UNORDERED = [entry for entry in ENTRIES if entry["rtol"] is None]
MET = [
    entry
    for entry in ENTRIES
    if entry["meaning"]["metric"] in COUNTERPARTS and entry not in UNORDERED
]


def by_call(entry):
    return f"{entry['case']}-{entry['package']}-{entry['meaning']['metric']}"


@pytest.mark.parametrize("entry", MET, ids=by_call)
def test_the_value_of_a_package_is_met(entry):
    value = COUNTERPARTS[entry["meaning"]["metric"]](entry)
    assert value == pytest.approx(entry["value"], rel=max(entry["rtol"], 1e-9))


def test_every_value_is_met_but_where_ties_have_an_order():
    rest = [e for e in ENTRIES if e not in MET and e not in UNORDERED]
    assert {e["meaning"]["metric"] for e in rest} == {"ranked logarithmic score"}
    assert {e["case"] for e in UNORDERED} == {"failure_ties"}
    assert len(MET) == 19


@pytest.mark.parametrize("risk", ["selective", "generalized"])
def test_the_area_of_a_package_is_off_by_less_than_one_sample(risk):
    """Its trapezoids leave out half of the first and of the last of 200 samples."""
    name = "AURC()" if risk == "selective" else "AUGRC()"
    (entry,) = (e for e in MET if e["meaning"]["metric"] == name)
    value = area_under_risk_coverage_error(
        *problem(entry), confidence=arrays(entry)["confidence"], risk=risk
    )
    assert 0 < abs(value - entry["value"]) < 1 / 200
