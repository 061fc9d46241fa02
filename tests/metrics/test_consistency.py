"""The band of a reliability diagram holds calibrated models as often as it says."""

import numpy as np
import pytest

from skuq.exceptions import InputError
from skuq.metrics import consistency_band, reliability_curve


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_shares_of_a_calibrated_model_lie_inside_as_often_as_the_level_says(level):
    rng = np.random.default_rng(0)
    inside, bins = 0, 0
    for _ in range(100):
        p = rng.random(2000)
        curve = reliability_curve(rng.random(2000) < p, p, kind="positive", n_bins=10)
        low, high = consistency_band(curve, confidence_level=level)
        inside += int(((low <= curve.accuracy) & (curve.accuracy <= high)).sum())
        bins += 10
    # Shares are discrete and the binomial is a little too wide: never less than the
    # level, and at most 3 % more.
    error = np.sqrt(level * (1 - level) / bins)
    assert level - 4 * error <= inside / bins <= level + 0.03 + 4 * error


def test_empty_bins_have_no_band_and_sure_bins_a_narrow_one():
    curve = reliability_curve([0, 1, 1], [0.0, 1.0, 1.0], kind="positive", n_bins=4)
    low, high = consistency_band(curve)
    assert np.isnan(low).tolist() == [False, True, True, False]
    assert (low[[0, 3]] == high[[0, 3]]).all()
    assert low[[0, 3]].tolist() == [0.0, 1.0]


def test_classwise_curves_have_bands_of_their_shape(rng):
    p = rng.dirichlet(np.ones(3), 200)
    curve = reliability_curve(p.argmax(axis=1), p, kind="classwise", n_bins=5)
    assert consistency_band(curve).low.shape == (3, 5)


def test_a_level_that_is_no_fraction_is_refused():
    curve = reliability_curve([0, 1], [0.2, 0.9], kind="positive")
    with pytest.raises(InputError, match="confidence_level"):
        consistency_band(curve, confidence_level=95)
