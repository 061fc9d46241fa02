"""What skuq shows: sorted, complete, and never more than two dots deep."""

import importlib
import re
from types import ModuleType

import pytest

LONGEST_FILE = 600
FOLDERS = ["skuq", "tests", "benchmarks", "examples"]


def ruff_order(name):
    """Sort key of ruff's RUF022: constants, classes, the rest; 2 before 10."""
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[0].isupper() else 2
    return kind, [int(s) if s.isdigit() else s for s in re.split(r"(\d+)", name)]


def own_public_names(module):
    """Public names that a module, or a private module inside it, defines."""
    home = module.__name__ + "."
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and f"{getattr(value, '__module__', '')}.".startswith(home)
    }


def test_all_is_sorted_and_has_no_duplicate(package_name):
    names = importlib.import_module(package_name).__all__
    assert list(names) == sorted(set(names), key=ruff_order)


def test_all_is_complete(package_name):
    package = importlib.import_module(package_name)
    assert own_public_names(package) <= set(package.__all__)


def test_every_name_in_all_resolves_and_is_listed_by_dir(package_name):
    package = importlib.import_module(package_name)
    missing = [name for name in package.__all__ if not hasattr(package, name)]
    assert missing == []
    assert set(package.__all__) <= set(dir(package))


def test_an_unknown_name_raises_attribute_error(package_name):
    package = importlib.import_module(package_name)
    with pytest.raises(AttributeError, match="no_such_name"):
        package.no_such_name  # noqa: B018


def test_every_module_of_a_public_package_is_private(module_names):
    deep = [name for name in module_names if name.count(".") > 1]
    assert [name for name in deep if "._" not in name] == []


def test_a_name_at_the_top_is_the_one_of_its_package(public_name):
    package, name = public_name.rsplit(".", 1)
    assert public_name.count(".") == 2
    skuq = importlib.import_module("skuq")
    if name in skuq.__all__:
        here = getattr(importlib.import_module(package), name)
        assert getattr(skuq, name) is here


def test_no_file_is_longer_than_the_limit(root):
    lengths = {
        str(path.relative_to(root)): len(path.read_text("utf-8").splitlines())
        for folder in FOLDERS
        for path in (root / folder).rglob("*.py")
    }
    assert lengths
    too_long = {path: n for path, n in lengths.items() if n > LONGEST_FILE}
    assert too_long == {}
