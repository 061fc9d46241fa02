"""Scaling-binning: the mean of Platt's curve in bins of equal weight."""

import numpy as np
import pytest

from skuq.calibration import ScalingBinningCalibrator
from skuq.calibration._platt import PlattCalibrator
from skuq.datasets import make_logits
from skuq.exceptions import InputError


@pytest.fixture
def margins():
    logits, y = make_logits(600, n_classes=2, temperature=2.0, random_state=0)
    return logits[:, 1] - logits[:, 0], y


def test_values_are_means_of_the_curve(margins):
    z, y = margins
    curve = PlattCalibrator().fit(z, y).predict_proba(z)[:, 1]
    got = ScalingBinningCalibrator(n_bins=6).fit(z, y).predict_proba(z)[:, 1]
    order = np.argsort(z)
    expected = curve[order].reshape(6, 100).mean(axis=1).repeat(100)
    np.testing.assert_allclose(got[order], expected, rtol=1e-9)


def test_the_mean_prediction_is_that_of_the_curve(margins, rng):
    z, y = margins
    weight = rng.random(len(y))
    curve = PlattCalibrator().fit(z, y, weight).predict_proba(z)
    steps = ScalingBinningCalibrator().fit(z, y, weight).predict_proba(z)
    np.testing.assert_allclose(weight @ steps, weight @ curve, rtol=1e-9)


def test_there_are_as_many_values_as_bins(margins):
    z, y = margins
    for n_bins in (1, 2, 15):
        step = ScalingBinningCalibrator(n_bins=n_bins).fit(z, y).maps_[0]
        assert len(step.values) == n_bins


def test_as_many_bins_as_samples_are_the_curve(margins):
    z, y = margins
    curve = PlattCalibrator().fit(z, y).predict_proba(z)
    steps = ScalingBinningCalibrator(n_bins=len(z)).fit(z, y).predict_proba(z)
    np.testing.assert_allclose(steps, curve, rtol=1e-9)


def test_separable_scores_keep_probabilities_inside_0_and_1():
    z = np.linspace(-5, 5, 100)
    step = ScalingBinningCalibrator().fit(z, z > 0).maps_[0]
    assert step.values.min() > 0
    assert step.values.max() < 1


def test_an_impossible_number_of_bins_gets_a_clear_error(margins):
    with pytest.raises(InputError, match="n_bins"):
        ScalingBinningCalibrator(n_bins=0).fit(*margins)
