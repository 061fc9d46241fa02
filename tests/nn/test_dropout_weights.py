"""Dropout of weights: every mask of a tiny net, state, training, what is refused."""

import pickle
from copy import deepcopy
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from skuq.deep import MCDropoutWrapper, TorchModuleRegressor
from skuq.exceptions import InputError
from skuq.nn import DropoutSampler, insert_weight_dropout


@pytest.fixture
def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)
        )


X = torch.linspace(-1, 1, 6).reshape(3, 2)


def draws(net, n=3, x=X, **options):
    return torch.stack(list(DropoutSampler(net, **options).draws(x, range(n))))


def every_output(net, p):
    """The outputs under all 256 masks of the first layer, equally likely at 1/2."""
    weight, outputs = net[0].weight.detach().clone(), []
    for bits in product([0, 1], repeat=8):
        mask = torch.tensor(bits, dtype=torch.float32).reshape(4, 2)
        net[0].weight.data = weight * mask / (1 - p)
        outputs.append(net(X).detach()[:, 0])
    net[0].weight.data = weight
    return torch.stack(outputs).double().numpy()


def test_moments_and_values_are_those_of_all_masks(net):
    n = 3000
    outputs = every_output(net, 0.5)
    mean, variance = outputs.mean(0), outputs.var(0)
    copy = insert_weight_dropout(net, into="0", p=0.5)
    drawn = draws(copy, n)[..., 0].double().numpy()
    error = np.sqrt(variance / n)
    assert (np.abs(drawn.mean(0) - mean) < 5 * error).all()
    fourth = ((outputs - mean) ** 4).mean(0)
    error = np.sqrt((fourth - variance**2) / n)
    assert (np.abs(drawn.var(0) - variance) < 5 * error).all()
    for row in range(len(X)):  # masks of units or of inputs would give fewer values
        values = (np.unique(a[:, row].round(4)) for a in (drawn, outputs))
        np.testing.assert_allclose(*values, atol=2e-4)


def test_the_network_stays_and_state_dicts_fit(net):
    before = deepcopy(net).state_dict()
    copy = insert_weight_dropout(net, p=0.5)
    draws(copy)
    copy.load_state_dict(net.state_dict())
    for module in (net, copy):
        assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert torch.equal(DropoutSampler(copy).expected(X), net(X))
    assert torch.equal(copy.eval()(X), net(X))


def test_rows_and_batches_share_the_masks(net):
    copy = insert_weight_dropout(net, p=0.5)
    whole = draws(copy)
    for rows in (slice(0, 1), slice(1, 3)):
        torch.testing.assert_close(draws(copy, x=X[rows]), whole[:, rows])
    assert not torch.equal(draws(copy, seed=1), whole)


def test_layers_have_masks_of_their_own(net):
    with torch.no_grad():
        net[2].weight.copy_(torch.eye(4))
        net[2].bias.fill_(0.0)
    copy = insert_weight_dropout(net, into=["0", "2"], p=0.5)
    only = [draws(copy, 8, layers=[name]) for name in ("0", "2")]
    both = draws(copy, 8)
    torch.testing.assert_close(
        draws(insert_weight_dropout(net, into="0", p=0.5), 8), only[0]
    )
    assert not torch.equal(only[0], only[1])
    assert not torch.equal(both, only[0])


def test_what_comes_before_is_cached(net):
    copy = insert_weight_dropout(net, into="4", p=0.5)
    assert torch.equal(draws(copy), draws(copy, cache_prefix=False))


def test_beside_dropout_of_units_both_draw(net):
    net.insert(2, nn.Dropout(0.5))
    copy = insert_weight_dropout(net, into="0", p=0.5)
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(draws(copy, x=x)[:, :2], draws(copy, x=x[:2]))


def test_the_copy_can_be_pickled_and_trained(net):
    copy = insert_weight_dropout(net, p=0.5)
    assert torch.equal(draws(pickle.loads(pickle.dumps(copy))), draws(copy))
    copy.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(copy(X), copy(X))
        copy(X).sum().backward()
    gradient = copy[0].weight.grad
    assert gradient is not None
    assert (gradient == 0).any()  # of weights that were dropped


def test_an_error_in_the_layer_leaves_its_weight(net):
    copy = insert_weight_dropout(net, p=0.5)
    with pytest.raises(RuntimeError):
        copy(torch.ones(1, 7))
    assert isinstance(copy[0].weight, nn.Parameter)


def test_convolutions_and_attention():
    conv = insert_weight_dropout(nn.Conv2d(1, 2, 3, padding=1), p=0.5)
    assert draws(conv, x=torch.ones(2, 1, 5, 5)).std(0).max() > 0
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    layer = insert_weight_dropout(layer, p=0.5)
    assert draws(layer, x=torch.rand(2, 3, 4)).std(0).max() > 0
    names = [n for n, _ in layer.named_modules() if n.endswith("weight_dropout")]
    assert [name.split(".")[0] for name in names] == ["linear1", "linear2"]


def test_the_wrapper_draws_from_it(net):
    model = TorchModuleRegressor(insert_weight_dropout(net, p=0.2))
    std = MCDropoutWrapper(model, random_state=0).predict(X.numpy(), return_std=True)[1]
    assert (std > 0).all()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"into": nn.Conv2d}, "no module"),
        ({"into": "9"}, "does not have"),
        ({"into": "1"}, "chooses a ReLU"),
        ({"into": nn.ReLU}, "chooses a ReLU"),
        ({"p": 0.0}, "p must be"),
    ],
)
def test_what_cannot_be_inserted_is_refused(net, options, match):
    with pytest.raises(InputError, match=match):
        insert_weight_dropout(net, **options)


def test_masks_of_rows_are_refused(net):
    copy = insert_weight_dropout(net, p=0.5)
    with pytest.raises(InputError, match="mask='shared'"):
        draws(copy, mask="independent")
    assert isinstance(copy[0].weight, nn.Parameter)
