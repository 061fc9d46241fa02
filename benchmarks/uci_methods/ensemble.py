"""Deep ensembles of networks with a Gaussian head."""

import numpy as np
from torch import nn

from benchmarks._uci import gaussian_scores
from skuq.deep import EnsembleRegressor
from skuq.deep._scaling import standard

SOURCE = (
    "Lakshminarayanan et al. 2017, Table 1: 5 networks of 50 hidden units (100 for "
    "protein), 40 epochs, batches of 100"
)
_TABLE = {
    "boston": (3.28, 1.00, 2.41, 0.25),
    "concrete": (6.03, 0.58, 3.06, 0.18),
    "energy": (2.09, 0.29, 1.38, 0.22),
    "kin8nm": (0.09, 0.00, -1.20, 0.02),
    "naval": (0.00, 0.00, -5.63, 0.05),
    "power": (4.11, 0.17, 2.79, 0.04),
    "protein": (4.71, 0.06, 2.83, 0.02),
    "wine": (0.64, 0.04, 0.94, 0.12),
    "yacht": (1.58, 0.48, 1.18, 0.21),
}
PAPER = {k: {"RMSE": row[:2], "NLL": row[2:]} for k, row in _TABLE.items()}


def score(split):
    """RMSE and NLL of the ensemble, and the mean NLL of its members alone."""
    X, X_test = standardised(split)
    return scores(ensemble(split).fit(X, split.y), X_test, split.y_test)


def standardised(split):
    """Inputs to train on and to test, in units of the first."""
    center, scale = standard(split.X)
    return [((x - center) / scale).astype(np.float32) for x in (split.X, split.X_test)]


def ensemble(split, **options):
    """Five networks, each of which gives a mean and what becomes a variance."""
    n_hidden = 100 if split.name == "protein" else 50
    module = nn.Sequential(
        nn.Linear(split.X.shape[1], n_hidden), nn.ReLU(), nn.Linear(n_hidden, 2)
    )
    return EnsembleRegressor(module, random_state=split.seed, **options)


def scores(model, X, y):
    """The scores of a fitted ensemble on test rows."""
    mean, std = model.predict(X, return_std=True)
    alone = {"NLL of a member": float(np.mean(losses_of_members(model, X, y)))}
    return gaussian_scores(y, mean, std) | alone


def losses_of_members(model, X, y):
    """The mean log loss of each member alone."""
    return np.array(
        [
            gaussian_scores(y, mean, np.sqrt(variance))["NLL"]
            for mean, variance in model.iter_members(X)
        ]
    )
