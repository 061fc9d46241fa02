"""Isotonic calibration: scikit-learn's map, its centred variant, and smoothing."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from skuq.calibration import IsotonicCalibrator
from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.metrics import log_loss


def logit(p):
    return np.log(p) - np.log1p(-np.asarray(p))


@pytest.fixture
def margins():
    logits, y = make_logits(600, n_classes=2, temperature=2.0, random_state=0)
    return logits[:, 1] - logits[:, 0], y


@pytest.mark.parametrize("weighted", [False, True])
def test_the_map_is_that_of_scikit_learn(margins, weighted, rng):
    z, y = margins
    z = z.round(1)  # ties
    weight = rng.random(len(y)) if weighted else None
    peer = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    peer.fit(z, y, sample_weight=weight)
    calibrator = IsotonicCalibrator(smoothing=None).fit(z, y, sample_weight=weight)
    new = np.linspace(z.min() - 1, z.max() + 1, 501)
    expected = peer.predict(new)
    got = calibrator.predict_proba(new)[:, 1]
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-30)


def test_pools_by_hand():
    p, y = [0.1, 0.2, 0.3, 0.4, 0.9], [0, 1, 0, 1, 1]
    calibrator = IsotonicCalibrator(smoothing=None).fit(p, y)
    line = calibrator.maps_[0]
    np.testing.assert_allclose(line.knots, logit([0.1, 0.2, 0.3, 0.4, 0.9]), 1e-12)
    assert line.values.tolist() == [0, 0.5, 0.5, 1, 1]


def test_centred_pools_by_hand():
    p, y = [0.1, 0.2, 0.3, 0.4, 0.9], [0, 1, 0, 1, 1]
    line = IsotonicCalibrator(centered=True, smoothing=None).fit(p, y).maps_[0]
    middle = (logit(0.2) + logit(0.3)) / 2
    expected = [logit(0.1), middle, logit(0.4), logit(0.9)]
    np.testing.assert_allclose(line.knots, expected, rtol=1e-12)
    assert line.values.tolist() == [0, 0.5, 1, 1]


def test_the_centred_map_rises_strictly_between_its_ends(margins):
    z, y = margins
    line = IsotonicCalibrator(centered=True).fit(z, y).maps_[0]
    inside = np.linspace(line.knots[1], line.knots[-2], 2001)
    assert (np.diff(line(inside)) > 0).all()
    plain = IsotonicCalibrator().fit(z, y).maps_[0]
    assert (np.diff(plain(inside)) == 0).any()


@pytest.mark.parametrize("centered", [False, True])
def test_the_map_never_falls(margins, centered):
    z, y = margins
    calibrator = IsotonicCalibrator(centered=centered).fit(z, 1 - y)
    new = np.linspace(-20, 20, 1001)
    assert (np.diff(calibrator.predict_proba(new)[:, 1]) >= -1e-15).all()


def test_only_the_order_of_scores_matters_at_the_scores(margins):
    z, y = margins
    a = IsotonicCalibrator().fit(z, y).predict_proba(z)
    b = IsotonicCalibrator().fit(z**3, y).predict_proba(z**3)
    np.testing.assert_allclose(a, b, rtol=1e-9)


def test_smoothing_keeps_the_log_loss_finite():
    z, y = np.arange(10.0) - 4.5, np.arange(10) >= 5
    smooth = IsotonicCalibrator().fit(z, y).predict_proba(z)
    np.testing.assert_allclose(smooth[:, 1], np.where(y, 21 / 22, 1 / 22), rtol=1e-9)
    assert log_loss([1, 0], smooth[[0, -1]]) == pytest.approx(np.log(22))
    sharp = IsotonicCalibrator(smoothing=None).fit(z, y)
    assert sharp.maps_[0].values.min() == 0
    assert sharp.maps_[0].values.max() == 1


def test_one_class_against_the_rest_divided_by_the_sum(rng):
    z, y = make_logits(500, n_classes=3, random_state=0)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    rows = np.stack(
        [
            IsotonicCalibrator().fit(p[:, k], y == k).predict_proba(p[:, k])[:, 1]
            for k in range(3)
        ],
        axis=1,
    )
    expected = rows / rows.sum(axis=1, keepdims=True)
    got = IsotonicCalibrator().fit(p, y).predict_proba(p)
    np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"centered": "yes"}, "centered"), ({"smoothing": "jelinek"}, "smoothing")],
)
def test_unknown_options_get_a_clear_error(margins, options, message):
    with pytest.raises(InputError, match=message):
        IsotonicCalibrator(**options).fit(*margins)
