"""Pictures on scikit-learn's pattern; matplotlib loads when one is drawn."""

from skuq.displays._confidence_histogram import ConfidenceHistogramDisplay
from skuq.displays._failure_prediction import FailurePredictionDisplay
from skuq.displays._prediction_interval import PredictionIntervalDisplay
from skuq.displays._regression_calibration import RegressionCalibrationDisplay
from skuq.displays._reliability import ReliabilityDisplay
from skuq.displays._risk_coverage import RiskCoverageDisplay
from skuq.displays._sparsification import SparsificationDisplay
from skuq.displays._uncertainty_map import UncertaintyMapDisplay

__all__ = [
    "ConfidenceHistogramDisplay",
    "FailurePredictionDisplay",
    "PredictionIntervalDisplay",
    "RegressionCalibrationDisplay",
    "ReliabilityDisplay",
    "RiskCoverageDisplay",
    "SparsificationDisplay",
    "UncertaintyMapDisplay",
]
