"""What is compiled gives the same draws, and is never out of date."""

import gc
import shutil

import pytest
import torch
from torch import nn

from skuq.exceptions import InputError, SkuqWarning
from skuq.nn import DropoutSampler
from skuq.nn._dropout_graph import TRACED
from tests.nn.conftest import assert_same, cnn, outputs, prepared

pytestmark = pytest.mark.usefixtures("torch_seed")

ISSUED = ("cnn", "unet", "resnet", "lstm", "transformer")
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "cl"))), reason="no C++ compiler"
)


@pytest.fixture
def compiled(monkeypatch):
    """The graphs that were compiled; none is, to save time."""
    graphs = []

    def compile(function, **options):
        graphs.append(function)
        return function

    monkeypatch.setattr(torch, "compile", compile)
    return graphs


def n_graphs(compiled):
    return sum(isinstance(graph, nn.Module) for graph in compiled)


class TestTheDraws:
    @pytest.mark.parametrize("name", ISSUED)
    def test_are_those_of_the_network(self, name):
        net, x = prepared(name)
        assert_same(outputs(net, x, compile="aot_eager"), outputs(net, x))

    @needs_compiler
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of torch
    def test_are_those_of_the_network_by_inductor(self):
        net, x = prepared("cnn")
        assert_same(outputs(net, x, compile=True), outputs(net, x))

    def test_are_so_without_a_recording_and_with_masks_of_rows(self):
        net, x = prepared("cnn")
        options = {"mask": "independent", "cache_prefix": False}
        assert_same(
            outputs(net, x, compile="eager", **options), outputs(net, x, **options)
        )

    @pytest.mark.parametrize("autocast", [None, torch.bfloat16])
    def test_are_so_several_at_a_time(self, compiled, autocast):
        net, x = prepared("resnet")
        single = outputs(net, x, 8, autocast=autocast)
        several = outputs(net, x, 8, autocast=autocast, compile=True, chunk_size=3)
        bound = 1e-6 if autocast is None else 0.02
        torch.testing.assert_close(several, single, rtol=bound, atol=bound)
        assert n_graphs(compiled) == 1

    def test_run_alone_where_they_cannot_run_together(self, compiled):
        net, x = prepared("gru")
        with pytest.warns(SkuqWarning, match="one by one"):
            draws = outputs(net, x, compile=True, chunk_size=3)
        assert_same(draws, outputs(net, x))
        assert n_graphs(compiled) == 1


class TestWhatIsCompiled:
    def test_is_what_follows_the_first_dropout(self, compiled):
        net, x = prepared("cnn")
        outputs(net, x, compile=True)
        (graph,) = (g for g in compiled if isinstance(g, nn.Module))
        called = {str(node.target) for node in graph.graph.nodes}
        assert any("addmm" in name for name in called)
        assert not any("conv" in name for name in called)

    def test_is_kept_for_a_network_and_the_shape_of_a_batch(self, compiled):
        net, x = prepared("cnn")
        sampler = DropoutSampler(net, seed=3, compile=True)
        for index, batch in enumerate([x, x + 1, x[:2], x[2:4]]):
            draws = list(sampler.draws(batch, range(4), index))
            assert_same(torch.stack(draws), outputs(net, batch, 4))
        assert n_graphs(compiled) == 2
        outputs(net, x, compile=True)
        assert n_graphs(compiled) == 2

    def test_changed_weights_change_the_output(self, compiled):
        net, x = prepared("cnn")
        before = outputs(net, x, compile=True)
        with torch.no_grad():
            net[6].weight.mul_(2.0)
        net[9] = type(net[9])(6, 3)  # parameters that are other objects
        after = outputs(net, x, compile=True)
        assert not torch.allclose(before, after)
        assert_same(after, outputs(net, x))
        assert n_graphs(compiled) == 1

    def test_a_changed_network_is_compiled_again(self, compiled):
        net, x = prepared("cnn")
        outputs(net, x, compile=True)
        net[7] = nn.Tanh()
        assert_same(outputs(net, x, compile=True), outputs(net, x))
        net[8].p = 0.1
        assert_same(outputs(net, x, compile=True), outputs(net, x))
        assert n_graphs(compiled) == 3

    def test_a_network_is_not_kept_alive_by_it(self, compiled):
        net, x = prepared("cnn")
        outputs(net, x, compile=True)
        assert net in TRACED
        n_known = len(TRACED)
        compiled.clear()
        del net
        gc.collect()
        assert len(TRACED) < n_known


class TestErrors:
    def test_an_unknown_backend(self):
        with pytest.raises(InputError, match="backend 'nonsense' here"):
            DropoutSampler(cnn(), compile="nonsense")

    def test_a_backend_that_lacks_its_compiler(self, monkeypatch):
        def compile(function, **options):
            def run(*inputs):
                raise RuntimeError("No working C++ compiler found in PATH")

            return run

        monkeypatch.setattr(torch, "compile", compile)
        net, x = prepared("cnn")
        with pytest.raises(InputError, match=r"compile=False.*No working C\+\+"):
            outputs(net, x, compile=True)

    def test_a_network_whose_way_depends_on_the_values(self):
        class Branches(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop = nn.Dropout(0.5)

            def forward(self, x):
                x = self.drop(x)
                return x if x.sum() > 0 else -x

        with pytest.raises(InputError, match="data-dependent"):
            outputs(Branches(), torch.randn(3, 4), compile="eager")

    def test_a_network_that_reads_values_unseen(self, compiled):
        class Hidden(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop = nn.Dropout(0.5)

            def forward(self, x):
                return self.drop(x) * float(x.detach().numpy().flat[0])

        net, x = Hidden(), torch.rand(3, 4) + 1
        for batch in (x, x + 1):  # the second is traced again
            assert_same(outputs(net, batch, compile=True), outputs(net, batch))
        assert n_graphs(compiled) == 2

    def test_a_backend_that_is_wrong(self, monkeypatch):
        def compile(function, **options):
            return lambda *inputs: [t + 1 for t in function(*inputs)]

        monkeypatch.setattr(torch, "compile", compile)
        net, x = prepared("cnn")
        with pytest.raises(InputError, match="gives other outputs"):
            outputs(net, x, compile=True)

    def test_under_autocast_too_draws_are_single_ones_where_they_must(self):
        class Branches(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear, self.drop = nn.Linear(4, 4), nn.Dropout(0.5)

            def forward(self, x):
                x = self.drop(self.linear(x))
                return x if x.sum() > 0 else -x

        net, x, low = Branches(), torch.randn(3, 4), {"autocast": torch.bfloat16}
        with pytest.warns(SkuqWarning, match=r"one by one: .*data-dependent"):
            several = outputs(net, x, chunk_size=3, **low)
        assert torch.equal(several, outputs(net, x, **low))
