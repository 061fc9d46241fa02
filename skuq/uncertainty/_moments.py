"""Mean and variance over members, one member at a time (Welford), and their merging.

Everything is in float64 and in place.  Deviations from the running mean are summed, not
squares of the values, so that a large offset cancels nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Self

from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    contiguous,
    device,
    is_torch_array,
    to_library_of,
)
from skuq._core._blocks import Window
from skuq.exceptions import InputError, StateMismatchError


@dataclass(frozen=True)
class Moments:
    """Running mean and sum of squared deviations of every element.

    Parameters
    ----------
    mean : array
        Mean of the members so far.
    squares : array of the same shape
        Sum over members of the squared deviation from their mean.
    """

    mean: Array
    squares: Array

    @classmethod
    def empty(cls, shape: tuple[int, ...], like: Array) -> Self:
        """The moments of no member, on the device of `like`."""
        return cls(zeros(shape, like), zeros(shape, like))

    def add(self, values: Array, n_members: int, columns: slice | None = None) -> None:
        """Take in one member, the `n_members`-th, at some `columns` or all."""
        at = (..., slice(None) if columns is None else columns)
        mean, squares = self.mean[at], self.squares[at]  # views
        deviation = values - mean
        mean += deviation / n_members
        deviation *= deviation
        deviation *= (n_members - 1) / n_members
        squares += deviation

    def merged(self, mine: int, other: "Moments", theirs: int) -> "Moments":
        """The moments of both, which hold so many members (Chan, Golub and LeVeque)."""
        n_members = mine + theirs
        deviation = to_library_of(other.mean, self.mean) - self.mean
        squares = self.squares + to_library_of(other.squares, self.mean)
        return Moments(
            self.mean + deviation * (theirs / n_members),
            squares + deviation * deviation * (mine * theirs / n_members),
        )


def zeros(shape: tuple[int, ...], like: Array) -> Array:
    """Zeros of the widest float on the device of `like`."""
    xp = array_namespace(like)
    return xp.zeros(shape, dtype=accumulator_dtype(like), device=device(like))


def joined(arrays: Sequence[Array]) -> Array:
    """Arrays side by side along their last axis, in the library of the first."""
    xp = array_namespace(arrays[0])
    return xp.concat([to_library_of(a, arrays[0]) for a in arrays], axis=-1)


@dataclass(frozen=True)
class Layout:
    """What the results look like: the outer shape, and the library of the members.

    Parameters
    ----------
    shape : tuple of int
        ``(n_samples, *spatial)``.
    like : array of shape (0,)
        In the library, floating dtype and device of the members.
    """

    shape: tuple[int, ...]
    like: Array

    def restore(self, values: Array) -> Array:
        """Values `(n_positions,)` or `(n_classes, n_positions)` as a user sees them."""
        xp = array_namespace(values)
        out = xp.reshape(values, (*values.shape[:-1], *self.shape))
        if values.ndim > 1:
            out = xp.moveaxis(out, 0, 1)
        if is_torch_array(self.like):
            out = to_library_of(out, self.like)
        return contiguous(array_namespace(out).astype(out, self.like.dtype))

    def columns(self, window: Window) -> slice:
        """Where the positions of `window` lie among those of all samples."""
        n_pixels = prod(self.shape[1:])
        samples, pixels = window
        start = samples.start * n_pixels + pixels.start
        return slice(start, (samples.stop - 1) * n_pixels + pixels.stop)

    def beside(self, others: Sequence["Layout"]) -> "Layout":
        """The layout of the samples of all."""
        if any(other.shape[1:] != self.shape[1:] for other in others):
            shapes = sorted({other.shape[1:] for other in [self, *others]})
            raise StateMismatchError(f"cannot join samples of shapes {shapes}.")
        n_samples = self.shape[0] + sum(other.shape[0] for other in others)
        return Layout((n_samples, *self.shape[1:]), self.like)

    @property
    def n_positions(self) -> int:
        """Number of samples or pixels."""
        return prod(self.shape)


def same_number(parts: Sequence[Any]) -> int:
    """The number of members that all statistics hold."""
    numbers = {part.n_members for part in parts}
    if len(numbers) != 1:
        raise StateMismatchError(
            f"cannot join statistics of {sorted(numbers)} members: every batch of "
            "samples needs the same members."
        )
    return int(numbers.pop())


def check_member_shape(shape: tuple[int, ...], known: tuple[int, ...]) -> None:
    """Refuse a member that predicts other samples than those before."""
    if shape != known:
        raise InputError(
            f"this member has shape {shape}, but those before have {known}: members "
            "must predict the same samples."
        )


def check_same_samples(mine: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    """Refuse to add statistics of other samples."""
    if mine != theirs:
        raise StateMismatchError(
            f"cannot add statistics of members of shapes {mine} and {theirs}: both "
            "need the same samples."
        )


def check_some_members(n_members: int) -> None:
    """Refuse to summarise nothing."""
    if n_members == 0:
        raise InputError("there are no members yet: call update() first.")
