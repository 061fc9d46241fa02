"""Statistics that can be added: the state behind every metric.

An `Accumulator` is a frozen dataclass.  Each field says how it behaves in ``a + b``: a
*setting* must be equal on both sides, a *sum* is added, a *collection* is concatenated.
Addition is associative and commutative (collections up to order), so that a data set
may be split over batches, threads or machines in any way.
"""

from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from skuq.exceptions import NoSamplesError, StateMismatchError


def summed() -> Any:
    """A dataclass field that is added."""
    return field(metadata={"merge": "sum"})


def collected(default: Any = MISSING) -> Any:
    """A dataclass field that is concatenated along its last axis.

    None stands for weights of one, which cost no memory until they meet others.
    """
    return field(default=default, metadata={"merge": "collect"})


@dataclass(frozen=True)
class Accumulator:
    """Base of the states; fields without a rule are settings."""

    def __add__(self, other: Self) -> Self:
        """The state of both data sets together."""
        if type(other) is not type(self):
            return NotImplemented
        merged = {}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            rule = item.metadata.get("merge")
            if rule == "sum":
                merged[item.name] = mine + theirs
            elif rule == "collect":
                merged[item.name] = self._joined(item.name, other)
            elif mine != theirs:
                raise StateMismatchError(
                    f"cannot add two {type(self).__name__} with different {item.name}: "
                    f"{mine!r} and {theirs!r}. Compute both with the same settings."
                )
            else:
                merged[item.name] = mine
        return type(self)(**merged)

    def _joined(self, name: str, other: Self) -> np.ndarray | None:
        """The collected arrays of both."""
        parts = [getattr(state, name) for state in (self, other)]
        if parts[0] is None and parts[1] is None:
            return None
        for i, state in enumerate((self, other)):
            if parts[i] is None:
                parts[i] = np.ones(state.length)
        return np.concatenate(parts, axis=-1)

    def owned(self) -> Self:
        """The same state with no collected array that is a view of the user's data."""
        views = {
            f.name: getattr(self, f.name).copy()
            for f in fields(self)
            if f.metadata.get("merge") == "collect"
            and getattr(self, f.name) is not None
            and getattr(self, f.name).base is not None
        }
        return replace(self, **views) if views else self

    @property
    def length(self) -> int:
        """Number of collected samples."""
        names = [f.name for f in fields(self) if f.metadata.get("merge") == "collect"]
        arrays = (getattr(self, name) for name in names)
        return next(int(a.shape[-1]) for a in arrays if a is not None)


@dataclass(frozen=True)
class MeanSum(Accumulator):
    """A weighted sum and its total weight, for metrics that are means."""

    total: float = summed()
    weight: float = summed()

    @classmethod
    def of(cls, sums: Iterable[tuple[float, float]]) -> Self:
        """That of all parts together, from the total and the weight of each."""
        total, weight = 0.0, 0.0
        for part_total, part_weight in sums:
            total += part_total
            weight += part_weight
        return cls(total, weight)

    @property
    def mean(self) -> float:
        """The weighted mean."""
        if self.weight == 0:
            raise NoSamplesError("no sample that counts has a weight above zero.")
        return float(self.total / self.weight)
