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
from skuq._core._arrays import Array, to_numpy
from skuq._core._binning import gather
from skuq._core._blocks import Window
from skuq._core._checks import check_option
from skuq._core._outcomes import proba_block
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._inputs import score_table

KERNELS = ("laplacian", "gaussian")
PAIRS = 2**22  # kernel values at a time
MEDIAN_SAMPLES = 1000  # whose distances give the bandwidth
CELLS = 2**16  # of the range of probabilities, to look up numbers by
CHUNK = 2**14  # rows or pairs of neighbours at a time


@dataclass(frozen=True)
class CollectedRows(Accumulator):
    """All rows of probabilities with their classes.

    Parameters
    ----------
    proba : ndarray of shape (n_classes, n_samples) or (1, n_samples)
        Probabilities; of the second of two classes alone if these were given.
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
        residual = -rows_of(self.proba, rows)
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


def rows_of(proba: np.ndarray, cut: Any = slice(None)) -> np.ndarray:
    """Some rows of probabilities of all classes in float64, of two from the second."""
    some = proba[:, cut].T.astype(np.float64)
    return np.concatenate([1 - some, some], axis=1) if len(proba) == 1 else some


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
    small = np.min_scalar_type(-table.n_classes)  # a tenth of the memory of the labels

    def part(window: Window) -> tuple[Array, np.ndarray, Array | None]:
        proba, code, weight = proba_block(table, window)
        proba = proba if table.n_columns > 1 else proba[1:, :]
        return proba, to_numpy(code).astype(small), weight

    parts = map(part, table.windows())
    return CollectedRows(*gather(parts, table.n_scores // table.n_columns))


def checked_bandwidth(proba: np.ndarray, kernel: str, bandwidth: float | str) -> float:
    check_option("kernel", kernel, KERNELS)
    if isinstance(bandwidth, str):
        check_option("bandwidth", bandwidth, ("median",))
        return _median_distance(proba)
    if not bandwidth > 0:
        raise InputError(f"bandwidth must be 'median' or above 0, got {bandwidth!r}.")
    return float(bandwidth)


def _median_distance(proba: np.ndarray) -> float:
    """The median distance of two rows, out of at most a thousand spread evenly.

    The rows are put in order first, so that the order of samples does not matter.
    """
    distance = pdist(spread_rows(proba, -(-proba.shape[1] // MEDIAN_SAMPLES)))
    distance = distance[distance > 0]
    return float(np.median(distance)) if len(distance) else 1.0


def spread_rows(proba: np.ndarray, step: int) -> np.ndarray:
    """Every so many rows in the order of their last number, then of that before, ...

    The rows are counted in cells of the range of their last number; those of the few
    cells that hold the rows wanted are then put in order.
    """
    last, n = proba[-1], proba.shape[1]
    cuts = [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]
    counts = np.zeros(CELLS, dtype=np.int64)
    for cut in cuts:
        np.add.at(counts, _cell(last[cut]), 1)
    place = np.arange(0, n, step)
    cell = np.searchsorted(np.cumsum(counts), place, side="right")
    marked = np.zeros(CELLS, dtype=bool)
    marked[cell] = True
    few = np.concatenate(
        [proba[:, cut][:, marked[_cell(last[cut])]] for cut in cuts], 1
    )
    few = rows_of(few[:, np.lexsort(few)])
    left_out = np.cumsum(np.where(marked, 0, counts))[cell]
    return np.asarray(few[place - left_out])


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
    proba: np.ndarray, state: CollectedRows, kernel: str, width: float
) -> Iterator[np.ndarray]:
    """H of the samples 1 and 2, 3 and 4, ..., some pairs at a time."""
    n_pairs = proba.shape[1] // 2
    for start in range(0, n_pairs, CHUNK):
        stop = min(start + CHUNK, n_pairs)
        rows = slice(2 * start, 2 * stop)
        near, d = rows_of(proba, rows), state.residuals(rows)
        distance = np.sqrt(((near[0::2] - near[1::2]) ** 2).sum(axis=1))
        yield _kernel(distance, kernel, width) * (d[0::2] * d[1::2]).sum(axis=1)
