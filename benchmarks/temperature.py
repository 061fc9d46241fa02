"""Temperature scaling: skuq and its peers fit T on the same logits.

Run ``python -m benchmarks.temperature [--data FOLDER] [--quick]``. Every peer gets the
input it likes best, converted beforehand: scikit-learn's private class saves it the
cross-validation of the public one, probmetrics gets logits as a tensor, netcal, which
takes probabilities only, gets them ready made (and a float64 copy, since its search
does not move in float32).
"""

import argparse
from functools import partial

import numpy as np
from scipy.special import softmax

from benchmarks._data import (
    calibration_error,
    load_logits,
    log_loss,
    make_logits,
    top_label,
)
from benchmarks._timing import print_setting, print_table, race

PACKAGES = ("numpy", "scikit-learn", "torch", "netcal", "probmetrics")
CASES = ((50_000, 1_000), (1_000_000, 10))
PUBLIC_CASE = (20_000, 100)  # small enough for the public class's cross-validation
QUICK_CASES, QUICK_PUBLIC_CASE = ((5_000, 100), (50_000, 10)), (5_000, 20)


# ------------------------------------------------------------- entrants: fit -> T


def skuq(logits, labels):
    from skuq.calibration import TemperatureScaler

    return lambda: TemperatureScaler().fit(logits, labels).temperature_


def skuq_tensor(logits, labels):
    import torch

    from skuq.calibration import TemperatureScaler

    tensor, target = torch.from_numpy(logits), torch.from_numpy(labels)
    return lambda: TemperatureScaler().fit(tensor, target).temperature_


def sklearn_private(logits, labels):
    from sklearn.calibration import _TemperatureScaling

    return lambda: 1 / float(_TemperatureScaling().fit(logits, labels).beta_)


def sklearn_public(logits, labels):
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Identity(ClassifierMixin, BaseEstimator):
        """A classifier whose scores are its input, to get saved logits in."""

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def decision_function(self, X):
            return X

        def predict(self, X):
            return self.classes_[np.argmax(X, axis=1)]

    frozen = FrozenEstimator(Identity().fit(logits, labels))

    def fit():
        model = CalibratedClassifierCV(frozen, method="temperature")
        model.fit(logits, labels)
        return 1 / float(model.calibrated_classifiers_[0].calibrators[0].beta_)

    return fit


def netcal(logits, labels, dtype=np.float32):
    from netcal.scaling import TemperatureScaling

    proba = softmax(logits.astype(dtype), axis=1)

    def fit():
        scaler = TemperatureScaling()
        scaler.fit(proba, labels)
        return 1 / float(np.squeeze(scaler.temperature))  # netcal stores 1 / T

    return fit


def probmetrics(logits, labels):
    import torch
    from probmetrics.calibrators import get_calibrator
    from probmetrics.distributions import CategoricalLogits

    scores = CategoricalLogits(torch.from_numpy(logits))
    target = torch.from_numpy(labels)

    def fit():
        scaler = get_calibrator("temp-scaling").fit_torch(scores, target)
        return 1 / float(scaler.invtemp_)

    return fit


ENTRANTS = {
    "skuq": skuq,
    "skuq, torch tensor": skuq_tensor,
    "scikit-learn _TemperatureScaling": sklearn_private,
    "probmetrics fit_torch": probmetrics,
    "netcal": netcal,
    "netcal, float64": partial(netcal, dtype=np.float64),
}
PUBLIC = {"scikit-learn CalibratedClassifierCV": sklearn_public}


def enter(entrants, logits, labels):
    return {name: partial(make, logits, labels) for name, make in entrants.items()}


# ----------------------------------------------------------------------- the races


def race_synthetic(n_samples, n_classes, entrants, repeats):
    logits, labels = make_logits(n_samples, n_classes)
    result = race(enter(entrants, logits, labels), repeats=repeats)
    found = {outcome.result for outcome in result.outcomes if not outcome.note}
    losses = {T: log_loss(logits, labels, T) for T in found}
    best = min(losses.values(), default=np.nan)
    print_table(
        f"{n_samples:,} x {n_classes:,} float32 logits, true T = 2",
        result,
        input_bytes=logits.nbytes,
        quality=lambda T: f"T = {T:.5f}, NLL above the best {losses[T] - best:.1e}",
    )


def race_network(name, logits, labels, val, test, repeats):
    fit_logits, fit_labels = logits[val], labels[val]
    test_logits, test_labels = logits[test].astype(np.float64), labels[test]

    def measured(T):
        top = top_label(softmax(test_logits / T, axis=1), test_labels)
        ece15, ece10 = (100 * calibration_error(*top, bins) for bins in (15, 10))
        nll = log_loss(test_logits, test_labels, T)
        return f"NLL {nll:.4f}, ECE15 {ece15:.2f} %, ECE10 {ece10:.2f} %"

    print_table(
        f"{name}: fitted on {len(val):,} rows, measured on {len(test):,}; "
        f"before: {measured(1.0)}",
        race(enter(ENTRANTS, fit_logits, fit_labels), repeats=repeats),
        input_bytes=fit_logits.nbytes,
        quality=lambda T: f"T = {T:.4f}, {measured(T)}",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with logits/*.npz for real networks")
    parser.add_argument("--quick", action="store_true", help="small arrays, two rounds")
    options = parser.parse_args()
    repeats = 2 if options.quick else 5
    print_setting(PACKAGES)
    for n_samples, n_classes in QUICK_CASES if options.quick else CASES:
        race_synthetic(n_samples, n_classes, ENTRANTS, repeats)
    small = QUICK_PUBLIC_CASE if options.quick else PUBLIC_CASE
    race_synthetic(*small, ENTRANTS | PUBLIC, repeats)
    if options.data:
        for network in load_logits(options.data):
            race_network(*network, repeats)


if __name__ == "__main__":
    main()
