"""The regression sets of UCI with their official splits, and how a method is scored."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from skuq.metrics import gaussian_log_loss

SETS = (
    *("boston", "concrete", "energy", "kin8nm", "naval"),
    *("power", "protein", "wine", "yacht"),
)


class Split(NamedTuple):
    """One official split of one set, in the units of the source, and a seed."""

    name: str
    seed: int
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def load_splits(folder, name, n_splits=None, n_seeds=1):
    """Yield the first `n_splits` splits of ``folder/uci/name.npz``, or all.

    Each of them `n_seeds` times, with another seed.
    """
    with np.load(Path(folder, "uci", f"{name}.npz")) as file:
        X, y, available = file["X"], file["y"], int(file["n_splits"])
        for i in range(min(available, n_splits or available)):
            train, test = file[f"train_{i:02d}"], file[f"test_{i:02d}"]
            parts = X[train], y[train], X[test], y[test]
            for seed in range(i, i + n_seeds * available, available):
                yield Split(name, seed, *parts)


def gaussian_scores(y, mean, std):
    """RMSE and mean negative log-likelihood of Gaussians, in the unit of `y`."""
    y, mean, std = (np.asarray(a, dtype=np.float64) for a in (y, mean, std))
    error = float(np.sqrt(np.mean((y - mean) ** 2)))
    return {"RMSE": error, "NLL": gaussian_log_loss(y, mean, std)}
