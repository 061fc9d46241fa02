"""Bayesian networks: their divergence, their draws, their pruning."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skuq.exceptions import InputError
from skuq.nn._bayes_layer import BayesLayer, divergence_of


def kl_divergence(module: nn.Module) -> Tensor:
    """Divergence of the weights of all Bayesian layers from their priors.

    Parameters
    ----------
    module : torch.nn.Module
        A network with Bayesian layers, or one of them.

    Returns
    -------
    divergence : torch.Tensor of shape ()
        Sum over all weights and biases, in nats.

    Raises
    ------
    skuq.exceptions.InputError
        If there is no Bayesian layer.

    See Also
    --------
    to_bayesian : Makes such networks.
    kl_weights : Its share for each batch.

    Notes
    -----
    It belongs to the log-likelihood of the whole training set: beside a loss that is a
    mean over samples, divide it by their number.

    Examples
    --------
    A training loop, with `n` samples in all:

    >>> import torch
    >>> from skuq.nn import kl_divergence, to_bayesian
    >>> net = to_bayesian(torch.nn.Linear(3, 1))
    >>> optimizer = torch.optim.Adam(net.parameters())
    >>> X, y, n = torch.zeros(5, 3), torch.ones(5, 1), 5
    >>> loss = 0.5 * (net(X) - y).square().mean() + kl_divergence(net) / n
    >>> loss.backward()
    >>> optimizer.step()
    """
    return _sum_of_divergences(bayes_layers(module), {})


def forward_with_kl(module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Tensor]:
    """What a network gives, and the divergence of its weights, in one pass over them.

    Parameters
    ----------
    module : torch.nn.Module
        A network with Bayesian layers.
    *args, **kwargs
        Its input.

    Returns
    -------
    output : object
        ``module(*args, **kwargs)``.
    divergence : torch.Tensor of shape ()
        What `kl_divergence` gives, in nats.

    Raises
    ------
    skuq.exceptions.InputError
        If there is no Bayesian layer.

    See Also
    --------
    kl_divergence : The second alone.

    Notes
    -----
    Linear layers that draw by "local" spare the second pass over their weights, forward
    and backward.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import forward_with_kl, to_bayesian
    >>> net = to_bayesian(torch.nn.Linear(3, 1))
    >>> X, y, n = torch.zeros(5, 3), torch.ones(5, 1), 5
    >>> out, divergence = forward_with_kl(net, X)
    >>> loss = 0.5 * (out - y).square().mean() + divergence / n
    >>> loss.backward()
    """
    layers = bayes_layers(module)
    found: dict[BayesLayer, Tensor] = {}
    for layer in layers:
        layer._found = None if _has_own_divergence(layer) else found
    try:
        output = module(*args, **kwargs)
    finally:
        for layer in layers:
            layer._found = None
    return output, _sum_of_divergences(layers, found)


def _sum_of_divergences(
    layers: list[BayesLayer], found: dict[BayesLayer, Tensor]
) -> Tensor:
    """Over all layers, of which some are found already."""
    terms, plain = [], []
    for layer in layers:
        if layer in found:
            terms.append(found[layer])
        elif _has_own_divergence(layer):
            terms.append(layer.kl_divergence())
        else:
            plain.append(layer)
    if plain:
        terms.append(divergence_of(plain))
    return torch.stack(terms).sum()


def _has_own_divergence(layer: BayesLayer) -> bool:
    """Whether it is a subclass of the user's, with another one."""
    return type(layer).kl_divergence is not BayesLayer.kl_divergence


@contextmanager
def weight_draw(module: nn.Module, draw: int, *, seed: int = 0) -> Iterator[nn.Module]:
    """Give all Bayesian layers one draw of their weights, for the time of a block.

    Parameters
    ----------
    module : torch.nn.Module
        A network with Bayesian layers.
    draw : int
        Number of the draw, at least 0: each number is another draw.
    seed : int, default=0
        Of all draws, at least 0.

    Yields
    ------
    module : torch.nn.Module
        The same network, which is now one function of its input.

    See Also
    --------
    to_bayesian : Makes such networks.

    Notes
    -----
    The draw depends on its number, the seed and the kind of device alone.  Torch's
    global generators are not touched.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import to_bayesian, weight_draw
    >>> net = to_bayesian(torch.nn.Linear(3, 1)).eval()
    >>> with torch.no_grad(), weight_draw(net, 0):
    ...     same = torch.equal(net(torch.ones(1, 3)), net(torch.ones(1, 3)))
    >>> same
    True
    """
    layers = bayes_layers(module)
    state = np.random.SeedSequence([seed, draw]).generate_state(1, np.uint64)
    generators: dict[torch.device, torch.Generator] = {}
    try:
        for layer in layers:
            device = layer.weight_mean.device
            if device not in generators:
                generators[device] = torch.Generator(device).manual_seed(int(state[0]))
            layer.hold(generators[device])
        yield module
    finally:
        for layer in layers:
            layer.release()


@torch.no_grad()
def prune_weights(module: nn.Module, fraction: float) -> int:
    """Set the weights to 0 that are least sure not to be 0.

    Parameters
    ----------
    module : torch.nn.Module
        A network with Bayesian layers; it is changed.
    fraction : float in [0, 1]
        Share of the weights, over all Bayesian layers together; biases stay.

    Returns
    -------
    n_weights : int
        How many weights are 0 now.

    See Also
    --------
    posterior_summary : The ratios by which they are ranked.

    Notes
    -----
    Weights are ranked by ``|mean| / std`` [1]_.  A pruned weight has mean and standard
    deviation 0.  Prune after training: further steps keep its deviation at 0, but move
    its mean.

    References
    ----------
    .. [1] C. Blundell, J. Cornebise, K. Kavukcuoglu and D. Wierstra, "Weight
       Uncertainty in Neural Networks", ICML 2015. https://arxiv.org/abs/1505.05424

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import prune_weights, to_bayesian
    >>> net = to_bayesian(torch.nn.Linear(4, 2))
    >>> prune_weights(net, 0.75)
    6
    >>> int((net.weight_mean != 0).sum())
    2
    """
    if not 0 <= fraction <= 1:
        raise InputError(f"fraction must lie in [0, 1], got {fraction!r}.")
    layers = bayes_layers(module)
    ratios = torch.cat([_ratio(layer).flatten().cpu() for layer in layers])
    n_pruned = round(fraction * len(ratios))
    lost = torch.zeros(len(ratios), dtype=torch.bool)
    lost[ratios.argsort(stable=True)[:n_pruned]] = True
    sizes = [layer.weight_mean.numel() for layer in layers]
    for layer, part in zip(layers, lost.split(sizes), strict=True):
        mask = part.reshape(layer.weight_mean.shape).to(layer.weight_mean.device)
        layer.weight_mean.masked_fill_(mask, 0.0)
        layer.weight_rho.masked_fill_(mask, -torch.inf)
    return n_pruned


@torch.no_grad()
def posterior_summary(module: nn.Module) -> dict[str, dict[str, float]]:
    """The Gaussians of the weights, layer by layer.

    Parameters
    ----------
    module : torch.nn.Module
        A network with Bayesian layers.

    Returns
    -------
    summary : dict of str to dict
        For each layer, by its name: "n_weights"; "mean_abs", the mean size of a mean;
        "mean_std"; "kl_divergence", with the bias, in nats; and "ratio_25", "ratio_50"
        and "ratio_75", the quartiles of ``|mean| / std``.

    See Also
    --------
    prune_weights : Sets weights with a small ratio to 0.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import posterior_summary, to_bayesian
    >>> summary = posterior_summary(to_bayesian(torch.nn.Linear(4, 2)))
    >>> summary[""]["n_weights"], round(summary[""]["mean_std"], 3)
    (8, 0.005)
    """
    bayes_layers(module)
    return {
        name: _summary(layer)
        for name, layer in module.named_modules()
        if isinstance(layer, BayesLayer)
    }


def bayes_layers(module: nn.Module) -> list[BayesLayer]:
    """The Bayesian layers of a network, each once; there must be one."""
    layers = [part for part in module.modules() if isinstance(part, BayesLayer)]
    if not layers:
        raise InputError(
            f"{type(module).__name__} has no Bayesian layer: make some by to_bayesian."
        )
    return layers


def _summary(layer: BayesLayer) -> dict[str, float]:
    ratios = np.quantile(_ratio(layer).cpu().double().numpy(), (0.25, 0.5, 0.75))
    return {
        "n_weights": layer.weight_mean.numel(),
        "mean_abs": float(layer.weight_mean.abs().mean()),
        "mean_std": float(layer.weight_std.mean()),
        "kl_divergence": float(layer.kl_divergence()),
        "ratio_25": float(ratios[0]),
        "ratio_50": float(ratios[1]),
        "ratio_75": float(ratios[2]),
    }


def _ratio(layer: BayesLayer) -> Tensor:
    """How many standard deviations each mean is away from 0; 0 for a pruned weight."""
    std = layer.weight_std
    return layer.weight_mean.abs() / std.clamp_min(torch.finfo(std.dtype).tiny)
