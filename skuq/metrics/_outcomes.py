"""All stated probabilities with what came true, for what cannot be summed."""

from typing import Any, NamedTuple

from skuq._core._binning import Binning, CollectedOutcomes, collect
from skuq._core._checks import check_option
from skuq._core._sorting import TieGroups, tie_groups
from skuq.metrics._inputs import score_table

OUTCOME_KINDS = ("top-label", "positive", "classwise")


class CalibrationTestResult(NamedTuple):
    """A test statistic and how likely one as extreme is for a calibrated model.

    Parameters
    ----------
    statistic : float
        The test statistic.
    p_value : float
        In [0, 1]; small values speak against calibration.
    """

    statistic: float
    p_value: float


def collected_outcomes(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str = "top-label",
    ignore_index: Any = None,
) -> CollectedOutcomes:
    """The statistic of metrics that need all samples in order."""
    check_option("kind", kind, OUTCOME_KINDS)
    table = score_table(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        ignore_index=ignore_index,
    )
    return collect(table, Binning(kind=kind, strategy="quantile"))


def groups_of_rows(state: CollectedOutcomes) -> list[TieGroups]:
    """The sums over equal probabilities of each row."""
    return [tie_groups(*row) for row in state.rows()]
