"""Temperatures of pixels and images: never worse than one, and found where they are."""

import numpy as np
import pytest
import torch

from skuq.calibration import TemperatureScaler
from skuq.datasets import make_logits
from skuq.deep import (
    ImageTemperatureScaler,
    LocalTemperatureScaler,
)
from skuq.deep._temperature_training import split_images
from skuq.metrics import log_loss

SCALERS = [LocalTemperatureScaler, ImageTemperatureScaler]
scalers = pytest.mark.parametrize("scaler", SCALERS)
QUICK = {"max_epochs": 5, "random_state": 0}


def maps(n=8, size=(24, 32), seed=0, void=None, block=1, spoiled=np.s_[:]):
    """Honest maps whose left half was sharpened three times, and images that say so.

    Logits are alike in blocks; `spoiled` says which maps are sharpened, by default all.
    """
    rng = np.random.default_rng(seed)
    coarse = (n, 4, size[0] // block, size[1] // block)
    z = rng.normal(scale=3, size=coarse).repeat(block, axis=2).repeat(block, axis=3)
    y = np.argmax(z + rng.gumbel(size=z.shape), axis=1)
    half = np.zeros((n, 1, *size), dtype=bool)
    half[spoiled, ..., : size[1] // 2] = True
    if void is not None:
        y[:, :5] = void
    return np.where(half, 3 * z, z), y, (200 * half).astype(np.uint8)


def mixed(n=8, **options):
    """Maps of which every second one has a half that was sharpened three times."""
    return maps(n, spoiled=np.s_[::2], **options)


def spoiled_images(n=12):
    """Honest maps, of which every second is three times too sharp, with images."""
    z, y, image = maps(n, (12, 12), spoiled=np.s_[:0])
    z[::2] *= 3
    image[::2] = 200
    return z, y, image[:, 0]


def halves_of(scaler, z, image=None):
    """Median temperatures of the sharp half and of the other."""
    T = scaler.temperature_map(z, image)
    middle = T.shape[2] // 2
    return np.median(T[..., :middle]), np.median(T[..., middle:])


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def test_a_threefold_sharpened_half_is_found_and_one_temperature_cannot_be_right():
    z, y, image = maps(16, (32, 48))
    new, y_new, image_new = maps(16, (32, 48), seed=1)
    local = LocalTemperatureScaler(random_state=0).fit(z, y, image)
    sharp, soft = halves_of(local, new, image_new)
    assert sharp / soft == pytest.approx(3, rel=0.1)
    assert soft == pytest.approx(1, rel=0.1)
    assert 1.5 < local.temperature_ < 2.5  # wrong on both sides
    best = log_loss(y_new, softmax(np.where(image_new > 0, new / 3, new)))
    scalar = log_loss(y_new, TemperatureScaler().fit(z, y).predict_proba(new))
    found = log_loss(y_new, local.predict_proba(new, image_new))
    assert found - best < 0.1 * (scalar - best)


def test_without_an_image_smooth_logits_tell_where_they_are_too_sharp():
    z, y, _ = maps(16, (32, 48), block=8)
    sharp, soft = halves_of(LocalTemperatureScaler(random_state=0).fit(z, y), z)
    assert sharp > 1.5 * soft


def test_each_image_gets_its_own_temperature_not_the_mean_of_its_batch():
    z, y, image = spoiled_images()
    scaler = ImageTemperatureScaler(batch_size=12, random_state=0).fit(z, y, image)
    T = scaler.temperature_map(z, image)
    np.testing.assert_array_equal(T, np.broadcast_to(T[:, :1, :1], T.shape))
    ratio = np.median(T[::2, 0, 0]) / np.median(T[1::2, 0, 0])
    assert ratio == pytest.approx(3, rel=0.1)


def test_the_temperature_of_an_image_is_the_mean_over_its_pixels():
    z, y, image = mixed(4)
    module = ImageTemperatureScaler(**QUICK).fit(z, y, image).to_torch()
    args = torch.from_numpy(z), torch.from_numpy(image).float()
    of_images = module.temperature_map(*args)
    module.per_image = False
    of_pixels = module.temperature_map(*args)
    assert of_pixels.std() > 0.01
    torch.testing.assert_close(of_images[:, 0, 0], of_pixels.mean((1, 2)))


def test_the_loss_on_the_fit_falls_from_none_to_one_to_many_temperatures():
    z, y, image = mixed(16, void=9)
    options = {"ignore_index": 9}
    none = log_loss(y, softmax(z), **options)
    single = TemperatureScaler(**options).fit(z, y)
    one = log_loss(y, single.predict_proba(z), **options)
    losses = {}
    for kind in SCALERS:
        scaler = kind(random_state=0, **options).fit(z, y, image)
        losses[kind] = log_loss(y, scaler.predict_proba(z, image), **options)
        assert scaler.loss_ == pytest.approx(losses[kind], rel=1e-6)
        assert scaler.temperature_ == single.temperature_
    assert losses[LocalTemperatureScaler] < losses[ImageTemperatureScaler]
    assert losses[ImageTemperatureScaler] < one
    assert one < none


@scalers
def test_a_training_that_goes_astray_leaves_temperature_scaling(scaler):
    z, y = make_logits(4, 3, spatial=(6, 6), temperature=2, random_state=0)
    wild = scaler(lr=1e6, max_epochs=2, random_state=0).fit(z, y)
    assert wild.best_epoch_ == 0
    assert wild.history_[1:].min() > wild.history_[0]
    single = TemperatureScaler().fit(z, y)
    np.testing.assert_allclose(wild.temperature_map(z), single.temperature_, rtol=1e-6)
    np.testing.assert_allclose(wild.predict_proba(z), single.predict_proba(z), 1e-5)


@scalers
def test_an_epoch_that_helps_the_images_held_out_and_harms_the_fit_is_not_kept(scaler):
    z, y = make_logits(10, 3, spatial=(3, 3), temperature=2, random_state=0)
    single = log_loss(y, TemperatureScaler().fit(z, y).predict_proba(z))
    refused = 0
    for seed in range(12):  # large steps on few pixels: some help by accident
        fit = scaler(lr=0.3, alpha=0, max_epochs=2, random_state=seed).fit(z, y)
        assert fit.loss_ <= single * (1 + 1e-6)
        refused += fit.best_epoch_ == 0 < fit.history_.argmin()
    assert refused > 0


@pytest.mark.parametrize(("share", "n_held_out"), [(0.1, 1), (0.5, 4), (0.8, 6)])
def test_images_that_tell_the_best_epoch_are_not_trained_on(share, n_held_out, rng):
    train, held_out = split_images(np.arange(3, 10), share, rng)
    assert sorted([*train, *held_out]) == list(range(3, 10))
    assert len(held_out) == n_held_out
    assert np.ptp(held_out) == n_held_out - 1  # neighbours


@pytest.mark.parametrize(("n", "share"), [(1, 0.5), (7, 0.99), (7, None)])
def test_where_none_can_be_held_out_all_images_serve_for_both(n, share, rng):
    train, held_out = split_images(np.arange(n), share, rng)
    assert list(train) == list(held_out) == list(range(n))


@scalers
def test_no_epoch_is_temperature_scaling(scaler):
    z, y, image = mixed(2)
    scaler = scaler(max_epochs=0).fit(z, y, image)
    expected = TemperatureScaler().fit(z, y).predict_proba(z)
    np.testing.assert_allclose(scaler.predict_proba(z, image), expected, rtol=1e-6)
    assert scaler.history_.shape == (1,)


@scalers
def test_the_predicted_classes_are_those_of_the_logits(scaler):
    z, y, image = mixed(3)
    z = z.astype(np.float32)
    scaler = scaler(**QUICK).fit(z, y, image)
    assert scaler.best_epoch_ > 0
    np.testing.assert_array_equal(scaler.predict(z), z.argmax(axis=1))
    proba = scaler.predict_proba(z, image)
    np.testing.assert_array_equal(proba.argmax(axis=1), z.argmax(axis=1))
    assert scaler.score(z, y) == (z.argmax(axis=1) == y).mean()


@scalers
@pytest.mark.parametrize("weight", ["images", "pixels"])
def test_a_void_pixel_is_one_of_weight_zero(scaler, weight):
    z, y, image = mixed(4)
    counts = np.ones(y.shape)
    counts[3] = 0
    if weight == "pixels":
        counts[:, :5] = 0
    void = np.where(counts == 0, -1, y)
    given = counts[:, 0, 0] if weight == "images" else counts
    one = scaler(ignore_index=-1, **QUICK).fit(z, void, image)
    two = scaler(**QUICK).fit(z, y, image, sample_weight=given)
    np.testing.assert_allclose(one.history_, two.history_, rtol=1e-6)
    np.testing.assert_allclose(
        one.predict_proba(z, image), two.predict_proba(z, image), rtol=1e-5
    )


@scalers
def test_images_that_are_void_throughout_change_nothing(scaler):
    z, y, image = mixed(4)
    alone = scaler(ignore_index=-1, **QUICK).fit(z, y, image)
    z_more, image_more = np.full_like(z, 50), np.full_like(image, 77)
    more = scaler(ignore_index=-1, **QUICK).fit(
        np.concatenate([z_more, z]),
        np.concatenate([np.full_like(y, -1), y]),
        np.concatenate([image_more, image]),
    )
    np.testing.assert_array_equal(
        alone.predict_proba(z, image), more.predict_proba(z, image)
    )


@scalers
def test_a_map_is_predicted_the_same_in_any_batch(scaler):
    z, y, image = mixed(5)
    scaler = scaler(**QUICK).fit(z, y, image)
    together = scaler.predict_proba(z, image)
    for i in range(5):
        alone = scaler.predict_proba(z[i : i + 1], image[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])


def test_a_temperature_depends_on_its_neighbourhood_alone():
    z, y, image = mixed(3)
    scaler = LocalTemperatureScaler(kernel_size=3, dilation=2, **QUICK)
    scaler.fit(z, y, image)
    before = scaler.temperature_map(z, image)
    z[0, 0, 12, 16] += 5
    changed = scaler.temperature_map(z, image)[0] != before[0]
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max()) == (10, 14)
    assert (columns.min(), columns.max()) == (14, 18)


@scalers
def test_a_constant_added_to_the_logits_of_a_pixel_changes_nothing(scaler, rng):
    z, y, image = mixed(3)
    scaler = scaler(**QUICK).fit(z, y, image)
    shifted = z + rng.normal(size=(3, 1, 24, 32))
    np.testing.assert_allclose(
        scaler.predict_proba(shifted, image), scaler.predict_proba(z, image), 1e-5
    )


def test_no_temperature_leaves_its_range_however_strange_the_image():
    z, y, image = mixed(3)
    scaler = LocalTemperatureScaler(random_state=0).fit(z, y, image)
    for strange in (1e30, -1e30):
        T = scaler.temperature_map(z, np.full(image.shape, strange))
        assert np.isfinite(T).all()
        assert T.min() >= scaler.temperature_ / 101
        assert T.max() <= scaler.temperature_ * 101
