"""What may be automated: classifiers that abstain, and sets of classes that cover."""

from skuq.decision._conformal import ConformalClassifier
from skuq.decision._selective import SelectiveClassifier

__all__ = ["ConformalClassifier", "SelectiveClassifier"]
