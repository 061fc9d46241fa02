"""What doubt must do: shrink with more data and grow away from it, unlike noise."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from torch import nn

from skuq.deep import MCDropoutWrapper

ROWS = (30, 300, 3000)


def drawn(n, seed):
    """Two classes whose noise depends on the first feature alone."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)).astype(np.float32)
    return X, (rng.random(n) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(int)


def network():
    return nn.Sequential(nn.Linear(2, 50), nn.ReLU(), nn.Dropout(0.3), nn.Linear(50, 2))


def trained(n):
    """A network that has taken 600 steps."""
    net = NeuralNetClassifier(
        network,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        batch_size=100,
        max_epochs=60_000 // max(n, 100),
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    return MCDropoutWrapper(net, n_samples=50, random_state=1).fit(*drawn(n, seed=1))


@pytest.fixture(scope="module")
def models():
    return [trained(n) for n in ROWS]


@pytest.fixture(scope="module")
def near():
    return drawn(2000, seed=99)[0]


def is_above(one, other):
    """Whether a mean over rows is above another by five standard errors."""
    error = np.hypot(*(np.std(v) / np.sqrt(len(v)) for v in (one, other)))
    return one.mean() - other.mean() > 5 * error


def test_doubt_shrinks_with_more_data_and_noise_does_not(models, near):
    parts = [model.decompose(near) for model in models]
    for before, after in pairwise(parts):
        assert is_above(before.epistemic, after.epistemic)
        assert not is_above(before.aleatoric, after.aleatoric)


def test_with_much_data_noise_is_that_of_the_labels(models, near):
    p = 1 / (1 + np.exp(-2 * near[:, 0].astype(np.float64)))
    truth = -p * np.log(p) - (1 - p) * np.log(1 - p)
    noise = models[-1].predict_uncertainty(near, kind="aleatoric")
    assert noise.mean() == pytest.approx(truth.mean(), rel=0.1)
    assert np.corrcoef(noise, truth)[0, 1] > 0.9


def test_doubt_grows_away_from_the_data_and_noise_does_not(models, near):
    far = 6 * near / np.linalg.norm(near, axis=1, keepdims=True)
    for model in models[1:]:
        here, there = model.decompose(near), model.decompose(far)
        assert is_above(there.epistemic, here.epistemic)
        assert is_above(here.aleatoric, there.aleatoric)
