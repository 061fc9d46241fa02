"""Rows of probabilities, and kernel values of their pairs.

Notation: e_i the unit vector of the true class, p_i the row of probabilities, d_i =
e_i - p_i; h_ij = k(p_i, p_j) <d_i, d_j>.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist, pdist

from skuq._core._accumulator import Accumulator, collected
from skuq._core._binning import gather
from skuq._core._checks import check_option
from skuq._core._outcomes import proba_block
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._inputs import score_table

KERNELS = ("laplacian", "gaussian")
PAIRS = 2**22  # kernel values at a time
MEDIAN_SAMPLES = 1000  # whose distances give the bandwidth
CELLS = 2**20  # of the range of probabilities, to look up numbers by
CHUNK = 2**14  # rows or pairs of neighbours at a time


@dataclass(frozen=True)
class CollectedRows(Accumulator):
    """All rows of probabilities with their classes.

    Parameters
    ----------
    proba : ndarray of shape (n_classes, n_samples)
        Probabilities.
    code : ndarray of shape (n_samples,)
        Column of the true class.
    weight : ndarray of shape (n_samples,) or None
        Weights; None if all are one.
    """

    proba: np.ndarray = collected()
    code: np.ndarray = collected()
    weight: np.ndarray | None = collected()

    def residuals(self, rows: slice = slice(None)) -> np.ndarray:
        """The rows d_i, `(n_samples, n_classes)`."""
        residual = -self.proba.T[rows].astype(np.float64)
        residual[np.arange(len(residual)), self.code[rows]] += 1
        return residual

    def counted(self) -> "CollectedRows":
        """The samples that have a weight."""
        if self.weight is None or self.weight.all():
            return self
        some = self.weight > 0
        if not some.any():
            raise NoSamplesError("no sample that counts has a weight above zero.")
        return CollectedRows(self.proba[:, some], self.code[some], self.weight[some])


def collected_rows(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    ignore_index: Any = None,
) -> CollectedRows:
    """The statistic of metrics of whole rows of probabilities."""
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    blocks = (proba_block(table, window) for window in table.windows())
    proba, code, weight = gather(blocks, table.n_scores // table.n_columns)
    return CollectedRows(proba, code.astype(np.int32), weight)


def checked_bandwidth(p: np.ndarray, kernel: str, bandwidth: float | str) -> float:
    check_option("kernel", kernel, KERNELS)
    if isinstance(bandwidth, str):
        check_option("bandwidth", bandwidth, ("median",))
        return _median_distance(p)
    if not bandwidth > 0:
        raise InputError(f"bandwidth must be 'median' or above 0, got {bandwidth!r}.")
    return float(bandwidth)


def _median_distance(p: np.ndarray) -> float:
    """The median distance of two rows, out of at most a thousand spread evenly.

    The rows are put in order first, so that the order of samples does not matter.
    """
    distance = pdist(spread_rows(p, -(-len(p) // MEDIAN_SAMPLES)))
    distance = distance[distance > 0]
    return float(np.median(distance)) if len(distance) else 1.0


def spread_rows(p: np.ndarray, step: int) -> np.ndarray:
    """Every so many rows in the order of their last number, then of that before, ...

    Sorting the last numbers alone is faster; the few rows that may hold those wanted
    are then put in order.
    """
    ordered = np.sort(p[:, -1])
    place = np.arange(0, len(p), step)
    wanted = ordered[place]
    among_equal = place - np.searchsorted(ordered, wanted)
    marked = np.zeros(CELLS, dtype=bool)
    marked[_cell(wanted)] = True
    pieces = (p[start : start + CHUNK] for start in range(0, len(p), CHUNK))
    few = np.concatenate([piece[marked[_cell(piece[:, -1])]] for piece in pieces])
    few = few[np.lexsort(few.T)].astype(np.float64)
    return np.asarray(few[np.searchsorted(few[:, -1], wanted) + among_equal])


def _cell(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(p * CELLS, 0, CELLS - 1).astype(np.int32))


def _kernel(distance: np.ndarray, kernel: str, width: float) -> np.ndarray:
    scaled = distance / width
    return np.asarray(np.exp(-scaled if kernel == "laplacian" else -(scaled**2) / 2))


def grams(
    p: np.ndarray, kernel: str, width: float
) -> Iterator[tuple[slice, np.ndarray]]:
    """Kernel values of some rows with all rows, piece by piece."""
    step = max(1, PAIRS // len(p))
    for start in range(0, len(p), step):
        rows = slice(start, start + step)
        # Not by the product p p', whose rounding sets equal rows 1e-8 apart.
        yield rows, _kernel(cdist(p[rows], p), kernel, width)


def neighbours(
    p: np.ndarray, state: CollectedRows, kernel: str, width: float
) -> np.ndarray:
    """H of the samples 1 and 2, 3 and 4, ..., some pairs at a time."""
    values = np.empty(len(p) // 2)
    for start in range(0, len(values), CHUNK):
        stop = min(start + CHUNK, len(values))
        rows = slice(2 * start, 2 * stop)
        near, d = p[rows].astype(np.float64), state.residuals(rows)
        distance = np.sqrt(((near[0::2] - near[1::2]) ** 2).sum(axis=1))
        values[start:stop] = _kernel(distance, kernel, width)
        values[start:stop] *= (d[0::2] * d[1::2]).sum(axis=1)
    return values
