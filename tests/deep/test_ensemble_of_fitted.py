"""Ensembles of models that were fitted elsewhere."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from skuq.deep import EnsembleClassifier, EnsembleRegressor
from skuq.exceptions import InputError


@pytest.fixture
def classes(rng):
    X = rng.standard_normal((60, 4)).astype(np.float32)
    return X, np.array(["eel", "cat", "dog"])[(X[:, 0] > 0) * 1 + (X[:, 1] > 1)]


@pytest.fixture
def codes(classes):
    return classes[0], np.unique(classes[1], return_inverse=True)[1]


def make_net(module, **options):
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        max_epochs=2,
        train_split=None,
        verbose=0,
        **options,
    )


def test_fitted_models_make_an_ensemble(classes):
    X, y = classes
    models = [LogisticRegression(C=c).fit(X, y) for c in (0.1, 1.0)]
    model = EnsembleClassifier.from_estimators(models)
    expected = np.mean([m.predict_proba(X) for m in models], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), expected)
    assert set(model.predict(X)) <= set(y)
    two = [LinearRegression().fit(X, X[:, 0]), LinearRegression().fit(X, X[:, 1])]
    mean, std = EnsembleRegressor.from_estimators(two).predict(X, return_std=True)
    np.testing.assert_allclose(mean, X[:, :2].mean(1), atol=1e-5)
    np.testing.assert_allclose(std, abs(X[:, 0] - X[:, 1]) / 2, atol=1e-5)
    with pytest.raises(InputError, match="no members"):
        EnsembleClassifier.from_estimators([])


def test_weights_travel_without_pickle(codes, tmp_path):
    X, y = codes
    options = {"module": nn.Linear, "classes": [0, 1, 2]}
    options |= {"module__in_features": 4, "module__out_features": 3}
    model = EnsembleClassifier(make_net(**options), n_estimators=2, random_state=0)
    model.fit(X, y)
    members = []
    for k, member in enumerate(model.estimators_):
        file = {"f_params": tmp_path / f"{k}.safetensors", "use_safetensors": True}
        member.save_params(**file)
        members.append(make_net(**options).initialize())
        members[k].load_params(**file)
    again = EnsembleClassifier.from_estimators(members)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_fitted_models_of_other_classes_give_the_missing_ones_no_probability(rng):
    X = rng.standard_normal((30, 2)).astype(np.float32)
    nets = []
    for known in ([0, 1], [1, 2]):
        net = make_net(nn.Linear(2, 2), classes=known)
        nets.append(net.fit(X, (X[:, 0] > 0).astype(int)))
    first, second = EnsembleClassifier.from_estimators(nets).predict_members(X)
    np.testing.assert_allclose(first[:, :2], nets[0].predict_proba(X), rtol=1e-6)
    np.testing.assert_allclose(second[:, 1:], nets[1].predict_proba(X), rtol=1e-6)
    assert not first[:, 2].any()
    assert not second[:, 0].any()
    model = EnsembleClassifier.from_estimators(nets, classes=[0, 1, 3])
    with pytest.raises(InputError, match="sorted labels of all columns"):
        model.predict(X)


def test_members_added_to_fitted_models_know_their_labels(classes):
    X, y = classes
    model = EnsembleClassifier.from_estimators([LogisticRegression().fit(X, y)])
    old, new = model.add_members(1, X, y).predict_members(X)
    np.testing.assert_array_equal(old, new)


def test_nets_added_to_a_net_of_another_kind_leave_it_what_it_was(codes):
    X, y = codes
    net = make_net(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3)))
    other = make_net(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3)))
    model = EnsembleClassifier.from_estimators([net.fit(X, y), other.fit(X, y)])
    model.add_members(2, X, y)
    assert model.strategy_ == "stacked"
    expected = np.mean([member.predict_proba(X) for member in model.estimators_], 0)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)


def test_no_members_are_added_to_pipelines_that_were_fitted_one_by_one(codes):
    X, y = codes
    pipeline = make_pipeline(StandardScaler(), make_net(nn.Linear(4, 3))).fit(X, y)
    model = EnsembleClassifier.from_estimators([pipeline])
    np.testing.assert_allclose(model.predict_proba(X), pipeline.predict_proba(X))
    with pytest.raises(InputError, match="pass all of them to from_estimators"):
        model.add_members(1, X, y)
