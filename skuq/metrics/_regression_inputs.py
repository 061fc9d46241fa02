"""What every regression metric is given, as one checked table walked in blocks.

Observed values and most predictions are `(n_samples, *output)`; members of an ensemble
come first, `(n_members, n_samples, *output)`, and quantiles on axis 1, `(n_samples,
n_levels, *output)`.  Inside, a block has one column per observed value.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

import numpy as np

from skuq._core._accumulator import MeanSum
from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    as_array,
    device,
    host_view,
    is_numpy_array,
    to_library_of,
    to_numpy,
    to_real_floating,
    weighted_sum,
)
from skuq._core._blocks import HOST_BLOCK, LEAST, ScoreTable, Window
from skuq._core._checks import check_weight
from skuq._core._threads import SHARED_BLOCK, map_items
from skuq.exceptions import InputError, NoSamplesError

Result = TypeVar("Result")

PIECE = 2**14  # values, whose intermediate results stay in the cache of a core

# Arrays with several values for each observed one, and the axis those are on.
ROW_AXIS = {"members": 0, "y_quantiles": 1}
SHAPES = {
    None: "the same shape",
    0: "shape (n_members, n_samples, *output)",
    1: "shape (n_samples, n_levels, *output)",
}


@dataclass(frozen=True)
class SampleTable:
    """Arrays that belong together, by the names that the user knows them by.

    Parameters
    ----------
    columns : dict of str to ScoreTable
        Each array as `(n_samples, n_rows, *output)`, with the weights.
    flat : frozenset of str
        Those of a single row, which functions see without it.
    """

    columns: dict[str, ScoreTable]
    flat: frozenset[str]

    def map(
        self,
        function: Callable[..., Result],
        *,
        checked: bool = True,
        views: bool = False,
        threads: bool = False,
        size: int = SHARED_BLOCK,
    ) -> Iterator[Result]:
        """The results of ``function(weight, *blocks)`` for all blocks, in order.

        A block is float64, `(m,)`, or `(n_rows, m)` where there are several values for
        an observed one; weight is `(m,)` or None.  The m follow one another in the
        order of the flattened observed values.  With ``checked=False`` NaN and infinity
        are left to `function`.  With `views`, blocks of numpy have `size` columns and
        are views of the arrays where those are float64; with `threads`, they are also
        worked on side by side.
        """
        widest = max(self.columns.values(), key=lambda table: table.n_columns)

        def part(window: Window) -> Result:
            weight = widest.targets(window)[1]
            blocks = {name: self._block(name, window, shared) for name in self.columns}
            if checked:
                for name, block in blocks.items():
                    check_finite(block, name)
            return function(weight, *blocks.values())

        shared = (views or threads) and is_numpy_array(widest.scores)
        if shared:
            large = threads and widest.n_scores > SHARED_BLOCK
            return map_items(part, widest.windows(size), threads=large)
        # Few operations each, so larger windows pay; threads only wait for one another.
        size = max(2 * HOST_BLOCK, LEAST * widest.n_columns)
        return map(part, widest.windows(size))

    def _block(self, name: str, window: Window, view: bool) -> Array:
        block = self.columns[name].columns(window, copy=not view)
        xp = array_namespace(block)
        block = xp.astype(block, accumulator_dtype(block), copy=False)
        return block[0, ...] if name in self.flat else block


def check_finite(block: Array, name: str) -> None:
    """Refuse NaN and infinity."""
    xp = array_namespace(block)
    if not bool(xp.all(xp.isfinite(block))):
        what = "NaN" if bool(xp.any(xp.isnan(block))) else "infinity"
        raise InputError(f"{name} contains {what}: drop or repair those samples.")


def sample_table(
    sample_weight: Any, row_axis: dict[str, int] = ROW_AXIS, **data: Any
) -> SampleTable:
    """The arrays of `data` under their names, the first of which sets the shape.

    numpy arrays go where the others lie, so that no tensor leaves its device.
    """
    arrays = {
        name: host_view(to_real_floating(as_array(x), name)) for name, x in data.items()
    }
    like = min(arrays.values(), key=is_numpy_array)
    arrays = {name: to_library_of(x, like) for name, x in arrays.items()}
    name, first = next(iter(arrays.items()))
    if first.ndim == 0:
        raise InputError(f"{name} must have at least one dimension, got a scalar.")
    if 0 in first.shape:
        raise NoSamplesError(
            f"{name} of shape {tuple(first.shape)} is empty: pass at least one sample."
        )
    for other, x in arrays.items():
        _check_shape(other, x, row_axis.get(other), name, first)
    weight = check_weight(sample_weight, first, like)
    columns = {}
    for name, x in arrays.items():
        axis = row_axis.get(name)
        if axis is None:
            x = x[:, None, ...]
        elif axis != 1:
            x = array_namespace(x).moveaxis(x, axis, 1)
        # Only the shape of the codes matters here, for weights of one per sample.
        columns[name] = ScoreTable(x, codes=first, weight=weight)
    return SampleTable(columns, frozenset(columns) - frozenset(row_axis))


def _check_shape(
    name: str, x: Array, axis: int | None, first_name: str, first: Array
) -> None:
    shape, expected = list(x.shape), list(first.shape)
    if axis is not None and len(shape) > axis:
        expected.insert(axis, max(1, shape[axis]))
    if shape != expected:
        raise InputError(
            f"{name} has shape {tuple(shape)} and {first_name} has shape "
            f"{tuple(first.shape)}: {name} needs {SHAPES[axis]}."
        )


def mean_loss(table: SampleTable, loss: Callable[..., Array]) -> MeanSum:
    """The weighted sum of ``loss(*blocks)``, which has one value per column."""

    def sums(weight: Array | None, *blocks: Array) -> tuple[float, float]:
        return weighted_sum(loss(*blocks), weight)

    return MeanSum.of(table.map(sums))


def mean_loss_in_place(
    table: SampleTable,
    loss: Callable[..., Array],
    n_rows: int,
    *,
    total: Callable[..., float] | None = None,
) -> MeanSum:
    """The same, of a loss that is infinite or NaN where a value is.

    `loss` takes the blocks and memory for the `n_rows` results that it holds at a time:
    `(n_rows, m)` in numpy, else None.  `total` takes the same in numpy; it is a faster
    way than to add up the losses where no weights are given.
    """
    room = np.empty((n_rows, PIECE))

    def sums(weight: Array | None, *blocks: Array) -> tuple[float, float]:
        if is_numpy_array(blocks[0]):
            # Infinity is refused below; an error may be any number of deviations.
            with np.errstate(invalid="ignore", over="ignore"):
                found = sums_in_pieces(weight, *blocks)
        else:
            found = weighted_sum(loss(*blocks, None), weight)
        if not isfinite(found[0]):
            for name, block in zip(table.columns, blocks, strict=True):
                check_finite(block, name)
        return found

    def sums_in_pieces(
        weight: np.ndarray | None, *blocks: np.ndarray
    ) -> tuple[float, float]:
        n, loss_sum = blocks[0].size, 0.0
        for start in range(0, n, PIECE):
            piece = slice(start, start + PIECE)
            parts = [block[piece] for block in blocks]
            rows = room[:, : parts[0].size]
            if weight is not None:
                loss_sum += float(np.vdot(loss(*parts, rows), weight[piece]))
            elif total is not None:
                loss_sum += total(*parts, rows)
            else:
                loss_sum += float(np.sum(loss(*parts, rows)))
        return loss_sum, float(n if weight is None else np.sum(weight))

    return MeanSum.of(table.map(sums, checked=False, views=True))


def into(rows: np.ndarray | None, k: int) -> dict[str, np.ndarray]:
    """What a function is to be told so that its result lies in row k, if in any."""
    return {} if rows is None else {"out": rows[k]}


def check_std(y_std: Array, *, positive: bool = True) -> float:
    """The least of standard deviations; refuse some below 0, or of 0 if `positive`."""
    low = float(array_namespace(y_std).min(y_std))
    if low < 0 or (positive and low == 0):
        check_finite(y_std, "y_std")
        raise InputError(
            f"y_std has the value {low:g}: standard deviations must be "
            f"{'greater than' if positive else 'at least'} 0. Pass the root of a "
            "variance, in the unit of y_true."
        )
    return low


def beside(values: np.ndarray, block: Array) -> Array:
    """A few values of the host in the library and dtype of a block, where it lies."""
    xp = array_namespace(block)
    return xp.asarray(values, dtype=block.dtype, device=device(block))


def check_levels(levels: Any, name: str, *, rising: bool = False) -> np.ndarray:
    """Quantile levels, all in (0, 1), as a float64 array."""
    x = to_numpy(to_real_floating(as_array(levels), name)).astype(np.float64)
    if x.ndim > 1 or x.size == 0:
        raise InputError(f"{name} must be one-dimensional, got shape {x.shape}.")
    if not ((x > 0) & (x < 1)).all():
        raise InputError(
            f"{name} runs from {x.min():g} to {x.max():g}: levels are fractions in "
            "(0, 1), such as 0.9."
        )
    if rising and not (np.diff(x) > 0).all():
        raise InputError(
            f"{name} must rise from level to level: sort the levels, and y_quantiles "
            "with them along axis 1."
        )
    return x
