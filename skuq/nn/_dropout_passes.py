"""Passes of a network: one in full, whose beginning is recorded for the others."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skuq.exceptions import InputError, SkuqWarning
from skuq.nn._dropout_masks import Masks, Wanted
from skuq.nn._dropout_mode import DropoutMode
from skuq.nn._dropout_prefix import OutOfStepError, Prefix, map_tensors, tensors_of

CLOSE = 1e3  # units of rounding by which two ways to the same output may differ
FAR = 0.05  # of the largest value; never more than that, however short the numbers
SHORT = 0.01  # an accelerator may multiply float32 with ten bits


@dataclass
class Begun:
    """A batch of which one draw has been computed.

    Parameters
    ----------
    batch : object
        What the network is called with.
    index : int
        The number of the batch.
    number : int
        That of the draw.
    output : object
        Of the draw.
    wanted : list of Wanted
        The masks that it took.
    prefix : Prefix or None
        What came before the first of them.
    """

    batch: Any
    index: int
    number: int
    output: Any
    wanted: list[Wanted]
    prefix: Prefix | None


class Passes:
    """Runs a network with one mask after another.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    forward : callable
        What calls it with a batch.
    masks : Masks
        Draws the masks.
    mode : DropoutMode
        Puts them in the place of the network's own.
    caches : bool
        Record what comes before the first dropout.
    autocast : torch.dtype or None
        Run under ``torch.autocast``.
    """

    def __init__(
        self,
        module: nn.Module,
        forward: Callable[[Any], Any],
        masks: Masks,
        mode: DropoutMode,
        *,
        caches: bool,
        autocast: torch.dtype | None,
    ) -> None:
        self.module = module
        self.masks = masks
        self.mode = mode
        self.autocast = autocast
        self._forward = forward
        self._caches = caches
        self._copied: frozenset[int] = frozenset()
        self._copies_input = False
        self._is_new = True  # nothing has been verified yet

    def begin(self, batch: Any, number: int, index: int) -> Begun:
        """A full pass: what comes before the first dropout, and the output."""
        prefix = Prefix(self._copied) if self._caches else None
        begun = Begun(batch, index, number, None, [], prefix)
        begun.output = self.run(begun, [number])
        begun.wanted = self.masks.wanted
        if not self.mode.n_calls:
            raise InputError(
                "no dropout was found in the network: use insert_dropout, check "
                "layers, or call nn.Dropout or F.dropout with a rate above 0."
            )
        if prefix is None:
            return begun
        prefix.rewind()
        while changed := prefix.changed():
            self._copied |= changed
            begun.prefix = prefix = Prefix(self._copied)
            self.run(begun, [number])
            prefix.rewind()
        return begun

    def verify(self, begun: Begun) -> None:
        """Once: drop the recording unless it gives the output of the full pass."""
        if not self._is_new:
            return
        self._is_new = False
        if begun.prefix is None and not self.mode.fold.folds:
            return
        try:
            again = self.run(begun, [begun.number])
            same = all_close(begun.output, again)
        except OutOfStepError:
            same = False
        if not same:
            self._give_up(begun)

    def one(self, begun: Begun, number: int) -> Any:
        """The output of another draw."""
        try:
            output = self.run(begun, [number])
        except OutOfStepError:
            self._give_up(begun)
            return self.run(begun, [number])
        if begun.prefix is not None and begun.prefix.changed():
            self._give_up(begun)
        return output

    def expected(self, batch: Any) -> Any:
        """The output with nothing dropped."""
        self.mode.is_silent = True
        try:
            with self.mode.running(None), self._casting():
                return self._forward(map_tensors(torch.clone, batch))
        finally:
            self.mode.is_silent = False

    def run(
        self,
        begun: Begun,
        numbers: Sequence[int],
        *,
        lane: Tensor | None = None,
        given: Iterator[Tensor] | None = None,
    ) -> Any:
        """The output of a draw; of the `lane`-th of several, with masks `given`."""
        batch, prefix = begun.batch, begun.prefix
        if self._is_new or self._copies_input:
            batch = map_tensors(torch.clone, batch)
        before = [t._version for t in tensors_of(batch)]
        if prefix is not None and prefix.replaying:
            prefix.rewind()
        self.masks.start(numbers, n_rows(batch), begun.index, lane=lane, given=given)
        with self.mode.running(prefix), self._casting():
            output = self._forward(batch)
            if self.mode.fold.watches:
                self.mode.fold.learn(tensors_of(output))
        self._copies_input |= before != [t._version for t in tensors_of(batch)]
        return output

    def place(self, batch: Any) -> torch.device:
        """Where the network runs."""
        first = next(self.module.parameters(), None)
        return tensors_of(batch)[0].device if first is None else first.device

    def _give_up(self, begun: Begun) -> None:
        warnings.warn(
            "what the network computes before its first dropout is not the same each "
            "time: it is run in full for every draw.",
            SkuqWarning,
            stacklevel=6,
        )
        self._caches, begun.prefix = False, None
        self.mode.fold.forget()

    def _casting(self) -> Any:
        if self.autocast is None:
            return nullcontext()
        first = next(self.module.parameters(), None)
        kind = "cpu" if first is None else first.device.type
        return torch.autocast(kind, dtype=self.autocast)


def n_rows(batch: Any) -> int:
    """The number of rows of a batch."""
    tensors = tensors_of(batch)
    if not tensors or tensors[0].ndim == 0:
        raise InputError("a batch must hold a tensor with one entry per row.")
    return tensors[0].shape[0]


def all_close(a: Any, b: Any) -> bool:
    """Whether two outputs are the same but for rounding."""
    pairs = zip(tensors_of(a), tensors_of(b), strict=True)
    return all(_close(x, y) for x, y in pairs)


def _close(x: Tensor, y: Tensor) -> bool:
    if x.shape != y.shape or not x.is_floating_point():
        return torch.equal(x, y)
    finite = x[x.isfinite()].abs()
    size = float(finite.max()) if finite.numel() else 1.0
    bound = min(CLOSE * torch.finfo(x.dtype).eps, FAR)
    if x.dtype == torch.float32 and x.device.type != "cpu":
        bound = SHORT
    return torch.allclose(x, y, rtol=bound, atol=bound * size, equal_nan=True)
