"""What a row of ``benchmarks.metrics`` is, and how skuq and the peers enter it.

An entrant takes the arrays of its case, converts them unmeasured, and returns the call
that is measured. The call returns numbers.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.references.peers import open_packages


@dataclass(frozen=True)
class Row:
    """One metric: who computes it, skuq first, and on how many samples at most.

    ``most`` is there for the peers that cannot do all samples; ``allowed`` is how many
    times the seconds of the fastest other entrant skuq may take; ``numpy_only`` is
    False where skuq's entrant uses torch, too.
    """

    name: str
    entrants: Mapping[str, Callable]
    most: int | None = None
    allowed: float = 1.0
    numpy_only: bool = True


def skuq(metric, **options):
    """The entrant of a metric of skuq, on the arrays as they are."""

    def make(*arrays):
        metrics = importlib.import_module("skuq.metrics")
        return partial(getattr(metrics, metric), *arrays, **options)

    return make


def torch_uncertainty(name):
    """A module below ``torch_uncertainty.metrics``.

    The packages around it import torchvision, which no metric uses, so they are not
    run.
    """
    module = f"torch_uncertainty.metrics.{name}"
    open_packages(module)
    return importlib.import_module(module)


def tensors(*arrays):
    """The same memory as torch tensors."""
    import torch

    return tuple(torch.from_numpy(array) for array in arrays)


def top_label(y_true, y_proba):
    """Confidence of the predicted class, and 1 where it is right, as flat tensors.

    torch finds both in one pass, which no call of numpy does. The packages that take
    such pairs only find them within the measured call.
    """
    y_true, y_proba = tensors(y_true, y_proba)
    confidence, code = y_proba.max(dim=1)
    return confidence.flatten(), (code == y_true).flatten()


def top_label_arrays(y_true, y_proba):
    """The same as numpy arrays."""
    confidence, correct = top_label(y_true, y_proba)
    return confidence.numpy(), correct.numpy()


def rows_of_pixels(y_proba):
    """(n_pixels, n_classes), for the packages that take tables only."""
    flat = np.moveaxis(y_proba, 1, -1).reshape(-1, y_proba.shape[1])
    return np.ascontiguousarray(flat)


def numbers(result):
    """What a call returned as a list of floats."""
    if dataclasses.is_dataclass(result):
        result = dataclasses.astuple(result)
    if isinstance(result, Mapping):
        result = tuple(result.values())
    if isinstance(result, tuple):
        return [number for part in result for number in numbers(part)]
    return np.asarray(result, dtype=np.float64).ravel().tolist()
