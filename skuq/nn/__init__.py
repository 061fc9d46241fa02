"""Modules of torch: calibrated probabilities inside a network; needs torch."""

from skuq.nn._calibrated_module import CalibratedModule
from skuq.nn._calibration import (
    AffineCalibration,
    Calibration,
    MixtureCalibration,
    TemperatureCalibration,
)
from skuq.nn._one_vs_rest import (
    BetaCalibration,
    PlattCalibration,
    QuadraticCalibration,
)

__all__ = [
    "AffineCalibration",
    "BetaCalibration",
    "CalibratedModule",
    "Calibration",
    "MixtureCalibration",
    "PlattCalibration",
    "QuadraticCalibration",
    "TemperatureCalibration",
]
