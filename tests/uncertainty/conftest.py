"""Members that disagree: draws of a Dirichlet distribution at every position."""

import numpy as np
import pytest


def draw_members(n_members, n_samples, n_classes, spatial=(), seed=0):
    """Probabilities `(n_members, n_samples, n_classes, *spatial)`."""
    rng = np.random.default_rng(seed)
    alpha = rng.uniform(0.2, 3, (n_samples, *spatial, n_classes))
    gamma = rng.gamma(alpha, size=(n_members, *alpha.shape)) + 1e-300
    p = gamma / gamma.sum(axis=-1, keepdims=True)
    return np.moveaxis(p, -1, 2)


@pytest.fixture
def members():
    """Seven members for a table of 40 samples and 4 classes."""
    return draw_members(7, 40, 4)


@pytest.fixture
def map_members():
    """Five members for 3 maps of 6 x 7 pixels and 3 classes."""
    return draw_members(5, 3, 3, (6, 7))
