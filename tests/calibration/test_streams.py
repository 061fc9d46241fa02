"""Fits from batches: equal to the fit on all of them, in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from skuq._core._batches import Batch, Sample
from skuq.calibration import (
    DirichletCalibrator,
    MatrixScaler,
    StructuredMatrixScaler,
    StructuredVectorScaler,
    TemperatureScaler,
    VectorScaler,
)
from skuq.calibration._batch_fit import SAMPLED
from skuq.datasets import make_logits
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics import log_loss

AFFINE = [
    VectorScaler,
    StructuredVectorScaler,
    MatrixScaler,
    StructuredMatrixScaler,
    DirichletCalibrator,
]
IN_PASSES = [TemperatureScaler, *AFFINE]


def cut(size, *arrays):
    """Batches of `size` samples."""
    starts = range(0, len(arrays[0]), size)
    return [tuple(a[i : i + size] for a in arrays) for i in starts]


def assert_alike(found, expected, X, y):
    """Temperatures to 1e-9, losses to 1e-6."""
    assert found.temperature_ == pytest.approx(expected.temperature_, rel=1e-9)
    loss = log_loss(y, expected.predict_proba(X))
    assert log_loss(y, found.predict_proba(X)) == pytest.approx(loss, rel=1e-6)


@pytest.fixture
def problem():
    """Logits and labels 0..3."""
    return make_logits(3000, n_classes=4, random_state=0)


@pytest.mark.parametrize("calibrator_class", IN_PASSES)
@pytest.mark.parametrize("size", [1, 7, 1000, 5000])
def test_any_partition_gives_the_fit_of_all(calibrator_class, size, problem):
    X, y = problem if size > 1 else (part[:200] for part in problem)
    found = calibrator_class().fit_batches(cut(size, X, y))
    assert_alike(found, calibrator_class().fit(X, y), X, y)
    assert (found.classes_ == np.arange(4)).all()
    assert (found.input_, found.n_features_in_) == ("logit", 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("calibrator_class", [TemperatureScaler, VectorScaler])
def test_more_than_is_held_gives_the_fit_of_all(calibrator_class, dtype):
    X, y = make_logits(300_000, n_classes=4, random_state=0)
    X = X.astype(dtype)
    found = calibrator_class().fit_batches(cut(70_001, X, y))
    expected = calibrator_class().fit(X, y)
    loss = log_loss(y, expected.predict_proba(X))
    assert log_loss(y, found.predict_proba(X)) == pytest.approx(loss, rel=1e-6)
    tolerance = 1e-9 if dtype == "float64" else 1e-6
    assert found.temperature_ == pytest.approx(expected.temperature_, rel=tolerance)
    assert found.n_iter_ <= expected.n_iter_ + 5


@pytest.mark.parametrize("calibrator_class", IN_PASSES)
def test_weights_count_as_in_one_array(calibrator_class, problem, rng):
    X, y = problem
    weight = rng.integers(0, 3, len(y)).astype(float)
    weight[:500] = 0  # a whole batch
    found = calibrator_class().fit_batches(cut(500, X, y, weight))
    assert_alike(found, calibrator_class().fit(X, y, weight), X, y)


@pytest.mark.parametrize("calibrator_class", IN_PASSES)
def test_maps_with_void_pixels_count_as_in_one_array(calibrator_class):
    X, y = make_logits(12, n_classes=3, spatial=(9, 11), random_state=0)
    y[:5], y[6, 2:] = 255, 255
    found = calibrator_class(ignore_index=255).fit_batches(cut(2, X, y))
    expected = calibrator_class(ignore_index=255).fit(X, y)
    assert found.temperature_ == pytest.approx(expected.temperature_, rel=1e-9)
    np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), 1e-4)


@pytest.mark.parametrize("calibrator_class", IN_PASSES)
def test_arrays_of_any_library_stream(calibrator_class, problem, xp):
    X, y = problem
    batches = [(xp.asarray(a), xp.asarray(b)) for a, b in cut(999, X, y)]
    found = calibrator_class().fit_batches(batches)
    assert_alike(found, calibrator_class().fit(X, y), X, y)


@pytest.mark.parametrize("calibrator_class", IN_PASSES)
def test_a_batch_may_miss_a_class(calibrator_class, problem):
    X, y = problem
    order = np.argsort(y, kind="stable")
    X, names = X[order], np.array(["ant", "bee", "cow", "dog"])[y[order]]
    found = calibrator_class().fit_batches(cut(500, X, names))
    assert found.classes_.tolist() == ["ant", "bee", "cow", "dog"]
    assert_alike(found, calibrator_class().fit(X, names), X, names)


@pytest.mark.parametrize("calibrator_class", IN_PASSES)
def test_a_column_of_the_second_class_streams(calibrator_class):
    X, y = make_logits(2000, n_classes=2, random_state=0)
    margin = X[:, 1] - X[:, 0]
    found = calibrator_class().fit_batches(cut(300, margin, y))
    assert_alike(found, calibrator_class().fit(margin, y), margin, y)


def test_batches_may_differ_in_precision(problem):
    X, y = problem
    batches = [(X[:9].astype("float32"), y[:9]), (X[9:], y[9:])]
    found = TemperatureScaler().fit_batches(batches)
    mixed = X.copy()
    mixed[:9] = mixed[:9].astype("float32")
    expected = TemperatureScaler().fit(mixed, y).temperature_
    assert found.temperature_ == pytest.approx(expected, rel=1e-8)


def test_what_scores_are_is_told_from_all_batches():
    X, y = make_logits(1000, n_classes=2, random_state=0)
    margin = X[:, 1] - X[:, 0]
    inside = np.flatnonzero((margin >= 0) & (margin <= 1))
    batches = [(margin[inside], y[inside]), (margin, y)]
    assert TemperatureScaler().fit_batches(batches).input_ == "logit"
    assert TemperatureScaler().fit_batches(batches[:1]).input_ == "proba"
    two = [(np.array([[0.3, 0.2], [0.1, 0.9]]), [0, 1]), (np.full((2, 2), 0.5), [0, 1])]
    with pytest.raises(InputError, match="say which"):
        TemperatureScaler().fit_batches(two)


def test_functions_and_objects_that_start_anew_are_read_in_passes(problem):
    batches = cut(500, *problem)

    class Loader:
        def __iter__(self):
            yield from batches

    expected = TemperatureScaler().fit_batches(batches).temperature_
    for again in (Loader(), lambda: iter(batches), lambda: batches, tuple(batches)):
        assert TemperatureScaler().fit_batches(again).temperature_ == expected


def test_what_is_read_once_is_refused(problem):
    batches = cut(500, *problem)
    with pytest.raises(InputError, match="only once"):
        TemperatureScaler().fit_batches(batch for batch in batches)
    with pytest.raises(InputError, match="only once"):
        TemperatureScaler().fit_batches(map(tuple, batches))
    same = iter(batches)
    scaler = TemperatureScaler()
    with pytest.raises(InputError, match="gave 0 labels, but the first pass gave 3000"):
        scaler.fit_batches(lambda: same)
    assert not hasattr(scaler, "temperature_")


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "empty"),
        (3, "iterable"),
        ([np.zeros((4, 2))], "tuple"),
        ([(np.zeros((4, 2)),)], "tuple of 1"),
        ([(np.eye(3), [0, 1, 2]), (np.eye(4), [0, 1, 2, 3])], "4 score columns"),
        ([(np.eye(3), [0, 1, 2]), (np.eye(3), [0, 1])], "shape"),
        ([(np.eye(2), [0, 1]), (np.full((2, 2), np.nan), [0, 1])], "NaN"),
        ([(np.eye(2), [0, 1], [0, 0])], "no batch has a sample"),
        ([(np.eye(2), [0, 1], [-1, 0])], "weights must be"),
    ],
)
def test_what_is_wrong_with_batches_is_said(batches, message):
    with pytest.raises(InputError, match=message):
        TemperatureScaler().fit_batches(batches)


def test_batches_that_are_void_everywhere_are_refused():
    batches = [(np.eye(2), [9, 9])] * 3
    scaler = TemperatureScaler(ignore_index=9, classes=[0, 1])
    with pytest.raises(NoSamplesError, match="no batch"):
        scaler.fit_batches(batches)


@pytest.mark.parametrize("calibrator_class", [TemperatureScaler, VectorScaler])
def test_memory_is_that_of_a_batch(calibrator_class):
    rows = 20_000

    def batches():
        for seed in range(20):
            X, y = make_logits(rows, n_classes=10, random_state=seed)
            yield X.astype("float32"), y

    tracemalloc.start()
    next(batches())
    one = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    calibrator_class(**limits_of(calibrator_class)).fit_batches(batches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    all_of_them = 20 * rows * 10 * 4
    assert peak < one + 12e6 < all_of_them + one


def limits_of(calibrator_class):
    """A loose tolerance, as each pass makes all data anew."""
    return {} if calibrator_class is TemperatureScaler else {"tol": 1e-3}


def test_a_buffer_may_be_used_for_every_batch(problem):
    X, y = problem

    def batches():
        buffer, labels = np.empty((500, 4)), np.empty(500, dtype=np.int64)
        for part, target in cut(500, X, y):
            buffer[:], labels[:] = part, target
            yield buffer, labels

    for calibrator_class in IN_PASSES:
        found = calibrator_class().fit_batches(batches)
        assert_alike(found, calibrator_class().fit(X, y), X, y)


def test_the_rough_fit_saves_passes():
    X, y = make_logits(6 * SAMPLED, n_classes=3, random_state=0)
    order = np.argsort(y, kind="stable")  # the first batches are one class
    batches = cut(997, X[order], y[order])
    rough = TemperatureScaler().fit_batches(batches)
    cold = TemperatureScaler(presample=None).fit_batches(batches)
    assert rough.n_iter_ < cold.n_iter_
    assert rough.temperature_ == pytest.approx(cold.temperature_, rel=1e-9)


@pytest.mark.parametrize("size", [1, 3, 50, 1000])
def test_a_sample_is_evenly_spaced_for_any_partition(size):
    sample, number = Sample(100), np.arange(1000)
    for X, y in cut(size, number[:, None] + 0.5, number):
        sample.add(Batch(X, y, y / 2))
    kept = [np.concatenate(parts) for parts in zip(*sample.batches(), strict=True)]
    np.testing.assert_array_equal(kept[1], np.arange(0, 1000, 16))
    np.testing.assert_array_equal(kept[0][:, 0] - 0.5, kept[1])
    np.testing.assert_array_equal(kept[2] * 2, kept[1])
    assert sample.n_kept == len(kept[1]) <= 100


@pytest.mark.parametrize("weight_shape", [(40,), (40, 32, 33)])
def test_large_maps_start_from_some_of_their_pixels(weight_shape, rng):
    X, y = make_logits(40, n_classes=3, spatial=(32, 33), random_state=0)
    y[3:9], weight = 255, rng.uniform(size=weight_shape)
    options = {"ignore_index": 255}
    found = TemperatureScaler(**options).fit_batches(cut(3, X, y, weight))
    expected = TemperatureScaler(**options, presample=None).fit(X, y, weight)
    assert found.temperature_ == pytest.approx(expected.temperature_, rel=1e-9)
    assert found.n_iter_ < expected.n_iter_
