"""Chains of common layers for many modules at once, without the toll of vmap.

Every layer takes ``(n_modules, n_samples, ...)`` and gives each module what it would
get alone.  Other modules go through vmap.
"""

from collections.abc import Callable

import torch
from torch import nn

from skuq.deep._scaling import Standardise
from skuq.deep._stack_kernels import batch_norm_of_many, linear_of_many
from skuq.nn import GaussianHead

ELEMENTWISE = (
    *(nn.CELU, nn.Dropout, nn.ELU, nn.GELU, nn.Hardswish, nn.Hardtanh, nn.Identity),
    *(nn.LeakyReLU, nn.LogSigmoid, nn.Mish, nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU),
    *(nn.Sigmoid, nn.Softplus, nn.Softsign, nn.Tanh),
)


def _apply(layer, state, x):
    return layer(x)


def _linear(layer, state, x):
    return linear_of_many(x, state["weight"], state.get("bias"))


def _batch_norm(layer, state, x):
    if layer.training and layer.track_running_stats:
        state["num_batches_tracked"].add_(1)
    running = layer.track_running_stats
    return batch_norm_of_many(
        x,
        state["running_mean"] if running else None,
        state["running_var"] if running else None,
        state.get("weight"),
        state.get("bias"),
        training=layer.training or layer.running_mean is None,
        momentum=layer.momentum,
        eps=layer.eps,
    )


def _flatten(layer, state, x):
    return x.flatten(2)


def _scaled(layer, state, x):
    """Layers whose buffers are one row of numbers, or a single one."""
    rows = {
        name: value[:, None] if value.ndim > 1 else value[:, None, None]
        for name, value in state.items()
    }
    return torch.func.functional_call(layer, rows, (x,))


LAYERS: dict[type[nn.Module], Callable[..., torch.Tensor]] = {
    nn.Linear: _linear,
    nn.BatchNorm1d: _batch_norm,
    nn.Flatten: _flatten,
    Standardise: _scaled,
    GaussianHead: _scaled,
    **dict.fromkeys(ELEMENTWISE, _apply),
}


def chain_of(module, prefix=""):
    """The layers of nested Sequentials as ``[(prefix, layer)]``; None for all else."""
    if type(module) is nn.Sequential:
        parts = [
            chain_of(part, f"{prefix}{name}.") for name, part in module.named_children()
        ]
        if any(part is None for part in parts):
            return None
        return [layer for part in parts for layer in part]
    known = type(module) in LAYERS and not _is_special(module)
    return [(prefix, module)] if known else None


def _is_special(layer):
    """Whether hooks, other weights or options make a layer more than its type."""
    return bool(
        layer._forward_hooks
        or layer._forward_pre_hooks
        or any(True for _ in layer.children())
        or (isinstance(layer, nn.BatchNorm1d) and layer.momentum is None)
        or (
            isinstance(layer, nn.Flatten)
            and (layer.start_dim, layer.end_dim) != (1, -1)
        )
    )


def run_chain(chain, states, x):
    """The outputs of all modules for ``(n_modules, n_samples, ...)``.

    `states` holds the stacked parameters and buffers of each layer, by their name in
    the layer.
    """
    for (_, layer), state in zip(chain, states, strict=True):
        x = LAYERS[type(layer)](layer, state, x)
    return x
