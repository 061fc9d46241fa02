"""Temperatures that must hold for groups of images on which they were not trained."""

import numpy as np
import pytest
import torch

from skuq.calibration import TemperatureScaler
from skuq.deep import ImageTemperatureScaler, LocalTemperatureScaler
from skuq.deep._temperature_training import folds_of
from skuq.exceptions import InputError
from skuq.metrics import log_loss
from tests.deep.test_local_temperature import halves_of, maps

scalers = pytest.mark.parametrize(
    "scaler", [LocalTemperatureScaler, ImageTemperatureScaler]
)


def two_films(agree, n=8, size=(16, 32)):
    """Maps of two films, whose left half is too sharp.

    The image says where; in the second film it says the opposite, unless they agree.
    """
    z, y, image = maps(2 * n, size)
    if not agree:
        image[n:] = 200 - image[n:]
    return z, y, image, np.repeat(["morning", "night"], n)


def test_what_is_true_of_one_film_alone_is_not_learned():
    z, y, image, films = two_films(agree=False)
    options = {"validation_fraction": 0.5, "random_state": 0}
    alone = LocalTemperatureScaler(**options).fit(z[:8], y[:8], image[:8])
    sharp, soft = halves_of(alone, z[:8], image[:8])
    assert sharp / soft > 2  # there is something to be learned of the first film
    fit = LocalTemperatureScaler(**options).fit(z, y, image, groups=films)
    single = TemperatureScaler().fit(z, y)
    assert fit.best_epoch_ == 0
    np.testing.assert_allclose(fit.temperature_map(z, image), single.temperature_, 1e-6)


def test_what_is_true_of_all_films_is_learned_from_all_as_long_as_it_is(monkeypatch):
    z, y, image, films = two_films(agree=True)
    steps = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self: (steps.append(1), step(self))
    )
    fit = LocalTemperatureScaler(random_state=0).fit(z, y, image, groups=films)
    sharp, soft = halves_of(fit, z, image)
    assert 0 < fit.best_epoch_ < 50
    assert len(steps) == 2 * 50 * 2 + 4 * fit.best_epoch_  # two films, then all images
    assert sharp / soft == pytest.approx(3, rel=0.15)


@scalers
@pytest.mark.parametrize("weight", ["none", "images", "pixels"])
def test_the_start_is_one_temperature_of_the_other_films(scaler, weight, rng):
    z, y, image, films = two_films(agree=False, n=4)
    z[films == "night"] *= 2  # so that each film asks for another temperature
    y[:, :3] = 9
    own = {
        "none": np.ones(len(y)),
        "images": np.where(np.arange(len(y)) % 3, 1.0, 3.0),
        "pixels": rng.uniform(size=y.shape),
    }[weight]
    fit = scaler(max_epochs=2, ignore_index=9, random_state=0).fit(
        z, y, image, None if weight == "none" else own, films
    )
    losses, masses = [], []
    for film in np.unique(films):
        out = films == film
        options = {"ignore_index": 9, "input": "logit", "classes": range(4)}
        other = TemperatureScaler(**options).fit(z[~out], y[~out], own[~out])
        options = {"ignore_index": 9, "sample_weight": own[out]}
        losses.append(log_loss(y[out], other.predict_proba(z[out]), **options))
        per_pixel = own if own.ndim == 3 else own[:, None, None]
        masses.append(np.sum(per_pixel[out] * (y[out] != 9)))
    assert fit.history_.shape == (3,)
    assert fit.history_[0] == pytest.approx(np.average(losses, weights=masses), 1e-5)


@scalers
def test_it_ends_no_worse_than_one_temperature_and_by_its_seed(scaler):
    z, y, image, films = two_films(agree=True, n=4)
    fits = [
        scaler(max_epochs=4, random_state=0).fit(*arrays)
        for arrays in (
            (z, y, image, None, films),
            (*map(torch.as_tensor, (z, y, image)), None, list(films)),
        )
    ]
    single = log_loss(y, TemperatureScaler().fit(z, y).predict_proba(z))
    assert fits[0].loss_ <= single * (1 + 1e-6)
    np.testing.assert_allclose(*(fit.history_ for fit in fits), rtol=1e-6)


@scalers
def test_a_training_that_goes_astray_leaves_temperature_scaling(scaler):
    z, y, image, films = two_films(agree=True, n=2)
    fit = scaler(lr=1e6, max_epochs=2, random_state=0).fit(z, y, image, groups=films)
    single = TemperatureScaler().fit(z, y).temperature_
    assert fit.best_epoch_ == 0
    assert not (fit.history_[1:] < fit.history_[0]).any()
    np.testing.assert_allclose(fit.temperature_map(z, image), single, 1e-6)


def test_images_of_a_group_are_held_out_together_and_in_at_most_five_folds():
    index, groups = np.arange(2, 22), np.arange(24) // 3
    folds = folds_of(groups, index)
    assert len(folds) == 5
    for train, held_out in folds:
        assert sorted([*train, *held_out]) == list(index)
        assert not set(groups[train]) & set(groups[held_out])
    assert sorted(np.concatenate([held for _, held in folds])) == list(index)


def test_groups_that_do_not_fit_are_refused():
    z, y, image, films = two_films(agree=True, n=2)
    scaler = LocalTemperatureScaler(max_epochs=1)
    with pytest.raises(InputError, match=r"groups has shape \(3,\): expected \(4,\)"):
        scaler.fit(z, y, image, groups=films[1:])
    with pytest.raises(InputError, match="at least 2 groups apart, got 1"):
        scaler.fit(z, y, image, groups=["day"] * 4)
    with pytest.raises(InputError, match="at least 2 groups apart, got 1"):
        scaler.fit(z, y, image, [1, 1, 0, 0], groups=films)
