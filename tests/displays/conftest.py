"""Figures of these tests are closed, and data for more than one of them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.special import softmax

from skuq.datasets import make_logits


@pytest.fixture(autouse=True)
def figures_are_closed():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    """Axes of a figure that pyplot does not know."""
    return Figure(layout="constrained").subplots()


@pytest.fixture(scope="session")
def classified():
    """Labels and over-confident probabilities of four classes."""
    z, y = make_logits(800, 4, temperature=2.0, random_state=0)
    return y, softmax(z, axis=1)


@pytest.fixture(scope="session")
def predicted():
    """Observed values, predicted means and standard deviations, all honest."""
    rng = np.random.default_rng(0)
    std = rng.gamma(4.0, 0.25, 600)
    mean = rng.normal(size=600)
    return rng.normal(mean, std), mean, std


@pytest.fixture(scope="session")
def segmented():
    """Labels and probabilities of three classes in five maps of 12 by 10 pixels."""
    z, y = make_logits(5, 3, spatial=(12, 10), temperature=2.0, random_state=0)
    return y, softmax(z, axis=1)
