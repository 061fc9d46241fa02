"""Calibrators, and the meta-estimator that puts one behind any classifier."""

from skuq.calibration._calibrated_model import CalibratedModel
from skuq.calibration._temperature import TemperatureScaler

__all__ = ["CalibratedModel", "TemperatureScaler"]
