"""Synthetic problems with known truth, and readers of saved predictions."""

from skuq.datasets._logits import make_logits
from skuq.datasets._predictions import Predictions, load_predictions

__all__ = ["Predictions", "load_predictions", "make_logits"]
