"""The temperature of a stream of batches, each of which is seen once.

Notation as in `_temperature`: b = 1/T.  The loss of the samples seen so far is known
only by its second-order expansion about the last answer b_0, ``precision / 2 * (b -
b_0)^2``.  A new batch moves b to the minimum of that plus its own loss, and adds its
own curvature to the precision: a Gaussian belief about b, updated by Laplace's method.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log

import numpy as np

from skuq._core._arrays import to_numpy
from skuq._core._blocks import ScoreTable
from skuq._core._temperature import (
    Limits,
    Moments,
    Outcome,
    TemperatureFit,
    fit_temperature,
    moments,
    search,
)

ENOUGH = 1024  # positions that are fitted together before the first expansion
MOST = 2**16  # positions that are kept where fewer do not determine T
FARTHEST = 9.0  # in log T, of one step


@dataclass(frozen=True)
class OnlineTemperature:
    """What is known of a stream.

    Parameters
    ----------
    fit : TemperatureFit, optional
        The last answer.
    precision : float
        Curvature in b of the loss so far; 0 until it is expanded.
    kept : ScoreTable, optional
        All positions that count, until the loss is expanded.
    """

    fit: TemperatureFit | None = None
    precision: float = 0.0
    kept: ScoreTable | None = None

    def updated(
        self,
        table: ScoreTable,
        kind: str,
        *,
        max_iter: int,
        tol: float,
        presample: int | None,
    ) -> "OnlineTemperature":
        """The state after one more batch."""
        if self.fit is not None and self.precision > 0:
            return self._stepped(self.fit, table, kind, max_iter, tol)
        alone = self.kept is None and table.n_samples >= ENOUGH
        everything = table if alone else _joined(self.kept, table)
        fit = fit_temperature(
            everything, kind, max_iter=max_iter, tol=tol, presample=presample
        )
        n = everything.n_samples
        if n > MOST or (n >= ENOUGH and fit.outcome is Outcome.FOUND):
            here = moments(everything, kind, 1 / fit.temperature)
            return OnlineTemperature(fit, here.mass * here.curvature)
        return OnlineTemperature(fit, kept=_joined(None, everything))

    def _stepped(
        self,
        last: TemperatureFit,
        table: ScoreTable,
        kind: str,
        max_iter: int,
        tol: float,
    ) -> "OnlineTemperature":
        start = 1 / last.temperature
        u = log(start)
        at = _with_past(table, kind, start, self.precision)
        fit = search(at, u, Limits(u - FARTHEST, u + FARTHEST), max_iter, tol)
        here = moments(table, kind, 1 / fit.temperature)
        precision = self.precision + here.mass * here.curvature
        return replace(self, fit=fit, precision=precision)


def _with_past(
    table: ScoreTable, kind: str, start: float, precision: float
) -> Callable[[float], Moments]:
    """The moments of a batch with those of the expansion."""

    def at(b: float) -> Moments:
        here = moments(table, kind, b)
        stiffness = precision / here.mass
        return here._replace(
            loss=here.loss + stiffness * (b - start) ** 2 / 2,
            slope=here.slope + stiffness * (b - start),
            curvature=here.curvature + stiffness,
        )

    return at


def _joined(kept: ScoreTable | None, table: ScoreTable) -> ScoreTable:
    """The positions of both that count, as one table on the host."""
    parts = [part for part in (kept, table) if part is not None]
    blocks = [block for part in parts for block in part.blocks(copy=True)]
    weights = [
        np.ones(codes.shape[0]) if weight is None else to_numpy(weight)
        for _, codes, weight in blocks
    ]
    return ScoreTable(
        np.concatenate([to_numpy(scores).T for scores, _, _ in blocks]),
        np.concatenate([to_numpy(codes) for _, codes, _ in blocks]),
        np.concatenate(weights),
    )
