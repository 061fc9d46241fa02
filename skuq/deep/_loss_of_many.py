"""The loss of each of many modules."""

from skorch import NeuralNet, NeuralNetClassifier
from torch import nn
from torch.func import vmap
from torch.nn import functional as F


class LossOfMany:
    """What a net of skorch makes of outputs and targets, for each module alone."""

    def __init__(self, net):
        self._net = net
        self._is_cross_entropy = is_plain_cross_entropy(net)
        self._vmapped = vmap(self._one)

    def __call__(self, out, y, x):
        """A loss for each module, for arrays ``(n_modules, n_samples, ...)``."""
        if self._is_cross_entropy and out.ndim == 3:
            rows = F.cross_entropy(out.flatten(0, 1), y.flatten(), reduction="none")
            return rows.view(y.shape).mean(1)
        return self._vmapped(out, y, x)

    def _one(self, out, y, x):
        return self._net.get_loss(out, y, X=x, training=True)


def is_plain_cross_entropy(net):
    """Whether the loss is the mean of what single rows cost."""
    loss = net.criterion_
    own = type(net).get_loss in (NeuralNet.get_loss, NeuralNetClassifier.get_loss)
    plain = type(loss) is nn.CrossEntropyLoss and loss.reduction == "mean"
    even = plain and loss.weight is None and loss.ignore_index < 0
    return own and even and not loss.label_smoothing
