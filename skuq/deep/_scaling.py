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
    scale = table.std(axis=0)
    # Rounding may give a constant a deviation above 0.
    varies = (np.ptp(table, axis=0) > 0) & (scale > 0)
    return table.mean(axis=0), np.where(varies, scale, 1.0)
