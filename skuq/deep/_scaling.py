"""A layer that standardises the inputs of a network."""

import numpy as np
import torch
from torch import nn


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
    """Mean and standard deviation of every column, 1 for a constant one."""
    # In float64: a sum of many float32 loses the digits of its mean.
    center = table.mean(axis=0, dtype=np.float64)
    scale = table.std(axis=0, dtype=np.float64)
    # Rounding may give a constant a deviation above 0.
    varies = (np.ptp(table, axis=0) > 0) & (scale > 0)
    return center, np.where(varies, scale, 1.0)
