"""What a network computes before its first dropout, recorded once and replayed.

Recorded are the outputs of the largest modules that have finished before anything is
dropped, and of the costly functions between them; the rest is computed again.  One
recording serves one batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Functions that cost more than to look up what they gave, and change no input.
COSTLY = {
    *(getattr(torch, f"{kind}{d}d") for d in "123" for kind in ("conv", "max_pool")),
    *(getattr(torch, f"conv_transpose{d}d") for d in "123"),
    *(getattr(F, f"max_pool{d}d") for d in "123"),
    *(getattr(F, f"avg_pool{d}d") for d in "123"),
    *(getattr(F, f"adaptive_avg_pool{d}d") for d in "123"),
    *(F.batch_norm, F.embedding, F.gelu, F.group_norm, F.instance_norm),
    *(F.interpolate, F.layer_norm, F.leaky_relu, F.linear, F.relu, F.silu, F.softmax),
    *(torch.bmm, torch.matmul, torch.relu, Tensor.matmul, Tensor.relu),
}


class OutOfStepError(Exception):
    """A replay met other modules than were recorded."""


@dataclass
class Record:
    """One finished call of a module or function."""

    module: Any
    parent: nn.Module | None
    output: Any
    versions: list[int]


class Prefix:
    """The finished calls of one pass, in order.

    Outputs whose number is in `copied` are stored as copies, and given out as copies,
    since the network changes them in place.
    """

    def __init__(self, copied: frozenset[int] = frozenset()) -> None:
        self.copied = copied
        self.replaying = False
        self._records: list[Record] = []
        self.is_open = True
        self._next = 0

    def mark(self) -> int:
        """Where the records of a call that begins now will start."""
        return len(self._records)

    def record(self, mark: int, module: Any, parent: Any, output: Any) -> None:
        """Note a finished call, which replaces the calls inside it."""
        if self.replaying or not self.is_open or not _is_known(output):
            return
        del self._records[mark:]
        if mark in self.copied:
            output = map_tensors(torch.clone, output)
        self._records.append(Record(module, parent, output, _versions(output)))
        self._forget_passed_on()

    def stop(self) -> None:
        """Something is dropped: what follows depends on the draw."""
        if self.replaying and self._next < len(self._records):
            raise OutOfStepError
        self.is_open = False

    def rewind(self) -> None:
        """Replay from the beginning."""
        self.replaying, self.is_open, self._next = True, True, 0

    def replays(self, module: Any) -> bool:
        """Whether this call of `module` was recorded."""
        more = self.replaying and self._next < len(self._records)
        return more and self._records[self._next].module is module

    def replay(self) -> Any:
        """The output of the recorded call."""
        output, number = self._records[self._next].output, self._next
        self._next += 1
        return map_tensors(torch.clone, output) if number in self.copied else output

    @property
    def tensors(self) -> list[Tensor]:
        """All that was recorded."""
        return tensors_of([record.output for record in self._records])

    def holding(self, tensors: Sequence[Tensor]) -> "Prefix":
        """The same recording of other tensors, in the order of `tensors`."""
        copy = Prefix(self.copied)
        outputs = rebuilt([record.output for record in self._records], tensors)
        copy._records = [
            Record(record.module, record.parent, output, _versions(output))
            for record, output in zip(self._records, outputs, strict=True)
        ]
        copy.replaying = True
        return copy

    def changed(self) -> frozenset[int]:
        """Numbers of the outputs that were changed in place after they were noted."""
        return frozenset(
            number
            for number, record in enumerate(self._records)
            if number not in self.copied and _versions(record.output) != record.versions
        )

    def _forget_passed_on(self) -> None:
        """Drop the output that only the call that is now on record has read.

        At once, so that its memory serves the next call.
        """
        if len(self._records) < 2:
            return
        one, after = self._records[-2:]
        parent = one.parent
        follows = (
            parent is not None
            and parent is after.parent
            and type(parent).forward is nn.Sequential.forward
        )
        if follows and not _has_hooks(one.module, after.module):
            one.output, one.versions = None, []


def _has_hooks(one: nn.Module, after: nn.Module) -> bool:
    """Whether a hook sees what `one` hands to `after`."""
    return bool(one._forward_hooks or after._forward_pre_hooks or after._forward_hooks)


def is_worth_recording(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether a function is costly and changes nothing in place."""
    if func not in COSTLY:
        return False
    in_place = kwargs.get("inplace", False) or any(arg is True for arg in args)
    return not in_place


def map_tensors(function: Callable[[Tensor], Any], value: Any) -> Any:
    """`value` with `function` applied to each tensor in its tuples, lists, dicts."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        pairs = {key: map_tensors(function, part) for key, part in value.items()}
        return pairs if type(value) is dict else type(value)(pairs)
    if isinstance(value, (tuple, list)):
        parts = [map_tensors(function, part) for part in value]
        named = hasattr(value, "_fields")
        return type(value)(*parts) if named else type(value)(parts)
    return value


def rebuilt(value: Any, tensors: Sequence[Tensor]) -> Any:
    """`value` with other tensors, in the order of `tensors_of`."""
    others = iter(tensors)
    return map_tensors(lambda _: next(others), value)


def tensors_of(value: Any) -> list[Tensor]:
    """All tensors in a value, in order."""
    found: list[Tensor] = []
    map_tensors(found.append, value)
    return found


def _is_known(value: Any) -> bool:
    """Whether a value consists of tensors, plain numbers, and containers of them."""
    if isinstance(value, dict):
        return all(_is_known(part) for part in value.values())
    if isinstance(value, (tuple, list)):
        return all(_is_known(part) for part in value)
    return value is None or isinstance(value, (Tensor, bool, int, float, str))


def _versions(value: Any) -> list[int]:
    """How often each tensor was written to; those of inference mode do not count."""
    return [-1 if t.is_inference() else t._version for t in tensors_of(value)]
