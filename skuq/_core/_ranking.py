"""The top label of the rows of a numpy table, as fast as memory allows."""

import numpy as np

from skuq._core._arrays import Array, is_numpy_array
from skuq._core._checks import RANGE_TOLERANCE, SUM_TOLERANCE, check_proba

CACHED = 2**18  # scores that a level-2 cache holds; long rows are read just once
MOST_OF_A_TIE = (1 + SUM_TOLERANCE) / 2  # two equal probabilities are at most this
LONG_ROW = 32  # classes from which a reduction along the row of a table is faster


def is_table(rows: Array) -> bool:
    """Whether these are rows of a numpy table, next to each other in memory."""
    return bool(
        is_numpy_array(rows)
        and rows.ndim == 2
        and rows.shape[1] > 1
        and rows.flags.c_contiguous
    )


def top_of_rows(rows: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest value of each row, and whether its class (the first on ties) is true.

    In pieces that the cache holds, in memory that is used again and again.  Without
    BLAS: its threads would wait beside those of torch, or of the caller.
    """
    n, k = rows.shape
    top, right = np.empty(n, rows.dtype), np.empty(n, dtype=bool)
    long = k >= LONG_ROW
    pieces = -(-n * k // (2 * CACHED if long else CACHED))
    step = -(-n // pieces)
    kind: type[_LongRows] | type[_ShortRows] = _LongRows if long else _ShortRows
    find = kind(k, step, rows.dtype)
    for i in range(0, n, step):
        part, y = rows[i : i + step], codes[i : i + step]
        high, hit = top[i : i + step], right[i : i + step]
        row_sum, doubtful = find(part, y, high, hit)
        if not _are_confident(high, row_sum):
            check_proba(part, row_sum)
        if len(doubtful):
            hit[doubtful] = part[doubtful].argmax(axis=1) == y[doubtful]
    return top, right


def _are_confident(top: np.ndarray, row_sum: np.ndarray) -> bool:
    """Whether these may be the largest values and sums of rows of probabilities."""
    error = max(row_sum.max() - 1, 1 - row_sum.min())
    return bool(top.max() <= 1 + RANGE_TOLERANCE and error <= SUM_TOLERANCE)


class _ShortRows:
    """Largest values of short rows, by columns: along a row the loop is too short."""

    def __init__(self, k: int, step: int, dtype: np.dtype) -> None:
        self.columns = np.empty((k, step), dtype)
        self.equal = np.empty((k, step), dtype=bool)
        self.place = np.empty(step, np.intp)
        self.counting = np.arange(step)

    def __call__(
        self, part: np.ndarray, y: np.ndarray, top: np.ndarray, hit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fill `top` and `hit`; the sums of the rows, and rows that may be tied."""
        n, step = len(part), self.columns.shape[1]
        columns, equal, place = self.columns[:, :n], self.equal[:, :n], self.place[:n]
        np.copyto(columns, part.T)
        np.maximum.reduce(columns, axis=0, out=top)
        np.equal(columns, top, out=equal)
        np.multiply(y, step, out=place, casting="unsafe", dtype=np.intp)
        place += self.counting[:n]
        self.equal.reshape(-1).take(place, out=hit, mode="clip")
        tied = np.count_nonzero(equal) > n
        doubtful = np.flatnonzero(hit) if tied else place[:0]
        return np.add.reduce(columns, axis=0), doubtful


class _LongRows:
    """Largest values of long rows, along them: 3 times faster with 100 classes."""

    def __init__(self, k: int, step: int, dtype: np.dtype) -> None:
        self.starts = np.arange(0, step * k, k)

    def __call__(
        self, part: np.ndarray, y: np.ndarray, top: np.ndarray, hit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fill `top` and `hit`; the sums of the rows, and rows that may be tied."""
        flat, starts = part.reshape(-1), self.starts[: len(part)]
        np.maximum.reduceat(flat, starts, out=top)
        np.equal(flat.take(starts + y, mode="clip"), top, out=hit)
        doubtful = np.flatnonzero(hit & (top <= MOST_OF_A_TIE))
        equal = part.take(doubtful, axis=0, mode="clip") == top[doubtful, None]
        tied = np.count_nonzero(equal) > len(doubtful)
        return np.einsum("ij->i", part), doubtful if tied else doubtful[:0]
