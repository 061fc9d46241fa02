"""Regression with a variance that depends on the input: a last layer and its loss."""

import torch
from torch import nn
from torch.nn import functional as F

from skuq.exceptions import InputError

MIN_VARIANCE = 1e-6


class GaussianHead(nn.Module):
    """Makes a mean and a variance of what a network returns.

    Parameters
    ----------
    center : float or array-like of shape (n_outputs,), default=0.0
        Added to the mean: the mean of the target.
    scale : float or array-like of shape (n_outputs,), default=1.0
        Unit of the network: the standard deviation of the target.
    min_variance : float, default=1e-6
        Added to the variance, in the unit of the network.

    See Also
    --------
    BetaNLLLoss : The loss for it.

    Notes
    -----
    The last axis of the input holds the means, then as many numbers that become
    variances by ``softplus(s) + min_variance`` [1]_.  The head has no weights.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable
       Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017.
       https://arxiv.org/abs/1612.01474

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import GaussianHead
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 2), GaussianHead())
    >>> mean, variance = net(torch.zeros(5, 4))
    >>> mean.shape, variance.shape
    (torch.Size([5, 1]), torch.Size([5, 1]))
    """

    def __init__(self, center=0.0, scale=1.0, *, min_variance=MIN_VARIANCE):
        super().__init__()
        dtype = torch.get_default_dtype()
        self.register_buffer("center", torch.as_tensor(center, dtype=dtype))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=dtype))
        self.min_variance = min_variance

    def forward(self, x):
        """The mean and the variance.

        Parameters
        ----------
        x : torch.Tensor of shape (n, ..., 2 * n_outputs)
            What the network returns.

        Returns
        -------
        mean : torch.Tensor of shape (n, ..., n_outputs)
            In the unit of the target.
        variance : torch.Tensor of shape (n, ..., n_outputs)
            In the unit of the target squared, above 0.
        """
        if x.shape[-1] % 2:
            raise InputError(
                f"a Gaussian head takes two numbers for each output, got "
                f"{x.shape[-1]}: give the layer before it an even number."
            )
        mean, spread = x.chunk(2, dim=-1)
        variance = F.softplus(spread) + self.min_variance
        scale = self.scale
        return mean * scale + self.center, variance * scale * scale


class BetaNLLLoss(nn.Module):
    """Mean negative log-likelihood of Gaussians, or its beta variant; lower is better.

    Parameters
    ----------
    beta : float in [0, 1], default=0.0
        Each sample counts ``variance ** beta``, which has no gradient: 0 is the
        likelihood itself, 1 gives the mean the gradient of the squared error.

    See Also
    --------
    GaussianHead : Makes the mean and the variance.

    Notes
    -----
    ``mean(variance^beta (log(variance) + (y - mean)^2 / variance) / 2)`` [1]_, without
    the constant ``log(2 pi) / 2``.  The likelihood neglects samples that it thinks
    noisy, and may never fit them; a beta of 0.5 balances the two.

    References
    ----------
    .. [1] M. Seitzer, A. Tavakoli, D. Antic and G. Martius, "On the Pitfalls of
       Heteroscedastic Uncertainty Estimation with Probabilistic Neural Networks",
       ICLR 2022. https://arxiv.org/abs/2203.09168

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import BetaNLLLoss
    >>> mean, variance = torch.tensor([1.0]), torch.tensor([4.0])
    >>> BetaNLLLoss()((mean, variance), torch.tensor([3.0]))
    tensor(1.1931)
    """

    def __init__(self, beta=0.0):
        super().__init__()
        if not 0 <= beta <= 1:
            raise InputError(f"beta must lie in [0, 1], got {beta!r}.")
        self.beta = beta

    def forward(self, y_pred, y_true):
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
        if y_true.shape != mean.shape:
            raise InputError(
                f"the mean has shape {tuple(mean.shape)} and y_true "
                f"{tuple(y_true.shape)}: make them the same, such as by y[:, None]."
            )
        loss = 0.5 * (variance.log() + (y_true - mean) ** 2 / variance)
        if self.beta:
            loss = loss * variance.detach() ** self.beta
        return loss.mean()
