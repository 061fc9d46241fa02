"""However members are trained, they are the same."""

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.dataset import ValidSplit
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from skuq.deep import EnsembleClassifier, EnsembleRegressor
from skuq.exceptions import InputError


class Net(nn.Module):
    def __init__(self, norm=False, p=0.0, bias=True):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 8, bias=bias),
            nn.BatchNorm1d(8) if norm else nn.Identity(),
            nn.Tanh(),
            nn.Dropout(p) if p else nn.Identity(),
            nn.Linear(8, 3),
        )

    def forward(self, x):
        return self.layers(x)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.last = nn.LSTM(1, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.last(self.cell(x[..., None])[0][:, -1])


class Convolving(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 3, 2), nn.BatchNorm1d(3), nn.ReLU(), nn.Flatten()
        )
        self.last = nn.Linear(9, 3)

    def forward(self, x):
        return self.last(self.layers(x[:, None]))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        return self.last(x) if x.sum() > 0 else self.last(-x)


class Touches(Callback):
    def on_grad_computed(self, net, named_parameters, **kwargs):
        for _, parameter in named_parameters:
            parameter.grad.mul_(0.5)


def make_net(module=Net, **options):
    defaults = {
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "lr": 0.01,
        "max_epochs": 3,
        "batch_size": 16,
        "train_split": None,
        "verbose": 0,
    }
    return NeuralNetClassifier(module, **defaults | options)


@pytest.fixture
def problem(rng):
    X = rng.standard_normal((70, 4)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)


def weights(model):
    return [
        {k: v.numpy() for k, v in net.module_.state_dict().items()}
        for net in model.estimators_
    ]


def assert_same_members(one, other):
    for a, b in zip(weights(one), weights(other), strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def fitted(net, X, y, strategy, **options):
    model = EnsembleClassifier(
        net, n_estimators=3, strategy=strategy, random_state=0, **options
    )
    return model.fit(X, y)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


OPTIONS = {
    "plain": {},
    "no bias": {"module__bias": False},
    "batch normalisation": {"module__norm": True},
    "weight decay": {"optimizer__weight_decay": 0.1},
    "AdamW": {"optimizer": torch.optim.AdamW},
    "AMSGrad": {"optimizer__amsgrad": True},
    "SGD": {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9},
    "groups": {"optimizer__param_groups": [("layers.0*", {"lr": 0.1})]},
    "a group of its own kind": {
        "optimizer__param_groups": [("layers.0*", {"maximize": True})]
    },
    "ignored class": {"criterion__ignore_index": 1},
    "no shuffling": {"iterator_train__shuffle": False},
    "drop last": {"iterator_train__drop_last": True},
    "validation": {"train_split": ValidSplit(4, stratified=True)},
    "random validation": {"train_split": ValidSplit(0.2)},
    "schedule": {"callbacks": [("s", LRScheduler(CosineAnnealingLR, T_max=3))]},
    "schedule of steps": {
        "callbacks": [
            ("s", LRScheduler(CosineAnnealingLR, T_max=9, step_every="batch"))
        ]
    },
    "early stopping": {
        "train_split": ValidSplit(4),
        "max_epochs": 12,
        "lr": 0.1,
        "callbacks": [("stop", EarlyStopping(patience=2, load_best=True))],
    },
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_stacked_training_equals_the_loop_to_the_bit(options, problem, one_thread):
    net = make_net(**options)
    loop, stacked = (fitted(net, *problem, s) for s in ("loop", "stacked"))
    assert_same_members(loop, stacked)


CHAINS = {
    "dense": lambda: [nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)],
    "nested": lambda: [nn.Sequential(nn.Linear(4, 8, bias=False), nn.GELU())],
    "batch normalisation": lambda: [
        *(nn.BatchNorm1d(4), nn.Linear(4, 30), nn.BatchNorm1d(30, affine=False)),
        *(nn.Tanh(), nn.Linear(30, 8), nn.BatchNorm1d(8, track_running_stats=False)),
    ],
    "flat images": lambda: [nn.Unflatten(1, (2, 2)), nn.Flatten(), nn.Linear(4, 8)],
}


@pytest.mark.parametrize("layers", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("adversarial", [False, True])
def test_chains_of_layers_equal_the_loop_to_the_bit(
    layers, adversarial, problem, one_thread
):
    def module():
        return nn.Sequential(*layers(), nn.LazyLinear(3))

    loop, stacked = (
        fitted(make_net(module), *problem, s, adversarial=adversarial)
        for s in ("loop", "stacked")
    )
    assert_same_members(loop, stacked)


@pytest.mark.parametrize("options", [{"bootstrap": True}, {"adversarial": True}])
def test_stacked_training_equals_the_loop_with_options(options, problem, one_thread):
    net = make_net(module__norm=True)
    loop, stacked = (fitted(net, *problem, s, **options) for s in ("loop", "stacked"))
    assert_same_members(loop, stacked)


def test_stacked_convolutions_are_near_the_loop(problem, one_thread):
    net = make_net(Convolving, optimizer=torch.optim.SGD)
    loop, stacked = (fitted(net, *problem, s) for s in ("loop", "stacked"))
    for a, b in zip(weights(loop), weights(stacked), strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], atol=1e-5, err_msg=name)


def test_stacked_regressors_equal_the_loop(rng, one_thread):
    X = rng.standard_normal((50, 4)).astype(np.float32)
    y = X[:, 0] ** 2
    loop, stacked = (
        EnsembleRegressor(strategy=s, n_estimators=2, random_state=0).fit(X, y)
        for s in ("loop", "stacked")
    )
    assert_same_members(loop, stacked)


def test_histories_of_stacked_members_are_those_of_the_loop(problem, one_thread):
    net = make_net(**OPTIONS["early stopping"])
    loop, stacked = (fitted(net, *problem, s) for s in ("loop", "stacked"))
    for a, b in zip(loop.estimators_, stacked.estimators_, strict=True):
        assert len(a.history) == len(b.history) < 12
        for name in ("train_loss", "valid_loss", "valid_acc", "train_batch_count"):
            np.testing.assert_allclose(
                a.history[:, name], b.history[:, name], rtol=1e-6
            )


def test_processes_give_the_members_of_the_loop(problem):
    """Of a module that workers can import, wherever pytest was started."""
    net = make_net(nn.Linear, module__in_features=4, module__out_features=3)
    loop = fitted(net, *problem, "loop")
    processes = fitted(net, *problem, "joblib", n_jobs=2)
    assert_same_members(loop, processes)
    assert processes.strategy_ == "joblib"
    assert len(processes.estimators_[0].history) == 3


def test_an_error_in_a_worker_is_raised(problem):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught:
        fitted(make_net(nn.Linear(5, 3)), *problem, "joblib", n_jobs=2)
    assert "worker of the ensemble" in caught.value.__notes__[0]


def test_stacked_members_own_their_memory(problem):
    model = fitted(make_net(module__norm=True), *problem, "stacked")
    for net in model.estimators_:
        for tensor in net.module_.state_dict().values():
            assert tensor.untyped_storage().nbytes() == tensor.nbytes


def test_stacked_dropout_differs_between_members(problem):
    net = make_net(module__p=0.5)
    first, again = (fitted(net, *problem, "stacked") for _ in range(2))
    assert_same_members(first, again)
    histories = [tuple(m.history[:, "train_loss"]) for m in first.estimators_]
    assert len(set(histories)) == 3


AUTO = {
    "dense": (make_net(), "stacked"),
    "convolution": (make_net(Convolving), "loop"),
    "branches": (make_net(Branching), "loop"),
    "own callback": (make_net(callbacks=[("t", Touches())]), "loop"),
    "no device": (make_net(device=None), "loop"),
    "LBFGS": (make_net(optimizer=torch.optim.LBFGS), "loop"),
    "plateau": (
        make_net(
            callbacks=[("s", LRScheduler(ReduceLROnPlateau, monitor="train_loss"))]
        ),
        "loop",
    ),
}


@pytest.mark.parametrize(("net", "expected"), AUTO.values(), ids=AUTO)
def test_auto_stacks_what_can_be_stacked(net, expected, problem):
    assert fitted(net, *problem, "auto").strategy_ == expected


@pytest.mark.parametrize(
    "name", ["branches", "own callback", "no device", "LBFGS", "plateau"]
)
def test_asked_for_stacking_that_cannot_be_is_an_error(name, problem):
    with pytest.raises(InputError, match="strategy='stacked' is not possible"):
        fitted(AUTO[name][0], *problem, "stacked")


def test_recurrent_nets_train(problem):
    model = fitted(make_net(Recurrent), *problem, "auto")
    assert model.strategy_ in ("loop", "stacked")
    assert model.predict_proba(problem[0]).shape == (70, 3)


@pytest.mark.parametrize(
    "net",
    [
        make_net(module__norm=True),
        make_net(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))),
    ],
)
def test_stacked_predictions_are_those_of_the_members(net, problem):
    X, y = problem
    model = fitted(net, X, y, "stacked")
    expected = np.mean([net.predict_proba(X) for net in model.estimators_], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)


def test_predictions_do_not_depend_on_the_chunk(problem, monkeypatch):
    X, y = problem
    model = fitted(make_net(), X, y, "stacked")
    whole = model.predict_proba(X)
    monkeypatch.setattr("skuq.deep._ensemble_predict.CHUNK", 1)
    np.testing.assert_allclose(model.predict_proba(X), whole, atol=1e-6)


def test_a_net_of_skorch_for_values_can_be_stacked(rng, one_thread):
    X = rng.standard_normal((40, 4)).astype(np.float32)
    y = X[:, 0] + 1
    net = NeuralNetRegressor(
        nn.Linear(4, 1), max_epochs=30, lr=0.1, train_split=None, verbose=0
    )
    loop, stacked = (
        EnsembleRegressor(net, strategy=s, random_state=0).fit(X, y)
        for s in ("loop", "stacked")
    )
    assert_same_members(loop, stacked)
    mean, std = stacked.predict(X, return_std=True)
    np.testing.assert_allclose(mean, y, atol=0.1)
    assert mean.shape == std.shape == (40,)
