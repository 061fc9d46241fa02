"""A function of class-major blocks at every sample or pixel, block by block."""

from collections.abc import Callable, Iterator
from typing import Any

from skuq._core._arrays import (
    Array,
    array_namespace,
    as_array,
    empty_like_shape,
    is_torch_array,
    to_library_of,
)
from skuq._core._blocks import ScoreTable, Window, put
from skuq._core._checks import check_proba
from skuq._core._links import both_rows


def walk(
    table: ScoreTable,
    measure: Callable[[Window], Array],
    *,
    like: Any,
    n_rows: int | None = None,
) -> Array:
    """`measure` of every window, as one array in the library of `like`.

    `measure` gives `(m,)` for results `(n_samples, *spatial)`, or `(n_rows, m)` for
    results `(n_samples, n_rows, *spatial)`.
    """
    shape = (table.n_samples, n_rows or 1, *table.scores.shape[2:])
    out = empty_like_shape(table.scores, shape)
    xp = array_namespace(out)
    for window in table.windows():
        values = xp.astype(measure(window), out.dtype)
        put(out, window, values if n_rows else values[None, :])
    out = out if n_rows else out[:, 0, ...]
    return to_library_of(out, like) if is_torch_array(like) else out


def proba_of(window: Window, *tables: ScoreTable) -> Array:
    """The probabilities in `window`, checked; two rows or more, tables side by side."""
    xp = array_namespace(tables[0].scores)
    blocks = [both_rows(table.columns(window), "proba") for table in tables]
    p = blocks[0] if len(blocks) == 1 else xp.concat(blocks, axis=1)
    check_proba(p, xp.sum(p, axis=0))
    return p


def each_member(members: Any) -> Iterator[Array]:
    """One member after the other, of a stacked array or of anything that iterates."""
    if isinstance(members, (list, tuple)):
        members = [as_array(member) for member in members]
    elif not isinstance(members, Iterator):
        stacked = as_array(members)
        members = (stacked[i, ...] for i in range(stacked.shape[0]))
    yield from members
