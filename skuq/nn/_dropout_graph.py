"""What a network computes after its first dropout, as a function of tensors.

A pass is traced (`make_fx`) to a graph that takes the masks, the recording of what came
before, the batch and all weights, so that none of them can be out of date.  A graph can
be compiled, and its casts are steps like others: autocast and `vmap` do not mix.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from skuq.exceptions import InputError
from skuq.nn._dropout_passes import Begun, Passes, all_close
from skuq.nn._dropout_prefix import map_tensors, rebuilt, tensors_of

# For each network: functions, and what their outputs look like.
Function = tuple[Callable[..., list[Tensor]], Any]
TRACED: WeakKeyDictionary[nn.Module, dict[Any, Function]] = WeakKeyDictionary()

LONGEST = 300  # characters of somebody else's error


class NotTogetherError(Exception):
    """Torch cannot compute several draws of this network at once."""


class Graphs:
    """Runs draws by the graph of a pass, which may be compiled.

    The first draw of each batch is known, and is computed among the others, too.

    Parameters
    ----------
    passes : Passes
        Runs the network.
    backend : str or None
        Of ``torch.compile``; None compiles nothing.
    """

    def __init__(self, passes: Passes, backend: str | None = None) -> None:
        self._passes = passes
        self._backend = backend
        self._verified: Begun | None = None
        if backend is not None:
            try:
                torch.compile(_nothing, backend=backend)
            except Exception as error:
                raise self._failure(error) from error

    @property
    def compiles(self) -> bool:
        """Whether graphs are compiled."""
        return self._backend is not None

    def outputs(self, begun: Begun, numbers: Sequence[int], n_draws: int) -> list[Any]:
        """The outputs of the first of `numbers`, in a pass of `n_draws`."""
        is_verified = begun is self._verified
        some = numbers[: n_draws if is_verified else n_draws - 1]
        lanes = [*some, *[begun.number] * (n_draws - len(some))]
        found = self._run(begun, lanes)
        if not is_verified and not all_close(found[-1], begun.output):
            TRACED.pop(self._passes.module)  # it may have been changed since
            found = self._run(begun, lanes)
            if not all_close(found[-1], begun.output):
                raise self._failure(
                    ValueError(
                        "its graph gives other outputs than the network, which depends "
                        "on more than the shape of its input"
                    )
                )
        self._verified = begun
        return found[: len(some)]

    def _run(self, begun: Begun, lanes: list[int]) -> list[Any]:
        """The outputs of the draws `lanes`, in one pass."""
        inputs = self._inputs(begun, lanes)
        shapes = ((t.shape, t.dtype, t.device) for t in [*inputs[1], *inputs[2]])
        options = (self._backend, len(lanes), self._passes.autocast)
        key = (*options, tuple(shapes), tuple(begun.wanted))
        functions = TRACED.setdefault(self._passes.module, {})
        with torch.inference_mode(False), torch.no_grad():
            try:
                if key not in functions:
                    functions[key] = self._function(begun, lanes)
                function, structure = functions[key]
                flat = function(*inputs)
            except (NotTogetherError, torch.cuda.OutOfMemoryError):
                raise
            except Exception as error:
                raise self._failure(error) from error
        if len(lanes) == 1:
            return [rebuilt(structure, flat)]
        return [rebuilt(structure, [t[i] for t in flat]) for i in range(len(lanes))]

    def _function(self, begun: Begun, lanes: list[int]) -> Function:
        """A graph of one draw; or several of them at once; compiled."""
        function, structure = self._traced(begun)
        if len(lanes) > 1:
            function = torch.func.vmap(function, in_dims=(0, None, None, None))
            inputs = self._inputs(begun, lanes)
            try:
                function = make_fx(function)(*inputs)
            except torch.cuda.OutOfMemoryError:
                raise
            except Exception as error:
                raise NotTogetherError(str(error)) from error
        if self._backend is not None:
            function = torch.compile(
                function, backend=self._backend, dynamic=False, fullgraph=True
            )
        return function, structure

    def _traced(self, begun: Begun) -> Function:
        """The graph of one draw, and what its output looks like."""
        inputs = self._inputs(begun, [begun.number])
        caller, names = _Caller(self._passes.module), [*self._state()]
        structure: Any = None

        def draw(begun: Begun, given: list[Tensor]) -> list[Tensor]:
            nonlocal structure
            output = self._passes.run(begun, [begun.number], given=iter(given))
            structure = map_tensors(lambda _: torch.empty(0), output)
            return tensors_of(output)

        def flat(given: Any, recorded: Any, batch: Any, state: Any) -> list[Tensor]:
            weights = dict(zip(names, state, strict=True))
            held = _holding(begun, recorded, batch)
            return torch.func.functional_call(
                caller, weights, (partial(draw, held, given),)
            )

        return make_fx(flat)(*inputs), structure

    def _inputs(self, begun: Begun, lanes: list[int]) -> tuple[list[Tensor], ...]:
        """The masks, what was recorded, the batch, and the weights."""
        masks = self._passes.masks
        masks.start(lanes, masks.n_rows, begun.index)
        given = [masks.drawn(wanted) for wanted in begun.wanted]
        recorded = [] if begun.prefix is None else begun.prefix.tensors
        return given, recorded, tensors_of(begun.batch), [*self._state().values()]

    def _state(self) -> dict[str, Tensor]:
        module = self._passes.module
        named = [*module.named_parameters(), *module.named_buffers()]
        return {f"net.{name}": tensor.detach() for name, tensor in named}

    def _failure(self, error: Exception) -> Exception:
        reason = " ".join(str(error).split())[:LONGEST]
        if self._backend is None:
            return NotTogetherError(reason)
        return InputError(
            f"the network cannot be compiled with the backend {self._backend!r} here: "
            f"pass compile=False, or mend this: {type(error).__name__}: {reason}"
        )


class _Caller(nn.Module):
    """Calls a function while the network has other weights (`functional_call`)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, function: Callable[[], Any]) -> Any:
        """What the function gives."""
        return function()


def _holding(begun: Begun, recorded: list[Tensor], batch: list[Tensor]) -> Begun:
    """The same with other tensors."""
    prefix = None if begun.prefix is None else begun.prefix.holding(recorded)
    whole = rebuilt(begun.batch, batch)
    return Begun(whole, begun.index, begun.number, None, begun.wanted, prefix)


def _nothing(x: Tensor) -> Tensor:
    return x
