"""Synthetic problems with known truth, and readers of scenes and saved predictions."""

from skuq.datasets._camvid import load_camvid
from skuq.datasets._ellipses import Ellipses, make_ellipses
from skuq.datasets._logits import make_logits
from skuq.datasets._maps import Maps, load_maps
from skuq.datasets._predictions import Predictions, load_predictions

__all__ = [
    "Ellipses",
    "Maps",
    "Predictions",
    "load_camvid",
    "load_maps",
    "load_predictions",
    "make_ellipses",
    "make_logits",
]
