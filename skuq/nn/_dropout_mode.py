"""One pass of a network in which dropout draws, and nothing else does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from skuq.exceptions import InputError
from skuq.nn._dropout_calls import HANDLERS
from skuq.nn._dropout_fold import Fold
from skuq.nn._dropout_masks import Masks, Spread
from skuq.nn._dropout_prefix import Prefix, is_worth_recording

# The dict of a module, its own `forward` in there or None, and what stands in for it.
Shadow = tuple[dict[str, Any], Any, Callable[..., Any]]


def _set_training(part: nn.Module, *, on: bool) -> None:
    """Set the mode of one module, past the slow `__setattr__` where that may be."""
    if isinstance(part, torch.jit.ScriptModule):
        part.training = on
    else:
        part.__dict__["training"] = on


class DropoutMode(TorchFunctionMode):
    """Replaces the functions of torch that drop units, and knows which module runs.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    masks : Masks
        Draws the masks.
    rate : float or None
        Replaces the network's own rates.
    layers : list of str or None
        Names of the modules in which units are dropped; None for all.
    """

    def __init__(
        self,
        module: nn.Module,
        masks: Masks,
        rate: float | None = None,
        layers: list[str] | None = None,
    ) -> None:
        super().__init__()
        self.masks = masks
        self.n_calls = 0  # of dropout, in this pass
        self.is_silent = False  # nothing is dropped
        self.fold = Fold()
        self._names = {part: name for name, part in module.named_modules()}
        self._rate = rate
        self._layers = layers
        self._prefix: Prefix | None = None
        self._stack: list[nn.Module] = []
        self._shadow: list[Shadow] = []

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients; the modes are restored at the end."""
        in_training = [part for part in self._names if part.training]
        try:
            for part in in_training:
                _set_training(part, on=False)
            with torch.inference_mode(False), torch.no_grad():
                yield
        finally:
            for part in in_training:
                _set_training(part, on=True)

    @contextmanager
    def running(self, prefix: Prefix | None) -> Iterator[None]:
        """Everything that a pass needs, undone at its end, even after an error."""
        self.n_calls, self._prefix = 0, prefix
        shadows = self._shadows()
        try:
            for names, _, shadow in shadows:
                names["forward"] = shadow
            with self.evaluating(), self:
                yield
            self.fold.check()
        finally:
            for names, own, _ in shadows:
                del names["forward"]
                if own is not None:
                    names["forward"] = own
            self._prefix = None
            self._stack.clear()
            self.fold.clear()

    def _shadows(self) -> list[Shadow]:
        """What stands in for the `forward` of each module, made anew where it changed.

        In the modules' own dicts, past the slow `__setattr__`.
        """
        changed = any(names.get("forward") is not own for names, own, _ in self._shadow)
        if changed or not self._shadow:
            parts = [
                p for p in self._names if not isinstance(p, torch.jit.ScriptModule)
            ]
            self._shadow = [
                (p.__dict__, p.__dict__.get("forward"), self._stand_in(p, p.forward))
                for p in parts
            ]
        return self._shadow

    def _stand_in(self, module: nn.Module, forward: Callable[..., Any]) -> Any:
        """`forward` of `module`, unless its output is on record."""
        stack = self._stack

        def shadow(*args: Any, **kwargs: Any) -> Any:
            prefix = self._prefix
            if prefix is None:
                mark = 0
            elif prefix.replays(module):
                return prefix.replay()
            else:
                mark = prefix.mark()
            stack.append(module)
            try:
                output = forward(*args, **kwargs)
            finally:
                stack.pop()
            if prefix is not None:
                parent = stack[-1] if stack else None
                prefix.record(mark, module, parent, output)
            return output

        return shadow

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Stand in for a function that drops units."""
        kwargs = kwargs or {}
        handler = HANDLERS.get(func)
        if handler is not None:
            return handler(self, func, *args, **kwargs)
        prefix = self._prefix
        if (
            prefix is not None
            and prefix.is_open
            and is_worth_recording(func, args, kwargs)
        ):
            if prefix.replays(func):
                return prefix.replay()
            output = func(*args, **kwargs)
            prefix.record(prefix.mark(), func, None, output)
            return output
        if self.fold.is_busy:
            args = self.fold.consumed(func, args, kwargs)
        return func(*args, **kwargs)

    # ------------------------------------------------- the unit that is running

    @property
    def layer(self) -> str:
        """Name of the innermost module that is running."""
        return self._names[self._stack[-1]] if self._stack else ""

    def rate(self, p: float) -> float:
        """How much is dropped where the network says `p`."""
        if p == 0 or self.is_silent or not self._is_chosen(self.layer):
            return 0.0
        self.n_calls += 1
        if self._prefix is not None:
            self._prefix.stop()
        return p if self._rate is None else self._rate

    def _is_chosen(self, layer: str) -> bool:
        if self._layers is None:
            return True
        return any(layer == x or layer.startswith(f"{x}.") for x in self._layers)

    def drop(
        self, x: Tensor, p: float, *, axis: int | None = None, channels: bool = False
    ) -> Tensor:
        """`x` with units set to zero and the others scaled."""
        axis = self._rows_axis(x) if axis is None else axis
        spread = self.masks.broadcast(x, axis, channels=channels)
        factors = self.masks.factors(self.layer, p, spread.mask, x)
        return self.fold.dropped(x, factors, spread)

    def keep(
        self, x: Tensor, p: float, *, channels: bool = False
    ) -> tuple[Tensor, Spread]:
        """Which units are kept, and how that lies on `x`."""
        spread = self.masks.broadcast(x, self._rows_axis(x), channels=channels)
        return self.masks.keep(self.layer, p, spread.mask, x), spread

    def put(self, x: Tensor, dropped: Tensor) -> Tensor:
        """`dropped` in the place of `x`, where there is room for all its draws."""
        return x.copy_(dropped) if self.masks.in_place else dropped

    def drop_packed(self, x: Tensor, p: float, batch_sizes: Tensor) -> Tensor:
        """The same for the data of a PackedSequence."""
        if not self.masks.shared:
            return x * self.masks.factors(self.layer, p, tuple(x.shape), x)
        shape = (len(batch_sizes), *x.shape[1:])
        factors = self.masks.factors(self.layer, p, shape, x)
        return x * factors.repeat_interleave(batch_sizes.to(x.device), 0)

    def drop_weights(self, weight: Tensor, p: float) -> Tensor:
        """A weight with entries set to zero and the others scaled."""
        if not self.masks.shared:
            raise InputError(
                "mask='independent' is for units, and all rows of a batch share the "
                f"weights that {self.layer!r} drops: use mask='shared'."
            )
        return weight * self.masks.factors(self.layer, p, tuple(weight.shape), weight)

    def _rows_axis(self, x: Tensor) -> int:
        """The axis of `x` along which the rows of the batch lie."""
        n = self.masks.n_rows
        if x.ndim == 3 and x.shape[1] == n and self._puts_time_first():
            return 1
        places = [axis for axis, size in enumerate(x.shape) if size == n]
        if x.shape[0] != n and len(places) == 1 and n > 1:
            return places[0]
        return 0

    def _puts_time_first(self) -> bool:
        for module in reversed(self._stack):
            owner: Any = module
            if not hasattr(owner, "batch_first"):
                owner = getattr(module, "self_attn", None)
            if hasattr(owner, "batch_first"):
                return not owner.batch_first
        return False
