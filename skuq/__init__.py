"""skuq: probabilities that scikit-learn's and torch's users can trust.

Names load when first used, so that ``import skuq`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skuq.calibration import CalibratedModel, TemperatureScaler
    from skuq.deep import TorchModuleClassifier
    from skuq.displays import ReliabilityDisplay
    from skuq.metrics import expected_calibration_error, get_scorer

__version__ = "0.1.0"

_HOMES = {
    "CalibratedModel": "skuq.calibration",
    "ReliabilityDisplay": "skuq.displays",
    "TemperatureScaler": "skuq.calibration",
    "TorchModuleClassifier": "skuq.deep",
    "expected_calibration_error": "skuq.metrics",
    "get_scorer": "skuq.metrics",
}

__all__ = [
    "CalibratedModel",
    "ReliabilityDisplay",
    "TemperatureScaler",
    "TorchModuleClassifier",
    "expected_calibration_error",
    "get_scorer",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'skuq' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted([*__all__, "__version__"])
