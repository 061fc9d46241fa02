"""Imports of optional libraries, with an error that names the remedy."""

from importlib import import_module
from types import ModuleType

from skuq.exceptions import MissingDependencyError


def require(name: str, *, caller: str, extra: str | None = None) -> ModuleType:
    """Import `name` for `caller`, or say what to install."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        remedy = f'"skuq[{extra}]"' if extra else package
        message = (
            f"{caller} needs {package}, which is not installed: "
            f"python -m pip install {remedy}"
        )
        raise MissingDependencyError(message) from error
