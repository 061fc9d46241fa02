"""Predictions of the same samples side by side; maps of images that were held out."""

from skuq.evaluation._compare import Comparison, compare_predictions
from skuq.evaluation._image_folds import StratifiedImageKFold
from skuq.evaluation._map_predictions import cross_val_predict_maps
from skuq.evaluation._uncertainty_map import uncertainty_map

__all__ = [
    "Comparison",
    "StratifiedImageKFold",
    "compare_predictions",
    "cross_val_predict_maps",
    "uncertainty_map",
]
