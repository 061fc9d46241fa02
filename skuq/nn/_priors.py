"""Priors of weights, and how far a Gaussian posterior is from them."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from skuq.exceptions import InputError

LOG_2_PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class GaussianPrior:
    """Independent Gaussians with one mean and one standard deviation.

    Parameters
    ----------
    std : float, default=1.0
        Standard deviation, above 0.
    mean : float, default=0.0
        Mean.

    See Also
    --------
    ScaleMixturePrior : Many weights near 0, and some far from it.
    LaplacePrior : Heavier tails.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import GaussianPrior
    >>> GaussianPrior().kl_divergence(torch.tensor([1.0]), torch.tensor([1.0]))
    tensor(0.5000)
    """

    std: float = 1.0
    mean: float = 0.0

    def __post_init__(self) -> None:
        check_above_zero("std", self.std)

    def log_density(self, weight: Tensor) -> Tensor:
        """Logarithm of the density of each weight.

        Parameters
        ----------
        weight : torch.Tensor
            Weights.

        Returns
        -------
        log_density : torch.Tensor of the same shape
            In nats.
        """
        return _log_normal(weight - self.mean, self.std)

    def kl_divergence(self, mean: Tensor, std: Tensor) -> Tensor:
        """Divergence of Gaussians from this prior, in closed form.

        Parameters
        ----------
        mean : torch.Tensor
            Means of the weights.
        std : torch.Tensor of the same shape
            Their standard deviations; one that is 0 counts as the smallest number.

        Returns
        -------
        divergence : torch.Tensor of shape ()
            Sum over the weights, in nats; at least 0.
        """
        squares = (mean - self.mean).square() + std.square()
        constant = mean.numel() * (math.log(self.std) - 0.5)
        logs = _positive(std).log().sum()
        return 0.5 * squares.sum() / self.std**2 - logs + constant


@dataclass(frozen=True)
class LaplacePrior:
    """Independent Laplace distributions around 0.

    Parameters
    ----------
    scale : float, default=1.0
        Mean absolute weight, above 0; the standard deviation is ``sqrt(2) * scale``.

    See Also
    --------
    GaussianPrior : Lighter tails.

    Notes
    -----
    The divergence is in closed form: ``E|w|`` of a Gaussian is known.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import LaplacePrior
    >>> LaplacePrior().log_density(torch.tensor([0.0, 2.0]))
    tensor([-0.6931, -2.6931])
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_above_zero("scale", self.scale)

    def log_density(self, weight: Tensor) -> Tensor:
        """Logarithm of the density of each weight.

        Parameters
        ----------
        weight : torch.Tensor
            Weights.

        Returns
        -------
        log_density : torch.Tensor of the same shape
            In nats.
        """
        return -weight.abs() / self.scale - math.log(2 * self.scale)

    def kl_divergence(self, mean: Tensor, std: Tensor) -> Tensor:
        """Divergence of Gaussians from this prior, in closed form.

        Parameters
        ----------
        mean : torch.Tensor
            Means of the weights.
        std : torch.Tensor of the same shape
            Their standard deviations; one that is 0 counts as the smallest number.

        Returns
        -------
        divergence : torch.Tensor of shape ()
            Sum over the weights, in nats; at least 0.
        """
        z = mean / _positive(std) / math.sqrt(2)
        size = std * math.sqrt(2 / math.pi) * (-z.square()).exp() + mean * z.erf()
        constant = mean.numel() * math.log(2 * self.scale)
        return size.sum() / self.scale + constant - _entropy(std)


@dataclass(frozen=True)
class ScaleMixturePrior:
    """Mixture of two Gaussians around 0, a wide one and a narrow one.

    Parameters
    ----------
    share : float in (0, 1), default=0.5
        Share of the first Gaussian (pi in the paper).
    std : float, default=1.0
        Standard deviation of the first.
    narrow_std : float, default=0.002
        Standard deviation of the second.

    See Also
    --------
    GaussianPrior : A single one, with a divergence in closed form.

    Notes
    -----
    The prior of Bayes by Backprop [1]_, with which most weights may be near 0 and some
    far from it.  There the logarithms of the standard deviations are natural, from
    ``-0`` to ``-2`` and from ``-6`` to ``-8``; 0.002 is about ``exp(-6)``.

    The divergence is estimated with one draw of the weights.  The entropy of the
    Gaussians is exact, which leaves the gradient of ``log q(w) - log p(w)`` as it is.

    References
    ----------
    .. [1] C. Blundell, J. Cornebise, K. Kavukcuoglu and D. Wierstra, "Weight
       Uncertainty in Neural Networks", ICML 2015. https://arxiv.org/abs/1505.05424

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import ScaleMixturePrior
    >>> ScaleMixturePrior().log_density(torch.tensor([0.0, 1.0]))
    tensor([ 4.6046, -2.1121])
    """

    share: float = 0.5
    std: float = 1.0
    narrow_std: float = 0.002

    def __post_init__(self) -> None:
        check_above_zero("std", self.std)
        check_above_zero("narrow_std", self.narrow_std)
        if not 0 < self.share < 1:
            raise InputError(f"share must lie in (0, 1), got {self.share!r}.")

    def log_density(self, weight: Tensor) -> Tensor:
        """Logarithm of the density of each weight.

        Parameters
        ----------
        weight : torch.Tensor
            Weights.

        Returns
        -------
        log_density : torch.Tensor of the same shape
            In nats.
        """
        wide = _log_normal(weight, self.std) + math.log(self.share)
        narrow = _log_normal(weight, self.narrow_std) + math.log(1 - self.share)
        return torch.logaddexp(wide, narrow)

    def kl_divergence(self, mean: Tensor, std: Tensor) -> Tensor:
        """Divergence of Gaussians from this prior, estimated with one draw.

        Parameters
        ----------
        mean : torch.Tensor
            Means of the weights.
        std : torch.Tensor of the same shape
            Their standard deviations; one that is 0 counts as the smallest number.

        Returns
        -------
        divergence : torch.Tensor of shape ()
            Sum over the weights, in nats; a single draw may be below 0.
        """
        weight = mean + std * torch.randn_like(mean)
        return -_entropy(std) - self.log_density(weight).sum()


Prior = GaussianPrior | LaplacePrior | ScaleMixturePrior


def _log_normal(deviation: Tensor, std: float) -> Tensor:
    return -0.5 * (deviation / std).square() - (math.log(std) + 0.5 * LOG_2_PI)


def _entropy(std: Tensor) -> Tensor:
    """Entropy of independent Gaussians."""
    return _positive(std).log().sum() + 0.5 * (1 + LOG_2_PI) * std.numel()


def _positive(std: Tensor) -> Tensor:
    """A softplus may round to 0, which has no logarithm."""
    return std.clamp_min(torch.finfo(std.dtype).tiny)


def check_above_zero(name: str, value: float) -> None:
    """Refuse what is not a finite number above 0."""
    if not 0 < value < math.inf:
        raise InputError(f"{name} must be finite and above 0, got {value!r}.")
