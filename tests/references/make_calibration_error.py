"""Write ``calibration_error.json``: what each peer returns on small fixed arrays.

Run by a developer, in an environment that has the peers (versions in README.md)::

    python make_calibration_error.py > calibration_error.json

Every call is kept as a string and evaluated from it, so that the call in the JSON
is the call that ran.

How a match to 1e-12 is reachable although torchmetrics casts multi-class
confidences to float32: the cases named ``*_dyadic`` hold multiples of 1/64, their
bins hold 2^k samples, and the sum under the root of the l2 norm is the square of a
dyadic rational. Sums, quotients and the root are then exact in float32, so float32
and float64 give the same number. On any other rows ``binary_calibration_error`` of
(confidence, correct) runs the same code in float64; both are recorded.
"""

import json
import sys
from importlib.metadata import version
from platform import python_version

import numpy as np
import torch

EXACT, FLOAT64, FLOAT32 = 0.0, 1e-12, 1e-5  # relative tolerance of a match
PEERS = {  # the module that the calls name -> the package it comes from
    "calibration": "uncertainty-calibration",
    "mapie.metrics.calibration": "MAPIE",
    "netcal.metrics": "netcal",
    "relplot.metrics": "relplot",
    "sklearn.calibration": "scikit-learn",
    "sklearn.metrics": "scikit-learn",
    "torchmetrics.functional.classification": "torchmetrics",
}


# ---------------------------------------------------------------- input arrays


def binary_case(rng):
    """Positive-class probabilities, some exactly k/10, 0 and 1, right and wrong."""
    edges = np.repeat(np.arange(11) / 10, 3)
    proba = np.concatenate([edges, rng.beta(0.7, 0.9, size=87)])
    target = rng.random(proba.size) < 0.15 + 0.6 * proba
    return proba, target.astype(np.int64)


def binary_dyadic_case(rng):
    """Positive-class probabilities k/16: on the edges of 8 bins in every library."""
    proba = np.repeat(np.arange(17) / 16, 6)
    target = rng.random(proba.size) < 0.15 + 0.6 * proba
    return proba, target.astype(np.int64)


def multiclass_case(rng):
    """Four classes; the last ten confidences lie on edges, two of them at exactly 1."""
    proba = rng.dirichlet(np.full(4, 0.6), size=110)
    edges = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.0])
    shares = np.array([0.4, 0.35, 0.25])  # of what the top class leaves
    rows = np.column_stack([edges, np.outer(1 - edges, shares)])
    proba = np.concatenate([proba, [np.roll(row, i) for i, row in enumerate(rows)]])
    drawn = [rng.choice(4, p=row / row.sum()) for row in 0.6 * proba + 0.1]
    return proba, np.array(drawn)


def dyadic_rows(confidence, hits, n_repeats, n_classes):
    """Rows in 64ths, ``n_repeats`` per confidence, ``hits`` of which are right."""
    rows, target = [], []
    for top, n_right in zip(confidence, hits, strict=True):
        rest = 64 - top
        low = rest // (n_classes - 1)
        others = [low] * (n_classes - 2) + [rest - low * (n_classes - 2)]
        for i in range(n_repeats):
            predicted = (i + top) % n_classes
            rows.append(np.roll([top, *others], predicted))
            target.append((predicted + (i >= n_right)) % n_classes)
    return np.array(rows) / 64, np.array(target)


def multiclass_dyadic_case(rng):
    """128 rows of four classes; hits searched so that the l2 root is rational."""
    confidence = (20, 28, 32, 40, 48, 58, 62, 64)
    hits = (0, 5, 10, 11, 13, 15, 16, 11)
    proba, target = dyadic_rows(confidence, hits, n_repeats=16, n_classes=4)
    order = rng.permutation(target.size)
    return proba[order], target[order]


def two_column_case(rng):
    """Two columns; no tie at one half, where the predicted class is arbitrary."""
    positive = np.concatenate([[0.0, 0.1, 0.3, 0.6, 0.9, 1.0], rng.random(84)])
    target = rng.random(positive.size) < 0.2 + 0.5 * positive
    return np.column_stack([1 - positive, positive]), target.astype(np.int64)


def segmentation_dyadic_case(rng):
    """Two maps of 4 x 5 pixels and three classes; 8 of the 40 pixels are void (255)."""
    confidence = (24, 26, 32, 39, 50, 52, 61, 64)
    hits = (1, 3, 1, 2, 4, 4, 4, 3)
    proba, target = dyadic_rows(confidence, hits, n_repeats=4, n_classes=3)
    proba = np.concatenate([proba, proba[:8]])
    target = np.concatenate([target, np.full(8, 255)])
    order = rng.permutation(target.size)
    maps = proba[order].reshape(2, 4, 5, 3)
    return np.moveaxis(maps, -1, 1), target[order].reshape(2, 4, 5)


def make_cases():
    """Name -> (y_proba, y_true); one generator per case, so cases stay put."""
    makers = (
        binary_case,
        binary_dyadic_case,
        multiclass_case,
        multiclass_dyadic_case,
        two_column_case,
        segmentation_dyadic_case,
    )
    return {
        make.__name__.removesuffix("_case"): make(np.random.default_rng(seed))
        for seed, make in enumerate(makers)
    }


# ----------------------------------------------------------------- peers' calls
#
# Each generator yields (call, options, relative tolerance). The options say what
# the call means in one vocabulary, whatever the peer's words for it are.


def torchmetrics_calls(task, n_bins, rtol, extra="", data=("y_proba", "y_true")):
    preds, target = (f"torch.from_numpy({name})" for name in data)
    for bins in n_bins:
        for norm in ("l1", "l2", "max"):
            call = (
                f"torchmetrics.functional.classification.{task}_calibration_error("
                f"{preds}, {target}, {extra}n_bins={bins}, norm={norm!r})"
            )
            kind = "positive" if data[0] == "y_proba" else "confidence"
            kind = "confidence" if task == "multiclass" else kind
            yield call, {"kind": kind, "n_bins": bins, "norm": norm}, rtol


def netcal_calls(kind, n_bins):
    norms = {"ECE": "l1", "MCE": "max", "ACE": "mean of non-empty bins"}
    for bins in n_bins:
        for name, norm in norms.items():
            for binning in ("uniform", "quantile"):
                options = "" if binning == "uniform" else ", equal_intervals=False"
                call = (
                    f"netcal.metrics.{name}(bins={bins}{options})"
                    ".measure(y_proba, y_true)"
                )
                meaning = {"kind": kind, "n_bins": bins, "norm": norm}
                yield call, meaning | {"binning": binning}, FLOAT64


def binned_calls(kind, mode, n_bins):
    schemes = {"get_equal_prob_bins": "uniform", "get_equal_bins": "equal mass"}
    for bins in n_bins:
        for scheme, binning in schemes.items():
            for power, debias in ((1, False), (2, False), (2, True), (3, False)):
                call = (
                    f"calibration.lower_bound_scaling_ce(y_proba, y_true, p={power}, "
                    f"debias={debias}, num_bins={bins}, "
                    f"binning_scheme=calibration.{scheme}, mode={mode!r})"
                )
                meaning = {"kind": kind, "n_bins": bins, "norm": f"l{power}"}
                yield call, meaning | {"binning": binning, "debias": debias}, FLOAT64
        for name, binning in (("get_ece", "uniform"), ("get_ece_em", "equal mass")):
            call = (
                f"calibration.{name}(y_proba, y_true, num_bins={bins}, mode={mode!r})"
            )
            meaning = {"kind": kind, "n_bins": bins, "norm": "l1"}
            yield call, meaning | {"binning": binning}, FLOAT64


def discrete_calls(kind, mode):
    """uncertainty-calibration with one bin per distinct value."""
    for power, debias in ((1, False), (2, False), (2, True)):
        call = (
            f"calibration.get_binning_ce(y_proba, y_true, p={power}, debias={debias}, "
            f"mode={mode!r})"
        )
        meaning = {"kind": kind, "norm": f"l{power}", "debias": debias}
        yield call, meaning | {"binning": "one bin per distinct value"}, FLOAT64


def mapie_calls(kind, arguments, n_bins):
    """``num_bins=11`` means 10 bins of equal width: it counts the edges."""
    for bins in n_bins:
        for binning in ("uniform", "quantile"):
            call = (
                "mapie.metrics.calibration.expected_calibration_error("
                f"{arguments}, num_bins={bins + 1}, split_strategy={binning!r})"
            )
            meaning = {"kind": kind, "n_bins": bins, "norm": "l1", "binning": binning}
            yield call, meaning, FLOAT64


def mapie_top_label_calls(n_bins):
    for bins in n_bins:
        call = (
            "mapie.metrics.calibration.top_label_ece("
            f"y_true, y_proba, num_bins={bins + 1})"
        )
        kind = "confidence, given the predicted class, mean over classes"
        yield call, {"kind": kind, "n_bins": bins, "norm": "l1"}, FLOAT64


def relplot_calls(data, kind, n_bins):
    for bins in n_bins:
        call = f"relplot.metrics.binnedECE({data}, nbins={bins})"
        yield call, {"kind": kind, "n_bins": bins, "norm": "l1"}, FLOAT64
    # A discretised kernel and a bisection: its steps can be met only if repeated.
    yield f"relplot.metrics.smECE({data})", {"kind": kind, "norm": "smooth"}, FLOAT64


def curve_calls(n_bins):
    for bins in n_bins:
        for strategy in ("uniform", "quantile"):
            call = (
                "sklearn.calibration.calibration_curve("
                f"y_true, y_proba, n_bins={bins}, strategy={strategy!r})"
            )
            meaning = {"kind": "positive", "n_bins": bins, "binning": strategy}
            yield call, meaning | {"returns": "[prob_true, prob_pred]"}, FLOAT64


def proper_score_calls(labels):
    base = "y_true, y_proba"
    for half in (True, False):
        call = (
            f"sklearn.metrics.brier_score_loss({base}, labels={labels}, "
            f"scale_by_half={half})"
        )
        yield call, {"score": "brier", "halved": half}, FLOAT64
    call = f"sklearn.metrics.log_loss({base}, labels={labels})"
    yield call, {"score": "log", "clip": float(np.finfo("f8").eps)}, FLOAT64
    call = (
        f"sklearn.metrics.log_loss(y_true, y_proba.astype(np.float32), labels={labels})"
    )
    yield call, {"score": "log", "clip": float(np.finfo("f4").eps)}, FLOAT32


def binary_calls(case, n_bins):
    """Yield (case, package, calls) for one column of positive-class probabilities."""
    kind, uncertainty_calibration = "positive", "uncertainty-calibration"
    yield case, "torchmetrics", torchmetrics_calls("binary", n_bins, FLOAT64)
    yield case, "netcal", netcal_calls(kind, n_bins)
    yield case, uncertainty_calibration, binned_calls(kind, "marginal", n_bins)
    yield case, uncertainty_calibration, discrete_calls(kind, "marginal")
    yield case, "MAPIE", mapie_calls(kind, "y_true, y_proba", n_bins)
    yield case, "relplot", relplot_calls("y_proba, y_true", kind, n_bins)
    yield case, "scikit-learn", curve_calls(n_bins)
    yield case, "scikit-learn", proper_score_calls("[0, 1]")


def multiclass_calls(case, n_bins, n_classes, rtol):
    """Yield (case, package, calls) for one column per class."""
    kind, uncertainty_calibration = "confidence", "uncertainty-calibration"
    top = ("confidence", "correct")
    classwise = "y_true, y_proba, classwise=True, class_labels=y_true"
    netcal_kind = "positive" if n_classes == 2 else kind
    extra = f"num_classes={n_classes}, "
    yield case, "torchmetrics", torchmetrics_calls("multiclass", n_bins, rtol, extra)
    yield case, "torchmetrics", torchmetrics_calls("binary", n_bins, FLOAT64, "", top)
    yield case, "netcal", netcal_calls(netcal_kind, n_bins)
    yield case, uncertainty_calibration, binned_calls(kind, "top-label", n_bins)
    yield case, uncertainty_calibration, binned_calls("classwise", "marginal", n_bins)
    yield case, "MAPIE", mapie_calls(kind, "correct, confidence", n_bins)
    yield case, "MAPIE", mapie_calls("classwise", classwise, n_bins)
    yield case, "MAPIE", mapie_top_label_calls(n_bins)
    yield case, "relplot", relplot_calls("confidence, correct", kind, n_bins)
    yield case, "scikit-learn", proper_score_calls(str(list(range(n_classes))))


def make_calls():
    """Yield (case, package, calls)."""
    yield from binary_calls("binary", (10, 15))
    yield from binary_calls("binary_dyadic", (8,))
    yield from multiclass_calls("multiclass", (10, 15), 4, FLOAT32)
    yield from multiclass_calls("multiclass_dyadic", (8, 10, 15), 4, EXACT)
    yield from multiclass_calls("two_column", (10, 15), 2, FLOAT32)
    extra = "num_classes=3, ignore_index=255, "
    calls = torchmetrics_calls("multiclass", (10, 15), EXACT, extra)
    yield "segmentation_dyadic", "torchmetrics", calls


# ---------------------------------------------------------------------- output


def edges_in_use(n_bins):
    """The edges each peer computes; they differ in the last bit, and k/10 sits there.

    torch.linspace depends on the processor: with fused multiply-add it is
    step * k below the middle and 1 - step * (n_bins - k) above, rounded once.
    """
    as_floats = {
        "k / n_bins": np.arange(n_bins + 1) / n_bins,
        "numpy.linspace": np.linspace(0, 1, n_bins + 1),
        "torch.linspace float64": torch.linspace(0, 1, n_bins + 1, dtype=torch.float64),
        "torch.linspace float32": torch.linspace(0, 1, n_bins + 1, dtype=torch.float32),
    }
    return {name: np.asarray(edges).tolist() for name, edges in as_floats.items()}


def evaluate(call, y_proba, y_true):
    """Run one recorded call; the value as Python floats, or the error it raises."""
    # __import__("a.b") imports a.b and returns a: what "import a.b" binds.
    names = {module.split(".")[0]: __import__(module) for module in PEERS}
    flat = y_proba.ndim == 1
    names |= {
        "np": np,
        "torch": torch,
        "y_proba": y_proba,
        "y_true": y_true,
        "confidence": y_proba if flat else y_proba.max(axis=1),
        "correct": y_true if flat else (y_proba.argmax(axis=1) == y_true).astype(int),
    }
    try:
        value = eval(call, names)  # the strings are this file's own
    except ValueError as error:  # netcal's quantile edges cannot have ties
        return {"value": None, "raises": f"ValueError: {error}"}
    return {"value": np.asarray(value, dtype=np.float64).tolist()}


def one_entry_per_line(reference):
    """JSON whose diffs are readable: one case, one set of edges, one value a line."""
    blocks = []
    for key, block in reference.items():
        if isinstance(block, list):
            lines, brackets = [json.dumps(entry) for entry in block], "[]"
        else:
            pairs = block.items()
            lines = [f"{json.dumps(name)}: {json.dumps(v)}" for name, v in pairs]
            brackets = "{}"
        body = ",\n".join(lines)
        blocks.append(f"{json.dumps(key)}: {brackets[0]}\n{body}\n{brackets[1]}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def main():
    cases = make_cases()
    values = [
        {
            "case": case,
            "package": package,
            "call": call,
            "meaning": meaning,
            "rtol": rtol,
            **evaluate(call, *cases[case]),
        }
        for case, package, calls in make_calls()
        for call, meaning, rtol in calls
    ]
    reference = {
        "versions": {"python": python_version()}
        | {name: version(name) for name in sorted({*PEERS.values(), "numpy", "torch"})}
        | {"torch's CPU capability": torch.backends.cpu.get_cpu_capability()},
        "edges": {str(n_bins): edges_in_use(n_bins) for n_bins in (8, 10, 15)},
        "cases": {
            name: {
                "y_proba": y_proba.tolist(),
                "y_true": y_true.tolist(),
                "dtype": str(y_proba.dtype),
            }
            for name, (y_proba, y_true) in cases.items()
        },
        "values": values,
    }
    sys.stdout.write(one_entry_per_line(reference))


if __name__ == "__main__":
    main()
