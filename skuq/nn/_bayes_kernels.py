"""Gradients by hand, where those that autograd builds pass over the weights too often.

Everything here is elementwise work over as many numbers as there are weights, which
costs as much as the matrix products do.
"""

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
        variance = F.linear(x * x, std * std, bias_variance)
        # Where the variance is 0 its root has no gradient.
        root = variance.clamp_min_(torch.finfo(variance.dtype).tiny).sqrt_()
        noise = torch.randn_like(out)
        ctx.save_for_backward(x, mean, rho, std, bias_rho, noise, root)
        return out.addcmul_(root, noise)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The chain rule through mean and variance of the output."""
        x, mean, rho, std, bias_rho, noise, root = ctx.saved_tensors
        smallest = torch.finfo(root.dtype).tiny ** 0.5
        # Twice the gradient by the variance; 0 where the forward pass cut it off.
        slope = (grad * noise).div_(root).masked_fill_(root <= smallest, 0)
        x_grad = mean_grad = rho_grad = bias_grad = bias_rho_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = (slope @ (std * std)).mul_(x).addmm_(grad, mean)
        if ctx.needs_input_grad[1]:
            mean_grad = grad.T @ x
        if ctx.needs_input_grad[2]:
            rho_grad = (slope.T @ (x * x)).mul_(std).mul_(rho.sigmoid())
        if ctx.needs_input_grad[3]:
            bias_grad = grad.sum(0)
        if ctx.needs_input_grad[4]:
            bias_rho_grad = slope.sum(0) * F.softplus(bias_rho) * bias_rho.sigmoid()
        return x_grad, mean_grad, rho_grad, bias_grad, bias_rho_grad


class GaussianDivergence(torch.autograd.Function):
    """Summed divergence of Gaussians from one Gaussian."""

    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, std: Tensor, prior_mean: float, prior_std: float
    ) -> Tensor:
        """The divergence, in nats."""
        ctx.save_for_backward(mean, std)
        ctx.prior = prior_mean, prior_std
        if prior_mean:
            mean = mean - prior_mean
        lengths = torch.linalg.vector_norm(mean), torch.linalg.vector_norm(std)
        squares = (lengths[0] ** 2 + lengths[1] ** 2) / prior_std**2
        # A softplus may round to 0, which has no logarithm.
        logs = std.log().clamp_min_(log(torch.finfo(std.dtype).tiny))
        constant = mean.numel() * (log(prior_std) - 0.5)
        return 0.5 * squares - logs.sum() + constant

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Gradients by mean and standard deviation."""
        mean, std = ctx.saved_tensors
        prior_mean, prior_std = ctx.prior
        scale = grad / prior_std**2
        mean_grad = mean * scale
        if prior_mean:
            mean_grad -= prior_mean * scale
        smallest = torch.finfo(std.dtype).tiny
        std_grad = std.clamp_min(smallest).reciprocal_().mul_(-grad)
        return mean_grad, std_grad.addcmul_(std, scale), None, None
