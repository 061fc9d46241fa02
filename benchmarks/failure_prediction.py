"""Which confidence finds the errors of a network: the table of Corbiere et al. 2019.

Run it with::

    python -m benchmarks.failure_prediction --data DIR [--sets mnist] [--seeds N]
    python -m benchmarks.failure_prediction --seeds 3

For each seed, a classifier is trained as in the paper, and all confidences rate its
answers on the test set.  ``--epochs`` and ``--confidence-epochs`` make it shorter.
Without data there is the table of the user guide: where there is something to learn
among the digits of scikit-learn, and where there is not.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from skorch import NeuralNetClassifier
from torch import nn

from benchmarks._timing import print_columns, print_setting
from skuq.deep import (
    EntropyConfidence,
    MaximumProbabilityConfidence,
    MCDropoutConfidence,
    TCPConfidence,
    TrustScore,
)
from skuq.metrics import error_detection_scores

SCORES = {
    "FPR95": "fpr_at_tpr",
    "AUPR-Error": "aupr_error",
    "AUPR-Success": "aupr_success",
    "AUC": "auroc",
}

# Table 1 of the paper, in the order of SCORES.
PAPER = {
    "mnist": {
        "MCP": (14.87, 37.70, 99.94, 97.13),
        "MC dropout": (15.15, 38.22, 99.94, 97.15),
        "TrustScore": (12.31, 52.18, 99.95, 97.52),
        "TCP": (11.79, 57.37, 99.95, 97.83),
    }
}


def main():
    """Train, rate, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of mnist_*.npz")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--confidence-epochs", type=int, default=100)
    options = parser.parse_args()
    print_setting(("torch", "skorch", "scikit-learn"))
    if options.data is None:
        print_digits(options.seeds)
        return
    for name in options.sets:
        load, network = SETS[name]
        train, test = (load(options.data, part) for part in ("train", "test"))
        print(
            f"\n{name}: {options.seeds} seeds, {options.epochs} epochs of the network, "
            f"{options.confidence_epochs} of TCP; %, mean +- standard error"
        )
        runs = [
            run(network, train, test, seed, options) for seed in range(options.seeds)
        ]
        print_table(runs, PAPER[name])


def run(network, train, test, seed, options):
    """The scores of every confidence for one classifier, with seconds, by name."""
    torch.manual_seed(seed)
    start = time.perf_counter()
    net = network(options.epochs).fit(*train)
    seconds = time.perf_counter() - start
    proba = net.predict_proba(test[0])
    right = [net.score(*part) for part in (train, test)]
    print(
        f"seed {seed}: accuracy {right[0]:.2%} in training, {right[1]:.2%} in test, "
        f"{seconds:.0f} s",
        flush=True,
    )
    found = {}
    for name, model in confidences(net, seed, options.confidence_epochs).items():
        start = time.perf_counter()
        confidence = model.fit(*train).predict_confidence(test[0])
        scores = error_detection_scores(
            test[1], proba, confidence=confidence.astype(np.float64)
        )
        values = [100 * scores[key] for key in SCORES.values()]
        found[name] = (*values, time.perf_counter() - start)
    return found


def confidences(net, seed, epochs):
    """The columns of the paper's table, entropy, and other targets of TCP."""
    learned = {"max_epochs": epochs, "random_state": seed}
    return {
        "MCP": MaximumProbabilityConfidence(net),
        "entropy": EntropyConfidence(net),
        "MC dropout": MCDropoutConfidence(net, random_state=seed),
        "TrustScore": TrustScore(net),
        "TCP": TCPConfidence(net, **learned),
        "TCP, normalized": TCPConfidence(net, target="normalized_tcp", **learned),
        "TCP, error": TCPConfidence(net, target="error", **learned),
    }


def print_table(runs, paper):
    """Mean and standard error over runs, beside the paper's figures."""
    rows = [("confidence", *SCORES, "s", "paper")]
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        *means, seconds = values.mean(axis=0)
        errors = np.full(len(means), np.nan)  # of one run there is none
        if len(runs) > 1:
            errors = values[:, :-1].std(axis=0, ddof=1) / np.sqrt(len(runs))
        pairs = zip(means, errors, strict=True)
        cells = [f"{mean:.2f} +- {error:.2f}" for mean, error in pairs]
        figures = " / ".join(f"{figure:.2f}" for figure in paper.get(name, ()))
        rows.append((name, *cells, f"{seconds:.0f}", figures))
    print_columns(rows)


def print_digits(n_seeds):
    """The largest probability and TCP around classifiers of digits."""
    rows = [("classifier", "random labels", "largest probability", "TCP")]
    for name, make in CLASSIFIERS.items():
        for share in (0.0, 0.1):
            runs = [digits_run(make, share, seed) for seed in range(n_seeds)]
            figures = [f"{mean:.2f}" for mean in np.mean(runs, axis=0)]
            rows.append((name, f"{share:.0%}", *figures))
    print(f"\nAUPR-Error on 797 digits, mean over {n_seeds} seeds")
    print_columns(rows)


def digits_run(make, share, seed):
    """AUPR-Error of both confidences where a share of all labels is random."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(len(y)) < share, rng.integers(10, size=len(y)), y)
    order = rng.permutation(len(y))
    train, test = order[:1000], order[1000:]
    torch.manual_seed(seed)
    model = make().fit(X[train], y[train])
    proba = model.predict_proba(X[test])
    options = {"hidden_layer_sizes": (100, 100), "max_epochs": 30}
    found = []
    for confidence in (
        MaximumProbabilityConfidence(model),
        TCPConfidence(model, **options, random_state=seed),
    ):
        rated = confidence.fit(X[train], y[train]).predict_confidence(X[test])
        scores = error_detection_scores(
            y[test], proba, confidence=rated.astype(np.float64)
        )
        found.append(scores["aupr_error"])
    return found


def digits_mlp():
    """A network with 100 units."""
    return NeuralNetClassifier(
        nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10)),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=30,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


CLASSIFIERS = {
    "naive Bayes": GaussianNB,
    "network with 100 units": digits_mlp,
    "logistic regression": lambda: LogisticRegression(max_iter=1000),
}


def load_mnist(folder, part):
    """Images in [0, 1] as rows, and labels."""
    with np.load(Path(folder, f"mnist_{part}.npz")) as file:
        images, labels = file["images"], file["labels"]
    images = images.reshape(len(images), -1).astype(np.float32) / 255
    return images, labels.astype(np.int64)


def mnist_mlp(epochs):
    """The paper's perceptron 784-1000-10."""
    return NeuralNetClassifier(
        nn.Sequential(
            nn.Linear(784, 1000), nn.ReLU(), nn.Dropout(0.3), nn.Linear(1000, 10)
        ),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=1e-3,
        optimizer__momentum=0.9,
        optimizer__weight_decay=1e-4,
        batch_size=128,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


SETS = {"mnist": (load_mnist, mnist_mlp)}


if __name__ == "__main__":
    main()
