"""Every public object has a docstring, and numpydoc finds nothing wrong with it."""

import importlib
import inspect
import tomllib

import pytest
from numpydoc import validate


@pytest.fixture(scope="module")
def checks(root):
    """Codes of the checks to make; pyproject.toml is the one place that lists them."""
    config = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    listed = config["tool"]["numpydoc_validation"]["checks"]
    return validate.get_validation_checks(set(listed))


def is_own(value):
    """Whether skuq wrote it: what scikit-learn adds to a class is not ours to mend."""
    # The function behind a property, a cached property or an available_if method.
    for attribute in ("fget", "func", "fn"):
        value = getattr(value, attribute, value)
    return str(getattr(value, "__module__", "")).split(".")[0] == "skuq"


def described_objects(public_name):
    """Path and value of a public object and, for a class, of its public members."""
    package, name = public_name.rsplit(".", 1)
    value = getattr(importlib.import_module(package), name)
    if not callable(value):
        return
    yield public_name, value
    if inspect.isclass(value):
        for member in dir(value):
            attribute = inspect.getattr_static(value, member)
            attribute = getattr(attribute, "__func__", attribute)
            if not member.startswith("_") and is_own(attribute):
                yield f"{public_name}.{member}", attribute


def test_every_public_object_has_a_docstring(public_name):
    bare = [
        path
        for path, value in described_objects(public_name)
        if not inspect.getdoc(value)
    ]
    assert bare == []


def test_numpydoc_finds_no_fault(public_name, checks):
    faults = [
        f"{path} {code}: {text}"
        for path, _ in described_objects(public_name)
        for code, text in validate.validate(path)["errors"]
        if code in checks
    ]
    assert faults == [], "\n".join(faults)


def test_the_ignore_list_is_the_agreed_one(checks):
    ignored = set(validate.ERROR_MSGS) - checks
    assert ignored == {"EX01", "SA01", "ES01", "GL08", "GL01", "RT02"}
