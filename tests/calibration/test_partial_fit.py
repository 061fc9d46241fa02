"""Fits that see each batch once: what they equal, and how nearly."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skuq.calibration import (
    EnsembleTemperatureScaler,
    HistogramBinningCalibrator,
    IsotonicCalibrator,
    MatrixScaler,
    TemperatureScaler,
    VectorScaler,
)
from skuq.datasets import make_logits
from skuq.exceptions import InputError, SeparableDataWarning

ONLINE = [TemperatureScaler, HistogramBinningCalibrator]


def cut(size, *arrays):
    """Batches of `size` samples."""
    starts = range(0, len(arrays[0]), size)
    return [tuple(a[i : i + size] for a in arrays) for i in starts]


def fed(calibrator, batches, **options):
    """The calibrator after `partial_fit` of all batches."""
    for X, y, *weight in batches:
        calibrator.partial_fit(X, y, None, *weight, **options)
    return calibrator


@pytest.fixture
def problem():
    """Logits and labels 0..3."""
    return make_logits(3000, n_classes=4, random_state=0)


def test_partial_fit_is_there_only_where_it_works():
    for calibrator_class in ONLINE:
        assert hasattr(calibrator_class(), "partial_fit")
    assert not hasattr(HistogramBinningCalibrator(strategy="quantile"), "partial_fit")
    for calibrator_class in (VectorScaler, MatrixScaler, IsotonicCalibrator):
        assert not hasattr(calibrator_class(), "partial_fit")
    for calibrator_class in (IsotonicCalibrator, EnsembleTemperatureScaler):
        assert not hasattr(calibrator_class(), "fit_batches")


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("size", [1, 7, 400])
@pytest.mark.parametrize("smoothing", ["laplace", None])
def test_histogram_sums_do_not_depend_on_the_partition(n_classes, size, smoothing, rng):
    X, y = make_logits(1000, n_classes=n_classes, random_state=0)
    weight = rng.uniform(0.5, 2, len(y))
    args = {"smoothing": smoothing, "classes": np.arange(n_classes)}
    found = fed(HistogramBinningCalibrator(**args), cut(size, X, y, weight))
    expected = HistogramBinningCalibrator(**args).fit(X, y, weight)
    for a, b in zip(found.maps_, expected.maps_, strict=True):
        np.testing.assert_array_equal(a.edges, b.edges)
        np.testing.assert_allclose(a.values, b.values, rtol=1e-12, atol=1e-14)
    assert found.n_samples_seen_ == 1000


def test_few_samples_are_fitted_together(problem):
    X, y = (part[:1000] for part in problem)
    found = fed(TemperatureScaler(classes=range(4)), cut(300, X, y))
    assert found.temperature_ == pytest.approx(
        TemperatureScaler().fit(X, y).temperature_, rel=1e-9
    )
    assert found.converged_
    assert found.n_samples_seen_ == 1000


@pytest.mark.parametrize("size", [50, 1000])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_one_pass_is_within_a_tenth_of_the_standard_error(size, n_classes):
    for seed in range(10):
        X, y = make_logits(20_000, n_classes=n_classes, random_state=seed)
        found = fed(TemperatureScaler(), cut(size, X, y))
        expected = TemperatureScaler().fit(X, y).temperature_
        z, p = X, TemperatureScaler().fit(X, y).predict_proba(X)
        variance = (p * z**2).sum(1) - (p * z).sum(1) ** 2  # of the score, per sample
        error = expected**2 / np.sqrt(variance.sum())
        assert abs(found.temperature_ - expected) < 0.1 * error


def test_one_pass_takes_weights_as_repetition(problem, rng):
    X, y = problem
    weight = rng.integers(0, 3, len(y)).astype(float)
    weighted = fed(TemperatureScaler(), cut(1500, X, y, weight))
    copied = TemperatureScaler()
    for part, target, times in cut(1500, X, y, weight.astype(int)):
        copied.partial_fit(np.repeat(part, times, 0), np.repeat(target, times))
    assert weighted.temperature_ == pytest.approx(copied.temperature_, rel=1e-7)


def test_one_pass_starts_with_samples_that_do_not_determine_it(problem):
    X, y = problem
    right = X.argmax(1) == y
    scaler = TemperatureScaler()
    with pytest.warns(SeparableDataWarning):
        scaler.partial_fit(X[right][:100], y[right][:100])
    assert not scaler.converged_
    rest = np.concatenate([X[right][100:], X[~right]])
    target = np.concatenate([y[right][100:], y[~right]])
    scaler.partial_fit(rest, target)
    assert scaler.converged_
    expected = TemperatureScaler().fit(X, y).temperature_
    assert scaler.temperature_ == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("calibrator_class", ONLINE)
def test_arrays_of_any_library_are_seen_once(calibrator_class, problem, xp):
    X, y = problem
    found = fed(
        calibrator_class(), [(xp.asarray(a), xp.asarray(b)) for a, b in cut(700, X, y)]
    )
    expected = fed(calibrator_class(), cut(700, X, y))
    np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), 1e-6)


@pytest.mark.parametrize("calibrator_class", ONLINE)
def test_void_batches_change_nothing(calibrator_class):
    X, y = make_logits(8, n_classes=3, spatial=(16, 16), random_state=0)
    calibrator = calibrator_class(ignore_index=255).partial_fit(X[:6], y[:6])
    before = calibrator.predict_proba(X)
    calibrator.partial_fit(X[6:], np.full_like(y[6:], 255))
    calibrator.partial_fit(X[6:], y[6:], sample_weight=np.zeros(2))
    np.testing.assert_array_equal(calibrator.predict_proba(X), before)
    calibrator.partial_fit(X[6:], y[6:])
    assert (calibrator.predict_proba(X) != before).any()


@pytest.mark.parametrize("calibrator_class", ONLINE)
def test_classes_are_named_once(calibrator_class, problem):
    X, y = problem
    names = np.array(["ant", "bee", "cow", "dog"])
    some = y < 2
    with pytest.raises(InputError, match="classes="):
        calibrator_class().partial_fit(X[some], names[y[some]])
    calibrator = calibrator_class().partial_fit(X[some], names[y[some]], names)
    calibrator.partial_fit(X[~some], names[y[~some]])
    assert calibrator.classes_.tolist() == names.tolist()
    with pytest.raises(InputError, match="pass the same"):
        calibrator.partial_fit(X, names[y], names[::-1])
    with pytest.raises(InputError, match="is expecting 4"):
        calibrator.partial_fit(X[:, :3], names[y])


@pytest.mark.parametrize("calibrator_class", ONLINE)
def test_a_stream_goes_on_after_pickling_and_ends_with_fit(calibrator_class, problem):
    X, y = problem
    halves = cut(1500, X, y)
    one = fed(calibrator_class(), halves[:1])
    assert not hasattr(clone(one), "classes_")
    two = pickle.loads(pickle.dumps(one))
    expected = fed(copy.deepcopy(one), halves[1:]).predict_proba(X)
    np.testing.assert_array_equal(fed(two, halves[1:]).predict_proba(X), expected)
    two.fit(X, y)
    assert not hasattr(two, "n_samples_seen_")
    anew = fed(two, halves[:1])
    np.testing.assert_array_equal(anew.predict_proba(X), one.predict_proba(X))
    assert anew.n_samples_seen_ == 1500


def test_the_number_of_bins_stays(problem):
    calibrator = HistogramBinningCalibrator().partial_fit(*problem)
    with pytest.raises(InputError, match="n_bins is 5"):
        calibrator.set_params(n_bins=5).partial_fit(*problem)
