"""Dropout of weights in place of units, for networks that were trained without."""

from copy import deepcopy
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from skuq.exceptions import InputError
from skuq.nn._dropout_insert import Kinds, check_share, chosen

NAME = "inserted_weight_dropout"
LAYERS = (nn.Linear, nn.Bilinear, nn.Embedding, nn.modules.conv._ConvNd)
# Attention takes the weights of this layer and never calls it.
NEVER_CALLED = nn.modules.linear.NonDynamicallyQuantizableLinear


def insert_weight_dropout(
    module: nn.Module, *, into: Kinds = LAYERS, p: float = 0.1
) -> nn.Module:
    """A copy of a network with dropout of the weights of some of its layers.

    Drop-weights: each weight is set to zero with probability `p`, and the others are
    scaled by ``1 / (1 - p)``.  Biases stay.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it stays as it is.
    into : type, tuple of types, str or list of str, \
            default=(Linear, Bilinear, Embedding, and convolutions)
        The layers: their types, or their names as in ``module.named_modules()``.
    p : float in (0, 1), default=0.1
        Share of the weights that are dropped.

    Returns
    -------
    copy : torch.nn.Module
        With the same parameters under the same names, so that state dicts still fit.

    Raises
    ------
    skuq.exceptions.InputError
        If no layer matches, a name is unknown or is that of another kind of layer, or
        `p` is out of range.

    See Also
    --------
    insert_dropout : Drops units.
    DropoutSampler : Draws from the copy, with masks of seed, draw and layer.

    Notes
    -----
    MC-DropWeights [1]_: Bernoulli masks on weights, which leave each layer with more
    random numbers than masks on its units do.  All rows of a batch have the same mask,
    in training too.  The projections inside attention and the weights of recurrent
    layers are left alone.

    Dropout that a network was not trained with makes it worse and its spread arbitrary:
    choose `p` on validation data, or train the copy.

    References
    ----------
    .. [1] B. Ghoshal, A. Tucker, B. Sanghera and W. L. Wong, "Estimating uncertainty in
       deep learning for reporting confidence to clinicians in medical image
       segmentation and diseases detection", Computational Intelligence, 2020.
       https://bura.brunel.ac.uk/handle/2438/21904

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from skuq.nn import DropoutSampler, insert_weight_dropout
    >>> net = insert_weight_dropout(nn.Linear(3, 2), p=0.5)
    >>> net
    Linear(
      in_features=3, out_features=2, bias=True
      (inserted_weight_dropout): WeightDropout(p=0.5)
    )
    >>> one, other = DropoutSampler(net).draws(torch.ones(4, 3), range(2))
    >>> torch.equal(one, other)
    False
    """
    check_share(p)
    copy = deepcopy(module)
    by_type = isinstance(into, (type, tuple))
    for layer in chosen(copy, into, spares_last=False):
        fits = isinstance(layer, LAYERS) and not isinstance(layer, NEVER_CALLED)
        if fits:
            layer.add_module(NAME, WeightDropout(p))
            layer.register_forward_pre_hook(_hide)
            layer.register_forward_hook(_show, always_call=True)
        elif not (by_type and isinstance(layer, NEVER_CALLED)):
            raise InputError(
                f"into chooses a {type(layer).__name__}, which does not run on one "
                "weight of its own: choose linear, bilinear, convolution or embedding "
                "layers outside attention."
            )
    return copy


def drop_weights(weight: Tensor, p: float, training: bool) -> Tensor:
    """`weight` with a share of `p` of its entries set to zero and the others scaled.

    Modes of torch see this function as they see torch's own.
    """
    if has_torch_function_unary(weight):
        found: Any = handle_torch_function(drop_weights, (weight,), weight, p, training)
        return found
    return F.dropout(weight, p, training)


class WeightDropout(nn.Module):
    """Drops weights of the layer that it is put into, with one mask for a batch."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, weight: Tensor) -> Tensor:
        """The weights to run with."""
        return drop_weights(weight, self.p, self.training)

    def extra_repr(self) -> str:
        """What the printed module says."""
        return f"p={self.p}"


def _hide(layer: nn.Module, args: Any) -> None:
    # An entry of __dict__ is found before the parameter of the same name.
    layer.__dict__["weight"] = getattr(layer, NAME)(layer.weight)


def _show(layer: nn.Module, args: Any, output: Any) -> None:
    layer.__dict__.pop("weight", None)
