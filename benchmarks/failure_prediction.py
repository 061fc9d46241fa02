"""Which confidence finds the errors of a network: the table of Corbiere et al. 2019.

Run it with::

    python -m benchmarks.failure_prediction --data DIR [--sets mnist cifar10 camvid]
    python -m benchmarks.failure_prediction --seeds 3

For each seed, a classifier is trained, and all confidences rate its answers on the test
set.  TCP is that of the paper; "residual" is one that starts at the largest
probability.  ``--epochs`` and ``--confidence-epochs`` make it shorter, ``--targets``
adds other targets.  Without data there is the table of the user guide: where there is
something to learn among the digits of scikit-learn, and where there is not.
"""

import argparse
import time

import numpy as np
import torch
from scipy.stats import t as student
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from skorch import NeuralNetClassifier
from torch import nn

from benchmarks._failure_sets import SETS, lesson_of, trained
from benchmarks._timing import print_columns, print_setting
from skuq.deep import (
    EntropyConfidence,
    MaximumProbabilityConfidence,
    MCDropoutConfidence,
    TCPConfidence,
    TrustScore,
)
from skuq.deep._tcp import TARGETS
from skuq.metrics import error_detection_scores

SCORES = {
    "FPR95": "fpr_at_tpr",
    "AUPR-Error": "aupr_error",
    "AUPR-Success": "aupr_success",
    "AUC": "auroc",
}

# Table 1 of the paper, in the order of SCORES; its networks for the last two sets are a
# VGG16 and a SegNet.
PAPER = {
    "mnist": {
        "MCP": (14.87, 37.70, 99.94, 97.13),
        "MC dropout": (15.15, 38.22, 99.94, 97.15),
        "TrustScore": (12.31, 52.18, 99.95, 97.52),
        "TCP": (11.79, 57.37, 99.95, 97.83),
    },
    "cifar10": {
        "MCP": (47.50, 45.36, 99.19, 91.53),
        "MC dropout": (49.02, 46.40, 99.27, 92.08),
        "TrustScore": (55.70, 38.10, 98.76, 88.47),
        "TCP": (44.94, 49.94, 99.24, 92.12),
    },
    "camvid": {
        "MCP": (63.87, 48.53, 96.37, 84.42),
        "MC dropout": (62.95, 49.35, 96.40, 84.58),
        "TCP": (61.52, 50.51, 96.58, 85.02),
    },
}


def main():
    """Train, rate, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of mnist_*.npz, cifar10_jpeg_*.npz, ...")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=["mnist"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="of the classifier")
    parser.add_argument("--confidence-epochs", type=int, help="of TCP")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=["tcp"])
    options = parser.parse_args()
    print_setting(("torch", "skorch", "scikit-learn"))
    if options.data is None:
        print_digits(options.seeds)
        return
    for name in options.sets:
        print_set(name, options)


def print_set(name, options):
    """Train, rate and print the table of one set."""
    benchmark = SETS[name]
    train, test = (benchmark.load(options.data, part) for part in ("train", "test"))
    learned_from = lesson_of(benchmark, options.data, train)
    epochs = options.epochs or benchmark.epochs
    learned = dict(benchmark.confidence)
    if options.confidence_epochs is not None:
        learned["max_epochs"] = options.confidence_epochs
    print(
        f"\n{name}: {options.seeds} seeds, {epochs} epochs of the network, "
        f"{learned['max_epochs']} of TCP, which learns from: {benchmark.lesson}; "
        "%, mean +- standard error"
    )
    runs = []
    for seed in range(options.seeds):
        start = time.perf_counter()
        model = trained(benchmark, train, epochs, seed)
        seconds = time.perf_counter() - start
        right = [model.score(*part) for part in (train, test)]
        print(
            f"seed {seed}: accuracy {right[0]:.2%} in training, "
            f"{right[1]:.2%} in test, {seconds:.0f} s",
            flush=True,
        )
        rating = {"ignore_index": benchmark.void}
        models = confidences(model, seed, options.targets, learned | rating)
        runs.append(rate(models, train, learned_from, test, rating))
        print_columns([(key, *texts(values[:-1])) for key, values in runs[-1].items()])
    print_table(runs, PAPER[name])
    print_intervals(runs)


def rate(models, train, lesson, test, rating):
    """The scores of every confidence in the same answers, with seconds, by name.

    TCP learns from `lesson`, the others from what the classifier was trained on.
    """
    found = {}
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(*lesson if isinstance(model, TCPConfidence) else train)
        confidence = model.predict_confidence(test[0])
        scores = error_detection_scores(
            test[1],
            model.predict_proba(test[0]),
            confidence=confidence.astype(np.float64),
            **rating,
        )
        values = [100 * scores[key] for key in SCORES.values()]
        found[name] = (*values, time.perf_counter() - start)
    return found


def confidences(model, seed, targets, learned):
    """The columns of the paper's table, entropy, and other targets of TCP."""
    baselines = {
        "MCP": MaximumProbabilityConfidence(model),
        "entropy": EntropyConfidence(model),
        "MC dropout": MCDropoutConfidence(model, random_state=seed),
    }
    if learned["ignore_index"] is None:  # distances are for one label per sample
        baselines["TrustScore"] = TrustScore(model)
    learned = learned | {"random_state": seed}
    for target in targets:
        name = "TCP" if target == "tcp" else f"TCP, {target}"
        baselines[name] = TCPConfidence(model, target=target, **learned)
        baselines[f"{name}, residual"] = TCPConfidence(
            model, target=target, residual=True, **learned
        )
    return baselines


def print_table(runs, paper):
    """Mean and standard error over runs, beside the paper's figures."""
    rows = [("confidence", *SCORES, "s", "paper")]
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        *means, seconds = values.mean(axis=0)
        pairs = zip(means, standard_errors(values[:, :-1]), strict=True)
        cells = [f"{mean:.2f} +- {error:.2f}" for mean, error in pairs]
        figures = " / ".join(texts(paper.get(name, ())))
        rows.append((name, *cells, f"{seconds:.0f}", figures))
    print_columns(rows)


def print_intervals(runs):
    """Intervals of 95 % of AUPR-Error, and of what is gained over the baseline."""
    if len(runs) < 2:
        return
    width = student.ppf(0.975, len(runs) - 1)
    place = list(SCORES).index("AUPR-Error")
    rows = [("AUPR-Error", "95 % interval", "less that of MCP, by seed")]
    base = np.array([run["MCP"][place] for run in runs])
    for name in runs[0]:
        values = np.array([run[name][place] for run in runs])
        cells = [
            f"{x.mean() - half:.2f} to {x.mean() + half:.2f}"
            for x in (values, values - base)
            for half in [width * standard_errors(x)]
        ]
        rows.append((name, *cells))
    print_columns(rows)


def standard_errors(values):
    """Of the mean over the first axis; of one run there is none."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def texts(figures):
    """Figures with two digits behind the point."""
    return [f"{figure:.2f}" for figure in figures]


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


if __name__ == "__main__":
    main()
