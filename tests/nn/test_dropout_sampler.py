"""Draws of a network: exact, cached without a difference, and nothing left behind."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from skuq.exceptions import InputError, SkuqWarning
from skuq.nn import DropoutSampler
from tests.nn.conftest import Lost, UNet, cnn, outputs

pytestmark = pytest.mark.usefixtures("torch_seed")


def _counted(calls, name, forward, x):
    calls.append(name)
    return forward(x)


class TestTheSameWhateverTheWay:
    def test_the_cached_draws_are_the_uncached_ones_bit_for_bit(self, case):
        cached, full = outputs(*case), outputs(*case, cache_prefix=False)
        assert torch.equal(cached, full)
        assert not torch.equal(cached[0], cached[1])

    def test_any_batch_gives_the_same_rows(self, case):
        net, x = case
        whole = outputs(net, x)
        order = torch.tensor([4, 2, 6, 0, 1])
        parts = torch.cat([outputs(net, x[order[:2]]), outputs(net, x[order[2:]])], 1)
        torch.testing.assert_close(parts, whole[:, order], rtol=1e-5, atol=1e-6)
        single = outputs(net, x[3:4])
        torch.testing.assert_close(single, whole[:, 3:4], rtol=1e-5, atol=1e-6)

    def test_a_draw_does_not_depend_on_those_before_it(self, case):
        sampler = DropoutSampler(case[0], seed=3)
        (alone,) = sampler.draws(case[1], [4])
        torch.testing.assert_close(alone, outputs(*case)[4], rtol=1e-5, atol=1e-6)

    def test_mean_and_spread_are_those_of_torchs_own_dropout(self, case):
        net, x = case
        net, x, n = net.double(), x[:2].double(), 150
        draws = outputs(net, x, n)
        net.train()
        for part in net.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        with torch.no_grad():
            own = torch.stack([net(x) for _ in range(n)])
        for one, other in ((draws, own), (draws**2, own**2)):
            error = ((one.var(0) + other.var(0)) / n).sqrt()
            assert ((one.mean(0) - other.mean(0)).abs() <= 5 * error + 1e-12).all()

    def test_independent_masks_differ_by_row_and_follow_the_seed(self, case):
        net, x = case
        alike = x[:1].repeat(6, *[1] * (x.ndim - 1))
        one = outputs(net, alike, mask="independent")
        assert not torch.allclose(one[:, 0], one[:, 1])
        assert torch.equal(one, outputs(net, alike, mask="independent"))
        assert torch.allclose(*outputs(net, alike).unbind(1)[:2], atol=1e-6)


class TestNothingIsLeftBehind:
    def test_buffers_modes_hooks_and_generators_stay(self, case):
        net, x = case
        net.train()
        state = {k: v.clone() for k, v in net.state_dict().items()}
        modes = [m.training for m in net.modules()]
        keys = [sorted(m.__dict__) for m in net.modules()]
        before, generator = x.clone(), torch.get_rng_state()
        outputs(net, x)
        assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
        assert [m.training for m in net.modules()] == modes
        assert [sorted(m.__dict__) for m in net.modules()] == keys
        assert all(len(m._forward_hooks) == 0 for m in net.modules())
        assert torch.equal(x, before)
        assert torch.equal(torch.get_rng_state(), generator)
        assert torch.is_grad_enabled()

    def test_so_they_do_after_an_error(self):
        class Broken(nn.Module):
            def forward(self, x):
                raise RuntimeError("out of memory, say")

        net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), Broken()).train()
        with pytest.raises(RuntimeError, match="out of memory"):
            outputs(net, torch.ones(3, 2))
        assert all(m.training and "forward" not in m.__dict__ for m in net.modules())

    def test_changed_weights_change_the_output(self):
        net, x = cnn(), torch.ones(2, 3, 8, 8)
        sampler = DropoutSampler(net)
        before = list(sampler.draws(x, range(2)))
        with torch.no_grad():
            net[0].weight.mul_(2.0)
        after = list(sampler.draws(x, range(2)))
        assert not torch.allclose(torch.stack(before), torch.stack(after))


def test_mean_and_variance_are_those_of_all_256_masks():
    hidden, p = 8, 0.3
    net = nn.Sequential(
        nn.Linear(3, hidden), nn.Dropout(p), nn.Tanh(), nn.Linear(hidden, 1)
    ).double()
    x = torch.randn(2, 3, dtype=torch.float64)
    masks = torch.tensor(list(itertools.product([0.0, 1.0], repeat=hidden)))
    weight = (p ** (1 - masks) * (1 - p) ** masks).prod(1).double()
    with torch.no_grad():
        h = net[0](x)[None] * (masks[:, None] / (1 - p)).double()
        f = net[3](h.tanh())[..., 0]
    mean = (weight[:, None] * f).sum(0)
    moment = [(weight[:, None] * (f - mean) ** k).sum(0) for k in (2, 4)]
    n = 100_000
    total, squares = torch.zeros(2).double(), torch.zeros(2).double()
    for draw in DropoutSampler(net, seed=1).draws(x, range(n)):
        total += draw[:, 0] - mean
        squares += (draw[:, 0] - mean) ** 2
    error = (moment[0] / n).sqrt()
    assert ((total / n).abs() < 5 * error).all()
    spread = ((moment[1] - moment[0] ** 2) / n).sqrt()
    assert ((squares / n - moment[0]).abs() < 5 * spread).all()


class TestWhatComesBeforeTheFirstDropout:
    def test_it_runs_once_and_the_rest_once_per_draw(self):
        net, calls = cnn(), []
        net[0].register_forward_hook(lambda *_: calls.append("conv"))
        net[6].register_forward_hook(lambda *_: calls.append("linear"))
        seen = []
        forward = net[0].forward
        net[0].forward = lambda x: seen.append(1) or forward(x)
        outputs(net, torch.ones(2, 3, 8, 8), 6)
        assert len(seen) <= 2  # once more if an output turns out to change in place
        assert calls.count("linear") <= 8
        assert "forward" in net[0].__dict__  # the user's own stays

    def test_skip_connections_of_a_unet_run_once(self):
        net, calls = UNet(), []
        for name in ("down", "bottom", "up"):
            part = getattr(net, name)
            forward = part.forward
            part.forward = partial(_counted, calls, name, forward)
        outputs(net, torch.ones(2, 3, 8, 8), 6)
        # Once more where a ReLU turns out to work in place, and once to verify.
        assert calls.count("down") <= 2
        assert calls.count("bottom") >= 6
        assert calls.count("up") >= 6

    def test_a_network_that_is_not_the_same_each_time_is_run_in_full(self):
        class Counting(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)
                self.drop, self.n = nn.Dropout(0.5), 0

            def forward(self, x):
                self.n += 1
                first = self.a if self.n % 2 else self.b
                return self.drop(first(x))

        with pytest.warns(SkuqWarning, match="not the same each time"):
            draws = outputs(Counting(), torch.ones(3, 2), 4)
        assert draws.isfinite().all()

    @pytest.mark.parametrize("wrap", [tuple, list, lambda t: {"a": t[0], "b": t[1]}])
    def test_modules_may_return_several_tensors(self, wrap):
        class Two(nn.Module):
            def forward(self, x):
                return wrap((x + 1, x - 1))

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.two, self.drop = Two(), nn.Dropout(0.5)

            def forward(self, x):
                out = self.two(x)
                a, b = out.values() if isinstance(out, dict) else out
                return self.drop(a * b)

        x = torch.arange(6.0).reshape(2, 3)
        assert torch.equal(outputs(Net(), x), outputs(Net(), x, cache_prefix=False))


class TestFolding:
    def test_masks_in_the_weights_give_what_masks_on_the_input_give(self):
        net = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 3))
        x = torch.randn(50, 6)
        folded = outputs(net, x)
        torch.testing.assert_close(folded[:, :2], outputs(net, x[:2]))
        assert DropoutSampler(net)._passes.mode.fold.folds is False

    def test_an_output_that_is_read_twice_is_not_folded(self):
        class Twice(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop, self.linear = nn.Dropout(0.5), nn.Linear(6, 6)

            def forward(self, x):
                x = self.drop(x)
                return torch.cat([self.linear(x), x], 1)

        x = torch.randn(50, 6)
        net = Twice()
        torch.testing.assert_close(outputs(net, x)[:, :2], outputs(net, x[:2]))


class TestErrors:
    def test_no_dropout(self):
        with pytest.raises(InputError, match="no dropout was found"):
            outputs(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.0)), torch.ones(3, 2))

    def test_dropout_that_does_not_reach_the_output(self):
        with pytest.raises(InputError, match="all draws are identical"):
            outputs(Lost(), torch.randn(3, 20))

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"mask": "none"}, "mask must be"),
            ({"rate": 1.5}, "rate must be"),
            ({"layers": ["10"]}, "does not have"),
            ({"layers": "0"}, "list of names"),
        ],
    )
    def test_options_that_do_not_exist(self, options, match):
        with pytest.raises(InputError, match=match):
            DropoutSampler(cnn(), **options)


def test_layers_choose_which_dropout_draws():
    net, x = cnn(), torch.ones(2, 3, 8, 8)
    only = outputs(net, x, layers=["8"])
    net[5].p = 0.0
    torch.testing.assert_close(only, outputs(net, x))


def test_a_rate_replaces_those_of_the_network():
    net = nn.Sequential(nn.Dropout(0.5))
    draws = outputs(net, torch.ones(2, 10_000), 2, rate=0.1)
    kept = (draws[0, 0] != 0).double().mean()
    assert kept == pytest.approx(0.9, abs=5 * np.sqrt(0.09 / 10_000))
    assert float(draws.max()) == pytest.approx(1 / 0.9)


def test_padding_of_packed_sequences_changes_nothing():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(3, 4, 2, dropout=0.5, batch_first=True)

        def forward(self, batch):
            x, lengths = batch
            packed = nn.utils.rnn.pack_padded_sequence(
                x, lengths, batch_first=True, enforce_sorted=False
            )
            return self.rnn(packed)[1][0][-1]

    net, x, lengths = Packed(), torch.randn(3, 6, 3), torch.tensor([2, 6, 4])
    whole = outputs(net, (x, lengths))
    alone = outputs(net, (x[:1], lengths[:1]))
    torch.testing.assert_close(whole[:, :1], alone)


def test_autocast_runs_in_lower_precision():
    x = torch.randn(4, 3, 8, 8)
    net = cnn()
    low = outputs(net, x, autocast=torch.bfloat16)
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), outputs(net, x), rtol=0.1, atol=0.1)
