"""How sure a classifier was, and whether it was right."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skuq._core._accumulator import Accumulator, collected
from skuq._core._arrays import (
    Array,
    host_view,
    to_library_of,
    to_numpy,
    to_real_floating,
)
from skuq._core._blocks import ScoreTable
from skuq._core._outcomes import READERS
from skuq._core._sorting import TieGroups, tie_groups
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._inputs import score_table


@dataclass(frozen=True)
class RankedOutcomes(Accumulator):
    """All confidences with whether the prediction was right.

    Parameters
    ----------
    confidence : ndarray of shape (n_samples,)
        Any numbers; higher is surer.
    correct : ndarray of shape (n_samples,)
        Whether the predicted class is the true one.
    weight : ndarray of shape (n_samples,) or None
        Weights; None if all are one.
    """

    confidence: np.ndarray = collected()
    correct: np.ndarray = collected()
    weight: np.ndarray | None = collected()

    def groups(self) -> TieGroups:
        """Weight and correct weight of each distinct confidence, ascending."""
        groups = tie_groups(self.confidence, self.correct, self.weight).counted()
        if not len(groups.score):
            raise NoSamplesError("no sample that counts has a weight above zero.")
        return groups


def ranked_outcomes(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    confidence: Any = None,
    uncertainty: Any = None,
    labels: Any = None,
    ignore_index: Any = None,
) -> RankedOutcomes:
    """The statistic of failure metrics; by default the largest probability ranks."""
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    given = _given(table, confidence, uncertainty)
    parts = []
    for window in table.windows():
        score, outcome, weight, _ = READERS["top-label"](table, window)
        sure = score[0, :] if given is None else table.aligned(given, window)
        part = [sure, outcome[0, :]] + ([] if weight is None else [weight])
        parts.append([to_numpy(x) for x in part])
    sure, right, *weights = (np.concatenate(p) for p in zip(*parts, strict=True))
    if given is not None and np.isnan(sure).any():
        name = "confidence" if uncertainty is None else "uncertainty"
        raise InputError(f"{name} contains NaN: drop or repair those samples first.")
    sign = -1 if uncertainty is not None else 1
    return RankedOutcomes(sign * sure, right, weights[0] if weights else None)


def _given(table: ScoreTable, confidence: Any, uncertainty: Any) -> Array | None:
    """The confidence or uncertainty that the caller ranks by, if there is one."""
    if confidence is not None and uncertainty is not None:
        raise InputError("pass confidence= or uncertainty=, not both.")
    name = "confidence" if uncertainty is None else "uncertainty"
    values = confidence if uncertainty is None else uncertainty
    if values is None:
        return None
    values = host_view(to_real_floating(to_library_of(values, table.scores), name))
    expected = tuple(table.scores.shape[:1]) + tuple(table.scores.shape[2:])
    if tuple(values.shape) != expected:
        raise InputError(
            f"{name} has shape {tuple(values.shape)}: expected one value per label, "
            f"{expected}."
        )
    return values
