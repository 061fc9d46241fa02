"""The interface of temperatures of maps: labels, libraries, models, refusals."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skuq.calibration import CalibratedModel
from skuq.datasets import make_logits
from skuq.deep import (
    ImageTemperatureScaler,
    LocalTemperatureScaler,
    TorchModuleClassifier,
)
from skuq.exceptions import InputError, NoSamplesError, SeparableDataWarning

scalers = pytest.mark.parametrize(
    "scaler", [LocalTemperatureScaler, ImageTemperatureScaler]
)
QUICK = {"max_epochs": 5, "random_state": 0}


def mixed(n, void=None):
    """Maps, every second one with a half too sharp, and images that say where."""
    z, y = make_logits(n, 4, spatial=(24, 32), temperature=1, random_state=0)
    image = np.zeros((n, 1, 24, 32), dtype=np.uint8)
    image[::2, ..., :16] = 200
    if void is not None:
        y[:, :5] = void
    return np.where(image > 0, 3 * z, z), y, image


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@scalers
def test_the_three_predictions_agree(scaler):
    z, y, image = mixed(3)
    scaler = scaler(**QUICK).fit(z, y, image)
    logits = scaler.predict_logits(z, image)
    T = scaler.temperature_map(z, image)
    np.testing.assert_allclose(logits, z / T[:, None], rtol=1e-12)
    proba = scaler.predict_proba(z, image)
    np.testing.assert_allclose(proba, softmax(logits), rtol=1e-12)
    np.testing.assert_allclose(
        np.exp(scaler.predict_log_proba(z, image)), proba, rtol=1e-12
    )


@scalers
@pytest.mark.parametrize("size", [(40, 50), (3, 2), (1, 1)])
def test_maps_may_be_of_another_size_than_in_the_fit(scaler, size):
    z, y, image = mixed(3)
    scaler = scaler(**QUICK).fit(z, y, image)
    new, _ = make_logits(2, 4, spatial=size, random_state=0)
    proba = scaler.predict_proba(new, np.zeros((2, *size)))
    assert proba.shape == new.shape
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@scalers
def test_probabilities_give_what_their_logits_give(scaler):
    z, y, image = mixed(3)
    p = softmax(z)
    one = scaler(**QUICK).fit(z, y, image)
    two = scaler(**QUICK).fit(p, y, image)
    assert two.input_ == "proba"
    np.testing.assert_allclose(
        one.predict_proba(z, image), two.predict_proba(p, image), rtol=1e-3
    )


@scalers
def test_labels_of_any_type_and_one_column_for_two_classes(scaler):
    z, y = make_logits(3, 2, spatial=(8, 8), random_state=0)
    single = z[:, 1:] - z[:, :1]
    names = np.array(["sea", "land"])[y]
    columns = scaler(classes=["sea", "land"], **QUICK).fit(z, names)
    column = scaler(classes=["sea", "land"], **QUICK).fit(single, names)
    assert set(np.unique(column.predict(single))) == {"sea", "land"}
    np.testing.assert_allclose(
        columns.predict_proba(z), column.predict_proba(single), rtol=1e-4
    )


@scalers
def test_the_same_in_every_library(scaler, xp):
    z, y, image = mixed(3, void=9)
    z = z.astype(np.float32)
    options = {"ignore_index": 9, "classes": range(4), **QUICK}
    here = scaler(**options).fit(z, y, image)
    there = scaler(**options).fit(*map(xp.asarray, (z, y, image)))
    args = xp.asarray(z), xp.asarray(image)
    for name in ("predict_proba", "temperature_map", "predict"):
        few = args[:1] if name == "predict" else args
        out = getattr(there, name)(*few)
        assert type(out) is type(args[0])
        expected = getattr(here, name)(*(z, image)[: len(few)])
        np.testing.assert_allclose(xp.to_numpy(out), expected, rtol=1e-5)
        if name != "predict":
            assert out.dtype == args[0].dtype


@scalers
def test_fitted_scalers_survive_pickling(scaler):
    z, y, image = mixed(2)
    scaler = scaler(**QUICK).fit(z, y, image)
    again = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(
        again.predict_proba(z, image), scaler.predict_proba(z, image)
    )


@scalers
def test_the_seed_decides_and_the_global_generator_is_left_alone(scaler):
    z, y, image = mixed(4)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    fits = [scaler(max_epochs=2, random_state=s).fit(z, y, image) for s in (0, 0, 1)]
    assert torch.equal(torch.rand(2), expected)
    one, same, other = (fit.temperature_map(z, image) for fit in fits)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@scalers
def test_parameters_are_set_and_a_clone_is_unfitted(scaler):
    params = {"kernel_size": 3, "dilation": 1, "lr": 0.1, "max_epochs": 1}
    z, y, _ = mixed(2)
    fitted = scaler().set_params(**params).fit(z, y)
    assert fitted.module_.tree.branches.kernel_size == (3, 3)
    assert fitted.module_.tree.branches.dilation == (1, 1)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict_proba(z)


@scalers
def test_inputs_are_left_as_they_were(scaler):
    data = mixed(2, void=9)
    copies = [x.copy() for x in data]
    for x in data:
        x.flags.writeable = False
    scaler(ignore_index=9, **QUICK).fit(*data).predict_proba(data[0], data[2])
    for x, copy in zip(data, copies, strict=True):
        np.testing.assert_array_equal(x, copy)


@scalers
def test_it_is_a_calibrator_of_a_model(scaler):
    z, y, _ = mixed(3)
    z = z.astype(np.float32)
    classes = ["a", "b", "c", "d"]
    names = np.array([*classes, "void"])[y]
    names[:, :5] = "void"
    model = TorchModuleClassifier(torch.nn.Identity(), classes)
    calibrated = CalibratedModel(model, scaler(ignore_index="void", **QUICK))
    calibrated.fit(z, names)
    proba = calibrated.predict_proba(z)
    with torch.no_grad():
        module = calibrated.to_torch()(torch.from_numpy(z))
    np.testing.assert_allclose(module.numpy(), proba, rtol=1e-4)


@scalers
def test_the_module_gives_the_predictions_and_can_be_exported(scaler):
    z, y, image = mixed(2)
    scaler = scaler(**QUICK).fit(z, y, image)
    module = scaler.to_torch()
    args = torch.from_numpy(z).float(), torch.from_numpy(image).float()
    expected = scaler.predict_proba(z, image)
    np.testing.assert_allclose(module(*args).numpy(), expected, rtol=1e-4)
    any_number = ({0: torch.export.Dim("n")},) * 2
    program = torch.export.export(module, args, dynamic_shapes=any_number)
    four = tuple(torch.cat([x, x]) for x in args)
    torch.testing.assert_close(program.module()(*four), module(*four))


@scalers
@pytest.mark.filterwarnings("error")
def test_labels_that_are_all_right_stop_at_the_bound_with_a_warning(scaler):
    z, _, _ = mixed(2)
    with pytest.warns(SeparableDataWarning, match=scaler.__name__):
        scaler = scaler(**QUICK).fit(z, z.argmax(axis=1))
    assert scaler.history_.shape == (1,)
    np.testing.assert_allclose(scaler.temperature_map(z), scaler.temperature_, 1e-6)


BAD_PARAMETERS = {
    "kernel_size": 4,
    "dilation": 0,
    "lr": -1.0,
    "max_epochs": 1.5,
    "batch_size": 0,
    "validation_fraction": 1.0,
    "input": "odds",
}


@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_bad_parameters_are_refused_by_name(name):
    z, y, _ = mixed(2)
    with pytest.raises(InputError, match=name):
        LocalTemperatureScaler(**{name: BAD_PARAMETERS[name]}).fit(z, y)


def test_data_that_do_not_fit_are_refused():
    z, y, image = mixed(2)
    scaler = LocalTemperatureScaler(**QUICK)
    with pytest.raises(InputError, match=r"need maps"):
        scaler.fit(z[..., 0, 0], y[..., 0, 0])
    with pytest.raises(InputError, match=r"axis of channels to axis 1"):
        scaler.fit(z, y, np.moveaxis(image, 1, -1))
    with pytest.raises(InputError, match=r"image contains NaN"):
        scaler.fit(z, y, np.where(image > 0, np.nan, 0.0))
    with pytest.raises(NoSamplesError):
        clone(scaler).set_params(ignore_index=9).fit(z, np.full_like(y, 9))
    scaler.fit(z, y, image)
    with pytest.raises(InputError, match=r"image has 0 channel"):
        scaler.predict_proba(z)
    with pytest.raises(InputError, match=r"image has 3 channel"):
        scaler.predict_proba(z, np.repeat(image, 3, axis=1))
    with pytest.raises(InputError, match=r"4 as in fit"):
        scaler.predict_proba(z[:, :3], image)


@scalers
def test_a_larger_penalty_keeps_temperatures_nearer_to_the_scalar_one(scaler):
    z, y, image = mixed(6)
    spreads = []
    for alpha in (0, 10, 1e4):
        fit = scaler(alpha=alpha, max_epochs=30, random_state=0).fit(z, y, image)
        T = fit.temperature_map(z, image)
        spreads.append(np.std(np.log(T / fit.temperature_)))
    assert spreads[0] > spreads[1] > 2 * spreads[2]


@scalers
def test_finer_pixels_do_not_weaken_the_penalty(scaler):
    z, y, image = mixed(6)
    fine = [np.repeat(np.repeat(maps, 2, -2), 2, -1) for maps in (z, y, image)]
    options = {"kernel_size": 1, "alpha": 10, "validation_fraction": None, **QUICK}
    T, T_fine = (
        scaler(**options).fit(*maps).temperature_map(z, image)
        for maps in ((z, y, image), fine)
    )
    free = scaler(**(options | {"alpha": 0})).fit(z, y, image)
    np.testing.assert_allclose(T_fine, T, rtol=1e-5)
    assert np.abs(free.temperature_map(z, image) / T - 1).max() > 0.02


@scalers
def test_twice_the_images_bear_twice_the_penalty(scaler):
    once = mixed(6)
    twice = [np.concatenate([maps, maps]) for maps in once]
    options = {"validation_fraction": None, **QUICK}
    z, _, image = once
    T, T_twice, T_weaker = (
        scaler(alpha=alpha, batch_size=len(maps[0]), **options)
        .fit(*maps)
        .temperature_map(z, image)
        for alpha, maps in ((20, once), (40, twice), (20, twice))
    )
    np.testing.assert_allclose(T_twice, T, rtol=1e-5)
    assert np.abs(T_weaker / T - 1).max() > 1e-3


def test_progress_is_shown_on_request_only(capsys):
    z, y, _ = mixed(2)
    LocalTemperatureScaler(max_epochs=2).fit(z, y)
    assert capsys.readouterr() == ("", "")
    LocalTemperatureScaler(max_epochs=2, verbose=True).fit(z, y)
    assert "2/2" in capsys.readouterr().err


def test_the_size_of_a_batch_sets_the_steps_of_an_epoch(monkeypatch):
    z, y, _ = mixed(6)
    steps = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self: (steps.append(1), step(self))
    )
    options = {"max_epochs": 3, "validation_fraction": None}
    for size, expected in ((1, 18), (4, 6), (100, 3)):
        steps.clear()
        LocalTemperatureScaler(batch_size=size, **options).fit(z, y)
        assert len(steps) == expected


def test_the_device_may_be_found_and_predictions_come_back_from_it():
    z, y, image = mixed(2)
    scaler = LocalTemperatureScaler(device="auto", **QUICK).fit(z, y, image)
    assert next(scaler.module_.parameters()).device.type == "cpu"
    assert isinstance(scaler.predict_proba(z, image), np.ndarray)
    with pytest.raises(RuntimeError, match="device"):
        scaler.set_params(device="nowhere").fit(z, y, image)
