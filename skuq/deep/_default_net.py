"""The network of a wrapper, trained: a clone, or a small one sized from the data."""

import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skuq.deep._mlp import mlp
from skuq.deep._scaling import standard
from skuq.deep._torch_base import device_named
from skuq.deep._training import seeded, seeds

N_HIDDEN = 100
RATE = 0.05

TRAINING = {
    "optimizer": torch.optim.Adam,
    "lr": 0.01,
    "max_epochs": 100,
    "iterator_train__shuffle": True,
    "train_split": None,
    "verbose": 0,
}


class Rescale(nn.Module):
    """Brings standardised outputs to the unit of the target."""

    def __init__(self, center, scale):
        super().__init__()
        dtype = torch.get_default_dtype()
        self.register_buffer("center", torch.as_tensor(center, dtype=dtype))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=dtype))

    def forward(self, z):
        """Values in the unit of the target."""
        return z * self.scale + self.center


def trained(estimator, X, y, n_classes, seed, fit_params, *, device=None):
    """A clone of `estimator`, or the network that its name stands for, trained.

    On `device`, or where the network says.
    """
    place = device_named(device or getattr(estimator, "device", "cpu"))
    with seeded(seed, place):
        if estimator == "classifier":
            model = _classifier(X, n_classes)
        elif estimator == "regressor":
            model = _regressor(X, y)
        else:
            model = _seeded_where_free(clone(estimator), seed)
        if device is not None:
            model.set_params(**dict.fromkeys(_named(model, "device"), place))
        return model.fit(X, y, **fit_params)


def _seeded_where_free(model, seed):
    """A model in which no `random_state` is None."""
    params = model.get_params()
    free = [name for name in _named(model, "random_state") if params[name] is None]
    return model.set_params(**dict(zip(free, seeds(seed, len(free)), strict=True)))


def _named(model, word):
    """The parameters of a model and of what is in it that have this name."""
    return sorted(name for name in model.get_params() if name.split("__")[-1] == word)


def _classifier(X, n_classes):
    """A skorch net for this table of inputs."""
    module = _network(X, n_classes)
    return NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, **TRAINING)


def _regressor(X, y):
    """A skorch net for this table of inputs and columns of targets."""
    module = _network(X, y.shape[1]).append(Rescale(*standard(y)))
    return NeuralNetRegressor(module, **TRAINING)


def _network(X, n_outputs):
    """One hidden layer, with dropout before both layers of weights."""
    return mlp(X, n_outputs, (N_HIDDEN,), RATE).insert(1, nn.Dropout(RATE))
