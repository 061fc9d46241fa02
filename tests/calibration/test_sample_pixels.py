"""A stratified sample of pixels: unbiased, with an honest standard error."""

import numpy as np
import pytest

from skuq._discovery import all_calibrators
from skuq.calibration import TemperatureScaler, sample_pixels
from skuq.datasets import make_logits
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics import log_loss

VOID = 9


def scenes(n=6, size=(20, 30), seed=0):
    """Maps whose classes are rare or common, other ones in each image, with void."""
    z, _ = make_logits(n, 4, spatial=size, random_state=seed)
    rng = np.random.default_rng(seed)
    z += np.array([2, 0, -1, -4])[:, None, None] + rng.normal(size=(n, 4, 1, 1))
    y = np.argmax(z / 2 + rng.gumbel(size=z.shape), axis=1)
    y[:, :3] = VOID
    return z, y


def losses(z, y):
    """The log loss of each row."""
    z = z - z.max(axis=1, keepdims=True)
    own = np.take_along_axis(z, y[:, None], axis=1)[:, 0]
    return np.log(np.exp(z).sum(axis=1)) - own


def rows(z, y):
    """All pixels that count, as a table."""
    z, y = np.moveaxis(z, 1, -1).reshape(-1, z.shape[1]), y.reshape(-1)
    return z[y != VOID], y[y != VOID]


def test_the_weighted_loss_is_unbiased_and_its_standard_error_is_right():
    z, y = scenes()
    truth = losses(*rows(z, y)).mean()
    means, errors = [], []
    for seed in range(400):
        sample = sample_pixels(z, y, 300, ignore_index=VOID, random_state=seed)
        mean, error = sample.mean(losses(sample.scores, sample.y))
        means.append(mean)
        errors.append(error)
    spread = np.std(means, ddof=1)
    assert abs(np.mean(means) - truth) < 5 * spread / np.sqrt(400)
    # A standard deviation of 400 draws has itself the relative error 1 / sqrt(800).
    ratio = np.sqrt(np.mean(np.square(errors))) / spread
    assert abs(ratio - 1) < 5 / np.sqrt(800)


def test_weights_are_sizes_of_strata_over_what_was_drawn():
    z, y = scenes()
    sample = sample_pixels(z, y, 300, ignore_index=VOID, random_state=0)
    assert len(sample.y) == 300
    assert VOID not in sample.y
    drawn = {}
    for stratum in np.unique(sample.stratum):
        of = sample.stratum == stratum
        (label,) = set(sample.y[of])
        (weight,) = set(sample.sample_weight[of])
        drawn[stratum] = round(weight * of.sum(), 9), label
    expected = [
        ((image == label).sum(), label)
        for image in y
        for label in np.unique(image[image != VOID])
    ]
    assert [drawn[k] for k in sorted(drawn)] == expected
    assert sample.sample_weight.sum() == pytest.approx((y != VOID).sum())


def test_pixels_keep_their_labels_and_none_is_drawn_twice():
    z, y = scenes()
    z = np.arange(z.size, dtype=float).reshape(z.shape)
    sample = sample_pixels(z, y, 500, ignore_index=VOID, random_state=0)
    table, labels = rows(z, y)
    place = np.searchsorted(table[:, 0], sample.scores[:, 0])
    np.testing.assert_array_equal(table[place], sample.scores)
    np.testing.assert_array_equal(labels[place], sample.y)
    assert len(set(place)) == 500


def test_rare_classes_are_drawn_more_densely_than_common_ones():
    z, y = scenes(size=(60, 60))
    sample = sample_pixels(z, y, 600, ignore_index=VOID, random_state=0)
    size = np.bincount(sample.stratum, sample.sample_weight)
    n = np.bincount(sample.stratum)
    within = (n > 2) & (n < size)  # at neither limit
    share = n[within] / np.sqrt(size[within])
    assert within.sum() > 10
    assert np.ptp(n[within] - share.mean() * np.sqrt(size[within])) < 3


def test_the_mean_and_its_error_by_hand():
    y = np.array([[[0, 0, 0, 0, 1]]])
    z = np.zeros((1, 2, 1, 5))
    sample = sample_pixels(z, y, 3, random_state=0)
    assert sample.y.tolist() == [0, 0, 1]
    assert sample.sample_weight.tolist() == [2, 2, 1]
    # The mean of 1 and 3 stands for four pixels, 7 for itself.
    mean, error = sample.mean([1, 3, 7])
    assert mean == pytest.approx((4 * 2 + 7) / 5)
    assert error == pytest.approx(np.sqrt((4 / 5) ** 2 * (1 - 2 / 4) * 2 / 2))


def test_all_pixels_have_weight_one_and_no_error():
    z, y = scenes()
    sample = sample_pixels(z, y, 10**6, ignore_index=VOID)
    assert set(sample.sample_weight) == {1.0}
    values = losses(sample.scores, sample.y)
    assert sample.mean(values) == pytest.approx((losses(*rows(z, y)).mean(), 0))


@pytest.mark.parametrize("name", sorted(all_calibrators()))
@pytest.mark.filterwarnings("ignore::skuq.exceptions.CalibrationWarning")
def test_a_calibrator_of_the_sample_is_nearly_that_of_all_pixels(name):
    z, y = make_logits(10, 3, spatial=(40, 50), temperature=2, random_state=0)
    new, y_new = make_logits(10, 3, spatial=(40, 50), temperature=2, random_state=1)
    y[:, :5] = VOID
    params = all_calibrators()[name]().get_params()
    seed = {"random_state": 0} if "random_state" in params else {}
    make = all_calibrators()[name]
    on_all = make(ignore_index=VOID, **seed).fit(z, y)
    on_some = make(**seed).fit(
        *sample_pixels(z, y, 5000, random_state=0, ignore_index=VOID)
    )
    full = log_loss(y_new, on_all.predict_proba(new))
    few = log_loss(y_new, on_some.predict_proba(new))
    assert few - full < 0.02 * full
    assert full < 0.9 * log_loss(y_new, softmax(new))


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def test_the_same_pixels_in_every_library(xp):
    z, y = scenes()
    here = sample_pixels(z, y, 200, ignore_index=VOID, random_state=3)
    args = xp.asarray(z), xp.asarray(y)
    there = sample_pixels(*args, 200, ignore_index=VOID, random_state=3)
    np.testing.assert_array_equal(xp.to_numpy(there.scores), here.scores)
    np.testing.assert_array_equal(xp.to_numpy(there.y), here.y)


def test_a_memory_map_of_any_labels_and_dimensions(tmp_path, rng):
    z = rng.normal(size=(3, 2, 4, 5, 6)).astype(np.float16)
    np.save(tmp_path / "z.npy", z)
    stored = np.load(tmp_path / "z.npy", mmap_mode="r")
    codes = np.argmax(z + rng.gumbel(size=z.shape), axis=1)
    y = np.array(["ill", "well"])[codes].astype("<U4")
    y[:, 0] = "void"
    options = {"ignore_index": "void", "random_state": 0}
    scores, labels, weight = sample_pixels(stored, y, 60, **options)
    assert scores.shape == (60, 2)
    assert scores.dtype == np.float16
    assert set(labels) == {"ill", "well"}
    scaler = TemperatureScaler(classes=["ill", "well"])
    assert 0.5 < scaler.fit(scores, labels, weight).temperature_ < 2


def test_what_cannot_be_sampled_is_refused():
    z, y = scenes()
    with pytest.raises(InputError, match=r"expected maps"):
        sample_pixels(z[..., 0, 0], y[..., 0, 0], 100)
    with pytest.raises(InputError, match=r"n_pixels must be an integer of at least"):
        sample_pixels(z, y, 20, ignore_index=VOID)
    with pytest.raises(NoSamplesError, match=r"no pixel counts"):
        sample_pixels(z, np.full_like(y, VOID), 100, ignore_index=VOID)
    with pytest.raises(InputError, match=r"labels with shape"):
        sample_pixels(z, y[:, :5], 100)
