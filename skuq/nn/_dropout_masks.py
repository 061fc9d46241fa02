"""Masks of dropout keyed by (seed, draw, layer): the same for all rows, whoever asks.

Notation: p the share that is dropped, n the rows of a batch.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

MEMORY = 2**26  # bytes of masks that are kept for the next batch
AHEAD = 8  # draws whose masks are made together
STEPS = 2**32  # p is rounded to a multiple of 1 / STEPS


class Wanted(NamedTuple):
    """A mask that a pass asked for: the `call`-th of its layer."""

    layer: str
    call: int
    p: float
    shape: tuple[int, ...]
    device: torch.device


class Masks:
    """The masks of one prediction: each draw is one function of its input.

    With `shared` a mask has one entry per unit, which holds for all rows.  Otherwise it
    has one per unit and row, keyed by the number of the batch as well.
    """

    def __init__(self, seed: int, *, shared: bool = True) -> None:
        self.seed = seed
        self.shared = shared
        self.n_rows = 1
        self.wanted: list[Wanted] = []  # in this pass, in order
        self._draws: Sequence[int] = (0,)
        self._batch = 0
        self._lane: Tensor | None = None
        self._given: Iterator[Tensor] | None = None
        self._calls: Counter[str] = Counter()
        self._kept: dict[tuple[object, ...], Tensor] = {}  # by draw, mask and type
        self._bytes = 0
        self.seen: dict[tuple[str, int], set[int]] | None = {}  # None: do not look

    @property
    def differ(self) -> bool:
        """Whether a layer had two masks, while `seen` was kept."""
        return any(len(masks) > 1 for masks in (self.seen or {}).values())

    @property
    def in_place(self) -> bool:
        """Whether a tensor with one mask fits where the one without was."""
        return self._lane is None and self._given is None

    def start(
        self,
        draws: Sequence[int],
        n_rows: int,
        batch: int,
        *,
        lane: Tensor | None = None,
        given: Iterator[Tensor] | None = None,
    ) -> None:
        """Begin a pass of the network.

        A pass of several `draws` runs under `vmap`, and `lane` is the place of the
        current one among them.  `given` are the masks, where they are drawn already.
        """
        self._draws, self.n_rows, self._batch = draws, n_rows, batch
        self._lane, self._given = lane, given
        self._calls.clear()
        self.wanted = []

    def factors(
        self, layer: str, p: float, shape: tuple[int, ...], x: Tensor
    ) -> Tensor:
        """The mask of `shape` for this call of `layer`, scaled by 1 / (1 - p)."""
        wanted = self._want(layer, p, shape, x)
        if self.in_place:
            return self._mask(self._draws[0], wanted, x.dtype)
        return _scaled(self._of_lane(wanted), p, x.dtype)

    def keep(self, layer: str, p: float, shape: tuple[int, ...], x: Tensor) -> Tensor:
        """True where this call of `layer` keeps a unit; on the device of `x`."""
        return self._of_lane(self._want(layer, p, shape, x))

    def _want(self, layer: str, p: float, shape: tuple[int, ...], x: Tensor) -> Wanted:
        wanted = Wanted(layer, self._calls[layer], p, shape, x.device)
        self._calls[layer] += 1
        self.wanted.append(wanted)
        return wanted

    def _of_lane(self, wanted: Wanted) -> Tensor:
        masks = self.drawn(wanted) if self._given is None else next(self._given)
        if self._lane is None:
            return masks
        return masks.index_select(0, self._lane[None].to(masks.device))[0]

    def drawn(self, wanted: Wanted) -> Tensor:
        """A mask of the current draw, or those of all current draws along axis 0."""
        if len(self._draws) == 1 and self._lane is None:
            return self._mask(self._draws[0], wanted)
        return torch.stack([self._mask(draw, wanted) for draw in self._draws])

    def _mask(
        self, draw: int, wanted: Wanted, dtype: torch.dtype | None = None
    ) -> Tensor:
        """True where units are kept; with a `dtype`, what they are multiplied by.

        Those of several draws are made together: when the network has run in between,
        the code for it is no longer in the cache of the processor.
        """
        key = (draw, wanted, dtype)
        if key not in self._kept and self._takes_room(wanted, dtype):
            draws = range(draw - draw % AHEAD, draw - draw % AHEAD + AHEAD)
            made = self._made(draws, wanted, dtype)
            for number, mask in zip(draws, made, strict=True):
                self._kept[number, wanted, dtype] = mask
        if key in self._kept:
            mask = self._kept[key]
        else:
            mask = self._made([draw], wanted, dtype)[0]
        if self.seen is not None:
            place = wanted.layer, wanted.call
            entries = (mask != 0).cpu().numpy().tobytes()
            self.seen.setdefault(place, set()).add(hash(entries))
        return mask

    def _takes_room(self, wanted: Wanted, dtype: torch.dtype | None) -> bool:
        """Whether the masks of the draws to come are kept, which then have room."""
        size = AHEAD * prod(wanted.shape) * (dtype or torch.bool).itemsize
        if not self.shared or self._bytes + size > MEMORY:
            return False
        self._bytes += size
        return True

    def _made(
        self, draws: Sequence[int], wanted: Wanted, dtype: torch.dtype | None
    ) -> Sequence[Tensor]:
        """The masks of some draws."""
        entropy = [self.seed, crc32(wanted.layer.encode()), wanted.call]
        entropy += [] if self.shared else [self._batch]
        masks = draw_masks(entropy, draws, wanted.p, wanted.shape).to(wanted.device)
        return (masks if dtype is None else _scaled(masks, wanted.p, dtype)).unbind()

    def broadcast(self, x: Tensor, axis: int, *, channels: bool = False) -> "Spread":
        """How a mask lies on `x`, whose rows are along `axis`.

        That axis may hold several entries per row, such as the heads of attention; then
        each of them has its own mask.
        """
        n = self.n_rows if x.shape[axis] % self.n_rows == 0 else x.shape[axis]
        group = x.shape[axis] // n
        view = (*x.shape[:axis], n, group, *x.shape[axis + 1 :])
        mask = list(view)
        if self.shared:
            mask[axis] = 1
        if channels:
            mask[3:] = [1] * (len(view) - 3)
        return Spread(view, tuple(mask))


class Spread:
    """A mask of shape `mask` for a tensor that is seen as `view`."""

    def __init__(self, view: tuple[int, ...], mask: tuple[int, ...]) -> None:
        self.view = view
        self.mask = mask

    def multiply(self, x: Tensor, factors: Tensor) -> Tensor:
        """`x` times the mask, in a new tensor."""
        return (x.reshape(self.view) * factors).reshape(x.shape)


def _scaled(masks: Tensor, p: float, dtype: torch.dtype) -> Tensor:
    """What units are multiplied by: 0, or 1 / (1 - p)."""
    kept = masks.to(dtype)
    return kept if p == 1 else kept / (1 - p)


def draw_masks(
    entropy: list[int], draws: Sequence[int], p: float, shape: tuple[int, ...]
) -> Tensor:
    """Masks of some draws, `(n_draws, *shape)`, True where a unit is kept.

    A longer mask begins as a shorter one, so that padding at the end changes nothing.
    """
    key = np.random.SeedSequence(entropy).generate_state(2, np.uint64)
    generator = np.random.Philox(key=key)
    state: Any = generator.state
    n = prod(shape)
    bits = np.empty((len(draws), n), np.uint32)
    for row, draw in zip(bits, draws, strict=True):
        state["state"]["counter"][:] = 0, 0, draw, 0  # far from those of other draws
        generator.state = state
        row[:] = generator.random_raw(n - n // 2).view(np.uint32)[:n]
    return torch.from_numpy(bits >= round(p * STEPS)).reshape(-1, *shape)
