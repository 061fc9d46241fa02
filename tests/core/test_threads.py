"""Windows shared by threads: the same results, in order, and errors come through."""

import os
import threading

import numpy as np
import pytest

from skuq._core import _threads
from skuq._core._blocks import ScoreTable
from skuq._core._threads import CACHE_LINE, Scratch, map_windows, worker_count
from skuq.metrics import expected_calibration_error


@pytest.fixture
def shared(monkeypatch):
    """Threads from the first score on, two or more of them on any machine."""
    monkeypatch.setattr(_threads, "LEAST_SCORES", 1)
    monkeypatch.setattr(_threads, "worker_count", lambda: 3)


def test_results_come_in_the_order_of_the_windows(shared):
    table = ScoreTable(np.zeros((100, 4)))
    windows = list(table.windows(40))
    starts = list(map_windows(lambda w: w.samples.start, table, windows))
    assert starts == list(range(0, 100, 10))


def test_large_tables_are_shared_and_long_rows_are_not(shared):
    def names(n_columns):
        table = ScoreTable(np.zeros((100, n_columns)))
        windows = list(table.windows(10 * n_columns))
        return set(map_windows(lambda _: threading.get_ident(), table, windows))

    here = threading.get_ident()
    assert here not in names(4)
    assert names(1000) == {here}


def test_an_error_in_a_thread_is_raised(shared):
    p = np.full((50, 2), 0.5)
    p[30] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        expected_calibration_error(np.zeros(50, dtype=int), p, labels=[0, 1])


def test_the_number_of_threads_follows_openmp(monkeypatch):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert worker_count() == 1
    for unusable in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", unusable)
        assert worker_count() == min(cores or os.cpu_count(), _threads.MOST_WORKERS)


def test_scratch_memory_begins_at_a_cache_line_and_is_used_again():
    scratch = Scratch()
    with scratch.rows(3, 1001) as rows:
        assert rows.shape == (3, 1001)
        assert rows.ctypes.data % CACHE_LINE == 0
        first = rows.ctypes.data
        with scratch.rows(2, 5) as others:  # of another worker
            assert not np.shares_memory(rows, others)
    with scratch.rows(1, 3003) as again:
        assert again.ctypes.data == first
