"""The quantile behind every conformal guarantee."""

import numpy as np

from skuq._core._quantile_edges import ALMOST


def reached(score: np.ndarray, mass: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The smallest scores up to which the mass is a target; infinity beyond all."""
    return np.append(score, np.inf)[np.searchsorted(mass * ALMOST, target)]
