"""The evidence lower bound: as what a network gives, as a loss, and over an epoch."""

from typing import Any, NamedTuple

import torch
from skorch.callbacks import Callback
from torch import nn

from skuq.nn import forward_with_kl, kl_weights


class Sampled(NamedTuple):
    """Outputs of several draws of the weights, and the divergence of the weights."""

    outputs: list[Any]
    divergence: torch.Tensor


class SampledNet(nn.Module):
    """A Bayesian network that gives `Sampled` in training, and an output otherwise."""

    def __init__(self, network, n_samples):
        super().__init__()
        self.network = network
        self.n_samples = n_samples

    def forward(self, x):
        """Several draws in training; else what the network gives."""
        if not self.training:
            return self.network(x)
        first, divergence = forward_with_kl(self.network, x)
        others = [self.network(x) for _ in range(self.n_samples - 1)]
        return Sampled([first, *others], divergence)


class ELBOLoss(nn.Module):
    """Mean loss over draws, plus the divergence times `factor`."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss
        self.factor = 0.0
        self.seen = None  # mean loss and divergence of the last batch

    def forward(self, y_pred, y_true):
        """The loss of one batch; without the divergence outside of training."""
        if not isinstance(y_pred, Sampled):
            return self.loss(y_pred, y_true)
        losses = torch.stack([self.loss(out, y_true) for out in y_pred.outputs])
        mean = losses.mean()
        self.seen = torch.stack([mean.detach(), y_pred.divergence.detach()])
        return mean + self.factor * y_pred.divergence


class Divergence(Callback):
    """Weighs the divergence batch by batch, and records the bound of every epoch.

    The loss is a mean over values, so the weights are divided by how many there are:
    steps then are as long as those without a divergence.

    `n_values` is the number of values of a sample, and `constant` what the mean loss
    lacks to be a negative log-likelihood.
    """

    def __init__(self, kl_weight, anneal_epochs, n_values, constant=0.0):
        self.kl_weight = kl_weight
        self.anneal_epochs = anneal_epochs
        self.n_values = n_values
        self.constant = constant

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        """Weights of all batches, smaller in the first epochs."""
        n_batches = len(net.get_iterator(dataset_train, training=True))
        epoch = net.history[-1, "epoch"]
        anneal = min(1.0, epoch / self.anneal_epochs) if self.anneal_epochs else 1.0
        weights = kl_weights(self.kl_weight, n_batches) * n_batches
        self._n_values = self.n_values * len(dataset_train)
        self._factors = iter(anneal * weights / self._n_values)
        self._sums = torch.zeros(2, device=net.device)
        self._n_rows, self._n_batches = 0, n_batches

    def on_batch_begin(self, net, training=False, **kwargs):
        """Hand the weight to the loss."""
        if training:
            net.criterion_.factor = float(next(self._factors))

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        """Add up what was seen."""
        if training:
            size = torch.tensor([len(batch[1]), 1.0])
            self._sums = self._sums + net.criterion_.seen * size.to(net.device)
            self._n_rows += len(batch[1])
            net.criterion_.seen = None

    def on_epoch_end(self, net, **kwargs):
        """The bound of the whole training set, by what its batches saw."""
        loss, divergence = self._sums.tolist()
        mean = loss / self._n_rows + self.constant
        bound = -mean * self._n_values - divergence / self._n_batches
        net.history.record("elbo", bound)
