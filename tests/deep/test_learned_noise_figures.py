"""Learned noise on data with known answers."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from skuq.deep import (
    HeteroscedasticClassifier,
    HeteroscedasticRegressor,
    predictive_log_likelihood,
)
from skuq.deep._training import seeded


def spreading():
    """The 150 values of TensorFlow Probability's tutorial on probabilistic layers."""
    rng = np.random.RandomState(43)
    x = 80 * rng.rand(150) - 20
    spread = 3 * (0.25 + ((x + 20) / 80) ** 2)
    return x[:, None], 0.125 * x * (1 + np.sin(x)) + 5 + rng.randn(150) * spread


def least_loss(x, y, n_noise):
    """The least log loss of a mean and a log-variance that are polynomials of `x`."""

    def loss(weights):
        mean, log_std = np.polyval(weights[:2], x), np.polyval(weights[2:], x)
        return -norm.logpdf(y, mean, np.exp(log_std)).mean()

    x = (x - x.mean()) / x.std()
    return minimize(loss, [*np.polyfit(x, y, 1), *np.zeros(n_noise - 1), 1.0]).fun


@pytest.mark.parametrize("homoscedastic", [True, False])
def test_a_linear_model_finds_the_least_log_loss(homoscedastic):
    X, y = spreading()
    loss = least_loss(X[:, 0], y, n_noise=1 if homoscedastic else 2)
    # The best of a constant, and below the best of a softplus of small slope, 2.3674.
    assert loss == pytest.approx(2.5943, abs=1e-4) if homoscedastic else loss < 2.3674
    assert (X.mean(), y.mean()) == pytest.approx((20.1043, 7.8471), abs=1e-4)
    schedule = LRScheduler(CosineAnnealingLR, T_max=600)
    model = HeteroscedasticRegressor(
        hidden_layer_sizes=(),
        homoscedastic=homoscedastic,
        lr=0.02,
        max_epochs=600,
        batch_size=150,
        net_params={"callbacks": [("schedule", schedule)]},
        random_state=0,
    ).fit(X, y)
    assert -predictive_log_likelihood(model, X, y) == pytest.approx(loss, abs=2e-4)


def noisy_digits(seed):
    """Digits of which 3, 5 and 8 have 40 % wrong labels; and which are such."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    noisy = np.isin(y, (3, 5, 8))
    wrong = noisy & (rng.random(len(y)) < 0.4)
    labels = np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y)
    return train_test_split(
        X, labels, noisy, test_size=0.3, random_state=seed, stratify=y
    )


def test_the_noise_tells_classes_with_wrong_labels_and_costs_no_log_loss():
    training = {"max_epochs": 20, "batch_size": 100, "lr": 0.01}
    areas, losses = [], []
    for seed in range(5):
        X, X_test, y, y_test, _, noisy = noisy_digits(seed)
        model = HeteroscedasticClassifier(
            net_params={"optimizer__weight_decay": 1e-2}, random_state=seed, **training
        ).fit(X, y)
        scaler = StandardScaler().fit(X)
        with seeded(seed, "cpu"):
            plain = NeuralNetClassifier(
                nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10)),
                criterion=nn.CrossEntropyLoss,
                optimizer=Adam,
                optimizer__weight_decay=1e-2,
                iterator_train__shuffle=True,
                train_split=None,
                verbose=0,
                **training,
            ).fit(scaler.transform(X).astype(np.float32), y)
        probas = (
            model.predict_proba(X_test),
            plain.predict_proba(scaler.transform(X_test).astype(np.float32)),
        )
        areas.append(roc_auc_score(noisy, model.predict_noise(X_test)))
        losses.append([log_loss(y_test, np.clip(p, 1e-7, 1)) for p in probas])
    assert min(areas) > 0.8
    gains = np.subtract(*np.transpose(losses)[::-1])
    error = gains.std(ddof=1) / len(gains) ** 0.5
    assert error < 0.02
    assert gains.mean() > -2 * error
