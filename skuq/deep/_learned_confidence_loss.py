"""The loss of a network that may ask for hints, at a price."""

import torch
from torch import nn
from torch.nn import functional

from skuq.deep._own_targets import VOID

DEARER, CHEAPER = 1 / 0.99, 1 / 1.01  # of the authors' code: the price after a step


class HintLoss(nn.Module):
    """Cross-entropy with hints in proportion to the doubt, and the price of doubt.

    Of logits and the logit of the confidence along axis 1.  Outside training it is the
    cross-entropy without hints.

    Parameters
    ----------
    hint_probability : float
        Share of samples or positions that get hints.
    budget : float
        Mean of -log confidence that the price of doubt aims at.
    price : float
        The first one.
    """

    price: torch.Tensor

    def __init__(self, hint_probability, budget, price):
        super().__init__()
        self.hint_probability = hint_probability
        self.budget = budget
        self.register_buffer("price", torch.tensor(float(price)))

    def forward(self, out, codes):
        """The mean over what counts; in training, the price changes."""
        counts = codes != VOID
        proba = out[:, :-1].log_softmax(1)
        own = proba.gather(1, codes.clamp(min=0)[:, None])[:, 0]
        if not self.training:
            return -_mean(own, counts)
        sure, unsure = (functional.logsigmoid(z) for z in (out[:, -1], -out[:, -1]))
        hinted = torch.rand(own.shape, device=own.device) < self.hint_probability
        # log(c p + 1 - c) for the true class
        own = torch.where(hinted, torch.logaddexp(sure + own, unsure), own)
        doubt = -_mean(sure, counts)
        loss = -_mean(own, counts) + self.price * doubt
        with torch.no_grad():
            is_over = doubt > self.budget
            self.price = self.price * torch.where(is_over, DEARER, CHEAPER)
        return loss


def _mean(values, counts):
    """The mean where it counts; 0 where nothing does."""
    return values[counts].sum() / counts.sum().clamp(min=1)
