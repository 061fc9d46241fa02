"""What an import loads, each time in a fresh interpreter."""

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

HEAVY = {"torch", "skorch", "matplotlib", "dask", "distributed", "jinja2"}
LIGHT_PACKAGES = [
    "skuq",
    "skuq.metrics",
    "skuq.uncertainty",
    "skuq.calibration",
    "skuq.decision",
]
SKLEARN_FREE_PACKAGES = ["skuq", "skuq._core", "skuq.metrics", "skuq.uncertainty"]

# Forgets skuq before each import, so that no module leans on what another has loaded.
IMPORT_EACH = """
import importlib, sys
for name in {names}:
    for loaded in [m for m in sys.modules if m.split(".")[0] == "skuq"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except Exception as error:
        print(name, repr(error))
"""


def python(code):
    """Standard output of a fresh interpreter in which every warning is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(module):
    """Top-level packages that are loaded once the module is imported."""
    report = "print(json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    return set(json.loads(python(f"import json, sys, {module}; {report}")))


def skip_if_missing(package):
    if find_spec(package) is None:
        pytest.skip(f"{package} is not written yet")


@pytest.mark.parametrize("package", LIGHT_PACKAGES)
def test_importing_the_light_packages_loads_nothing_heavy(package):
    skip_if_missing(package)
    loaded = loaded_by(package)
    assert "skuq" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("package", SKLEARN_FREE_PACKAGES)
def test_importing_the_numbers_does_not_load_sklearn(package):
    skip_if_missing(package)
    assert loaded_by(package) & {"sklearn", "joblib"} == set()


def test_importing_skuq_does_not_even_load_numpy():
    assert "numpy" not in loaded_by("skuq")


def test_the_check_sees_what_is_loaded():
    assert loaded_by("sklearn.base") >= {"numpy", "scipy", "sklearn", "joblib"}


def test_every_module_imports_on_its_own(module_names):
    assert module_names
    assert python(IMPORT_EACH.format(names=module_names)) == ""


def test_the_check_of_each_module_sees_an_import_that_fails():
    assert "ModuleNotFoundError" in python(IMPORT_EACH.format(names=["skuq._none"]))
