"""The import law of setup.cfg holds, and holds for every package there is."""

import configparser
import subprocess
import sys

import pytest

LAYERS = """
skuq.cli
skuq._demo
skuq.report
skuq.evaluation
skuq._discovery
skuq.calibration | skuq.decision | skuq.deep | skuq.displays
skuq.base | skuq._responses | skuq._model_checks
skuq.metrics | skuq.uncertainty | skuq.nn | skuq.datasets
skuq._sklearn
skuq._core
skuq.exceptions
"""
SOURCES = {
    "torch-free": {
        "skuq._core",
        "skuq.metrics",
        "skuq.uncertainty",
        "skuq.base",
        "skuq.calibration",
        "skuq.decision",
        "skuq.displays",
        "skuq.evaluation",
    },
    "sklearn-free": {"skuq._core", "skuq.metrics", "skuq.uncertainty"},
}
FORBIDDEN = {
    "torch-free": {"torch", "skorch", "matplotlib", "dask"},
    "sklearn-free": {"sklearn", "joblib"},
}


@pytest.fixture(scope="module")
def contracts(root):
    """Contracts of setup.cfg by their short names."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg", encoding="utf-8")
    prefix = "importlinter:contract:"
    return {
        name.removeprefix(prefix): config[name]
        for name in config.sections()
        if name.startswith(prefix)
    }


def lint(folder):
    """Run import-linter in a folder that holds a setup.cfg and a package skuq."""
    program = "import sys; from importlinter.cli import lint_imports as lint; "
    return subprocess.run(
        [sys.executable, "-c", program + "sys.exit(lint(no_cache=True, no_logo=True))"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_contract_is_kept(root, contracts):
    done = lint(root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(contracts)} kept, 0 broken." in done.stdout


def test_the_layers_are_those_of_the_house(contracts):
    written = contracts["layers"]["layers"].replace("(", "").replace(")", "")
    assert written.split() == LAYERS.split()


def test_every_part_of_the_package_has_a_layer(module_names):
    parts = {".".join(name.split(".")[:2]) for name in module_names} - {"skuq"}
    assert parts
    assert parts <= set(LAYERS.split())


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_package_is_under_its_contract_once_it_exists(name, contracts, module_names):
    existing = SOURCES[name] & set(module_names)
    assert set(contracts[name]["source_modules"].split()) == existing
    assert set(contracts[name]["forbidden_modules"].split()) == FORBIDDEN[name]


def test_an_import_upwards_breaks_the_law(root, tmp_path):
    package = tmp_path / "skuq"
    (package / "_core").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "_core" / "__init__.py").touch()
    (package / "exceptions.py").write_text("import skuq._core\n", "utf-8")
    law = "[importlinter]\nroot_package = skuq\n[importlinter:contract:layers]\n"
    law += "name = layers\ntype = layers\nlayers =\n  skuq._core\n  skuq.exceptions\n"
    (tmp_path / "setup.cfg").write_text(law, "utf-8")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "skuq.exceptions is not allowed to import skuq._core" in done.stdout
