"""Load the peers, evaluate the recorded calls and write them; for the make scripts."""

import importlib
import sys
import types
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from platform import python_version

import numpy as np
import torch

from tests.references.make_calibration_error import one_entry_per_line

FLOAT64, FLOAT32 = 1e-12, 1e-5  # relative tolerance of a match
TORCH_UNCERTAINTY = "torch_uncertainty.metrics.classification"
UNORDERED = (
    "tied samples stay where an unstable sort leaves them, so the value depends on the "
    "order of the rows and on the machine: nothing to match"
)


def make_cases(*makers, seed):
    """Name -> arrays by name; one generator per case, so cases stay put."""
    return {
        make.__name__.removesuffix("_case"): make(np.random.default_rng(seed + i))
        for i, make in enumerate(makers)
    }


def open_packages(module):
    """Enter the packages around a module without running their ``__init__``."""
    parts = module.split(".")[:-1]
    for i, part in enumerate(parts):
        name = ".".join(parts[: i + 1])
        if name not in sys.modules:
            package = types.ModuleType(name)
            spec = find_spec(name)
            if spec is None:
                raise ModuleNotFoundError(f"No module named {name!r}")
            package.__path__ = spec.submodule_search_locations
            sys.modules[name] = package
            if i:
                setattr(sys.modules[".".join(parts[:i])], part, package)


def load(peers):
    """Import every peer; stop with the name of the one that is missing."""
    names = {"np": np, "torch": torch}
    for module, package in peers.items():
        try:
            if package == "torch-uncertainty":
                open_packages(module)
            importlib.import_module(module)
            version(package)
        except (ImportError, PackageNotFoundError) as error:
            sys.exit(f"{package} cannot be imported ({error}): see make_metrics.py")
        root = module.split(".")[0]
        names[root] = sys.modules[root]
    return names


def evaluate(call, names):
    """Run one recorded call; the value as Python floats."""
    value = eval(call, dict(names))  # the strings are this folder's own
    value = np.asarray(value, dtype=np.float64)
    if not np.isfinite(value).all():
        raise ValueError(f"{call} gives {value}, which JSON does not hold")
    return value.tolist()


def write(peers, cases, calls):
    """Evaluate the calls and write the reference to the standard output."""
    modules = load(peers)
    values = []
    for case, entries in calls:
        names = modules | cases.get(case, {})
        for call, meaning, rtol in entries:
            package = next(peers[module] for module in peers if module in call)
            entry = {"case": case, "package": package, "call": call}
            entry |= {"meaning": meaning, "rtol": rtol, "value": evaluate(call, names)}
            values.append(entry)
    packages = sorted({*peers.values(), "numpy", "scipy", "torch"})
    reference = {
        "versions": {"python": python_version()}
        | {name: version(name) for name in packages},
        "cases": {
            case: {name: np.asarray(array).tolist() for name, array in arrays.items()}
            for case, arrays in cases.items()
        },
        "values": values,
    }
    sys.stdout.write(one_entry_per_line(reference))
