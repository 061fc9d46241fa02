"""Windows of a large table, worked on by the cores side by side.

numpy leaves the interpreter lock in its loops, so threads share the work without a copy
of the data.  They live for one call; how many there are follows OMP_NUM_THREADS, as for
BLAS and torch, so that workers of joblib do not crowd each other.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import numpy as np

from skuq._core._arrays import is_numpy_array
from skuq._core._batches import Source
from skuq._core._blocks import Block, ScoreTable, Window

Item = TypeVar("Item")
Result = TypeVar("Result")
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]

# Scores from which threads pay, and classes up to which they do: along long rows
# (numpy's reduceat) the lock is kept, and threads only wait for one another.
LEAST_SCORES = 2**22
LONGEST_ROW = 32
SHARED_BLOCK = 2**18  # scores; with half as many, threads took twice as long
LONG_ROW = 64
LEAST_SHARE = 2**23  # scores for each worker
CACHE_LINE = 64  # bytes
MOST_WORKERS = 4  # more would wait for memory, and each needs room for a window


def map_windows(
    function: Callable[[Window], Result], table: ScoreTable, windows: Iterable[Window]
) -> Iterator[Result]:
    """The results of `function` for the `windows` of `table`, in order."""
    large = table.scores.size >= LEAST_SCORES if is_numpy_array(table.scores) else False
    pays = large and table.n_columns <= LONGEST_ROW
    yield from map_items(function, windows, threads=pays)


def map_items(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: bool
) -> Iterator[Result]:
    """The results of `function` for the `items`, in order, by threads or one by one."""
    with crew(threads=threads) as run:
        yield from run(function, items)


def map_blocks(
    function: Callable[[Block], Result], source: Source, run: Map = map
) -> Iterator[Result]:
    """The results of `function` for the blocks of `source`, by the `run` of a crew.

    Larger blocks for a source that `is_large`.
    """
    if not (isinstance(source, ScoreTable) and is_numpy_array(source.scores)):
        return map(function, source.blocks())

    def on_window(window: Window) -> Result:
        return function(source.block(window, copy=False))

    return run(on_window, source.windows(SHARED_BLOCK if is_large(source) else None))


def windows_for_crew(table: ScoreTable) -> Iterator[Window]:
    """Larger windows where threads pay."""
    return table.windows(SHARED_BLOCK if pays_off(table) else None)


def is_large(source: Source) -> bool:
    """Whether the memory of threads is less than a tenth of that of `source`.

    They wait for one another after every operation of numpy, so their blocks are larger
    than those of one core.
    """
    if not (isinstance(source, ScoreTable) and is_numpy_array(source.scores)):
        return False
    return source.n_scores >= worker_count() * LEAST_SHARE


def pays_off(table: ScoreTable) -> bool:
    """Whether threads pay for a pass over `table`, at a few megabytes for long rows."""
    long_rows = table.n_columns >= LONG_ROW and table.n_scores > SHARED_BLOCK
    return is_large(table) or (is_numpy_array(table.scores) and long_rows)


@contextmanager
def crew(*, threads: bool) -> Iterator[Map]:
    """A `map` for one or more passes, that of threads or the plain one.

    While there are threads, BLAS has none of its own: they wait for their next call at
    full speed, in the way of ours.
    """
    workers = worker_count() if threads else 1
    if workers == 1:
        yield map
        return
    with (
        _libraries().limit(limits=1, user_api="blas"),
        ThreadPoolExecutor(workers) as pool,
    ):
        yield pool.map


@cache
def _libraries() -> Any:
    """The loaded libraries that have threads; to look for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController  # not needed by most who load skuq

    return ThreadpoolController()


class Scratch:
    """Memory for the results of blocks, used again and again by each worker.

    Fresh memory costs more than the arithmetic in it.
    """

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []

    @contextmanager
    def rows(self, n_rows: int, length: int) -> Iterator[np.ndarray]:
        """A float64 array of shape (n_rows, length), of any values.

        It begins at a line of the cache: sums of BLAS depend on where numbers lie.
        """
        space = self._free.pop() if self._free else np.empty(0)
        if space.size < n_rows * length:
            space = np.empty(n_rows * length + CACHE_LINE // 8)
            space = space[-space.ctypes.data % CACHE_LINE // 8 :]
        yield space[: n_rows * length].reshape(n_rows, length)
        self._free.append(space)


def worker_count() -> int:
    """Cores that this process may use, at most OMP_NUM_THREADS and MOST_WORKERS."""
    return min(core_count(), MOST_WORKERS)


def core_count() -> int:
    """Cores that this process may use, at most OMP_NUM_THREADS."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    wish = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(wish) if wish.isdigit() and int(wish) > 0 else cores
    return min(cores, limit)
