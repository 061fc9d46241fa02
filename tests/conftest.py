"""Fixtures for every test, and the lists that the tests of the package loop over.

A test that takes ``package_name`` or ``public_name`` runs once for each of them: a new
package or name is covered the day it is written.
"""

import os

# scipy and scikit-learn read this once, when they are first imported. Without it
# scikit-learn skips its array API check, and a skipped check passes unseen.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# No test may need a screen.
os.environ.setdefault("MPLBACKEND", "Agg")

import functools
import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def find_modules():
    """Every module of skuq, found without importing any of them."""
    files = (ROOT / "skuq").rglob("*.py")
    dotted = (".".join(f.relative_to(ROOT).with_suffix("").parts) for f in files)
    return sorted(name.removesuffix(".__init__") for name in dotted)


@functools.cache
def find_packages():
    """Skuq and its public modules: what the API pages list."""
    children = [name for name in find_modules() if name.count(".") == 1]
    return ["skuq", *(name for name in children if "._" not in name)]


@functools.cache
def find_public_names():
    """Each public name once, by its public path such as skuq.metrics.get_scorer."""
    return [
        f"{package}.{name}"
        for package in find_packages()
        if package != "skuq"
        for name in getattr(importlib.import_module(package), "__all__", [])
    ]


def pytest_generate_tests(metafunc):
    """Fill in the two arguments that stand for a list."""
    if "package_name" in metafunc.fixturenames:
        metafunc.parametrize("package_name", find_packages())
    if "public_name" in metafunc.fixturenames:
        metafunc.parametrize("public_name", find_public_names())


@pytest.fixture(scope="session")
def root():
    """Folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def module_names():
    """Name of every module of skuq, private ones included."""
    return find_modules()


@pytest.fixture
def rng():
    """Generator with a fixed seed; a test that fails can be run again as it was."""
    return np.random.default_rng(0)


@pytest.fixture
def torch_seed():
    """Torch's generator at 0, and afterwards as it was."""
    import torch  # most tests do without

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@dataclass(frozen=True)
class Namespace:
    """An array library under test; other attributes are those of the library."""

    name: str
    module: ModuleType

    def __getattr__(self, attribute):
        return getattr(self.module, attribute)

    def asarray(self, data, dtype=None):
        """Array of this library with its own copy of data; dtype is given by name."""
        # A copy, as torch warns of a numpy array that it may not write to.
        data = np.array(data, dtype=dtype)
        return self.module.asarray(data)

    def to_numpy(self, array):
        """Numpy array with the values of an array of this library."""
        return np.asarray(array)


LIBRARIES = {
    "numpy": "array_api_compat.numpy",
    "torch": "array_api_compat.torch",
    "torch-native": "array_api_compat.torch",
    "array_api_strict": "array_api_strict",
}


@pytest.fixture(params=LIBRARIES)
def xp(request, monkeypatch):
    """Each array library in turn: ``xp.asarray``, ``xp.exp``, ``xp.to_numpy``.

    "torch-native" takes the path of tensors on an accelerator, without one.
    """
    module = pytest.importorskip(LIBRARIES[request.param])
    if request.param == "torch-native":
        monkeypatch.setattr("skuq._core._arrays.VIEW_HOST_TENSORS", False)
    return Namespace(request.param, module)
