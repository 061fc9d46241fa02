"""Deep ensembles on MNIST: against a single net, Monte Carlo dropout, and the unknown.

Run it with::

    python -m benchmarks.mnist --data DIR [--epochs N] [--seeds N] [--picture FILE]

The network of Lakshminarayanan et al. 2017: three layers of 200 units with batch
normalisation.  Of 3 to 10 epochs, a single net trained on 50,000 digits has the least
log loss on the other 10,000 of the training set after 5, which is the default: longer
training makes a net surer than right.

A cell is the mean over the seeds and its standard error.  The picture shows how the
entropies of the predictions are distributed, for digits, for digits turned by 90
degrees and for noise, with the last seed.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from benchmarks._timing import print_columns, print_setting
from skuq.deep import EnsembleClassifier, MCDropoutWrapper
from skuq.metrics import expected_calibration_error, log_loss
from skuq.uncertainty import entropy

MEMBERS = 5
HEADER = ("model", "error %", "NLL", "ECE %")
DIGITS = (2, 4, 2, 3, 3, 3)  # of the mean of each figure after the point


def main():
    """Train, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of mnist_*.npz")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--picture", help="file to draw the entropies to")
    options = parser.parse_args()
    print_setting(("torch", "skorch", "scikit-learn"))
    (X, y), (X_test, y_test) = (load(options.data, part) for part in ("train", "test"))
    inputs = {
        "digits": X_test,
        "turned": np.rot90(X_test, axes=(1, 2)).copy(),
        "noise": np.random.default_rng(0).random(X_test.shape, dtype=np.float32),
    }
    figures, entropies = defaultdict(list), {}
    for seed in range(options.seeds):
        for name, model in models(options.epochs, seed).items():
            start = time.perf_counter()
            model.fit(X, y)
            seconds = time.perf_counter() - start
            probas = {key: model.predict_proba(x) for key, x in inputs.items()}
            entropies[name] = {key: entropy(p) for key, p in probas.items()}
            doubts = [unsure.mean() for unsure in entropies[name].values()]
            own = [*scores(y_test, probas["digits"]), *doubts, seconds]
            figures[name].append(own)
            print(f"  seed {seed}, {name} done", flush=True)
    print("entropies in nats, mean over samples")
    print_columns([(*HEADER, *inputs, "s"), *map(row, figures, figures.values())])
    if options.picture:
        draw(entropies, options.picture)


def load(folder, part):
    """Images in [0, 1] and labels."""
    with np.load(Path(folder, f"mnist_{part}.npz")) as file:
        images, labels = (file[name] for name in file.files)
    images = images.reshape(-1, 28, 28).astype(np.float32) / 255
    return images, labels.astype(np.int64)


def models(epochs, seed):
    """A single net, Monte Carlo dropout, and ensembles."""
    net = net_of(0.0, epochs)
    shared = {"n_estimators": MEMBERS, "random_state": seed}
    return {
        "single net": EnsembleClassifier(net, n_estimators=1, random_state=seed),
        "MC dropout": MCDropoutWrapper(net_of(0.1, epochs), random_state=seed),
        "ensemble": EnsembleClassifier(net, **shared),
        "ensemble, adversarial": EnsembleClassifier(net, adversarial=True, **shared),
    }


def net_of(p, epochs):
    """The network of the paper, with dropout of rate `p`."""
    return NeuralNetClassifier(
        digits_mlp,
        module__p=p,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=2e-3,
        batch_size=100,
        max_epochs=epochs,
        callbacks=[("schedule", LRScheduler(CosineAnnealingLR, T_max=epochs))],
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def digits_mlp(p):
    """Three layers of 200 units."""
    layers = [nn.Flatten()]
    for n_inputs in (784, 200, 200):
        layers += [nn.Linear(n_inputs, 200), nn.BatchNorm1d(200), nn.ReLU()]
        layers += [nn.Dropout(p)] if p else []
    return nn.Sequential(*layers, nn.Linear(200, 10))


def scores(y, proba):
    """Error and calibration error in percent, and log loss between them."""
    error = 100 * (proba.argmax(axis=1) != y).mean()
    return error, log_loss(y, proba), 100 * expected_calibration_error(y, proba)


def row(name, seeds):
    """The cells of a line: mean and standard error over the seeds, seconds without."""
    *columns, seconds = zip(*seeds, strict=True)
    return (
        name,
        *map(mean_and_error, columns, DIGITS),
        f"{np.mean(seconds):.0f}",
    )


def mean_and_error(values, digits):
    """As text; of one value there is no error."""
    mean, n = np.mean(values), len(values)
    if n == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {np.std(values, ddof=1) / np.sqrt(n):.{digits}f}"


def draw(entropies, path):
    """Densities of the entropies: a panel for each kind of input."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.5), layout="constrained")
    kinds = list(next(iter(entropies.values())))
    panels = figure.subplots(1, len(kinds))
    for axes, kind in zip(panels, kinds, strict=True):
        for name, found in entropies.items():
            axes.hist(found[kind], bins=50, histtype="step", density=True, label=name)
        axes.set(title=kind, xlabel="entropy (nats)", yscale="log")
    panels[0].legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
