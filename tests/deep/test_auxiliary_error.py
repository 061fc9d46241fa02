"""A network that learns where a segmenter errs; the segmenter stays as it is."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from skorch import NeuralNetClassifier
from torch import nn

from skuq.datasets import make_ellipses
from skuq.deep import AuxiliaryErrorNet, TCPConfidence, TorchModuleClassifier
from skuq.exceptions import InputError, NoErrorsWarning
from skuq.metrics import expected_calibration_error, uncertainty_error_overlap

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 2, "random_state": 0}


class Segmenter(nn.Module):
    def __init__(self, n_channels=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_channels, 8, 5, padding=2),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
        )
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x):
        return self.head(self.body(x))


def trained(images, y, n_steps=40):
    """A segmenter after a few steps, so that it errs where it is hard."""
    module = Segmenter()
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    X, y = torch.from_numpy(images), torch.from_numpy(y)
    for step in range(n_steps):
        rows = torch.arange(8 * step, 8 * step + 8) % len(X)
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(X[rows]), y[rows]).backward()
        optimizer.step()
    return TorchModuleClassifier(module, 3)


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture
def maps(rng):
    X = rng.normal(size=(10, 1, 6, 5)).astype(np.float32)
    return X, rng.integers(3, size=(10, 6, 5))


@pytest.fixture(scope="module")
def ellipses():
    """A trained segmenter, images to learn errors from, and others to test."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        images, y, _ = make_ellipses(120, shape=(32, 32), noise=0.4, random_state=0)
        segmenter = trained(images[:40], y[:40])
    return segmenter, (images[40:80], y[40:80]), (images[80:], y[80:])


def auroc_of_errors(model, X, y):
    wrong = model.predict(X) != y
    return roc_auc_score(wrong.ravel(), model.predict_uncertainty(X).ravel())


def test_errors_on_new_images_are_found_with_honest_probabilities(ellipses):
    segmenter, learned, new = ellipses
    model = AuxiliaryErrorNet(segmenter, random_state=0).fit(*learned)
    assert auroc_of_errors(model, *new) > 0.75
    wrong = (model.predict(new[0]) != new[1]).astype(int)
    unsure = model.predict_uncertainty(new[0])
    proba = np.stack([1 - unsure, unsure], axis=1)
    assert 0.02 < wrong.mean() < 0.3
    assert expected_calibration_error(wrong, proba, kind="positive") < 0.03
    flagging_all = 2 * wrong.mean() / (1 + wrong.mean())
    overlap = uncertainty_error_overlap(
        new[1], model.predict(new[0]), unsure, threshold=0.3, average="pooled"
    )
    assert overlap > flagging_all + 0.05


def test_tcp_confidence_on_maps_finds_errors_too(ellipses):
    segmenter, learned, new = ellipses
    options = {"hidden_layer_sizes": (32, 32), "batch_size": 16, "lr": 0.01}
    model = TCPConfidence(segmenter, max_epochs=10, random_state=0, **options)
    model.fit(*learned)
    assert auroc_of_errors(model, *new) > 0.7
    confidence = model.predict_confidence(new[0])
    proba = model.predict_proba(new[0])
    tcp = np.take_along_axis(proba, new[1][:, None], axis=1)[:, 0]
    by_mean = ((tcp - tcp.mean()) ** 2).mean()
    assert ((tcp - confidence) ** 2).mean() < 0.9 * by_mean


def test_the_network_is_that_of_the_paper(maps):
    model = AuxiliaryErrorNet(TorchModuleClassifier(Segmenter(), 3), max_epochs=1)
    layers = list(model.fit(*maps).net_.module_)
    kinds = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 3 + [nn.Conv2d]
    assert [type(layer) for layer in layers] == kinds
    assert {layer.kernel_size for layer in layers[::3]} == {(1, 1)}
    assert [layer.out_channels for layer in layers[::3]] == [32, 32, 32, 1]
    assert model.layer_ == "head"
    assert isinstance(model.net_.criterion_, nn.Module)
    assert model.net_.criterion_.cross_entropy


def test_each_pixel_is_judged_by_its_own_features(maps):
    X, y = maps
    segmenter = TorchModuleClassifier(
        nn.Sequential(nn.Identity(), nn.Conv2d(1, 3, 1)), 3
    )
    model = AuxiliaryErrorNet(segmenter, **SMALL).fit(X, y)
    whole = model.predict_confidence(X)
    np.testing.assert_allclose(
        model.predict_confidence(X[:, :, 2:4, 1:3]), whole[:, 2:4, 1:3], rtol=1e-5
    )


def test_the_segmenter_is_frozen(ellipses):
    segmenter, learned, (X, y) = ellipses
    before = pickle.dumps(segmenter.module.state_dict())
    proba = segmenter.predict_proba(X)
    model = AuxiliaryErrorNet(segmenter, **SMALL).fit(*learned)
    assert pickle.dumps(segmenter.module.state_dict()) == before
    assert model.estimator_ is segmenter
    np.testing.assert_array_equal(model.predict_proba(X), proba)
    np.testing.assert_array_equal(model.predict(X), segmenter.predict(X))
    np.testing.assert_allclose(
        model.predict_uncertainty(X), 1 - model.predict_confidence(X)
    )
    assert model.score(X, y) == segmenter.score(X, y)


def test_void_pixels_do_not_count(maps):
    X, y = maps
    segmenter = TorchModuleClassifier(Segmenter(), 3)
    right = segmenter.predict(X)
    void = np.where(np.arange(6)[:, None] < 3, right, 255)
    model = AuxiliaryErrorNet(segmenter, ignore_index=255, **SMALL)
    with pytest.warns(NoErrorsWarning):
        model.fit(X, void)
    assert model.n_errors_ == 0
    void[:, :3] = y[:, :3]
    assert model.fit(X, void).n_errors_ == (right != y)[:, :3].sum()
    assert model.score(X, void) == pytest.approx((right == y)[:, :3].mean())


def test_skorch_nets_are_taken_and_trained_if_they_are_not(maps):
    X, y = maps
    net = NeuralNetClassifier(
        Segmenter,
        criterion=nn.CrossEntropyLoss,
        max_epochs=1,
        train_split=None,
        verbose=0,
    )
    model = AuxiliaryErrorNet(net, **SMALL).fit(X, y)
    assert model.estimator_ is not net
    assert model.predict_confidence(X).shape == y.shape
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1, rtol=1e-5)
    held_out = AuxiliaryErrorNet(model.estimator_, cv=2, **SMALL).fit(X, y)
    assert held_out.n_errors_ != model.n_errors_


def test_a_seed_gives_the_same_network(maps):
    segmenter = TorchModuleClassifier(Segmenter(), 3)
    first, again = (AuxiliaryErrorNet(segmenter, **SMALL).fit(*maps) for _ in range(2))
    other = clone(first).set_params(random_state=1, estimator=segmenter).fit(*maps)
    X = maps[0]
    expected = first.predict_confidence(X)
    np.testing.assert_array_equal(again.predict_confidence(X), expected)
    assert not np.allclose(other.predict_confidence(X), expected, rtol=1e-3)


def test_errors_can_weigh_more(ellipses):
    segmenter, learned, (X, y) = ellipses
    plain, balanced = (
        AuxiliaryErrorNet(segmenter, error_weight=weight, max_epochs=8, random_state=0)
        .fit(*learned)
        .predict_uncertainty(X)
        .mean()
        for weight in (1.0, "balanced")
    )
    assert plain == pytest.approx((segmenter.predict(X) != y).mean(), abs=0.03)
    assert balanced > plain + 0.1


@pytest.mark.parametrize("n_rows", [33, 40])
def test_tables_are_taken_with_any_number_of_rows(n_rows, rng):
    X, y = rng.normal(size=(n_rows, 4)), rng.integers(2, size=n_rows)
    model = AuxiliaryErrorNet(LogisticRegression(), batch_size=16, **SMALL).fit(X, y)
    assert model.predict_confidence(X).shape == (n_rows,)


def test_tensors_give_tensors(maps):
    X, y = maps
    model = AuxiliaryErrorNet(TorchModuleClassifier(Segmenter(), 3), **SMALL).fit(X, y)
    confidence = model.predict_confidence(torch.from_numpy(X))
    assert type(confidence) is torch.Tensor
    np.testing.assert_array_equal(confidence, model.predict_confidence(X))


def test_bad_layers_and_weights_are_refused(maps):
    segmenter = TorchModuleClassifier(Segmenter(), 3)
    with pytest.raises(InputError, match=r"'head'.*got 'heed'"):
        AuxiliaryErrorNet(segmenter, layer="heed").fit(*maps)
    with pytest.raises(InputError, match="error_weight"):
        AuxiliaryErrorNet(segmenter, error_weight=-1).fit(*maps)
