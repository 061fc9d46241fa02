"""What calibrators of one probability share: log odds, and several classes."""

import numpy as np
import pytest
from scipy.special import logsumexp

from skuq._core._links import expit
from skuq.calibration._binary import BinaryCalibrator, log_odds, softplus
from skuq.datasets import make_logits


class Shifted(BinaryCalibrator):
    """Probabilities moved towards 1/2, to see how rows are put together."""

    def _fit_map(self, score, target, weight):
        return 0.5

    def _apply(self, fitted, score):
        return fitted * expit(score) + 0.25


def test_log_odds_of_two_classes_are_the_difference(rng, xp):
    z = rng.normal(scale=100, size=(2, 20))
    got = xp.to_numpy(log_odds(xp.asarray(z)))
    np.testing.assert_array_equal(got, z[1:] - z[:1])


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_log_odds_are_exact_for_sure_classes(rng, xp, scale, dtype):
    z = rng.normal(scale=scale, size=(4, 50)).astype(dtype)
    wide = z.astype(np.float64)
    rest = [logsumexp(np.delete(wide, k, axis=0), axis=0) for k in range(4)]
    got = log_odds(xp.asarray(z))
    assert got.dtype == getattr(xp, dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(
        xp.to_numpy(got), wide - rest, rtol=1e3 * eps, atol=1e2 * eps
    )


def test_log_odds_of_equal_scores():
    np.testing.assert_allclose(log_odds(np.zeros((5, 3))), -np.log(4), rtol=1e-15)


def test_softplus_never_overflows(xp):
    x = np.array([-1e5, -1.0, 0.0, 1.0, 1e5])
    got = xp.to_numpy(softplus(xp.asarray(x)))
    np.testing.assert_allclose(got, np.logaddexp(0, x), rtol=1e-15)


def test_rows_are_divided_by_their_sum():
    z, y = make_logits(30, n_classes=3, random_state=0)
    p = 0.5 * expit(log_odds(z.T)) + 0.25
    got = Shifted().fit(z, y).predict_proba(z)
    np.testing.assert_allclose(got, (p / p.sum(axis=0)).T, rtol=1e-12)


def test_two_classes_have_one_map_and_are_not_divided():
    z, y = make_logits(30, n_classes=2, random_state=0)
    calibrator = Shifted().fit(z, y)
    assert len(calibrator.maps_) == 1
    expected = 0.5 * expit(z[:, 1] - z[:, 0]) + 0.25
    got = calibrator.predict_proba(z)[:, 1]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_a_row_of_zeros_becomes_uniform():
    z, y = make_logits(30, n_classes=3, random_state=0)
    calibrator = Shifted().fit(z, y)
    calibrator._apply = lambda fitted, score: 0 * score
    np.testing.assert_allclose(calibrator.predict_proba(z), 1 / 3, rtol=1e-12)


def test_a_map_that_is_a_function_needs_no_more():
    class Halved(BinaryCalibrator):
        def _fit_map(self, score, target, weight):
            return lambda score: 0.5 * expit(score) + 0.25

    z, y = make_logits(30, n_classes=3, random_state=0)
    np.testing.assert_allclose(
        Halved().fit(z, y).predict_proba(z),
        Shifted().fit(z, y).predict_proba(z),
        rtol=1e-12,
    )
