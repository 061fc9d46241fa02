"""One temperature for each pixel of a map, by a gated tree of dilated convolutions."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from skuq.exceptions import InputError
from skuq.nn._calibration import Calibration

LEAVES = 4
LARGEST = math.log(100)  # of the tree's answers, on either side of 0


class TemperatureTree(nn.Module):
    """The logarithm of a temperature for each pixel, from logits and image.

    Four leaves and the gates between them are convolutions of the logits, and a fifth
    leaf is one of the image.  Each gate is a share in (0, 1) that mixes two answers, at
    every pixel anew.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 2.
    n_channels : int, default=0
        Channels of the image; 0 makes a tree without a leaf for it.
    kernel_size : int, default=5
        Pixels along a side of each convolution, an odd number.
    dilation : int, default=2
        Distance of the pixels that a convolution sees: with a kernel of 5, a dilation
        of 2 reaches 4 pixels to each side.
    logit_scale : float, default=1.0
        Unit of the logits: their root mean square about the mean of the classes.
    image_center : float or array-like of shape (n_channels,), default=0.0
        Subtracted from the image.
    image_scale : float or array-like of shape (n_channels,), default=1.0
        Unit of the image, above 0.

    See Also
    --------
    LocalTemperatureCalibration : Divides logits by the temperatures of a tree.

    Notes
    -----
    With leaves l1 to l4, the leaf l5 of the image and gates g1 to g4,

    .. code-block:: text

       a = g3 (g1 l1 + (1 - g1) l2) + (1 - g3) (g2 l3 + (1 - g2) l4)
       t = g4 a + (1 - g4) l5                      (a, without an image)

    and the answer is t, bent smoothly so that it stays within log(100) of 0.

    All leaves start at 0, and so do all answers, while the gates start at random.  Were
    the gates 0 too, the four leaves would get the same gradients for ever and the gates
    none: the tree would be a single convolution.

    A constant added to all logits of a pixel changes nothing.  Beyond the edge of a map
    its border is repeated, so maps may be of any size.

    References
    ----------
    .. [1] Z. Ding, X. Han, P. Liu and M. Niethammer, "Local Temperature Scaling for
       Probability Calibration", ICCV 2021. https://arxiv.org/abs/2008.05105

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import TemperatureTree
    >>> tree = TemperatureTree(n_classes=3, n_channels=1)
    >>> tree(torch.randn(2, 3, 8, 8), torch.randn(2, 1, 8, 8)).shape
    torch.Size([2, 8, 8])
    """

    logit_scale: torch.Tensor
    image_center: torch.Tensor
    image_scale: torch.Tensor

    def __init__(
        self,
        n_classes,
        n_channels=0,
        *,
        kernel_size=5,
        dilation=2,
        logit_scale=1.0,
        image_center=0.0,
        image_scale=1.0,
    ):
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise InputError(
                f"kernel_size must be an odd number of at least 1, got {kernel_size!r}."
            )
        if dilation < 1:
            raise InputError(f"dilation must be at least 1, got {dilation!r}.")
        self.n_channels = n_channels
        self.reach = dilation * (kernel_size // 2)  # of a convolution, in pixels
        self.branches = nn.Conv2d(
            n_classes,
            2 * LEAVES if n_channels else 2 * LEAVES - 1,
            kernel_size,
            dilation=dilation,
        )
        self.leaf = (
            nn.Conv2d(n_channels, 1, kernel_size, dilation=dilation)
            if n_channels
            else None
        )
        unit = torch.as_tensor(logit_scale, dtype=torch.float64)
        self.register_buffer("logit_scale", unit)
        for name, value in (
            ("image_center", image_center),
            ("image_scale", image_scale),
        ):
            value = torch.as_tensor(value).float().reshape(-1, 1, 1)
            self.register_buffer(name, value)
        with torch.no_grad():
            for parameter in self.branches.parameters():
                parameter[:LEAVES] = 0
            for parameter in self.leaf.parameters() if self.leaf else ():
                parameter.zero_()

    def forward(self, logits, image=None):
        """The logarithm of a temperature for each pixel.

        Parameters
        ----------
        logits : Tensor of shape (n, n_classes, height, width)
            Logits.
        image : Tensor of shape (n, n_channels, height, width), default=None
            The image; not looked at by a tree without channels.

        Returns
        -------
        log_temperature : Tensor of shape (n, height, width)
            In (-log(100), log(100)), in the precision of the weights.
        """
        z = (logits - logits.mean(1, keepdim=True)) / self.logit_scale
        branches = self.branches(self._padded(z))
        leaves = branches[:, :LEAVES].unbind(1)
        gates = branches[:, LEAVES:].sigmoid().unbind(1)
        left = torch.lerp(leaves[1], leaves[0], gates[0])
        right = torch.lerp(leaves[3], leaves[2], gates[1])
        answer = torch.lerp(right, left, gates[2])
        if self.leaf is not None:
            of_image = self.leaf(self._padded(self._standardised(image)))[:, 0]
            answer = torch.lerp(of_image, answer, gates[3])
        return LARGEST * torch.tanh(answer / LARGEST)

    def _standardised(self, image):
        if image is None:
            raise InputError(
                f"image is None, but the temperatures were learned from images of "
                f"{self.n_channels} channel(s): pass the image with the logits."
            )
        return (image - self.image_center) / self.image_scale

    def _padded(self, x):
        """With the border repeated, in the order in which training is fastest."""
        x = F.pad(x.to(self.branches.weight.dtype), 4 * (self.reach,), mode="replicate")
        return x.contiguous(memory_format=torch.channels_last)


class LocalTemperatureCalibration(Calibration):
    """``softmax(z / T)`` with a temperature for each pixel, or for each image.

    Parameters
    ----------
    tree : TemperatureTree
        Gives the logarithm of T, before it is multiplied by `temperature`.
    temperature : float, default=1.0
        Where T starts, above 0: T at a pixel is this times the exponential of the
        tree's answer.
    per_image : bool, default=False
        Whether all pixels of an image get the mean of their temperatures.
    input : {"logit", "proba"}, default="logit"
        What the scores are.

    See Also
    --------
    skuq.deep.LocalTemperatureScaler : Trains one.
    skuq.deep.ImageTemperatureScaler : Trains one with a temperature for each image.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import LocalTemperatureCalibration, TemperatureTree
    >>> module = LocalTemperatureCalibration(TemperatureTree(n_classes=3), 2.0)
    >>> logits = torch.randn(1, 3, 8, 8)
    >>> torch.allclose(module(logits), (logits / 2).softmax(1))
    True
    """

    temperature: torch.Tensor

    def __init__(self, tree, temperature=1.0, *, per_image=False, input="logit"):
        super().__init__(input=input, temperature=temperature)
        self.tree = tree
        self.per_image = per_image

    def forward(self, scores, image=None):
        """Calibrated probabilities.

        Parameters
        ----------
        scores : Tensor of shape (n, n_classes, height, width)
            Logits or probabilities, as `input` says; one column is the score of the
            second class of two.
        image : Tensor of shape (n, n_channels, height, width), default=None
            The image, if the tree looks at one.

        Returns
        -------
        proba : Tensor of shape (n, n_classes, height, width)
            In [0, 1], sums to one over axis 1.
        """
        return self._proba(self._logits(scores), image)

    def temperature_map(self, scores, image=None):
        """The temperature of each pixel.

        Parameters
        ----------
        scores : Tensor of shape (n, n_classes, height, width)
            Logits or probabilities, as `input` says.
        image : Tensor of shape (n, n_channels, height, width), default=None
            The image, if the tree looks at one.

        Returns
        -------
        temperature : Tensor of shape (n, height, width)
            Above 0, in the unit of the logits.
        """
        return self._temperature(self._logits(scores), image)

    def calibrated_logits(self, scores, image=None):
        """Calibrated logits: divided by their temperature.

        Parameters
        ----------
        scores : Tensor of shape (n, n_classes, height, width)
            Logits or probabilities, as `input` says.
        image : Tensor of shape (n, n_channels, height, width), default=None
            The image, if the tree looks at one.

        Returns
        -------
        logits : Tensor of shape (n, n_classes, height, width)
            In nats.
        """
        z = self._logits(scores)
        return z / self._temperature(z, image)[:, None]

    def _proba(self, z, image=None):
        return (z / self._temperature(z, image)[:, None]).softmax(1)

    def _temperature(self, z, image):
        temperature = self.temperature * self.tree(z, image).to(z.dtype).exp()
        if self.per_image:
            temperature = temperature.mean((1, 2), keepdim=True)
        return temperature.expand(z.shape[0], *z.shape[2:])
