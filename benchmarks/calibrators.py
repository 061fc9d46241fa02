"""Calibrators of skuq and their peers: seconds to fit and to predict, log loss reached.

Run ``python -m benchmarks.calibrators [--quick] [--row TEXT]``. Each row is a race on
the same scores: fitted on one half, predicted on the other half, which also gives the
log loss. skuq and scikit-learn take logits, probmetrics takes a tensor of logits where
it is written in torch, else probabilities as do netcal, betacal and venn-abers;
whatever they take is made beforehand. netcal gets float64, since it does not move in
float32. A row with slow peers has fewer samples for all.

The log losses differ where a package penalises, smooths or clips what another does not,
or ends its search early.
"""

import argparse
from functools import partial

import numpy as np

from benchmarks._calibrator_rows import BINARY, MULTICLASS, many_classes, two_classes
from benchmarks._timing import print_columns, print_setting, race

PACKAGES = (
    "numpy",
    "scikit-learn",
    "torch",
    "probmetrics",
    "netcal",
    "betacal",
    "venn-abers",
)
LEAST = 1e-15  # of a probability, so that the log loss is finite
CASES = (
    ("20,000 x 100", partial(many_classes, 20_000, 100), MULTICLASS),
    ("1,000,000 x 10", partial(many_classes, 1_000_000, 10), MULTICLASS),
    ("1,000,000, two classes", partial(two_classes, 1_000_000), BINARY),
)
QUICK_CASES = (
    ("1,000 x 20", partial(many_classes, 1_000, 20), MULTICLASS),
    ("10,000 x 5", partial(many_classes, 10_000, 5), MULTICLASS),
    ("10,000, two classes", partial(two_classes, 10_000), BINARY),
)


def log_loss(proba, labels):
    """Mean of -log p[y], of a table or of the column of the second class."""
    proba = np.asarray(proba, dtype=np.float64)
    if proba.ndim == 2 and proba.shape[1] > 1:
        of_truth = proba[np.arange(len(labels)), labels]
    else:
        of_truth = np.where(labels == 1, proba.ravel(), 1 - proba.ravel())
    return -np.log(np.clip(of_truth, LEAST, 1)).mean()


def race_row(row, title, problem, repeats):
    """Fit all entrants, then let them predict, and print both."""
    n_samples = len(problem.labels[0])
    if row.most is not None and row.most < n_samples:
        problem, title = problem.first(row.most), f"{title}, first {row.most:,}"
    entrants = {name: partial(make, problem) for name, make in row.entrants.items()}
    fits = race(entrants, repeats=repeats)
    fitted = {o.name: o.result for o in fits.outcomes if not o.note}
    calls = {name: partial(lambda call: call, call) for name, call in fitted.items()}
    predictions = {o.name: o for o in race(calls, repeats=repeats).outcomes}
    lines = [("package", "fit s", "x skuq", "predict s", "x skuq", "log loss")]
    pairs = [(fit, predictions.get(fit.name)) for fit in fits.outcomes]
    for fit, prediction in pairs:
        lines.append(_cells(fit, prediction, pairs[0], problem.labels[1]))
    others = "unknown" if fits.others is None else f"{100 * fits.others:.0f} %"
    print(f"\n{row.name}: {title} (other processes: {others} of the machine)")
    print_columns(lines)


def _cells(fit, prediction, first, labels):
    note = fit.note or prediction.note
    if note:
        return (fit.name, "-", "-", "-", "-", note)
    cells = [fit.name]
    for outcome, of_skuq in zip((fit, prediction), first, strict=True):
        known = of_skuq is not None and of_skuq.seconds
        ratio = f"{outcome.seconds / of_skuq.seconds:.2f}" if known else "-"
        cells += [f"{outcome.seconds:.3g}", ratio]
    return (*cells, f"{log_loss(prediction.result, labels):.5f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small arrays, two rounds")
    parser.add_argument("--row", default="", help="only rows whose names hold this")
    options = parser.parse_args()
    print_setting(PACKAGES)
    for title, make_problem, rows in QUICK_CASES if options.quick else CASES:
        chosen = [row for row in rows if options.row in row.name]
        if chosen:
            problem = make_problem()
        for row in chosen:
            race_row(row, title, problem, repeats=2 if options.quick else 3)


if __name__ == "__main__":
    main()
