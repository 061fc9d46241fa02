"""The presets give what other packages return on the same arrays.

tests/references holds the arrays, the values, the calls, and how they were made.
"""

import json

import numpy as np
import pytest

from skuq.metrics import (
    brier_score_loss,
    expected_calibration_error,
    log_loss,
    maximum_calibration_error,
    reliability_curve,
)
from tests.conftest import ROOT

REFERENCES = json.loads(
    (ROOT / "tests" / "references" / "calibration_error.json").read_text("utf-8")
)
KINDS = {"positive": "positive", "confidence": "top-label", "classwise": "classwise"}
CONVENTIONS = {
    "torchmetrics": "torchmetrics",
    "netcal": "netcal",
    "uncertainty-calibration": "uncertainty-calibration",
    "MAPIE": "mapie",
    "relplot": "relplot",
    "scikit-learn": "scikit-learn",
}


STRATEGIES = {"uniform": "uniform", "quantile": "quantile", "equal mass": "quantile"}


def is_binned_error(entry):
    """Whether an entry is a binned error, with bins of equal width or equal weight."""
    meaning = entry["meaning"]
    return (
        meaning.get("kind") in KINDS
        and meaning.get("norm") in ("l1", "l2", "max")
        and meaning.get("binning", "uniform") in STRATEGIES
        and not (meaning.get("debias") and meaning["norm"] == "l1")  # drawn at random
        and entry.get("value") is not None
    )


def is_cut_per_class(entry):
    """Whether negative estimates were set to zero class by class."""
    meaning = entry["meaning"]
    return meaning.get("debias") and meaning["kind"] == "classwise"


BINNED = [entry for entry in REFERENCES["values"] if is_binned_error(entry)]
CURVES = [entry for entry in REFERENCES["values"] if "returns" in entry["meaning"]]
PROPER = [entry for entry in REFERENCES["values"] if "score" in entry["meaning"]]


def arrays(entry):
    """Labels and probabilities of an entry, and the label of void pixels."""
    case = REFERENCES["cases"][entry["case"]]
    y, p = np.array(case["y_true"]), np.array(case["y_proba"], dtype=case["dtype"])
    return y, p, 255 if entry["case"].startswith("segmentation") else None


def by_call(entry):
    return f"{entry['case']}-{entry['call'].split('.')[-1]}"


@pytest.mark.parametrize("entry", BINNED, ids=by_call)
def test_the_preset_of_a_package_gives_its_calibration_error(entry):
    y, p, void = arrays(entry)
    meaning = entry["meaning"]
    kind = KINDS[meaning["kind"]]
    if "binary_calibration_error" in entry["call"] and kind == "top-label":
        # torchmetrics was given confidences and correctness, and keeps float64.
        y, p, kind = p.argmax(axis=1) == y, p.max(axis=1), "positive"
    value = expected_calibration_error(
        y,
        p,
        convention=CONVENTIONS[entry["package"]],
        kind=kind,
        n_bins=meaning["n_bins"],
        norm=meaning["norm"],
        strategy=STRATEGIES[meaning.get("binning", "uniform")],
        debias=meaning.get("debias", False),
        ignore_index=void,
    )
    if is_cut_per_class(entry):  # skuq cuts the sum, whose bias is smaller
        assert 0 <= value <= entry["value"] + 1e-12
    else:
        assert value == pytest.approx(entry["value"], rel=max(entry["rtol"], 1e-12))


def test_the_references_reach_every_preset():
    assert {entry["package"] for entry in BINNED} == {
        "torchmetrics",
        "netcal",
        "uncertainty-calibration",
        "MAPIE",
        "relplot",
    }
    assert len(BINNED) > 150


@pytest.mark.parametrize(
    "entry",
    [e for e in BINNED if e["package"] == "netcal" and e["meaning"]["norm"] == "max"],
    ids=by_call,
)
def test_the_maximum_calibration_error_has_the_same_presets(entry):
    y, p, _ = arrays(entry)
    value = maximum_calibration_error(
        y,
        p,
        convention="netcal",
        n_bins=entry["meaning"]["n_bins"],
        strategy=STRATEGIES[entry["meaning"]["binning"]],
    )
    assert value == pytest.approx(entry["value"], rel=1e-12)


@pytest.mark.parametrize(
    "entry",
    [
        e
        for e in BINNED
        if e["package"] == "netcal"
        # With "confidence" torchmetrics was given scores taken apart by hand.
        or (e["package"] == "torchmetrics" and "confidence" not in e["call"])
    ],
    ids=by_call,
)
def test_a_preset_takes_the_kind_that_its_package_takes(entry):
    """netcal looks at the number of classes, torchmetrics at the function called."""
    y, p, void = arrays(entry)
    value = expected_calibration_error(
        y,
        p,
        convention=entry["package"],
        n_bins=entry["meaning"]["n_bins"],
        norm=entry["meaning"]["norm"],
        strategy=STRATEGIES[entry["meaning"].get("binning", "uniform")],
        ignore_index=void,
    )
    assert value == pytest.approx(entry["value"], rel=max(entry["rtol"], 1e-12))


@pytest.mark.parametrize("entry", CURVES, ids=by_call)
def test_the_curve_of_scikit_learn(entry):
    y, p, _ = arrays(entry)
    curve = reliability_curve(
        y,
        p,
        convention="scikit-learn",
        n_bins=entry["meaning"]["n_bins"],
        strategy=entry["meaning"]["binning"],
    )
    some = curve.weight > 0
    prob_true, prob_pred = entry["value"]
    np.testing.assert_allclose(curve.accuracy[some], prob_true, rtol=1e-12)
    np.testing.assert_allclose(curve.mean_confidence[some], prob_pred, rtol=1e-12)


@pytest.mark.parametrize("entry", PROPER, ids=by_call)
def test_the_proper_scores_of_scikit_learn(entry):
    y, p, _ = arrays(entry)
    if entry["meaning"]["score"] == "brier":
        value = brier_score_loss(y, p, scale_by_half=entry["meaning"]["halved"])
    else:
        value = log_loss(y, p, eps=entry["meaning"]["clip"])
    assert value == pytest.approx(entry["value"], rel=max(entry["rtol"], 1e-12))
