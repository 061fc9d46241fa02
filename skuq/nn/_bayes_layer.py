"""What all Bayesian layers share: Gaussian weights, draws, and their divergence."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skuq._core._checks import check_option
from skuq.nn._bayes_kernels import Divergence, GaussianTerm, MixtureTerm, Term
from skuq.nn._priors import GaussianPrior, Prior, ScaleMixturePrior, check_above_zero

INITIAL_STD = 0.005
SAMPLINGS = ("local", "weights", "flipout")
TERMS = {GaussianPrior: GaussianTerm, ScaleMixturePrior: MixtureTerm}


class Held(NamedTuple):
    """One draw of the weights of a layer."""

    weight: Tensor
    bias: Tensor | None


class BayesLayer(nn.Module):
    """A layer whose weights and bias are independent Gaussians.

    A subclass has `_apply_weights`, the layer itself as a function of its weights, and
    `_signs`, random signs for flipout.
    """

    weight_mean: Tensor
    weight_rho: Tensor
    bias_mean: Tensor | None
    bias_rho: Tensor | None
    # Divergences that forward passes have found on the way, while somebody asks.
    _found: dict["BayesLayer", Tensor] | None = None

    def __init__(
        self,
        weight_shape: Sequence[int],
        n_outputs: int,
        bias: bool,
        prior: Prior | None,
        weight_sampling: str,
        initial_std: float,
        factory: dict[str, Any],
    ) -> None:
        super().__init__()
        check_option("weight_sampling", weight_sampling, SAMPLINGS)
        check_above_zero("initial_std", initial_std)
        self.prior = GaussianPrior() if prior is None else prior
        self.weight_sampling = weight_sampling
        self.initial_std = initial_std
        self._held: Held | None = None
        shapes = {"weight": tuple(weight_shape), "bias": (n_outputs,) if bias else None}
        for name, shape in shapes.items():
            for part in ("mean", "rho"):
                value = None if shape is None else torch.empty(shape, **factory)
                value = None if value is None else nn.Parameter(value)
                self.register_parameter(f"{name}_{part}", value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new means as torch's own layer does, and reset the deviations."""
        fan_in = self.weight_mean[0].numel()
        bound = fan_in**-0.5 if fan_in else 0.0
        nn.init.uniform_(self.weight_mean, -bound, bound)
        if self.bias_mean is not None:
            nn.init.uniform_(self.bias_mean, -bound, bound)
        self._reset_deviations()

    def _reset_deviations(self) -> None:
        rho = torch.tensor(self.initial_std, dtype=torch.float64).expm1().log()
        for values in (self.weight_rho, self.bias_rho):
            if values is not None:
                nn.init.constant_(values, float(rho))

    @property
    def weight_std(self) -> Tensor:
        """Standard deviations of the weights, ``softplus(weight_rho)``."""
        return F.softplus(self.weight_rho)

    @property
    def bias_std(self) -> Tensor | None:
        """Standard deviations of the bias; None without a bias."""
        return None if self.bias_rho is None else F.softplus(self.bias_rho)

    @property
    def weight(self) -> Tensor:
        """The weights that hold now: a new draw in each access during training."""
        if self._held is not None:
            return self._held.weight
        return self._drawn("weight") if self.training else self.weight_mean

    @property
    def bias(self) -> Tensor | None:
        """The bias that holds now, as the weights; None without a bias."""
        if self.bias_mean is None:
            return None
        if self._held is not None:
            return self._held.bias
        return self._drawn("bias") if self.training else self.bias_mean

    def _drawn(self, name: str) -> Tensor:
        mean, std = getattr(self, f"{name}_mean"), getattr(self, f"{name}_std")
        # A new tensor each time: autograd keeps it, and a buffer would be overwritten.
        return torch.addcmul(mean, std, torch.randn_like(mean))

    def hold(self, generator: torch.Generator) -> None:
        """Use one draw of the weights until `release`.

        Parameters
        ----------
        generator : torch.Generator
            Of the noise, on the device of the weights.
        """
        parts = [(self.weight_mean, self.weight_std), (self.bias_mean, self.bias_std)]
        with torch.no_grad():
            self._held = Held(*(_draw(mean, std, generator) for mean, std in parts))

    def release(self) -> None:
        """Forget the draw of `hold`."""
        self._held = None

    def kl_divergence(self) -> Tensor:
        """Divergence of the weights and the bias from their prior.

        Returns
        -------
        divergence : torch.Tensor of shape ()
            Sum over all of them, in nats.
        """
        return divergence_of([self])

    def forward(self, x: Tensor) -> Tensor:
        """The output for a batch.

        Parameters
        ----------
        x : torch.Tensor
            Input, as torch's own layer takes it.

        Returns
        -------
        out : torch.Tensor
            With sampled weights during training, with the mean weights in evaluation
            mode, and with one draw inside `weight_draw`.
        """
        sampled = self.training and self._held is None
        if sampled and self.weight_sampling == "local":
            return self._local(x)
        if sampled and self.weight_sampling == "flipout":
            return self._flipout(x)
        return self._apply_weights(x, self.weight, self.bias)

    def _local(self, x: Tensor) -> Tensor:
        """Draw the output, which is Gaussian, rather than the weights."""
        mean = self._apply_weights(x, self.weight_mean, self.bias_mean)
        bias_variance = None if self.bias_std is None else self.bias_std.square()
        variance = self._apply_weights(
            x.square(), self.weight_std.square(), bias_variance
        )
        # Where the variance is 0 its root has no gradient.
        std = variance.clamp_min(torch.finfo(variance.dtype).tiny).sqrt()
        return torch.addcmul(mean, std, torch.randn_like(mean))

    def _flipout(self, x: Tensor) -> Tensor:
        """One deviation from the mean weights, with signs of each sample's own."""
        mean = self._apply_weights(x, self.weight_mean, self.bias_mean)
        weight = self.weight_std * torch.randn_like(self.weight_mean)
        std = self.bias_std
        bias = None if std is None else std * torch.randn_like(std)
        deviation = self._apply_weights(x * self._signs(x), weight, bias)
        return torch.addcmul(mean, deviation, self._signs(mean))

    _apply_weights: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    _signs: Callable[[Tensor], Tensor]


def gaussians_of(layer: BayesLayer) -> list[tuple[Tensor, Tensor]]:
    """Means and ``rho`` of the weights, and of the bias if there is one."""
    found = [(layer.weight_mean, layer.weight_rho)]
    if layer.bias_mean is not None and layer.bias_rho is not None:
        found.append((layer.bias_mean, layer.bias_rho))
    return found


def divergence_of(layers: Iterable[BayesLayer]) -> Tensor:
    """Summed divergence of layers, those of one prior in one go if it has a term."""
    terms: list[Tensor] = []
    together: dict[Prior, list[tuple[Tensor, Tensor]]] = {}
    for layer in layers:
        prior = layer.prior
        if type(prior) in TERMS:
            together.setdefault(prior, []).extend(gaussians_of(layer))
        else:
            terms += [
                prior.kl_divergence(mean, F.softplus(rho))
                for mean, rho in gaussians_of(layer)
            ]
    for prior, pairs in together.items():
        means, rhos = zip(*pairs, strict=True)
        terms.append(Divergence.apply(term_of(prior), *means, *rhos))
    return torch.stack(terms).sum()


@lru_cache
def term_of(prior: Prior) -> Term | None:
    """The divergence from a prior with gradients by hand, if there is one."""
    kind = TERMS.get(type(prior))
    return None if kind is None else kind(*astuple(prior))


def _draw(mean: Any, std: Any, generator: torch.Generator) -> Any:
    if mean is None:
        return None
    return torch.addcmul(mean, std, torch.empty_like(mean).normal_(generator=generator))


def random_signs(like: Tensor, shape: Sequence[int]) -> Tensor:
    """Numbers that are 1 or -1, with equal chances."""
    bits = torch.randint(0, 2, tuple(shape), device=like.device, dtype=like.dtype)
    return bits.mul_(2).sub_(1)
