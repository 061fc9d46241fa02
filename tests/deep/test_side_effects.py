"""A prediction changes nothing: not the input, not torch, not the training."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from skuq.deep import TorchModuleClassifier
from skuq.exceptions import InputError


@pytest.fixture
def X(rng):
    return rng.normal(size=(10, 4)).astype(np.float32)


@pytest.fixture
def module():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(4, 3))


@pytest.fixture(autouse=True)
def every_warning_of_torch():
    """Torch warns of some things once per process, and a warning is an error here."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.parametrize(
    "convert",
    [np.asarray, torch.tensor, pd.DataFrame],
    ids=["array", "tensor", "frame"],
)
def test_the_input_stays_even_if_the_module_works_in_place(module, X, convert):
    data, before = convert(X), X.copy()
    TorchModuleClassifier(module, 3).predict_proba(data)
    np.testing.assert_array_equal(np.asarray(data), before)


def test_frames_and_arrays_give_the_same(module, X):
    # pandas hands out arrays in another order, that must not be written to.
    model = TorchModuleClassifier(module, 3)
    np.testing.assert_array_equal(
        model.predict_proba(pd.DataFrame(X)), model.predict_proba(X)
    )


def test_no_global_generator_moves(module, X):
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    TorchModuleClassifier(module, 3).predict_proba(X)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_gradients_stay_enabled_and_the_module_can_be_trained_on(module, X):
    TorchModuleClassifier(module, 3).predict_proba(X)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    module(torch.tensor(X)).sum().backward()
    assert all(p.grad is not None for p in module.parameters())


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_one_is_refused(module, X, batch_size):
    model = TorchModuleClassifier(module, 3, batch_size=batch_size)
    with pytest.raises(InputError, match="batch_size"):
        model.predict_proba(X)
