"""Every function of torch by which a network drops units, with masks of one's own.

Each takes a `unit`, which says how much is dropped here and draws the mask, and the
arguments of the function that it stands for.  All run in evaluation mode.
"""

import inspect
from collections.abc import Callable
from math import sqrt
from types import FunctionType
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from skuq.nn._dropout_weights import drop_weights

ALPHA = -1.7580993408473766  # what AlphaDropout sets a unit to: selu(-inf)


class Unit(Protocol):
    """The dropout of the layer that is running."""

    def rate(self, p: float) -> float:
        """How much is dropped where the network says `p`; 0 where nothing is."""

    def drop(self, x: Tensor, p: float, **where: Any) -> Tensor:
        """`x` with units set to zero and the others scaled."""

    def keep(self, x: Tensor, p: float, **where: Any) -> tuple[Tensor, Any]:
        """Which units are kept, and how that lies on `x`."""

    def put(self, x: Tensor, dropped: Tensor) -> Tensor:
        """`dropped` in the place of `x`."""

    def drop_packed(self, x: Tensor, p: float, batch_sizes: Tensor) -> Tensor:
        """The same for the data of a PackedSequence."""

    def drop_weights(self, weight: Tensor, p: float) -> Tensor:
        """`weight`, which has no rows, with entries set to zero and others scaled."""


Handler = Callable[..., Any]


def plain(channels: bool) -> Handler:
    """Dropout of single units or of whole channels."""

    def handle(
        unit: Unit,
        func: Any,
        input: Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
        **_: Any,
    ) -> Tensor:
        if not (p := unit.rate(p)):
            return input
        dropped = unit.drop(input, p, channels=channels)
        return unit.put(input, dropped) if inplace else dropped

    return handle


def alpha(channels: bool) -> Handler:
    """Dropout to the negative limit of SELU, which keeps mean and variance."""

    def handle(
        unit: Unit,
        func: Any,
        input: Tensor,
        p: float = 0.5,
        training: bool = False,
        inplace: bool = False,
        **_: Any,
    ) -> Tensor:
        if not (p := unit.rate(p)):
            return input
        keep, spread = unit.keep(input, p, channels=channels)
        scale = 1 / sqrt((1 - p) * (1 + p * ALPHA**2)) if p < 1 else 0.0
        view = input.reshape(spread.view)
        dropped = torch.where(keep, view, torch.full_like(view, ALPHA))
        dropped = (scale * dropped - scale * p * ALPHA).reshape(input.shape)
        return unit.put(input, dropped) if inplace else dropped

    return handle


def weights(unit: Unit, func: Any, weight: Tensor, p: float, training: bool) -> Tensor:
    """Dropout of single weights of a layer."""
    return unit.drop_weights(weight, p) if (p := unit.rate(p)) else weight


def recurrent(unit: Unit, func: Any, *args: Any) -> Any:
    """Layers of an LSTM, GRU or RNN one by one, with dropout between them."""
    # Packed: data, batch_sizes, state, weights, ...; else input, state, weights, ...
    packed = isinstance(args[3], (list, tuple))
    x, lengths = args[0], args[1:2] if packed else ()
    state, weights, bias, n_layers, p, _, both_ways, *rest = args[2 if packed else 1 :]
    if n_layers == 1 or not (p := unit.rate(p)):
        return func(*args)
    states = (state,) if isinstance(state, Tensor) else state
    n_weights, n_ways = len(weights) // n_layers, 2 if both_ways else 1
    ends = []
    for i in range(n_layers):
        part = tuple(s[i * n_ways : (i + 1) * n_ways] for s in states)
        own = weights[i * n_weights : (i + 1) * n_weights]
        begin = part[0] if isinstance(state, Tensor) else part
        out = func(x, *lengths, begin, own, bias, 1, 0.0, False, both_ways, *rest)
        x = out[0]
        ends.append(out[1:])
        if i < n_layers - 1 and packed:
            x = unit.drop_packed(x, p, lengths[0])
        elif i < n_layers - 1:
            x = unit.drop(x, p, axis=0 if rest[0] else 1)
    return (x, *(torch.cat(parts) for parts in zip(*ends, strict=True)))


def attention(
    unit: Unit,
    func: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **options: Any,
) -> Tensor:
    """Scaled dot product attention, with dropout of its weights."""
    if not (p := unit.rate(dropout_p)):
        return func(query, key, value, attn_mask, 0.0, is_causal, **options)
    if options.get("enable_gqa"):
        times = query.shape[-3] // key.shape[-3]
        key, value = (t.repeat_interleave(times, -3) for t in (key, value))
    scale = options.get("scale")
    scale = 1 / sqrt(query.shape[-1]) if scale is None else scale
    scores = query * scale @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = torch.ones_like(scores[(0,) * (scores.ndim - 2)]).tril() > 0
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    nothing = (scores == -torch.inf).all(-1, keepdim=True)
    weights = scores.softmax(-1).masked_fill(nothing, 0.0)
    return unit.drop(weights, p, axis=0) @ value


SIGNATURE = inspect.signature(F.multi_head_attention_forward)


def multi_head(unit: Unit, func: Any, *args: Any, **kwargs: Any) -> Any:
    """What `nn.MultiheadAttention` computes, with dropout of its weights."""
    bound = SIGNATURE.bind(*args, **kwargs)
    if not (p := unit.rate(bound.arguments["dropout_p"])):
        return func(*args, **kwargs)
    bound.arguments.update(training=True, dropout_p=p)

    def dropout(x: Tensor, p: float) -> Tensor:
        return unit.drop(x, p, axis=0)

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Any, p: float, c: bool) -> Tensor:
        return attention(
            _Fixed(unit), F.scaled_dot_product_attention, q, k, v, mask, p, c
        )

    own = {
        "dropout": dropout,
        "scaled_dot_product_attention": attend,
        "has_torch_function": lambda tensors: False,
    }
    return _with_globals(F.multi_head_attention_forward, own)(
        *bound.args, **bound.kwargs
    )


class _Fixed:
    """A unit whose rate has been settled already."""

    def __init__(self, unit: Unit) -> None:
        self.drop, self.keep, self.put = unit.drop, unit.keep, unit.put
        self.drop_packed, self.drop_weights = unit.drop_packed, unit.drop_weights

    def rate(self, p: float) -> float:
        return p


def _with_globals(function: Any, names: dict[str, Any]) -> Any:
    """A copy of `function` that finds other things under some names of its module."""
    scope = {**function.__globals__, **names}
    copy = FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


HANDLERS: dict[Any, Handler] = {
    drop_weights: weights,
    F.dropout: plain(channels=False),
    torch.dropout: plain(channels=False),
    torch.feature_dropout: plain(channels=True),
    F.dropout1d: plain(channels=True),
    F.dropout2d: plain(channels=True),
    F.dropout3d: plain(channels=True),
    F.alpha_dropout: alpha(channels=False),
    torch.alpha_dropout: alpha(channels=False),
    F.feature_alpha_dropout: alpha(channels=True),
    torch.feature_alpha_dropout: alpha(channels=True),
    torch.lstm: recurrent,
    torch.gru: recurrent,
    torch.rnn_tanh: recurrent,
    torch.rnn_relu: recurrent,
    F.scaled_dot_product_attention: attention,
    F.multi_head_attention_forward: multi_head,
}
