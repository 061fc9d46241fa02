"""Calibrators, and the meta-estimator that puts one behind any model."""

from skuq.calibration._bbq import BBQCalibrator
from skuq.calibration._calibrated_model import CalibratedModel
from skuq.calibration._calibrated_regressor import CalibratedRegressor
from skuq.calibration._conformal import ConformalCalibrator
from skuq.calibration._dirichlet import DirichletCalibrator
from skuq.calibration._histogram import HistogramBinningCalibrator
from skuq.calibration._isotonic import IsotonicCalibrator
from skuq.calibration._matrix import MatrixScaler, StructuredMatrixScaler
from skuq.calibration._quantile import QuantileCalibrator
from skuq.calibration._scaling_binning import ScalingBinningCalibrator
from skuq.calibration._temperature import TemperatureScaler
from skuq.calibration._variance import VarianceScaler
from skuq.calibration._vector import StructuredVectorScaler, VectorScaler
from skuq.calibration._venn_abers import VennAbersCalibrator

__all__ = [
    "BBQCalibrator",
    "CalibratedModel",
    "CalibratedRegressor",
    "ConformalCalibrator",
    "DirichletCalibrator",
    "HistogramBinningCalibrator",
    "IsotonicCalibrator",
    "MatrixScaler",
    "QuantileCalibrator",
    "ScalingBinningCalibrator",
    "StructuredMatrixScaler",
    "StructuredVectorScaler",
    "TemperatureScaler",
    "VarianceScaler",
    "VectorScaler",
    "VennAbersCalibrator",
]
