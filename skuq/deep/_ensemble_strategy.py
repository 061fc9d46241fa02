"""How an ensemble is trained: what can be stacked, and what is worth it."""

import numpy as np
import torch
from skorch.callbacks import (
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
)
from skorch.dataset import Dataset
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from skuq._core._arrays import is_torch_array
from skuq._core._checks import check_option
from skuq.deep._ensemble_nets import as_tensor, initialised, stream
from skuq.deep._loss_of_many import LossOfMany
from skuq.deep._stack import Stack
from skuq.exceptions import InputError

STRATEGIES = ("auto", "stacked", "joblib", "loop")

# Callbacks that do nothing in between the steps of an epoch.
CALLBACKS = {
    *(EarlyStopping, EpochScoring, EpochTimer, LRScheduler),
    *(PassthroughScoring, PrintLog, ProgressBar),
}
# Optimisers whose steps look at each weight alone.
OPTIMIZERS = {
    getattr(torch.optim, name)
    for name in (
        *("ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax"),
        *("NAdam", "RAdam", "RMSprop", "Rprop", "SGD"),
    )
}
# Methods of skorch that stacked training goes around.
METHODS = (
    *("fit_loop", "get_iterator", "initialize_optimizer", "infer", "partial_fit"),
    *("run_single_epoch", "train_step", "train_step_single"),
)
LOADER_OPTIONS = {"batch_size", "drop_last", "num_workers", "pin_memory", "shuffle"}
CONVOLUTIONS = nn.modules.conv._ConvNd


def resolved(strategy, recipe, X, y, n_members, n_jobs):
    """The strategy that a name stands for.

    "auto" stacks two or more nets that `obstacle` says nothing against, unless they
    convolve on a CPU, where stacks of kernels are slow.  The rest is a loop, or
    processes if `n_jobs` asks for them.
    """
    check_option("strategy", strategy, STRATEGIES)
    separate = "loop" if n_jobs in (None, 1) else "joblib"
    if strategy == "auto" and (n_members < 2 or slow_when_stacked(recipe)):
        return separate
    if strategy in ("auto", "stacked"):
        reason = obstacle(recipe, X, y)
        if reason is None:
            return "stacked"
        if strategy == "stacked":
            raise InputError(
                f"strategy='stacked' is not possible: {reason}. Use strategy='auto', "
                "'loop' or 'joblib'."
            )
        return separate
    return strategy


def slow_when_stacked(recipe):
    """Whether this is a net that convolves on a CPU, or no net at all."""
    if not recipe.of_nets:
        return True
    with stream(0, recipe.device):
        module = recipe.estimator.initialized_instance(
            recipe.estimator.module, recipe.estimator.get_params_for("module")
        )
    convolves = any(isinstance(part, CONVOLUTIONS) for part in module.modules())
    return convolves and torch.device(recipe.device).type == "cpu"


def obstacle(recipe, X, y):
    """Why members cannot be trained as a stack; None if they can."""
    if not recipe.of_nets:
        return f"{type(recipe.estimator).__name__} is not a net of skorch"
    if recipe.fit_params:
        return f"fit parameters {sorted(recipe.fit_params)} are for single nets"
    if not (isinstance(X, np.ndarray) or is_torch_array(X)) or y is None:
        return "it needs X and y as arrays"
    with stream(0, recipe.device):
        net = initialised(recipe.estimator, X)
        if recipe.bootstrap and getattr(net.train_split, "stratified", False):
            return "stratified validation parts of bootstrap samples differ in size"
        return of_parts(net) or of_callbacks(net) or of_vmap(recipe, net, X, y)


def of_parts(net):
    """What in a net a stack does not honour."""
    for name in METHODS:
        if not getattr(type(net), name).__module__.startswith("skorch."):
            return f"{type(net).__name__} has a {name} of its own"
    if net.device is None:
        return "device=None leaves its module wherever it is"
    if net.optimizer not in OPTIMIZERS:
        return f"{net.optimizer.__name__} looks at all weights of a net together"
    if any(True for _ in net.criterion_.parameters()):
        return "the criterion has weights"
    if net.dataset is not Dataset or net.iterator_train is not DataLoader:
        return "the net has a data set or loader of its own"
    options = net.get_params_for("iterator_train").keys() - LOADER_OPTIONS
    if options:
        return f"the loader has the options {sorted(options)}"
    if getattr(net, "compile", False):
        return "the module is compiled"
    return None


def of_callbacks(net):
    """Which callback a stack does not honour."""
    for name, callback in net.callbacks_:
        if type(callback) not in CALLBACKS:
            return f"the callback {name} may act on single steps"
        if isinstance(callback, EpochScoring) and callback.on_train:
            return f"the callback {name} scores the steps of training"
        if getattr(callback, "policy_", None) is lr_scheduler.ReduceLROnPlateau:
            return f"the callback {name} sets the learning rate of each member"
    return None


def of_vmap(recipe, net, X, y):
    """What goes wrong in a step of a stack of two."""
    x, y = (as_tensor(a[:4]).to(recipe.device) for a in (X, y))
    try:
        stack = Stack([net.module_, net.module_])
        stack.shell.train()
        x, y = (torch.stack([value, value]) for value in (x, y))
        LossOfMany(net)(stack(x), y, x).sum().backward()
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return f"vmap cannot run it ({type(error).__name__}: {lines[0]})"
    return None
