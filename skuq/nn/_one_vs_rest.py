"""Fitted calibrators of one class against the rest, as modules.

All classes are one tensor, `(n, m, *spatial)` log odds: m = 1 for two classes, the
second one's, else one row per class.
"""

from abc import abstractmethod

import numpy as np
import torch
from torch.nn import functional as F

from skuq.nn._calibration import Calibration


class OneVsRest(Calibration):
    """Base of the modules with one map of log odds per class; writes `_map`."""

    @abstractmethod
    def _map(self, odds):
        """Calibrated log odds of log odds `(n, m, *spatial)`."""

    def _proba(self, z):
        odds = self._map(log_odds(z))
        if odds.shape[1] == 1:
            return torch.cat([-odds, odds], dim=1).sigmoid()
        return F.logsigmoid(odds).softmax(1)  # the sigmoid divided by its sum

    def _numbers(self, names, like):
        """Buffers of shape `(m,)`, one number per class along axis 1 of a tensor."""
        shape = (-1,) + (1,) * (like.ndim - 2)
        return (getattr(self, name).to(like.dtype).view(shape) for name in names)


class PlattCalibration(OneVsRest):
    """Probability ``1 / (1 + exp(-(a z + b)))`` of the log odds z of each class.

    Parameters
    ----------
    a : array-like of shape (n_maps,)
        Slope of each class; one map for two classes, the second one's.
    b : array-like of shape (n_maps,)
        Shift of each class.
    input : {"logit", "proba"}, default="logit"
        What the scores are.

    See Also
    --------
    skuq.calibration.PlattCalibrator : Fits a and b.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import PlattCalibration
    >>> PlattCalibration([0.5], [0.0])(torch.tensor([2.0]))
    tensor([[0.2689, 0.7311]])
    """

    def __init__(self, a, b, *, input="logit"):
        super().__init__(input=input, a=np.atleast_1d(a), b=np.atleast_1d(b))

    def _map(self, odds):
        a, b = self._numbers("ab", odds)
        return a * odds + b


class BetaCalibration(OneVsRest):
    """Log odds ``a log p - b log(1 - p) + c`` of the probability p of each class.

    Parameters
    ----------
    a, b, c : array-like of shape (n_maps,)
        Numbers of each class; one map for two classes, the second one's.
    share : array-like of shape (n_maps,), default=0
        Share of 1/2 that is mixed into p before.
    input : {"logit", "proba"}, default="logit"
        What the scores are.

    See Also
    --------
    skuq.calibration.BetaCalibrator : Fits the numbers.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import BetaCalibration
    >>> BetaCalibration([0.5], [0.5], [0.0])(torch.tensor([2.0]))
    tensor([[0.2689, 0.7311]])
    """

    def __init__(self, a, b, c, share=0.0, *, input="logit"):
        share = np.broadcast_to(share, np.shape(np.atleast_1d(a)))
        a, b, c = np.atleast_1d(a, b, c)
        super().__init__(input=input, a=a, b=b, c=c, share=share)

    def _map(self, odds):
        a, b, c, share = self._numbers(("a", "b", "c", "share"), odds)
        odds = mixed(odds, share)
        return a * F.logsigmoid(odds) - b * F.logsigmoid(-odds) + c


class QuadraticCalibration(OneVsRest):
    """Log odds ``c + a u + b u^2`` of mixed Platt-scaled ones u, b by the sign of u.

    Parameters
    ----------
    line : array-like of shape (n_maps, 4)
        Slope and intercept of Platt's line, the share of 1/2 that is mixed into the
        probability after it, and that before it.
    slope, upper, lower, intercept : array-like of shape (n_maps,)
        Numbers of ``intercept + slope u + upper max(u, 0)^2 - lower max(-u, 0)^2``; one
        map for two classes, the second one's.
    input : {"logit", "proba"}, default="logit"
        What the scores are.

    See Also
    --------
    skuq.calibration.QuadraticCalibrator : Fits the numbers.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import QuadraticCalibration
    >>> line = [[0.5, 0.0, 0.0, 0.0]]
    >>> QuadraticCalibration(line, [1], [0], [0], [0])(torch.tensor([2.0]))
    tensor([[0.2689, 0.7311]])
    """

    def __init__(self, line, slope, upper, lower, intercept, *, input="logit"):
        first_slope, first_intercept, share, first_share = np.transpose(line)
        super().__init__(
            input=input,
            first_slope=first_slope,
            first_intercept=first_intercept,
            share=share,
            first_share=first_share,
            slope=np.atleast_1d(slope),
            upper=np.atleast_1d(upper),
            lower=np.atleast_1d(lower),
            intercept=np.atleast_1d(intercept),
        )

    def _map(self, odds):
        u = self._line(odds)
        slope, upper, lower, intercept = self._numbers(
            ("slope", "upper", "lower", "intercept"), odds
        )
        bent = upper * u.clamp(min=0) ** 2 - lower * u.clamp(max=0) ** 2
        return intercept + slope * u + bent

    def _line(self, odds):
        slope, intercept, share, first_share = self._numbers(
            ("first_slope", "first_intercept", "share", "first_share"), odds
        )
        return mixed(slope * mixed(odds, first_share) + intercept, share)


def log_odds(z):
    """Log odds of each class against the rest; of two classes, of the second.

    The rest is summed without the class itself: 1 - p would lose the odds of a sure
    class, of which float32 can tell no more than exp(16).
    """
    if z.shape[1] == 2:
        return z[:, 1:] - z[:, :1]
    z = z - z.amax(1, keepdim=True)
    top = z.argmax(1, keepdim=True)
    others = z.scatter(1, top, -torch.inf)
    near = others.exp()
    rest = torch.log1p(near.sum(1, keepdim=True) - near)
    return z - rest.scatter(1, top, others.logsumexp(1, keepdim=True))


def mixed(odds, share):
    """Log odds of ``(1 - share) p + share / 2``; a share of 0 is no special case."""
    rest, half = torch.log1p(-share), torch.log(share / 2)
    yes = torch.logaddexp(rest + F.logsigmoid(odds), half)
    no = torch.logaddexp(rest + F.logsigmoid(-odds), half)
    return yes - no
