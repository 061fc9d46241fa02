"""What other packages return for calibration, met or told apart.

tests/references/metrics.json holds the arrays, the calls, and what each computes.
"""

import functools
import json
import re

import numpy as np
import pytest

from skuq.exceptions import InputError
from skuq.metrics import (
    average_calibration_error,
    brier_score_loss,
    calibration_slope_intercept,
    cumulative_calibration_error,
    cumulative_calibration_test,
    expected_calibration_error,
    kernel_calibration_error,
    kernel_calibration_test,
    log_loss,
    maximum_calibration_error,
    maximum_mean_calibration_error,
    reliability_curve,
    score_decomposition,
    smooth_calibration_error,
    spiegelhalter_test,
)
from skuq.metrics._cumulative import _maximum_survival, _range_survival
from tests.conftest import ROOT

REFERENCES = json.loads(
    (ROOT / "tests" / "references" / "metrics.json").read_text("utf-8")
)
ENTRIES = REFERENCES["values"]
# What skuq does not compute, with the reason where there is more to say.
WITHOUT_COUNTERPART = {
    ("calibre", "binned_calibration_error"): "every bin counts alike, then a root",
    ("calibre", "mean_calibration_error"): "an absolute error, no calibration error",
    ("probcal", "smooth calibration error"): "on the scale of the log odds",
    ("probcal", "ecce.stat_mean"): "a mean of |C|",
    ("probcal", "calibration_test.statistic"): "likelihood ratio of the line",
    ("probcal", "calibration_test.p_value"): "likelihood ratio of the line",
    ("probcal", "hosmer_lemeshow.statistic"): "depends on arbitrary groups",
    ("probcal", "hosmer_lemeshow.df"): "depends on arbitrary groups",
    ("probcal", "hosmer_lemeshow.p_value"): "depends on arbitrary groups",
    ("probcal", "ici"): "local regression",
    ("probcal", "e50"): "local regression",
    ("probcal", "e90"): "local regression",
    ("probcal", "emax"): "local regression",
    ("probcal", "log loss calibration"): "local regression",
    ("probcal", "log loss refinement"): "local regression",
    ("probcal", "debiased calibration error"): "cut at 0 and rooted bin by bin",
    ("probcal", "Murphy reliability, corrected"): "cut at 0 bin by bin",
    ("probcal", "Murphy resolution, corrected"): "cut at 0 bin by bin",
}


def arrays(entry):
    """Outcomes, probabilities and weights of an entry; of two classes."""
    case = {k: np.array(v) for k, v in REFERENCES["cases"][entry["case"]].items()}
    y, p = ("correct", "confidence") if "confidence" in case else ("y_true", "y_proba")
    weight = case["sample_weight"] if entry["meaning"].get("weighted") else None
    return case[y], case[p], weight


def noisy_arrays(entry):
    """MAPIE orders ties at random, by noise that moves each probability."""
    y, p, _ = arrays(entry)
    return y, p * (1 + 1e-8 * np.random.RandomState(1).normal(size=len(p)))


def original(entry):
    """Labels and rows or probabilities, as the call gets them."""
    case = REFERENCES["cases"][entry["case"]]
    return np.array(case["y_true"]), np.array(case["y_proba"])


def walk_test(entry, statistic, field):
    result = cumulative_calibration_test(
        *noisy_arrays(entry), kind="positive", statistic=statistic
    )
    return getattr(result, field)


def walk(entry, statistic):
    y, p, weight = arrays(entry)
    return cumulative_calibration_error(
        y, p, sample_weight=weight, kind="positive", statistic=statistic
    )


def sigma(entry):
    y, p, weight = arrays(entry)
    test = cumulative_calibration_test(y, p, sample_weight=weight, kind="positive")
    return walk(entry, "maximum") / test.statistic


def line(entry, field):
    y, p, weight = arrays(entry)
    return getattr(calibration_slope_intercept(y, p, sample_weight=weight), field)


def spiegelhalter(entry, field):
    y, p, weight = arrays(entry)
    return getattr(spiegelhalter_test(y, p, sample_weight=weight), field)


def proper(metric, entry):
    y, p, weight = arrays(entry)
    return metric(y, p, sample_weight=weight)


def parts(entry, field):
    y, p, weight = arrays(entry)
    score = "log" if "log" in entry["meaning"]["score"].lower() else "brier"
    return getattr(score_decomposition(y, p, sample_weight=weight, score=score), field)


def skill(entry):
    y, p, weight = arrays(entry)
    whole = score_decomposition(y, p, sample_weight=weight)
    return 1 - whole.loss / whole.uncertainty


def bins_of(entry):
    """The options that give the bins of an entry, all [lo, hi)."""
    meaning = entry["meaning"]
    quantile = "quantile" in meaning["bins"]
    strategy = "quantile" if quantile else "uniform"
    options = {"n_bins": meaning["n_bins"], "strategy": strategy}
    return options | {"convention": "netcal"}


def binned(entry, metric=expected_calibration_error, **options):
    y, p, weight = arrays(entry)
    return metric(
        y, p, sample_weight=weight, kind="positive", **bins_of(entry), **options
    )


def resolution(entry):
    curve = binned(entry, reliability_curve)
    some = curve.weight > 0
    share, came_true = curve.weight[some] / curve.weight.sum(), curve.accuracy[some]
    return share @ (came_true - share @ came_true) ** 2


def uncertainty(entry):
    y, p, weight = arrays(entry)
    return score_decomposition(y, p, sample_weight=weight, method="bins").uncertainty


def average(entry):
    """Netcal's own rule for the kind: the preset has it."""
    return average_calibration_error(*original(entry), **bins_of(entry))


def adaptive(entry):
    """Parts of equal length are the bins of uncertainty-calibration."""
    y, p = original(entry)
    p = p if p.ndim == 2 else np.stack([1 - p, p], axis=1)
    return expected_calibration_error(
        y,
        p,
        kind="top-label",
        convention="uncertainty-calibration",
        strategy="quantile",
        n_bins=entry["meaning"]["n_bins"],
        norm=entry["meaning"]["norm"],
    )


def mean_embedding(entry):
    y, p = original(entry)
    if "column_stack" in entry["call"]:
        p = np.stack([1 - p, p], axis=1)
    elif p.ndim == 1:  # the probability of one event, the outcome of another
        return maximum_mean_calibration_error((p > 0.5) == y, p, kind="positive")
    return maximum_mean_calibration_error(y, p)


def kernel_problem(entry):
    """Data in the order of the pairs, and a bandwidth for rows (1 - p, p)."""
    y, p, _ = arrays(entry)
    if "mean of h over the n // 2" in entry["meaning"]["computes"] or (
        "asymptotic" in entry["call"]
    ):
        order = np.random.default_rng(42).permutation(len(p))
        y, p = y[order], p[order]
    width = entry["meaning"]["v"]
    if isinstance(width, str):  # over all pairs; skuq looks at those that differ
        width = np.median(np.abs(p[:, None] - p)[np.triu_indices(len(p), 1)])
    kernel = {"laplace": "laplacian"}.get(entry["meaning"]["kernel"], "gaussian")
    return (y, p), {"kernel": kernel, "bandwidth": float(np.sqrt(2) * width)}


def kernel_error(entry):
    estimators = {"uq": "unbiased", "biased": "biased", "ul": "linear"}
    name = re.search("estimator='(.*?)'", entry["call"])[1]
    data, options = kernel_problem(entry)
    return kernel_calibration_error(*data, estimator=estimators[name], **options)


def kernel_p_value(entry):
    data, options = kernel_problem(entry)
    return kernel_calibration_test(*data, estimator="linear", **options).p_value


def smooth(entry):
    y, p = original(entry)
    if entry["package"] == "relplot":
        y, p, _ = arrays(entry)
    elif p.ndim == 1:
        p = np.stack([1 - p, p], axis=1)
    width = entry["meaning"].get("s")
    width = None if width == "auto" else width
    kind = "positive" if p.ndim == 1 else "top-label"
    return smooth_calibration_error(y, p, kind=kind, bandwidth=width)


COUNTERPARTS = {
    ("MAPIE", "kolmogorov_smirnov"): lambda e: walk_test(e, "maximum", "statistic"),
    ("MAPIE", "kolmogorov_smirnov p-value"): lambda e: walk_test(
        e, "maximum", "p_value"
    ),
    ("MAPIE", "kuiper"): lambda e: walk_test(e, "range", "statistic"),
    ("MAPIE", "kuiper p-value"): lambda e: walk_test(e, "range", "p_value"),
    ("MAPIE", "sigma of the walk"): sigma,
    ("MAPIE", "spiegelhalter z"): lambda e: spiegelhalter(e, "statistic"),
    ("MAPIE", "kolmogorov_smirnov CDF"): lambda e: (
        1 - _maximum_survival(e["meaning"]["x"])
    ),
    ("MAPIE", "kuiper CDF"): lambda e: 1 - _range_survival(e["meaning"]["x"]),
    ("calibre", "expected_calibration_error"): binned,
    ("calibre", "maximum_calibration_error"): lambda e: binned(
        e, maximum_calibration_error
    ),
    ("netcal", "average calibration error"): average,
    ("netcal", "maximum mean calibration error"): mean_embedding,
    ("probcal", "Murphy reliability"): lambda e: binned(e, norm="l2-squared"),
    ("probcal", "Murphy resolution"): resolution,
    ("probcal", "Murphy uncertainty"): uncertainty,
    ("probcal", "SKCE p-value"): kernel_p_value,
    ("probcal", "brier_score"): functools.partial(proper, brier_score_loss),
    ("probcal", "brier_skill_score"): skill,
    ("probcal", "calibration error"): lambda e: binned(e, norm=e["meaning"]["norm"]),
    ("probcal", "calibration_intercept"): lambda e: line(e, "in_the_large"),
    ("probcal", "calibration_slope"): lambda e: line(e, "slope"),
    ("probcal", "calibration_test.intercept"): lambda e: line(e, "intercept"),
    ("probcal", "ecce.stat_max"): lambda e: walk(e, "maximum"),
    ("probcal", "log_loss"): functools.partial(proper, log_loss),
    ("probcal", "sigma of the walk"): sigma,
    ("probcal", "spiegelhalter_z.p_value"): lambda e: spiegelhalter(e, "p_value"),
    ("probcal", "spiegelhalter_z.z"): lambda e: spiegelhalter(e, "statistic"),
    ("probcal", "squared kernel calibration error"): kernel_error,
    ("probmetrics", "KolmogorovSmirnov, not divided by sigma"): lambda e: walk(
        e, "maximum"
    ),
    ("probmetrics", "Kuiper, not divided by sigma"): lambda e: walk(e, "range"),
    ("torch-uncertainty", "adaptive calibration error"): adaptive,
} | {
    (package, metric): functools.partial(parts, field=field)
    for package in ("model-diagnostics", "probcal")
    for metric, field in (
        ("miscalibration", "miscalibration"),
        ("discrimination", "discrimination"),
        ("uncertainty", "uncertainty"),
        ("score", "loss"),
    )
}


def key(entry):
    return entry["package"], entry["meaning"]["metric"]


def deviation(entry):
    """Why skuq does not give this value, or None."""
    meaning = entry["meaning"]
    if key(entry) in WITHOUT_COUNTERPART:
        return WITHOUT_COUNTERPART[key(entry)]
    if "logit" in meaning.get("kernel", "") + meaning.get("d", ""):
        return "on the scale of the log odds"
    if "bootstrap" in entry["call"]:
        return "another random test"
    if entry["rtol"] is None:
        return "depends on the order of ties"
    if meaning["metric"] == "smooth calibration error":
        return "on a coarse grid"
    if meaning["metric"] == "sweep calibration error":
        return "other bins of equal weight"
    if key(entry) == ("MAPIE", "spiegelhalter p-value"):
        return "one-sided"
    if meaning.get("weighted") and "quantile" in meaning.get("bins", ""):
        return None if "uncertainty" in meaning["metric"] else "quantiles not weighted"
    return None


def entries_of(reason):
    return [entry for entry in ENTRIES if deviation(entry) == reason]


def by_call(entry):
    return f"{entry['case']}-{entry['package']}-{entry['meaning']['metric']}"


every = functools.partial(pytest.mark.parametrize, "entry", ids=by_call)


@every(entries_of(None))
def test_the_value_of_a_package_is_met(entry):
    value = COUNTERPARTS[key(entry)](entry)
    tolerance = {"rel": max(entry["rtol"], 1e-9), "abs": 1e-15}
    assert value == pytest.approx(entry["value"], **tolerance)


def test_most_values_are_met():
    assert len(entries_of(None)) > 200
    met = {key(entry) for entry in entries_of(None)}
    assert met == {*COUNTERPARTS} - {("probcal", "score")}
    assert not met & {*WITHOUT_COUNTERPART}


# ---------------------------------------------------------------- known deviations


@every(entries_of("one-sided"))
def test_mapie_has_one_side_of_the_test(entry):
    side = min(entry["value"], 1 - entry["value"])
    assert spiegelhalter(entry, "p_value") == pytest.approx(2 * side, rel=1e-9)


@every(entries_of("depends on the order of ties"))
def test_ties_read_one_by_one_give_another_value(entry):
    value = COUNTERPARTS[key(entry)](entry)
    if entry["package"] == "probmetrics":  # the walk is read at more points
        assert value <= entry["value"] * (1 + 1e-5)
    else:  # bins of torch-uncertainty part equal probabilities
        assert value != pytest.approx(entry["value"], rel=1e-2)


@every(entries_of("quantiles not weighted"))
def test_quantiles_without_the_weights_are_refused(entry):
    with pytest.raises(InputError, match="sample_weight"):
        COUNTERPARTS[key(entry)](entry)


@every(entries_of("on a coarse grid"))
def test_smooth_errors_on_a_grid_are_close(entry):
    """Relplot cuts its kernel and stops within 1 / 1024 of the bandwidth."""
    peer = np.ravel(entry["value"])[0]
    width = entry["meaning"].get("s", "auto")
    if width == "auto":
        assert abs(smooth(entry) - peer) < 1 / 1024
    else:
        assert smooth(entry) == pytest.approx(peer, rel=0.03 if width > 0.1 else 0.005)


@every(entries_of("other bins of equal weight"))
def test_probcal_sweeps_quantiles_of_numpy(entry):
    """Its rule with its bins gives its value; those of skuq never part ties."""
    y, p, weight = arrays(entry)
    options = {"kind": "positive", "convention": "netcal", "strategy": "quantile"}
    if weight is not None:
        with pytest.raises(InputError, match="sample_weight"):
            reliability_curve(y, p, sample_weight=weight, **options)
        return
    most = 1
    for n_bins in range(2, 101):
        curve = reliability_curve(y, p, n_bins=n_bins, **options)
        if (np.diff(curve.accuracy[curve.weight > 0]) >= 0).all():
            most = n_bins
        elif entry["meaning"]["rule"] == "first_violation":
            break
    norm = entry["meaning"]["norm"]
    value = expected_calibration_error(y, p, n_bins=most, norm=norm, **options)
    assert value == pytest.approx(entry["value"], rel=1e-9)
