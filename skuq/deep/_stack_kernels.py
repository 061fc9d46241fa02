"""Layers of many modules as one kernel each, inside `torch.func.vmap`.

vmap takes a linear layer apart into a product and a sum, whose gradients come
transposed, and batch normalisation into many steps.  These give the numbers of the
single layers, and faster.
"""

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SMALL = 400  # products of numbers
VECTOR = 16  # numbers of a register; the rest of a row is rounded in another way


class OneKernel(TorchFunctionMode):
    """Replaces the layers that have a kernel here, in functions under vmap."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Take the kernel for many, where there is one."""
        kwargs = kwargs or {}
        if func is F.linear:
            return _linear(*args, **kwargs)
        if func is F.batch_norm:
            return _batch_norm(*args, **kwargs)
        return func(*args, **kwargs)


def _linear(input, weight, bias=None):
    return _Linear.apply(input, weight, bias)


def _batch_norm(
    input, running_mean, running_var, weight=None, bias=None, *rest, **options
):
    call = _BatchNormCall(*rest, **options)
    return _BatchNorm.apply(input, running_mean, running_var, weight, bias, call)


class _Linear(torch.autograd.Function):
    """A linear layer that knows how to be many."""

    @staticmethod
    def forward(x, weight, bias):
        return F.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def vmap(info, in_dims, x, weight, bias):
        return linear_of_many(*_fronted(info, in_dims, x, weight, bias)), 0


def linear_of_many(x, weight, bias):
    """A linear layer of each module, for ``(n_modules, n_samples, ..., features)``."""
    if x.ndim == 3:
        return _LinearOfMany.apply(x, weight, bias)
    rows = x.reshape(len(x), -1, x.shape[-1])
    out = _LinearOfMany.apply(rows, weight, bias)
    return out.reshape(*x.shape[:-1], weight.shape[1])


class _LinearOfMany(torch.autograd.Function):
    """``x @ weight.mT + bias`` of each module, in layouts that need no copies.

    It comes after vmap, so that it needs no `setup_context`, which would cost a look at
    the signature in every call.
    """

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        if bias is None:
            return _product(x, weight.mT)
        if _is_small(x, weight.mT):
            return torch.stack(
                [F.linear(*each) for each in zip(x, weight, bias, strict=True)]
            )
        return torch.baddbmm(bias[:, None], x, weight.mT)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        by_x, by_weight, by_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight) if by_x else None,
            _product(gradient.mT, x) if by_weight else None,
            gradient.sum(1) if by_bias else None,
        )


def _product(a, b):
    """The matrix product of each module."""
    if _is_small(a, b):
        return torch.stack([torch.mm(*each) for each in zip(a, b, strict=True)])
    return torch.bmm(a, b)


def _is_small(a, b):
    """Whether torch adds up such products by itself, in another order than alone."""
    return a.shape[1] * a.shape[2] * b.shape[2] < SMALL and a.device.type == "cpu"


class _BatchNormCall:
    """The options of a call of batch normalisation."""

    def __init__(self, training=False, momentum=0.1, eps=1e-5):
        self.training = training
        self.momentum = momentum
        self.eps = eps

    def __call__(self, input, mean, var, weight, bias):
        return F.batch_norm(
            input, mean, var, weight, bias, self.training, self.momentum, self.eps
        )


class _BatchNorm(torch.autograd.Function):
    """Batch normalisation that knows how to be many: their channels side by side."""

    @staticmethod
    def forward(x, mean, var, weight, bias, call):
        return call(x, mean, var, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def vmap(info, in_dims, x, mean, var, weight, bias, call):
        fronted = _fronted(info, in_dims, x, mean, var, weight, bias)
        return batch_norm_of_many(*fronted, **vars(call)), 0


def batch_norm_of_many(x, mean, var, weight, bias, **options):
    """Batch normalisation of each module: ``(n_modules, n_samples, n_channels, ...)``.

    Running statistics are views of the stacks, which move with them.
    """
    n_modules, n_samples, n_channels = x.shape[:3]
    if n_channels % VECTOR and x.device.type == "cpu":
        state = [
            [None] * n_modules if value is None else value
            for value in (mean, var, weight, bias)
        ]
        parts = zip(x, *state, strict=True)
        return torch.stack([F.batch_norm(*part, **options) for part in parts])
    side_by_side = x.transpose(0, 1).reshape(
        n_samples, n_modules * n_channels, *x.shape[3:]
    )
    mean, var, weight, bias = (
        None if value is None else value.view(-1) for value in (mean, var, weight, bias)
    )
    out = F.batch_norm(side_by_side, mean, var, weight, bias, **options)
    shape = n_samples, n_modules, n_channels, *x.shape[3:]
    return out.reshape(shape).transpose(0, 1)


def _fronted(info, in_dims, *values):
    """Arguments with the axis of the modules first, repeated where they have none."""
    return [
        None
        if value is None
        else value.expand(info.batch_size, *value.shape)
        if dim is None
        else value.movedim(dim, 0)
        for value, dim in zip(values, in_dims, strict=False)
    ]
