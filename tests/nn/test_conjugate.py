"""Bayes by Backprop against a posterior in closed form: linear regression."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes

from skuq.nn import BayesLinear, kl_divergence

NOISE = 0.5  # variance of the target that the likelihood assumes
N_STEPS = 6000


def standardised():
    X, y = load_diabetes(return_X_y=True)
    X, y = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    return torch.from_numpy(X), torch.from_numpy(y)[:, None]


def trained(weight_sampling, n_samples):
    """Means and deviations after training on the bound, averaged over the last half."""
    X, y = standardised()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = BayesLinear(
            10, 1, bias=False, weight_sampling=weight_sampling, dtype=torch.float64
        )
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, N_STEPS)
        visited = []
        for _ in range(N_STEPS):
            optimizer.zero_grad()
            errors = [(layer(X) - y).square().mean() for _ in range(n_samples)]
            loss = sum(errors) / n_samples / (2 * NOISE)
            (loss + kl_divergence(layer) / len(X)).backward()
            optimizer.step()
            schedule.step()
            visited.append(torch.cat([layer.weight_mean, layer.weight_std]).detach())
    return torch.stack(visited[N_STEPS // 2 :]).mean(0).numpy()


@pytest.mark.parametrize(
    ("weight_sampling", "n_samples"), [("weights", 1), ("weights", 4), ("local", 1)]
)
def test_posterior_is_the_mean_field_optimum(weight_sampling, n_samples):
    X, y = (values.numpy() for values in standardised())
    precision = X.T @ X / NOISE + np.eye(10)
    expected = np.linalg.solve(precision, X.T @ y / NOISE)[:, 0]
    std = np.diag(precision) ** -0.5
    found, found_std = trained(weight_sampling, n_samples)
    assert np.abs(found_std / std - 1).max() < 0.03
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()
