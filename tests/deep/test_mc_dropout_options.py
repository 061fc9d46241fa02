"""Options of MC dropout that change how it runs, and not what it says."""

import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from skuq.deep import (
    HeteroscedasticRegressor,
    MCDropoutWrapper,
    TorchModuleClassifier,
    TorchModuleRegressor,
    predictive_log_likelihood,
)
from skuq.deep._torch_net import placed
from skuq.deep._training import seeds
from skuq.exceptions import InputError
from skuq.nn import DropoutSampler

TRAINING = {"max_epochs": 2, "train_split": None, "verbose": 0}


class MLP(nn.Module):
    def __init__(self, n_inputs=4, n_outputs=3, p=0.3):
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(n_inputs, 16), nn.ReLU(), nn.Dropout(p), nn.Linear(16, 8)
        )
        self.out = nn.Sequential(nn.Dropout(p), nn.Linear(8, n_outputs))

    def forward(self, x):
        return self.out(self.hidden(x))


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture
def iris():
    X, y = load_iris(return_X_y=True)
    return X.astype(np.float32), y


@pytest.fixture
def maps():
    """A segmenter around images, and some."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.Dropout2d(0.3), nn.Conv2d(6, 3, 1)
    )
    X = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)
    return TorchModuleClassifier(net, 3, batch_size=2), X


@pytest.fixture
def skorch_net(iris):
    net = NeuralNetClassifier(MLP, criterion=nn.CrossEntropyLoss, **TRAINING)
    return net.fit(*iris)


def wrapper(estimator, **options):
    return MCDropoutWrapper(estimator, **{"n_samples": 12, "random_state": 0} | options)


class TestTheSameOutputs:
    @pytest.mark.parametrize(
        "options",
        [
            {"chunk_size": 5},
            {"compile": "eager"},
            {"compile": "eager", "chunk_size": 4},
            {"cache_prefix": False},
        ],
    )
    def test_however_they_are_computed(self, maps, options):
        plain, model = wrapper(maps[0]), wrapper(maps[0], **options)
        expected, found = (m.predict_proba(maps[1]) for m in (plain, model))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        members = [m.predict_members(maps[1]) for m in (plain, model)]
        np.testing.assert_allclose(*members, rtol=1e-5)
        parts = [m.decompose(maps[1]) for m in (plain, model)]
        np.testing.assert_allclose(
            *(part.epistemic for part in parts), rtol=1e-4, atol=1e-6
        )

    @pytest.mark.parametrize(
        "options",
        [
            {"mask": "independent"},
            {"dropout_rate": 0.7},
            {"layers": ["out"]},
        ],
    )
    def test_options_reach_the_sampler(self, iris, options):
        X, net = iris[0][:9], MLP()
        model = wrapper(TorchModuleClassifier(net, 3), **options)
        own = {**options, "seed": seeds(0, 2)[1]}
        own |= {"rate": own.pop("dropout_rate")} if "dropout_rate" in own else {}
        draws = DropoutSampler(net, **own).draws(torch.from_numpy(X), range(12))
        expected = torch.stack(list(draws)).softmax(2)
        np.testing.assert_allclose(model.predict_members(X), expected, rtol=1e-5)
        assert not np.allclose(
            model.predict_proba(X), wrapper(model.estimator).predict_proba(X)
        )

    @pytest.mark.parametrize("tensors", [False, True])
    def test_in_lower_precision_they_are_near(self, maps, skorch_net, iris, tensors):
        for model, X in ((maps[0], maps[1]), (skorch_net, iris[0])):
            X = torch.from_numpy(X) if tensors else X
            full = wrapper(model).predict_proba(X)
            low = wrapper(model, autocast=torch.bfloat16).predict_proba(X)
            assert type(low) is type(full)
            assert low.dtype == full.dtype
            np.testing.assert_allclose(low, full, atol=0.02)
            assert not np.array_equal(low, full)

    @pytest.mark.parametrize("tensors", [False, True])
    def test_statistics_may_be_counted_where_the_network_is(
        self, maps, monkeypatch, tensors
    ):
        X = torch.from_numpy(maps[1]) if tensors else maps[1]
        model = wrapper(maps[0])
        expected = model.decompose(X)
        monkeypatch.setattr("skuq._core._arrays.VIEW_HOST_TENSORS", False)
        found = model.decompose(X)
        assert type(found.total) is type(X)
        assert found.total.dtype == expected.total.dtype
        np.testing.assert_allclose(found.total, expected.total, rtol=1e-6)
        np.testing.assert_allclose(found.epistemic, expected.epistemic, atol=1e-7)

    def test_without_a_seed_every_call_has_masks_of_its_own(self, maps):
        model = wrapper(maps[0], random_state=None)
        one, other = (model.predict_proba(maps[1]) for _ in range(2))
        assert not np.array_equal(one, other)


class TestMemory:
    @pytest.mark.parametrize("chunk_size", [None, 4])
    def test_does_not_grow_with_the_draws_of_maps(self, maps, chunk_size):
        model, X = maps
        alive = []

        def count(module, args, output):
            outputs.append(weakref.ref(output))
            alive.append(sum(output() is not None for output in outputs))

        model.module.register_forward_hook(count)
        most = []
        for n_samples in (10, 40):
            outputs = []
            alive.clear()
            options = {"chunk_size": chunk_size, "n_samples": n_samples}
            wrapper(model, **options).decompose(X)
            most.append(max(alive))
        assert most[0] == most[1]
        assert most[0] <= 3  # the first, the last, and the one in the making


class TestDevice:
    @pytest.mark.parametrize("device", ["cpu", "auto", torch.device("cpu")])
    def test_none_is_where_the_network_is(self, skorch_net, maps, iris, device):
        if device == "auto" and torch.cuda.is_available():
            pytest.skip("there is a GPU")
        for model, X in ((skorch_net, iris[0]), (maps[0], maps[1])):
            expected = wrapper(model).predict_proba(X)
            found = wrapper(model, device=device).predict_proba(X)
            np.testing.assert_array_equal(found, expected)

    def test_it_overrules_where_batches_of_a_trained_network_would_go(
        self, skorch_net, maps, iris
    ):
        noisy = HeteroscedasticRegressor(dropout=0.2, max_epochs=1, random_state=0)
        noisy.fit(*load_diabetes(return_X_y=True))
        skorch_net.device = maps[0].device = noisy.device_ = "nowhere"
        wrapper(skorch_net, device="cpu").predict(iris[0])
        wrapper(maps[0], device="cpu").predict(maps[1])
        wrapper(noisy, device="cpu").predict(load_diabetes().data)
        assert {skorch_net.device, maps[0].device, noisy.device_} == {"nowhere"}

    @pytest.mark.parametrize("piped", [False, True])
    def test_networks_are_trained_there(self, iris, piped):
        net = NeuralNetClassifier(
            MLP, criterion=nn.CrossEntropyLoss, device="nowhere", **TRAINING
        )
        net = make_pipeline(StandardScaler(), net) if piped else net
        model = wrapper(net, device="cpu").fit(*iris)
        assert model.predict_proba(iris[0]).shape == (150, 3)
        trained = model.estimator_[-1] if piped else model.estimator_
        assert trained.device == "cpu"
        assert (net[-1] if piped else net).device == "nowhere"

    @pytest.mark.parametrize("kind", ["classifier", "regressor"])
    def test_networks_of_our_own_are_trained_there(self, iris, kind):
        X, y = iris[0][::5], iris[1][::5]
        model = wrapper(kind, device="cpu").fit(X, y)
        assert model.estimator_.device == "cpu"
        np.testing.assert_array_equal(
            model.predict(X), wrapper(kind).fit(X, y).predict(X)
        )


class TestPlaced:
    """A network goes to a GPU for the time of a prediction; this one only says so."""

    @pytest.fixture
    def net(self, monkeypatch):
        module, moves = nn.Linear(2, 2), []
        monkeypatch.setattr(module, "to", moves.append)
        model = SimpleNamespace(device="cpu")
        return SimpleNamespace(DEVICE="device", model=model, module=module, moves=moves)

    def test_it_goes_and_comes_back(self, net):
        cpu, gpu = torch.device("cpu"), torch.device("cuda")
        with placed(net, "cuda"):
            assert net.moves == [gpu]
            assert net.model.device == gpu
        assert net.moves == [gpu, cpu]
        assert net.model.device == "cpu"

    def test_so_it_does_after_an_error(self, net):
        def predict():
            with placed(net, "cuda:1"):
                raise RuntimeError("out of memory, say")

        with pytest.raises(RuntimeError):
            predict()
        assert net.moves[-1] == torch.device("cpu")
        assert net.model.device == "cpu"

    def test_it_stays_where_it_is_already(self, net):
        for device in ("cpu", None):
            with placed(net, device):
                pass
        assert net.moves == []

    def test_auto_is_a_gpu_if_there_is_one(self, net, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        with placed(net, "auto"):
            assert net.moves == [torch.device("cuda")]

    def test_a_network_on_several_devices_is_left_alone(self, net):
        net.module.register_buffer("elsewhere", torch.empty(0, device="meta"))
        with pytest.raises(InputError, match="on several devices"), placed(net, "cuda"):
            pass
        assert net.moves == []


class TestNoiseOfARegressor:
    @pytest.fixture
    def data(self):
        X, y = load_diabetes(return_X_y=True)
        return X.astype(np.float32)[:200], y[:200] / 100

    def test_the_likelihood_is_a_scorer_for_tau_and_the_rate(self, data):
        net = NeuralNetRegressor(
            MLP, module__n_inputs=10, module__n_outputs=1, lr=0.05, **TRAINING
        )
        grid = {"tau": [1e-3, 1.0], "estimator__module__p": [0.05, 0.5]}
        search = GridSearchCV(
            wrapper(net), grid, cv=2, scoring=predictive_log_likelihood
        ).fit(*data)
        scores = search.cv_results_["mean_test_score"]
        assert search.best_params_["tau"] == 1.0
        assert len(set(scores)) == 4
        best = predictive_log_likelihood(search.best_estimator_, *data)
        assert best == pytest.approx(search.score(*data))

    def test_chunks_and_graphs_are_for_regressors_too(self, data):
        model = TorchModuleRegressor(MLP(10, 1))
        expected = wrapper(model).predict(data[0], return_std=True)
        found = wrapper(model, chunk_size=4, compile="eager").predict(
            data[0], return_std=True
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4)
