"""Venn-Abers: every interval against one isotonic fit per new sample and outcome."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from skuq.calibration import VennAbersCalibrator
from skuq.datasets import make_logits

SAMPLES = st.lists(
    st.tuples(
        st.integers(-8, 8), st.booleans(), st.sampled_from([0, 0.01, 0.5, 1, 2, 40])
    ),
    min_size=1,
    max_size=20,
).filter(lambda rows: any(weight for *_, weight in rows))


def textbook(z, y, weight, new, outcome):
    """The isotonic value of each new sample, fitted with it as `outcome`."""
    return np.array(
        [
            IsotonicRegression()
            .fit(np.append(z, s), np.append(y, outcome), np.append(weight, 1.0))
            .predict([s])[0]
            for s in new
        ]
    )


@settings(deadline=None, max_examples=60)
@given(SAMPLES)
def test_intervals_are_those_of_the_textbook(rows):
    z, y, weight = (np.array(column, float) for column in zip(*rows, strict=True))
    calibrator = VennAbersCalibrator(input="logit", classes=[0, 1])
    calibrator.fit(z, y.astype(int), sample_weight=weight)
    new = np.unique(np.concatenate([z, z - 0.5, z + 0.5]))
    kept = weight > 0  # scikit-learn keeps scores of weight zero
    samples = z[kept], y[kept], weight[kept]
    low, high = calibrator.predict_interval(new)
    expected = textbook(*samples, new, 0), textbook(*samples, new, 1)
    np.testing.assert_allclose(low[:, 1], expected[0], atol=1e-9)
    np.testing.assert_allclose(high[:, 1], expected[1], atol=1e-9)


def test_many_samples_have_the_intervals_of_the_textbook(rng):
    z = rng.normal(size=3000) * 3
    y = rng.random(3000) < 1 / (1 + np.exp(-z / 2))
    new = rng.normal(size=40) * 4
    low, high = VennAbersCalibrator().fit(z, y).predict_interval(new)
    weight = np.ones(len(z))
    np.testing.assert_allclose(low[:, 1], textbook(z, y, weight, new, 0), atol=1e-12)
    np.testing.assert_allclose(high[:, 1], textbook(z, y, weight, new, 1), atol=1e-12)


def test_intervals_by_hand():
    calibrator = VennAbersCalibrator().fit([0.1, 0.3, 0.6, 0.8], [0, 1, 0, 1])
    low, high = calibrator.predict_interval([0.05, 0.6, 0.8, 0.95])
    np.testing.assert_allclose(low[:, 1], [0, 1 / 3, 1 / 2, 1 / 2], rtol=1e-12)
    np.testing.assert_allclose(high[:, 1], [1 / 2, 2 / 3, 1, 1], rtol=1e-12)
    proba = calibrator.predict_proba([0.05, 0.6, 0.8, 0.95])[:, 1]
    np.testing.assert_allclose(proba, [1 / 3, 1 / 2, 2 / 3, 2 / 3], rtol=1e-12)


@pytest.fixture
def fitted(rng):
    z, y = make_logits(500, n_classes=3, random_state=0)
    return VennAbersCalibrator().fit(z, y), z


def test_intervals_hold_the_probability_of_one_against_the_rest(fitted):
    calibrator, z = fitted
    low, high = calibrator.predict_interval(z)
    assert low.shape == high.shape == z.shape
    assert (low >= 0).all()
    assert (low < high).all()
    assert (high <= 1).all()
    alone = high / (1 - low + high)
    expected = alone / alone.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrator.predict_proba(z), expected, rtol=1e-9)


def test_columns_of_a_binary_interval_mirror_each_other(rng):
    z = rng.normal(size=100)
    calibrator = VennAbersCalibrator().fit(z, z + rng.normal(size=100) > 0)
    low, high = calibrator.predict_interval(z)
    np.testing.assert_allclose(low[:, 0], 1 - high[:, 1], rtol=1e-12)
    np.testing.assert_allclose(high[:, 0], 1 - low[:, 1], rtol=1e-12)


def test_intervals_shrink_with_more_samples():
    widths = []
    for n in (100, 1000, 10_000):
        z, y = make_logits(n, n_classes=2, random_state=0)
        low, high = VennAbersCalibrator().fit(z, y).predict_interval(z)
        widths.append((high - low).mean())
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_ends_never_fall_as_the_score_rises(rng):
    z = rng.normal(size=300)
    lower, upper = VennAbersCalibrator().fit(z, rng.random(300) < 0.4).maps_[0]
    assert (np.diff(lower.values) > 0).all()
    assert (np.diff(upper.values) > 0).all()


def test_intervals_come_back_in_their_library(fitted, xp):
    calibrator, z = fitted
    for got, expected in zip(
        calibrator.predict_interval(xp.asarray(z, dtype="float32")),
        calibrator.predict_interval(z.astype(np.float32)),
        strict=True,
    ):
        assert type(got) is type(xp.asarray(z))
        assert got.dtype == xp.float32
        far = np.abs(xp.to_numpy(got) - expected) > 1e-5
        assert far.mean() < 0.01  # a rounded score may fall on the next step


def test_maps_have_an_interval_per_pixel():
    z, y = make_logits(4, n_classes=3, spatial=(5, 6), random_state=0)
    low, high = VennAbersCalibrator().fit(z, y).predict_interval(z)
    assert low.shape == high.shape == (4, 3, 5, 6)
    table = np.moveaxis(z, 1, -1).reshape(-1, 3)
    flat, _ = VennAbersCalibrator().fit(table, y.ravel()).predict_interval(table)
    assert np.array_equal(np.moveaxis(low, 1, -1).reshape(-1, 3), flat)
