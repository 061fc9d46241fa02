"""Losses of networks that state the noise of the target beside its value."""

import math

import torch
from torch import Tensor, nn

from skuq.exceptions import InputError


class LaplaceNLLLoss(nn.Module):
    """Mean negative log-likelihood of Laplace distributions; lower is better.

    Parameters
    ----------
    beta : float in [0, 1], default=0.0
        Each sample counts ``variance ** beta``, which has no gradient, as in
        `BetaNLLLoss`.

    See Also
    --------
    BetaNLLLoss : The same for Gaussians.
    StudentTNLLLoss : Heavier tails.

    Notes
    -----
    ``log(2 b) + |y - mean| / b`` with ``b = sqrt(variance / 2)``.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import LaplaceNLLLoss
    >>> mean, variance = torch.tensor([1.0]), torch.tensor([0.5])
    >>> LaplaceNLLLoss()((mean, variance), torch.tensor([2.0]))
    tensor(2.)
    """

    def __init__(self, beta: float = 0.0) -> None:
        super().__init__()
        self.beta = _checked(beta)

    def forward(self, y_pred: tuple[Tensor, Tensor], y_true: Tensor) -> Tensor:
        """The loss.

        Parameters
        ----------
        y_pred : tuple of torch.Tensor
            Mean and variance.
        y_true : torch.Tensor of the same shape
            Observed values.

        Returns
        -------
        loss : torch.Tensor of shape ()
            In nats, for a beta of 0.
        """
        mean, variance = y_pred
        size = (variance / 2).sqrt()
        losses = (2 * size).log() + (y_true - mean).abs() / size
        return _weighted_mean(losses, variance, self.beta)


class StudentTNLLLoss(nn.Module):
    """Mean negative log-likelihood of Student's t; lower is better.

    Parameters
    ----------
    degrees_of_freedom : float, default=4.0
        Above 2, so that there is a variance; the fewer, the heavier the tails.
    beta : float in [0, 1], default=0.0
        Each sample counts ``variance ** beta``, which has no gradient, as in
        `BetaNLLLoss`.

    See Also
    --------
    BetaNLLLoss : The same for Gaussians.
    LaplaceNLLLoss : Lighter tails.

    Notes
    -----
    The scale of the distribution is ``sqrt(variance * (df - 2) / df)``, so that it has
    the variance that the network states.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import StudentTNLLLoss
    >>> mean, variance = torch.tensor([1.0]), torch.tensor([2.0])
    >>> StudentTNLLLoss(4.0)((mean, variance), torch.tensor([1.0]))
    tensor(0.9808)
    """

    def __init__(self, degrees_of_freedom: float = 4.0, beta: float = 0.0) -> None:
        super().__init__()
        if not 2 < degrees_of_freedom < math.inf:
            raise InputError(
                "degrees_of_freedom must be finite and above 2, for a variance to "
                f"exist; got {degrees_of_freedom!r}."
            )
        self.degrees_of_freedom = degrees_of_freedom
        self.beta = _checked(beta)

    def forward(self, y_pred: tuple[Tensor, Tensor], y_true: Tensor) -> Tensor:
        """The loss.

        Parameters
        ----------
        y_pred : tuple of torch.Tensor
            Mean and variance.
        y_true : torch.Tensor of the same shape
            Observed values.

        Returns
        -------
        loss : torch.Tensor of shape ()
            In nats, for a beta of 0.
        """
        mean, variance = y_pred
        df = self.degrees_of_freedom
        squares = (y_true - mean).square() / (variance * (df - 2))
        constant = math.lgamma(df / 2) - math.lgamma((df + 1) / 2)
        constant += 0.5 * math.log(math.pi * (df - 2))
        losses = constant + 0.5 * variance.log() + 0.5 * (df + 1) * squares.log1p()
        return _weighted_mean(losses, variance, self.beta)


class LogitNoiseLoss(nn.Module):
    """Cross-entropy of logits with Gaussian noise; lower is better.

    Parameters
    ----------
    n_samples : int, default=20
        Draws of the noise.
    ignore_index : int, default=-100
        Label of positions that do not count.

    See Also
    --------
    LogitNoiseHead : Makes the logits and their scale.

    Notes
    -----
    With draws ``z_t = logits + scale * noise_t``, the loss [1]_ is that of the mean
    probability::

        -log(1/T sum_t softmax(z_t)_y) = log T - logsumexp_t log_softmax(z_t)_y

    It equals the cross-entropy where the scale is 0, and stays finite wherever that
    does.  With few draws it is too high on average.

    References
    ----------
    .. [1] A. Kendall and Y. Gal, "What Uncertainties Do We Need in Bayesian Deep
       Learning for Computer Vision?", NeurIPS 2017. https://arxiv.org/abs/1703.04977

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import LogitNoiseLoss
    >>> logits, scale = torch.tensor([[0.0, 120.0]]), torch.zeros(1, 1)
    >>> LogitNoiseLoss()((logits, scale), torch.tensor([0]))
    tensor(120.)
    """

    def __init__(self, n_samples: int = 20, *, ignore_index: int = -100) -> None:
        super().__init__()
        if n_samples < 1:
            raise InputError(f"n_samples must be at least 1, got {n_samples!r}.")
        self.n_samples = n_samples
        self.ignore_index = ignore_index

    def forward(self, y_pred: tuple[Tensor, Tensor], y_true: Tensor) -> Tensor:
        """The loss.

        Parameters
        ----------
        y_pred : tuple of torch.Tensor
            Logits of shape (n, n_classes, *spatial), and the scale of their noise, of a
            shape that broadcasts to it.
        y_true : torch.Tensor of shape (n, *spatial)
            Class codes, from 0.

        Returns
        -------
        loss : torch.Tensor of shape ()
            Mean over samples and positions that count, in nats.
        """
        logits, scale = y_pred
        counts = y_true != self.ignore_index
        index = y_true.where(counts, 0)[None, :, None]
        noise = torch.randn(
            (self.n_samples, *logits.shape), dtype=logits.dtype, device=logits.device
        )
        logs = torch.addcmul(logits, scale, noise).log_softmax(2)
        logs = logs.gather(2, index.expand(self.n_samples, *index.shape[1:]))[:, :, 0]
        # The largest term outside, so that equal terms give exactly their value.
        top = logs.detach().amax(0)
        losses = -(top + (logs - top).exp().mean(0).log())
        return losses.masked_fill(~counts, 0.0).sum() / counts.sum()


def _weighted_mean(losses: Tensor, variance: Tensor, beta: float) -> Tensor:
    return (losses * variance.detach() ** beta if beta else losses).mean()


def _checked(beta: float) -> float:
    if not 0 <= beta <= 1:
        raise InputError(f"beta must lie in [0, 1], got {beta!r}.")
    return beta
