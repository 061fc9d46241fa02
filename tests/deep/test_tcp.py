"""The learned probability of the true class: targets, features, folds, maps."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from skorch import NeuralNetClassifier
from torch import nn

from skuq.deep import (
    MaximumProbabilityConfidence,
    TCPConfidence,
    TorchModuleClassifier,
    TrustScore,
)
from skuq.deep._confidence_features import read
from skuq.deep._tcp import refitted
from skuq.deep._tcp_net import Lesson, target_of, weight_of
from skuq.exceptions import InputError, NoErrorsWarning
from skuq.metrics import error_detection_scores

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


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU())
        self.head = nn.Conv2d(5, 3, 1)

    def forward(self, x):
        return self.head(self.body(x))


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


@pytest.fixture
def maps(rng):
    X = rng.normal(size=(12, 1, 6, 5)).astype(np.float32)
    return X, rng.integers(3, size=(12, 6, 5))


@pytest.fixture
def answers(rng):
    return rng.dirichlet([0.5] * 4, size=2000), rng.integers(4, size=2000)


# ------------------------------------------------------------------------- targets


def test_a_true_class_probability_above_one_half_means_a_right_answer(answers):
    proba, codes = answers
    tcp, right = target_of(proba, codes, "tcp"), proba.argmax(1) == codes
    assert right[tcp > 1 / 2].all()
    assert not right[tcp < 1 / 4].any()
    between = (tcp >= 1 / 4) & (tcp <= 1 / 2)
    assert 0 < right[between].mean() < 1


def test_the_true_normalized_tcp_tells_all_errors(answers):
    proba, codes = answers
    truth = target_of(proba, codes, "normalized_tcp")
    assert (truth[proba.argmax(1) == codes] == 1).all()
    scores = error_detection_scores(codes, proba, confidence=truth)
    assert scores["auroc"] == 1
    assert scores["fpr_at_tpr"] == 0
    assert scores["aupr_error"] == pytest.approx(1)


def test_targets_by_hand():
    proba = np.array([[0.5, 0.25, 0.25], [0.5, 0.2, 0.3]])
    codes = np.array([0, 1])
    np.testing.assert_allclose(target_of(proba, codes, "tcp"), [0.5, 0.2])
    np.testing.assert_allclose(target_of(proba, codes, "normalized_tcp"), [1, 0.4])
    np.testing.assert_array_equal(target_of(proba, codes, "error"), [1, 0])


def test_balanced_errors_weigh_as_much_as_right_answers():
    right = np.array([True, True, True, False, False])
    counts = np.array([True, True, True, True, False])
    weight = weight_of(right, counts, "balanced")
    np.testing.assert_allclose(weight, [5 / 6, 5 / 6, 5 / 6, 5 / 2, 0])
    np.testing.assert_allclose(weight_of(right, counts, 3.0)[3:], [5 / 2, 0])


@pytest.mark.parametrize("right", [True, False])
def test_balanced_weights_are_equal_where_there_is_one_kind_only(right):
    right = np.full(4, right)
    np.testing.assert_array_equal(weight_of(right, np.ones(4, bool), "balanced"), 1)


def test_the_losses_by_hand():
    logit, half = torch.zeros(2, 1), torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert float(Lesson(False)(logit, half)) == pytest.approx(0.25)
    assert float(Lesson(True)(logit, half)) == pytest.approx(np.log(2))


# ------------------------------------------------------------------------ features


def test_auto_reads_the_input_of_the_last_layer_that_is_called(images):
    X, _ = images
    module = Convolutional()
    features, proba, layer = read(TorchModuleClassifier(module, 3), X, "auto")
    assert layer == "head"
    module.eval()
    with torch.no_grad():
        encoded = module.encoder(torch.from_numpy(X)).mean((2, 3))
        logits = module(torch.from_numpy(X))
    np.testing.assert_allclose(features, encoded.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(proba, logits.softmax(1).numpy(), rtol=1e-5)


def test_features_with_positions_are_averaged_where_answers_have_none(images):
    X, _ = images
    network = TorchModuleClassifier(Convolutional(), 3)
    features, *_ = read(network, X, "encoder.1")
    assert features.shape == (30, 4)


def test_batches_give_the_features_of_the_whole(images):
    X, _ = images
    module = Convolutional()
    whole = read(TorchModuleClassifier(module, 3), X, "auto")
    parts = read(TorchModuleClassifier(module, 3, batch_size=7), X, "auto")
    np.testing.assert_allclose(parts.features, whole.features, rtol=1e-5, atol=1e-6)


def test_an_unknown_layer_is_refused_with_the_names(images):
    model = TCPConfidence(TorchModuleClassifier(Convolutional(), 3), layer="hed")
    with pytest.raises(InputError, match=r"'head'.*got 'hed'"):
        model.fit(*images)


def test_a_layer_that_gets_no_tensor_by_position_is_refused(images):
    class Named(Convolutional):
        def forward(self, x):
            return self.head(input=self.encoder(x).mean((2, 3)))

    model = TCPConfidence(TorchModuleClassifier(Named(), 3), layer="head", **SMALL)
    with pytest.raises(InputError, match="no input reached the layer 'head'"):
        model.fit(*images)


@pytest.mark.parametrize(("layer", "n"), [("both", 7), ("input", 4), ("proba", 3)])
def test_other_classifiers_give_input_and_probabilities(layer, n, table):
    X, y = table
    model = TCPConfidence(GaussianNB(), layer=layer, **SMALL).fit(X, y)
    assert model.layer_ == layer
    assert model.net_.module_[1].in_features == n


# ---------------------------------------------------------------------- true class


def test_learned_tcp_comes_near_the_true_one(rng):
    # The class is noise in one half of the plane, and clear in the other.
    X = rng.uniform(-1, 1, size=(2000, 2)).astype(np.float32)
    y = np.where(X[:, 0] > 0, X[:, 1] > 0, rng.random(2000) > 0.5).astype(int)
    forest = RandomForestClassifier(50, min_samples_leaf=10, random_state=0)
    model = TCPConfidence(
        forest, cv=3, hidden_layer_sizes=(50,), max_epochs=20, random_state=0
    ).fit(X, y)
    confidence = model.predict_confidence(X)
    assert confidence[X[:, 0] > 0.1].mean() > 0.9
    assert abs(confidence[X[:, 0] < -0.1].mean() - 0.5) < 0.1


def test_the_same_seed_gives_the_same_network(table):
    X, y = table
    first, second = (TCPConfidence(GaussianNB(), **SMALL).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(
        first.predict_confidence(X), second.predict_confidence(X)
    )


def test_no_error_in_training_is_warned_of(table):
    X, y = table
    two = y != "virginica"
    with pytest.warns(NoErrorsWarning, match="set cv"):
        model = TCPConfidence(GaussianNB(), **SMALL).fit(X[two], y[two])
    assert model.n_errors_ == 0
    assert np.isfinite(model.predict_confidence(X)).all()


def test_errors_alone_can_be_learned_from(table):
    X, y = table
    classifier = LogisticRegression().fit(X, y)
    wrong = np.roll(classifier.classes_, 1)[
        np.searchsorted(classifier.classes_, classifier.predict(X))
    ]
    model = TCPConfidence(
        classifier, error_weight="balanced", hidden_layer_sizes=(16,), random_state=0
    ).fit(X, wrong)
    assert model.n_errors_ == len(X)
    assert model.predict_confidence(X).mean() < 1 / 3


def test_samples_may_miss_classes(table):
    X, y = table
    classifier = GaussianNB().fit(X, y)
    rows = y != "setosa"
    model = TCPConfidence(classifier, **SMALL).fit(X[rows], y[rows])
    assert list(model.classes_) == ["setosa", "versi", "virginica"]
    trust = TrustScore(classifier).fit(X[rows], y[rows])
    assert trust.predict_confidence(X[:50]).max() == 0


def test_unknown_labels_are_refused(table):
    X, y = table
    classifier = GaussianNB().fit(X, y)
    wrong = y.copy()
    wrong[50:75] = "tulip"  # beside all known ones
    for cv in (None, 3):
        with pytest.raises(InputError, match="tulip"):
            TCPConfidence(classifier, cv=cv, **SMALL).fit(X, wrong)


def test_out_of_fold_targets_find_the_errors_that_training_hides(table):
    X, y = table
    forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    with pytest.warns(NoErrorsWarning):
        seen = TCPConfidence(forest, **SMALL).fit(X, y)
    held_out = TCPConfidence(forest, cv=3, **SMALL).fit(X, y)
    assert seen.n_errors_ == 0
    assert held_out.n_errors_ > 0
    assert held_out.estimator_ is forest


def test_folds_that_miss_a_class_or_rows_are_fine(table):
    X, y = table
    order = [(np.arange(100), np.arange(100, 150)), (np.arange(50, 150), np.arange(50))]
    model = TCPConfidence(GaussianNB(), cv=order, **SMALL).fit(X, y)
    assert model.n_errors_ == 100
    some = ShuffleSplit(1, test_size=0.2, random_state=0)
    assert TCPConfidence(GaussianNB(), cv=some, **SMALL).fit(X, y).n_errors_ <= 30


def test_clones_of_a_trained_network_start_anew(images):
    X, y = images
    net = skorch_net(Convolutional(), lr=0.0).fit(X, y)
    before = net.module_.head.weight.clone()
    again = refitted(FrozenEstimator(net), X, y, 5)
    assert not torch.equal(again.module_.head.weight, before)
    assert torch.equal(net.module_.head.weight, before)
    same = refitted(net, X, y, 5)
    assert torch.equal(same.module_.head.weight, again.module_.head.weight)


def test_out_of_fold_targets_need_a_network_that_can_be_trained(images):
    model = TCPConfidence(TorchModuleClassifier(Convolutional(), 3), cv=3, **SMALL)
    with pytest.raises(InputError, match="cannot be trained"):
        model.fit(*images)


def test_out_of_fold_targets_of_a_network(images):
    X, y = images
    net = skorch_net(Convolutional).fit(X, y)
    model = TCPConfidence(net, cv=2, **SMALL).fit(X, y)
    assert model.predict_confidence(X).shape == (30,)


def test_a_module_of_ones_own_is_copied(table):
    X, y = table
    module = nn.Sequential(nn.Linear(7, 1))
    before = module[0].weight.clone()
    model = TCPConfidence(GaussianNB(), module=module, max_epochs=1).fit(X, y)
    assert torch.equal(module[0].weight, before)
    assert not torch.equal(model.net_.module_[0].weight, before)
    with pytest.raises(InputError, match=r"\(2, 2\)"):
        TCPConfidence(GaussianNB(), module=nn.Linear(7, 2)).fit(X, y)


@pytest.mark.parametrize(
    "wrong",
    [{"target": "mcp"}, {"error_weight": 0}, {"error_weight": "b"}, {"layer": "fc"}],
)
def test_wrong_options_are_refused(wrong, table):
    with pytest.raises(InputError, match=next(iter(wrong))):
        TCPConfidence(GaussianNB(), **wrong).fit(*table)


def test_tcp_finds_more_errors_than_the_largest_probability_on_noisy_digits():
    X, y = load_digits(return_X_y=True)
    precision = {"maximum": [], "tcp": []}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        noisy = np.where(rng.random(len(y)) < 0.1, rng.integers(10, size=len(y)), y)
        order = rng.permutation(len(y))
        train, test = order[:1000], order[1000:]
        classifier = GaussianNB().fit(X[train], noisy[train])
        proba = classifier.predict_proba(X[test])
        options = {"hidden_layer_sizes": (100, 100), "max_epochs": 15}
        for name, model in {
            "maximum": MaximumProbabilityConfidence(classifier),
            "tcp": TCPConfidence(classifier, **options, random_state=seed),
        }.items():
            confidence = model.fit(X[train], noisy[train]).predict_confidence(X[test])
            scores = error_detection_scores(
                noisy[test], proba, confidence=confidence.astype(np.float64)
            )
            precision[name].append(scores["aupr_error"])
    assert np.greater(precision["tcp"], precision["maximum"]).all(), precision
    assert np.mean(precision["tcp"]) > np.mean(precision["maximum"]) + 0.1


# ---------------------------------------------------------------------------- maps


@pytest.mark.parametrize("wrap", [skorch_net, None], ids=["skorch", "module"])
def test_maps_get_a_confidence_at_every_position(wrap, maps):
    X, y = maps
    void = y.copy()
    void[0, :3] = -100
    module = Segmenter()
    network = TorchModuleClassifier(module, 3)
    if wrap is not None:
        network = wrap(module).fit(X, void)
    model = TCPConfidence(network, ignore_index=-100, **SMALL).fit(X, void)
    confidence = model.predict_confidence(X)
    assert confidence.shape == y.shape
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X).argmax(1))
    assert model.score(X, y) == np.mean(model.predict(X) == y)


def test_void_positions_do_not_count(maps):
    X, y = maps
    void = np.where(np.arange(12)[:, None, None] < 6, y, -1)
    # One batch, and no scaling by the samples: maps that are all void change nothing.
    options = {"module": nn.Conv2d(5, 1, 1), "batch_size": 12, "lr": 0.1, **SMALL}
    model = TCPConfidence(
        TorchModuleClassifier(Segmenter(), 3), ignore_index=-1, **options
    )
    all_maps = model.fit(X, void).predict_confidence(X)
    n_errors = model.n_errors_
    some_maps = model.fit(X[:6], y[:6]).predict_confidence(X)
    np.testing.assert_allclose(all_maps, some_maps, rtol=1e-5)
    assert model.n_errors_ == n_errors
    other = model.fit(X, y).predict_confidence(X)
    assert not np.allclose(other, some_maps, rtol=1e-4)


def test_features_of_another_size_than_the_map_are_refused(maps):
    class Upsampling(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Conv2d(1, 3, 1)

        def forward(self, x):
            return nn.functional.interpolate(self.head(x), scale_factor=2)

    X, y = maps
    model = TCPConfidence(TorchModuleClassifier(Upsampling(), 3), **SMALL)
    with pytest.raises(InputError, match="size of the map"):
        model.fit(X, y.repeat(2, 1).repeat(2, 2))


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW])
def test_steps_of_adam_in_one_pass_are_those_of_a_loop(optimizer):
    X, y = load_digits(return_X_y=True)
    model = GaussianNB().fit(X, y)
    found = [
        TCPConfidence(model, optimizer=optimizer, net_params=options, **SMALL)
        .fit(X, y)
        .predict_confidence(X)
        for options in (None, {"optimizer__foreach": False})
    ]
    np.testing.assert_allclose(*found, atol=1e-4)
    assert np.ptp(found[0]) > 0.1


def test_another_optimizer_is_taken_as_it_is():
    X, y = load_iris(return_X_y=True)
    model = TCPConfidence(GaussianNB().fit(X, y), optimizer=torch.optim.SGD, **SMALL)
    assert type(model.fit(X, y).confidence_net_.net_.optimizer_) is torch.optim.SGD
