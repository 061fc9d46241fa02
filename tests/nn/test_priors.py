"""Priors against values by hand, integrals and Monte Carlo; weights of the KL."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from skuq.exceptions import InputError
from skuq.nn import (
    BayesLinear,
    GaussianPrior,
    LaplacePrior,
    ScaleMixturePrior,
    kl_divergence,
    kl_weights,
    to_bayesian,
)

PRIORS = [GaussianPrior(0.7, 0.2), LaplacePrior(0.4), ScaleMixturePrior(0.25, 1, 0.01)]


@pytest.fixture(autouse=True)
def _fixed_noise():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_gaussian_divergence_is_that_of_a_table():
    mean, std = doubles(1.0, 0.0), doubles(1.0, 2.0)
    expected = 0.5 + (2.0 - 0.5 - np.log(2.0))
    assert float(GaussianPrior().kl_divergence(mean, std)) == pytest.approx(expected)


@pytest.mark.parametrize("prior", PRIORS[:2])
@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.5), (1.5, 0.3), (-0.2, 1.0)])
def test_closed_forms_equal_the_integral(prior, mean, std):
    posterior = stats.norm(mean, std)

    def integrand(w):
        return posterior.pdf(w) * (
            posterior.logpdf(w) - float(prior.log_density(doubles(w))[0])
        )

    bounds = (mean - 12 * std, mean + 12 * std)
    expected, _ = integrate.quad(integrand, *bounds, points=[0.0, mean], limit=200)
    found = float(prior.kl_divergence(doubles(mean), doubles(std)))
    assert found == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("prior", PRIORS)
def test_divergence_agrees_with_monte_carlo(prior):
    mean, std = torch.randn(20).double(), torch.rand(20).double() + 0.1
    n = 4000
    w = mean + std * torch.randn(n, 20).double()
    posterior = torch.distributions.Normal(mean, std)
    sampled = (posterior.log_prob(w) - prior.log_density(w)).sum(1)
    own = torch.stack([prior.kl_divergence(mean, std) for _ in range(n)])
    error = ((sampled.var() + own.var()) / n).sqrt()
    assert abs(float(sampled.mean() - own.mean())) < 5 * float(error)


def test_mixture_gradients_are_those_of_the_narrow_scale_and_finite():
    # Beside std 0.1 the narrow Gaussian is gone: the gradient is -w / 0.1^2.
    w = doubles(0.1, 0.5, 1.0, 2.0).requires_grad_(True)
    ScaleMixturePrior(0.5, 0.1, 0.002).log_density(w).sum().backward()
    torch.testing.assert_close(w.grad, doubles(-10, -50, -100, -200))


def test_mixture_gradient_of_the_divergence_is_that_of_the_paper():
    # f = log q(w) - log p(w) by reparametrisation, with the same noise.
    prior, mean = ScaleMixturePrior(), doubles(0.3, -0.01).requires_grad_(True)
    rho = doubles(-3.0, -4.0).requires_grad_(True)
    std = torch.nn.functional.softplus(rho)
    state = torch.get_rng_state()
    own = torch.autograd.grad(prior.kl_divergence(mean, std), (mean, rho))
    torch.set_rng_state(state)
    std = torch.nn.functional.softplus(rho)
    w = mean + std * torch.randn(2, dtype=torch.float64)
    f = torch.distributions.Normal(mean, std).log_prob(w) - prior.log_density(w)
    torch.testing.assert_close(own, torch.autograd.grad(f.sum(), (mean, rho)))


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("rho", [-120.0, 100.0])
def test_extreme_deviations_stay_finite(prior, rho):
    layer = BayesLinear(2, 1, prior=prior)
    torch.nn.init.constant_(layer.weight_rho, rho)
    loss = kl_divergence(layer)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(layer.weight_rho.grad).all()


def test_the_divergence_is_a_sum_over_all_weights_of_all_layers():
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    twin = to_bayesian(net, initial_std=0.5)
    prior = torch.distributions.Normal(0.0, 1.0)
    expected = sum(
        torch.distributions.kl_divergence(
            torch.distributions.Normal(mean, std), prior
        ).sum()
        for layer in twin
        for mean, std in [
            (layer.weight_mean, layer.weight_std),
            (layer.bias_mean, layer.bias_std),
        ]
    )
    torch.testing.assert_close(kl_divergence(twin), expected)


@pytest.mark.parametrize(
    ("prior", "arguments"),
    [
        (GaussianPrior, {"std": 0.0}),
        (LaplacePrior, {"scale": -1.0}),
        (ScaleMixturePrior, {"share": 1.0}),
        (ScaleMixturePrior, {"narrow_std": 0.0}),
    ],
)
def test_impossible_priors_are_refused(prior, arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        prior(**arguments)


@pytest.mark.parametrize("n_batches", [1, 3, 50, 5000])
@pytest.mark.parametrize("kl_weight", ["uniform", "blundell"])
def test_an_epoch_sees_the_divergence_once(kl_weight, n_batches):
    weights = kl_weights(kl_weight, n_batches)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.isfinite(weights).all()


def test_weights_of_blundell_halve():
    np.testing.assert_allclose(kl_weights("blundell", 4), np.array([8, 4, 2, 1]) / 15)


def test_numbers_and_functions_weigh_as_they_say():
    assert kl_weights(0.1, 5).sum() == pytest.approx(0.1)
    np.testing.assert_array_equal(
        kl_weights(lambda i, m: i / m, 4), [0, 0.25, 0.5, 0.75]
    )


@pytest.mark.parametrize("kl_weight", ["other", None, -1.0, float("nan")])
def test_impossible_weights_are_refused(kl_weight):
    with pytest.raises(InputError, match=r"kl_weight|weights of the divergence"):
        kl_weights(kl_weight, 3)


@pytest.mark.parametrize(
    "priors",
    [
        (GaussianPrior(0.7, 0.3), GaussianPrior(0.7, 0.3)),
        (GaussianPrior(2.0), GaussianPrior(0.5, -1.0)),
        (GaussianPrior(), LaplacePrior(0.3)),
    ],
)
def test_layers_in_one_go_have_value_and_gradients_of_their_formula(priors):
    first, second = (
        BayesLinear(5, 5, prior=p, initial_std=0.4, dtype=torch.float64) for p in priors
    )
    net = torch.nn.Sequential(first, second)
    parameters = list(net.parameters())
    expected = sum(
        prior.kl_divergence(mean, std)
        for prior, layer in zip(priors, net, strict=True)
        for mean, std in [
            (layer.weight_mean, layer.weight_std),
            (layer.bias_mean, layer.bias_std),
        ]
    )
    own = kl_divergence(net)
    torch.testing.assert_close(own, expected)
    torch.testing.assert_close(
        torch.autograd.grad(3 * own, parameters),
        torch.autograd.grad(3 * expected, parameters),
    )


@pytest.mark.parametrize(
    "prior",
    [
        ScaleMixturePrior(),
        ScaleMixturePrior(0.2, 0.01, 0.8),  # the narrow one first
        ScaleMixturePrior(0.999, 3.0, 1e-6),
    ],
)
def test_the_mixture_in_one_go_has_value_and_gradients_of_its_formula(prior):
    layer = BayesLinear(8, 8, prior=prior, initial_std=0.1, dtype=torch.float64)
    mean, rho = layer.weight_mean, layer.weight_rho
    bias_mean, bias_rho = layer.bias_mean, layer.bias_rho
    state = torch.get_rng_state()
    own = kl_divergence(layer)
    torch.set_rng_state(state)
    expected = prior.kl_divergence(mean, layer.weight_std)
    expected = expected + prior.kl_divergence(bias_mean, layer.bias_std)
    parameters = [mean, rho, bias_mean, bias_rho]
    torch.testing.assert_close(own, expected)
    torch.testing.assert_close(
        torch.autograd.grad(3 * own, parameters),
        torch.autograd.grad(3 * expected, parameters),
    )


def test_a_layer_with_a_divergence_of_its_own_is_asked_for_it():
    class Twice(BayesLinear):
        def kl_divergence(self):
            return 2 * super().kl_divergence()

    net = torch.nn.Sequential(BayesLinear(3, 2), Twice(2, 1))
    plain = BayesLinear(2, 1)
    plain.load_state_dict(net[1].state_dict())
    expected = net[0].kl_divergence() + 2 * plain.kl_divergence()
    torch.testing.assert_close(kl_divergence(net), expected)
