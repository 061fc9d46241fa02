"""What reliability diagrams without bins share: fine cells, and how a curve is drawn.

A consistency band needs only where probabilities lie, not each of them: cells of a
width of 1/2000 bound its cost, whatever the number of samples.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from skuq._core._binning import CollectedOutcomes, sum_in_bins
from skuq._core._outcomes import Outcomes
from skuq.displays._base import INK, band_label
from skuq.exceptions import InputError, NoSamplesError

CELLS = 2000
COARSE = 50  # bins of the histogram


class Cells(NamedTuple):
    """The samples of each cell that holds some, ascending; all `(n_cells,)`.

    score: mean probability; share: what came true; trials: (sum w)^2 / sum w^2, the
    number of samples where all weights are one.
    """

    score: np.ndarray
    weight: np.ndarray
    share: np.ndarray
    trials: np.ndarray


def cells_of(row):
    """The cells of the scores, outcomes and weights of a row."""
    part = Outcomes(row.score[None], row.outcome[None], row.weight)
    sums = sum_in_bins(part, np.linspace(0, 1, CELLS + 1), "right", 1)
    weight, stated, came, squared = (array[0] for array in sums)
    some = weight > 0
    weight = weight[some]
    return Cells(
        np.clip(stated[some] / weight, 0, 1),
        weight,
        came[some] / weight,
        weight**2 / squared[some],
    )


class CurveDiagram(ABC):
    """A curve for each row of collected samples; subclasses say which."""

    def __init__(self, state):
        if not isinstance(state, CollectedOutcomes):
            raise InputError(
                "a smooth or isotonic diagram needs all samples, but this state holds "
                "sums in bins: pass style= to from_predictions, or the state of a "
                "Streaming metric that keeps all samples, such as score_decomposition."
            )
        rows = list(state.rows())
        self.cells = [cells_of(row) for row in rows]
        if not any(map(self.has, range(len(rows)))):
            raise NoSamplesError("no sample that counts has a weight above zero.")
        self.curves = [
            self.curve_of(row) if self.has(i) else None for i, row in enumerate(rows)
        ]
        self.n_rows = len(rows)
        self.curve = self.curves[0] if self.n_rows == 1 else self.curves

    @abstractmethod
    def curve_of(self, row):
        """The curve of the scores, outcomes and weights of a row."""

    @abstractmethod
    def band_of(self, row, level, random_state):
        """Probabilities, and the ends of the band there."""

    def has(self, row):
        """Whether a row holds anything."""
        return len(self.cells[row].score) > 0

    def histogram(self):
        """Edges, and the share of the weight between them."""
        edges = np.linspace(0, 1, COARSE + 1)
        weight = np.zeros(COARSE)
        for cells in self.cells:
            weight += np.histogram(cells.score, edges, weights=cells.weight)[0]
        return edges, weight / weight.sum()

    def draw(self, ax, row, label, look):
        """The curve, and where it would lie if the model were calibrated."""
        curve = self.curves[row]
        ax.plot(curve.probability, curve.share, lw=1.8, label=label, zorder=3)
        if look.band is not None:
            x, low, high = self.band_of(row, look.band, look.random_state)
            style = {"color": INK, "alpha": 0.16, "linewidth": 0, "zorder": 2}
            ax.fill_between(x, low, high, label=band_label(look.band), **style)
