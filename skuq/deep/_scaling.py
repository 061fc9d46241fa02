"""A layer that standardises the inputs of a network."""

import numpy as np
import torch
from torch import nn

BLOCK = 2**22  # numbers that are copied at a time


class Standardise(nn.Module):
    """Takes a center away from each feature and divides by a scale."""

    def __init__(self, center, scale):
        super().__init__()
        dtype = torch.get_default_dtype()
        self.register_buffer("center", torch.as_tensor(center, dtype=dtype))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=dtype))

    def forward(self, x):
        """The standardised inputs."""
        return (x.to(self.center.dtype) - self.center) / self.scale


def standard(table):
    """Mean and standard deviation of every column, 1 for a constant one.

    Maps have channels along axis 1, and get numbers that fit them.
    """
    axes = (0, *range(2, table.ndim))
    parts = list(_pieces(table))
    n = table.size // max(table.shape[1], 1)
    # In float64: a sum of many float32 loses the digits of its mean.
    sums = [part.sum(axes, np.float64, keepdims=True) for part in parts]
    center = sum(sums) / n
    # Rounding may give a constant a deviation above 0.
    lowest = np.minimum.reduce([part.min(axes) for part in parts])
    highest = np.maximum.reduce([part.max(axes) for part in parts])
    squares = [np.square(part - center).sum(axes) for part in parts]
    scale = np.sqrt(sum(squares) / n)
    varies = (highest > lowest) & (scale > 0)
    return center[0], np.where(varies, scale, 1.0).reshape(center.shape[1:])


def _pieces(table):
    """Samples in pieces that leave room in memory for a copy."""
    step = max(1, BLOCK * len(table) // max(table.size, 1))
    return (table[i : i + step] for i in range(0, len(table), step))
