"""What the methods of one network share: its size, its training, its rival."""

import numpy as np
from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import CosineAnnealingLR

from benchmarks._uci import gaussian_scores
from skuq.deep import HeteroscedasticRegressor

N_STEPS = 4000
BATCH_SIZE = 100
DECAY = 1e-3  # of networks whose weights have no prior


def training(split, weight_decay=0.0):
    """One hidden layer as in the papers, about 4000 steps, a falling learning rate."""
    n_batches = -(-len(split.X) // BATCH_SIZE)
    n_epochs = int(np.clip(N_STEPS // n_batches, 20, 400))
    schedule = LRScheduler(CosineAnnealingLR, T_max=n_epochs)
    return {
        "hidden_layer_sizes": (100,) if split.name == "protein" else (50,),
        "max_epochs": n_epochs,
        "batch_size": BATCH_SIZE,
        "net_params": {
            "callbacks": [("schedule", schedule)],
            "optimizer__weight_decay": weight_decay,
        },
        "random_state": split.seed,
    }


def scores(model, split):
    """RMSE and NLL of a model, and the NLL of the same network with one variance."""
    rival = HeteroscedasticRegressor(homoscedastic=True, **training(split, DECAY))
    own, other = (tested(m, split) for m in (model, rival))
    return own | {"NLL with one variance": other["NLL"]}


def tested(model, split):
    """Train a model, and score it on the test rows."""
    mean, std = model.fit(split.X, split.y).predict(split.X_test, return_std=True)
    return gaussian_scores(split.y_test, mean, std)
