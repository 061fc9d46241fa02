"""Predicted noise under MC dropout, alone and in ensembles: both parts, exactly."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skuq.deep import (
    EnsembleClassifier,
    EnsembleRegressor,
    HeteroscedasticClassifier,
    HeteroscedasticRegressor,
    MCDropoutWrapper,
    predictive_log_likelihood,
)
from skuq.exceptions import InputError
from skuq.uncertainty import (
    expected_entropy,
    mutual_information,
    predictive_entropy,
)

OPTIONS = {"hidden_layer_sizes": (20,), "dropout": 0.2, "max_epochs": 5}


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(250, 1))
    return X, 1000 * X[:, 0] + rng.normal(0, 20 + 80 * X[:, 0])


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


def regressor(**options):
    return MCDropoutWrapper(
        HeteroscedasticRegressor(**OPTIONS), n_samples=12, **options
    )


def classifier(**options):
    network = HeteroscedasticClassifier(n_samples=20, **OPTIONS)
    return MCDropoutWrapper(network, n_samples=12, **options)


def assert_adds_up(parts):
    np.testing.assert_array_equal(parts.total, parts.aleatoric + parts.epistemic)
    assert (parts.aleatoric > 0).all()
    assert (parts.epistemic > 0).all()


def test_the_variance_of_a_regressor_is_noise_plus_doubt(values):
    X, y = values
    model = regressor(random_state=0).fit(X, y)
    means, variances = model.predict_members(X)
    assert means.shape == variances.shape == (12, 250)
    parts = model.decompose(X)
    assert_adds_up(parts)
    np.testing.assert_allclose(parts.aleatoric, variances.mean(0), rtol=1e-5)
    np.testing.assert_allclose(parts.epistemic, means.var(0), rtol=1e-3, atol=1e-3)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean, means.mean(0), rtol=1e-5)
    np.testing.assert_allclose(std**2, parts.total, rtol=1e-5)


def test_the_entropy_of_a_classifier_is_noise_plus_doubt(iris):
    X, y = iris
    model = classifier(random_state=0).fit(X, y)
    members = model.predict_members(X).astype(np.float64)
    parts = model.decompose(X)
    assert_adds_up(parts)
    np.testing.assert_allclose(parts.aleatoric, expected_entropy(members), atol=1e-6)
    np.testing.assert_allclose(parts.epistemic, mutual_information(members), atol=1e-6)
    np.testing.assert_allclose(parts.total, predictive_entropy(members), atol=1e-6)
    assert set(model.predict(X)) <= set(y)


def test_draws_do_not_depend_on_the_batch(values, iris):
    for model, (X, y) in ((regressor(), values), (classifier(), iris)):
        model.set_params(random_state=0).fit(X, y)
        whole = model.decompose(X)
        model.estimator_.set_params(batch_size=33)
        for rows in (slice(None), slice(40, 43), slice(None, None, -1)):
            parts = model.decompose(X[rows])
            expected = whole.epistemic[rows]
            np.testing.assert_allclose(parts.epistemic, expected, rtol=1e-3, atol=1e-6)


def test_both_ways_to_draw_agree(values):
    X, y = values
    network = HeteroscedasticRegressor(
        n_dropout_samples=12, random_state=0, **OPTIONS
    ).fit(X, y)
    model = MCDropoutWrapper(network, n_samples=0)
    np.testing.assert_allclose(
        model.predict(X), clone_without_draws(network).predict(X), rtol=1e-6
    )
    model = MCDropoutWrapper(network, n_samples=300, random_state=0)
    network.set_params(n_dropout_samples=300)
    means = [m.predict(X).mean() for m in (model, network)]
    assert means[0] == pytest.approx(means[1], rel=0.02)


def clone_without_draws(network):
    """The same trained network, which drops nothing."""
    copy = clone(network)
    vars(copy).update(vars(network))
    return copy.set_params(n_dropout_samples=0)


def test_a_seed_of_the_wrapper_decides_everything(values):
    X, y = values
    state = torch.get_rng_state()
    pair = [regressor(random_state=3).fit(X, y).predict(X) for _ in range(2)]
    np.testing.assert_array_equal(*pair)
    assert torch.equal(torch.get_rng_state(), state)
    other = regressor(random_state=4).fit(X, y).predict(X)
    assert not np.array_equal(other, pair[0])


def test_it_works_around_a_fitted_network_and_a_pipeline(values):
    X, y = values
    network = HeteroscedasticRegressor(random_state=0, **OPTIONS)
    pipeline = make_pipeline(StandardScaler(), network).fit(X, y)
    behind = MCDropoutWrapper(pipeline, random_state=0)
    alone = MCDropoutWrapper(pipeline[-1], random_state=0)
    scaled = pipeline[0].transform(X)
    np.testing.assert_allclose(behind.predict(X), alone.predict(scaled), rtol=1e-5)
    trained = MCDropoutWrapper(make_pipeline(StandardScaler(), network), random_state=0)
    assert_adds_up(trained.fit(X, y).decompose(X))


def test_maps(rng):
    X = rng.normal(size=(5, 1, 6, 4)).astype(np.float32)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Dropout2d(0.5), nn.Conv2d(4, 2, 1)
    )
    model = MCDropoutWrapper(HeteroscedasticRegressor(net, max_epochs=2), n_samples=4)
    parts = model.set_params(random_state=0).fit(X, X[:, 0]).decompose(X)
    assert parts.total.shape == (5, 6, 4)
    net = nn.Sequential(*net[:-1], nn.Conv2d(4, 4, 1))
    model = MCDropoutWrapper(HeteroscedasticClassifier(net, max_epochs=2), n_samples=4)
    labels = (X[:, 0] > 0).astype(int) + (X[:, 0] > 1)
    parts = model.set_params(random_state=0).fit(X, labels).decompose(X)
    assert parts.total.shape == (5, 6, 4)
    assert_adds_up(parts)


def test_in_an_ensemble_doubt_is_that_of_all_draws(values, iris):
    X, y = values
    ensemble = EnsembleRegressor(regressor(), n_estimators=2, random_state=0).fit(X, y)
    pairs = [member.predict_members(X) for member in ensemble.estimators_]
    means, variances = (np.concatenate(each) for each in zip(*pairs, strict=True))
    parts = ensemble.decompose(X)
    assert_adds_up(parts)
    np.testing.assert_allclose(parts.aleatoric, variances.mean(0), rtol=1e-5)
    np.testing.assert_allclose(parts.epistemic, means.var(0), rtol=1e-3, atol=1e-3)
    X, y = iris
    ensemble = EnsembleClassifier(classifier(), n_estimators=2, random_state=0)
    ensemble.fit(X, y)
    assert ensemble.predict_members(X).shape == (24, 150, 3)
    parts = ensemble.decompose(X)
    assert_adds_up(parts)
    own = [expected_entropy(m.predict_members(X)) for m in ensemble.estimators_]
    np.testing.assert_allclose(parts.aleatoric, np.mean(own, axis=0), atol=1e-6)
    assert len(ensemble.select_members(X, y, n_members=1).estimators_) == 1


def test_in_an_ensemble_the_noise_of_tau_stays_noise(values):
    X, y = values
    member = MCDropoutWrapper("regressor", n_samples=5, tau=0.01)
    ensemble = EnsembleRegressor(member, n_estimators=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(ensemble.decompose(X).aleatoric, 100, rtol=1e-6)
    assert len(ensemble.select_members(X, y, n_members=1).estimators_) == 1


def test_the_likelihood_has_the_predicted_noise(values):
    X, y = values
    model = regressor(random_state=0).fit(X, y)
    f, v = (a.astype(np.float64) for a in model.predict_members(X))
    for noise in (0.0, 400.0):
        model.set_params(tau=1 / noise if noise else None)
        density = -((y - f) ** 2 / (v + noise) + np.log(2 * np.pi * (v + noise))) / 2
        expected = (logsumexp(density, axis=0) - np.log(len(f))).mean()
        found = predictive_log_likelihood(model, X, y)
        assert found == pytest.approx(expected, rel=1e-6)
    with pytest.raises(InputError, match="predicts its noise"):
        model.choose_tau(X, y)


def test_a_network_without_dropout_is_refused(values):
    network = HeteroscedasticRegressor(max_epochs=1, random_state=0)
    model = MCDropoutWrapper(network).fit(*values)
    with pytest.raises(InputError, match="no dropout was found"):
        model.predict(values[0])
