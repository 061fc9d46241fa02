"""Bayesian networks made of others."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from skuq.exceptions import InputError
from skuq.nn._bayes_conv import BayesConv1d, BayesConv2d, BayesConv3d
from skuq.nn._bayes_layer import INITIAL_STD, BayesLayer
from skuq.nn._bayes_linear import BayesLinear
from skuq.nn._priors import Prior

CONVOLUTIONS = {
    nn.Conv1d: BayesConv1d,
    nn.Conv2d: BayesConv2d,
    nn.Conv3d: BayesConv3d,
}
LINEAR_OPTIONS = ("in_features", "out_features")
CONV_OPTIONS = (
    *("in_channels", "out_channels", "kernel_size", "stride"),
    *("padding", "dilation", "groups", "padding_mode"),
)


def to_bayesian(
    module: nn.Module,
    *,
    layers: Sequence[str] | str | None = None,
    prior: Prior | None = None,
    weight_sampling: str = "local",
    initial_std: float = INITIAL_STD,
    keep_weights: bool = False,
) -> nn.Module:
    """A copy of a network in which layers are Bayesian.

    Parameters
    ----------
    module : torch.nn.Module
        The network, or a single layer; it stays as it is.
    layers : list of str or "last", default=None
        Names of the layers, as in ``module.named_modules()``, or the last alone; None
        for all that are `nn.Linear`, `nn.Conv1d`, `nn.Conv2d` or `nn.Conv3d`.
    prior : GaussianPrior, ScaleMixturePrior or LaplacePrior, default=None
        Of weights and biases; None is a Gaussian of standard deviation 1.
    weight_sampling : {"local", "weights", "flipout"}, default="local"
        How noise is drawn during training, as in `BayesLinear`.
    initial_std : float, default=0.005
        Standard deviation of all weights before training.
    keep_weights : bool, default=False
        Start the means at the weights of the network, which was trained; else at new
        random ones.  Layers that do not become Bayesian keep theirs in any case.

    Returns
    -------
    twin : torch.nn.Module
        With Bayesian layers under the same names.

    Raises
    ------
    skuq.exceptions.InputError
        If there is no such layer, or a name is not that of one.

    See Also
    --------
    kl_divergence : The other half of the loss.
    weight_draw : Draws at prediction.

    Notes
    -----
    A layer that occurs several times stays one layer.  Subclasses, such as lazy layers
    or those inside `nn.MultiheadAttention`, stay as they are.

    Examples
    --------
    >>> from torch import nn
    >>> from skuq.nn import to_bayesian
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> to_bayesian(net, layers="last")
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): BayesLinear(8, 2, bias=True, prior=GaussianPrior(std=1.0, mean=0.0))
    )
    """
    twin = deepcopy(module)
    options = {
        "prior": prior,
        "weight_sampling": weight_sampling,
        "initial_std": initial_std,
    }
    made: dict[nn.Module, BayesLayer] = {}
    for name in _chosen(twin, layers):
        layer = twin.get_submodule(name)
        if layer not in made:
            made[layer] = _bayesian(layer, options, keep_weights)
        if not name:
            return made[layer]
        path, _, child = name.rpartition(".")
        setattr(twin.get_submodule(path), child, made[layer])
    return twin


def _chosen(module: nn.Module, layers: Sequence[str] | str | None) -> list[str]:
    """Names of the layers to replace, all names of each."""
    kinds = (nn.Linear, *CONVOLUTIONS)
    # Exact types: a subclass may do something else with its weights.
    found = [
        name
        for name, part in module.named_modules(remove_duplicate=False)
        if type(part) in kinds
    ]
    if not found:
        raise InputError(
            f"{type(module).__name__} has no linear or convolutional layer that could "
            "become Bayesian."
        )
    if layers is None:
        return found
    if layers == "last":
        last = module.get_submodule(found[-1])
        return [name for name in found if module.get_submodule(name) is last]
    names = [layers] if isinstance(layers, str) else list(layers)
    if unknown := sorted(set(names) - set(found)):
        raise InputError(
            f"layers names {unknown}, which are no linear or convolutional layers: "
            f"choose from {found}."
        )
    same = {module.get_submodule(name) for name in names}
    return [name for name in found if module.get_submodule(name) in same]


def _bayesian(layer: Any, options: dict[str, Any], keep_weights: bool) -> BayesLayer:
    linear = isinstance(layer, nn.Linear)
    make: Callable[..., BayesLayer]
    make = BayesLinear if linear else CONVOLUTIONS[type(layer)]
    shape = {
        name: getattr(layer, name)
        for name in (LINEAR_OPTIONS if linear else CONV_OPTIONS)
    }
    place = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    twin = make(**shape, bias=layer.bias is not None, **options, **place)
    if keep_weights:
        with torch.no_grad():
            twin.weight_mean.copy_(layer.weight)
            if twin.bias_mean is not None:
                twin.bias_mean.copy_(layer.bias)
    return twin.train(layer.training)
