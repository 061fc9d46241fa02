"""What skuq consists of: tests, documentation and the command line loop over these."""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = [
    "all_calibrators",
    "all_displays",
    "all_metrics",
    "all_scorer_names",
    "all_uncertainties",
]


def all_calibrators() -> dict[str, type]:
    """Every calibrator of scores, by name: the subclasses of `BaseCalibrator`."""
    from skuq.base import BaseCalibrator

    return _public("skuq.calibration", lambda x: _is_subclass(x, BaseCalibrator))


def all_metrics() -> dict[str, Callable[..., float]]:
    """Every metric that has a mergeable statistic, by name."""
    return _public("skuq.metrics", lambda x: hasattr(x, "statistic"))


def all_displays() -> dict[str, type]:
    """Every picture, by name."""
    return _public("skuq.displays", inspect.isclass)


def all_scorer_names() -> list[str]:
    """The names that `skuq.metrics.get_scorer` knows."""
    return list(import_module("skuq.metrics").get_scorer_names())


def all_uncertainties(data: str | None = None) -> dict[str, Callable[..., Any]]:
    """Every measure of uncertainty, by name: of "y_proba", "logits", "members" or all.

    The name of its first argument says what it measures.
    """
    functions = _public("skuq.uncertainty", inspect.isfunction)
    return {
        name: function
        for name, function in functions.items()
        if data in (None, next(iter(inspect.signature(function).parameters)))
    }


def _public(module_name: str, wanted: Callable[[Any], bool]) -> dict[str, Any]:
    module = import_module(module_name)
    members = {name: getattr(module, name) for name in module.__all__}
    return {name: member for name, member in members.items() if wanted(member)}


def _is_subclass(x: Any, base: type) -> bool:
    return inspect.isclass(x) and issubclass(x, base)
