"""Bayesian layers in the place of torch's convolutions."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.utils import _ntuple

from skuq._core._checks import check_option
from skuq.exceptions import InputError
from skuq.nn._bayes_layer import INITIAL_STD, BayesLayer, random_signs
from skuq.nn._priors import Prior

PADDINGS = ("zeros", "reflect", "replicate", "circular")


class BayesConv(BayesLayer):
    """What the convolutions share."""

    n_dims: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        prior: Prior | None = None,
        weight_sampling: str = "local",
        initial_std: float = INITIAL_STD,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_option("padding_mode", padding_mode, PADDINGS)
        if isinstance(padding, str):
            check_option("padding", padding, ("same", "valid"))
        if in_channels % groups or out_channels % groups:
            raise InputError(
                f"groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}."
            )
        as_tuple = _ntuple(self.n_dims)
        kernel = as_tuple(kernel_size)
        super().__init__(
            (out_channels, in_channels // groups, *kernel),
            out_channels,
            bias,
            prior,
            weight_sampling,
            initial_std,
            {"device": device, "dtype": dtype},
        )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = kernel, as_tuple(stride)
        self.dilation, self.groups = as_tuple(dilation), groups
        self.padding = padding if isinstance(padding, str) else as_tuple(padding)
        self.padding_mode = padding_mode

    def _apply_weights(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            x, padding = F.pad(x, self._pads(), mode=self.padding_mode), 0
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self.n_dims - 1]
        return convolve(
            x, weight, bias, self.stride, padding, self.dilation, self.groups
        )

    def _pads(self) -> list[int]:
        """What to add before and after each axis, the last one first."""
        if self.padding == "valid":
            return [0] * (2 * self.n_dims)
        if self.padding == "same":
            spans = [
                d * (k - 1)
                for d, k in zip(self.dilation, self.kernel_size, strict=True)
            ]
            pairs = [(span // 2, span - span // 2) for span in spans]
        else:
            pairs = [(p, p) for p in self.padding]
        return [p for pair in reversed(pairs) for p in pair]

    def _signs(self, values: Tensor) -> Tensor:
        """Signs of each sample and channel, the same at all positions."""
        *batch, n_channels = values.shape[: -self.n_dims]
        return random_signs(values, (*batch, n_channels, *(1,) * self.n_dims))

    def extra_repr(self) -> str:
        """What the layer is printed with.

        Returns
        -------
        text : str
            Sizes and the prior.
        """
        return (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, "
            f"bias={self.bias_mean is not None}, prior={self.prior}"
        )


class BayesConv1d(BayesConv):
    """One-dimensional convolution with a Gaussian for each weight.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    kernel_size : int or tuple of int
        Size of the kernel.
    stride : int or tuple of int, default=1
        Step of the kernel.
    padding : int, tuple of int, "same" or "valid", default=0
        What is added on both sides.
    dilation : int or tuple of int, default=1
        Distance of the points of the kernel.
    groups : int, default=1
        Groups of channels that do not see each other.
    bias : bool, default=True
        Whether there is a bias, which is Gaussian too.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default="zeros"
        What padding consists of.
    prior : GaussianPrior, ScaleMixturePrior or LaplacePrior, default=None
        Of weights and bias; None is a Gaussian of standard deviation 1.
    weight_sampling : {"local", "weights", "flipout"}, default="local"
        How noise is drawn during training, as in `BayesLinear`.
    initial_std : float, default=0.005
        Standard deviation of all weights before training.
    device : torch.device, default=None
        Where the weights are.
    dtype : torch.dtype, default=None
        Their type.

    See Also
    --------
    BayesLinear : Has the attributes, and notes on sampling.
    to_bayesian : Makes such layers of those of a network.

    Notes
    -----
    "local" draws the output of each position by itself: right for each of them, but
    positions that see the same kernel are independent, which they are not with sampled
    weights.  "flipout" and "weights" keep that.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import BayesConv1d
    >>> layer = BayesConv1d(1, 2, 3, padding=1)
    >>> layer(torch.zeros(5, 1, 8)).shape
    torch.Size([5, 2, 8])
    """

    n_dims = 1


class BayesConv2d(BayesConv):
    """Two-dimensional convolution with a Gaussian for each weight.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    kernel_size : int or tuple of int
        Size of the kernel.
    stride : int or tuple of int, default=1
        Step of the kernel.
    padding : int, tuple of int, "same" or "valid", default=0
        What is added on both sides.
    dilation : int or tuple of int, default=1
        Distance of the points of the kernel.
    groups : int, default=1
        Groups of channels that do not see each other.
    bias : bool, default=True
        Whether there is a bias, which is Gaussian too.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default="zeros"
        What padding consists of.
    prior : GaussianPrior, ScaleMixturePrior or LaplacePrior, default=None
        Of weights and bias; None is a Gaussian of standard deviation 1.
    weight_sampling : {"local", "weights", "flipout"}, default="local"
        How noise is drawn during training, as in `BayesLinear`.
    initial_std : float, default=0.005
        Standard deviation of all weights before training.
    device : torch.device, default=None
        Where the weights are.
    dtype : torch.dtype, default=None
        Their type.

    See Also
    --------
    BayesLinear : Has the attributes, and notes on sampling.
    to_bayesian : Makes such layers of those of a network.

    Notes
    -----
    "local" draws the output of each position by itself: right for each of them, but
    positions that see the same kernel are independent, which they are not with sampled
    weights.  "flipout" and "weights" keep that.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import BayesConv2d
    >>> layer = BayesConv2d(1, 2, 3, padding=1)
    >>> layer(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 2, 8, 8])
    """

    n_dims = 2


class BayesConv3d(BayesConv):
    """Three-dimensional convolution with a Gaussian for each weight.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    kernel_size : int or tuple of int
        Size of the kernel.
    stride : int or tuple of int, default=1
        Step of the kernel.
    padding : int, tuple of int, "same" or "valid", default=0
        What is added on both sides.
    dilation : int or tuple of int, default=1
        Distance of the points of the kernel.
    groups : int, default=1
        Groups of channels that do not see each other.
    bias : bool, default=True
        Whether there is a bias, which is Gaussian too.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default="zeros"
        What padding consists of.
    prior : GaussianPrior, ScaleMixturePrior or LaplacePrior, default=None
        Of weights and bias; None is a Gaussian of standard deviation 1.
    weight_sampling : {"local", "weights", "flipout"}, default="local"
        How noise is drawn during training, as in `BayesLinear`.
    initial_std : float, default=0.005
        Standard deviation of all weights before training.
    device : torch.device, default=None
        Where the weights are.
    dtype : torch.dtype, default=None
        Their type.

    See Also
    --------
    BayesLinear : Has the attributes, and notes on sampling.
    to_bayesian : Makes such layers of those of a network.

    Notes
    -----
    "local" draws the output of each position by itself: right for each of them, but
    positions that see the same kernel are independent, which they are not with sampled
    weights.  "flipout" and "weights" keep that.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import BayesConv3d
    >>> layer = BayesConv3d(1, 2, 3, padding=1)
    >>> layer(torch.zeros(5, 1, 8, 8, 8)).shape
    torch.Size([5, 2, 8, 8, 8])
    """

    n_dims = 3
