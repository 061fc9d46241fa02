"""Estimators around torch modules; needs torch."""

from skuq.deep._torch_module import TorchModuleClassifier

__all__ = ["TorchModuleClassifier"]
