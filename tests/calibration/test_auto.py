"""Calibrators averaged by folds; the best, the simplest of equals, or none."""

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
from skuq.calibration._mixture import log_mixture, mixture_weights
from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.metrics import log_loss


def shifted(n):
    z, y = make_logits(n, 3, random_state=0)
    return z * np.linspace(1, 3, 3) + np.linspace(-2, 2, 3), y


def test_a_calibrated_model_is_left_alone():
    z, y = make_logits(2000, 3, temperature=1.0, random_state=0)
    auto = AutoCalibrator(rule="one-standard-error").fit(z, y)
    assert auto.calibrators_ == {"none": None}
    assert auto.weights_ == {"none": 1.0}
    np.testing.assert_allclose(auto.predict_proba(z), softmax(z, axis=1), rtol=1e-12)


def test_an_over_confident_model_gets_a_temperature():
    z, y = make_logits(2000, 3, temperature=2.0, random_state=0)
    auto = AutoCalibrator(rule="one-standard-error").fit(z, y)
    assert list(auto.calibrators_) == ["TemperatureScaler"]
    alone = TemperatureScaler().fit(z, y)
    np.testing.assert_array_equal(auto.predict_proba(z), alone.predict_proba(z))


def test_what_a_temperature_cannot_mend_gets_more():
    z, y = shifted(2000)
    auto = AutoCalibrator(rule="one-standard-error").fit(z, y)
    assert not {"none", "TemperatureScaler"} & set(auto.calibrators_)
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
    chosen = least if rule == "best" else "TemperatureScaler"
    assert auto.weights_ == {chosen: 1.0}


def test_probabilities_are_averaged_with_the_weights():
    z, y = shifted(500)
    candidates = [None, TemperatureScaler(), StructuredVectorScaler()]
    auto = AutoCalibrator(candidates=candidates).fit(z, y)
    parts = [c.fit(z, y).predict_proba(z) for c in candidates[1:]]
    weights = list(auto.weights_.values())
    expected = np.average([softmax(z, axis=1), *parts], axis=0, weights=weights)
    np.testing.assert_allclose(auto.predict_proba(z), expected, rtol=1e-9)
    assert list(auto.weights_) == list(auto.losses_)
    assert auto.calibrators_["none"] is None


def test_weights_maximise_the_likelihood_of_unseen_samples(rng):
    likelihood, weight = rng.uniform(0.01, 1, (3, 200)), rng.random(200)
    weights = mixture_weights(likelihood, weight)
    # At the optimum each part's share of the samples, one more included, is its weight.
    share = weights[:, None] * likelihood / (weights @ likelihood)
    expected = (share @ weight + 1 / 3) / (weight.sum() + 1)
    np.testing.assert_allclose(weights, expected, rtol=1e-8)
    assert weights.sum() == pytest.approx(1, rel=1e-12)


def test_a_part_that_is_never_right_keeps_the_weight_of_a_part_of_a_sample():
    likelihood = np.stack([np.full(99, 0.5), np.full(99, 2.0**-126)])
    weights = mixture_weights(likelihood, np.ones(99))
    np.testing.assert_allclose(weights, [0.995, 0.005], rtol=1e-6)


def test_a_mixture_averages_probabilities(rng, xp):
    logits = [xp.asarray(rng.normal(scale=5, size=(3, 50))) for _ in range(2)]
    mixed = xp.to_numpy(log_mixture(logits, [0.3, 0.7]))
    parts = [xp.to_numpy(z) for z in logits]
    expected = 0.3 * softmax(parts[0], axis=0) + 0.7 * softmax(parts[1], axis=0)
    np.testing.assert_allclose(np.exp(mixed), expected, rtol=1e-12)


@pytest.mark.filterwarnings("ignore::skuq.exceptions.CalibrationWarning")
def test_the_loss_is_finite_where_a_candidate_is_surely_wrong():
    z, y = make_logits(300, 2, random_state=0)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    p[:8] = np.eye(2)[1 - y[:8]]
    for rule in ("average", "one-standard-error", "best"):
        auto = AutoCalibrator(rule=rule).fit(p, y)
        assert np.isfinite(log_loss(y, auto.predict_proba(p), eps=0))
        assert all(np.isfinite(list(auto.losses_.values())))


def test_the_average_is_about_as_good_as_the_best_on_new_samples():
    z, y = shifted(4000)
    auto = AutoCalibrator().fit(z[:1000], y[:1000])
    single = [
        log_loss(y[1000:], softmax(z[1000:], axis=1))
        if c is None
        else log_loss(y[1000:], c.predict_proba(z[1000:]))
        for c in auto.calibrators_.values()
    ]
    assert log_loss(y[1000:], auto.predict_proba(z[1000:])) < 1.002 * min(single)


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
