"""What other packages return for regressions, on the same arrays.

tests/references holds the arrays, the values, the calls, and how they were made.
"""

import json

import numpy as np
import pytest
from scipy.stats import norm

from skuq.metrics import (
    crps_ensemble,
    crps_gaussian,
    crps_quantile,
    expected_normalized_calibration_error,
    gaussian_log_loss,
    interval_coverage_score,
    interval_score_loss,
    interval_width_loss,
    pinball_loss,
    quantile_calibration_error,
    sharpness,
    uncertainty_calibration_error,
)
from tests.conftest import ROOT

REFERENCES = json.loads(
    (ROOT / "tests" / "references" / "regression_metrics.json").read_text("utf-8")
)
DATA = {name: np.array(x) for name, x in REFERENCES["cases"]["regression"].items()}
Y, MEAN, STD = DATA["y_true"], DATA["y_pred"], DATA["y_std"]
LEVELS, QUANTILES, MEMBERS = DATA["levels"], DATA["quantiles"], DATA["members"]
PERCENT = np.linspace(0.01, 0.99, 99)


def normal_forecast(meaning):
    """Mean and standard deviation as they are, or those of the members."""
    if meaning.get("forecast") == "members" or "the members" in meaning["computes"]:
        return MEMBERS.mean(axis=0), MEMBERS.std(axis=0)
    return MEAN, STD


def crps(meaning):
    estimator = meaning.get("estimator")
    if estimator is None:
        return crps_gaussian(Y, MEAN, STD)
    fair = {"fair": "fair", "pwm": "fair"}.get(estimator, "empirical")
    return crps_ensemble(Y, MEMBERS, estimator=fair)


def log_loss(meaning):
    loss = gaussian_log_loss(Y, *normal_forecast(meaning))
    return loss * len(Y) if meaning["computes"].startswith("sum") else loss


def of_quantiles(meaning):
    return crps_quantile(Y, QUANTILES, quantile_levels=LEVELS)


def pinball(meaning):
    if "t" in meaning:
        column = np.flatnonzero(meaning["t"] == LEVELS)[0]
        return pinball_loss(Y, QUANTILES[:, column], quantile_levels=meaning["t"])
    quantiles = norm.ppf(PERCENT, MEAN[:, None], STD[:, None])
    return pinball_loss(Y, quantiles, quantile_levels=PERCENT)


def central(level):
    """Ends of the central normal intervals of a level."""
    return norm.ppf(0.5 - level / 2, MEAN, STD), norm.ppf(0.5 + level / 2, MEAN, STD)


def ends(meaning):
    """Ends of the intervals between two of the quantiles."""
    lower = np.argmin(np.abs(LEVELS - meaning["a"] / 2))
    return QUANTILES[:, lower], QUANTILES[:, -1 - lower]


def interval_score(meaning):
    if "a" in meaning:
        return interval_score_loss(Y, *ends(meaning), alpha=meaning["a"])
    scores = [interval_score_loss(Y, *central(p), alpha=1 - p) for p in PERCENT]
    return np.mean(scores)


def mean_coverage(meaning):
    return np.mean([interval_coverage_score(Y, *central(t)) for t in LEVELS])


def mean_width(meaning):
    return np.mean([interval_width_loss(Y, *central(t)) for t in LEVELS])


def of_levels(meaning, n_levels, **options):
    """As uncertainty-toolbox, which mirrors the values in its quantile reading."""
    y, mean = (Y, MEAN) if meaning["prop_type"] == "interval" else (MEAN, Y)
    at = np.linspace(0, 1, n_levels)
    return quantile_calibration_error(
        y, mean, STD, levels=meaning["prop_type"], levels_at=at, **options
    )


def number_of_levels(meaning):
    return 100 if "linspace(0, 1, 100)" in meaning["computes"] else 20


def mean_absolute_error(meaning):
    return of_levels(meaning, number_of_levels(meaning))


def root_mean_squared_error(meaning):
    return of_levels(meaning, number_of_levels(meaning), norm="l2")


def proportions(meaning):
    y, mean = (Y, MEAN) if meaning["prop_type"] == "interval" else (MEAN, Y)
    options = {"levels": meaning["prop_type"], "levels_at": np.linspace(0, 1, 20)}
    return quantile_calibration_error.statistic(y, mean, STD, **options).shares


def central_intervals(meaning):
    return quantile_calibration_error(
        Y, MEAN, STD, levels="interval", n_levels=19, norm=meaning.get("norm", "l1")
    )


def relative_gap(meaning):
    return expected_normalized_calibration_error(
        Y, *normal_forecast(meaning), n_bins=meaning["n_bins"], strategy="uniform"
    )


def variance_gap(meaning):
    return uncertainty_calibration_error(
        Y, *normal_forecast(meaning), n_bins=meaning["n_bins"]
    )


READINGS = {
    "CRPS": crps,
    "negative log-likelihood": log_loss,
    "CRPS of quantiles": of_quantiles,
    "weighted interval score": of_quantiles,
    "pinball loss": pinball,
    "interval score": interval_score,
    "coverage": lambda meaning: interval_coverage_score(Y, *ends(meaning)),
    "width": lambda meaning: interval_width_loss(Y, *ends(meaning)),
    "PICP": mean_coverage,
    "MPIW": mean_width,
    "mean_absolute_calibration_error": mean_absolute_error,
    "root_mean_squared_calibration_error": root_mean_squared_error,
    "observed proportions": proportions,
    "sharpness": lambda meaning: sharpness(STD),
    "quantile calibration error": central_intervals,
    "marginal QCE": central_intervals,
    "ENCE": relative_gap,
    "UCE": variance_gap,
}
OTHER_ESTIMATORS = ("akr", "akr_circperm")  # depend on the order of the members
# Of members netcal takes the shortest intervals, not the central ones.
OF_INTERVALS = ("PICP", "MPIW", "marginal QCE")


def is_offered(entry):
    """Whether skuq has the quantity, and the package computes what it names."""
    meaning = entry["meaning"]
    if entry["case"] != "regression" or meaning["metric"] not in READINGS:
        return False
    if meaning.get("estimator") in OTHER_ESTIMATORS:
        return False
    shortest = meaning["metric"] in OF_INTERVALS and meaning["forecast"] == "members"
    not_pinball = "netcal.metrics.regression.PinballLoss" in entry["call"]
    return not (shortest or not_pinball or "wrong" in meaning.get("differs", ""))


OFFERED = [entry for entry in REFERENCES["values"] if is_offered(entry)]


@pytest.mark.parametrize("entry", OFFERED, ids=lambda entry: entry["call"][:70])
def test_gives_what_other_packages_return(entry):
    value = READINGS[entry["meaning"]["metric"]](entry["meaning"])
    assert value == pytest.approx(entry["value"], rel=max(entry["rtol"], 1e-12))


def test_the_references_reach_every_package_and_reading():
    assert {entry["package"] for entry in OFFERED} == {
        "MAPIE",
        "netcal",
        "properscoring",
        "scikit-learn",
        "scoringrules",
        "torch-uncertainty",
        "uncertainty-toolbox",
    }
    assert {entry["meaning"]["metric"] for entry in OFFERED} == set(READINGS)
    assert len(OFFERED) > 50
