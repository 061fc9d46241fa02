"""Large images piece by piece: where tiles lie, and what is kept of each of them."""

from itertools import pairwise, product
from typing import NamedTuple

import torch

from skuq._core._checks import check_count
from skuq.exceptions import InputError


class Piece(NamedTuple):
    """What a tile reads of an image along one axis, and what of it is kept.

    `kept` counts from the start of the tile, `place` from that of the image.
    """

    read: slice
    kept: slice
    place: slice


def pieces(size, tile, overlap):
    """The tiles along an axis: neighbours share `overlap` positions or more.

    The last one ends where the image does.  Where two overlap, each keeps the half on
    its own side, so that what is kept lies `overlap // 2` or more from a cut.
    """
    tile = min(tile, size)
    starts = [*range(0, size - tile, max(tile - overlap, 1)), size - tile]
    middles = [(left + tile + right) // 2 for left, right in pairwise(starts)]
    bounds = pairwise([0, *middles, size])
    return [
        Piece(slice(start, start + tile), slice(a - start, b - start), slice(a, b))
        for start, (a, b) in zip(starts, bounds, strict=True)
    ]


def check_tiles(tile, overlap, n_axes):
    """Tile and overlap of each axis."""
    tiles = _for_each_axis("tile", tile, n_axes, 1)
    overlaps = _for_each_axis("overlap", overlap, n_axes, 0)
    if any(b >= a for a, b in zip(tiles, overlaps, strict=True)):
        raise InputError(
            f"overlap must be smaller than tile, got overlap={overlap!r} and "
            f"tile={tile!r}."
        )
    return tiles, overlaps


def _for_each_axis(name, value, n_axes, least):
    values = value if isinstance(value, (tuple, list)) else (value,) * n_axes
    if len(values) != n_axes:
        raise InputError(
            f"{name} has {len(values)} entries for {n_axes} spatial axes: pass one "
            "number for all of them, or one for each."
        )
    return [check_count(name, entry, least) for entry in values]


def tiled_outputs(X, tile, overlap, batch_size, forward):
    """What a network gives for images `(n, channels, *spatial)`, tile by tile.

    `forward` gives `(m, n_outputs, *tile)` for a part `(m, channels, *tile)` of `X`.
    """
    if X.ndim < 3:
        raise InputError(
            f"tile needs images of shape (n, channels, *spatial), got {tuple(X.shape)}:"
            " pass tile=None for tables."
        )
    shape = tuple(X.shape[2:])
    tiles, overlaps = check_tiles(tile, overlap, len(shape))
    axes = [pieces(*axis) for axis in zip(shape, tiles, overlaps, strict=True)]
    whole = None
    for start in range(0, len(X), batch_size):
        rows = slice(start, start + batch_size)
        for position in product(*axes):
            read, kept, place = zip(*position, strict=True)
            part = X[(rows, slice(None), *read)]
            out = forward(part).cpu()
            if tuple(out.shape[2:]) != tuple(part.shape[2:]):
                raise InputError(
                    f"the module gives maps of {tuple(out.shape[2:])} for tiles of "
                    f"{tuple(part.shape[2:])}: tiles need maps of their own size, "
                    "pass tile=None."
                )
            if whole is None:
                whole = torch.empty((len(X), out.shape[1], *shape), dtype=out.dtype)
            whole[(rows, slice(None), *place)] = out[(..., *kept)]
    return whole
