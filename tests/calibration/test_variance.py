"""Variance scaling against its closed form and the loss that it minimises."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from skuq.calibration import VarianceScaler
from skuq.metrics import gaussian_log_loss


@pytest.fixture
def data(rng):
    """Means, observed values and deviations that are a third of what they should be."""
    mean, std = rng.normal(size=3000), rng.gamma(4, 0.3, 3000)
    return mean, mean + 3 * std * rng.normal(size=3000), std


def test_the_scale_is_the_root_mean_square_of_standardised_errors():
    scaler = VarianceScaler().fit(
        [0.0, 1.0, 2.0], [1.0, 1.0, 6.0], y_std=[1.0, 1.0, 2.0]
    )
    assert scaler.scale_ == pytest.approx(np.sqrt(5 / 3), rel=1e-12)  # z is 1, 0, 2


def test_weights_enter_the_mean():
    scaler = VarianceScaler().fit(
        [0.0, 0.0], [1.0, 3.0], y_std=[1.0, 1.0], sample_weight=[3.0, 1.0]
    )
    assert scaler.scale_ == pytest.approx(np.sqrt(3), rel=1e-12)


def test_the_scale_of_weights_does_not_matter(data, rng):
    y_pred, y_true, y_std = data
    weight = rng.random(3000)
    one = VarianceScaler().fit(y_pred, y_true, y_std=y_std, sample_weight=weight)
    other = VarianceScaler().fit(
        y_pred, y_true, y_std=y_std, sample_weight=1000 * weight
    )
    assert one.scale_ == pytest.approx(other.scale_, rel=1e-12)


def test_the_true_scale_is_found(data):
    y_pred, y_true, y_std = data
    scaler = VarianceScaler().fit(y_pred, y_true, y_std=y_std)
    # The standard error of a standard deviation of n normal values is s / sqrt(2 n).
    assert scaler.scale_ == pytest.approx(3, abs=5 * 3 / np.sqrt(6000))


def test_the_scale_minimises_the_normal_log_loss(data):
    y_pred, y_true, y_std = data
    scaler = VarianceScaler().fit(y_pred, y_true, y_std=y_std)
    best = minimize_scalar(
        lambda s: gaussian_log_loss(y_true, y_pred, s * y_std), bounds=(0.1, 10)
    )
    fitted = gaussian_log_loss(y_true, y_pred, scaler.scale_ * y_std)
    assert fitted <= best.fun + 1e-12


def test_means_stay_and_deviations_are_multiplied(data):
    y_pred, y_true, y_std = data
    scaler = VarianceScaler().fit(y_pred, y_true, y_std=y_std)
    mean, std = scaler.predict(y_pred, y_std=y_std, return_std=True)
    assert np.array_equal(mean, y_pred)
    np.testing.assert_allclose(std, scaler.scale_ * y_std, rtol=1e-12)
    lower, upper = scaler.predict_interval(y_pred, 0.1, y_std=y_std)
    np.testing.assert_allclose(lower, norm.ppf(0.05, mean, std), rtol=1e-9)
    np.testing.assert_allclose(upper, norm.ppf(0.95, mean, std), rtol=1e-9)


def test_fitting_again_changes_nothing(data):
    y_pred, y_true, y_std = data
    once = VarianceScaler().fit(y_pred, y_true, y_std=y_std)
    scaled = once.predict(y_pred, y_std=y_std, return_std=True)[1]
    again = VarianceScaler().fit(y_pred, y_true, y_std=scaled)
    assert again.scale_ == pytest.approx(1, rel=1e-12)


def test_without_deviations_the_scale_is_the_root_mean_squared_error(data):
    y_pred, y_true, _ = data
    scaler = VarianceScaler().fit(y_pred, y_true)
    expected = np.sqrt(np.mean((y_true - y_pred) ** 2))
    assert scaler.scale_ == pytest.approx(expected, rel=1e-12)
    std = scaler.predict(y_pred, return_std=True)[1]
    np.testing.assert_allclose(std, expected, rtol=1e-12)
