"""The chosen calibrator: the best by folds, the simplest of equals, or none."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.model_selection import KFold

from skuq.calibration import (
    AutoCalibrator,
    PlattCalibrator,
    StructuredVectorScaler,
    TemperatureScaler,
)
from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.metrics import log_loss


def shifted(n):
    z, y = make_logits(n, 3, random_state=0)
    return z * np.linspace(1, 3, 3) + np.linspace(-2, 2, 3), y


def test_a_calibrated_model_is_left_alone():
    z, y = make_logits(2000, 3, temperature=1.0, random_state=0)
    auto = AutoCalibrator().fit(z, y)
    assert auto.calibrator_ is None
    np.testing.assert_allclose(auto.predict_proba(z), softmax(z, axis=1), rtol=1e-12)


def test_an_over_confident_model_gets_a_temperature():
    z, y = make_logits(2000, 3, temperature=2.0, random_state=0)
    auto = AutoCalibrator().fit(z, y)
    assert isinstance(auto.calibrator_, TemperatureScaler)
    alone = TemperatureScaler().fit(z, y)
    np.testing.assert_array_equal(auto.predict_proba(z), alone.predict_proba(z))


def test_what_a_temperature_cannot_mend_gets_more():
    z, y = shifted(2000)
    auto = AutoCalibrator().fit(z, y)
    assert auto.calibrator_ is not None
    assert not isinstance(auto.calibrator_, TemperatureScaler)
    assert min(auto.losses_.values()) < auto.losses_["TemperatureScaler"] - 0.05


def test_losses_are_those_of_samples_that_were_not_fitted():
    z, y = shifted(300)
    folds = KFold(3)
    candidates = [None, StructuredVectorScaler()]
    auto = AutoCalibrator(candidates=candidates, cv=folds).fit(z, y)
    proba = np.empty(z.shape)
    for train, test in folds.split(z):
        scaler = StructuredVectorScaler(input="logit").fit(z[train], y[train])
        proba[test] = scaler.predict_proba(z[test])
    assert list(auto.losses_) == ["none", "StructuredVectorScaler"]
    assert auto.losses_["none"] == pytest.approx(log_loss(y, softmax(z, axis=1)))
    assert auto.losses_["StructuredVectorScaler"] == pytest.approx(log_loss(y, proba))


@pytest.mark.parametrize("rule", ["best", "one-standard-error"])
def test_the_rule_decides_between_equals(rule):
    z, y = make_logits(500, 2, temperature=2.0, random_state=0)
    candidates = [TemperatureScaler(), PlattCalibrator()]
    auto = AutoCalibrator(candidates=candidates, rule=rule).fit(z, y)
    least = min(auto.losses_, key=auto.losses_.get)
    chosen = type(auto.calibrator_).__name__
    assert chosen == (least if rule == "best" else "TemperatureScaler")


def test_a_class_of_one_sample_and_weights_are_taken(rng):
    z, y = make_logits(200, 4, random_state=0)
    y = np.where(y == 3, 2, y)
    y[0] = 3
    auto = AutoCalibrator(cv=3).fit(z, y, sample_weight=rng.random(200))
    assert auto.predict_proba(z).shape == (200, 4)


def test_maps_are_divided_by_images():
    z, y = make_logits(12, 3, spatial=(5, 6), temperature=2.0, random_state=0)
    auto = AutoCalibrator(ignore_index=255).fit(z, np.where(y == 0, 255, y))
    assert auto.predict_proba(z).shape == z.shape


def test_it_can_be_asked_for_the_brier_score():
    z, y = shifted(1000)
    auto = AutoCalibrator(scoring="neg_brier_score_loss").fit(z, y)
    assert auto.losses_["none"] < 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidates": []}, "candidates is empty"),
        ({"scoring": "accuracy"}, "scoring"),
        ({"rule": "worst"}, "rule"),
        ({"cv": 1}, "at least 2 folds"),
    ],
)
def test_unusable_options_get_a_clear_error(options, message):
    with pytest.raises(InputError, match=message):
        AutoCalibrator(**options).fit(*shifted(100))


def test_images_without_labels_are_in_no_fold():
    z, y = make_logits(8, 3, spatial=(5, 6), temperature=2.0, random_state=0)
    y[5] = 255
    auto = AutoCalibrator(ignore_index=255, cv=8).fit(z, y)
    kept = np.arange(8) != 5
    alone = AutoCalibrator(cv=8).fit(z[kept], y[kept])
    assert auto.losses_ == pytest.approx(alone.losses_, rel=1e-6)


def test_an_error_of_a_candidate_is_raised():
    broken = TemperatureScaler(presample="some")
    with pytest.raises(InputError, match="presample"):
        AutoCalibrator(candidates=[None, broken]).fit(*shifted(100))
