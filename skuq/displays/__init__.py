"""Pictures on scikit-learn's pattern; matplotlib loads when one is drawn."""

from skuq.displays._reliability import ReliabilityDisplay

__all__ = ["ReliabilityDisplay"]
