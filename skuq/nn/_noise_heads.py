"""Output layers that state the noise of the target beside its value."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skuq._core._checks import check_option
from skuq.exceptions import InputError

MIN_VARIANCE = 1e-6
MAX_LOG_VARIANCE = 30.0  # beyond, exp is of no use in single precision


class LogVarianceHead(nn.Module):
    """Makes a mean and a variance of a network's output, which holds the log-variance.

    Parameters
    ----------
    min_variance : float, default=1e-6
        Added to the variance, in the unit of the network squared.

    See Also
    --------
    ConstantNoise : One variance for all samples.
    GaussianHead : A softplus in place of the exponential, and a unit of its own.

    Notes
    -----
    Axis 1 of the input holds the means of all outputs, then their log-variances: the
    head of Kendall and Gal [1]_, for tables and maps alike.  It has no weights.

    References
    ----------
    .. [1] A. Kendall and Y. Gal, "What Uncertainties Do We Need in Bayesian Deep
       Learning for Computer Vision?", NeurIPS 2017. https://arxiv.org/abs/1703.04977

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import LogVarianceHead
    >>> mean, variance = LogVarianceHead()(torch.tensor([[2.0, 0.0]]))
    >>> mean, variance
    (tensor([[2.]]), tensor([[1.0000]]))
    """

    def __init__(self, *, min_variance: float = MIN_VARIANCE) -> None:
        super().__init__()
        self.min_variance = min_variance

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the variance.

        Parameters
        ----------
        x : torch.Tensor of shape (n, 2 * n_outputs, *spatial)
            What the network returns.

        Returns
        -------
        mean : torch.Tensor of shape (n, n_outputs, *spatial)
            As it came.
        variance : torch.Tensor of shape (n, n_outputs, *spatial)
            Above 0.
        """
        if x.shape[1] % 2:
            raise InputError(
                f"the network gives {x.shape[1]} numbers for each sample: it must give "
                "all means and then as many log-variances."
            )
        mean, log_variance = x.chunk(2, dim=1)
        variance = log_variance.clamp(max=MAX_LOG_VARIANCE).exp() + self.min_variance
        return mean, variance


class ConstantNoise(nn.Module):
    """States one variance for all samples beside a network's output.

    Parameters
    ----------
    n_outputs : int
        Number of outputs, each with a variance of its own.
    variance : float or array-like of shape (n_outputs,), default=1.0
        Its start, in the unit of the network squared, above 0.
    learned : bool, default=True
        Whether it is trained with the network.

    See Also
    --------
    LogVarianceHead : A variance for each sample.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import ConstantNoise
    >>> mean, variance = ConstantNoise(1, 4.0)(torch.zeros(3, 1))
    >>> variance.shape
    torch.Size([3, 1])
    """

    def __init__(
        self, n_outputs: int, variance: Any = 1.0, *, learned: bool = True
    ) -> None:
        super().__init__()
        start = torch.as_tensor(variance, dtype=torch.get_default_dtype())
        if not bool((start > 0).all()):
            raise InputError(f"variance must be above 0, got {variance!r}.")
        values = start.expand(n_outputs).clone().log()
        self.log_variance = nn.Parameter(values, requires_grad=learned)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output as it is, and the variance.

        Parameters
        ----------
        x : torch.Tensor of shape (n, n_outputs, *spatial)
            What the network returns.

        Returns
        -------
        mean : torch.Tensor of shape (n, n_outputs, *spatial)
            The same.
        variance : torch.Tensor of shape (n, n_outputs, *spatial)
            The same for all samples and positions.
        """
        variance = self.log_variance.exp().reshape(-1, *(1,) * (x.ndim - 2))
        return x, variance.expand_as(x)


class LogitNoiseHead(nn.Module):
    """Makes logits and the scale of their noise of a network's output.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 2.
    noise : {"shared", "per_class"}, default="shared"
        One scale for all logits of a sample or pixel, or one for each class.

    See Also
    --------
    LogitNoiseLoss : The loss for it.

    Notes
    -----
    Axis 1 of the input holds the logits, then what a softplus makes scales.  The head
    has no weights.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import LogitNoiseHead
    >>> logits, scale = LogitNoiseHead(3)(torch.zeros(5, 4))
    >>> logits.shape, scale.shape
    (torch.Size([5, 3]), torch.Size([5, 1]))
    """

    def __init__(self, n_classes: int, *, noise: str = "shared") -> None:
        super().__init__()
        self.n_classes = n_classes
        self.noise = noise
        self.n_inputs = noise_channels(n_classes, noise)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The logits and the scale of their noise.

        Parameters
        ----------
        x : torch.Tensor of shape (n, n_classes + 1, *spatial) or \
                (n, 2 * n_classes, *spatial)
            What the network returns.

        Returns
        -------
        logits : torch.Tensor of shape (n, n_classes, *spatial)
            As they came.
        scale : torch.Tensor of shape (n, 1, *spatial) or (n, n_classes, *spatial)
            Standard deviations, above 0.
        """
        if x.shape[1] != self.n_inputs:
            raise InputError(
                f"the network gives {x.shape[1]} numbers for {self.n_classes} classes, "
                f"but noise={self.noise!r} needs {self.n_inputs}."
            )
        return x[:, : self.n_classes], F.softplus(x[:, self.n_classes :])


def noise_channels(n_classes: int, noise: str) -> int:
    """How many numbers a network gives with its logits and their noise."""
    check_option("noise", noise, ("shared", "per_class"))
    return n_classes + 1 if noise == "shared" else 2 * n_classes
