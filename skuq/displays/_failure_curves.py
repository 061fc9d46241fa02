"""The curves and scores of one confidence that a failure prediction display draws."""

from dataclasses import dataclass

import numpy as np

from skuq.displays._risk_coverage import RiskCoverageDisplay
from skuq.metrics._error_detection import detection_of_state


@dataclass(frozen=True)
class FailureCurves:
    """How one confidence tells errors from right answers, at every threshold.

    Parameters
    ----------
    errors_kept : ndarray of shape (n_thresholds + 1,)
        Share of the errors that are at least as sure, ascending, from 0 to 1.
    right_kept : ndarray of shape (n_thresholds + 1,)
        Share of the right answers that are.
    errors_found : ndarray of shape (n_thresholds,)
        Share of the errors that are at most as sure, ascending: the recall.
    precision : ndarray of shape (n_thresholds,)
        Share of errors among the answers that are at most as sure.
    coverage : ndarray of shape (n_thresholds,)
        Share of answers that are at least as sure, ascending.
    risk : ndarray of shape (n_thresholds,)
        Share of errors among these, or with the generalized risk among all.
    oracle : ndarray of shape (n_thresholds,)
        The least risk that this accuracy allows at each coverage.
    error_rate : float
        Share of errors among all answers.
    scores : dict of str to float
        Those of `error_detection_scores`, and "aurc", the area under the risk.
    """

    errors_kept: np.ndarray
    right_kept: np.ndarray
    errors_found: np.ndarray
    precision: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray
    oracle: np.ndarray
    error_rate: float
    scores: dict[str, float]


def failure_curves(state, risk, tpr_level):
    """The curves that a statistic holds; NaN where there is nothing to tell apart."""
    groups = state.groups()
    right, wrong = groups.hits, np.maximum(groups.weight - groups.hits, 0)
    ranked = RiskCoverageDisplay(state, risk=risk)
    curve = ranked.curve
    scores = detection_of_state(state, tpr_level=tpr_level) | {"aurc": ranked.area}
    return FailureCurves(
        errors_kept=np.r_[0, _shares(wrong[::-1])],
        right_kept=np.r_[0, _shares(right[::-1])],
        errors_found=_shares(wrong),
        precision=np.cumsum(wrong) / np.cumsum(groups.weight),
        coverage=curve.coverage,
        risk=curve.risk if risk == "selective" else curve.generalized_risk,
        oracle=ranked.oracle,
        error_rate=float(curve.risk[-1]),
        scores=scores,
    )


def _shares(weight):
    """Running sums as shares of all; NaN of nothing."""
    total = np.cumsum(weight)
    return total / total[-1] if total[-1] > 0 else np.full(len(total), np.nan)
