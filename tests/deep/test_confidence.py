"""Confidence in the answers of a classifier: one interface, and the baselines."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from torch import nn

from skuq.deep import (
    EntropyConfidence,
    MaximumProbabilityConfidence,
    MCDropoutConfidence,
    TCPConfidence,
    TorchModuleClassifier,
    TrustScore,
)
from skuq.exceptions import InputError

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}


class Convolutional(nn.Module):
    """Has batch normalisation, dropout and an activation that works in place."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        )
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.drop(self.encoder(x).mean((2, 3))))


def skorch_net(module, **options):
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        max_epochs=2,
        train_split=None,
        verbose=0,
        **options,
    )


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture
def table():
    X, y = load_iris(return_X_y=True)
    return X.astype(np.float32), np.array(["setosa", "versi", "virginica"])[y]


@pytest.fixture
def images(rng):
    X = rng.normal(size=(30, 1, 6, 6)).astype(np.float32)
    return X, rng.integers(3, size=30)


CONFIDENCES = {
    "tcp": lambda model: TCPConfidence(model, **SMALL),
    "normalized": lambda model: TCPConfidence(model, target="normalized_tcp", **SMALL),
    "error": lambda model: TCPConfidence(model, target="error", **SMALL),
    "maximum": MaximumProbabilityConfidence,
    "entropy": EntropyConfidence,
    "trust": TrustScore,
}
all_confidences = pytest.mark.parametrize("make", CONFIDENCES.values(), ids=CONFIDENCES)


# ------------------------------------------------------------------- one interface


@all_confidences
def test_confidences_lie_in_the_unit_interval_and_answers_are_the_classifiers(
    make, table
):
    X, y = table
    classifier = GaussianNB().fit(X, y)
    model = make(classifier).fit(X, y)
    confidence = model.predict_confidence(X)
    assert confidence.shape == (len(X),)
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    np.testing.assert_array_equal(model.predict_uncertainty(X), 1 - confidence)
    np.testing.assert_array_equal(model.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(model.predict(X), classifier.predict(X))
    np.testing.assert_array_equal(model.classes_, classifier.classes_)
    assert model.score(X, y) == classifier.score(X, y)
    assert model.estimator_ is classifier


@all_confidences
def test_an_unfitted_classifier_is_trained_as_a_clone(make, table):
    X, y = table
    classifier = GaussianNB()
    model = make(classifier).fit(X, y)
    assert not hasattr(classifier, "classes_")
    expected = GaussianNB().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X), expected)


@all_confidences
def test_pickles_predict_the_same(make, table):
    X, y = table
    model = make(make_pipeline(StandardScaler(), GaussianNB())).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.predict_confidence(X), model.predict_confidence(X)
    )


@all_confidences
@pytest.mark.parametrize("wrap", [skorch_net, None], ids=["skorch", "module"])
def test_a_network_stays_bit_by_bit_as_it_was(make, wrap, images):
    X, y = images
    module = Convolutional()
    if wrap is None:
        network = TorchModuleClassifier(module, 3)
    else:
        network = wrap(module).fit(X, y)
        module = network.module_
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    own = network.predict_proba(X)
    generator = torch.get_rng_state()
    module.train()
    model = make(network).fit(X, y)
    confidence = model.predict_confidence(X)
    assert confidence.shape == (30,)
    np.testing.assert_array_equal(model.predict_proba(X), own)
    after = module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not any(part._forward_pre_hooks for part in module.modules())
    assert torch.equal(torch.get_rng_state(), generator)


@all_confidences
def test_confidences_do_not_depend_on_the_other_samples(make, images):
    X, y = images
    model = make(TorchModuleClassifier(Convolutional(), 3)).fit(X, y)
    whole = model.predict_confidence(X)
    parts = [model.predict_confidence(X[i : i + 7]) for i in range(0, 30, 7)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)


def test_tensors_give_tensors_where_the_classifier_does(images):
    X, y = images
    model = TCPConfidence(TorchModuleClassifier(Convolutional(), 3), **SMALL).fit(X, y)
    confidence = model.predict_confidence(torch.from_numpy(X))
    assert isinstance(confidence, torch.Tensor)
    np.testing.assert_array_equal(confidence.numpy(), model.predict_confidence(X))


def test_a_classifier_without_probabilities_is_refused(table):
    with pytest.raises(InputError, match="CalibratedModel"):
        MaximumProbabilityConfidence(SVC()).fit(*table)


def test_a_bare_module_is_refused_with_a_remedy(table):
    with pytest.raises(TypeError, match="TorchModuleClassifier"):
        MaximumProbabilityConfidence(nn.Linear(4, 3)).fit(*table)


# ----------------------------------------------------------------------- baselines


class TwoPoints(GaussianNB):
    """Always answers the first class."""

    def predict_proba(self, X):
        return np.tile([0.75, 0.25], (len(X), 1))


@pytest.fixture
def points():
    X = np.array([[0.0], [1.0], [10.0], [11.0]])
    return X, np.array([0, 0, 1, 1])


def test_the_trust_score_by_hand(points):
    X, y = points
    model = TrustScore(TwoPoints()).fit(X, y)
    queries = [[0.0], [4.0], [5.5], [10.0]]
    # Distances to the other and the answered class: 10 0, 6 3, 4.5 4.5, 0 9.
    np.testing.assert_allclose(
        model.predict_confidence(queries), [1, 6 / 9, 1 / 2, 0], atol=1e-6
    )


def test_alpha_leaves_out_the_least_dense_samples():
    X = np.array([[0.0], [0.1], [0.2], [9.0], [10.0], [10.1], [10.2], [10.3]])
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    model = TrustScore(TwoPoints(), alpha=0.25, n_neighbors=1).fit(X, y)
    # Without the stray point at 9, the first class is 8.8 away and the second 1.
    np.testing.assert_allclose(model.predict_confidence([[9.0]]), [1 / 9.8], rtol=1e-5)


def test_a_point_of_both_classes_is_undecided():
    X, y = np.zeros((4, 1)), np.array([0, 0, 1, 1])
    assert TrustScore(TwoPoints()).fit(X, y).predict_confidence([[0.0]]) == [0.5]


@pytest.mark.parametrize("wrong", [{"alpha": 1.0}, {"n_neighbors": 0}])
def test_wrong_options_of_the_trust_score_are_refused(wrong, points):
    with pytest.raises(InputError, match=next(iter(wrong))):
        TrustScore(TwoPoints(), **wrong).fit(*points)


def test_probability_confidences_by_hand(points):
    X, y = points
    maximum = MaximumProbabilityConfidence(TwoPoints()).fit(X, y)
    np.testing.assert_array_equal(maximum.predict_confidence(X), 0.75)
    surprise = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    entropy = EntropyConfidence(TwoPoints()).fit(X, y)
    np.testing.assert_allclose(entropy.predict_confidence(X), 1 - surprise)


@pytest.mark.parametrize("measure", ["entropy", "max_probability"])
def test_dropout_changes_the_confidence_and_not_the_answers(measure, images):
    X, y = images
    network = TorchModuleClassifier(Convolutional(), 3)
    model = MCDropoutConfidence(network, measure=measure, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), network.predict_proba(X))
    confidence = model.predict_confidence(X)
    np.testing.assert_array_equal(model.predict_confidence(X), confidence)
    mean = model.wrapper_.predict_proba(X)
    expected = mean.max(1)
    if measure == "entropy":
        expected = 1 + (mean * np.log(mean)).sum(1) / np.log(3)
    np.testing.assert_allclose(confidence, expected, rtol=1e-5)


def test_confidences_can_be_cloned(points):
    for make in CONFIDENCES.values():
        model = make(GaussianNB())
        assert clone(model).get_params().keys() == model.get_params().keys()


def test_the_trust_score_is_for_tables(rng):
    X, y = np.zeros((4, 1, 3, 3), dtype=np.float32), rng.integers(3, size=(4, 3, 3))
    with pytest.raises(InputError, match="one label per sample"):
        TrustScore(TorchModuleClassifier(nn.Conv2d(1, 3, 1), 3)).fit(X, y)
