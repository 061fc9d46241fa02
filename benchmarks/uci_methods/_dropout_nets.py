"""Networks with dropout that are trained side by side, as the grid of a paper needs."""

import numpy as np
import torch
from torch import nn

from skuq.deep._default_net import Rescale
from skuq.deep._scaling import Standardise, standard

LEARNING_RATE = 0.01  # at the start; it falls to 0 along a cosine


class DropoutNets(nn.Module):
    """One network for each rate: dropout, a hidden layer, dropout, an output.

    Inputs and outputs are standardised.
    """

    def __init__(self, n_inputs, n_hidden, rates):
        super().__init__()
        self.rates = list(rates)
        sizes = ((n_inputs, n_hidden), (n_hidden, 1))
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.Linear(*size) for size in sizes) for _ in rates
        )

    def stacked(self):
        """Weights and biases of both layers, those of all networks along axis 0."""
        for hidden_or_last in zip(*self.layers, strict=True):
            for kind in ("weight", "bias"):
                parts = [getattr(layer, kind).detach() for layer in hidden_or_last]
                yield torch.stack(parts).requires_grad_()

    def take(self, stacks):
        """Weights that were trained as stacks."""
        weights = iter(stacks)
        with torch.no_grad():
            for hidden_or_last in zip(*self.layers, strict=True):
                for kind in ("weight", "bias"):
                    pairs = zip(hidden_or_last, next(weights), strict=True)
                    for layer, values in pairs:
                        getattr(layer, kind).copy_(values)

    def whole(self, scale_in, scale_out):
        """Each network in the units of the source, as anybody would write it."""
        return [
            nn.Sequential(
                *(Standardise(*scale_in), nn.Dropout(rate), hidden),
                *(nn.ReLU(), nn.Dropout(rate), last, Rescale(*scale_out)),
            )
            for rate, (hidden, last) in zip(self.rates, self.layers, strict=True)
        ]


def trained(X, y, n_hidden, rates, *, decay, n_steps, batch_size, seed):
    """A network for each rate, trained on the squared error of the same batches.

    `decay` is the factor of the squared weights in the loss of standardised values.
    """
    scale_in, scale_out = standard(X), standard(y[:, None])
    inputs, values = (
        torch.from_numpy(((table - center) / scale).astype(np.float32))
        for table, (center, scale) in ((X, scale_in), (y[:, None], scale_out))
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        nets = DropoutNets(X.shape[1], n_hidden, rates)
        stacks = list(nets.stacked())
        options = {"lr": LEARNING_RATE, "weight_decay": 2 * decay, "fused": True}
        optimizer = torch.optim.Adam(stacks, **options)
        for step, rows in enumerate(batches(len(X), batch_size, n_steps)):
            share = (1 + np.cos(np.pi * step / n_steps)) / 2
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * share
            optimizer.zero_grad()
            output = forward(stacks, nets.rates, inputs[rows])
            (output - values[rows]).square().mean(dim=(1, 2)).sum().backward()
            optimizer.step()
    nets.take(stacks)
    return nets.whole(scale_in, scale_out)


def batches(n, size, n_steps):
    """Rows of whole batches, in another order in each epoch."""
    size = min(size, n)
    while True:
        for rows in torch.randperm(n)[: n - n % size].split(size):
            if n_steps == 0:
                return
            yield rows
            n_steps -= 1


def forward(stacks, rates, x):
    """Outputs `(n_networks, n_rows, 1)`."""
    hidden_weight, hidden_bias, last_weight, last_bias = stacks
    rate = torch.tensor(rates)[:, None, None]
    shape = (len(rates), len(x), x.shape[1] + hidden_weight.shape[1])
    kept = (torch.rand(shape) >= rate) / (1 - rate)
    of_inputs, of_hidden = kept.split([x.shape[1], hidden_weight.shape[1]], dim=2)
    hidden = torch.baddbmm(hidden_bias[:, None], x * of_inputs, hidden_weight.mT)
    return torch.baddbmm(last_bias[:, None], hidden.relu() * of_hidden, last_weight.mT)
