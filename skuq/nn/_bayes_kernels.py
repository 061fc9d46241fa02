"""Gradients by hand, where those that autograd builds pass over the weights too often.

Everything here is elementwise work over as many numbers as there are weights, which
costs as much as the matrix products do.
"""

from collections.abc import Sequence
from math import log
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Pair = tuple[Tensor, Tensor]  # of means and standard deviations, or for each of them
Saved = Sequence[Tensor]

MODERATE = 80.0  # the exponential of less has an inverse, and both are normal numbers
MANY = 10_000  # for fewer numbers the calls cost more than the arithmetic
SOFTPLUS_BACKWARD = torch.ops.aten.softplus_backward.grad_input


class Term(Protocol):
    """The divergence of Gaussian weights from a prior, without autograd.

    `constant` is the part of the divergence of a weight that it always has.
    """

    constant: float

    def add_value(
        self, total: Tensor, mean: Tensor, std: Tensor, log_sum: Tensor
    ) -> Saved:
        """Add the rest to `total`, in nats; what gradients need beside mean and `std`.

        `log_sum` is the sum of the logarithms of `std`.
        """

    def add_gradients(self, grad: Tensor, at: Pair, saved: Saved, to: Pair) -> None:
        """Add `grad` times the gradients by both of `at` to those in `to`."""


class GaussianTerm:
    """From one Gaussian, in closed form."""

    def __init__(self, std: float, mean: float) -> None:
        self.precision, self.center = std**-2, mean
        self.constant = log(std) - 0.5

    def add_value(
        self, total: Tensor, mean: Tensor, std: Tensor, log_sum: Tensor
    ) -> Saved:
        """The size of means and deviations; nothing is saved."""
        for values in (self._centred(mean), std):
            total.add_(_sum_of_squares(values), alpha=self.precision / 2)
        total.sub_(log_sum)
        return ()

    def add_gradients(self, grad: Tensor, at: Pair, saved: Saved, to: Pair) -> None:
        """A pull to the prior's mean and deviation."""
        mean, std = at
        to[0].addcmul_(self._centred(mean), grad, value=self.precision)
        to[1].addcmul_(std, grad, value=self.precision).addcdiv_(grad, std, value=-1)

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

    def add_value(
        self, total: Tensor, mean: Tensor, std: Tensor, log_sum: Tensor
    ) -> Saved:
        """The estimate; its noise and its slope are saved."""
        noise = torch.randn_like(mean)
        weight = torch.addcmul(mean, std, noise)
        excess = self.narrow_precision - self.precision
        # The density is that of the wide part over the probability that it drew.
        log_odds = weight.square().mul_(excess / 2)
        narrow = log_odds.add_(self.odds).neg().sigmoid_()
        wide = log_odds.sigmoid_()
        total.add_(_sum_of_squares(weight), alpha=self.precision / 2).sub_(log_sum)
        total += wide.log_().clamp_min_(log(torch.finfo(wide.dtype).tiny)).sum()
        slope = narrow.mul_(excess).add_(self.precision).mul_(weight)
        return noise, slope

    def add_gradients(self, grad: Tensor, at: Pair, saved: Saved, to: Pair) -> None:
        """Those of the draw that was made."""
        noise, slope = saved
        by_mean = slope * grad
        to[0].add_(by_mean)
        to[1].addcmul_(by_mean, noise).addcdiv_(grad, at[1], value=-1)


class Divergence(torch.autograd.Function):
    """Summed divergence from one prior, for many tensors at once."""

    @staticmethod
    def forward(ctx: Any, term: Term, *parameters: Tensor) -> Tensor:
        """The divergence, in nats, of means, followed by as many ``rho``."""
        means, rhos = _parts(parameters, 2)
        total, groups = _start(term, means), []
        for mean, rho in zip(means, rhos, strict=True):
            std = positive_std(rho)
            saved = term.add_value(total, mean, std, std.log().sum())
            groups += [mean, std, rho, *saved]
        ctx.term = term
        ctx.save_for_backward(*groups)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Gradients by means and ``rho``."""
        mean_grads, rho_grads = [], []
        half = (len(ctx.needs_input_grad) - 1) // 2
        for mean, std, rho, *saved in _parts(ctx.saved_tensors, half):
            to = torch.zeros_like(mean), torch.zeros_like(std)
            ctx.term.add_gradients(grad, (mean, std), saved, to)
            mean_grads.append(to[0])
            rho_grads.append(by_rho(to[1], rho))
        return None, *mean_grads, *rho_grads


class LocalLinear(torch.autograd.Function):
    """Draws of the output of a linear layer with Gaussian weights, and the divergence.

    One pass over the weights serves both; the divergence is 0 without a `term`.
    """

    @staticmethod
    def forward(ctx: Any, term: Term | None, x: Tensor, *parameters: Any) -> Any:
        """The output for a table `x`, with noise of its own for each sample.

        The parameters are mean and ``rho`` of the weights, and then of the bias.
        """
        noise = torch.randn(
            (len(x), len(parameters[0])), dtype=x.dtype, device=x.device
        )
        divergence = _start(term, parameters[::2]) if term else x.new_zeros(())
        means: list[Tensor] = []
        variances: list[Tensor] = []
        groups: list[Tensor] = []
        for mean, rho in _parts(parameters, 2):
            if mean is not None:
                std = positive_std(rho)
                saved: Saved = ()
                room = torch.empty_like(std)  # fresh memory costs more than arithmetic
                if term:
                    log_sum = torch.log(std, out=room).sum()
                    saved = term.add_value(divergence, mean, std, log_sum)
                means.append(mean)
                variances.append(torch.square(std, out=room))
                groups += [mean, std, rho, *saved]
        x_squares, std_squares = x.square(), variances[0]
        out = F.linear(x, *means)
        variance = F.linear(x_squares, *variances)
        # Where the variance is 0, all that its gradient is multiplied with is 0, too.
        root = variance.clamp_min_(torch.finfo(variance.dtype).tiny).sqrt_()
        out.addcmul_(root, noise)
        ctx.term, ctx.n_groups = term, len(means)
        kept = std_squares if ctx.needs_input_grad[1] else None
        ctx.save_for_backward(x, x_squares, kept, noise.div_(root), *groups)
        return out, divergence

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, divergence_grad: Tensor) -> Any:
        """The chain rule through mean and variance of the output."""
        x, x_squares, std_squares, noise, *rest = ctx.saved_tensors
        groups = _parts(rest, ctx.n_groups)
        slope = grad * noise  # twice the gradient by the variance
        grads: list[Any] = [None] * len(ctx.needs_input_grad)
        if ctx.needs_input_grad[1]:
            grads[1] = (slope @ std_squares).mul_(x).addmm_(grad, groups[0][0])
        for i, (mean, std, rho, *saved) in enumerate(groups):
            place = slice(2 + 2 * i, 4 + 2 * i)
            if not any(ctx.needs_input_grad[place]):
                continue
            by_mean = grad.sum(0) if i else grad.T @ x
            by_std = (slope.sum(0) if i else slope.T @ x_squares).mul_(std)
            if ctx.term:
                to = by_mean, by_std
                ctx.term.add_gradients(divergence_grad, (mean, std), saved, to)
            grads[place] = by_mean, by_rho(by_std, rho)
        return tuple(grads)


def positive_std(rho: Tensor) -> Tensor:
    """The softplus; where it rounds to 0, the smallest number that has a logarithm."""
    if _is_faster_in_parts(rho) and rho.amin() > -MODERATE and rho.amax() < MODERATE:
        return rho.exp().log1p_()
    return F.softplus(rho).clamp_min_(torch.finfo(rho.dtype).tiny)


def _is_faster_in_parts(rho: Tensor) -> bool:
    """Whether exponential and logarithm beat softplus: 1.5 times for many, with MKL."""
    precise = rho.dtype in (torch.float32, torch.float64)
    return precise and rho.device.type == "cpu" and rho.numel() >= MANY


def by_rho(grad: Tensor, rho: Tensor) -> Tensor:
    """The gradient by ``rho``, in the place of that by its softplus."""
    return SOFTPLUS_BACKWARD(grad, rho, beta=1, threshold=20, grad_input=grad)


def _start(term: Term, means: Sequence[Tensor | None]) -> Tensor:
    """The constant part of a divergence."""
    present = [mean for mean in means if mean is not None]
    n = sum(mean.numel() for mean in present)
    return present[0].new_full((), n * term.constant)


def _sum_of_squares(x: Tensor) -> Tensor:
    x = x.reshape(-1)
    return torch.dot(x, x)


def _parts(values: Sequence[Any], n: int) -> list[Sequence[Any]]:
    """So many parts of equal length, one after the other."""
    size = len(values) // n
    return [values[i * size : (i + 1) * size] for i in range(n)]
