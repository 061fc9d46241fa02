"""Large blocks in threads: numpy releases the interpreter lock inside its loops."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def n_threads() -> int:
    """Processors this process may use, or OMP_NUM_THREADS if that is fewer.

    joblib and dask set that variable in their workers, so nested work does not
    oversubscribe the machine.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(count, int(limit))) if limit.isdigit() else count


def map_ordered(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """``map(function, items)`` in threads, in order, two items per thread ahead.

    The order of the results, and so the rounding of their sum, does not depend on the
    number of threads.  A single item starts none.
    """
    items = iter(items)
    first = list(islice(items, 2))
    workers = n_threads()
    if workers == 1 or len(first) < 2:
        yield from map(function, first)
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(function, item) for item in first]
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * workers:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
