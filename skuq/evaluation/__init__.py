"""Several predictions of the same samples, scored side by side."""

from skuq.evaluation._compare import Comparison, compare_predictions

__all__ = ["Comparison", "compare_predictions"]
