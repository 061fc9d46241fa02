"""Bayesian layers: exact gradients, unbiased draws, twins of any network."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from skuq.exceptions import InputError
from skuq.nn import (
    BayesConv1d,
    BayesConv2d,
    BayesConv3d,
    BayesLinear,
    GaussianPrior,
    LaplacePrior,
    ScaleMixturePrior,
    forward_with_kl,
    kl_divergence,
    posterior_summary,
    prune_weights,
    to_bayesian,
    weight_draw,
)

SAMPLINGS = ["weights", "local", "flipout"]
CONVOLUTIONS = {1: BayesConv1d, 2: BayesConv2d, 3: BayesConv3d}


@pytest.fixture(autouse=True)
def _fixed_noise():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def double_layer(n_in=4, n_out=3, **options):
    return BayesLinear(n_in, n_out, dtype=torch.float64, **options)


def test_three_samples_in_one_backward_pass_have_the_analytic_gradient():
    layer = double_layer(5, 1, bias=False, weight_sampling="weights", initial_std=0.5)
    x, c = torch.randn(7, 5).double(), torch.randn(7, 1).double()
    state = torch.get_rng_state()
    loss = sum((c * layer(x)).sum() for _ in range(3))
    loss.backward()
    torch.set_rng_state(state)
    noise = [torch.randn(1, 5, dtype=torch.float64) for _ in range(3)]
    slope = (c.T @ x) * torch.sigmoid(layer.weight_rho.detach())
    torch.testing.assert_close(layer.weight_rho.grad, slope * sum(noise))
    torch.testing.assert_close(layer.weight_mean.grad, 3 * c.T @ x)


PRIORS = [GaussianPrior(0.5, 0.1), LaplacePrior(0.4), ScaleMixturePrior(0.25, 1, 0.01)]


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("weight_sampling", SAMPLINGS)
@pytest.mark.parametrize("bias", [True, False])
def test_output_and_divergence_in_one_pass_are_those_of_two(
    prior, weight_sampling, bias
):
    layer = double_layer(
        bias=bias, prior=prior, weight_sampling=weight_sampling, initial_std=0.3
    )
    x, c = torch.randn(7, 4).double().requires_grad_(), torch.randn(7, 3).double()
    state, found = torch.get_rng_state(), []
    for together in (True, False):
        torch.set_rng_state(state)
        out, divergence = (
            forward_with_kl(layer, x) if together else (layer(x), kl_divergence(layer))
        )
        inputs = (x, *layer.parameters())
        loss = (c * out).sum() + 0.7 * divergence
        found.append((out, divergence, *torch.autograd.grad(loss, inputs)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_one_pass_counts_every_layer_once():
    shared, idle = double_layer(3, 3), double_layer(3, 3)
    net = nn.ModuleList([shared, idle, BayesConv1d(1, 1, 1, dtype=torch.float64)])
    net.forward = lambda x: shared(shared(x))
    x = torch.ones(2, 3).double()
    for mode in (True, False):
        _, divergence = forward_with_kl(net.train(mode), x)
        torch.testing.assert_close(divergence, kl_divergence(net))
    # What was found in a pass is forgotten: the next one sees other weights.
    with torch.no_grad():
        before = forward_with_kl(net.train(), x)[1]
        shared.weight_mean += 1
        after = forward_with_kl(net, x)[1]
        torch.testing.assert_close(after, kl_divergence(net))
    assert float(after) > float(before) + 1


@pytest.mark.parametrize("prior", [PRIORS[0], PRIORS[2]])
def test_one_pass_does_not_come_back_to_the_weights(prior, monkeypatch):
    layer = double_layer(prior=prior)

    def second_pass(layers):
        raise AssertionError(f"a second pass over {layers}")

    monkeypatch.setattr("skuq.nn._bayes_module.divergence_of", second_pass)
    _, divergence = forward_with_kl(layer, torch.ones(2, 4).double())
    divergence.backward()
    assert float(layer.weight_rho.grad.abs().min()) > 0
    with pytest.raises(AssertionError, match="a second pass"):
        kl_divergence(layer)


@pytest.mark.parametrize("frozen", [("weight",), ("bias",), ("weight", "bias")])
def test_frozen_parameters_leave_the_other_gradients_as_they_are(frozen):
    layer, x = double_layer(), torch.randn(7, 4).double().requires_grad_()
    state, found = torch.get_rng_state(), []
    for stopped in ((), frozen):
        for name, parameter in layer.named_parameters():
            parameter.requires_grad_(name.split("_")[0] not in stopped)
        layer.zero_grad()
        torch.set_rng_state(state)
        out, divergence = forward_with_kl(layer, x)
        (x_grad,) = torch.autograd.grad(out.square().sum(), x, retain_graph=True)
        if len(stopped) < 2:
            (out.sum() + divergence).backward()
        found.append((x_grad, {n: p.grad for n, p in layer.named_parameters()}))
    (x_all, grads_all), (x_frozen, grads) = found
    torch.testing.assert_close(x_frozen, x_all, rtol=0, atol=0)
    for name, grad in grads.items():
        if name.split("_")[0] in frozen:
            assert grad is None
        else:
            torch.testing.assert_close(grad, grads_all[name], rtol=0, atol=0)


def test_an_error_in_the_network_leaves_it_as_it_was():
    layer = double_layer()
    with pytest.raises(RuntimeError, match="shapes"):
        forward_with_kl(layer, torch.ones(2, 5).double())
    layer(torch.ones(2, 4).double()).sum().backward()
    assert layer._found is None


@pytest.mark.parametrize("weight_sampling", SAMPLINGS)
def test_outputs_have_the_mean_and_the_variance_of_the_weights(weight_sampling):
    layer = double_layer(weight_sampling=weight_sampling, initial_std=0.3)
    x = torch.tensor([[1.0, -2.0, 0.5, 3.0]], dtype=torch.float64)
    n = 20_000
    with torch.no_grad():
        rows = x if weight_sampling == "weights" else x.expand(n, 4)
        draws = [layer(rows) for _ in range(n if weight_sampling == "weights" else 5)]
        out = torch.cat(draws)
        mean = x @ layer.weight_mean.T + layer.bias_mean
        variance = x.square() @ layer.weight_std.square().T + layer.bias_std.square()
    if weight_sampling == "flipout":  # rows of a batch share the size of their noise
        out = torch.cat([layer(x.expand(2, 4)).detach() for _ in range(n // 2)])
    error = (variance / len(out)).sqrt()
    assert ((out.mean(0) - mean).abs() < 5 * error).all()
    spread = (out - mean).square()
    n_own = len(out) / 2 if weight_sampling == "flipout" else len(out)
    error = spread.std(0) / n_own**0.5
    assert ((spread.mean(0) - variance).abs() < 5 * error).all()


def gradients(weight_sampling, n_repeats=400):
    """Gradients of a squared loss over a batch, one row for each repeat."""
    torch.manual_seed(1)
    layer = double_layer(3, 2, weight_sampling=weight_sampling, initial_std=0.4)
    x, y = torch.randn(32, 3).double(), torch.randn(32, 2).double()
    rows = []
    for _ in range(n_repeats):
        layer.zero_grad()
        (layer(x) - y).square().mean().backward()
        rows.append(torch.cat([p.grad.flatten() for p in layer.parameters()]))
    return torch.stack(rows)


@pytest.mark.parametrize("weight_sampling", ["local", "flipout"])
def test_gradients_are_unbiased_and_have_less_variance(weight_sampling):
    plain, other = gradients("weights"), gradients(weight_sampling)
    error = ((plain.var(0) + other.var(0)) / len(plain)).sqrt()
    assert ((plain.mean(0) - other.mean(0)).abs() < 5 * error).all()
    assert other.var(0).sum() < 0.7 * plain.var(0).sum()


@pytest.mark.parametrize("weight_sampling", SAMPLINGS)
def test_zero_deviation_gives_the_layer_of_torch(weight_sampling):
    plain = nn.Linear(4, 3)
    layer = to_bayesian(plain, weight_sampling=weight_sampling, keep_weights=True)
    nn.init.constant_(layer.weight_rho, -torch.inf)
    nn.init.constant_(layer.bias_rho, -torch.inf)
    x = torch.randn(6, 4)
    torch.testing.assert_close(layer(x), plain(x))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("n_dims", [1, 2, 3])
@pytest.mark.parametrize("padding", [1, "same"])
def test_mean_weights_convolve_as_torch_does(n_dims, mode, padding):
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[n_dims - 1]
    plain = kind(4, 6, 3, padding=padding, groups=2, padding_mode=mode)
    layer = to_bayesian(plain, keep_weights=True).eval()
    assert isinstance(layer, CONVOLUTIONS[n_dims])
    x = torch.randn(2, 4, *[5] * n_dims)
    torch.testing.assert_close(layer(x), plain(x))


@pytest.mark.parametrize("weight_sampling", SAMPLINGS)
@pytest.mark.parametrize("n_dims", [1, 2, 3])
def test_convolutions_draw_around_their_mean(n_dims, weight_sampling):
    layer = CONVOLUTIONS[n_dims](2, 3, 3, weight_sampling=weight_sampling)
    x = torch.randn(4, 2, *[5] * n_dims)
    first, second = layer(x), layer(x)
    assert first.shape == layer.eval()(x).shape
    assert not torch.equal(first, second)
    assert layer.train()(x[0]).shape == first.shape[1:]
    first.sum().backward()
    assert torch.isfinite(layer.weight_rho.grad).all()


def test_flipout_of_a_sequence_shares_weights_along_it():
    layer = BayesLinear(4, 3, weight_sampling="flipout", initial_std=0.5)
    out = layer(torch.ones(2, 6, 4))
    torch.testing.assert_close(out, out[:, :1].expand_as(out))
    assert layer(torch.ones(4)).shape == (3,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_local_noise_has_no_gradient_where_all_inputs_are_zero(dtype):
    layer = BayesLinear(4, 3, bias=False, dtype=dtype)
    x = torch.zeros(2, 4, dtype=dtype, requires_grad=True)
    layer(x).sum().backward()
    assert torch.equal(layer.weight_rho.grad, torch.zeros(3, 4, dtype=dtype))
    mean_part = layer.weight_mean.sum(0).expand(2, 4)
    torch.testing.assert_close(x.grad, mean_part, rtol=1e-12, atol=0)


@pytest.mark.parametrize("bias", [True, False])
def test_local_gradients_by_hand_are_those_of_autograd(bias):
    layer = double_layer(5, 3, bias=bias, initial_std=0.3)
    x = torch.randn(7, 5).double().requires_grad_()
    state, found = torch.get_rng_state(), []
    for local in (layer._local, super(BayesLinear, layer)._local):
        torch.set_rng_state(state)
        out = local(x)
        inputs = (x, *layer.parameters())
        found.append((out, *torch.autograd.grad(out.square().sum(), inputs)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("extremes", [(), (-torch.inf, 100.0), (-150.0, -60.0, 30.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_deviations_of_many_weights_are_the_softplus_of_rho(dtype, extremes):
    layer = BayesLinear(200, 100, bias=False, dtype=dtype)
    with torch.no_grad():
        layer.weight_rho.uniform_(-12, 12)
        layer.weight_rho[0, : len(extremes)] = torch.tensor(extremes, dtype=dtype)
        rho = layer.weight_rho.double()
        floor = torch.finfo(dtype).tiny
        std = torch.nn.functional.softplus(rho, threshold=700).clamp_min(floor)
        expected = GaussianPrior().kl_divergence(layer.weight_mean.double(), std)
    divergence = kl_divergence(layer)
    precision = 1e-6 if dtype == torch.float32 else 1e-13
    torch.testing.assert_close(divergence.double(), expected, rtol=precision, atol=0)
    assert torch.isfinite(torch.autograd.grad(divergence, layer.weight_rho)[0]).all()


def test_evaluation_uses_the_mean_weights():
    layer = BayesLinear(4, 3).eval()
    x = torch.randn(5, 4)
    torch.testing.assert_close(
        layer(x), nn.functional.linear(x, layer.weight_mean, layer.bias_mean)
    )


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def test_a_draw_is_one_function_known_by_its_number_and_seed():
    twin = to_bayesian(net(), initial_std=0.5)
    x, state = torch.randn(5, 4), torch.get_rng_state()
    with torch.no_grad():
        outputs = {}
        for key in [(0, 0), (1, 0), (0, 1), (0, 0)]:
            with weight_draw(twin, key[0], seed=key[1]):
                out = twin(x)
                torch.testing.assert_close(twin(x[2:3]), out[2:3])
            if key in outputs:
                assert torch.equal(outputs[key], out)
            outputs[key] = out
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(outputs[0, 0], outputs[1, 0])
    assert not torch.equal(outputs[0, 0], outputs[0, 1])


def test_draws_have_the_moments_of_the_posterior():
    layer = BayesLinear(2, 1, initial_std=0.5)
    weights = []
    for i in range(2000):
        with weight_draw(layer, i):
            weights.append(layer.weight)
    z = (torch.cat(weights) - layer.weight_mean) / layer.weight_std
    assert (z.mean(0).abs() < 5 / 2000**0.5).all()
    assert ((z.var(0) - 1).abs() < 5 * (2 / 2000) ** 0.5).all()


def test_a_network_survives_copy_pickle_and_a_move_after_a_pass():
    twin = to_bayesian(net())
    twin(torch.randn(3, 4)).sum().backward()
    kl_divergence(twin).backward()
    with weight_draw(twin, 0):
        twin(torch.randn(3, 4))
    x = torch.randn(3, 4)
    expected = twin.eval()(x)
    for other in (copy.deepcopy(twin), pickle.loads(pickle.dumps(twin))):
        assert torch.equal(other(x), expected)
    assert twin.to(torch.float64)(x.double()).dtype == torch.float64


def test_the_network_itself_stays_as_it_is():
    plain = net()
    before = copy.deepcopy(plain.state_dict())
    to_bayesian(plain)
    assert isinstance(plain[0], nn.Linear)
    assert all(torch.equal(plain.state_dict()[k], v) for k, v in before.items())


def test_means_come_from_trained_weights_if_wished():
    plain = net()
    kept, new = to_bayesian(plain, keep_weights=True), to_bayesian(plain)
    x = torch.randn(3, 4)
    torch.testing.assert_close(kept.eval()(x), plain(x))
    assert not torch.equal(new[0].weight_mean, plain[0].weight)


def test_layers_are_chosen_by_name_or_position():
    assert isinstance(to_bayesian(net(), layers=["0"])[0], BayesLinear)
    assert isinstance(to_bayesian(net(), layers=["0"])[2], nn.Linear)
    assert isinstance(to_bayesian(net(), layers="last")[0], nn.Linear)
    assert isinstance(to_bayesian(net(), layers="last")[2], BayesLinear)
    assert isinstance(to_bayesian(nn.Conv2d(1, 2, 3)), BayesConv2d)


def test_a_shared_layer_stays_shared():
    layer = nn.Linear(4, 4)
    twin = to_bayesian(nn.Sequential(layer, nn.ReLU(), layer))
    assert twin[0] is twin[2]
    assert len(list(twin.parameters())) == 4


def test_a_transformer_draws_in_evaluation_mode_too():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    twin = to_bayesian(layer, initial_std=0.5).eval()
    x = torch.randn(2, 5, 8)
    with torch.no_grad():
        with weight_draw(twin, 0):
            first = twin(x)
        with weight_draw(twin, 1):
            second = twin(x)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: to_bayesian(nn.ReLU()), "no linear or convolutional"),
        (lambda: to_bayesian(net(), layers=["1"]), "choose from"),
        (lambda: kl_divergence(net()), "no Bayesian layer"),
        (lambda: BayesLinear(1, 1, weight_sampling="other"), "weight_sampling"),
        (lambda: BayesLinear(1, 1, initial_std=0.0), "initial_std"),
        (lambda: BayesConv1d(3, 4, 1, groups=2), "groups"),
        (lambda: BayesConv1d(3, 4, 1, padding="full"), "padding must be one of"),
        (lambda: prune_weights(BayesLinear(1, 1), 2), "fraction"),
    ],
)
def test_errors_say_what_to_do(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_pruned_weights_are_those_of_the_smallest_ratio():
    layer = BayesLinear(4, 1)
    with torch.no_grad():
        layer.weight_mean.copy_(torch.tensor([[3.0, 1.0, -2.0, 0.1]]))
        layer.weight_rho[0, 0] = 10.0  # a large mean, but not a sure one
    assert prune_weights(layer, 0.5) == 2
    assert (layer.weight_mean != 0).tolist() == [[False, True, True, False]]
    with weight_draw(layer, 0):
        assert (layer.weight != 0).tolist() == [[False, True, True, False]]
    assert torch.isfinite(kl_divergence(layer))


def test_further_steps_keep_the_deviations_of_pruned_weights_at_zero():
    layer = BayesLinear(4, 1)
    prune_weights(layer, 0.5)
    pruned = layer.weight_std == 0
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    ((layer(torch.ones(3, 4)) - 1).square().sum() + kl_divergence(layer)).backward()
    optimizer.step()
    assert int(pruned.sum()) == 2
    assert torch.equal(layer.weight_std == 0, pruned)
    assert torch.isfinite(layer.weight_mean).all()


def test_pruning_ranks_all_layers_together():
    twin = to_bayesian(net())
    ratios = torch.cat(
        [(m.weight_mean.abs() / m.weight_std).flatten() for m in (twin[0], twin[2])]
    )
    kept = int((ratios[:32] > ratios.sort().values[23]).sum())
    prune_weights(twin, 0.5)
    assert int((twin[0].weight_mean != 0).sum()) == kept


def test_the_summary_names_layers_and_counts_weights():
    twin = to_bayesian(net(), layers="last", prior=GaussianPrior(0.5))
    summary = posterior_summary(twin)
    assert list(summary) == ["2"]
    assert summary["2"]["n_weights"] == 16
    assert np.isclose(summary["2"]["kl_divergence"], kl_divergence(twin).item())
    assert summary["2"]["ratio_25"] < summary["2"]["ratio_75"]
