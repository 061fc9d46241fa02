"""What may be automated: abstaining, sets of classes, masks that need no review."""

from skuq.decision._aggregate import aggregate_uncertainty
from skuq.decision._conformal import ConformalClassifier
from skuq.decision._mask_overlap import mask_overlap
from skuq.decision._segmentation_quality import SegmentationQualityRegressor
from skuq.decision._selective import SelectiveClassifier

__all__ = [
    "ConformalClassifier",
    "SegmentationQualityRegressor",
    "SelectiveClassifier",
    "aggregate_uncertainty",
    "mask_overlap",
]
