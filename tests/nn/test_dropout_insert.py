"""Dropout put behind modules of a network that has none."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn

from skuq.exceptions import InputError
from skuq.nn import DropoutSampler, insert_dropout


@pytest.fixture
def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Sequential(nn.Linear(4, 8), nn.ReLU()),
            nn.Linear(8, 8),
            nn.ReLU(),
            nn.Linear(8, 2),
        )


X = torch.linspace(-1, 1, 12).reshape(3, 4)


def draws(net, n=3, **options):
    return torch.stack(list(DropoutSampler(net, **options).draws(X, range(n))))


def inserted(net):
    return [n for n, part in net.named_modules() if isinstance(part, nn.Dropout)]


def test_the_network_itself_stays(net):
    before = deepcopy(net).state_dict()
    insert_dropout(net, after=nn.ReLU)
    assert inserted(net) == []
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_without_drawing_the_output_is_the_same_and_state_dicts_fit(net):
    copy = insert_dropout(net, after=nn.Linear, p=0.5)
    assert torch.equal(DropoutSampler(copy).expected(X), net(X))
    copy.load_state_dict(net.state_dict())


def test_the_last_layer_of_a_kind_gives_the_output_and_is_spared(net):
    assert inserted(insert_dropout(net, after=nn.Linear)) == [
        "0.0.inserted_dropout",
        "1.inserted_dropout",
    ]


@pytest.mark.parametrize("after", ["2", ["2"], ["0", "2"]])
def test_modules_are_chosen_by_name(net, after):
    assert "2.inserted_dropout" in inserted(insert_dropout(net, after=after))


def test_the_draws_are_those_of_dropout_written_there(net):
    copy = insert_dropout(net, after=["0", "2"], p=0.5)
    first, linear, relu, last = net
    written = nn.Sequential(
        *first, nn.Dropout(0.5), linear, relu, nn.Dropout(0.5), last
    )
    spread = draws(copy, 2000).var(0)
    expected = draws(written, 2000).var(0)
    torch.testing.assert_close(spread, expected, rtol=0.25, atol=0)


def test_the_copy_can_be_cached_pickled_and_trained(net):
    copy = insert_dropout(net, after=nn.ReLU, p=0.5)
    assert torch.equal(draws(copy), draws(copy, cache_prefix=False))
    assert torch.equal(draws(pickle.loads(pickle.dumps(copy))), draws(copy))
    copy.train()
    assert not torch.equal(copy(X), copy(X))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"after": nn.Conv2d}, "no module"),
        ({"after": "9"}, "does not have"),
        ({"after": nn.ReLU, "p": 1.0}, "p must be"),
    ],
)
def test_what_cannot_be_inserted_is_refused(net, options, match):
    with pytest.raises(InputError, match=match):
        insert_dropout(net, **options)
