"""Samples of a statistic, ready to be summed again under many weights.

A resample of a bootstrap gives each sample a count.  What can be found once (losses,
bins) is found once, so that a resample costs a few sums.
"""

from dataclasses import dataclass

import numpy as np

from skuq._core._accumulator import MeanSum
from skuq._core._arrays import to_numpy
from skuq._core._binning import Binning, BinSums, collect, slot_of
from skuq._core._blocks import ScoreTable
from skuq._core._outcomes import Outcomes

THREADS_FROM = 2**16  # samples


@dataclass(frozen=True)
class MeanSamples:
    """Values with weights, whose weighted mean is a metric.

    Parameters
    ----------
    value : ndarray of shape (n_samples,)
        Value of each sample.
    weight : ndarray of shape (n_samples,) or None
        Weights; None if all are one.
    """

    value: np.ndarray
    weight: np.ndarray | None

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.value)

    def state(self, counts: np.ndarray) -> MeanSum:
        """The sums in which each sample counts that often."""
        mass = counts if self.weight is None else counts * self.weight
        return MeanSum(float(mass @ self.value), float(mass.sum()))


@dataclass(frozen=True)
class BinnedSamples:
    """Outcomes with the slot, a bin and an outcome, that each of them falls into.

    Parameters
    ----------
    binning : Binning
        The bins.
    shape : tuple of int
        Number of rows and of bins.
    slot : ndarray of shape (n_lines, n_samples)
        Twice the number of the bin, plus one if the outcome came true.
    score : ndarray of shape (n_lines, n_samples)
        Stated probabilities.
    weight : ndarray of shape (n_samples,) or None
        Weights; None if all are one.
    """

    binning: Binning
    shape: tuple[int, int]
    slot: np.ndarray
    score: np.ndarray
    weight: np.ndarray | None

    def __len__(self) -> int:
        """Number of samples."""
        return int(self.score.shape[1])

    def state(self, counts: np.ndarray) -> BinSums:
        """The sums in which each sample counts that often, as if it were repeated."""
        mass = counts if self.weight is None else counts * self.weight
        sums = [self._sum(mass), self._sum(mass * self.score)]
        squared = sums[0] if self.weight is None else self._sum(mass * self.weight)
        return BinSums(
            self.binning,
            sums[0].sum(axis=-1),
            sums[1].sum(axis=-1),
            sums[0][..., 1],
            squared.sum(axis=-1),
        )

    def _sum(self, values: np.ndarray) -> np.ndarray:
        lines = np.broadcast_to(values, self.slot.shape)
        n_rows, n_bins = self.shape
        total = sum(
            np.bincount(slot, line, 2 * n_rows * n_bins)
            for slot, line in zip(self.slot, lines, strict=True)
        )
        return np.asarray(total).reshape(n_rows, n_bins, 2)


def binned_samples(table: ScoreTable, binning: Binning) -> BinnedSamples | None:
    """The samples behind `bin_statistic`; None where bins depend on all of them."""
    if binning.needs_all:
        return None
    found = collect(table, binning)
    score = found.score.astype(np.float32) if binning.single else found.score
    edges = binning.uniform(score.dtype)
    part = Outcomes(score, found.outcome, None, found.row)
    slot = to_numpy(slot_of(part, edges, binning.closed, found.n_rows))
    return BinnedSamples(
        binning, (found.n_rows, len(edges) - 1), slot, score, found.weight
    )
