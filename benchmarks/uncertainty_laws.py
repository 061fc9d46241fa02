"""What doubt and noise must do: off the data doubt grows, with more data it shrinks.

Run it with::

    python -m benchmarks.uncertainty_laws --data DIR [--steps N] [--picture FILE]

A network with dropout is trained on 1/16, 1/4 and all of the MNIST digits in
``DIR/mnist_*.npz``, with as many steps each.  Doubt is the mutual information of 30
draws, noise their expected entropy, both in nats; standard errors are over the images.
"""

import argparse
from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import rotate
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from benchmarks._timing import print_columns, print_setting
from benchmarks.mnist import load
from skuq.deep import MCDropoutWrapper

PARTS = {"1/16": 16, "1/4": 4, "all": 1}
ANGLES = range(0, 181, 30)
N_TURNED = 2000  # digits that are turned
BATCH_SIZE = 100


def main():
    """Train, print the tables and the laws, draw the picture."""
    options = parse()
    print_setting(("torch", "skorch", "scikit-learn"))
    (X, y), (X_test, y_test) = (load(options.data, part) for part in ("train", "test"))
    by_rows = {}
    for name, divisor in PARTS.items():
        n = len(X) // divisor
        model = trained(X[:n], y[:n], options.steps)
        by_rows[name] = measured(model, X_test)
        error = 100 * np.mean(model.predict(X_test) != y_test)
        print(f"trained on {name} ({n} rows): error {error:.2f} %", flush=True)
    noise = np.random.default_rng(0).random(X_test.shape, dtype=np.float32)
    by_angle = {
        angle: measured(model, turned(X_test[:N_TURNED], angle)) for angle in ANGLES
    }
    off = {"digits": by_rows["all"], "noise images": measured(model, noise)}
    off |= {f"turned by {a}": found for a, found in by_angle.items() if a}
    print_table("test digits, by the rows of training", by_rows)
    print_table("trained on all rows, by the images", off)
    print_laws(by_rows, off)
    if options.picture:
        draw(by_rows, by_angle, off["noise images"], options.picture)


def trained(X, y, n_steps):
    """MC dropout around a network that takes so many steps."""
    n_epochs = max(1, n_steps * BATCH_SIZE // len(X))
    net = NeuralNetClassifier(
        digits_mlp,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=BATCH_SIZE,
        max_epochs=n_epochs,
        callbacks=[("schedule", LRScheduler(CosineAnnealingLR, T_max=n_epochs))],
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    return MCDropoutWrapper(net, n_samples=30, random_state=0).fit(X, y)


def digits_mlp():
    """Two layers of 200 units with dropout."""
    layers = [nn.Flatten()]
    for n_inputs in (784, 200):
        layers += [nn.Linear(n_inputs, 200), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(200, 10))


def measured(model, images):
    """Mean and standard error of doubt and of noise: ``{"doubt": (m, s), ...}``."""
    parts = model.decompose(images)
    kinds = {"doubt": parts.epistemic, "noise": parts.aleatoric}
    return {
        kind: (float(values.mean()), float(values.std() / np.sqrt(len(values))))
        for kind, values in kinds.items()
    }


def turned(images, angle):
    """Images turned by an angle in degrees, about their middle."""
    return rotate(images, angle, axes=(1, 2), reshape=False, order=1)


def print_table(title, found):
    """Mutual information and expected entropy of each line."""
    rows = [(title, "mutual information", "expected entropy")]
    for name, measures in found.items():
        cells = (f"{m:.4f} ± {s:.4f}" for m, s in measures.values())
        rows.append((name, *cells))
    print_columns(rows)


def print_laws(by_rows, off):
    """Whether each law holds, by more than five standard errors."""
    first, last = by_rows["1/16"], by_rows["all"]
    factor = {kind: last[kind][0] / first[kind][0] for kind in last}
    laws = {
        f"doubt grows on {name}": above(found["doubt"], off["digits"]["doubt"])
        for name, found in off.items()
        if name != "digits"
    }
    laws["doubt shrinks with more data"] = above(first["doubt"], last["doubt"])
    laws["and never grows on the way"] = all(
        not above(after["doubt"], before["doubt"])
        for before, after in pairwise(by_rows.values())
    )
    laws[
        f"noise does not shrink so: x {factor['noise']:.2f}, doubt "
        f"x {factor['doubt']:.2f}"
    ] = factor["noise"] > factor["doubt"]
    for law, holds in laws.items():
        print(f"{'holds' if holds else 'FAILS'}: {law}")


def above(one, other):
    """Whether a mean is above another by five standard errors."""
    (m, s), (n, t) = one, other
    return m - n > 5 * np.hypot(s, t)


def draw(by_rows, by_angle, on_noise, path):
    """Doubt and noise by the rows of training, and by the angle of the digits."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for kind, color in (("doubt", "C1"), ("noise", "C0")):
        label = {"doubt": "mutual information", "noise": "expected entropy"}[kind]
        style = {"color": color, "marker": "o", "capsize": 3}
        for axes, found in ((left, by_rows), (right, by_angle)):
            means, errors = zip(*(f[kind] for f in found.values()), strict=True)
            axes.errorbar(list(found), means, errors, label=label, **style)
        right.axhline(on_noise[kind][0], color=color, linestyle=":")
    right.plot([], [], ":", color="0.3", label="on noise images")
    left.set(xlabel="training rows", ylabel="nats", ylim=(0, None))
    left.set_title("digits: with more data, doubt shrinks")
    right.set(xlabel="angle (degrees)", ylim=(0, None), xticks=list(ANGLES))
    right.set_title("turned digits: off the data, doubt grows")
    right.legend()
    figure.savefig(path, dpi=100)


def parse():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of mnist_*.npz")
    parser.add_argument("--steps", type=int, default=6000, help="steps of training")
    parser.add_argument("--picture", help="file to draw to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
