"""Mean and variance over members, one member at a time (Welford), and their merging.

Everything is in float64 and in place.  Deviations from the running mean are summed, not
squares of the values, so that a large offset cancels nothing.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from math import prod
from typing import Any, Self

from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    as_array,
    contiguous,
    device,
    host_view,
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

    def add(self, values: Array, n_before: int, columns: slice | None = None) -> None:
        """Take in members along axis -2, after `n_before`, at some `columns` or all."""
        xp = array_namespace(values)
        at = (..., slice(None) if columns is None else columns)
        mean, squares = self.mean[at], self.squares[at]  # views
        n_new = values.shape[-2]
        if n_new == 1:
            center = values[..., 0, :] - mean
        else:
            center = xp.mean(values, axis=-2)
            spread = values - center[..., None, :]
            spread *= spread
            squares += xp.sum(spread, axis=-2)
            center -= mean
        _move(mean, squares, center, n_before, n_new)

    def merged(self, mine: int, other: "Moments", theirs: int) -> "Moments":
        """The moments of both, which hold so many members (Chan, Golub and LeVeque)."""
        mean = array_namespace(self.mean).asarray(self.mean, copy=True)
        squares = self.squares + to_library_of(other.squares, mean)
        _move(mean, squares, to_library_of(other.mean, mean) - mean, mine, theirs)
        return Moments(mean, squares)

    def to(self, like: Array) -> "Moments":
        """The same numbers in the library and on the device of `like`."""
        return Moments(*(to_library_of(x, like) for x in (self.mean, self.squares)))


def _move(
    mean: Array, squares: Array, deviation: Array, n_before: int, n_new: int
) -> None:
    """Change moments by a `deviation` of new members' mean, which is used up.

    Their own squares are in `squares` already.
    """
    n_members = n_before + n_new
    mean += deviation / (n_members / n_new)
    deviation *= deviation
    deviation *= n_before * n_new / n_members
    squares += deviation


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

    def to(self, like: Array) -> "Layout":
        """The layout of results in the library and on the device of `like`."""
        return Layout(self.shape, to_library_of(self.like, like))

    @property
    def n_positions(self) -> int:
        """Number of samples or pixels."""
        return prod(self.shape)


class Movable:
    """Statistics that can go to another library or device.

    A subclass has `n_members`, and after the first of them `_layout`, `_moments` and
    the arrays that `ARRAYS` names.
    """

    ARRAYS: tuple[str, ...] = ()
    concatenate: Callable[..., Any]  # a method of the class
    n_members: int
    _layout: Layout
    _moments: Moments

    def to(self, like: Any) -> Self:
        """The same statistics, with results in another library or on another device.

        Members on a GPU are best counted there, and only the results fetched.

        Parameters
        ----------
        like : array
            What the results shall be like.

        Returns
        -------
        statistics : Self
            Of the same members; shares memory with this object where it can, so that
            only one of the two should take in more members.
        """
        self._check()
        like = as_array(like)
        out = copy(self)
        out._layout = self._layout.to(like)
        state = host_view(like)
        out._moments = self._moments.to(state)
        for name in self.ARRAYS:
            if (array := getattr(self, name)) is not None:
                setattr(out, name, to_library_of(array, state))
        return out

    def _copy(self) -> Self:
        return self.concatenate([self]) if self.n_members else copy(self)

    def _restored(self, values: Array) -> Array:
        return self._layout.restore(values)

    def _check(self) -> None:
        """Refuse to summarise nothing."""
        if self.n_members == 0:
            raise InputError("there are no members yet: call update() first.")


def unstacked(members: Array, name: str) -> list[Array]:
    """The members of an array that holds them along its first axis."""
    if members.ndim < 2:
        raise InputError(
            f"{name} of shape {tuple(members.shape)} holds one member: stacked=True "
            "needs shape (n_members, n_samples, ...)."
        )
    return [members[i, ...] for i in range(members.shape[0])]


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
