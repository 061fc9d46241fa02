"""Adversarial training: where inputs move, and what a step costs."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier
from torch import nn

from skuq.deep import EnsembleClassifier, EnsembleRegressor
from skuq.deep._adversarial import Attack
from skuq.exceptions import InputError


def make_net(module, **options):
    defaults = {
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.SGD,
        "lr": 0.1,
        "max_epochs": 1,
        "batch_size": -1,
        "train_split": None,
        "verbose": 0,
    }
    return NeuralNetClassifier(module, **defaults | options)


def test_steps_are_relative_to_the_range_of_each_feature():
    X = np.array([[0.0, 5.0, -1.0], [10.0, 5.0, 1.0]])
    steps = Attack(0.01).steps(X)
    np.testing.assert_allclose(steps, [0.1, 0.0, 0.02])
    steps = Attack(0.01, mask=[False, True, True]).steps(torch.from_numpy(X))
    np.testing.assert_allclose(steps, [0.0, 0.0, 0.02])


def test_inputs_move_up_the_gradient_and_are_clipped_on_request():
    x, steps = torch.tensor([[0.5, 0.99]]), torch.tensor([0.1, 0.1])
    gradient = torch.tensor([[-3.0, 0.2]])
    moved = Attack(1.0)(x, gradient, steps)
    np.testing.assert_allclose(moved, [[0.4, 1.09]], rtol=1e-6)
    moved = Attack(1.0, clip=(0, 1))(x, gradient, steps)
    np.testing.assert_allclose(moved, [[0.4, 1.0]], rtol=1e-6)


def test_wrong_inputs_are_clear_errors():
    with pytest.raises(InputError, match="one truth value for each feature"):
        Attack(0.1, mask=[True]).steps(np.zeros((3, 2)))
    with pytest.raises(InputError, match="real numbers"):
        Attack(0.1).steps(np.zeros((3, 2), dtype=int))
    with pytest.raises(InputError, match="changes arrays"):
        Attack(0.1).steps({"a": np.zeros(3)})


@pytest.mark.parametrize("strategy", ["loop", "stacked"])
def test_a_step_has_the_gradient_of_both_losses(strategy, rng):
    X = rng.standard_normal((20, 4)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    options = {"n_estimators": 2, "strategy": strategy, "random_state": 0}
    net = make_net(nn.Linear(4, 2))
    still = EnsembleClassifier(net.set_params(lr=0.0), **options).fit(X, y)
    net = make_net(nn.Linear(4, 2))
    model = EnsembleClassifier(net, adversarial=True, epsilon=0.2, **options).fit(X, y)
    for before, after in zip(still.estimators_, model.estimators_, strict=True):
        module = before.module_.requires_grad_(True)
        module.zero_grad()
        x, codes = torch.tensor(X, requires_grad=True), torch.tensor(y)
        loss = nn.functional.cross_entropy(module(x), codes)
        loss.backward()
        moved = x + 0.2 * (x.amax(0) - x.amin(0)) * x.grad.sign()
        nn.functional.cross_entropy(module(moved.detach()), codes).backward()
        expected = module.weight - 0.1 * module.weight.grad
        torch.testing.assert_close(after.module_.weight, expected)


@pytest.mark.parametrize("strategy", ["loop", "stacked"])
def test_batch_statistics_are_those_of_clean_inputs(strategy, rng):
    X = rng.standard_normal((20, 4)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    module = nn.Sequential(nn.BatchNorm1d(4, momentum=1.0), nn.Linear(4, 2))
    model = EnsembleClassifier(
        make_net(module), strategy=strategy, adversarial=True, epsilon=0.5
    ).fit(X, y)
    norm = model.estimators_[0].module_[0]
    np.testing.assert_allclose(norm.running_mean, X.mean(0), atol=1e-6)
    assert norm.num_batches_tracked == 1
    assert norm.track_running_stats


def test_features_that_the_mask_leaves_alone_do_not_matter(rng):
    X = rng.standard_normal((20, 2)).astype(np.float32)
    y = X[:, 0]
    options = {"n_estimators": 2, "random_state": 0, "adversarial": True}
    none = EnsembleRegressor(adversarial_mask=[False, False], **options).fit(X, y)
    zero = EnsembleRegressor(epsilon=0.0, **options).fit(X, y)
    np.testing.assert_array_equal(none.predict(X), zero.predict(X))


def test_nets_keep_no_trace_of_the_adversary(rng):
    X = rng.standard_normal((20, 2)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    for strategy in ("loop", "stacked"):
        model = EnsembleClassifier(strategy=strategy, adversarial=True).fit(X, y)
        names = [name for name, _ in model.estimators_[0].callbacks_]
        assert "skuq_adversary" not in names
        assert not np.isnan(model.predict_proba(X)).any()


def test_the_changed_inputs_raise_the_loss_of_nearly_every_sample():
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    model = EnsembleClassifier(n_estimators=1, random_state=0).fit(X, y)
    module = model.estimators_[0].module_.eval().double()
    x, codes = torch.tensor(X.astype(float), requires_grad=True), torch.tensor(y)
    before = nn.functional.cross_entropy(module(x), codes, reduction="none")
    before.sum().backward()
    attack = Attack(0.01)
    moved = attack(x, x.grad, attack.steps(X))
    after = nn.functional.cross_entropy(module(moved), codes, reduction="none")
    assert float((after > before).float().mean()) > 0.99
