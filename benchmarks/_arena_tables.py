"""The tables of the arena: ranks, the best of either side, and same method by method.

A contest maps (library, calibrator) to its rows by case.
"""

from collections import Counter, defaultdict

import numpy as np
from scipy.stats import rankdata

from benchmarks._arena_runs import loss
from benchmarks._timing import print_columns

ALLOWED = 0.005  # share by which a log loss may exceed that of the same method's peer
UNCALIBRATED = ("none", "base")

# The same method elsewhere.  The first that takes part counts: on logits, one that took
# logits, too, if there is any.
SAME_METHOD = {
    "none": ("base",),
    "TemperatureScaler": ("TS", "sk-temperature-logits"),
    "VectorScaler": ("VS",),
    "MatrixScaler": ("MS",),
    "StructuredVectorScaler": ("SVS",),
    "StructuredMatrixScaler": ("SMS",),
    "DirichletCalibrator": ("Dirichlet",),
    "EnsembleTemperatureScaler": ("ETS",),
    "PlattCalibrator": ("Platt-logits", "sk-sigmoid-logits"),
    "BetaCalibrator": ("Beta", "bc-abm"),
    "QuadraticCalibrator": ("Quadratic",),
    "SplineCalibrator": ("Spline",),
    "KernelCalibrator": ("Kernel",),
    "IsotonicCalibrator": ("Isotonic",),
    "CenteredIsotonicCalibrator": ("CIR",),
    "HistogramBinningCalibrator": ("Hist-uniform",),
    "ScalingBinningCalibrator": ("Scaling-Binning",),
    "BBQCalibrator": ("BBQ",),
    "VennAbersCalibrator": ("Venn-Abers",),
}


def make_contest(rows, peers):
    """Rows of skuq and of the peers on the same cases.

    Cases that no peer saw are left out if there are others, since a rank among fewer is
    not the same. Returns the contest and the names of the cases.
    """
    ours = {row["case"] for row in rows}
    cases = sorted(ours & {row["case"] for row in peers}) or sorted(ours)
    contest = defaultdict(dict)
    for row in [*rows, *peers]:
        if row["case"] in cases:
            contest[row["library"], row["calibrator"]][row["case"]] = row
    return dict(contest), cases


def mean_losses(contest, names):
    """Losses of some methods on the cases that all of them have: (cases, array)."""
    shared = sorted(set.intersection(*(set(contest[name]) for name in names)))
    table = [[loss(contest[name][case]) for case in shared] for name in names]
    return shared, np.array(table)


def percent(ours, theirs):
    """By how much ours is larger, as text."""
    if not 0 < theirs < np.inf:
        return "-"
    return f"{100 * (ours / theirs - 1):+.2f}"


# -------------------------------------------------------------------------- ranks


def mean_ranks(contest, cases):
    """Mean rank of each method, and on how many cases it was the best."""
    table = np.full((len(contest), len(cases)), np.nan)
    for j, case in enumerate(cases):
        entered = [case in rows for rows in contest.values()]
        losses = [loss(rows[case]) for rows in contest.values() if case in rows]
        table[entered, j] = rankdata(losses)
    best = table == np.nanmin(table, axis=0)
    return np.nanmean(table, axis=1), best.sum(axis=1)


def print_ranks(contest, cases):
    """Print all methods, best first; their names in that order."""
    ranks, best_on = mean_ranks(contest, cases)
    names = list(contest)
    order = np.argsort(ranks, kind="stable")
    header = ("mean rank", "library", "calibrator", "log loss", "Brier", "ECE15 %")
    counts = ("accuracy", "seconds", "best on", "infinite", "failed", "cases")
    lines = [(*header, *counts)]
    for i in order:
        rows = list(contest[names[i]].values())
        averages = _averages(rows, partial=_n_done(rows) < len(cases))
        cells = (f"{ranks[i]:.2f}", *names[i], *averages, str(best_on[i]))
        lines.append((*cells, *_counts(rows)))
    print_columns(lines)
    print("  * not on all cases, so that the averages are of other cases")
    return [names[i] for i in order]


def _n_done(rows):
    return sum(row["status"] == "ok" for row in rows)


def _averages(rows, partial):
    """Means over the cases that did not fail, and seconds of all."""
    columns = ("log_loss", "brier", "ece15", "accuracy")
    done = [
        [row[column] for column in columns] for row in rows if row["status"] == "ok"
    ]
    if not done:
        return ("-",) * 5
    log_loss, brier, ece, accuracy = np.mean(done, axis=0)
    times = [(row["fit_seconds"], row["predict_seconds"]) for row in rows]
    mark = "*" if partial else ""
    cells = (f"{log_loss:.4f}{mark}", f"{brier:.4f}", f"{100 * ece:.2f}")
    return (*cells, f"{accuracy:.4f}", f"{np.nansum(times):.3g}")


def _counts(rows):
    infinite = sum(np.isposinf(row["log_loss_raw"]) for row in rows)
    failed = sum(row["status"] != "ok" for row in rows)
    return str(infinite), str(failed), str(len(rows))


# -------------------------------------------------------------- best against best


def print_best(contest, order):
    """The best of skuq beside the best peer, and the best of each side on each case."""
    names = [name for name in order if name[1] not in UNCALIBRATED]
    sides = [[n for n in names if (n[0] == "skuq") == ours] for ours in (True, False)]
    if not all(sides):
        return
    leaders = [side[0] for side in sides]
    cases, losses = mean_losses(contest, leaders)
    if not cases:
        return
    ours, theirs = losses.mean(axis=1)
    print(
        f"\nbest of skuq {leaders[0][1]}, best peer {leaders[1][1]}: mean log loss "
        f"{ours:.4f} and {theirs:.4f} ({percent(ours, theirs)} %), lower on "
        f"{(losses[0] < losses[1]).sum()} of {len(cases)} cases"
    )
    lines = [("case", "skuq", "peer", "%", "least of skuq", "least of peers", "%")]
    for case, pair in zip(cases, losses.T, strict=True):
        least = [
            min((loss(contest[n][case]), n[1]) for n in side if case in contest[n])
            for side in sides
        ]
        texts = [f"{value:.4f} {name}" for value, name in least]
        ratio = percent(least[0][0], least[1][0])
        pair_texts = [f"{value:.4f}" for value in pair]
        lines.append((case, *pair_texts, percent(*pair), *texts, ratio))
    print_columns(lines)


# --------------------------------------------------------- method against itself


def print_same_methods(contest):
    """Every method of skuq beside its peer, on the cases where neither failed."""
    header = ("calibrator", "peer", "cases", "log loss", "of the peer", "%")
    lines, alone = [(*header, "mean of %", "largest %", "on")], []
    for library, name in contest:
        if library != "skuq":
            continue
        cells = _beside_its_peer(contest, name)
        if cells:
            lines.append((name, *cells))
        else:
            alone.append(name)
    print(f"\nthe same method of a peer (WORSE: by over {100 * ALLOWED:g} %)")
    print_columns(lines)
    if alone:
        print(f"  no such peer, or no common case: {', '.join(alone)}")


def _beside_its_peer(contest, name):
    candidates = SAME_METHOD.get(name, ())
    peers = [key for word in candidates for key in contest if key[1] == word]
    if not peers:
        return None
    inputs = {row["input"] for row in contest["skuq", name].values()}
    same_input = inputs == {"proba"}
    if not same_input:
        peers.sort(key=lambda key: not key[1].endswith("-logits"))  # stable
        same_input = peers[0][1].endswith("-logits")
    cases, losses = mean_losses(contest, [("skuq", name), peers[0]])
    usable = np.isfinite(losses).all(axis=0) & (losses[1:] > 0).all(axis=0)
    if not usable.any():
        return None
    cases, losses = np.array(cases)[usable], losses[:, usable]
    ours, theirs = losses.mean(axis=1)
    ratio = losses[0] / losses[1]
    worst = ratio.argmax()
    mark = "  WORSE" if ours > (1 + ALLOWED) * theirs else ""
    mark = mark if same_input else "  (the peer took probabilities)"
    return (
        peers[0][1],
        str(len(cases)),
        f"{ours:.4f}",
        f"{theirs:.4f}",
        percent(ours, theirs),
        percent(ratio.mean(), 1.0),
        percent(ratio[worst], 1.0),
        cases[worst] + mark,
    )


# ---------------------------------------------------------------------- incidents


def print_incidents(rows):
    """Failures and infinite losses of skuq one by one, warnings by method."""
    failed = [row for row in rows if row["status"] != "ok"]
    infinite = [row for row in rows if np.isposinf(row["log_loss_raw"])]
    print(f"\nskuq: {len(failed)} failures, {len(infinite)} infinite log losses")
    for row in [*failed, *infinite]:
        what = row["status"] if row["status"] != "ok" else "infinite log loss"
        print(f"  {_run_name(row)} on {row['case']}: {what}")
    warned = defaultdict(Counter)
    for row in rows:
        warned[_run_name(row)].update(row["warnings"].keys())
    for name, categories in warned.items():
        for category, n_cases in categories.items():
            print(f"  {name}: {category} on {n_cases} cases")


def _run_name(row):
    return row["calibrator"] + ("-logits" if row["input"] == "logit" else "")
