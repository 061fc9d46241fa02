"""Masks of dropout keyed by (seed, draw, layer): the same for all rows, whoever asks.

Notation: p the share that is dropped, n the rows of a batch.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

MEMORY = 2**26  # bytes of masks that are kept for the next batch
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
        self._kept: dict[tuple[object, ...], Tensor] = {}
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
        kept = self.keep(layer, p, shape, x).to(x.dtype)
        return kept if p == 1 else kept / (1 - p)

    def keep(self, layer: str, p: float, shape: tuple[int, ...], x: Tensor) -> Tensor:
        """True where this call of `layer` keeps a unit; on the device of `x`."""
        wanted = Wanted(layer, self._calls[layer], p, shape, x.device)
        self._calls[layer] += 1
        self.wanted.append(wanted)
        masks = self.drawn(wanted) if self._given is None else next(self._given)
        if self._lane is None:
            return masks
        return masks.index_select(0, self._lane[None].to(masks.device))[0]

    def drawn(self, wanted: Wanted) -> Tensor:
        """A mask of the current draw, or those of all current draws along axis 0."""
        if len(self._draws) == 1 and self._lane is None:
            return self._mask(self._draws[0], wanted)
        return torch.stack([self._mask(draw, wanted) for draw in self._draws])

    def _mask(self, draw: int, wanted: Wanted) -> Tensor:
        layer, call, p, shape, device = wanted
        entropy = [self.seed, draw, crc32(layer.encode()), call]
        entropy += [] if self.shared else [self._batch]
        key = (*entropy, p, shape, device)
        if key in self._kept:
            return self._kept[key]
        mask = draw_mask(entropy, p, shape)
        if self.seen is not None:
            self.seen.setdefault((layer, call), set()).add(hash(mask.numpy().tobytes()))
        mask = mask.to(device)
        if not self.shared:
            return mask
        if self._bytes + mask.nbytes <= MEMORY:
            self._bytes += mask.nbytes
            self._kept[key] = mask
        return mask

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


def draw_mask(entropy: list[int], p: float, shape: tuple[int, ...]) -> Tensor:
    # A longer mask begins as a shorter one, so padding at the end changes nothing.
    rng = np.random.Generator(np.random.SFC64(entropy))
    bits = rng.integers(0, STEPS, size=shape, dtype=np.uint32)
    return torch.from_numpy(np.asarray(bits >= round(p * STEPS)))
