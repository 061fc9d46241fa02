"""Losses and heads of learned noise, against values by hand and torch's own."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Laplace, Normal, StudentT

from skuq.exceptions import InputError
from skuq.nn import (
    BetaNLLLoss,
    ConstantNoise,
    LaplaceNLLLoss,
    LogitNoiseHead,
    LogitNoiseLoss,
    LogVarianceHead,
    StudentTNLLLoss,
)


@pytest.fixture(autouse=True)
def _fixed_noise():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def lowest(loss, residual=3.0):
    """The variance at which the loss of a constant residual is lowest."""
    log_variance = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [log_variance], max_iter=200, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        mean = torch.zeros_like(log_variance)
        value = loss((mean, log_variance.exp()), mean + residual)
        value.backward()
        return value

    optimizer.step(closure)
    return log_variance.exp().item()


def test_a_constant_residual_of_3_gives_a_variance_of_9():
    assert lowest(BetaNLLLoss()) == pytest.approx(9.0, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        (LaplaceNLLLoss(), lambda m, v: Laplace(m, (v / 2).sqrt())),
        (StudentTNLLLoss(5.0), lambda m, v: StudentT(5.0, m, (v * 3 / 5).sqrt())),
    ],
)
def test_losses_are_negative_log_densities_of_the_stated_variance(loss, reference):
    mean, y = torch.randn(2, 50, dtype=torch.float64)
    variance = torch.rand(50, dtype=torch.float64) + 0.1
    distribution = reference(mean, variance)
    torch.testing.assert_close(distribution.variance, variance)
    torch.testing.assert_close(
        loss((mean, variance), y), -distribution.log_prob(y).mean()
    )


def test_the_gaussian_loss_lacks_only_a_constant():
    mean, y = torch.randn(2, 50, dtype=torch.float64)
    variance = torch.rand(50, dtype=torch.float64) + 0.1
    expected = -Normal(mean, variance.sqrt()).log_prob(y).mean()
    found = BetaNLLLoss()((mean, variance), y) + 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", [BetaNLLLoss, LaplaceNLLLoss, StudentTNLLLoss])
def test_beta_weighs_samples_without_a_gradient_of_its_own(kind):
    mean = torch.zeros(2, requires_grad=True)
    variance, y = torch.tensor([4.0, 0.25]), torch.tensor([1.0, 1.0])
    plain, weighted = (
        torch.autograd.grad(kind(beta=beta)((mean, variance), y), mean)[0]
        for beta in (0.0, 0.5)
    )
    torch.testing.assert_close(weighted, plain * variance.sqrt())


def test_without_noise_the_loss_is_the_cross_entropy_exactly():
    logits, y = 10 * torch.randn(200, 7), torch.randint(0, 7, (200,))
    found = LogitNoiseLoss(8)((logits, torch.zeros(200, 1)), y)
    rows = -logits.log_softmax(1).gather(1, y[:, None])[:, 0]
    assert torch.equal(found, rows.sum() / 200)
    torch.testing.assert_close(found, nn.functional.cross_entropy(logits, y))


def test_a_gap_of_120_gives_a_finite_loss_and_gradient():
    logits = torch.tensor([[0.0, 120.0, 0.0]], requires_grad=True)
    loss = LogitNoiseLoss(10)((logits, torch.full((1, 1), 1e-3)), torch.tensor([0]))
    loss.backward()
    assert loss.item() == pytest.approx(120.0, abs=0.01)
    torch.testing.assert_close(logits.grad, torch.tensor([[-1.0, 1.0, 0.0]]))


def test_the_loss_averages_probabilities_not_their_logarithms():
    logits, scale = torch.zeros(1, 2, dtype=torch.float64), torch.full((1, 2), 2.0)
    y = torch.tensor([0])
    n = 200_000
    found = LogitNoiseLoss(n)((logits, scale.double()), y).item()
    assert found == pytest.approx(math.log(2), abs=5 / n**0.5)  # by symmetry


def test_noise_lowers_the_loss_of_a_wrong_label():
    logits, y = torch.tensor([[0.0, 6.0]]), torch.tensor([0])
    quiet, noisy = (
        LogitNoiseLoss(2000)((logits, torch.full((1, 1), s)), y) for s in (0.1, 4.0)
    )
    assert noisy < quiet


def test_maps_and_void_positions():
    logits, scale = torch.randn(2, 3, 4, 5), torch.zeros(2, 1, 4, 5)
    y = torch.randint(0, 3, (2, 4, 5))
    y[0, 0] = -100
    found = LogitNoiseLoss(3)((logits, scale), y)
    torch.testing.assert_close(found, nn.functional.cross_entropy(logits, y))


def test_heads_split_axis_1_of_tables_and_maps():
    for shape in ((), (6, 5)):
        mean, variance = LogVarianceHead()(torch.zeros(2, 4, *shape))
        assert mean.shape == variance.shape == (2, 2, *shape)
        torch.testing.assert_close(variance, torch.full_like(variance, 1 + 1e-6))
        mean, variance = ConstantNoise(3, [1.0, 4.0, 9.0])(torch.zeros(2, 3, *shape))
        assert variance.shape == (2, 3, *shape)
        torch.testing.assert_close(variance[:, 1], torch.full_like(mean[:, 1], 4.0))
        logits, scale = LogitNoiseHead(3)(torch.zeros(2, 4, *shape))
        assert logits.shape == (2, 3, *shape)
        assert scale.shape == (2, 1, *shape)
        _, scale = LogitNoiseHead(3, noise="per_class")(torch.zeros(2, 6, *shape))
        assert scale.shape == logits.shape


def test_the_variance_stays_finite_and_above_zero():
    _, variance = LogVarianceHead()(torch.tensor([[0.0, 1e4], [0.0, -1e4]]))
    assert torch.isfinite(variance).all()
    assert (variance > 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LaplaceNLLLoss(2.0), "beta"),
        (lambda: StudentTNLLLoss(2.0), "degrees_of_freedom"),
        (lambda: LogitNoiseLoss(0), "n_samples"),
        (lambda: ConstantNoise(1, 0.0), "above 0"),
        (lambda: LogVarianceHead()(torch.zeros(2, 3)), "as many log-variances"),
        (lambda: LogitNoiseHead(3, noise="other"), "noise"),
        (lambda: LogitNoiseHead(3)(torch.zeros(2, 3)), "needs 4"),
    ],
)
def test_errors_say_what_to_do(make, message):
    with pytest.raises(InputError, match=message):
        make()
