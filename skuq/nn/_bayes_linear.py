"""The Bayesian layer in the place of torch's linear one."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from skuq.nn._bayes_kernels import LocalLinear
from skuq.nn._bayes_layer import INITIAL_STD, BayesLayer, random_signs, term_of
from skuq.nn._priors import Prior


class BayesLinear(BayesLayer):
    """Linear layer with a Gaussian for each weight.

    Parameters
    ----------
    in_features : int
        Size of each input.
    out_features : int
        Size of each output.
    bias : bool, default=True
        Whether there is a bias, which is Gaussian too.
    prior : GaussianPrior, ScaleMixturePrior or LaplacePrior, default=None
        Of weights and bias; None is a Gaussian of standard deviation 1.
    weight_sampling : {"local", "weights", "flipout"}, default="local"
        How noise is drawn during training: of the output, which is Gaussian; of the
        weights, once for the batch; or of the weights with signs for each sample.
    initial_std : float, default=0.005
        Standard deviation of all weights before training.
    device : torch.device, default=None
        Where the weights are.
    dtype : torch.dtype, default=None
        Their type.

    Attributes
    ----------
    weight_mean : torch.nn.Parameter of shape (out_features, in_features)
        Means of the weights.
    weight_std : torch.Tensor of shape (out_features, in_features)
        Their standard deviations, ``softplus(weight_rho)``.
    bias_mean : torch.nn.Parameter of shape (out_features,)
        Means of the bias, or None.
    bias_std : torch.Tensor of shape (out_features,)
        Its standard deviations, or None.

    See Also
    --------
    to_bayesian : Makes such layers of those of a network.
    kl_divergence : The other half of the loss.
    weight_draw : Draws at prediction.

    Notes
    -----
    In evaluation mode the layer uses its mean weights, unless `weight_draw` picks a
    draw.  During training every call draws new noise, from torch's global generator as
    dropout does.  All three ways to draw are unbiased; "local" [1]_ and "flipout" [2]_
    have gradients of less variance, since samples do not share their noise.

    References
    ----------
    .. [1] D. P. Kingma, T. Salimans and M. Welling, "Variational Dropout and the Local
       Reparameterization Trick", NeurIPS 2015. https://arxiv.org/abs/1506.02557
    .. [2] Y. Wen, P. Vicol, J. Ba, D. Tran and R. Grosse, "Flipout: Efficient
       Pseudo-Independent Weight Perturbations on Mini-Batches", ICLR 2018.
       https://arxiv.org/abs/1803.04386

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import BayesLinear
    >>> layer = BayesLinear(4, 2)
    >>> layer(torch.zeros(5, 4)).shape
    torch.Size([5, 2])
    >>> bool((layer.weight_std > 0).all())
    True
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        prior: Prior | None = None,
        weight_sampling: str = "local",
        initial_std: float = INITIAL_STD,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            (out_features, in_features),
            out_features,
            bias,
            prior,
            weight_sampling,
            initial_std,
            {"device": device, "dtype": dtype},
        )
        self.in_features = in_features
        self.out_features = out_features

    def _apply_weights(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    def _local(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            return super()._local(x)
        table = x.reshape(-1, x.shape[-1])
        weights = (self.weight_mean, self.weight_rho, self.bias_mean, self.bias_rho)
        # The first of several passes through the layer gives its divergence, too.
        found = self._found
        term = None if found is None or self in found else term_of(self.prior)
        out, divergence = LocalLinear.apply(term, table, *weights)
        if found is not None and term is not None:
            found[self] = divergence
        return out.reshape(*x.shape[:-1], self.out_features)

    def _signs(self, values: Tensor) -> Tensor:
        """Signs of each sample and feature, the same at all positions between."""
        ones = (1,) * max(values.ndim - 2, 0)
        batch = values.shape[: min(1, values.ndim - 1)]
        return random_signs(values, (*batch, *ones, values.shape[-1]))

    def extra_repr(self) -> str:
        """What the layer is printed with.

        Returns
        -------
        text : str
            Sizes and the prior.
        """
        return (
            f"{self.in_features}, {self.out_features}, "
            f"bias={self.bias_mean is not None}, prior={self.prior}"
        )
