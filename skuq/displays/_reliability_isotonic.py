"""Reliability diagram by isotonic regression, with the parts of a score (CORP)."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import isotonic_regression

from skuq._core._sorting import tie_groups
from skuq.displays._reliability_curves import CurveDiagram
from skuq.metrics._decomposition import (
    ScoreDecomposition,
    decomposition_of_state,
    isotonic_shares,
)

RESAMPLES = 500


@dataclass(frozen=True)
class IsotonicCurve:
    """The share that came true, made to grow with the probability.

    Parameters
    ----------
    probability : ndarray of shape (n_points,)
        First and last stated probability of each step.
    share : ndarray of shape (n_points,)
        Isotonic share that came true.
    """

    probability: np.ndarray
    share: np.ndarray


class IsotonicDiagram(CurveDiagram):
    """Steps of equal share, and miscalibration, discrimination and uncertainty."""

    def __init__(self, state):
        super().__init__(state)
        self.parts = [
            decomposition_of_state(replace(state, n_rows=1, **as_table(row)))
            if self.has(i)
            else ScoreDecomposition(0.0, 0.0, 0.0, 0.0)
            for i, row in enumerate(state.rows())
        ]
        total = np.sum(self.parts, axis=0)
        self.decomposition = ScoreDecomposition(*map(float, total))
        self.error = self.decomposition.miscalibration

    @property
    def label(self):
        """The parts of the Brier score, summed over rows."""
        parts = self.decomposition
        return (
            f"MCB = {parts.miscalibration:.4f}\nDSC = {parts.discrimination:.4f}\n"
            f"UNC = {parts.uncertainty:.4f}"
        )

    def label_of(self, row):
        """The miscalibration of one row."""
        return f"MCB = {self.parts[row].miscalibration:.4f}"

    def curve_of(self, row):
        """The curve of a row."""
        groups = tie_groups(*row)
        groups = groups.counted()
        share = isotonic_shares(groups)
        step = np.diff(share) > 0
        ends = np.append(True, step) | np.append(step, True)
        return IsotonicCurve(groups.score[ends], share[ends])

    def band_of(self, row, level, random_state):
        """Quantiles of the curves of outcomes drawn from the stated probabilities."""
        cells = self.cells[row]
        rng = np.random.default_rng(random_state)
        n = np.round(cells.trials).astype(np.int64)
        drawn = rng.binomial(n, cells.score, size=(RESAMPLES, len(n))) / n
        shares = [isotonic_regression(one, weights=cells.weight).x for one in drawn]
        tails = [(1 - level) / 2, (1 + level) / 2]
        return cells.score, *np.quantile(shares, tails, axis=0)


def as_table(row):
    """The fields of a state that holds this row only."""
    weight = row.weight
    fields = {"score": row.score[None], "outcome": row.outcome[None]}
    return fields | {"weight": weight, "row": None}
