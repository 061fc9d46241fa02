"""The faster Adam gives the weights of torch's, to the last bit."""

import numpy as np
import pytest
import torch
from torch import nn

from skuq.deep import HeteroscedasticRegressor
from skuq.deep._fast_adam import FastAdam, optimizer_class

OPTIMIZERS = {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}


def trained(optimizer, dtype, **options):
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(40, 7, dtype=dtype))
    target = torch.randn(40, 7, dtype=dtype)
    steps = optimizer([weight], lr=0.1, **options)
    for _ in range(20):
        steps.zero_grad()
        (weight - target).abs().pow(3).sum().backward()
        steps.step()
    return weight.detach()


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_torch(name, dtype, decay):
    options = {"weight_decay": decay, "betas": (0.8, 0.95)}
    fast = optimizer_class(OPTIMIZERS[name], [options], torch.device("cpu"))
    assert fast is not OPTIMIZERS[name]
    expected = trained(OPTIMIZERS[name], dtype, **options)
    assert torch.equal(trained(fast, dtype, **options), expected)


class Plain(torch.optim.Adam):
    """A class of the user's own is used as it is."""


DECAY = {"optimizer__weight_decay": 0.1}
GROUPS = {"optimizer__param_groups": [("0.*", {"lr": 0.1})]}
AMSGRAD_GROUP = {"optimizer__param_groups": [("0.*", {"amsgrad": True})]}


@pytest.mark.parametrize(
    ("net_params", "fast"),
    [(None, True), (DECAY, True), (GROUPS, True), (AMSGRAD_GROUP, False)],
    ids=["alone", "decay", "groups", "another variant"],
)
def test_an_estimator_takes_the_fast_one_where_it_is_the_same(net_params, fast, rng):
    X = rng.normal(size=(60, 3)).astype(np.float32)
    y = X[:, 0] + rng.normal(size=60)
    found = []
    for optimizer in (torch.optim.Adam, Plain):
        model = HeteroscedasticRegressor(
            optimizer=optimizer, max_epochs=3, net_params=net_params, random_state=0
        ).fit(X, y)
        kind = FastAdam if fast and optimizer is torch.optim.Adam else optimizer
        assert type(model.net_.optimizer_) is kind
        found.append(model.predict(X))
    np.testing.assert_array_equal(*found)
