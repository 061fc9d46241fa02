"""The nets of an ensemble: those behind `estimator`, and a new one for a member."""

from contextlib import contextmanager

import numpy as np
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import LRScheduler
from torch import nn
from torch.nn.parameter import UninitializedParameter
from torch.optim.lr_scheduler import CosineAnnealingLR

from skuq.deep._mlp import mlp
from skuq.deep._scaling import standard
from skuq.deep._torch_base import evaluating
from skuq.deep._training import seeded
from skuq.exceptions import InputError
from skuq.nn import BetaNLLLoss, GaussianHead

N_HIDDEN = 100
EPOCHS = 40
# The paper's, with a learning rate that falls to 0: a fixed one leaves noise behind.
TRAINING = {
    "optimizer": torch.optim.Adam,
    "lr": 0.01,
    "batch_size": 100,
    "max_epochs": EPOCHS,
    "callbacks": [("schedule", LRScheduler(CosineAnnealingLR, T_max=EPOCHS))],
    "train_split": None,
    "verbose": 0,
}


def is_module(estimator):
    """Whether this is a module of torch, or a class of modules."""
    return isinstance(estimator, nn.Module) or (
        isinstance(estimator, type) and issubclass(estimator, nn.Module)
    )


def is_net(estimator):
    """Whether this is a net of skorch."""
    return isinstance(estimator, NeuralNet)


def net_in(estimator):
    """The net at the end of a pipeline; anything else itself."""
    ends = isinstance(estimator, Pipeline) and is_net(estimator[-1])
    return estimator[-1] if ends else estimator


def classifier_net(module, X, n_classes):
    """A net around a module for classes, or a net of one's own size for a table."""
    if module is None:
        module = mlp(X, n_classes, (N_HIDDEN,))
    return NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, **TRAINING)


def regressor_net(module, X, y, beta):
    """A net around a module for values `(n_samples, n_outputs)`, or one of our size.

    A module that gives twice as many numbers as there are outputs gets a Gaussian head,
    which works in the unit of the target.
    """
    if module is None:
        module = mlp(X, 2 * y.shape[1], (N_HIDDEN,))
    if isinstance(module, type):
        module = module()
    output = trial_output(module, X)
    if isinstance(output, tuple):
        return NeuralNetRegressor(
            module, criterion=BetaNLLLoss, criterion__beta=beta, **TRAINING
        )
    if output.shape[-1] == y.shape[1]:
        return NeuralNetRegressor(module, **TRAINING)
    if output.shape[-1] != 2 * y.shape[1]:
        raise InputError(
            f"the module gives {output.shape[-1]} numbers for {y.shape[1]} outputs: "
            "give one for each, or two, a mean and what becomes a variance."
        )
    return NeuralNetRegressor(
        nn.Sequential(module, GaussianHead(*standard(y))),
        criterion=BetaNLLLoss,
        criterion__beta=beta,
        **TRAINING,
    )


def trial_output(module, X):
    """What a module gives for two samples, without any trace."""
    with torch.random.fork_rng(devices=[]), torch.no_grad(), evaluating(module):
        return module(as_tensor(X[:2]))


def prepared(net):
    """A clone that shuffles its samples, unless it says how they come."""
    net = clone(net)
    said = net.get_params(deep=False)
    if not any(f"iterator_train__{key}" in said for key in ("shuffle", "sampler")):
        net.set_params(iterator_train__shuffle=True)
    return net


def initialised(net, X):
    """A clone of a prepared net with new random weights."""
    net = clone(net).initialize()
    if any(isinstance(p, UninitializedParameter) for p in net.module_.parameters()):
        next(net.forward_iter(X[:2]))
    if net.module_ is net.module:  # an instance, which brings weights of its own
        reset_weights(net.module_)
    return net


def reset_weights(module):
    """New random weights, from torch's generator."""
    for name, part in module.named_modules():
        reset = getattr(part, "reset_parameters", None)
        reset = reset or getattr(part, "_reset_parameters", None)
        if reset is not None:
            reset()
        elif next(part.parameters(recurse=False), None) is not None:
            raise InputError(
                f"the part {name or 'itself'!r} of the module, "
                f"{type(part).__name__}, holds weights and has no reset_parameters: "
                "pass the class of the module to skorch, not an instance, so that "
                "every member gets weights of its own."
            )


@contextmanager
def stream(seed, device):
    """The global generators of torch and numpy at `seed`, and afterwards as before."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        with seeded(seed, device):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def as_tensor(values):
    """An array as a tensor, which shares its memory where that may be written to."""
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = values.copy()
    return torch.as_tensor(values)
