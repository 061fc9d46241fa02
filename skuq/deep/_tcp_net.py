"""The network that learns how likely answers are right, and what it is taught."""

from itertools import pairwise

import numpy as np
import torch
from skorch.callbacks import LRScheduler
from torch import nn
from torch.nn import functional
from torch.optim import Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from skuq.deep._mlp import mlp
from skuq.deep._own_net import OwnNet
from skuq.deep._scaling import Standardise, standard
from skuq.exceptions import InputError

# Ways to compute a step of Adam; without a choice all is done in one pass, the fastest.
CHOICES = {f"optimizer__{n}" for n in ("fused", "foreach", "differentiable")}
MARGIN = 1e-3  # of the mean target from 0 and 1, at which the network starts


class Lesson(nn.Module):
    """Squared or binary cross-entropy loss of a logit against (target, weight)."""

    def __init__(self, cross_entropy):
        super().__init__()
        self.cross_entropy = cross_entropy

    def forward(self, logit, lesson):
        """The mean over samples and positions."""
        target, weight = lesson[:, 0], lesson[:, 1]
        logit = answers(logit, target.ndim)
        if self.cross_entropy:
            loss = functional.binary_cross_entropy_with_logits(
                logit, target, reduction="none"
            )
        else:
            loss = (logit.sigmoid() - target).square()
        return (weight * loss).mean()


class Correction(nn.Module):
    """What a network adds to the last feature, which is a logit already.

    At the start it adds nothing.
    """

    def __init__(self, module):
        super().__init__()
        self.module = module
        self.slope = nn.Parameter(torch.ones(()))
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, features):
        """The corrected logit."""
        added = answers(self.module(features[:, :-1]), features.ndim - 1)
        return self.slope * features[:, -1] + self.gain * added


class ConfidenceNet(OwnNet):
    """A network from features to the logit of a confidence.

    Fitted on features `(n_samples, n_features, *spatial)` and lessons `(n_samples, 2,
    *spatial)`, targets and weights; both are tensors.  With `residual` the last feature
    is a logit that the network corrects.
    """

    def __init__(
        self,
        module,
        *,
        residual,
        cross_entropy,
        hidden_layer_sizes,
        optimizer,
        lr,
        max_epochs,
        batch_size,
        net_params,
        device,
        verbose,
        random_state,
    ):
        self.module = module
        self.residual = residual
        self.cross_entropy = cross_entropy
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.net_params = net_params
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def predict_confidence(self, features):
        """Numbers in [0, 1] for a tensor of features, as a numpy array."""
        (logit,) = self._outputs(self.net_.module_, features)
        return answers(logit, features.ndim - 1).sigmoid().numpy()

    def _built(self, X, y):
        X = X[:, :-1] if self.residual else X
        module = self._own(X, y) if self.module is None else self._network(X, 1)
        found, wanted = self._trial(module, X), (2, *X.shape[2:])
        if found not in (wanted, (2, 1, *X.shape[2:])):
            raise InputError(
                f"the module gives {found} for features of shape "
                f"{(2, *X.shape[1:])}: it must give one logit for each sample or "
                f"position, (2, 1{''.join(f', {n}' for n in X.shape[2:])})."
            )
        if self.residual:
            module = Correction(module)
        return module, Lesson(self.cross_entropy), y

    def _own(self, X, y):
        """A network of our own size, which starts at the mean of what it is taught."""
        is_map = X.ndim > 2
        make = map_network if is_map else mlp
        module = make(X.numpy(), 1, self.hidden_layer_sizes)
        mean = float((y[:, 0] * y[:, 1]).mean().clamp(MARGIN, 1 - MARGIN))
        nn.init.constant_(module[-1].bias, np.log(mean / (1 - mean)))
        return module

    def _net(self, module, loss):
        net = super()._net(module, loss)
        if self.optimizer in (Adam, AdamW) and CHOICES.isdisjoint(
            self.net_params or ()
        ):
            net.set_params(optimizer__fused=True)
        return net

    def _callbacks(self):
        schedule = LRScheduler(CosineAnnealingLR, T_max=self.max_epochs)
        return [("schedule", schedule)]


def map_network(X, n_outputs, hidden_layer_sizes):
    """The same layers at every position of maps: convolutions of width one."""
    if X.ndim != 4:
        raise InputError(
            f"there is a network for tables and images, not for features of shape "
            f"{X.shape}: pass a module."
        )
    layers: list[nn.Module] = [Standardise(*standard(X))]
    sizes = [X.shape[1], *hidden_layer_sizes]
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Conv2d(n_in, n_out, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(sizes[-1], n_outputs, 1))


def answers(logit, ndim):
    """One number for each sample or position, without an axis of outputs."""
    return logit[:, 0] if logit.ndim > ndim else logit


def target_of(proba, codes, kind):
    """What is learned: the true class's probability, its share, or right and wrong."""
    own = np.take_along_axis(proba, codes[:, None], axis=1)[:, 0]
    if kind == "tcp":
        return own
    if kind == "normalized_tcp":
        return own / proba.max(axis=1)
    return (proba.argmax(axis=1) == codes).astype(proba.dtype)


def weight_of(right, counts, error_weight):
    """Weights of mean one, 0 where nothing counts, more for errors."""
    n_right, n_wrong = (right & counts).sum(), (~right & counts).sum()
    if error_weight == "balanced":
        error_weight = n_right / n_wrong if n_wrong and n_right else 1.0
    weight = np.where(right, 1.0, error_weight) * counts
    return weight / weight.mean()


def lessons(target, weight):
    """Targets and weights as one tensor along axis 1."""
    stacked = np.stack([target, weight], axis=1).astype(np.float32)
    return torch.from_numpy(stacked)
