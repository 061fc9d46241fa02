"""The second stage of learned confidence: a copy of the encoder learns on."""

from copy import deepcopy

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from skuq._responses import innermost
from skuq._sklearn import rows_of
from skuq.deep._confidence_features import Tap, per_answer
from skuq.deep._torch_base import evaluating
from skuq.deep._torch_net import net_of
from skuq.deep._training import seeded


class FineTuning:
    """Trains a copy of a network together with the network of its confidence.

    The copy is in evaluation mode: it drops nothing, and batch normalisation keeps its
    statistics.

    Parameters
    ----------
    confidence_net : ConfidenceNet
        Learns on in place.
    layer : str
        Whose input in the copy it learns from.
    epochs, lr, verbose, seed : int, float, bool and int
        Of the training.
    """

    def __init__(self, confidence_net, layer, *, epochs, lr, verbose, seed):
        self.confidence_net = confidence_net
        self.layer = layer
        self.epochs = epochs
        self.lr = lr
        self.verbose = verbose
        self.seed = seed

    def copy_of(self, model, X, rows, lesson, odds=None):
        """The copy after training, and the mean loss of every epoch.

        `rows` says which samples of `X` the entries of `lesson` belong to, and those of
        `odds`, a last feature that the copy does not change.
        """
        model, X = innermost(model, X)
        encoder = deepcopy(model)
        net = net_of(encoder)
        for parameter in net.module.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        with (
            seeded(self.seed, self.confidence_net.device_),
            evaluating(net.module),
        ):
            losses = self._train(net, model, X, torch.as_tensor(rows), lesson, odds)
        net.module.zero_grad(set_to_none=True)
        return encoder, losses

    def _train(self, net, model, X, rows, lesson, odds):
        own = self.confidence_net.net_
        optimizer = self._optimizer(net)
        schedule = CosineAnnealingLR(optimizer, self.epochs)
        tap, losses = Tap(net.module, self.layer), []
        own.module_.train()
        try:
            for epoch in range(self.epochs):
                total = 0.0
                for some in torch.randperm(len(rows)).split(own.batch_size):
                    inputs, _ = rows_of(model, X, None, rows[some].numpy())
                    optimizer.zero_grad()
                    own_odds = None if odds is None else odds[some]
                    loss = self._loss(net, tap, inputs, lesson[some], own_odds)
                    optimizer.step()
                    total += loss * len(some)
                schedule.step()
                losses.append(total / len(rows))
                if self.verbose:
                    print(f"fine-tuning, epoch {epoch + 1}: loss {losses[-1]:.4f}")
        finally:
            tap.remove()
            own.module_.eval()
        return losses

    def _loss(self, net, tap, inputs, lesson, odds):
        """The mean loss of a step, with its gradients; batches are those of the net."""
        own, total, start = self.confidence_net.net_, 0.0, 0
        for batch in net.batches(inputs):
            out = net.forward(batch)
            features = per_answer(tap.taken(), out).float()
            cut = slice(start, start + len(features))
            start += len(features)
            features, part = features.to(own.device), lesson[cut].to(own.device)
            if odds is not None:
                features = torch.cat([features, odds[cut].to(own.device)], dim=1)
            logit = own.module_(features)
            loss = own.criterion_(logit, part) * (len(part) / len(lesson))
            loss.backward()
            total += loss.item()
        return total

    def _optimizer(self, net):
        own = self.confidence_net.net_
        prefix = "optimizer__"
        options = {
            key.removeprefix(prefix): value
            for key, value in own.get_params(deep=False).items()
            if key.startswith(prefix)
        }
        parameters = [*net.module.parameters(), *own.module_.parameters()]
        return own.optimizer(parameters, **options | {"lr": self.lr})
