"""Several draws in one pass of a network, as many as is fastest."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from skuq.exceptions import InputError, SkuqWarning
from skuq.nn._dropout_graph import Graphs
from skuq.nn._dropout_passes import Begun, Passes, all_close
from skuq.nn._dropout_prefix import rebuilt, tensors_of

MOST = 64  # draws in one pass, where their number is measured
FASTER = 0.9  # share of the time of a draw that more draws at once must get down to

# What was measured: for each network, by what it is fed and how it is run.
MEASURED: WeakKeyDictionary[nn.Module, dict[Any, "Size"]] = WeakKeyDictionary()


class Size:
    """How many draws to compute at once: given, or the fastest of 1, 2, 4, ...

    While it is looked for, every pass gives draws that are wanted anyway.
    """

    def __init__(self, given: int | None = None) -> None:
        self.now = given or 1
        self.is_settled = given is not None
        self._is_warm = False  # the first pass of a size allocates and chooses kernels
        self._best, self._seconds = 1, float("inf")

    def note(self, n_draws: int, seconds: float) -> None:
        """Learn how long one pass took."""
        if self.is_settled or n_draws != self.now:
            return
        if not self._is_warm:
            self._is_warm = True
            return
        if seconds / n_draws >= FASTER * self._seconds:
            self.settle()
            return
        self._best, self._seconds = n_draws, seconds / n_draws
        if 2 * n_draws > MOST:
            self.settle()
        self.now, self._is_warm = min(2 * n_draws, MOST), False

    def settle(self) -> None:
        """Stay with the fastest so far: more at once is slower."""
        self.now, self.is_settled = self._best, True

    def refuse(self) -> None:
        """Take fewer from now on: so many at once do not work."""
        self._best = min(self._best, max(self.now // 2, 1))
        self.settle()


class Together:
    """The draws of a batch, several at a time.

    Parameters
    ----------
    passes : Passes
        Runs the network.
    graphs : Graphs
        Runs what it compiles of the network.
    chunk_size : int or None
        How many at a time; None is one on a CPU, and measured elsewhere.
    """

    def __init__(self, passes: Passes, graphs: Graphs, chunk_size: int | None) -> None:
        self._passes = passes
        self._graphs = graphs
        self._plain = Graphs(passes)
        self._chunk_size = chunk_size
        self._is_verified = False
        self._sizes: dict[Any, Size] = {}

    def outputs(self, begun: Begun, numbers: Sequence[int]) -> Iterator[Any]:
        """Yield the outputs of the draws `numbers`, in order."""
        size = self._size(begun)
        done = 0
        while done < len(numbers):
            found = self._timed(begun, numbers[done : done + size.now], size)
            yield from found
            done += len(found)

    def _size(self, begun: Begun) -> Size:
        """What is known of how many to compute at once."""
        device = self._passes.place(begun.batch)
        shapes = tuple((t.shape, t.dtype) for t in tensors_of(begun.batch))
        options = (device, self._passes.autocast, begun.prefix is None)
        key = (*options, shapes, tuple(begun.wanted))
        if self._chunk_size is None and _is_measured(device):
            sizes = MEASURED.setdefault(self._passes.module, {})
            return sizes.setdefault(key, Size())
        return self._sizes.setdefault(key, Size(self._chunk_size or 1))

    def _timed(self, begun: Begun, numbers: Sequence[int], size: Size) -> list[Any]:
        """The outputs of `numbers`, or of the first of them."""
        if size.is_settled:
            return self._computed(begun, numbers, size)
        device = self._passes.place(begun.batch)
        _wait(device)
        start = perf_counter()
        found = self._computed(begun, numbers, size)
        _wait(device)
        size.note(len(found), perf_counter() - start)
        return found

    def _computed(self, begun: Begun, numbers: Sequence[int], size: Size) -> list[Any]:
        if size.now > 1:
            try:
                return self._in_one_pass(begun, numbers, size)
            except InputError:
                raise
            # Whatever it is, the draws can be had one by one: one of them is here.
            except Exception as error:
                if self._chunk_size is not None:
                    if isinstance(error, torch.cuda.OutOfMemoryError):
                        raise
                    _warn(error)
            size.refuse()
        if self._graphs.compiles and size.is_settled:
            return self._graphs.outputs(begun, numbers, 1)
        return [self._passes.one(begun, numbers[0])]

    def _in_one_pass(
        self, begun: Begun, numbers: Sequence[int], size: Size
    ) -> list[Any]:
        """Draws in one pass; the first time with one that is known, last."""
        if self._graphs.compiles and size.is_settled:
            return self._graphs.outputs(begun, numbers, size.now)
        if self._passes.autocast is not None:  # vmap would ignore it
            return self._plain.outputs(begun, numbers, size.now)
        lanes = list(numbers)
        if not self._is_verified:
            lanes.append(begun.number)

        def run(lane: Tensor) -> Any:
            return self._passes.run(begun, lanes, lane=lane)

        found = together(run, len(lanes), self._passes.place(begun.batch))
        if not self._is_verified and not all_close(found.pop(), begun.output):
            raise ValueError("a draw among others is not what it is alone")
        self._is_verified = True
        return found


def together(
    run: Callable[[Tensor], Any], n_draws: int, device: torch.device
) -> list[Any]:
    """What `run` gives for 0, 1, ..., in one pass (`vmap`).

    What does not depend on the draw is computed once: only from the first mask on is
    there one of everything for each draw.
    """
    structure: Any = None

    def flat(lane: Tensor) -> tuple[Tensor, ...]:
        nonlocal structure
        structure = run(lane)
        return tuple(tensors_of(structure))

    stacked = torch.func.vmap(flat)(torch.arange(n_draws, device=device))
    return [rebuilt(structure, [t[i] for t in stacked]) for i in range(n_draws)]


def _is_measured(device: torch.device) -> bool:
    """Whether timing decides; a CPU gives the same bits each time."""
    return device.type != "cpu"


def _wait(device: torch.device) -> None:
    """Let an accelerator finish, so that the clock sees what it did."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def _warn(error: Exception) -> None:
    reason = str(error).partition("\n")[0]
    warnings.warn(
        "the network cannot run several draws in one pass, as chunk_size asks; they "
        f"are computed one by one: {reason}",
        SkuqWarning,
        stacklevel=6,
    )
