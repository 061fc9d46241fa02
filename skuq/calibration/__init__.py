"""Calibrators, and the meta-estimator that puts one behind any model."""

from skuq.calibration._auto import AutoCalibrator
from skuq.calibration._bbq import BBQCalibrator
from skuq.calibration._beta import BetaCalibrator
from skuq.calibration._calibrated_model import CalibratedModel
from skuq.calibration._calibrated_regressor import CalibratedRegressor
from skuq.calibration._conformal import ConformalCalibrator
from skuq.calibration._dirichlet import DirichletCalibrator
from skuq.calibration._ensemble_temperature import EnsembleTemperatureScaler
from skuq.calibration._histogram import HistogramBinningCalibrator
from skuq.calibration._isotonic import IsotonicCalibrator
from skuq.calibration._matrix import MatrixScaler, StructuredMatrixScaler
from skuq.calibration._one_vs_rest import OneVsRestCalibrator
from skuq.calibration._platt import PlattCalibrator
from skuq.calibration._quadratic import QuadraticCalibrator
from skuq.calibration._quantile import QuantileCalibrator
from skuq.calibration._sample_pixels import PixelSample, sample_pixels
from skuq.calibration._scaling_binning import ScalingBinningCalibrator
from skuq.calibration._spline import SplineCalibrator
from skuq.calibration._temperature import TemperatureScaler
from skuq.calibration._variance import VarianceScaler
from skuq.calibration._vector import StructuredVectorScaler, VectorScaler
from skuq.calibration._venn_abers import VennAbersCalibrator

__all__ = [
    "AutoCalibrator",
    "BBQCalibrator",
    "BetaCalibrator",
    "CalibratedModel",
    "CalibratedRegressor",
    "ConformalCalibrator",
    "DirichletCalibrator",
    "EnsembleTemperatureScaler",
    "HistogramBinningCalibrator",
    "IsotonicCalibrator",
    "MatrixScaler",
    "OneVsRestCalibrator",
    "PixelSample",
    "PlattCalibrator",
    "QuadraticCalibrator",
    "QuantileCalibrator",
    "ScalingBinningCalibrator",
    "SplineCalibrator",
    "StructuredMatrixScaler",
    "StructuredVectorScaler",
    "TemperatureScaler",
    "VarianceScaler",
    "VectorScaler",
    "VennAbersCalibrator",
    "sample_pixels",
]
