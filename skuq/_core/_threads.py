"""Windows of a large table, worked on by the cores side by side.

numpy leaves the interpreter lock in its loops, so threads share the work without a copy
of the data.  They live for one call; how many there are follows OMP_NUM_THREADS, as for
BLAS and torch, so that workers of joblib do not crowd each other.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from skuq._core._arrays import is_numpy_array
from skuq._core._blocks import ScoreTable, Window

Item = TypeVar("Item")
Result = TypeVar("Result")

# Scores from which threads pay, and classes up to which they do: along long rows
# (numpy's reduceat) the lock is kept, and threads only wait for one another.
LEAST_SCORES = 2**22
LONGEST_ROW = 32
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
    workers = worker_count() if threads else 1
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(function, items)


def worker_count() -> int:
    """Cores that this process may use, at most OMP_NUM_THREADS and MOST_WORKERS."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    wish = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(wish) if wish.isdigit() and int(wish) > 0 else cores
    return min(cores, limit, MOST_WORKERS)
