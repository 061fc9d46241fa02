"""Masks that are multiplied into the weights of the next layer, which may be fewer."""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from skuq.nn._dropout_masks import Spread
from skuq.nn._dropout_prefix import OutOfStepError, tensors_of


class Fold:
    """Multiplies a mask into the weights of the linear layer that follows.

    ``(x m) W' = x (W diag m)'``, and the weights are often fewer than the inputs.  The
    first pass finds the dropouts whose output is read by one linear layer alone.
    """

    def __init__(self) -> None:
        self.watches = True
        self._found: set[tuple[str, int]] = set()
        self._number = 0
        self._watched: dict[int, list[Any]] = {}  # id -> tensor, number, fits, reads
        self._waiting: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def folds(self) -> bool:
        """Whether there is a dropout to fold."""
        return bool(self._found)

    @property
    def is_busy(self) -> bool:
        """Whether the next function may read a tensor that was dropped from."""
        return bool(self._watched or self._waiting)

    def dropped(self, x: Tensor, factors: Tensor, spread: Spread) -> Tensor:
        """`x` times the mask, or `x` if the next layer multiplies instead."""
        number, self._number = self._number, self._number + 1
        if number in self._found:
            alias = x.detach()
            self._waiting[id(alias)] = (alias, factors.reshape(1, -1))
            return alias
        out = spread.multiply(x, factors)
        if self.watches and x.ndim == 2 and factors.numel() == x.shape[1]:
            self._watched[id(out)] = [out, number, False, 0]
        return out

    def consumed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The arguments of a function, with the weights masked where they should be."""
        if func is F.linear and id(args[0]) in self._waiting:
            x, factors = self._waiting.pop(id(args[0]))
            return (x, args[1] * factors, *args[2:])
        if self._watched:
            for tensor in tensors_of([args, kwargs]):
                if id(tensor) in self._watched:
                    watched = self._watched[id(tensor)]
                    is_linear = func is F.linear and tensor is args[0]
                    watched[2] = is_linear and len(tensor) > len(args[1])
                    watched[3] += 1
        return args

    def learn(self, output: list[Tensor]) -> None:
        """Choose the dropouts to fold from the pass that was watched."""
        returned = {id(t) for t in output}
        self._found = {
            number
            for key, (_, number, fits, reads) in self._watched.items()
            if fits and reads == 1 and key not in returned
        }
        self.watches = False

    def forget(self) -> None:
        """Fold nothing from now on."""
        self._found.clear()
        self.watches = False

    def check(self) -> None:
        """Refuse a pass in which a layer to fold into did not come."""
        if self._waiting:
            raise OutOfStepError

    def clear(self) -> None:
        """Get ready for the next pass."""
        self._number = 0
        self._watched.clear()
        self._waiting.clear()
