"""Bayes by Backprop on MNIST: error, calibration, and how many weights it needs.

Run it with::

    python -m benchmarks.mnist_bbb --data DIR [--epochs N]

The network of Blundell et al. 2015: two layers of 400 units, the scale mixture as
prior.  They print an error of 1.36 % after 600 epochs.  Weights are pruned by the ratio
of mean and standard deviation.

Learning rate, initial deviation, the narrow part of the prior and the weight of the
divergence were chosen by the error on 10,000 of the training digits after 20 and 40
epochs on the other 50,000.  With the whole divergence the error falls at first and then
rises again, from 1.56 % of the test digits after 20 epochs to 1.99 % after 100.
"""

import argparse
import copy
import time

import numpy as np
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from benchmarks._timing import print_columns, print_setting
from benchmarks.mnist import load, scores
from skuq.deep import BBBClassifier
from skuq.nn import ScaleMixturePrior

SHARES = (0.5, 0.75, 0.95)  # of the weights that are pruned


def main():
    """Train, then print a line for all weights and for each share that is left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of mnist_*.npz")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print_setting(("torch", "skorch", "scikit-learn"))
    (X, y), (X_test, y_test) = (load(options.data, part) for part in ("train", "test"))
    start = time.perf_counter()
    model = classifier(options.epochs, options.seed).fit(X, y)
    print(f"{options.epochs} epochs in {time.perf_counter() - start:.0f} s")

    def line(name, model):
        error, loss, calibration = scores(y_test, model.predict_proba(X_test))
        return name, f"{error:.2f}", f"{loss:.4f}", f"{calibration:.2f}"

    means = copy.deepcopy(model).set_params(n_samples=0)
    lines = [("weights", "error %", "NLL", "ECE %")]
    lines += [line("mean weights", means), line("30 draws", model)]
    for share in SHARES:
        pruned = copy.deepcopy(model).prune(share)
        lines.append(line(f"30 draws, {share:.0%} pruned", pruned))
    print_columns(lines)


def classifier(epochs, seed):
    """Two layers of 400 units, with a falling learning rate."""
    return BBBClassifier(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 400),
            nn.ReLU(),
            nn.Linear(400, 400),
            nn.ReLU(),
            nn.Linear(400, 10),
        ),
        prior=ScaleMixturePrior(share=0.5, std=1.0, narrow_std=float(np.exp(-7))),
        initial_std=1e-3,
        kl_weight=0.3,
        lr=3e-3,
        max_epochs=epochs,
        batch_size=128,
        net_params={
            "callbacks": [("schedule", LRScheduler(CosineAnnealingLR, T_max=epochs))],
            "optimizer__fused": True,
        },
        random_state=seed,
    )


if __name__ == "__main__":
    main()
