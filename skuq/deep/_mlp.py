"""A network of linear layers behind standardised inputs, sized from the data."""

from itertools import pairwise

from torch import nn

from skuq.deep._scaling import Standardise, standard
from skuq.exceptions import InputError


def mlp(X, n_outputs, hidden_layer_sizes, dropout=0.0):
    """A network for the table `X`: linear layers, ReLU and dropout between them."""
    sizes = [int(size) for size in hidden_layer_sizes]
    if any(size < 1 for size in sizes):
        raise InputError(f"hidden_layer_sizes must be above 0, got {sizes}.")
    layers: list[nn.Module] = [Standardise(*standard(X))]
    for n_in, n_out in pairwise([X.shape[1], *sizes]):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear([X.shape[1], *sizes][-1], n_outputs))
