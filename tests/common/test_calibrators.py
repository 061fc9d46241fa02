"""Laws that every calibrator of scores obeys, over the registry."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError

from skuq._discovery import all_calibrators
from skuq.calibration import (
    AutoCalibrator,
    BBQCalibrator,
    HistogramBinningCalibrator,
    IsotonicCalibrator,
    ScalingBinningCalibrator,
    StructuredMatrixScaler,
    TemperatureScaler,
    VennAbersCalibrator,
)
from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.metrics import log_loss

CALIBRATORS = list(all_calibrators().values())
# Without an assumed form: noisier, and a rounded score may fall on another step.
OF_STEPS = {
    BBQCalibrator,
    HistogramBinningCalibrator,
    IsotonicCalibrator,
    ScalingBinningCalibrator,
    VennAbersCalibrator,
}
# Folds follow the order of samples and may part copies of one, and those of maps are of
# images: weights of an average depend on it, so these laws are about a choice of few.
FEW = [None, TemperatureScaler(), StructuredMatrixScaler()]
CHOICE = {AutoCalibrator: {"rule": "one-standard-error", "candidates": FEW}}
LABELINGS = {
    "one-based": [1, 2, 3],
    "tens": [10, 20, 30],
    "negative": [-1, 0, 1],
    "strings": ["ant", "bee", "cow"],
    "objects": np.array(["ant", "bee", "cow"], dtype=object),
    "floats": [1.0, 2.0, 3.0],
    "small-ints": np.array([1, 2, 3], dtype=np.int8),
    "unsigned": np.array([0, 1, 200], dtype=np.uint8),
}
BINARY_LABELINGS = {
    "signs": [-1, 1],
    "one-based": [1, 2],
    "bool": [False, True],
    "strings": ["no", "yes"],
}

pytestmark = pytest.mark.parametrize("calibrator_class", CALIBRATORS)


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def without_average(calibrator_class, **params):
    return calibrator_class(**CHOICE.get(calibrator_class, {}), **params)


@pytest.fixture
def problem():
    """Logits and labels 0..2, over-confident."""
    return make_logits(400, n_classes=3, random_state=0)


@pytest.fixture
def binary_problem():
    """Margins of the second class and labels 0, 1."""
    logits, y = make_logits(400, n_classes=2, random_state=0)
    return logits[:, 1] - logits[:, 0], y


def test_rows_are_probabilities(calibrator_class, problem):
    z, y = problem
    proba = calibrator_class().fit(z, y).predict_proba(z)
    assert proba.shape == z.shape
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)


def test_four_predictions_agree(calibrator_class, problem):
    z, y = problem
    calibrator = calibrator_class().fit(z, y)
    proba = calibrator.predict_proba(z)
    np.testing.assert_allclose(np.exp(calibrator.predict_log_proba(z)), proba, 1e-12)
    np.testing.assert_allclose(softmax(calibrator.predict_logits(z)), proba, 1e-12)
    assert np.array_equal(
        calibrator.predict(z), calibrator.classes_[proba.argmax(axis=1)]
    )


@pytest.mark.parametrize("names", LABELINGS.values(), ids=LABELINGS)
def test_names_of_the_labels_do_not_matter(calibrator_class, problem, names):
    z, y = problem
    names = np.asarray(names)
    plain = calibrator_class().fit(z, y)
    for labels in (names[y], names[y].tolist(), pd.Series(names[y])):
        renamed = calibrator_class().fit(z, labels)
        np.testing.assert_array_equal(renamed.predict_proba(z), plain.predict_proba(z))
        assert renamed.classes_.tolist() == names.tolist()
        assert np.array_equal(renamed.predict(z), names[plain.predict(z)])


@pytest.mark.parametrize("names", BINARY_LABELINGS.values(), ids=BINARY_LABELINGS)
def test_binary_columns_mean_the_second_class(calibrator_class, binary_problem, names):
    z, y = binary_problem
    names = np.asarray(names)
    two = calibrator_class().fit(np.stack([0 * z, z], axis=1), y)
    reference = two.predict_proba(np.stack([0 * z, z], axis=1))
    for scores in (z, z[:, None]):
        one = calibrator_class().fit(scores, names[y])
        np.testing.assert_allclose(one.predict_proba(scores), reference, rtol=1e-10)
        assert one.classes_.tolist() == names.tolist()
        assert set(one.predict(scores).tolist()) == set(names.tolist())


def test_a_shuffled_pandas_index_does_not_matter(calibrator_class, problem, rng):
    z, y = problem
    index = rng.permutation(len(y)) + 1000
    frame, series = pd.DataFrame(z, index=index), pd.Series(y, index=index[::-1])
    np.testing.assert_array_equal(
        calibrator_class().fit(frame, series).predict_proba(frame),
        calibrator_class().fit(z, y).predict_proba(z),
    )


def test_a_missing_class_keeps_its_column(calibrator_class, problem):
    z, y = problem
    kept = y != 1
    names = np.array(["ant", "bee", "cow"])
    calibrator = calibrator_class(classes=names).fit(z[kept], names[y[kept]])
    proba = calibrator.predict_proba(z)
    assert proba.shape == z.shape
    assert (proba[:, 1] > 0).all()
    assert calibrator.classes_.tolist() == names.tolist()
    by_number = calibrator_class().fit(z[kept], y[kept])
    np.testing.assert_array_equal(by_number.predict_proba(z), proba)
    with pytest.raises(InputError, match="classes="):
        calibrator_class().fit(z[kept], names[y[kept]])


def test_classes_may_name_columns_in_any_order(calibrator_class, problem):
    z, y = problem
    names = np.array(["cow", "ant", "bee"])
    calibrator = calibrator_class(classes=names).fit(z, names[y])
    np.testing.assert_array_equal(
        calibrator.predict_proba(z), calibrator_class().fit(z, y).predict_proba(z)
    )


def test_a_weight_equals_repetition(calibrator_class, problem, rng):
    z, y = problem
    weight = rng.integers(0, 3, len(y))
    repeated = np.repeat(np.arange(len(y)), weight)
    weighted = without_average(calibrator_class).fit(z, y, sample_weight=weight)
    copied = without_average(calibrator_class).fit(z[repeated], y[repeated])
    np.testing.assert_allclose(
        weighted.predict_log_proba(z), copied.predict_log_proba(z), rtol=1e-6
    )


def test_the_order_of_samples_does_not_matter(calibrator_class, problem, rng):
    z, y = problem
    order = rng.permutation(len(y))
    np.testing.assert_allclose(
        without_average(calibrator_class).fit(z[order], y[order]).predict_proba(z),
        without_average(calibrator_class).fit(z, y).predict_proba(z),
        rtol=1e-6,
    )


def test_a_permutation_of_columns_does_not_matter(calibrator_class, problem):
    z, y = problem
    order = np.array([2, 0, 1])
    permuted = calibrator_class().fit(z[:, order], np.argsort(order)[y])
    np.testing.assert_allclose(
        permuted.predict_proba(z[:, order]),
        calibrator_class().fit(z, y).predict_proba(z)[:, order],
        rtol=1e-6,
    )


def test_a_constant_added_to_a_row_does_not_matter(calibrator_class, problem, rng):
    z, y = problem
    shift = rng.normal(scale=100, size=(len(y), 1))
    np.testing.assert_allclose(
        calibrator_class().fit(z + shift, y).predict_proba(z + shift),
        calibrator_class().fit(z, y).predict_proba(z),
        rtol=1e-6,
    )


def test_the_training_log_loss_is_not_worse(calibrator_class, problem):
    z, y = problem
    proba = calibrator_class().fit(z, y).predict_proba(z)
    assert log_loss(y, proba) <= log_loss(y, softmax(z))


def test_calibrated_scores_stay_almost_as_they_are(calibrator_class):
    logits, y = make_logits(50_000, n_classes=3, temperature=1.0, random_state=0)
    proba = calibrator_class().fit(logits, y).predict_proba(logits)
    error = 0.02 if calibrator_class in OF_STEPS else 0.005
    assert np.abs(proba - softmax(logits)).mean() < error


def test_probabilities_and_their_logarithms_are_the_same_input(
    calibrator_class, problem
):
    z, y = problem
    p = softmax(z)
    from_proba = calibrator_class().fit(p, y)
    from_logit = calibrator_class().fit(np.log(p), y)
    assert (from_proba.input_, from_logit.input_) == ("proba", "logit")
    np.testing.assert_allclose(
        from_proba.predict_proba(p), from_logit.predict_proba(np.log(p)), rtol=1e-6
    )


def test_rounded_probabilities_are_probabilities(calibrator_class, problem):
    z, y = problem
    exact = calibrator_class().fit(softmax(z), y).predict_proba(softmax(z))
    p = softmax(z)
    for rounded in (p.astype(np.float16), p.astype(np.float32)):
        calibrator = calibrator_class().fit(rounded, y)
        assert calibrator.input_ == "proba"
        np.testing.assert_allclose(calibrator.predict_proba(rounded), exact, atol=5e-3)
    few = np.maximum(np.round(p, 3), 1e-3)
    assert calibrator_class().fit(few, y).input_ == "proba"


def test_floats_keep_their_precision(calibrator_class, problem):
    z, y = problem
    exact = calibrator_class().fit(z, y).predict_proba(z)
    single = z.astype(np.float32)
    proba = calibrator_class().fit(single, y).predict_proba(single)
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba, exact, rtol=1e-3, atol=1e-6)
    half = z.astype(np.float16)  # rises to float32
    proba = calibrator_class().fit(half, y).predict_proba(half)
    assert proba.dtype == np.float32
    far = np.abs(proba - exact) > 1e-2
    assert far.mean() <= (0.01 if calibrator_class in OF_STEPS else 0)


def test_arrays_come_back_in_their_library(calibrator_class, problem, xp):
    z, y = problem
    reference = calibrator_class().fit(z, y)
    calibrator = calibrator_class().fit(xp.asarray(z), xp.asarray(y))
    proba = calibrator.predict_proba(xp.asarray(z))
    assert type(proba) is type(xp.asarray(z))
    assert proba.dtype == xp.float64
    np.testing.assert_allclose(
        xp.to_numpy(proba), reference.predict_proba(z), rtol=1e-6
    )
    predicted = calibrator.predict(xp.asarray(z))
    assert np.array_equal(xp.to_numpy(predicted), reference.predict(z))
    single = calibrator.predict_log_proba(xp.asarray(z, dtype="float32"))
    assert single.dtype == xp.float32


def test_string_labels_go_with_tensors(calibrator_class, problem):
    torch = pytest.importorskip("torch")
    z, y = problem
    names = np.array(["ant", "bee", "cow"])
    calibrator = calibrator_class().fit(torch.tensor(z), names[y])
    predicted = calibrator.predict(torch.tensor(z))
    assert isinstance(predicted, np.ndarray)
    assert set(predicted.tolist()) <= set(names.tolist())


def test_maps_equal_their_pixels_in_a_table(calibrator_class, xp):
    z, y = make_logits(5, n_classes=3, spatial=(6, 7), random_state=0)
    table = np.moveaxis(z, 1, -1).reshape(-1, 3)
    flat = without_average(calibrator_class).fit(table, y.ravel())
    calibrator = without_average(calibrator_class).fit(xp.asarray(z), xp.asarray(y))
    proba = xp.to_numpy(calibrator.predict_proba(xp.asarray(z)))
    assert proba.shape == z.shape
    expected = flat.predict_proba(table).reshape(5, 6, 7, 3)
    np.testing.assert_allclose(np.moveaxis(proba, 1, -1), expected, rtol=1e-6)
    assert np.array_equal(
        xp.to_numpy(calibrator.predict(xp.asarray(z))).ravel(), flat.predict(table)
    )


def test_void_pixels_do_not_count(calibrator_class, rng):
    z, y = make_logits(5, n_classes=3, spatial=(6, 7), random_state=0)
    void = rng.random(y.shape) < 0.4
    table = np.moveaxis(z, 1, -1)[~void]
    flat = without_average(calibrator_class).fit(table, y[~void])
    calibrator = without_average(calibrator_class, ignore_index=255).fit(
        z, np.where(void, 255, y)
    )
    np.testing.assert_allclose(
        calibrator.predict_proba(z),
        np.moveaxis(flat.predict_proba(np.moveaxis(z, 1, -1).reshape(-1, 3)), 1, 0)
        .reshape(3, 5, 6, 7)
        .swapaxes(0, 1),
        rtol=1e-6,
    )
    assert calibrator.classes_.tolist() == [0, 1, 2]
    right = calibrator.predict(z)[~void] == y[~void]
    assert calibrator.score(z, np.where(void, 255, y)) == pytest.approx(right.mean())


def test_one_row_and_one_label_are_enough_to_predict(calibrator_class, problem):
    z, y = problem
    calibrator = calibrator_class().fit(z, y)
    for i in range(5):
        np.testing.assert_allclose(
            calibrator.predict_proba(z[i : i + 1]),
            calibrator.predict_proba(z)[i : i + 1],
            rtol=1e-12,
        )


def test_batches_are_never_judged_on_their_own(calibrator_class, problem):
    z, y = problem
    calibrator = calibrator_class().fit(z, y)
    looks_like_proba = np.array([[0.2, 0.3, 0.5]])
    np.testing.assert_allclose(
        calibrator.predict_log_proba(looks_like_proba),
        calibrator.predict_log_proba(looks_like_proba + 7.0),
        rtol=1e-9,
    )


def test_pickle_and_clone(calibrator_class, problem):
    z, y = problem
    calibrator = calibrator_class(classes=[0, 1, 2]).fit(z, y)
    copy = pickle.loads(pickle.dumps(calibrator))
    assert np.array_equal(copy.predict_proba(z), calibrator.predict_proba(z))
    again = clone(calibrator)
    assert again.get_params() == calibrator.get_params()
    with pytest.raises(NotFittedError):
        again.predict_proba(z)
    for method in ("predict", "predict_log_proba", "predict_logits"):
        with pytest.raises(NotFittedError):
            getattr(again, method)(z)


def test_fit_is_repeatable_and_leaves_its_input_alone(calibrator_class, problem):
    z, y = problem
    weight = np.linspace(0.1, 1, len(y))
    copies = z.copy(), y.copy(), weight.copy()
    for array in (z, y, weight):
        array.flags.writeable = False
    calibrator = calibrator_class().fit(z, y, weight)
    first = calibrator.predict_proba(z)
    second = calibrator.fit(z, y, weight).predict_proba(z)
    assert np.array_equal(first, second)
    for array, copy in zip((z, y, weight), copies, strict=True):
        assert np.array_equal(array, copy)


def test_a_column_of_labels_is_taken_with_a_warning(calibrator_class, problem):
    z, y = problem
    with pytest.warns(DataConversionWarning):
        calibrator = calibrator_class().fit(z, y[:, None])
    assert np.array_equal(calibrator.classes_, [0, 1, 2])


@pytest.mark.parametrize(
    ("scores", "y", "message"),
    [
        (np.empty((0, 3)), [], "empty"),
        ([[1.0, np.nan, 2.0], [3.0, 1.0, 0.0]], [0, 1], "NaN"),
        ([[1.0, np.inf, 2.0], [3.0, 1.0, 0.0]], [0, 1], "infinity"),
        ([[1.0, -np.inf, 2.0], [3.0, 1.0, 0.0]], [0, 1], "infinity"),
        ([[0.5, 0.4, 0.4], [0.1, 0.1, 0.1]], [0, 1], "input="),
        ([[3.0, 1.0, 2.0], [3.0, 1.0, 0.0]], [0, 1, 2], "shape"),
        ([[3.0, 1.0, 2.0], [3.0, 1.0, 0.0]], [[1, 0, 0], [0, 1, 0]], "one-hot"),
        ([[3.0, 1.0], [3.0, 1.0], [0.0, 2.0]], [0, 1, 2], "column"),
        ([[3.0, 1.0, 2.0], [3.0, 1.0, 0.0]], [0.5, 1.2], "continuous"),
        ([[3.0, 1.0, 2.0], [3.0, 1.0, 0.0]], [0.0, np.nan], "NaN"),
        ([["a", "b", "c"], ["d", "e", "f"]], [0, 1], "numbers"),
        ([[1j, 2, 3], [1, 2, 3]], [0, 1], "Complex"),
    ],
    ids=[
        "empty",
        "nan",
        "inf",
        "minus-inf",
        "ambiguous",
        "length",
        "one-hot",
        "too-many-classes",
        "continuous",
        "nan-label",
        "strings",
        "complex",
    ],
)
def test_unusable_input_gets_a_clear_error(calibrator_class, scores, y, message):
    with pytest.raises(ValueError, match=message):
        calibrator_class().fit(np.asarray(scores), y)


def test_unknown_labels_and_wrong_columns_get_a_clear_error(calibrator_class, problem):
    z, y = problem
    with pytest.raises(InputError, match="label 7"):
        calibrator_class(classes=[0, 1, 2]).fit(z, np.where(y == 1, 7, y))
    names = np.array(["ant", "dog", "cow"])
    with pytest.raises(InputError, match="label 'dog'"):
        calibrator_class(classes=["ant", "bee", "cow"]).fit(z, names[y])
    with pytest.raises(InputError, match="distinct"):
        calibrator_class(classes=[0, 1, 1]).fit(z, y)
    with pytest.raises(InputError, match="classes"):
        calibrator_class(classes=[0, 1]).fit(z, y)
    calibrator = calibrator_class().fit(z, y)
    with pytest.raises(InputError, match="expecting 3"):
        calibrator.predict_proba(z[:, :2])
    with pytest.raises(InputError, match="'proba'"):
        calibrator_class(input="proba").fit(z, y)
    with pytest.raises(InputError, match="input"):
        calibrator_class(input="probability").fit(z, y)
    fitted_on_proba = calibrator_class().fit(softmax(z), y)
    with pytest.raises(InputError, match="input='proba'"):
        fitted_on_proba.predict_proba(z)
