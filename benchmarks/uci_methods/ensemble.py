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


def score(split, *, adversarial=False):
    """RMSE and NLL of the ensemble, and the mean NLL of its members alone."""
    center, scale = standard(split.X)
    X, X_test = ((x - center) / scale for x in (split.X, split.X_test))
    model = ensemble(split, adversarial).fit(X.astype(np.float32), split.y)
    X_test = X_test.astype(np.float32)
    mean, std = model.predict(X_test, return_std=True)
    members = [
        gaussian_scores(split.y_test, member_mean, np.sqrt(variance))["NLL"]
        for member_mean, variance in model.iter_members(X_test)
    ]
    alone = {"NLL of a member": float(np.mean(members))}
    return gaussian_scores(split.y_test, mean, std) | alone


def ensemble(split, adversarial):
    """Five networks, each of which gives a mean and what becomes a variance."""
    n_hidden = 100 if split.name == "protein" else 50
    module = nn.Sequential(
        nn.Linear(split.X.shape[1], n_hidden), nn.ReLU(), nn.Linear(n_hidden, 2)
    )
    return EnsembleRegressor(module, adversarial=adversarial, random_state=split.number)
