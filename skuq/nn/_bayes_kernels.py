"""Gradients by hand, where those that autograd builds pass over the weights too often.

Everything here is elementwise work over as many numbers as there are weights, which
costs as much as the matrix products do.
"""

from math import log
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Saved = tuple[Tensor, ...]


class Term(Protocol):
    """The divergence of Gaussian weights from a prior, without autograd."""

    def value(self, mean: Tensor, std: Tensor) -> tuple[Tensor, Saved]:
        """The sum in nats, and what the gradients need beside `mean` and `std`."""

    def add_gradients(
        self,
        grad: Tensor,
        weights: tuple[Tensor, Tensor],
        saved: Saved,
        to: tuple[Tensor, Tensor],
    ) -> None:
        """Add `grad` times the gradients by mean and deviation to those of `to`."""


class GaussianTerm:
    """From one Gaussian, in closed form."""

    def __init__(self, std: float, mean: float) -> None:
        self.precision, self.log_std, self.center = std**-2, log(std), mean

    def value(self, mean: Tensor, std: Tensor) -> tuple[Tensor, Saved]:
        """The divergence; nothing is saved."""
        squares = _square(self._centred(mean)) + _square(std)
        constant = mean.numel() * (self.log_std - 0.5)
        return squares * (self.precision / 2) - std.log().sum() + constant, ()

    def add_gradients(
        self,
        grad: Tensor,
        weights: tuple[Tensor, Tensor],
        saved: Saved,
        to: tuple[Tensor, Tensor],
    ) -> None:
        """A pull to the prior's mean and deviation."""
        mean, std = weights
        scale = grad * self.precision
        to[0].addcmul_(self._centred(mean), scale)
        to[1].addcmul_(std, scale).addcdiv_(grad, std, value=-1)

    def _centred(self, mean: Tensor) -> Tensor:
        return mean - self.center if self.center else mean


class MixtureTerm:
    """From a mixture of two Gaussians around 0, estimated with one draw."""

    def __init__(self, share: float, std: float, narrow_std: float) -> None:
        if narrow_std > std:
            share, std, narrow_std = 1 - share, narrow_std, std
        self.precision, self.narrow_precision = std**-2, narrow_std**-2
        self.odds = log(share / (1 - share)) + log(narrow_std / std)
        self.constant = log(std / share) - 0.5

    def value(self, mean: Tensor, std: Tensor) -> tuple[Tensor, Saved]:
        """The estimate; its noise and its slope are saved."""
        noise = torch.randn_like(mean)
        weight = torch.addcmul(mean, std, noise)
        excess = self.narrow_precision - self.precision
        # The density is that of the wide part over the probability that it drew.
        log_odds = weight.square().mul_(excess / 2)
        narrow = log_odds.add_(self.odds).neg().sigmoid_()
        wide = log_odds.sigmoid_()
        total = _square(weight) * (self.precision / 2) - std.log().sum()
        total += wide.log_().clamp_min_(log(torch.finfo(wide.dtype).tiny)).sum()
        slope = narrow.mul_(excess).add_(self.precision).mul_(weight)
        return total + mean.numel() * self.constant, (noise, slope)

    def add_gradients(
        self,
        grad: Tensor,
        weights: tuple[Tensor, Tensor],
        saved: Saved,
        to: tuple[Tensor, Tensor],
    ) -> None:
        """Those of the draw that was made."""
        noise, slope = saved
        by_mean = slope * grad
        to[0].add_(by_mean)
        to[1].addcmul_(by_mean, noise).addcdiv_(grad, weights[1], value=-1)


class Divergence(torch.autograd.Function):
    """Summed divergence from one prior, for many tensors at once."""

    @staticmethod
    def forward(ctx: Any, term: Term, *parameters: Tensor) -> Tensor:
        """The divergence, in nats, of means, followed by as many ``rho``."""
        half = len(parameters) // 2
        means, rhos = parameters[:half], parameters[half:]
        stds = [positive_std(rho) for rho in rhos]
        found = [term.value(*pair) for pair in zip(means, stds, strict=True)]
        ctx.term = term
        ctx.save_for_backward(
            *(x for _, saved in found for x in saved), *means, *rhos, *stds
        )
        return torch.stack([value for value, _ in found]).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Gradients by means and ``rho``."""
        n = (len(ctx.needs_input_grad) - 1) // 2
        saved, rest = ctx.saved_tensors[: -3 * n], ctx.saved_tensors[-3 * n :]
        means, rhos, stds = (rest[i * n : i * n + n] for i in range(3))
        n_saved = len(saved) // n
        mean_grads = [torch.zeros_like(mean) for mean in means]
        rho_grads = [torch.zeros_like(std) for std in stds]
        for i, weights in enumerate(zip(means, stds, strict=True)):
            own = saved[i * n_saved : (i + 1) * n_saved]
            to = mean_grads[i], rho_grads[i]
            ctx.term.add_gradients(grad, weights, own, to)
            by_rho(rho_grads[i], rhos[i])
        return None, *mean_grads, *rho_grads


class LocalLinear(torch.autograd.Function):
    """Draws of the output of a linear layer with Gaussian weights, and the divergence.

    One pass over the weights serves both; the divergence is 0 without a `term`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        term: Term | None,
        x: Tensor,
        mean: Tensor,
        rho: Tensor,
        bias: Any,
        bias_rho: Any,
    ) -> Any:
        """The output for a table `x`, with noise of its own for each sample."""
        weights = [(mean, positive_std(rho))]
        if bias is not None:
            weights.append((bias, positive_std(bias_rho)))
        std_squares = weights[0][1].square()
        out = F.linear(x, mean, bias)
        x_squares = x * x
        bias_variance = None if bias is None else weights[1][1].square()
        variance = F.linear(x_squares, std_squares, bias_variance)
        # Where the variance is 0 its root has no gradient.
        root = variance.clamp_min_(torch.finfo(variance.dtype).tiny).sqrt_()
        noise = torch.randn_like(out)
        divergence = mean.new_zeros(())
        saved: list[Tensor] = []
        if term:
            for pair in weights:
                value, kept = term.value(*pair)
                divergence += value
                saved += kept
        ctx.term, ctx.n_saved = term, len(saved) // len(weights)
        ctx.save_for_backward(
            *(x, x_squares, std_squares if ctx.needs_input_grad[1] else None),
            *(noise, root, rho, bias_rho, *(w for pair in weights for w in pair)),
            *saved,
        )
        return out.addcmul_(root, noise), divergence

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, divergence_grad: Tensor) -> Any:
        """The chain rule through mean and variance of the output."""
        x, x_squares, std_squares, noise, root, *rhos = ctx.saved_tensors[:7]
        rest = ctx.saved_tensors[7:]
        n = 1 if rhos[1] is None else 2
        weights = [(rest[2 * i], rest[2 * i + 1]) for i in range(n)]
        smallest = torch.finfo(root.dtype).tiny ** 0.5
        # Twice the gradient by the variance; 0 where the forward pass cut it off.
        slope = (grad * noise).div_(root).masked_fill_(root <= smallest, 0)
        x_grad = None
        if ctx.needs_input_grad[1]:
            x_grad = (slope @ std_squares).mul_(x).addmm_(grad, weights[0][0])
        found = [(grad.T @ x, (slope.T @ x_squares).mul_(weights[0][1]))]
        if n == 2:
            found.append((grad.sum(0), slope.sum(0).mul_(weights[1][1])))
        for i, (pair, to, rho) in enumerate(zip(weights, found, rhos, strict=False)):
            if ctx.term:
                own = rest[2 * n + i * ctx.n_saved : 2 * n + (i + 1) * ctx.n_saved]
                ctx.term.add_gradients(divergence_grad, pair, own, to)
            by_rho(to[1], rho)
        bias_grads = found[1] if n == 2 else (None, None)
        return None, x_grad, *found[0], *bias_grads


def positive_std(rho: Tensor) -> Tensor:
    """The softplus; where it rounds to 0, the smallest number that has a logarithm."""
    return F.softplus(rho).clamp_min_(torch.finfo(rho.dtype).tiny)


def by_rho(grad: Tensor, rho: Tensor) -> Tensor:
    """The gradient by ``rho``, in the place of that by its softplus."""
    backward = torch.ops.aten.softplus_backward.grad_input
    return backward(grad, rho, beta=1, threshold=20, grad_input=grad)


def _square(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x).square()
