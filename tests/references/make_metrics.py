"""Write ``metrics.json``: what each peer returns for the calibration of probabilities.

Run by a developer, from the root of the repository, with it on the path::

    python -m tests.references.make_metrics > tests/references/metrics.json

``make_regression_metrics.py`` does the same for regression, ordered classes and the
prediction of failures. The peers of both, in a fresh environment (Python 3.11; the
JSON holds the versions)::

    pip install torch==2.13.0 scikit-learn==1.9.1 MAPIE==1.6.0 netcal==1.4.0 \
        torchmetrics==1.9.0 relplot==1.0.3 probmetrics==1.3.0 numba seaborn pandas \
        polars cvxpy properscoring==0.1 uncertainty-toolbox==0.1.1
    pip install --no-deps calibre==0.4.0 model-diagnostics==1.5.0 probcal==0.4.0 \
        scoringrules==0.10.0 torch-uncertainty==0.13.0

model-diagnostics needs polars, calibre pandas and cvxpy, probmetrics numba,
torch-uncertainty seaborn. The last is read module by module (``open_packages`` in
``peers.py``): its ``__init__`` imports lightning and torchvision, which no metric uses.

Every call is kept as a string and evaluated from it, so that the call in the JSON is
the call that ran. ``meaning`` says what the peer computes, as its source reads:
``computes`` in words and formulas, ``differs`` where that is not what the peer's
documentation or the paper says. ``rtol`` is how far code that takes the steps of
``computes`` may be from the value, not how far the peer is from the exact quantity:
where it walks on a coarse grid or draws random numbers, ``meaning`` says so. It is
null where the value depends on the order of tied rows.
"""

import numpy as np

from tests.references import probcal_calls
from tests.references.peers import (
    FLOAT32,
    FLOAT64,
    TORCH_UNCERTAINTY,
    UNORDERED,
    make_cases,
    write,
)

PEERS = {  # the module that the calls name -> the package it comes from
    "calibre": "calibre",
    "mapie.metrics.calibration": "MAPIE",
    "model_diagnostics.scoring": "model-diagnostics",
    "netcal.metrics": "netcal",
    "probcal": "probcal",
    "probcal.curves": "probcal",
    "probmetrics.metrics": "probmetrics",
    "relplot": "relplot",
    f"{TORCH_UNCERTAINTY}.calibration.adaptive_calibration_error": "torch-uncertainty",
    f"{TORCH_UNCERTAINTY}.calibration.smooth_calibration_error": "torch-uncertainty",
}
LEVELS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)  # where the CDFs are read


# ---------------------------------------------------------------- input arrays


def binary_arrays(rng, proba, slope, shift):
    """Outcomes of a forecaster whose logits should be scaled and shifted."""
    score = slope * np.log(proba / (1 - proba)) + shift
    target = rng.random(proba.size) < 1 / (1 + np.exp(-score))
    weight = np.round(rng.uniform(0.2, 2, size=proba.size), 2)
    names = ("y_true", "y_proba", "sample_weight")
    return dict(zip(names, (target.astype(np.int64), proba, weight), strict=True))


def binary_case(rng):
    """Two decimals, so many ties; neither 0 nor 1, so that every score is finite."""
    proba = np.round(np.clip(rng.beta(1.2, 1.5, size=200), 0.01, 0.99), 2)
    return binary_arrays(rng, proba, slope=0.75, shift=-0.2)


def binary_smooth_case(rng):
    """Too sure on both sides; no two probabilities are the same."""
    return binary_arrays(rng, rng.beta(1.2, 1.5, size=200), slope=0.75, shift=0.0)


def multiclass_case(rng):
    """Four classes; no two confidences are the same."""
    proba = rng.dirichlet(np.full(4, 0.7), size=200)
    truth = proba**0.8 / (proba**0.8).sum(axis=1, keepdims=True)
    target = (truth.cumsum(axis=1) < rng.random((200, 1))).sum(axis=1)
    confidence, correct = proba.max(axis=1), proba.argmax(axis=1) == target
    return {
        "y_true": target,
        "y_proba": proba,
        "confidence": confidence,
        "correct": correct.astype(np.int64),
    }


# ----------------------------------------------------------------- peers' calls
#
# Each generator yields (call, meaning, relative tolerance).


def relplot_calls(data):
    smooth = (
        "r: f - y, and m: 1, of each sample shared linearly by its two neighbours of "
        "max(2000, round(20 / s)) // 2 + 1 grid points, convolved with a Gaussian of "
        "width s, cut at distance 1/2 and reflected at 0 and 1, interpolated at "
        "max(round(10 / s), 200) points; sum |r| / sum (m + 1e-4)"
    )
    logit = (
        "as with the reflected kernel, but f, clipped to [0.001, 0.999], and the inner "
        "points t become logits scaled to [0, 1] by the range of both; Gaussian of "
        "width 4 s / range, not reflected; m + 1e-4 divided by t (1 - t) and scaled to "
        "a fixed sum; each end takes the value beside it"
    )
    search = (
        "; s by 10 bisections of [0, 1] of 's < 0.001 or s < value', from the side "
        "that fails: a multiple of 1/1024, or 1 if s = 1 passes"
    )
    coarse = (
        "the paper has the fixed point s = value(s) of exact integrals: s is coarse "
        "here, so the value is up to about 1e-3 away"
    )
    cut = (
        "the paper's Gaussian is not cut and its integral is exact: some 1e-3 of the "
        "value at small s, up to 3e-2 at s = 0.25"
    )
    kernels = {"reflected Gaussian": smooth, "Gaussian of the logit": logit}
    for kernel, steps in kernels.items():
        meaning = {"metric": "smooth calibration error", "kernel": kernel}
        found = meaning | {"computes": steps + search, "differs": coarse}
        calls = [
            (f"smECE({data})", found),
            (f"smECE({data}, return_width=True)", found | {"returns": "[value, s]"}),
        ]
        for s in (0.02, 0.05, 0.1, 0.25):
            call = f"smECE_sigma({data}, sigma={s})"
            entry = meaning | {"computes": steps, "s": s}
            calls.append((call, entry | {"differs": cut} if steps == smooth else entry))
        for name, entry in calls:
            call = f"relplot.metrics.{name}"
            if kernel != "reflected Gaussian":
                switch = "setattr(relplot.config, 'use_logit_scaling', {})"
                call = f"({switch.format(True)}, {call}, {switch.format(False)})[1]"
            yield call, entry, FLOAT64


def torch_smooth_calls():
    module = f"{TORCH_UNCERTAINTY}.calibration.smooth_calibration_error"
    for kernel in ("reflected", "logit"):
        for s in ("auto", 0.05):
            call = (
                f"{module}.SmoothCalibrationError(kernel_type={kernel!r}, "
                f"bandwidth={s!r})"
                "(torch.from_numpy(y_proba).float(), torch.from_numpy(y_true))"
            )
            meaning = {
                "metric": "smooth calibration error",
                "kernel": kernel,
                "s": s,
                "computes": "relplot's steps for confidence and correctness (binary: "
                "max(p, 1 - p)), in float32, with max(2000, round(20 / s)) // 2 grid "
                "points made odd, read at max(int(10 / s), 200) points",
                "differs": "said to return relplot's values to 6 digits: 10 / s is cut "
                "off where relplot rounds it (up to 2e-4 of the value), and for 1-D "
                "input the value is that of the predicted class, not of class 1; "
                "float64 input raises",
            }
            yield call, meaning, FLOAT32


def mapie_calls(target, proba, ties):
    data = f"{target}, {proba}"
    walk = (
        "C_k = (1/n) sum over i <= k of (y_i - p_i), sorted by p; "
        "s = sqrt(sum p (1 - p)) / n; "
    )
    noise = (
        "p is first multiplied by 1 + 1e-8 RandomState(1).normal(size=n), which orders "
        "ties at random and moves the value by about 1e-8 of itself"
    )
    tests = {
        "kolmogorov_smirnov": ("max |C_k| / s", noise),
        "kuiper": (
            "(max C_k - min C_k) / s, k = 1..n",
            f"Tygert's range has C_0 = 0 in it; {noise}",
        ),
    }
    # Among ties only the same noise gives the same walk; elsewhere none is needed.
    rtol, tail = (FLOAT64, 1e-10) if ties else (1e-6, 1e-5)
    for name, (formula, differs) in tests.items():
        call = f"mapie.metrics.calibration.{name}"
        meaning = {"metric": name, "computes": walk + formula, "differs": differs}
        yield f"{call}_statistic({data})", meaning, rtol
        meaning = {
            "metric": f"{name} p-value",
            "computes": "1 - CDF(statistic), the CDF as recorded below",
            "differs": f"not clipped to [0, 1]; {differs}",
        }
        yield f"{call}_p_value({data})", meaning, tail
    meaning = {"metric": "sigma of the walk", "computes": "sqrt(sum p (1 - p)) / n"}
    yield f"mapie.metrics.calibration.length_scale({proba})", meaning, FLOAT64
    meaning = {
        "metric": "spiegelhalter z",
        "computes": "sum (y - p) (1 - 2 p) / sqrt(sum (1 - 2 p)^2 p (1 - p))",
    }
    call = "mapie.metrics.calibration.spiegelhalter"
    yield f"{call}_statistic({data})", meaning, FLOAT64
    meaning = {
        "metric": "spiegelhalter p-value",
        "computes": "1 - Phi(z)",
        "differs": "one-sided, so z = -5 has p = 1: the test of the paper is two-sided",
    }
    yield f"{call}_p_value({data})", meaning, 1e-9


def mapie_cdf_calls():
    """Distributions under the null: B is Brownian motion on [0, 1], h = k + 1/2."""
    series = {
        "kolmogorov_smirnov": "P(max |B| <= x) = (2 / pi) sum over k >= 0 of "
        "(-1)^k / h exp(-h^2 pi^2 / (2 x^2))",
        "kuiper": "P(max B - min B <= x) = sum over k >= 0 of "
        "(8 / x^2 + 2 / (h^2 pi^2)) exp(-2 h^2 pi^2 / x^2)",
    }
    for name, formula in series.items():
        for x in LEVELS:
            call = f"mapie.metrics.calibration.{name}_cdf({x})"
            meaning = {"metric": f"{name} CDF", "computes": formula, "x": x}
            meaning["differs"] = (
                "cut too early for the machine precision it promises: at x = 10 "
                "Kolmogorov-Smirnov is 3e-11 and Kuiper 4e-13 off; not clipped to 1"
            )
            yield call, meaning, FLOAT64


def probmetrics_calls(ties):
    walk = "C_k = (1/n) sum over i <= k of (y_i - p_i), sorted by p, in float32; "
    formulas = {
        "Kuiper": walk + "max(0, max C_k) - min(0, min C_k)",
        "KolmogorovSmirnov": walk + "max |C_k|",
    }
    differs = "takes column 1 and the labels as they are, with more classes too"
    for name, formula in formulas.items():
        call = (
            f"probmetrics.metrics.{name}CalibrationMetric().compute_from_labels_probs("
            "torch.from_numpy(y_true), "
            "torch.from_numpy(np.column_stack([1 - y_proba, y_proba])))"
        )
        meaning = {"metric": f"{name}, not divided by sigma", "computes": formula}
        meaning["differs"] = f"{differs}; {UNORDERED}" if ties else differs
        yield call, meaning, None if ties else FLOAT32


def mmce_calls(n_classes):
    columns = "np.column_stack([1 - y_proba, y_proba])"
    for data in ("y_proba", columns) if n_classes == 2 else ("y_proba",):
        meaning = {
            "metric": "maximum mean calibration error",
            "computes": "sqrt of the mean over all i, j of (a_i - c_i) (a_j - c_j) "
            "exp(-2.5 |c_i - c_j|), c the top probability, a whether it is right",
        }
        if n_classes == 2 and data == "y_proba":
            meaning["computes"] += " (1-D: c = p, and a whether (p > 0.5) equals y)"
            meaning["differs"] = "c and a belong to two different events"
        yield f"netcal.metrics.MMCE().measure({data}, y_true)", meaning, FLOAT64


def average_calls(n_classes, ties):
    """Two metrics called ACE: average (netcal) and adaptive (torch-uncertainty)."""
    for n_bins in (10, 15):
        for equal in (True, False):
            call = (
                f"netcal.metrics.ACE(bins={n_bins}, equal_intervals={equal})"
                ".measure(y_proba, y_true)"
            )
            meaning = {
                "metric": "average calibration error",
                "computes": "plain mean over the non-empty bins of |mean confidence - "
                "mean outcome|; the positive class if y has at most two labels, else "
                "the top label",
                "n_bins": n_bins,
                "bins": "[lo, hi), the last closed, of equal width"
                if equal
                else "[lo, hi), the last closed, between quantiles, ends 0 and 1",
            }
            if not equal:
                meaning["differs"] = "raises when two quantile edges coincide"
            yield call, meaning, FLOAT64
    module = f"{TORCH_UNCERTAINTY}.calibration.adaptive_calibration_error"
    task = "Binary" if n_classes == 2 else "Multiclass"
    classes = "" if n_classes == 2 else f"num_classes={n_classes}, "
    for n_bins in (10, 15):
        for norm in ("l1", "l2", "max"):
            call = (
                f"{module}.{task}AdaptiveCalibrationError({classes}n_bins={n_bins}, "
                f"norm={norm!r})(torch.from_numpy(y_proba), torch.from_numpy(y_true))"
            )
            differs = "Nixon et al.'s error is that of all classes, not of the top one"
            meaning = {
                "metric": "adaptive calibration error",
                "computes": "samples sorted by confidence (binary: max(p, 1 - p)), cut "
                "by tensor_split into n_bins parts whose sizes differ by at most 1; "
                "|mean confidence - mean correct| of a part; float32",
                "n_bins": n_bins,
                "norm": norm,
                "differs": f"{differs}; {UNORDERED}" if ties else differs,
            }
            yield call, meaning, None if ties else FLOAT32


def decompose_calls(weight):
    """Score decompositions by isotonic recalibration."""
    formulas = {
        "miscalibration": "S(p) - S(isotonic fit of y on p)",
        "discrimination": "S(mean of y) - S(isotonic fit of y on p)",
        "uncertainty": "S(mean of y)",
        "score": "S(p)",
    }
    scores = {"SquaredError": "mean of (p - y)^2", "LogLoss": "log loss, not clipped"}
    for name, score in scores.items():
        for part, formula in formulas.items():
            call = (
                "model_diagnostics.scoring.decompose(y_true, y_proba, "
                f"weights={weight}, scoring_function="
                f"model_diagnostics.scoring.{name}())[{part!r}].item()"
            )
            meaning = {
                "metric": part,
                "computes": f"{formula}; S = {score}",
                "score": name,
                "weighted": weight != "None",
            }
            yield call, meaning, 1e-11


def calibre_calls():
    """The released calibre has no smooth, debiased or sweep error and no CORP."""
    bins = {"bins": "[lo, hi) of equal width on [0, 1], the last closed", "n_bins": 10}
    ranged = {
        "uniform": "[lo, hi) of equal width on [min p, max p], the last closed",
        "quantile": "[lo, hi) between percentiles of p, the last closed",
    }
    examples = "its documented example prints a number that it does not return"
    formulas = {
        "expected_calibration_error": "sum of share * |mean p - mean y of a bin|",
        "maximum_calibration_error": "max of |mean p - mean y of a bin|",
    }
    for name, formula in formulas.items():
        meaning = {"metric": name, "computes": formula, "differs": examples} | bins
        yield f"calibre.{name}(y_true, y_proba, n_bins=10)", meaning, FLOAT64
    for strategy, rule in ranged.items():
        call = (
            "calibre.binned_calibration_error("
            f"y_true, y_proba, n_bins=10, strategy={strategy!r})"
        )
        meaning = {
            "metric": "binned_calibration_error",
            "computes": "sqrt of the plain mean over non-empty bins of "
            "(mean p - mean y)^2",
            "differs": f"not weighted by the size of the bins; {examples}",
            "bins": rule,
            "n_bins": 10,
        }
        yield call, meaning, FLOAT64
    meaning = {
        "metric": "mean_calibration_error",
        "computes": "mean of |p - y|",
        "differs": f"an absolute error, 0 only for certain forecasts; {examples}",
    }
    yield "calibre.mean_calibration_error(y_true, y_proba)", meaning, FLOAT64


def binary_calls(case, ties):
    """Yield (case, calls) for one column of probabilities."""
    yield case, relplot_calls("y_proba, y_true")
    yield case, torch_smooth_calls()
    yield case, mapie_calls("y_true", "y_proba", ties)
    yield case, probmetrics_calls(ties)
    yield case, mmce_calls(n_classes=2)
    yield case, average_calls(2, ties)
    yield case, calibre_calls()
    for weight in ("None", "sample_weight") if ties else ("None",):
        yield case, decompose_calls(weight)
        yield case, probcal_calls.binary_calls(weight)


def make_calls():
    """Yield (case, calls)."""
    yield from binary_calls("binary", ties=True)
    yield from binary_calls("binary_smooth", ties=False)
    yield "multiclass", relplot_calls("confidence, correct")
    yield "multiclass", torch_smooth_calls()
    yield "multiclass", mapie_calls("correct", "confidence", ties=False)
    yield "multiclass", mmce_calls(n_classes=4)
    yield "multiclass", average_calls(4, ties=False)
    yield None, mapie_cdf_calls()


def main():
    cases = make_cases(binary_case, binary_smooth_case, multiclass_case, seed=100)
    write(PEERS, cases, make_calls())


if __name__ == "__main__":
    main()
