"""How unsure a model is, and why: from its probabilities, its logits, its members."""

from skuq.uncertainty._adapter import MembersAdapter, RegressionMembersAdapter
from skuq.uncertainty._decomposition import Decomposition
from skuq.uncertainty._logits import energy, max_logit
from skuq.uncertainty._members import (
    disagreement,
    expected_entropy,
    mutual_information,
    predictive_entropy,
    variance,
    variation_ratio,
)
from skuq.uncertainty._probabilities import (
    entropy,
    margin_uncertainty,
    max_probability_uncertainty,
)
from skuq.uncertainty._regression import RegressionStatistics
from skuq.uncertainty._statistics import MemberStatistics
from skuq.uncertainty._vocabulary import ClassifierMembersMixin, RegressorMembersMixin

__all__ = [
    "ClassifierMembersMixin",
    "Decomposition",
    "MemberStatistics",
    "MembersAdapter",
    "RegressionMembersAdapter",
    "RegressionStatistics",
    "RegressorMembersMixin",
    "disagreement",
    "energy",
    "entropy",
    "expected_entropy",
    "margin_uncertainty",
    "max_logit",
    "max_probability_uncertainty",
    "mutual_information",
    "predictive_entropy",
    "variance",
    "variation_ratio",
]
