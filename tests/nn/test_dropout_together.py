"""Several draws in one pass: the same draws, from the same masks, and how many."""

import gc

import pytest
import torch
from torch import nn

from skuq.exceptions import InputError, SkuqWarning
from skuq.nn import DropoutSampler, _dropout_masks, _dropout_together
from skuq.nn._dropout_together import MEASURED, MOST, Size
from tests.nn.conftest import NETS, Lost, assert_same, cnn, outputs, prepared

pytestmark = pytest.mark.usefixtures("torch_seed")

RECURRENT = ("lstm", "lstm-time-first", "gru", "rnn")
MERGED = [name for name in NETS if name not in RECURRENT]
NO_ARITHMETIC = ("feature-alpha", "volumes")


@pytest.fixture
def small_memory(monkeypatch):
    """Memory for five draws in one pass."""

    def together(run, n_draws, device):
        if n_draws > 5:
            raise torch.cuda.OutOfMemoryError("too much")
        return original(run, n_draws, device)

    original = _dropout_together.together
    monkeypatch.setattr(_dropout_together, "together", together)


class TestTheDraws:
    @pytest.mark.parametrize("chunk_size", [2, 3, 50])
    @pytest.mark.parametrize("mask", ["shared", "independent"])
    @pytest.mark.parametrize("name", MERGED)
    def test_are_those_of_single_passes(self, name, mask, chunk_size):
        net, x = prepared(name)
        single = outputs(net, x, 8, mask=mask)
        several = outputs(net, x, 8, mask=mask, chunk_size=chunk_size)
        assert_same(several, single)
        if name in NO_ARITHMETIC:
            assert torch.equal(several, single)

    @pytest.mark.parametrize("mask", ["shared", "independent"])
    def test_have_the_masks_of_single_passes_bit_for_bit(self, monkeypatch, mask):
        drawn = {}

        def draw_masks(entropy, draws, p, shape):
            masks = original(entropy, draws, p, shape)
            drawn.update(zip(((*entropy, d, p) for d in draws), masks, strict=True))
            return masks

        original = _dropout_masks.draw_masks
        monkeypatch.setattr(_dropout_masks, "draw_masks", draw_masks)
        net, x = prepared("transformer")
        outputs(net, x, 6, mask=mask)
        single = dict(drawn)
        drawn.clear()
        outputs(net, x, 6, mask=mask, chunk_size=4)
        assert drawn.keys() == single.keys()
        assert all(torch.equal(mask, single[key]) for key, mask in drawn.items())

    def test_do_not_depend_on_the_batch(self):
        net, x = prepared("unet")
        whole = outputs(net, x, 6, chunk_size=3)
        assert_same(outputs(net, x[2:3], 6, chunk_size=5), whole[:, 2:3])

    def test_are_run_without_a_recording_too(self):
        net, x = prepared("resnet")
        single = outputs(net, x, 6)
        assert_same(outputs(net, x, 6, chunk_size=3, cache_prefix=False), single)

    @pytest.mark.parametrize("wrap", [tuple, list, lambda t: {"a": t[0], "b": t[1]}])
    def test_may_be_several_tensors(self, wrap):
        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop = nn.Dropout(0.5)

            def forward(self, x):
                return wrap((self.drop(x), x + 1))

        x = torch.randn(4, 6)
        pairs = (
            DropoutSampler(Two(), chunk_size=size).draws(x, range(5)) for size in (1, 3)
        )
        for single, several in zip(*pairs, strict=True):
            assert type(several) is type(single)
            torch.testing.assert_close(several, single, rtol=0, atol=0)

    def test_are_folded_into_the_weights_where_single_ones_are(self):
        net, x = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 3)), torch.randn(50, 6)
        sampler = DropoutSampler(net, seed=3, chunk_size=4)
        several = torch.stack(list(sampler.draws(x, range(9))))
        assert sampler._passes.mode.fold.folds
        assert_same(several, outputs(net, x, 9))

    def test_may_be_of_dropout_that_works_in_place(self):
        # As in the heads of many image networks.
        net = nn.Sequential(
            nn.Linear(6, 8), nn.Dropout(0.5, inplace=True), nn.Linear(8, 3)
        )
        x = torch.randn(5, 6)
        assert_same(outputs(net, x, 7, chunk_size=3), outputs(net, x, 7))

    def test_run_in_lower_precision_under_autocast(self):
        net, x = prepared("resnet")
        low = {"autocast": torch.bfloat16}
        several = outputs(net, x, 6, chunk_size=3, **low)
        assert several.dtype == torch.bfloat16
        single = outputs(net, x, 6, **low)
        torch.testing.assert_close(several, single, rtol=0.02, atol=0.02)


class TestThePasses:
    def test_repeat_what_enters_the_dropout_and_not_the_image(self):
        net, seen, calls = cnn(), [], []
        conv, head = net[0].forward, net[6].forward
        net[0].forward = lambda x: seen.append(x.numel()) or conv(x)
        net[6].forward = lambda x: calls.append(1) or head(x)
        x = torch.ones(2, 3, 8, 8)
        outputs(net, x, 13, chunk_size=4)
        assert set(seen) == {x.numel()}
        assert len(seen) <= 2  # once more if an output turns out to change in place
        assert len(calls) <= 2 + 1 + 3  # to record, to verify, and 12 draws by fours

    def test_leave_nothing_behind_even_after_an_error(self):
        class Broken(nn.Module):
            calls = 0

            def forward(self, x):
                self.calls += 1
                if self.calls > 3:
                    raise RuntimeError("out of memory, say")
                return x

        net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), Broken()).train()
        with (
            pytest.warns(SkuqWarning, match="one by one: out of memory, say"),
            pytest.raises(RuntimeError, match="out of memory"),
        ):
            outputs(net, torch.ones(3, 2), 9, chunk_size=4)
        assert all(m.training and "forward" not in m.__dict__ for m in net.modules())
        assert torch.is_grad_enabled()

    def test_memory_that_is_not_there_is_an_error_where_the_size_was_given(
        self, small_memory
    ):
        net, x = prepared("cnn")
        with pytest.raises(torch.cuda.OutOfMemoryError):
            outputs(net, x, 9, chunk_size=5)

    @pytest.mark.parametrize("name", RECURRENT)
    def test_are_single_ones_where_torch_has_no_rule(self, name):
        net, x = prepared(name)
        with pytest.warns(SkuqWarning, match="one by one: Batching rule not impl"):
            several = outputs(net, x, chunk_size=3)
        assert torch.equal(several, outputs(net, x))

    def test_are_single_ones_where_a_draw_would_be_another_among_others(self):
        class ReadsAgain(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear, self.drop = nn.Linear(6, 6), nn.Dropout(0.5, inplace=True)

            def forward(self, x):
                x = self.linear(x)
                return self.drop(x) + x  # twice the same tensor, as it is in place

        net, x = ReadsAgain(), torch.randn(4, 6)
        with pytest.warns(SkuqWarning, match="not what it is alone"):
            several = outputs(net, x, chunk_size=3)
        assert torch.equal(several, outputs(net, x))

    def test_still_find_dropout_that_does_not_reach_the_output(self):
        with pytest.raises(InputError, match="all draws are identical"):
            outputs(Lost(), torch.randn(3, 20), chunk_size=3)

    @pytest.mark.parametrize("chunk_size", [0, -1, 2.5])
    def test_a_size_that_is_none_is_refused(self, chunk_size):
        with pytest.raises(InputError, match="chunk_size"):
            DropoutSampler(cnn(), chunk_size=chunk_size)


def search(seconds_per_draw):
    """The sizes that are tried, and the one that is chosen."""
    size, tried = Size(), []
    while not size.is_settled:
        tried.append(size.now)
        size.note(size.now, size.now * seconds_per_draw(size.now))
    return tried, size.now


class TestTheirNumber:
    def test_is_doubled_while_a_draw_gets_faster_and_the_first_pass_does_not_count(
        self,
    ):
        tried, chosen = search(lambda n: max(8 / n, 1.5))
        assert tried == [1, 1, 2, 2, 4, 4, 8, 8, 16, 16]
        assert chosen == 8

    def test_is_one_where_more_are_not_faster(self):
        assert search(lambda n: 1.0) == ([1, 1, 2, 2], 1)

    def test_has_an_end(self):
        tried, chosen = search(lambda n: 1 / n)
        assert chosen == max(tried) == MOST

    def test_a_slow_first_pass_of_a_size_is_forgiven(self):
        size = Size()
        for n, seconds in [(1, 9), (1, 1.0), (2, 50.0), (2, 1.0), (4, 9.0), (4, 4.0)]:
            size.note(n, seconds)
        assert (size.now, size.is_settled) == (2, True)

    def test_a_size_that_stops_working_is_halved_and_one_that_never_did_is_one(self):
        size = Size()
        for n in (1, 1, 2, 2, 4, 4, 8, 8):
            size.note(n, max(n, 3.9))
        assert (size.now, size.is_settled) == (4, True)
        for smaller in (2, 1, 1):
            size.refuse()
            assert (size.now, size.is_settled) == (smaller, True)
        size = Size(5)
        size.refuse()
        assert size.now == 1

    def test_passes_of_another_size_teach_nothing(self):
        size = Size()
        size.note(3, 1.0)
        size.note(3, 1.0)
        assert (size.now, size.is_settled) == (1, False)

    def test_a_size_that_was_given_stays(self):
        size = Size(5)
        size.note(5, 1.0)
        assert (size.now, size.is_settled) == (5, True)


class TestMeasuring:
    """What happens on a GPU, with the clock of one."""

    @pytest.fixture(autouse=True)
    def accelerator(self, monkeypatch):
        self.time = 0.0

        def now():
            self.time += 1.0  # every pass takes a second
            return self.time

        monkeypatch.setattr(_dropout_together, "_is_measured", lambda device: True)
        monkeypatch.setattr(_dropout_together, "perf_counter", now)

    def sizes(self, net):
        return [size.now for size in MEASURED.get(net, {}).values()]

    def test_the_draws_stay_the_same_meanwhile(self):
        net, x = prepared("unet")
        assert_same(outputs(net, x, 40), outputs(net, x, 40, chunk_size=1))
        assert self.sizes(net) == [16]  # 1 + 1 + 2 + 2 + 4 + 4 + 8 + 8 draws before

    def test_it_is_done_once_for_a_network_and_a_shape(self):
        net, x = prepared("unet")
        for _ in range(5):
            outputs(net, x, 60)
        assert self.sizes(net) == [MOST]
        outputs(net, x[:2], 4)
        assert self.sizes(net) == [MOST, 2]
        assert self.sizes(prepared("unet")[0]) == []

    def test_what_cannot_run_together_runs_alone_without_a_word(self):
        net, x = prepared("lstm")
        assert torch.equal(outputs(net, x, 6), outputs(net, x, 6, chunk_size=1))
        assert self.sizes(net) == [1]

    def test_memory_that_is_not_there_ends_the_search(self, small_memory):
        net, x = prepared("cnn")
        assert_same(outputs(net, x, 40), outputs(net, x, 40, chunk_size=1))
        assert self.sizes(net) == [4]

    def test_a_network_is_not_kept_alive_by_what_was_measured(self):
        net, x = prepared("cnn")
        outputs(net, x)
        assert net in MEASURED
        n_known = len(MEASURED)
        del net
        gc.collect()
        assert len(MEASURED) < n_known
