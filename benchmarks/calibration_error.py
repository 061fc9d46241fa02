"""Expected calibration error: skuq and its peers on the same probabilities.

Run ``python -m benchmarks.calibration_error [--data FOLDER] [--quick]``. Top-label ECE
with equal-width bins. torchmetrics gets tensors made beforehand. The packages that take
(confidence, correct) only, find these within the measured call, as the others do.

The values may differ in a late digit: by the closed side of the bins, by the precision
of the sums (torchmetrics: float32), by the mean of the samples at exactly 1.
"""

import argparse
from functools import partial

from benchmarks._data import (
    calibration_error,
    load_logits,
    load_predictions,
    make_proba,
    softmax,
    top_label,
)
from benchmarks._timing import print_setting, print_table, race

PACKAGES = (
    "numpy",
    "torch",
    "torchmetrics",
    "netcal",
    "uncertainty-calibration",
    "MAPIE",
    "relplot",
)
CASES = ((3_000_000, 10), (200_000, 100))
QUICK_CASES = ((100_000, 10), (10_000, 100))


# ----------------------------------------- entrants: columns of class probabilities


def skuq(proba, labels, n_bins):
    from skuq.metrics import expected_calibration_error

    return lambda: expected_calibration_error(labels, proba, n_bins=n_bins)


def skuq_tensor(proba, labels, n_bins):
    import torch

    from skuq.metrics import expected_calibration_error

    tensor, target = torch.from_numpy(proba), torch.from_numpy(labels)
    return lambda: expected_calibration_error(target, tensor, n_bins=n_bins)


def torchmetrics(proba, labels, n_bins, validate_args=True):
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    measure = partial(
        multiclass_calibration_error,
        torch.from_numpy(proba),
        torch.from_numpy(labels),
        num_classes=proba.shape[1],
        n_bins=n_bins,
        validate_args=validate_args,
    )
    return lambda: float(measure())


def netcal(proba, labels, n_bins):
    from netcal.metrics import ECE

    return lambda: ECE(bins=n_bins).measure(proba, labels)


def uncertainty_calibration(proba, labels, n_bins):
    import calibration

    return lambda: float(calibration.get_ece(proba, labels, num_bins=n_bins))


def mapie(proba, labels, n_bins):
    from mapie.metrics.calibration import expected_calibration_error

    def measure():
        confidence, correct = top_label(proba, labels)
        # MAPIE counts the edges, not the bins.
        return expected_calibration_error(correct, confidence, num_bins=n_bins + 1)

    return measure


def relplot(proba, labels, n_bins):
    from relplot.metrics import binnedECE

    return lambda: float(binnedECE(*top_label(proba, labels), nbins=n_bins))


ENTRANTS = {
    "skuq": skuq,
    "skuq, torch tensor": skuq_tensor,
    "torchmetrics": torchmetrics,
    "torchmetrics, unvalidated": partial(torchmetrics, validate_args=False),
    "netcal": netcal,
    "uncertainty-calibration": uncertainty_calibration,
    "MAPIE": mapie,
    "relplot": relplot,
}


# ----------------------------- entrants: confidence, and whether the class is right


def skuq_pairs(confidence, correct, n_bins):
    from skuq.metrics import expected_calibration_error

    return lambda: expected_calibration_error(
        correct, confidence, kind="positive", n_bins=n_bins
    )


def torchmetrics_pairs(confidence, correct, n_bins):
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    preds, target = torch.from_numpy(confidence), torch.from_numpy(correct)
    return lambda: float(binary_calibration_error(preds, target, n_bins=n_bins))


def mapie_pairs(confidence, correct, n_bins):
    from mapie.metrics.calibration import expected_calibration_error

    return lambda: expected_calibration_error(correct, confidence, num_bins=n_bins + 1)


def relplot_pairs(confidence, correct, n_bins):
    from relplot.metrics import binnedECE

    return lambda: float(binnedECE(confidence, correct, nbins=n_bins))


PAIR_ENTRANTS = {
    "skuq": skuq_pairs,
    "torchmetrics": torchmetrics_pairs,
    "netcal": netcal,
    "uncertainty-calibration": uncertainty_calibration,
    "MAPIE": mapie_pairs,
    "relplot": relplot_pairs,
}


# ----------------------------------------------------------------------- the races


def race_on(title, entrants, scores, labels, *, pair, n_bins, repeats):
    """Race, and print every value beside the distance to the ruler's."""
    truth = calibration_error(*pair, n_bins)
    calls = {
        name: partial(make, scores, labels, n_bins) for name, make in entrants.items()
    }
    print_table(
        f"{title}, {n_bins} bins",
        race(calls, repeats=repeats),
        input_bytes=scores.nbytes,
        quality=lambda ece: f"ECE {100 * ece:.5f} %, off by {abs(ece - truth):.0e}",
    )


def race_proba(title, proba, labels, *, n_bins, repeats):
    pair = top_label(proba, labels)
    race_on(title, ENTRANTS, proba, labels, pair=pair, n_bins=n_bins, repeats=repeats)


def race_files(folder, repeats):
    """Every real network, with 15 and 10 bins."""
    for n_bins in (15, 10):
        for name, logits, labels, _, _ in load_logits(folder):
            proba = softmax(logits, axis=1)
            race_proba(name, proba, labels, n_bins=n_bins, repeats=repeats)
        for name, *pair in load_predictions(folder):
            race_on(
                f"{name}: confidence of the top class",
                PAIR_ENTRANTS,
                *pair,
                pair=pair,
                n_bins=n_bins,
                repeats=repeats,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with real networks' predictions")
    parser.add_argument("--quick", action="store_true", help="small arrays, two rounds")
    options = parser.parse_args()
    repeats = 2 if options.quick else 5
    print_setting(PACKAGES)
    for n_samples, n_classes in QUICK_CASES if options.quick else CASES:
        proba, labels = make_proba(n_samples, n_classes)
        title = f"{n_samples:,} x {n_classes:,} float32 probabilities"
        race_proba(title, proba, labels, n_bins=15, repeats=repeats)
    if options.data:
        race_files(options.data, repeats)


if __name__ == "__main__":
    main()
