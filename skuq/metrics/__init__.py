"""Metrics of probabilities, on numpy arrays and torch tensors alike.

Functions take ``(y_true, y_proba, *, sample_weight=None, ...)`` and return a float.
`Streaming` makes them work on batches; `get_scorer` makes scikit-learn scorers of them.
"""

from typing import TYPE_CHECKING, Any

from skuq.metrics._accuracy import accuracy_score
from skuq.metrics._bootstrap import Interval, bootstrap_interval
from skuq.metrics._calibration_error import (
    expected_calibration_error,
    maximum_calibration_error,
)
from skuq.metrics._proper import brier_score_loss, log_loss
from skuq.metrics._reliability import ReliabilityCurve, reliability_curve
from skuq.metrics._streaming import Streaming

if TYPE_CHECKING:
    from skuq.metrics._scorers import get_scorer, get_scorer_names, get_scorers

__all__ = [
    "Interval",
    "ReliabilityCurve",
    "Streaming",
    "accuracy_score",
    "bootstrap_interval",
    "brier_score_loss",
    "expected_calibration_error",
    "get_scorer",
    "get_scorer_names",
    "get_scorers",
    "log_loss",
    "maximum_calibration_error",
    "reliability_curve",
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
