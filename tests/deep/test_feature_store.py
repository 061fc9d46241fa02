"""Features that do not fit in memory are kept in a temporary file."""

import tempfile

import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from skorch import NeuralNetClassifier
from torch import nn

from skuq.deep import TCPConfidence, TorchModuleClassifier
from skuq.deep import _feature_store as store_module
from skuq.deep import _scaling as scaling_module
from skuq.deep._feature_store import FeatureStore, room, rows_at
from skuq.exceptions import InputError

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture
def files(monkeypatch, tmp_path):
    """The shapes of the files that are made, in a folder of their own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made, memmap = [], np.memmap

    class Noted(memmap):
        def __new__(cls, *args, **options):
            made.append(options["shape"])
            return memmap.__new__(cls, *args, **options)

    monkeypatch.setattr(store_module.np, "memmap", Noted)
    yield made
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def table(rng, network):
    X = rng.normal(size=(40, 4)).astype(np.float32)
    y = rng.integers(3, size=40)
    if not network:
        return GaussianNB().fit(X, y), X, y
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return TorchModuleClassifier(module, 3, batch_size=16), X, y


def maps(rng):
    X = rng.normal(size=(12, 1, 6, 5)).astype(np.float32)
    module = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 3, 1))
    return TorchModuleClassifier(module, 3), X, rng.integers(3, size=(12, 6, 5))


CASES = {
    "network": (lambda rng: table(rng, True), (40, 8)),
    "table": (lambda rng: table(rng, False), (40, 7)),
    "maps": (maps, (12, 5, 6, 5)),
}


@pytest.mark.parametrize(("make", "shape"), CASES.values(), ids=CASES)
def test_a_file_gives_the_same_result_bit_by_bit(make, shape, rng, files):
    classifier, X, y = make(rng)
    n_bytes = 4 * np.prod(shape)
    in_memory = TCPConfidence(classifier, max_feature_bytes=n_bytes, **SMALL)
    expected = in_memory.fit(X, y).predict_confidence(X)
    assert files == []
    in_file = TCPConfidence(classifier, max_feature_bytes=n_bytes - 1, **SMALL)
    found = in_file.fit(X, y).predict_confidence(X)
    assert files == [shape]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("network", [True, False])
def test_rows_that_folds_leave_out_are_not_learned_from(network, rng, files):
    classifier, X, y = table(rng, network)
    if network:
        classifier = NeuralNetClassifier(
            nn.Linear(4, 3),
            criterion=nn.CrossEntropyLoss,
            train_split=None,
            verbose=0,
            max_epochs=1,
        ).fit(X, y)
    cv = ShuffleSplit(1, test_size=0.5, random_state=0)
    in_memory = TCPConfidence(classifier, cv=cv, **SMALL).fit(X, y)
    in_file = TCPConfidence(classifier, cv=cv, max_feature_bytes=0, **SMALL)
    found = in_file.fit(X, y).predict_confidence(X)
    assert [shape[0] for shape in files] == [40, 20]
    np.testing.assert_array_equal(found, in_memory.predict_confidence(X))


def test_batches_become_one_array(rng, files):
    values = rng.normal(size=(10, 3)).astype(np.float32)
    for max_bytes, is_file in ((120, False), (119, True)):
        store = FeatureStore(10, max_bytes)
        for part in np.array_split(values, 4):
            store.append(part)
        np.testing.assert_array_equal(store.filled(), values)
        assert isinstance(store.filled(), np.memmap) == is_file


def test_chosen_rows_of_a_file_are_copied_piece_by_piece(rng, files, monkeypatch):
    monkeypatch.setattr(store_module, "BLOCK", 6)
    values, rows = rng.normal(size=(11, 3)), rng.random(11) < 0.5
    file = room(values.shape, values.dtype, 0)
    file[:] = values
    chosen = rows_at(file, rows)
    assert isinstance(chosen, np.memmap)
    np.testing.assert_array_equal(chosen, values[rows])
    assert files == [(11, 3), (rows.sum(), 3)]


def test_scales_are_found_piece_by_piece(rng, monkeypatch):
    for shape in ((50, 4), (9, 4, 3, 2)):
        values = rng.normal(3, 2, size=shape).astype(np.float32)
        values[:, 1] = 0.1
        whole = scaling_module.standard(values)
        monkeypatch.setattr(scaling_module, "BLOCK", 8)
        parts = scaling_module.standard(values)
        monkeypatch.undo()
        axes = (0, *range(2, values.ndim))
        for one, two in zip(whole, parts, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12)
        mean, std = values.mean(axes), values.std(axes)
        np.testing.assert_allclose(whole[0].ravel(), mean, rtol=1e-5)
        np.testing.assert_allclose(whole[1].ravel()[[0, 2, 3]], std[[0, 2, 3]], 1e-5)
        assert whole[1].ravel()[1] == 1


@pytest.mark.parametrize("n_samples", [9, 11])
def test_as_many_samples_as_labels_must_come(n_samples, rng):
    store = FeatureStore(n_samples, 1000)
    for part in np.array_split(rng.normal(size=(10, 3)), 4):
        store.append(part)
    with pytest.raises(InputError, match=f"10 samples, but there are {n_samples}"):
        store.filled()


def test_a_wrong_size_is_refused(rng):
    classifier, X, y = table(rng, True)
    with pytest.raises(InputError, match="max_feature_bytes"):
        TCPConfidence(classifier, max_feature_bytes=-1).fit(X, y)
