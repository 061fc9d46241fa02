"""What the methods of one network share: its size, its training, its rival.

Predictions are judged by the density that they give to the test values.  Gaussians of a
predicted variance lose there by a few rows that lie many of their deviations off, which
is why the methods take the heavier tails of Student's t.  So may the rival.
"""

import numpy as np
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import CosineAnnealingLR

from skuq.deep import HeteroscedasticRegressor, predictive_log_likelihood

N_STEPS = 4000
BATCH_SIZE = 100
DECAYS = (1e-3, 1e-2)  # of networks whose weights have no prior


def training(split, n_steps=N_STEPS):
    """One hidden layer as in the papers, a falling learning rate."""
    n_epochs = n_epochs_of(split, n_steps)
    return {
        "hidden_layer_sizes": (100,) if split.name == "protein" else (50,),
        "max_epochs": n_epochs,
        "batch_size": BATCH_SIZE,
        "net_params": net_params(n_epochs),
        "random_state": split.seed,
    }


def n_epochs_of(split, n_steps):
    """So many that there are about `n_steps`; fewer if there are few rows."""
    n_batches = -(-len(split.X) // BATCH_SIZE)
    return int(np.clip(n_steps // n_batches, 20, n_steps // 10))


def net_params(n_epochs, decay=0.0):
    """A learning rate that falls along a cosine, and weights that shrink."""
    schedule = LRScheduler(CosineAnnealingLR, T_max=n_epochs)
    return {
        "callbacks": [("schedule", schedule)],
        "optimizer__weight_decay": decay,
        "optimizer__fused": True,
    }


def decays(split):
    """`net_params` for each strength of the weight decay."""
    return [net_params(n_epochs_of(split, N_STEPS), decay) for decay in DECAYS]


def chosen(model, grid, split):
    """The values in `grid` that do best on a tenth of the training rows."""
    tenth = ShuffleSplit(1, test_size=0.1, random_state=split.seed)
    search = GridSearchCV(
        model,
        grid,
        scoring=predictive_log_likelihood,
        cv=tenth,
        refit=False,
        error_score="raise",
    )
    return search.fit(split.X, split.y).best_params_


def scores(model, split):
    """RMSE and NLL of a model, and the NLL of the same network with one variance."""
    rival = HeteroscedasticRegressor(homoscedastic=True, **training(split))
    grid = {"net_params": decays(split), "likelihood": ["gaussian", "student_t"]}
    own = tested(model, split)
    other = tested(rival.set_params(**chosen(rival, grid, split)), split)["NLL"]
    return own | {"NLL with one variance": other, "gain": other - own["NLL"]}


def tested(model, split):
    """Train a model, and score it on the test rows."""
    model.fit(split.X, split.y)
    errors = model.predict(split.X_test) - split.y_test
    likelihood = predictive_log_likelihood(model, split.X_test, split.y_test)
    return {"RMSE": float(np.sqrt(np.mean(errors**2))), "NLL": -likelihood}
