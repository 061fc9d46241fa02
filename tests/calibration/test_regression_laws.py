"""Laws that every calibrator of regressors obeys."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skuq.calibration import ConformalCalibrator, QuantileCalibrator, VarianceScaler
from skuq.exceptions import CalibrationWarning, InputError, NoSamplesError
from skuq.metrics import interval_coverage_score

CALIBRATORS = [
    VarianceScaler(),
    QuantileCalibrator(),
    ConformalCalibrator(),
    ConformalCalibrator(symmetric=False),
]
LEVELS = np.array([0.02, 0.05, 0.3, 0.5, 0.8, 0.95, 0.98])

every_calibrator = pytest.mark.parametrize("calibrator", CALIBRATORS, ids=repr)


def draw(n, *, output=(), shift=0.5, spread=0.5, random_state=0):
    """Predictions that are biased and too sure: mean, observed values, deviation."""
    rng = np.random.default_rng(random_state)
    mean, std = rng.normal(size=(n, *output)), rng.gamma(4, 0.3, (n, *output))
    y = mean + std * rng.normal(size=(n, *output))
    return mean + shift * std, y, spread * std


def fitted(calibrator, y_pred, y_true, y_std, **options):
    return clone(calibrator).fit(y_pred, y_true, y_std=y_std, **options)


def quantiles(calibrator, y_pred, y_std):
    return calibrator.predict_quantiles(y_pred, LEVELS, y_std=y_std)


@pytest.fixture
def data():
    return draw(400)


@every_calibrator
def test_intervals_cover_new_values_as_often_as_they_say(calibrator, data):
    fit = fitted(calibrator, *draw(4000, shift=0.0))
    y_pred, y_true, y_std = draw(40_000, shift=0.0, random_state=1)
    for alpha in (0.5, 0.1):
        ends = fit.predict_interval(y_pred, alpha, y_std=y_std)
        share = interval_coverage_score(y_true, *ends)
        error = np.sqrt(alpha * (1 - alpha) * (1 / 4000 + 1 / 40_000))
        assert share == pytest.approx(1 - alpha, abs=5 * error)


@every_calibrator
def test_the_order_of_samples_does_not_matter(calibrator, data, rng):
    order = rng.permutation(400)
    one = fitted(calibrator, *data)
    other = fitted(calibrator, *(x[order] for x in data))
    np.testing.assert_allclose(
        quantiles(one, data[0], data[2]), quantiles(other, data[0], data[2]), rtol=1e-12
    )


@every_calibrator
def test_a_weight_equals_repetition(calibrator, data, rng):
    weight = rng.integers(0, 4, 400)
    one = fitted(calibrator, *data, sample_weight=weight)
    other = fitted(calibrator, *(np.repeat(x, weight) for x in data))
    np.testing.assert_allclose(
        quantiles(one, data[0], data[2]), quantiles(other, data[0], data[2]), rtol=1e-12
    )


@every_calibrator
def test_a_sample_without_weight_has_no_influence(calibrator, data):
    weight = np.arange(400) > 0
    wild = [x.copy() for x in data]
    for x in wild:
        x[0] = 1e6
    one = fitted(calibrator, *wild, sample_weight=weight)
    other = fitted(calibrator, *(x[1:] for x in data))
    np.testing.assert_allclose(
        quantiles(one, data[0], data[2]), quantiles(other, data[0], data[2]), rtol=1e-12
    )


@every_calibrator
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_array_libraries_agree_and_keep_their_own(calibrator, data, xp, dtype, rng):
    ours = [x.astype(dtype) for x in data]
    theirs = [xp.asarray(x) for x in ours]
    weight = rng.random(400)
    one = fitted(calibrator, *ours, sample_weight=weight)
    other = fitted(calibrator, *theirs, sample_weight=xp.asarray(weight))
    expected = quantiles(one, ours[0], ours[2])
    values = quantiles(other, theirs[0], theirs[2])
    assert expected.dtype == dtype
    assert type(values) is type(theirs[0])
    assert values.dtype == theirs[0].dtype
    rtol = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(xp.to_numpy(values), expected, rtol=rtol, atol=rtol)
    mean = other.predict(theirs[0], y_std=theirs[2])
    assert type(mean) is type(theirs[0])
    np.testing.assert_allclose(
        xp.to_numpy(mean), one.predict(ours[0], y_std=ours[2]), rtol=rtol, atol=rtol
    )


@every_calibrator
def test_libraries_may_be_mixed(calibrator, data, xp):
    y_pred, y_true, y_std = data
    one = fitted(calibrator, *data)
    other = fitted(calibrator, xp.asarray(y_pred), y_true, xp.asarray(y_std))
    np.testing.assert_allclose(
        xp.to_numpy(quantiles(other, xp.asarray(y_pred), y_std)),
        quantiles(one, y_pred, y_std),
        rtol=1e-12,
    )


@every_calibrator
def test_float32_is_close(calibrator, data):
    one, other = fitted(calibrator, *data), fitted(calibrator, *map(np.float32, data))
    np.testing.assert_allclose(
        quantiles(one, data[0], data[2]),
        quantiles(other, data[0], data[2]),
        rtol=1e-5,
        atol=1e-5,
    )


@every_calibrator
def test_lists_and_integers_are_accepted(calibrator):
    y_pred, y_true, y_std = [0] * 60, list(range(1, 61)), [10] * 60
    fit = fitted(calibrator, y_pred, y_true, y_std)
    lower, upper = fit.predict_interval([0, 1], 0.1, y_std=[10, 10])
    assert lower.dtype == np.float64
    np.testing.assert_allclose(lower[1] - lower[0], 1, rtol=1e-12)
    assert (lower < upper).all()


@every_calibrator
@pytest.mark.parametrize("factor", [100.0, 1e-3])
def test_predictions_have_the_unit_of_the_data(calibrator, data, factor):
    one = quantiles(fitted(calibrator, *data), data[0], data[2])
    scaled = [factor * x for x in data]
    other = quantiles(fitted(calibrator, *scaled), scaled[0], scaled[2])
    np.testing.assert_allclose(other, factor * one, rtol=1e-9)


@every_calibrator
def test_mirrored_data_have_mirrored_quantiles(calibrator, data):
    y_pred, y_true, y_std = data
    one = fitted(calibrator, y_pred, y_true, y_std)
    other = fitted(calibrator, -y_pred, -y_true, y_std)
    np.testing.assert_allclose(
        other.predict_quantiles(-y_pred, 1 - LEVELS, y_std=y_std),
        -one.predict_quantiles(y_pred, LEVELS, y_std=y_std),
        rtol=1e-9,
        atol=1e-9,
    )


@every_calibrator
def test_quantiles_rise_with_the_level_and_bound_the_interval(calibrator, data):
    fit = fitted(calibrator, *data)
    levels = np.linspace(0.01, 0.99, 99)
    values = fit.predict_quantiles(data[0], levels, y_std=data[2])
    assert values.shape == (400, 99)
    assert (np.diff(values, axis=1) >= 0).all()
    lower, upper = fit.predict_interval(data[0], 0.2, y_std=data[2])
    np.testing.assert_allclose(lower, values[:, 9], rtol=1e-12)
    np.testing.assert_allclose(upper, values[:, 89], rtol=1e-12)
    one_level = fit.predict_quantiles(data[0], 0.9, y_std=data[2])
    np.testing.assert_allclose(one_level, values[:, [89]], rtol=1e-12)


@every_calibrator
def test_several_outputs_keep_their_shape(calibrator, xp):
    y_pred, y_true, y_std = map(xp.asarray, draw(100, output=(3, 2)))
    fit = fitted(calibrator, y_pred, y_true, y_std)
    assert fit.predict(y_pred, y_std=y_std).shape == (100, 3, 2)
    assert quantiles(fit, y_pred, y_std).shape == (100, 7, 3, 2)
    lower, upper = fit.predict_interval(y_pred, y_std=y_std)
    assert lower.shape == upper.shape == (100, 3, 2)
    assert bool(xp.all(lower < upper))


@pytest.mark.parametrize("calibrator", [VarianceScaler(), QuantileCalibrator()])
def test_several_outputs_share_the_map_of_their_flattened_values(calibrator):
    data = draw(100, output=(3, 2))
    flat = [x.ravel() for x in data]
    one, other = fitted(calibrator, *data), fitted(calibrator, *flat)
    np.testing.assert_allclose(
        np.moveaxis(quantiles(one, data[0], data[2]), 1, -1).reshape(-1, 7),
        quantiles(other, flat[0], flat[2]),
        rtol=1e-12,
    )


@every_calibrator
def test_many_blocks_equal_one(calibrator, monkeypatch):
    data = draw(300, output=(2,))
    one = fitted(calibrator, *data)
    monkeypatch.setattr("skuq.metrics._regression_inputs.HOST_BLOCK", 2)
    monkeypatch.setattr("skuq.metrics._regression_inputs.LEAST", 1)
    other = fitted(calibrator, *data)
    np.testing.assert_allclose(
        quantiles(one, data[0], data[2]), quantiles(other, data[0], data[2]), rtol=1e-12
    )


@every_calibrator
def test_inputs_and_the_global_generator_stay_as_they_are(calibrator, data):
    copies = [x.copy() for x in data]
    for x in data:
        x.flags.writeable = False
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (that is the point)
    fit = fitted(calibrator, *data)
    quantiles(fit, data[0], data[2])
    fit.predict(data[0], y_std=data[2])
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    for x, copy in zip(data, copies, strict=True):
        assert np.array_equal(x, copy)


@every_calibrator
def test_a_pickled_calibrator_predicts_the_same(calibrator, data):
    fit = fitted(calibrator, *data)
    copy = pickle.loads(pickle.dumps(fit))
    assert np.array_equal(
        quantiles(copy, data[0], data[2]), quantiles(fit, data[0], data[2])
    )
    assert clone(fit).get_params() == calibrator.get_params()


@every_calibrator
def test_a_single_sample_is_enough_to_fit(calibrator):
    fit = fitted(calibrator, [0.0], [1.0], [1.0])
    assert np.isfinite(fit.predict([0.0], y_std=[1.0])).all()
    assert np.isfinite(fit.predict_quantiles([0.0], 0.5, y_std=[1.0])).all()


@every_calibrator
def test_an_unfitted_calibrator_says_so(calibrator):
    with pytest.raises(NotFittedError):
        clone(calibrator).predict([0.0], y_std=[1.0])


@every_calibrator
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_get_a_clear_error(calibrator, data, value):
    names = ("y_pred", "y_true", "y_std")
    fit = fitted(calibrator, *data)
    for i, name in enumerate(names):
        broken = [x.copy() for x in data]
        broken[i][-1] = value
        with pytest.raises(InputError, match=f"{name} contains"):
            fitted(calibrator, *broken)
        if name != "y_true":
            with pytest.raises(InputError, match=f"{name} contains"):
                fit.predict(broken[0], y_std=broken[2])


@every_calibrator
@pytest.mark.parametrize("std", [0.0, -1.0])
def test_deviations_must_be_positive(calibrator, data, std):
    y_pred, y_true, y_std = data
    fit = fitted(calibrator, *data)
    bad = y_std.copy()
    bad[3] = std
    with pytest.raises(InputError, match="greater than 0"):
        fitted(calibrator, y_pred, y_true, bad)
    with pytest.raises(InputError, match="greater than 0"):
        fit.predict_interval(y_pred, y_std=bad)


@every_calibrator
def test_unusable_shapes_levels_and_weights_get_a_clear_error(calibrator, data):
    y_pred, y_true, y_std = data
    fit = fitted(calibrator, *data)
    with pytest.raises(NoSamplesError, match="empty"):
        fitted(calibrator, [], [], [])
    with pytest.raises(InputError, match="y_pred has shape"):
        fitted(calibrator, y_pred[:, None], y_true, y_std)
    with pytest.raises(InputError, match="y_std has shape"):
        fit.predict(y_pred, y_std=y_std[:-1])
    with pytest.raises(InputError, match="levels"):
        fit.predict_quantiles(y_pred, [0.5, 1.0], y_std=y_std)
    for alpha in (0, 1, 10, -0.1):
        with pytest.raises(InputError, match="alpha"):
            fit.predict_interval(y_pred, alpha, y_std=y_std)
    with pytest.raises(InputError, match="sample_weight"):
        fitted(calibrator, *data, sample_weight=-np.ones(400))


@every_calibrator
def test_deviations_belong_to_both_or_none(calibrator, data):
    y_pred, y_true, y_std = data
    fit = fitted(calibrator, *data)
    with pytest.raises(InputError, match="y_std"):
        fit.predict(y_pred)
    if not isinstance(calibrator, QuantileCalibrator):
        bare = clone(calibrator).fit(y_pred, y_true)
        assert not bare.uses_std_
        with pytest.raises(InputError, match="without y_std"):
            bare.predict(y_pred, y_std=y_std)


@pytest.mark.parametrize(
    "calibrator", [VarianceScaler(), ConformalCalibrator(), CALIBRATORS[-1]], ids=repr
)
def test_without_deviations_every_interval_has_one_width(calibrator, data):
    y_pred, y_true, _ = data
    lower, upper = clone(calibrator).fit(y_pred, y_true).predict_interval(y_pred)
    np.testing.assert_allclose(upper - lower, upper[0] - lower[0], rtol=1e-9)


def test_a_perfect_model_is_told_that_its_spread_is_zero():
    with pytest.warns(CalibrationWarning, match="not trained on"):
        scaler = VarianceScaler().fit([1.0, 2.0], [1.0, 2.0], y_std=[1.0, 1.0])
    assert scaler.scale_ == 0
