"""The second stage of learned confidence: a copy of the encoder is fine-tuned."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier
from torch import nn

from skuq.deep import TCPConfidence, TorchModuleClassifier
from skuq.deep._tcp import refitted
from skuq.deep._training import seeds
from skuq.exceptions import InputError

STAGES = {
    "hidden_layer_sizes": (16,),
    "max_epochs": 3,
    "fine_tune_epochs": 3,
    "fine_tune_lr": 0.01,
    "random_state": 0,
}
NO_STEP = {**STAGES, "fine_tune_lr": 1e-30, "fine_tune_epochs": 1}


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


def module_classifier(module, X, y, **options):
    return TorchModuleClassifier(module, 3, **options)


def skorch_classifier(module, X, y):
    net = NeuralNetClassifier(
        module, criterion=nn.CrossEntropyLoss, train_split=None, verbose=0
    )
    return net.fit(X, y)


def in_pipeline(module, X, y):
    net = FrozenEstimator(module_classifier(module, X, y))
    return make_pipeline(FunctionTransformer(np.negative), net)


every_network = pytest.mark.parametrize(
    "wrap", [module_classifier, skorch_classifier, in_pipeline]
)


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture
def images(rng):
    X = rng.normal(size=(40, 1, 6, 6)).astype(np.float32)
    return X, rng.integers(3, size=40)


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@every_network
def test_the_classifier_stays_bit_by_bit_as_it_was(wrap, images):
    X, y = images
    module = Convolutional()
    network = wrap(module, X, y)
    if isinstance(network, NeuralNetClassifier):
        module = network.module_
    module.train()
    own = network.predict_proba(X)
    module.train()
    before, generator = state_of(module), torch.get_rng_state()
    model = TCPConfidence(network, **STAGES).fit(X, y)
    model.predict_confidence(X)
    np.testing.assert_array_equal(model.predict_proba(X), own)
    after = module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    if wrap is not skorch_classifier:  # which changes modes and keeps gradients itself
        assert all(part.training for part in module.modules())
        assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(part._forward_pre_hooks for part in module.modules())
    assert torch.equal(torch.get_rng_state(), generator)


@every_network
def test_the_copy_learns_without_dropout_or_moving_statistics(wrap, images):
    X, y = images
    network = wrap(Convolutional(), X, y)
    model = TCPConfidence(network, **STAGES).fit(X, y)
    encoder = model.encoder_
    copy = getattr(encoder, "module_", None) or encoder.module
    first = TCPConfidence(network, **NO_STEP).fit(X, y).encoder_
    original = getattr(first, "module_", None) or first.module
    learned = {name for name, _ in copy.named_parameters()}
    for name, value in copy.state_dict().items():
        same = torch.equal(value, original.state_dict()[name])
        # The last layer gives no features, and what is no parameter is no weight.
        assert same == (name not in learned or name.startswith("head")), name
    losses = model.fine_tune_losses_
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert not any(part._forward_pre_hooks for part in copy.modules())
    again = TCPConfidence(network, **STAGES).fit(X, y)
    expected = model.predict_confidence(X)
    np.testing.assert_array_equal(again.predict_confidence(X), expected)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict_confidence(X), expected)
    assert not np.allclose(expected, first_stage(network, X, y))


def first_stage(network, X, y):
    options = {**STAGES, "fine_tune_epochs": 0}
    model = TCPConfidence(network, **options).fit(X, y)
    assert model.encoder_ is None
    assert model.fine_tune_losses_ == []
    return model.predict_confidence(X)


@every_network
def test_without_a_step_it_is_the_first_stage_and_its_loss(wrap, images):
    X, y = images
    network = wrap(Convolutional(), X, y)
    model = TCPConfidence(network, **NO_STEP).fit(X, y)
    confidence = first_stage(network, X, y)
    np.testing.assert_allclose(model.predict_confidence(X), confidence, rtol=1e-5)
    target = model.predict_proba(X)[np.arange(40), y]
    expected = np.mean((confidence - target) ** 2)
    assert model.fine_tune_losses_ == pytest.approx([expected], rel=1e-5)


def test_every_sample_learns_its_own_target_where_folds_leave_some_out(images):
    X, y = images
    net = NeuralNetClassifier(
        Convolutional, criterion=nn.CrossEntropyLoss, train_split=None, verbose=0
    ).fit(X, y)
    train, held_out = next(ShuffleSplit(1, test_size=0.5, random_state=0).split(X))
    folds = [(train, held_out)]
    model = TCPConfidence(net, target="error", cv=folds, **NO_STEP).fit(X, y)
    clone = refitted(net, X[train], y[train], seeds(0, 3)[1])
    right = clone.predict(X[held_out]) == y[held_out]
    assert 0 < right.sum() < len(right)
    confidence = model.predict_confidence(X)[held_out]
    expected = -np.log(np.where(right, confidence, 1 - confidence)).mean()
    assert model.fine_tune_losses_ == pytest.approx([expected], rel=1e-5)


def test_small_batches_of_the_network_take_the_same_steps(images):
    X, y = images
    module = Convolutional()
    whole = TCPConfidence(module_classifier(module, X, y), **STAGES).fit(X, y)
    parts = TCPConfidence(module_classifier(module, X, y, batch_size=7), **STAGES)
    np.testing.assert_allclose(
        parts.fit(X, y).predict_confidence(X), whole.predict_confidence(X), rtol=1e-3
    )
    np.testing.assert_allclose(
        parts.fine_tune_losses_, whole.fine_tune_losses_, rtol=1e-3
    )


def test_tensors_and_the_options_of_the_optimiser(images):
    X, y = images
    network = module_classifier(Convolutional(), X, y)
    options = {
        "optimizer": torch.optim.SGD,
        "net_params": {"optimizer__weight_decay": 10.0},
    }
    plain = TCPConfidence(network, optimizer=torch.optim.SGD, **STAGES).fit(X, y)
    decayed = TCPConfidence(network, **options, **STAGES).fit(torch.from_numpy(X), y)
    weights = [
        model.encoder_.module.encoder[0].weight.norm().item()
        for model in (plain, decayed)
    ]
    # The rates are 0.01 times 1, 3/4 and 1/4, and each step takes ten times that away.
    assert weights[1] / weights[0] == pytest.approx(0.9 * 0.925 * 0.975, rel=0.02)


def test_maps_are_fine_tuned_position_by_position(rng):
    X = rng.normal(size=(6, 1, 6, 5)).astype(np.float32)
    y = rng.integers(3, size=(6, 6, 5))
    y[0, :3] = -1
    module = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 3, 1))
    network = TorchModuleClassifier(module, 3)
    model = TCPConfidence(network, ignore_index=-1, **STAGES).fit(X, y)
    assert model.predict_confidence(X).shape == y.shape
    assert model.fine_tune_losses_[-1] < model.fine_tune_losses_[0]


def test_only_networks_are_fine_tuned(rng):
    X, y = rng.normal(size=(30, 2)), rng.integers(2, size=30)
    with pytest.raises(InputError, match="GaussianNB is none: set it to 0"):
        TCPConfidence(GaussianNB(), fine_tune_epochs=1).fit(X, y)


@pytest.mark.parametrize(
    "wrong",
    [{"fine_tune_epochs": -1}, {"fine_tune_epochs": 0.5}, {"fine_tune_lr": 0.0}],
)
def test_wrong_options_are_refused(wrong, images):
    network = module_classifier(Convolutional(), *images)
    with pytest.raises(InputError, match=next(iter(wrong))):
        TCPConfidence(network, **wrong).fit(*images)


def test_progress_is_shown_if_asked(images, capsys):
    network = module_classifier(Convolutional(), *images)
    TCPConfidence(network, **STAGES).fit(*images)
    assert capsys.readouterr().out == ""
    TCPConfidence(network, verbose=1, **STAGES).fit(*images)
    assert "fine-tuning, epoch 3: loss" in capsys.readouterr().out
