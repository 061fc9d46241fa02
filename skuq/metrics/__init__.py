"""Metrics of probabilities, on numpy arrays and torch tensors alike.

Functions take ``(y_true, y_proba, *, sample_weight=None, ...)`` and return a float.
`Streaming` makes them work on batches; `get_scorer` makes scikit-learn scorers of them.
"""

from typing import TYPE_CHECKING, Any

from skuq.metrics._accuracy import accuracy_score
from skuq.metrics._accuracy_uncertainty import accuracy_uncertainty_scores
from skuq.metrics._adaptive import (
    adaptive_calibration_error,
    average_calibration_error,
    thresholded_adaptive_calibration_error,
)
from skuq.metrics._bootstrap import Interval, bootstrap_interval
from skuq.metrics._boundary import segmentation_boundary
from skuq.metrics._calibration_error import (
    expected_calibration_error,
    maximum_calibration_error,
)
from skuq.metrics._class_calibration_error import (
    classwise_calibration_error,
    top_label_calibration_error,
)
from skuq.metrics._consistency import ConsistencyBand, consistency_band
from skuq.metrics._corrected_dice import corrected_dice_score, correction_benefit
from skuq.metrics._crps import crps_ensemble, crps_gaussian, crps_quantile
from skuq.metrics._cumulative import (
    cumulative_calibration_error,
    cumulative_calibration_test,
)
from skuq.metrics._decomposition import ScoreDecomposition, score_decomposition
from skuq.metrics._error_detection import error_detection_scores
from skuq.metrics._flagged_errors import error_precision_score, error_recall_score
from skuq.metrics._gaussian import gaussian_log_loss
from skuq.metrics._intervals import (
    interval_coverage_score,
    interval_score_loss,
    interval_width_loss,
)
from skuq.metrics._kernel import kernel_calibration_error, kernel_calibration_test
from skuq.metrics._mean_embedding import maximum_mean_calibration_error
from skuq.metrics._operating_point import (
    coverage_at_risk_score,
    risk_at_coverage_error,
)
from skuq.metrics._ordinal import ranked_probability_score_loss
from skuq.metrics._outcomes import CalibrationTestResult
from skuq.metrics._overlap import choose_overlap_threshold, uncertainty_error_overlap
from skuq.metrics._overlap_curve import OverlapCurve, overlap_curve
from skuq.metrics._per_image import per_image
from skuq.metrics._permutation import PermutationTestResult, permutation_test
from skuq.metrics._pit import probability_integral_transform
from skuq.metrics._proper import brier_score_loss, log_loss
from skuq.metrics._quantile_calibration import quantile_calibration_error
from skuq.metrics._quantiles import pinball_loss
from skuq.metrics._reliability import ReliabilityCurve, reliability_curve
from skuq.metrics._risk_coverage import (
    RiskCoverageCurve,
    area_under_risk_coverage_error,
    risk_coverage_curve,
)
from skuq.metrics._sharpness import sharpness
from skuq.metrics._slope import SlopeIntercept, calibration_slope_intercept
from skuq.metrics._smooth import smooth_calibration_error
from skuq.metrics._sparsification import (
    SparsificationCurve,
    sparsification_curve,
    sparsification_error,
)
from skuq.metrics._spiegelhalter import spiegelhalter_test
from skuq.metrics._streaming import Streaming
from skuq.metrics._variance_calibration import (
    expected_normalized_calibration_error,
    uncertainty_calibration_error,
)

if TYPE_CHECKING:
    from skuq.metrics._scorers import get_scorer, get_scorer_names, get_scorers

__all__ = [
    "CalibrationTestResult",
    "ConsistencyBand",
    "Interval",
    "OverlapCurve",
    "PermutationTestResult",
    "ReliabilityCurve",
    "RiskCoverageCurve",
    "ScoreDecomposition",
    "SlopeIntercept",
    "SparsificationCurve",
    "Streaming",
    "accuracy_score",
    "accuracy_uncertainty_scores",
    "adaptive_calibration_error",
    "area_under_risk_coverage_error",
    "average_calibration_error",
    "bootstrap_interval",
    "brier_score_loss",
    "calibration_slope_intercept",
    "choose_overlap_threshold",
    "classwise_calibration_error",
    "consistency_band",
    "corrected_dice_score",
    "correction_benefit",
    "coverage_at_risk_score",
    "crps_ensemble",
    "crps_gaussian",
    "crps_quantile",
    "cumulative_calibration_error",
    "cumulative_calibration_test",
    "error_detection_scores",
    "error_precision_score",
    "error_recall_score",
    "expected_calibration_error",
    "expected_normalized_calibration_error",
    "gaussian_log_loss",
    "get_scorer",
    "get_scorer_names",
    "get_scorers",
    "interval_coverage_score",
    "interval_score_loss",
    "interval_width_loss",
    "kernel_calibration_error",
    "kernel_calibration_test",
    "log_loss",
    "maximum_calibration_error",
    "maximum_mean_calibration_error",
    "overlap_curve",
    "per_image",
    "permutation_test",
    "pinball_loss",
    "probability_integral_transform",
    "quantile_calibration_error",
    "ranked_probability_score_loss",
    "reliability_curve",
    "risk_at_coverage_error",
    "risk_coverage_curve",
    "score_decomposition",
    "segmentation_boundary",
    "sharpness",
    "smooth_calibration_error",
    "sparsification_curve",
    "sparsification_error",
    "spiegelhalter_test",
    "thresholded_adaptive_calibration_error",
    "top_label_calibration_error",
    "uncertainty_calibration_error",
    "uncertainty_error_overlap",
]


def __getattr__(name: str) -> Any:
    """Load the scorers, and scikit-learn with them, when first asked for."""
    if name in {"get_scorer", "get_scorer_names", "get_scorers"}:
        from skuq.metrics import _scorers

        return getattr(_scorers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
