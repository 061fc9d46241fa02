"""MC dropout as an estimator: one function per draw, whatever wraps it."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import (
    NeuralNetBinaryClassifier,
    NeuralNetClassifier,
    NeuralNetRegressor,
)
from torch import nn

from skuq.deep import (
    MCDropoutWrapper,
    TorchModuleClassifier,
    TorchModuleRegressor,
    predictive_log_likelihood,
)
from skuq.deep._training import seeds
from skuq.exceptions import InputError
from skuq.metrics import get_scorer
from skuq.nn import DropoutSampler
from skuq.uncertainty import mutual_information


class MLP(nn.Module):
    def __init__(self, n_outputs=3, p=0.2, n_inputs=4):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, 16), nn.ReLU(), nn.Dropout(p), nn.Linear(16, n_outputs)
        )

    def forward(self, x):
        return self.layers(x)


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout2d(0.3),
            nn.Conv2d(6, 3, 1),
        )

    def forward(self, x):
        return self.layers(x)


def skorch_net(**options):
    return NeuralNetClassifier(
        MLP,
        criterion=nn.CrossEntropyLoss,
        max_epochs=3,
        train_split=None,
        verbose=0,
        lr=0.1,
        **options,
    )


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X.astype(np.float32), np.array(["setosa", "versi", "virginica"])[y]


@pytest.fixture
def module_model():
    return MCDropoutWrapper(
        TorchModuleClassifier(MLP(), ["a", "b", "c"]), random_state=0
    )


class TestAroundAFittedNetwork:
    def test_it_works_without_fit(self, module_model, iris):
        proba = module_model.predict_proba(iris[0])
        np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-6)
        labels = np.array(["a", "b", "c"])[proba.argmax(1)]
        np.testing.assert_array_equal(module_model.predict(iris[0]), labels)

    def test_the_draws_are_those_of_the_sampler(self, module_model, iris):
        X = iris[0][:9]
        members = module_model.predict_members(X)
        seed = seeds(module_model.random_state, 2)[1]
        sampler = DropoutSampler(module_model.estimator.module, seed=seed)
        draws = torch.stack(list(sampler.draws(torch.from_numpy(X), range(30))))
        np.testing.assert_allclose(members, draws.softmax(2), rtol=1e-5)

    def test_the_mean_is_of_probabilities_and_streams(self, module_model, iris):
        members = module_model.predict_members(iris[0])
        np.testing.assert_allclose(
            module_model.predict_proba(iris[0]), members.mean(0), rtol=1e-5
        )
        epistemic = module_model.predict_uncertainty(iris[0], kind="epistemic")
        np.testing.assert_allclose(epistemic, mutual_information(members), atol=1e-6)
        parts = module_model.decompose(iris[0])
        whole = parts.aleatoric + parts.epistemic
        np.testing.assert_allclose(parts.total, whole, rtol=1e-6)

    @pytest.mark.parametrize("batch_size", [7, 64])
    def test_the_batch_size_changes_nothing(self, module_model, iris, batch_size):
        whole = module_model.predict_members(iris[0])
        module_model.estimator.batch_size = batch_size
        parts = list(module_model.iter_members(iris[0]))
        np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(
            module_model.predict_proba(iris[0]), whole.mean(0), rtol=1e-4
        )

    def test_skorch_frozen_and_pipeline_give_the_same_draws(self, iris):
        X, y = iris
        codes = np.unique(y, return_inverse=True)[1]
        scaler = StandardScaler().fit(X)
        net = skorch_net().fit(scaler.transform(X), codes)
        one = MCDropoutWrapper(net, random_state=0)
        expected = one.predict_proba(scaler.transform(X))
        frozen = MCDropoutWrapper(FrozenEstimator(net), random_state=0)
        frozen.fit(scaler.transform(X), codes)
        np.testing.assert_allclose(
            frozen.predict_proba(scaler.transform(X)), expected, rtol=1e-6
        )
        behind = MCDropoutWrapper(make_pipeline(scaler, net), random_state=0)
        np.testing.assert_allclose(behind.predict_proba(X), expected, rtol=1e-6)

    def test_a_single_logit_is_that_of_the_second_class(self, iris):
        X, y = iris
        binary = (y == "setosa").astype(np.float32)
        net = NeuralNetBinaryClassifier(
            MLP, module__n_outputs=1, max_epochs=2, train_split=None, verbose=0, lr=0.1
        ).fit(X, binary)
        expected = MCDropoutWrapper(net, n_samples=0).predict_proba(X)
        np.testing.assert_allclose(net.predict_proba(X), expected, rtol=1e-5)
        model = MCDropoutWrapper(net, random_state=0)
        np.testing.assert_allclose(model.predict_proba(X).sum(1), 1, rtol=1e-6)
        assert (model.predict_uncertainty(X, kind="epistemic") > 0).any()

    def test_no_samples_is_weight_scaling(self, module_model, iris):
        module_model.n_samples = 0
        expected = module_model.estimator.predict_proba(iris[0])
        np.testing.assert_allclose(
            module_model.predict_proba(iris[0]), expected, rtol=1e-6
        )
        assert len(module_model.predict_members(iris[0])) == 1

    def test_tensors_give_tensors(self, module_model, iris):
        proba = module_model.predict_proba(torch.from_numpy(iris[0]))
        np.testing.assert_allclose(proba, module_model.predict_proba(iris[0]))
        assert isinstance(proba, torch.Tensor)

    def test_an_unfitted_network_is_refused(self, iris):
        with pytest.raises(NotFittedError):
            MCDropoutWrapper(skorch_net()).predict(iris[0])

    def test_what_is_no_network_is_refused(self, iris):
        from sklearn.linear_model import LogisticRegression

        model = MCDropoutWrapper(LogisticRegression()).fit(*iris)
        with pytest.raises(InputError, match="network of torch"):
            model.predict_proba(iris[0])


class TestTraining:
    def test_string_labels_seed_and_pickle(self, iris):
        X, y = iris
        model = MCDropoutWrapper("classifier", random_state=0).fit(X, y)
        state = torch.get_rng_state()
        again = clone(model).fit(X, y)
        assert torch.equal(torch.get_rng_state(), state)
        assert model.score(X, y) > 0.9
        proba = model.predict_proba(X)
        np.testing.assert_array_equal(proba, again.predict_proba(X))
        loaded = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(loaded.predict_proba(X), proba)

    def test_a_search_sets_the_network_and_the_draws(self, iris):
        X, y = iris
        order = np.random.default_rng(0).permutation(len(X))
        grid = {"estimator__module__p": [0.1, 0.5], "n_samples": [0, 5]}
        search = GridSearchCV(
            MCDropoutWrapper(skorch_net(), random_state=0),
            grid,
            cv=2,
            scoring=get_scorer("neg_log_loss"),
            error_score="raise",
        ).fit(X[order], y[order])
        assert set(search.best_params_) == set(grid)
        assert len(set(search.cv_results_["mean_test_score"])) == 4

    def test_the_kind_is_that_of_the_network(self):
        assert is_classifier(MCDropoutWrapper(skorch_net()))
        assert is_regressor(MCDropoutWrapper(TorchModuleRegressor(MLP(1))))
        assert not hasattr(MCDropoutWrapper("regressor"), "predict_proba")
        assert not hasattr(MCDropoutWrapper("classifier"), "choose_tau")

    def test_maps_are_segmented(self, rng):
        y = rng.integers(0, 3, size=(6, 8, 8))
        X = (y[:, None] + 0.1 * rng.normal(size=(6, 1, 8, 8))).astype(np.float32)
        net = NeuralNetClassifier(
            Segmenter,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=0.05,
            max_epochs=60,
            train_split=None,
            verbose=0,
        )
        model = MCDropoutWrapper(net, n_samples=8, random_state=0).fit(X, y)
        buffers = [b.clone() for b in model.estimator_.module_.buffers()]
        assert model.predict_proba(X).shape == (6, 3, 8, 8)
        assert model.decompose(X).epistemic.shape == (6, 8, 8)
        assert model.score(X, y) > 0.8
        assert all(
            torch.equal(a, b)
            for a, b in zip(buffers, model.estimator_.module_.buffers(), strict=True)
        )

    def test_one_class_is_refused(self, iris):
        with pytest.raises(InputError, match="at least two"):
            MCDropoutWrapper("classifier").fit(iris[0], np.zeros(150))


class TestRegression:
    @pytest.fixture(scope="class")
    @staticmethod
    def data():
        return load_diabetes(return_X_y=True)

    @pytest.fixture(scope="class")
    @staticmethod
    def model(data):
        return MCDropoutWrapper("regressor", n_samples=50, random_state=0).fit(
            data[0][:300], data[1][:300]
        )

    def test_the_variance_is_that_of_the_draws_and_of_the_noise(self, model, data):
        X = data[0][300:]
        members = model.predict_members(X)
        mean, std = model.predict(X, return_std=True)
        np.testing.assert_allclose(mean, members.mean(0), rtol=1e-5)
        np.testing.assert_allclose(std, members.std(0), rtol=1e-3)
        noisy = pickle.loads(pickle.dumps(model)).set_params(tau=0.01)
        std = noisy.predict(X, return_std=True)[1]
        np.testing.assert_allclose(std**2, members.var(0) + 100, rtol=1e-3)
        parts = noisy.decompose(X)
        np.testing.assert_allclose(parts.aleatoric, 100)

    def test_the_chosen_precision_is_the_most_likely_one(self, model, data):
        X, y = data[0][300:370], data[1][300:370]
        chosen = pickle.loads(pickle.dumps(model)).choose_tau(X, y)
        best = predictive_log_likelihood(chosen, X, y)
        for factor in (0.9, 1.1):
            other = pickle.loads(pickle.dumps(model))
            other.set_params(tau=chosen.tau_ * factor)
            assert predictive_log_likelihood(other, X, y) < best

    def test_the_likelihood_is_that_of_the_paper(self, model, data):
        X, y, tau = data[0][300:310], data[1][300:310], 3e-4
        f = model.predict_members(X).astype(np.float64)
        density = np.sqrt(tau / (2 * np.pi)) * np.exp(-tau / 2 * (y - f) ** 2)
        noisy = pickle.loads(pickle.dumps(model)).set_params(tau=tau)
        assert predictive_log_likelihood(noisy, X, y) == pytest.approx(
            np.log(density.mean(0)).mean()
        )

    def test_without_noise_there_is_no_likelihood(self, model, data):
        with pytest.raises(InputError, match="choose_tau"):
            predictive_log_likelihood(model, *data)

    def test_skorch_regressors_take_rows_of_targets(self, data):
        X, y = data[0].astype(np.float32), data[1]
        net = NeuralNetRegressor(
            MLP,
            module__n_outputs=1,
            module__n_inputs=10,
            max_epochs=2,
            train_split=None,
            verbose=0,
            lr=1e-4,
        )
        model = MCDropoutWrapper(net, n_samples=3, random_state=0).fit(X, y)
        assert model.predict(X).shape == y.shape
        fitted = MCDropoutWrapper(model.estimator_, n_samples=0)  # without fit
        np.testing.assert_allclose(
            fitted.predict(X), model.estimator_.predict(X)[:, 0], rtol=1e-5
        )

    def test_a_tolerance_is_in_the_unit_of_the_target(self, model, data):
        X = data[0][300:]
        model = pickle.loads(pickle.dumps(model)).set_params(n_samples=2000, tol=1.0)
        statistics = model._statistics(X)
        assert 10 < statistics.n_members < 2000
        assert statistics.standard_error().max() <= 1


def test_a_module_is_a_regressor(rng):
    X, linear = rng.normal(size=(10, 4)), nn.Linear(4, 1)
    model = TorchModuleRegressor(linear, batch_size=3)
    weight, bias = (p.detach().numpy() for p in linear.parameters())
    expected = X @ weight[0] + bias
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)
    assert model.score(X, expected) == pytest.approx(1)
    assert isinstance(model.predict(torch.from_numpy(X)), torch.Tensor)


def test_a_tolerance_stops_the_draws(iris):
    model = MCDropoutWrapper("classifier", random_state=0, n_samples=1000)
    model.fit(*iris).set_params(tol=0.02)
    statistics = model._statistics(iris[0])
    assert statistics.n_members < 1000
    assert statistics.n_members % 10 == 0
    assert statistics.standard_error().max() <= 0.02
    exact = model.set_params(tol=None, n_samples=statistics.n_members)
    np.testing.assert_allclose(
        exact.predict_proba(iris[0]), statistics.mean_proba(), rtol=1e-5
    )


def test_a_progress_bar_counts_the_draws(module_model, iris, capsys):
    module_model.set_params(verbose=True, n_samples=4).predict(iris[0])
    assert "4draw" in capsys.readouterr().err


@pytest.mark.parametrize("n_samples", [-1, 2.5])
def test_a_number_of_draws_that_is_none_is_refused(module_model, iris, n_samples):
    with pytest.raises(InputError, match="n_samples"):
        module_model.set_params(n_samples=n_samples).predict(iris[0])


def test_return_std_is_for_regressors(module_model, iris):
    with pytest.raises(InputError, match="regressors"):
        module_model.predict(iris[0], return_std=True)
