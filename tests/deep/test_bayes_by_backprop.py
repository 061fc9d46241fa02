"""Bayes by Backprop as an estimator: draws, bound, pruning, noise, maps."""

import pickle

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import laplace, norm, t
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from torch import nn

from skuq.deep import BBBClassifier, BBBRegressor, predictive_log_likelihood
from skuq.exceptions import InputError
from skuq.nn import GaussianPrior, ScaleMixturePrior, kl_divergence, to_bayesian

# Log-densities of values by mean and standard deviation; t has 4 degrees of freedom.
LAWS = {
    "gaussian": norm.logpdf,
    "laplace": lambda y, mean, std: laplace.logpdf(y, mean, std / 2**0.5),
    "student_t": lambda y, mean, std: t.logpdf(y, 4, mean, std / 2**0.5),
}
QUICK = {"max_epochs": 3, "n_samples": 4, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


@pytest.fixture(scope="module")
def classifier(iris):
    return BBBClassifier(max_epochs=60, random_state=0).fit(*iris)


@pytest.fixture(scope="module")
def regressor(diabetes):
    return BBBRegressor(max_epochs=60, random_state=0).fit(*diabetes)


def test_a_classifier_learns_and_its_parts_add_up(classifier, iris):
    X, y = iris
    assert classifier.score(X, y) > 0.9
    parts = classifier.decompose(X)
    np.testing.assert_allclose(
        parts.total, parts.aleatoric + parts.epistemic, atol=1e-6
    )
    assert (parts.epistemic > 0).all()


def test_a_regressor_learns_in_the_unit_of_the_target(regressor, diabetes):
    X, y = diabetes
    mean, std = regressor.predict(X, return_std=True)
    assert regressor.score(X, y) > 0.4
    assert 0.5 < np.std((y - mean) / std) < 1.1
    parts = regressor.decompose(X)
    np.testing.assert_allclose(parts.aleatoric, regressor.noise_std_**2, rtol=1e-5)


def test_predictions_do_not_depend_on_the_batch(classifier, regressor, iris, diabetes):
    for model, X in ((classifier, iris[0]), (regressor, diabetes[0])):
        whole = model.predict_uncertainty(X, kind="epistemic")
        part = model.predict_uncertainty(X[7:12], kind="epistemic")
        np.testing.assert_allclose(part, whole[7:12], rtol=1e-3, atol=1e-6)


def test_the_same_seed_gives_the_same_model_and_the_global_stream_is_left(iris):
    state = torch.get_rng_state()
    first, second = (BBBClassifier(**QUICK).fit(*iris) for _ in range(2))
    np.testing.assert_array_equal(
        first.predict_members(iris[0]), second.predict_members(iris[0])
    )
    first.predict_proba(iris[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_no_draws_means_the_mean_weights(classifier, iris):
    model = clone(classifier).set_params(max_epochs=2, n_samples=0).fit(*iris)
    (member,) = model.predict_members(iris[0])
    x = torch.from_numpy(iris[0]).float()
    with torch.no_grad():
        expected = model.module_.eval()(x).softmax(1).numpy()
    np.testing.assert_allclose(member, expected, rtol=1e-5)


def test_a_pickle_predicts_the_same(classifier, iris):
    other = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(
        other.predict_proba(iris[0]), classifier.predict_proba(iris[0])
    )


@pytest.mark.parametrize("likelihood", LAWS)
def test_the_bound_is_that_of_the_definition(diabetes, likelihood):
    X, y = diabetes
    model = BBBRegressor(max_epochs=200, lr=0.0, random_state=0, batch_size=len(y))
    model.set_params(weight_sampling="weights", noise=50.0, likelihood=likelihood)
    model.fit(X, y)
    # Untrained: each epoch is one estimate of the bound, in the unit of the target.
    divergence = kl_divergence(model.module_).item()
    members = 0.0
    model.set_params(n_samples=200)
    for mean, variance in model.iter_members(X):
        members += LAWS[likelihood](y, mean, np.sqrt(variance)).sum() / 200
    error = np.std(model.elbo_) * (2 / 200) ** 0.5
    assert abs(model.elbo_.mean() - (members - divergence)) < 5 * error


@pytest.mark.parametrize("noise", ["constant", "predicted"])
@pytest.mark.parametrize("likelihood", LAWS)
def test_the_distribution_is_the_mixture_of_the_draws(diabetes, likelihood, noise):
    X, y = diabetes
    model = BBBRegressor(likelihood=likelihood, noise=noise, **QUICK).fit(X, y)
    logs = [
        LAWS[likelihood](y, mean, np.sqrt(variance))
        for mean, variance in model.iter_members(X)
    ]
    expected = logsumexp(logs, axis=0) - np.log(len(logs))
    distribution = model.predict_distribution(X)
    actual = distribution.log_prob(torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
    score = predictive_log_likelihood(model, X, y)
    np.testing.assert_allclose(score, expected.mean(), rtol=1e-4)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(distribution.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(distribution.stddev, std, rtol=1e-4)


def test_degrees_of_freedom_are_those_asked_for(diabetes):
    options = QUICK | {"likelihood": "student_t", "n_samples": 0}
    model = BBBRegressor(degrees_of_freedom=7.0, **options).fit(*diabetes)
    assert (model.predict_distribution(diabetes[0][:3]).df == 7).all()


def test_the_likelihood_of_values_refuses_a_classifier(classifier, iris):
    with pytest.raises(InputError, match="scores regressors, got the classifier BBB"):
        predictive_log_likelihood(classifier, *iris)


def test_heavy_tails_shrug_off_outliers(diabetes):
    X, y = diabetes
    spoilt = y.copy()
    spoilt[::20] += 5_000
    options = {"hidden_layer_sizes": (), "max_epochs": 60, "random_state": 0}
    errors = {
        likelihood: np.abs(
            BBBRegressor(likelihood=likelihood, **options).fit(X, spoilt).predict(X) - y
        ).mean()
        for likelihood in LAWS
    }
    assert errors["student_t"] < 0.5 * errors["gaussian"]
    assert errors["laplace"] < 0.5 * errors["gaussian"]


def test_the_bound_rises(classifier, regressor):
    for model in (classifier, regressor):
        assert len(model.elbo_) == 60
        assert model.elbo_[-5:].mean() > model.elbo_[:5].mean()


def test_a_strong_prior_keeps_the_weights_near_it(iris):
    options = QUICK | {"max_epochs": 20, "batch_size": 30, "lr": 0.05}
    weak = BBBClassifier(kl_weight=0.0, **options).fit(*iris)
    strong = BBBClassifier(kl_weight=100.0, **options).fit(*iris)
    divergences = [kl_divergence(m.module_).item() for m in (strong, weak)]
    assert divergences[0] < 0.1 * divergences[1]


@pytest.mark.parametrize("kl_weight", ["uniform", "blundell", 0.5, lambda i, m: 1 / m])
def test_every_schedule_of_the_divergence_trains(iris, kl_weight):
    options = QUICK | {"batch_size": 40}
    model = BBBClassifier(kl_weight=kl_weight, kl_anneal_epochs=2, **options)
    assert np.isfinite(model.fit(*iris).elbo_).all()


class Factors(Callback):
    """Remembers what stood before the divergence in each batch of training."""

    def initialize(self):
        self.seen = []

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.seen.append(net.criterion_.factor)


def test_each_batch_carries_its_share_of_the_divergence(iris):
    options = {"kl_weight": "blundell", "kl_anneal_epochs": 2, "batch_size": 50}
    factors = Factors()
    model = BBBClassifier(net_params={"callbacks": [factors]}, **QUICK, **options)
    model.fit(*iris)
    # Beside a mean over the 50 samples of a batch; half of it in the first epoch.
    shares = np.array([4, 2, 1]) / 7 / 50
    np.testing.assert_allclose(factors.seen, [*shares / 2, *shares, *shares])


@pytest.mark.parametrize("weight_sampling", ["local", "weights", "flipout"])
def test_every_sampling_and_several_draws_train(iris, weight_sampling):
    model = BBBClassifier(
        weight_sampling=weight_sampling,
        n_samples_train=3,
        prior=ScaleMixturePrior(),
        **QUICK,
    ).fit(*iris)
    assert np.isfinite(model.predict_proba(iris[0])).all()


def test_pruning_leaves_the_share_of_weights_and_the_predictions(classifier, iris):
    model = pickle.loads(pickle.dumps(classifier)).prune(0.5)
    layers = model.posterior_summary()
    n_weights = sum(layer["n_weights"] for layer in layers.values())
    kept = sum(
        int((part.weight_mean != 0).sum())
        for part in model.module_.modules()
        if hasattr(part, "weight_mean")
    )
    assert kept == n_weights - round(0.5 * n_weights)
    assert model.score(*iris) > classifier.score(*iris) - 0.1


def test_trained_weights_and_a_bayesian_last_layer(iris):
    X, y = iris
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    model = BBBClassifier(net, layers="last", keep_weights=True, lr=0.0, **QUICK)
    model.fit(X, y)
    assert torch.equal(model.module_[0].weight, net[0].weight)
    assert torch.equal(model.module_[2].weight_mean, net[2].weight)
    assert not torch.equal(
        BBBClassifier(net, **QUICK).fit(X, y).module_[0].weight_mean, net[0].weight
    )


def test_a_network_that_is_bayesian_already_is_taken_as_it_is(iris):
    net = to_bayesian(nn.Linear(4, 3), prior=GaussianPrior(0.3))
    model = BBBClassifier(net, **QUICK).fit(*iris)
    assert model.module_.prior == GaussianPrior(0.3)


def test_noise_is_learned_given_or_predicted(rng):
    X = rng.normal(size=(400, 2)).astype(np.float32)
    y = 100 + 10 * X[:, 0] + rng.normal(0, 5, 400)
    options = {"max_epochs": 40, "n_samples": 10, "random_state": 0}
    learned = BBBRegressor(**options).fit(X, y)
    given = BBBRegressor(noise=3.0, **options).fit(X, y)
    predicted = BBBRegressor(noise="predicted", **options).fit(X, y)
    assert 4 < learned.noise_std_ < 7
    assert given.noise_std_ == pytest.approx(3.0, rel=1e-6)
    assert not hasattr(predicted, "noise_std_")
    aleatoric = predicted.predict_uncertainty(X, kind="aleatoric", measure="std")
    assert 4 < aleatoric.mean() < 8


def test_several_outputs_keep_their_units(rng):
    X = rng.normal(size=(300, 2)).astype(np.float32)
    y = np.stack([X[:, 0], 1000 * X[:, 1]], axis=1) + rng.normal(0, 0.1, (300, 2))
    model = BBBRegressor(max_epochs=40, n_samples=5, random_state=0).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == y.shape
    assert model.score(X, y) > 0.8
    assert model.noise_std_.shape == (2,)
    densities = model.predict_distribution(X).log_prob(torch.from_numpy(y))
    score = predictive_log_likelihood(model, X, y)
    assert score == pytest.approx(float(densities.sum()) / len(X))
    with pytest.raises(InputError, match=r"y has shape \(300,\)"):
        predictive_log_likelihood(model, X, y[:, 0])


def test_maps_are_classified_pixel_by_pixel(rng):
    X = rng.normal(size=(8, 1, 6, 5)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    y[0, 0] = -100  # void
    options = {"max_epochs": 80, "n_samples": 5, "lr": 0.05, "random_state": 0}
    model = BBBClassifier(nn.Conv2d(1, 3, 1), **options).fit(X, y)
    assert model.predict_proba(X).shape == (8, 3, 6, 5)
    assert model.predict_uncertainty(X, kind="epistemic").shape == (8, 6, 5)
    assert model.score(X[1:], y[1:]) > 0.9
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])


def test_maps_of_values(rng):
    X = rng.normal(size=(8, 1, 6, 5)).astype(np.float32)
    y = 5 + 2 * X[:, 0]
    options = {"max_epochs": 100, "n_samples": 5, "lr": 0.05, "random_state": 0}
    model = BBBRegressor(nn.Conv2d(1, 1, 1), **options).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == y.shape
    assert np.corrcoef(mean.ravel(), y.ravel())[0, 1] > 0.9


def test_a_search_tunes_the_divergence(iris):
    grid = {"kl_weight": [0.1, 1.0]}
    search = GridSearchCV(BBBClassifier(**QUICK), grid, cv=2).fit(*iris)
    assert search.best_estimator_.predict(iris[0]).shape == (150,)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (BBBClassifier(n_samples_train=0), "n_samples_train"),
        (BBBClassifier(kl_anneal_epochs=-1), "kl_anneal_epochs"),
        (BBBClassifier(module="net"), "module must be"),
        (BBBClassifier(nn.Linear(4, 2)), "does not fit"),
        (BBBClassifier(hidden_layer_sizes=(0,)), "hidden_layer_sizes"),
        (BBBRegressor(noise="none"), "noise must be"),
        (BBBRegressor(likelihood="cauchy"), "likelihood"),
        (BBBRegressor(likelihood="student_t", degrees_of_freedom=2), "degrees_of_free"),
        (BBBRegressor(nn.Linear(4, 3)), "the module gives 3"),
        (BBBRegressor(nn.Linear(4, 1), noise="predicted"), "the module gives 1"),
    ],
)
def test_errors_say_what_to_do(iris, model, message):
    with pytest.raises(InputError, match=message):
        model.fit(*iris)


@pytest.mark.parametrize(
    ("label", "message"), [(-1, "y holds -1"), (-100, "all labels")]
)
def test_labels_of_maps_must_be_codes(label, message):
    X, y = np.zeros((2, 1, 3, 3), np.float32), np.full((2, 3, 3), label)
    with pytest.raises(InputError, match=message):
        BBBClassifier(nn.Conv2d(1, 2, 1), **QUICK).fit(X, y)


def test_a_negative_number_of_draws_is_refused(classifier, iris):
    model = pickle.loads(pickle.dumps(classifier)).set_params(n_samples=-1)
    with pytest.raises(InputError, match="n_samples"):
        model.predict(iris[0])
