"""Gradients by hand, where those that autograd builds pass over the weights too often.

Everything here is elementwise work over as many numbers as there are weights, which
costs as much as the matrix products do.
"""

from collections.abc import Sequence
from math import log
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class LocalLinear(torch.autograd.Function):
    """Draws of the output of a linear layer with Gaussian weights."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, rho: Tensor, bias: Any, bias_rho: Any
    ) -> Tensor:
        """The output for a table `x`, with noise of its own for each sample."""
        std = F.softplus(rho)
        bias_variance = None if bias is None else F.softplus(bias_rho).square()
        out = F.linear(x, mean, bias)
        std_squares = std * std
        variance = F.linear(x * x, std_squares, bias_variance)
        # Where the variance is 0 its root has no gradient.
        root = variance.clamp_min_(torch.finfo(variance.dtype).tiny).sqrt_()
        noise = torch.randn_like(out)
        kept = std_squares if ctx.needs_input_grad[0] else None
        ctx.save_for_backward(x, mean, rho, std, kept, bias_rho, noise, root)
        return out.addcmul_(root, noise)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The chain rule through mean and variance of the output."""
        x, mean, rho, std, std_squares, bias_rho, noise, root = ctx.saved_tensors
        smallest = torch.finfo(root.dtype).tiny ** 0.5
        # Twice the gradient by the variance; 0 where the forward pass cut it off.
        slope = (grad * noise).div_(root).masked_fill_(root <= smallest, 0)
        x_grad = mean_grad = rho_grad = bias_grad = bias_rho_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = (slope @ std_squares).mul_(x).addmm_(grad, mean)
        if ctx.needs_input_grad[1]:
            mean_grad = grad.T @ x
        if ctx.needs_input_grad[2]:
            rho_grad = by_rho((slope.T @ (x * x)).mul_(std), rho)
        if ctx.needs_input_grad[3]:
            bias_grad = grad.sum(0)
        if ctx.needs_input_grad[4]:
            bias_rho_grad = by_rho(slope.sum(0) * F.softplus(bias_rho), bias_rho)
        return x_grad, mean_grad, rho_grad, bias_grad, bias_rho_grad


class GaussianDivergence(torch.autograd.Function):
    """Summed divergence of Gaussians from one Gaussian, for many tensors at once."""

    @staticmethod
    def forward(
        ctx: Any, prior_std: float, prior_mean: float, *parameters: Tensor
    ) -> Tensor:
        """The divergence, in nats, of means, followed by as many ``rho``."""
        means, rhos = halves(parameters)
        stds = [positive_std(rho) for rho in rhos]
        ctx.save_for_backward(*parameters, *stds)
        ctx.prior = prior_mean, prior_std
        if prior_mean:
            means = [mean - prior_mean for mean in means]
        lengths = [torch.linalg.vector_norm(x) for x in (*means, *stds)]
        squares = torch.stack(lengths).square().sum() / prior_std**2
        logs = torch.stack([std.log().sum() for std in stds]).sum()
        n = sum(mean.numel() for mean in means)
        return 0.5 * squares - logs + n * (log(prior_std) - 0.5)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Gradients by means and ``rho``."""
        n = len(ctx.saved_tensors) // 3
        means, rhos, stds = (ctx.saved_tensors[i * n : i * n + n] for i in range(3))
        prior_mean, prior_std = ctx.prior
        scale = grad / prior_std**2
        mean_grads = [
            (mean - prior_mean if prior_mean else mean) * scale for mean in means
        ]
        rho_grads = [
            by_rho((std * scale).addcdiv_(grad, std, value=-1), rho)
            for std, rho in zip(stds, rhos, strict=True)
        ]
        return None, None, *mean_grads, *rho_grads


class MixtureDivergence(torch.autograd.Function):
    """Divergence from a mixture of two Gaussians around 0, estimated with one draw."""

    @staticmethod
    def forward(
        ctx: Any, share: float, std: float, narrow_std: float, *parameters: Tensor
    ) -> Tensor:
        """The divergence, in nats, of means, followed by as many ``rho``."""
        means, rhos = halves(parameters)
        if narrow_std > std:
            share, std, narrow_std = 1 - share, narrow_std, std
        precision, narrow_precision = std**-2, narrow_std**-2
        odds = log(share / (1 - share)) + log(narrow_std / std)
        total, saved = means[0].new_zeros(()), []
        for mean, rho in zip(means, rhos, strict=True):
            scale = positive_std(rho)
            noise = torch.randn_like(mean)
            weight = torch.addcmul(mean, scale, noise)
            # The density is that of the wide part over the probability that it drew.
            log_odds = weight.square().mul_((narrow_precision - precision) / 2)
            narrow = log_odds.add_(odds).neg().sigmoid_()
            wide = log_odds.sigmoid_()
            total += torch.linalg.vector_norm(weight) ** 2 * (precision / 2)
            total += wide.log_().clamp_min_(log(torch.finfo(wide.dtype).tiny)).sum()
            total -= scale.log().sum()
            slope = narrow.mul_(narrow_precision - precision)
            slope.add_(precision).mul_(weight)
            saved += [rho, scale, noise, slope]
        ctx.save_for_backward(*saved)
        n = sum(mean.numel() for mean in means)
        return total + n * (log(std / share) - 0.5)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Gradients by means and ``rho``, of the draw that was made."""
        mean_grads, rho_grads = [], []
        for i in range(0, len(ctx.saved_tensors), 4):
            rho, scale, noise, slope = ctx.saved_tensors[i : i + 4]
            mean_grad = slope * grad
            by_std = (mean_grad * noise).addcdiv_(grad, scale, value=-1)
            mean_grads.append(mean_grad)
            rho_grads.append(by_rho(by_std, rho))
        return None, None, None, *mean_grads, *rho_grads


def positive_std(rho: Tensor) -> Tensor:
    """The softplus; where it rounds to 0, the smallest number that has a logarithm."""
    return F.softplus(rho).clamp_min_(torch.finfo(rho.dtype).tiny)


def halves(values: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The first half of a sequence, and the second."""
    half = len(values) // 2
    return values[:half], values[half:]


def by_rho(grad: Tensor, rho: Tensor) -> Tensor:
    """The gradient by ``rho``, in the place of that by its softplus."""
    backward = torch.ops.aten.softplus_backward.grad_input
    return backward(grad, rho, beta=1, threshold=20, grad_input=grad)
