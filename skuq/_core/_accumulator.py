"""Statistics that can be added: the state behind every metric.

An `Accumulator` is a frozen dataclass.  Each field says how it behaves in ``a + b``: a
*setting* must be equal on both sides, a *sum* is added, a *collection* is concatenated.
Addition is associative and commutative (collections up to order), so that a data set
may be split over batches, threads or machines in any way.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

from skuq.exceptions import NoSamplesError, StateMismatchError


def summed() -> Any:
    """A dataclass field that is added."""
    return field(metadata={"merge": "sum"})


def collected() -> Any:
    """A dataclass field that is concatenated along its last axis."""
    return field(metadata={"merge": "collect"})


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
                merged[item.name] = np.concatenate([mine, theirs], axis=-1)
            elif mine != theirs:
                raise StateMismatchError(
                    f"cannot add two {type(self).__name__} with different {item.name}: "
                    f"{mine!r} and {theirs!r}. Compute both with the same settings."
                )
            else:
                merged[item.name] = mine
        return type(self)(**merged)


@dataclass(frozen=True)
class MeanSum(Accumulator):
    """A weighted sum and its total weight, for metrics that are means."""

    total: float = summed()
    weight: float = summed()

    @property
    def mean(self) -> float:
        """The weighted mean."""
        if self.weight == 0:
            raise NoSamplesError("no sample that counts has a weight above zero.")
        return float(self.total / self.weight)
