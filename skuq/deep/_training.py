"""What training a network needs: checked data, coded labels, a seed."""

from collections.abc import Mapping
from contextlib import contextmanager

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.utils import (
    assert_all_finite,
    check_consistent_length,
    check_random_state,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from skuq._core._arrays import as_array, is_torch_array, to_numpy
from skuq._core._checks import check_count as check_count
from skuq._responses import transforms, wrapped
from skuq.exceptions import InputError


def is_table(estimator, X):
    """Whether `X` is an array-like that reaches the network as it is."""
    while (inside := wrapped(estimator)) is not None:
        if transforms(estimator):
            return False
        estimator = inside
    if issparse(X):  # one of its formats is a Mapping
        return True
    special = isinstance(X, (Mapping, torch.utils.data.Dataset))
    return not special and not is_torch_array(X)


def targets(X, y):
    """The true values, checked; a column becomes a row, with a warning."""
    if y is None:
        raise ValueError(
            "requires y to be passed, but the target y is None: training needs it."
        )
    y = to_numpy(as_array(y))
    if y.ndim < 2 or (y.ndim == 2 and y.shape[1] == 1):
        y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    if hasattr(X, "shape"):
        check_consistent_length(X, y)
    return y


def encoded(y):
    """The classes and codes of labels; maps hold codes already."""
    if y.ndim > 1:
        return None, y.astype(np.int64)
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise InputError(
            f"y holds 1 class, {classes[0]!s}: a classifier needs at least two."
        )
    return classes, codes.astype(np.int64)


def columns(y):
    """Values as skorch's regressors take them: one column for each output."""
    y = np.asarray(y, dtype=np.float32)
    return y[:, None] if y.ndim == 1 else y


def seeds(random_state, n):
    """Numbers to seed `n` things with; new ones each time for None."""
    if random_state is None:
        return np.random.SeedSequence().generate_state(n).tolist()
    rng = check_random_state(random_state)
    return rng.randint(np.iinfo(np.int32).max, size=n).tolist()


@contextmanager
def seeded(seed, device):
    """Torch's global generators at `seed`, and afterwards as they were."""
    device = torch.device("cpu" if device is None else device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
