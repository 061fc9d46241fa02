"""Deep ensembles: what members are, and how they predict together."""

import pickle

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import (
    NeuralNetBinaryClassifier,
    NeuralNetClassifier,
    NeuralNetRegressor,
)
from torch import nn

from skuq.deep import EnsembleClassifier, EnsembleRegressor
from skuq.exceptions import InputError, NoSamplesError
from skuq.nn import BetaNLLLoss, GaussianHead


@pytest.fixture
def classes(rng):
    X = rng.standard_normal((60, 4)).astype(np.float32)
    return X, np.array(["eel", "cat", "dog"])[(X[:, 0] > 0) * 1 + (X[:, 1] > 1)]


@pytest.fixture
def values(rng):
    X = rng.standard_normal((60, 3)).astype(np.float32)
    return X, 100 + 10 * X[:, 0]


def make_net(module, **options):
    defaults = {
        "criterion": nn.CrossEntropyLoss,
        "max_epochs": 2,
        "train_split": None,
        "verbose": 0,
    }
    return NeuralNetClassifier(module, **defaults | options)


def first_weights(model):
    return [
        next(net.module_.parameters()).detach().numpy() for net in model.estimators_
    ]


STRATEGIES = ("loop", "stacked")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_instance_of_a_module_gives_new_weights_to_every_member(strategy, classes):
    module = nn.Sequential(nn.Linear(4, 3))
    before = module[0].weight.detach().clone()
    net = make_net(module, lr=0.0)
    model = EnsembleClassifier(net, strategy=strategy, random_state=0).fit(*classes)
    weights = first_weights(model)
    assert len({w.tobytes() for w in weights}) == 5
    assert not any((w == before.numpy()).any() for w in weights)
    assert torch.equal(module[0].weight, before)


def test_an_instance_whose_weights_cannot_be_drawn_anew_is_an_error(classes):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(4, 3))

        def forward(self, x):
            return x @ self.w

    with pytest.raises(InputError, match="pass the class of the module"):
        EnsembleClassifier(make_net(Own())).fit(*classes)
    assert EnsembleClassifier(make_net(Own)).fit(*classes).score(*classes) > 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_members_see_the_samples_in_orders_of_their_own(strategy, values):
    """Of members without a weight that differs, losses tell the batches."""

    class Zero(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)
            for parameter in self.parameters():
                nn.init.zeros_(parameter)

        def forward(self, x):
            return self.layer(x)

    X, y = values
    net = NeuralNetRegressor(
        Zero, lr=0.0, batch_size=10, max_epochs=1, train_split=None, verbose=0
    )
    model = EnsembleRegressor(net, n_estimators=2, strategy=strategy, random_state=0)
    losses = [
        [batch["train_loss"] for batch in member.history[0]["batches"]]
        for member in model.fit(X, y).estimators_
    ]
    in_order = (y.astype(np.float32).reshape(6, 10) ** 2).mean(1)
    for mine, other in (losses, (losses[1], in_order), (losses[0], in_order)):
        assert not np.allclose(mine, other, rtol=1e-4)
        assert np.mean(mine) == pytest.approx(np.mean(other), rel=1e-5)


def test_probabilities_are_averaged(classes):
    X, _ = classes
    model = EnsembleClassifier(n_estimators=3, random_state=0).fit(*classes)
    members = model.predict_members(X)
    assert members.shape == (3, 60, 3)
    np.testing.assert_allclose(model.predict_proba(X), members.mean(0), atol=1e-6)
    assert list(model.classes_) == ["cat", "dog", "eel"]
    assert model.score(*classes) > 0.8


def test_one_member_is_its_ensemble(classes, values):
    X, y = classes
    model = EnsembleClassifier(n_estimators=1, random_state=0).fit(X, y)
    expected = model.estimators_[0].predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    X, y = values
    model = EnsembleRegressor(n_estimators=1, random_state=0).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    own_mean, own_variance = model.estimators_[0].forward(X)
    np.testing.assert_array_equal(mean, own_mean[:, 0])
    np.testing.assert_allclose(std, own_variance[:, 0].sqrt(), rtol=1e-6)
    np.testing.assert_array_equal(model.decompose(X).epistemic, 0)


def test_the_first_member_is_the_one_of_a_smaller_ensemble(classes):
    one, three = (
        EnsembleClassifier(n_estimators=n, random_state=0, strategy="loop").fit(
            *classes
        )
        for n in (1, 3)
    )
    np.testing.assert_array_equal(first_weights(one)[0], first_weights(three)[0])


def test_regressors_predict_the_moments_of_the_mixture(values):
    X, y = values
    model = EnsembleRegressor(n_estimators=3, random_state=0).fit(X, y)
    means, variances = map(np.float64, model.predict_members(X))
    mean, std = model.predict(X, return_std=True)
    expected = variances.mean(0) + (means**2).mean(0) - means.mean(0) ** 2
    np.testing.assert_allclose(mean, means.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std**2, expected, rtol=1e-4)
    parts = model.decompose(X)
    np.testing.assert_allclose(parts.aleatoric, variances.mean(0), rtol=1e-5)


def test_likelihoods_are_those_of_the_moments_and_of_the_mixture(values):
    X, y = values
    model = EnsembleRegressor(n_estimators=3, random_state=0).fit(X, y)
    means, variances = map(np.float64, model.predict_members(X))
    mean, std = model.predict(X, return_std=True)
    expected = norm.logpdf(y, mean, std)
    np.testing.assert_allclose(model.log_likelihood(X, y), expected, atol=1e-4)
    model.set_params(nll="mixture")
    expected = np.log(norm.pdf(y, means, np.sqrt(variances)).mean(0))
    np.testing.assert_allclose(model.log_likelihood(X, y), expected, rtol=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_net_behind_a_pipeline_is_trained_as_a_net(strategy, classes):
    X, y = classes
    shifted = 1000 * X.astype(np.float64) + 5000
    net = make_net(nn.Linear(4, 3), max_epochs=20, lr=0.1)
    options = {"strategy": strategy, "random_state": 0, "adversarial": True}
    model = EnsembleClassifier(make_pipeline(StandardScaler(), net), **options)
    plain = EnsembleClassifier(net, **options)
    proba = model.fit(shifted, y).predict_proba(shifted)
    Z = StandardScaler().fit_transform(shifted)
    np.testing.assert_array_equal(proba, plain.fit(Z, y).predict_proba(Z))
    assert len({w.tobytes() for w in first_weights(model)}) == 5


def test_members_of_scikit_learn_differ_by_their_random_state(classes):
    X, y = classes
    model = EnsembleClassifier(RandomForestClassifier(3), random_state=0).fit(X, y)
    assert model.strategy_ == "loop"
    assert len({m.random_state for m in model.estimators_}) == 5
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))


def test_a_member_that_misses_a_class_gives_it_no_probability(rng):
    X = rng.standard_normal((30, 2))
    y = np.array([0] * 15 + [1] * 14 + [2])
    model = EnsembleClassifier(
        LogisticRegression(), n_estimators=8, bootstrap=True, random_state=0
    ).fit(X, y)
    missing = [len(m.classes_) < 3 for m in model.estimators_]
    assert any(missing)
    members = model.predict_members(X)
    assert (members[missing][..., 2] == 0).all()
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1)


def test_bootstrapped_weights_stay_with_their_samples(rng):
    X = rng.standard_normal((200, 1))
    y = 3 * X[:, 0]
    y[:100] = 1000.0
    weight = np.repeat([0.0, 1.0], 100)
    model = EnsembleRegressor(LinearRegression(), bootstrap=True, random_state=0)
    model.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.predict(X[:3]), 3 * X[:3, 0], atol=1e-8)


def test_members_that_state_a_deviation_are_heard(values):
    X, y = values
    process = GaussianProcessRegressor(alpha=0.1, optimizer=None)
    model = EnsembleRegressor(process, n_estimators=2)
    parts = model.fit(X, y).decompose(X + 100)
    np.testing.assert_allclose(parts.aleatoric, 1, rtol=1e-5)


def test_a_warm_start_adds_the_members_of_a_larger_ensemble(classes):
    grown = EnsembleClassifier(n_estimators=2, warm_start=True, random_state=0)
    kept = grown.fit(*classes).estimators_[0]
    grown.set_params(n_estimators=4).fit(*classes)
    whole = EnsembleClassifier(n_estimators=4, random_state=0).fit(*classes)
    assert grown.estimators_[0] is kept
    for a, b in zip(first_weights(grown), first_weights(whole), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    with pytest.raises(InputError, match="less than the 4 members"):
        grown.set_params(n_estimators=1).fit(*classes)


def test_members_can_be_added(classes, values):
    model = EnsembleClassifier(n_estimators=1, random_state=0).fit(*classes)
    model.add_members(2, *classes)
    assert len({w.tobytes() for w in first_weights(model)}) == 3
    with pytest.raises(InputError, match="none of the classes"):
        model.add_members(1, classes[0], np.where(classes[1] == "cat", "emu", "dog"))


def test_selection_never_raises_the_loss_of_the_best_member(classes, values):
    def loss(model, X, y):
        right = y[:, None] == model.classes_
        return -np.log(model.predict_proba(X)[right]).mean()

    X, y = classes
    model = EnsembleClassifier(n_estimators=6, random_state=0).fit(X, y)
    alone = [
        loss(EnsembleClassifier.from_estimators([m], classes=model.classes_), X, y)
        for m in model.estimators_
    ]
    assert loss(model.select_members(X, y), X, y) <= min(alone) + 1e-6
    assert len(model.select_members(X, y, n_members=1).estimators_) == 1
    X, y = values
    regressor = EnsembleRegressor(n_estimators=4, random_state=0).fit(X, y)
    best = max(
        regressor.estimators_,
        key=lambda m: EnsembleRegressor.from_estimators([m]).log_likelihood(X, y).sum(),
    )
    chosen = regressor.select_members(X, y, n_members=2).estimators_
    assert len(chosen) == 2
    assert chosen[0] is best
    for n_members, message in ((0, "at least 1, got 0"), (3, "more than the 2")):
        with pytest.raises(InputError, match=message):
            regressor.select_members(X, y, n_members=n_members)


def test_selection_knows_no_other_label(classes):
    model = EnsembleClassifier(LogisticRegression(), n_estimators=2).fit(*classes)
    with pytest.raises(InputError, match="none of the classes"):
        model.select_members(classes[0], np.where(classes[1] == "cat", "ant", "dog"))


def test_segmentation_averages_over_the_class_axis(rng):
    X = rng.standard_normal((8, 2, 5, 6)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    net = make_net(nn.Conv2d(2, 3, 1), lr=0.1, max_epochs=20)
    model = EnsembleClassifier(net, n_estimators=2, random_state=0).fit(X, y)
    proba = model.predict_proba(X)
    assert proba.shape == (8, 3, 5, 6)
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
    assert model.decompose(X).total.shape == (8, 5, 6)
    assert model.score(X, y) > 0.5


def test_a_single_logit_is_two_classes(rng):
    X = rng.standard_normal((40, 2)).astype(np.float32)
    y = np.where(X[:, 0] > 0, "up", "down")
    net = NeuralNetBinaryClassifier(
        nn.Linear(2, 1), max_epochs=20, lr=0.5, train_split=None, verbose=0
    )
    model = EnsembleClassifier(net, n_estimators=2, random_state=0).fit(X, y)
    assert model.predict_proba(X).shape == (40, 2)
    assert model.score(X, y) > 0.9


def test_modules_with_two_numbers_for_each_value_get_a_gaussian_head(values):
    X, y = values
    model = EnsembleRegressor(nn.Linear(3, 2), random_state=0).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert np.mean((mean - y) ** 2) < y.var()
    assert (std > 0).all()
    with pytest.raises(InputError, match="one for each, or two"):
        EnsembleRegressor(nn.Linear(3, 3)).fit(X, y)


def test_shapes_that_would_broadcast_are_errors():
    with pytest.raises(InputError, match="two numbers for each output, got 3"):
        GaussianHead()(torch.zeros(5, 3))
    column = torch.ones(5, 1)
    with pytest.raises(InputError, match="make them the same"):
        BetaNLLLoss()((column, column), torch.zeros(5))


def test_predictions_leave_every_part_of_a_net_in_its_mode(classes):
    X, y = classes
    net = make_net(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)))
    model = EnsembleClassifier(net, strategy="loop", random_state=0).fit(X, y)
    module = model.estimators_[0].module_.train()
    module[0].eval()
    model.predict(X)
    assert (module.training, module[0].training) == (True, False)


def test_the_global_random_numbers_stay_as_they_were(classes):
    torch.manual_seed(1)
    before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    for strategy in STRATEGIES:
        EnsembleClassifier(n_estimators=2, strategy=strategy).fit(*classes)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_equal(np.random.get_state(), before[1])  # noqa: NPY002


def test_pickles_predict_the_same(classes, values):
    model = EnsembleClassifier(n_estimators=2, random_state=0).fit(*classes)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        model.predict_proba(classes[0]), again.predict_proba(classes[0])
    )
    regressor = EnsembleRegressor(n_estimators=2, random_state=0).fit(*values)
    again = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(
        regressor.predict(values[0]), again.predict(values[0])
    )


def test_wrong_arguments_are_clear_errors(classes):
    X, y = classes
    with pytest.raises(InputError, match="n_estimators must be an integer"):
        EnsembleClassifier(n_estimators=0).fit(X, y)
    with pytest.raises(ValueError, match="strategy"):
        EnsembleClassifier(strategy="magic").fit(X, y)
    with pytest.raises(InputError, match="is not a net of skorch"):
        EnsembleClassifier(LogisticRegression(), strategy="stacked").fit(X, y)
    with pytest.raises(InputError, match="needs gradients"):
        EnsembleClassifier(LogisticRegression(), adversarial=True).fit(X, y)
    with pytest.raises(NoSamplesError):
        EnsembleClassifier(LogisticRegression()).fit(X[:0], y[:0])
