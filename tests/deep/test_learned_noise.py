"""Learned noise as an estimator: variances, units, likelihoods, logit noise, maps."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch import nn

from skuq.deep import (
    EnsembleClassifier,
    EnsembleRegressor,
    HeteroscedasticClassifier,
    HeteroscedasticRegressor,
)
from skuq.exceptions import InputError


@pytest.fixture(scope="module")
def growing():
    """Values whose noise grows with x from 1 to 5, around 1000 x."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(1000, 1)).astype(np.float32)
    return X, 1000 * X[:, 0] + rng.normal(0, 1 + 4 * X[:, 0]) * 20


@pytest.fixture(scope="module")
def regressor(growing):
    return HeteroscedasticRegressor(max_epochs=60, random_state=0).fit(*growing)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def test_the_predicted_noise_follows_the_true_one(regressor):
    X = np.array([[0.1], [0.5], [0.9]])
    mean, std = regressor.predict(X, return_std=True)
    np.testing.assert_allclose(mean, 1000 * X[:, 0], atol=25)
    np.testing.assert_allclose(std, 20 * (1 + 4 * X[:, 0]), rtol=0.25)


def test_one_network_has_no_doubt_about_itself(regressor, growing):
    parts = regressor.decompose(growing[0])
    assert (parts.epistemic == 0).all()
    np.testing.assert_array_equal(parts.total, parts.aleatoric)


def test_units_of_the_target_come_back(growing):
    X, y = growing
    options = {"max_epochs": 5, "random_state": 0}
    here = HeteroscedasticRegressor(**options).fit(X, y)
    there = HeteroscedasticRegressor(**options).fit(X, 0.01 * y - 3)
    mean, std = here.predict(X, return_std=True)
    other, other_std = there.predict(X, return_std=True)
    np.testing.assert_allclose(other, 0.01 * mean - 3, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(other_std, 0.01 * std, rtol=1e-3)


def test_a_constant_target_has_the_unit_one(growing):
    X, y = growing[0], np.full(1000, 0.1)  # of which np.std is not 0
    model = HeteroscedasticRegressor(max_epochs=1, random_state=0).fit(X, y)
    assert model.predict(X, return_std=True)[1].min() > 0.0009  # the least variance


@pytest.mark.parametrize("likelihood", ["gaussian", "laplace", "student_t"])
def test_distributions_have_the_predicted_moments(growing, likelihood):
    X, y = growing
    model = HeteroscedasticRegressor(
        likelihood=likelihood, max_epochs=5, warmup_epochs=2, random_state=0
    ).fit(X, y)
    mean, std = model.predict(X[:9], return_std=True)
    distribution = model.predict_distribution(X[:9])
    np.testing.assert_allclose(distribution.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(distribution.stddev, std, rtol=1e-5)
    assert torch.isfinite(distribution.log_prob(torch.tensor(y[:9]))).all()


def test_heavy_tails_shrug_off_outliers(growing):
    X, y = growing
    y = y.copy()
    y[::50] += 20_000
    options = {"max_epochs": 80, "hidden_layer_sizes": (), "random_state": 0}
    errors = [
        np.abs(
            HeteroscedasticRegressor(likelihood=likelihood, **options)
            .fit(X, y)
            .predict(X)
            - 1000 * X[:, 0]
        ).mean()
        for likelihood in ("gaussian", "student_t")
    ]
    assert errors[1] < 0.5 * errors[0]


def test_one_variance_for_all_is_the_mean_squared_error(growing):
    X, y = growing
    model = HeteroscedasticRegressor(
        homoscedastic=True, max_epochs=60, random_state=0
    ).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(std, model.noise_std_, rtol=1e-5)
    assert model.noise_std_ == pytest.approx(np.std(y - mean), rel=0.05)


def test_warming_up_trains_the_mean_alone(growing):
    X, y = growing
    options = {"random_state": 0, "warmup_epochs": 3}
    warm = HeteroscedasticRegressor(max_epochs=3, **options).fit(X, y)
    cold = HeteroscedasticRegressor(max_epochs=0, **options).fit(X, y)
    rows = slice(1, 2)  # of the last layer, which gives the log-variance
    last, start = (model.module_[0][-1].weight for model in (warm, cold))
    assert torch.equal(last[rows], start[rows])
    assert not torch.equal(last[:1], start[:1])


def test_the_noise_of_a_given_network_has_a_unit(growing):
    X, y = growing
    net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 2))
    model = HeteroscedasticRegressor(net, max_epochs=10, random_state=0).fit(X, y)
    assert model.predict(X, return_std=True)[1].mean() > 10


def test_several_outputs(rng):
    X = rng.normal(size=(300, 2)).astype(np.float32)
    y = np.stack([X[:, 0], 1000 * X[:, 1]], axis=1) + rng.normal(0, 0.1, (300, 2))
    model = HeteroscedasticRegressor(max_epochs=40, random_state=0).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == (300, 2)
    assert model.score(X, y) > 0.9


def test_far_from_the_data_no_noise_is_beyond_what_training_samples_have(rng):
    X = rng.uniform(size=(500, 1)).astype(np.float32)
    spread = np.concatenate([0.01 + X, 100 + 900 * X], axis=1)
    y = 1000 * X + spread * rng.normal(size=(500, 2))
    model = HeteroscedasticRegressor(max_epochs=60, random_state=0).fit(X, y)
    with torch.inference_mode():
        unbounded = {
            name: model.module_(torch.from_numpy(values))[1].sqrt().numpy() * y.std(0)
            for name, values in {"near": X, "far": 20 * X + 5}.items()
        }
    seen = model.predict(X, return_std=True)[1]
    np.testing.assert_allclose(seen, unbounded["near"], rtol=1e-5)
    beyond = unbounded["far"] < seen.min(0) / 10
    beyond |= unbounded["far"] > 10 * seen.max(0)
    assert beyond.any(0).all()
    far = model.predict(20 * X + 5, return_std=True)[1]
    within = np.clip(unbounded["far"], seen.min(0), seen.max(0))
    np.testing.assert_allclose(far, within, rtol=1e-5)
    # Each output has bounds of its own.
    assert far[:, 0].max() < far[:, 1].min()


def test_a_pickle_predicts_the_same_and_seeds_decide(regressor, growing):
    X, y = growing
    other = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(other.predict(X), regressor.predict(X))
    state = torch.get_rng_state()
    pair = [
        HeteroscedasticClassifier(max_epochs=2, random_state=0)
        .fit(X, y > 500)
        .predict_proba(X)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*pair)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_ensemble_of_them_tells_noise_from_doubt(growing):
    X, y = growing
    member = HeteroscedasticRegressor(max_epochs=30)
    ensemble = EnsembleRegressor(member, n_estimators=3, random_state=0).fit(X, y)
    inside, outside = np.array([[0.5]]), np.array([[8.0]])
    parts = ensemble.decompose(inside)
    means, stds = zip(
        *(m.predict(inside, return_std=True) for m in ensemble.estimators_),
        strict=True,
    )
    np.testing.assert_allclose(parts.aleatoric, np.mean(np.square(stds), 0), rtol=1e-5)
    np.testing.assert_allclose(parts.epistemic, np.var(means, axis=0), rtol=1e-3)
    assert ensemble.decompose(outside).epistemic > 10 * parts.epistemic


def test_dropout_of_a_regressor_tells_noise_from_doubt(growing):
    X, y = growing
    model = HeteroscedasticRegressor(
        dropout=0.1, n_dropout_samples=20, max_epochs=30, batch_size=300, random_state=0
    ).fit(X, y)
    means, variances = model.predict_members(X)
    assert means.shape == (20, 1000)
    parts = model.decompose(X)
    np.testing.assert_allclose(parts.aleatoric, variances.mean(0), rtol=1e-5)
    np.testing.assert_allclose(parts.epistemic, means.var(0), rtol=1e-3, atol=1e-3)
    alone = model.decompose(X[5:7])
    np.testing.assert_allclose(alone.epistemic, parts.epistemic[5:7], rtol=1e-3)
    distribution = model.predict_distribution(X)
    total = np.sqrt(parts.total)
    np.testing.assert_allclose(distribution.stddev, total, rtol=1e-3)
    model.set_params(n_dropout_samples=0)
    assert (model.decompose(X).epistemic == 0).all()


def test_dropout_of_a_classifier_tells_noise_from_doubt(iris):
    X, y = iris
    model = HeteroscedasticClassifier(
        dropout=0.2, n_dropout_samples=10, n_samples=20, max_epochs=10, random_state=0
    ).fit(X, y)
    parts = model.decompose(X)
    both = parts.aleatoric + parts.epistemic
    np.testing.assert_allclose(parts.total, both, atol=1e-6)
    assert (parts.epistemic > 0).all()


def test_an_ensemble_of_classifiers_tells_noise_from_doubt(iris):
    member = HeteroscedasticClassifier(max_epochs=5)
    ensemble = EnsembleClassifier(member, n_estimators=3, random_state=0).fit(*iris)
    parts = ensemble.decompose(iris[0])
    both = parts.aleatoric + parts.epistemic
    np.testing.assert_allclose(parts.total, both, atol=1e-6)
    assert (parts.epistemic > 0).any()


@pytest.mark.parametrize("noise", ["shared", "per_class"])
def test_contradicting_labels_raise_the_noise(noise):
    rng = np.random.default_rng(0)
    X = rng.choice([-1.0, 1.0], size=(800, 2)).astype(np.float32)
    y = (X[:, 1] > 0).astype(int) + 2 * (rng.random(800) < 0.02)
    noisy = X[:, 0] > 0
    y[noisy] = np.where(rng.random(noisy.sum()) < 0.5, y[noisy], rng.integers(0, 4))
    model = HeteroscedasticClassifier(noise=noise, max_epochs=30, random_state=0)
    model.fit(X, y)
    scale = model.predict_noise(X)
    assert scale.shape == (800,)
    aleatoric = model.predict_uncertainty(X, kind="aleatoric")
    assert aleatoric[noisy].min() > aleatoric[~noisy].max()


def test_probabilities_do_not_depend_on_the_batch_and_are_those_of_the_draws(iris):
    X, y = iris
    model = HeteroscedasticClassifier(max_epochs=10, n_samples=400, random_state=0)
    model.fit(X, y)
    last = model.module_[0][-1]
    with torch.no_grad():  # a noise large enough to move the mean
        last.weight[-1], last.bias[-1] = 0, 3
    proba = model.predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(X[3:5]), proba[3:5], rtol=1e-4)
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    normal = model.predict_logit_distribution(X)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = normal.sample((4000,)).softmax(2)
    # The draws of both have the same spread; all samples share those of the model.
    error = drawn.std(0).numpy() * (1 / 400 + 1 / 4000) ** 0.5
    assert (np.abs(proba - drawn.mean(0).numpy()) < 5 * error + 1e-5).all()
    assert np.abs(proba - normal.mean.softmax(1).numpy()).max() > 0.1
    distribution = model.predict_distribution(X)
    np.testing.assert_allclose(distribution.probs, proba, rtol=1e-5)


@pytest.mark.parametrize(("noise", "n_channels"), [("shared", 4), ("per_class", 6)])
def test_maps_of_classes(rng, noise, n_channels):
    X = rng.normal(size=(8, 1, 6, 5)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    y[0, 0] = -100
    model = HeteroscedasticClassifier(
        nn.Conv2d(1, n_channels, 1),
        noise=noise,
        max_epochs=60,
        lr=0.05,
        random_state=0,
    ).fit(X, y)
    assert model.predict_proba(X).shape == (8, 3, 6, 5)
    assert model.predict_noise(X).shape == (8, 6, 5)
    assert model.score(X[1:], y[1:]) > 0.9


def test_maps_of_values(rng):
    X = rng.normal(size=(8, 1, 6, 5)).astype(np.float32)
    y = 5 + 2 * X[:, 0] + rng.normal(size=(8, 6, 5))
    options = {"max_epochs": 100, "lr": 0.05, "random_state": 0}
    model = HeteroscedasticRegressor(nn.Conv2d(1, 2, 1), **options).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == y.shape
    np.testing.assert_allclose(std.mean(), 1.0, rtol=0.3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (HeteroscedasticRegressor(likelihood="other"), "likelihood"),
        (HeteroscedasticRegressor(beta=2.0), "beta"),
        (HeteroscedasticRegressor(warmup_epochs=-1), "warmup_epochs"),
        (HeteroscedasticRegressor(nn.Linear(4, 1)), "the module gives 1"),
        (HeteroscedasticRegressor(nn.Conv2d(1, 2, 1)), "y has shape"),
        (HeteroscedasticClassifier(noise="other"), "noise"),
        (HeteroscedasticClassifier(nn.Linear(4, 3)), "does not fit"),
        (HeteroscedasticClassifier(n_noise_samples=0), "n_noise_samples"),
    ],
)
def test_errors_say_what_to_do(iris, model, message):
    X, y = iris
    if isinstance(model.module, nn.Conv2d):
        X = X.reshape(-1, 1, 2, 2)
    with pytest.raises(InputError, match=message):
        model.fit(X, y)
