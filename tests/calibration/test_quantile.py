"""Quantile recalibration: by hand, the right way round, and into far tails."""

import numpy as np
import pytest
from scipy.stats import norm, truncnorm
from sklearn.exceptions import NotFittedError

from skuq.calibration import QuantileCalibrator
from skuq.exceptions import InputError
from skuq.metrics import (
    crps_gaussian,
    probability_integral_transform,
    quantile_calibration_error,
)


def fitted(errors, **options):
    """Calibrated on errors of a model that states the standard normal."""
    zero = np.zeros(len(errors))
    return QuantileCalibrator().fit(zero, errors, y_std=zero + 1, **options)


def standard(calibrator, levels):
    return calibrator.predict_quantiles([0.0], levels, y_std=[1.0])[0]


def test_the_map_by_hand():
    calibrator = fitted([1.0, -1.0, 0.0])
    assert calibrator.errors_.tolist() == [-1, 0, 1]
    np.testing.assert_allclose(calibrator.levels_, [1 / 4, 1 / 2, 3 / 4], rtol=1e-12)
    # R is a line between knots, and from the last one to (1, 1).
    last = norm.cdf(1)
    expected = norm.ppf([(1 - last) / 2, 1 - last, 0.5, (0.5 + last) / 2, last])
    expected = np.append(expected, norm.ppf((1 + last) / 2))
    np.testing.assert_allclose(
        standard(calibrator, [1 / 8, 1 / 4, 1 / 2, 5 / 8, 3 / 4, 7 / 8]),
        expected,
        rtol=1e-12,
        atol=1e-15,
    )


def test_equal_errors_share_the_middle_of_their_ranks():
    calibrator = fitted([0.0, 2.0, 0.0, 0.0])
    assert calibrator.errors_.tolist() == [0, 2]
    np.testing.assert_allclose(calibrator.levels_, [2 / 5, 4 / 5], rtol=1e-12)


def test_fractional_weights_keep_the_map_rising():
    calibrator = fitted([0.0, 1.0, 2.0], sample_weight=[0.1, 0.2, 0.1])
    assert (np.diff(calibrator.levels_) > 0).all()
    assert calibrator.levels_[0] > 0
    assert calibrator.levels_[-1] < 1


@pytest.mark.parametrize("bias", [1.0, -2.0])
def test_a_biased_model_is_moved_towards_the_truth(bias, rng):
    calibrator = fitted(bias + rng.normal(size=4000))
    mean, std = calibrator.predict([5.0], y_std=[1.0], return_std=True)
    assert mean[0] == pytest.approx(5 + bias, abs=5 / np.sqrt(4000))
    assert std[0] == pytest.approx(1, abs=0.1)
    # The error of a median is about 1.25 times that of a mean.
    error = 5 * 1.2533 / np.sqrt(4000)
    assert standard(calibrator, 0.5)[0] == pytest.approx(bias, abs=error)


def test_a_calibrated_model_stays_nearly_as_it_is(rng):
    calibrator = fitted(rng.normal(size=20_000))
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    shares = norm.cdf(standard(calibrator, levels))
    error = np.sqrt(levels * (1 - levels) / 20_000)
    assert (np.abs(shares - levels) < 5 * error).all()


def test_levels_of_new_values_become_uniform(rng):
    skewed = rng.exponential(size=(2, 20_000)) * 3 - 1
    calibrator = fitted(skewed[0])
    levels = np.linspace(0.05, 0.95, 19)
    shares = (skewed[1][:, None] <= standard(calibrator, levels)).mean(axis=0)
    error = np.sqrt(levels * (1 - levels) * 2 / 20_000)
    assert (np.abs(shares - levels) < 5 * error).all()


def test_a_new_value_stays_below_the_quantile_as_often_as_its_level_says(rng):
    """Over many sets of 9: with the ranks i / n the largest would hold always."""
    shares = [
        norm.cdf(standard(fitted(rng.normal(size=9)), [0.1, 0.9])) for _ in range(600)
    ]
    error = np.std(shares, axis=0) / np.sqrt(600)
    assert (np.abs(np.mean(shares, axis=0) - [0.1, 0.9]) < 5 * error).all()


def test_moments_are_those_of_the_calibrated_distribution():
    calibrator = fitted([-0.5, 1.0, 2.5])
    knots = np.array([-np.inf, -0.5, 1.0, 2.5, np.inf])
    # Between knots R is a line: a normal distribution cut off at both.
    means, variances = truncnorm.stats(knots[:-1], knots[1:], moments="mv")
    mean = means.mean()
    std = np.sqrt(np.mean(variances + (means - mean) ** 2))
    found = calibrator.predict([0.0], y_std=[1.0], return_std=True)
    assert found[0][0] == pytest.approx(mean, abs=1e-4)
    assert found[1][0] == pytest.approx(std, rel=1e-4)


@pytest.mark.parametrize("bias", [50.0, -50.0, 1e4])
def test_errors_of_many_deviations_lose_no_digits(bias):
    errors = bias + np.arange(-9.0, 10.0)
    calibrator = fitted(errors)
    found = standard(calibrator, calibrator.levels_)
    np.testing.assert_allclose(found, errors, rtol=1e-9)
    assert np.isfinite(standard(calibrator, [1e-6, 1 - 1e-6])).all()
    assert np.isfinite(calibrator.predict([0.0], y_std=[1.0])).all()


def test_recalibration_improves_a_biased_model_that_is_too_sure(rng):
    y_pred, y_std = rng.normal(size=(2, 4000)) ** [[1], [2]] + [[0], [0.1]]
    y_true = y_pred + 0.8 * y_std + 2 * y_std * rng.standard_t(5, size=4000)
    new = slice(2000, None)
    calibrator = QuantileCalibrator().fit(
        y_pred[:2000], y_true[:2000], y_std=y_std[:2000]
    )
    mean, std = calibrator.predict(y_pred[new], y_std=y_std[new], return_std=True)
    before = crps_gaussian(y_true[new], y_pred[new], y_std[new])
    assert crps_gaussian(y_true[new], mean, std) < 0.95 * before
    levels = np.arange(1, 20) / 20
    quantiles = calibrator.predict_quantiles(y_pred[new], levels, y_std=y_std[new])
    found = quantile_calibration_error(
        y_true[new], y_quantiles=quantiles, quantile_levels=levels
    )
    assert found < quantile_calibration_error(y_true[new], y_pred[new], y_std[new]) / 5


def test_deviations_are_asked_for():
    with pytest.raises(InputError, match="needs y_std"):
        QuantileCalibrator().fit([0.0], [1.0])


def test_levels_of_normal_distributions_give_the_same_map(rng):
    errors, weight = 1 + rng.normal(size=200), rng.integers(0, 3, 200)
    normal = fitted(errors, sample_weight=weight)
    pit = norm.cdf(errors)
    other = QuantileCalibrator().fit_pit(pit, sample_weight=weight)
    levels = [0.1, 0.5, 0.9]
    expected = standard(normal, levels)
    np.testing.assert_allclose(norm.ppf(other.stated_levels(levels)), expected)
    np.testing.assert_allclose(standard(other, levels), expected)


def test_the_stated_levels_by_hand(xp):
    calibrator = QuantileCalibrator().fit_pit(xp.asarray([0.2, 0.6, 0.7]))
    stated = calibrator.stated_levels([1 / 8, 1 / 4, 3 / 8, 1 / 2, 7 / 8])
    np.testing.assert_allclose(stated, [0.1, 0.2, 0.4, 0.6, 0.85], rtol=1e-12)


def test_levels_of_zero_and_one_are_knots():
    calibrator = QuantileCalibrator().fit_pit([0.0, 0.0, 0.5, 1.0])
    # Ranks 1 and 2, 3, and 4 of 5; the map is flat beyond the outer knots.
    stated = calibrator.stated_levels([0.1, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9])
    np.testing.assert_allclose(stated, [0, 0, 0.25, 0.5, 0.75, 1, 1], atol=1e-15)
    with pytest.raises(InputError, match="stated_levels"):
        calibrator.predict([0.0], y_std=[1.0])


def test_an_ensemble_is_moved_towards_the_truth(rng):
    members, y_true = 2 + rng.normal(size=(100, 4000)), 1 + rng.normal(size=4000)
    pit = probability_integral_transform(y_true, members=members)
    calibrator = QuantileCalibrator().fit_pit(pit)
    low, high = np.quantile(members, calibrator.stated_levels([0.25, 0.75]), axis=0)
    share = np.mean((low <= y_true) & (y_true <= high))
    assert share == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / 4000))


@pytest.mark.parametrize("pit", [[-0.1, 0.5], [0.5, 1.1]])
def test_levels_outside_the_unit_interval_are_refused(pit):
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        QuantileCalibrator().fit_pit(pit)
    with pytest.raises(NotFittedError):
        QuantileCalibrator().stated_levels(0.5)
