"""Learned confidence that corrects the largest probability."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB
from torch import nn

from skuq.deep import TCPConfidence, TorchModuleClassifier
from skuq.deep._confidence_features import log_odds, read

SMALL = {"hidden_layer_sizes": (16,), "residual": True, "random_state": 0}


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture
def table():
    X, y = load_iris(return_X_y=True)
    return X.astype(np.float32), y


def network(n_channels=2):
    return nn.Sequential(
        nn.Conv2d(n_channels, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 3, 1)
    )


def image_network():
    return nn.Sequential(*network()[:2], nn.Flatten(), nn.Linear(5 * 36, 3))


@pytest.fixture(params=["table", "images", "maps"])
def problem(request, table, rng):
    """A classifier and samples with labels."""
    if request.param == "table":
        X, y = table
        return GaussianNB().fit(X, y), X, y
    X = rng.normal(size=(30, 2, 6, 6)).astype(np.float32)
    if request.param == "images":
        return TorchModuleClassifier(image_network(), 3), X, rng.integers(3, size=30)
    y = rng.integers(3, size=(30, 6, 6))
    return TorchModuleClassifier(network(), 3, batch_size=8), X, y


def test_training_starts_at_the_largest_probability(problem):
    model, X, y = problem
    learner = TCPConfidence(model, max_epochs=0, **SMALL).fit(X, y)
    top = model.predict_proba(X).max(axis=1)
    np.testing.assert_allclose(learner.predict_confidence(X), top, rtol=0, atol=1e-6)


def test_training_leaves_the_largest_probability(problem):
    model, X, y = problem
    learner = TCPConfidence(model, max_epochs=5, lr=0.03, **SMALL).fit(X, y)
    top = model.predict_proba(X).max(axis=1)
    assert np.abs(learner.predict_confidence(X) - top).max() > 1e-3
    again = pickle.loads(pickle.dumps(learner)).predict_confidence(X)
    np.testing.assert_array_equal(again, learner.predict_confidence(X))


def test_the_confidence_is_the_formula_of_the_notes(table):
    X, y = table
    model = GaussianNB().fit(X, y)
    learner = TCPConfidence(model, max_epochs=5, **SMALL).fit(X, y)
    module = learner.net_.module_
    features, proba, _ = read(model, X, learner.layer_)
    with torch.no_grad():
        added = module.module(torch.from_numpy(features))[:, 0].numpy()
    a, b = module.slope.item(), module.gain.item()
    assert a != 1
    assert b != 0
    logit = a * log_odds(proba)[:, 0] + b * added
    np.testing.assert_allclose(
        learner.predict_confidence(X), 1 / (1 + np.exp(-logit)), rtol=1e-4
    )


def test_log_odds_are_finite_where_single_precision_rounds_to_one():
    proba = np.array([[0.5, 0.5], [1.0, 0.0], [0.2, 0.8]])
    expected = [0, np.log(2**24 - 1), np.log(4)]
    np.testing.assert_allclose(log_odds(proba)[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("problem", ["images", "maps"], indirect=True)
def test_fine_tuning_keeps_the_odds_of_the_classifier(problem):
    model, X, y = problem
    options = {**SMALL, "max_epochs": 3}
    first = TCPConfidence(model, **options).fit(X, y)
    still = TCPConfidence(model, fine_tune_epochs=1, fine_tune_lr=1e-30, **options).fit(
        X, y
    )
    np.testing.assert_allclose(
        still.predict_confidence(X), first.predict_confidence(X), rtol=1e-5
    )
    tuned = TCPConfidence(model, fine_tune_epochs=3, fine_tune_lr=0.1, **options)
    tuned.fit(X, y)
    assert (
        np.abs(tuned.predict_confidence(X) - first.predict_confidence(X)).max() > 0.01
    )
    # Where the network adds nothing, the confidence is the classifier's own, whatever
    # the copy has become.
    with torch.no_grad():
        tuned.net_.module_.slope.fill_(1)
        tuned.net_.module_.gain.fill_(0)
    top = model.predict_proba(X).max(axis=1)
    np.testing.assert_allclose(tuned.predict_confidence(X), top, rtol=0, atol=1e-6)


def test_folds_give_odds_of_what_was_held_out(table):
    X, y = table
    learner = TCPConfidence(GaussianNB(), cv=3, max_epochs=3, **SMALL)
    confidence = learner.fit(X, y).predict_confidence(X)
    assert confidence.shape == y.shape
    assert ((confidence > 0) & (confidence < 1)).all()
