"""How unsure a classifier is, read from its probabilities."""

from skuq.uncertainty._probabilities import (
    entropy,
    margin_uncertainty,
    max_probability_uncertainty,
)

__all__ = ["entropy", "margin_uncertainty", "max_probability_uncertainty"]
