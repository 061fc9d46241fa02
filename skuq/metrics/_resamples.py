"""Resamples of a data set: each sample, image or group counts some number of times.

Three ways to the metric of a resample, of which the fastest that there is serves: sums
over samples whose losses or bins are known, sums over the states of whole groups, or
the metric itself with counts as weights.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from skuq._core._accumulator import Accumulator
from skuq._core._arrays import as_array, to_numpy
from skuq._core._labels import infer_classes
from skuq._core._samples import THREADS_FROM
from skuq._core._threads import map_items
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._streaming import data_names, options_of

Value = tuple[Any, Any]  # of the metric, and the state it comes from or None
StateOf = Callable[[np.ndarray], Accumulator]  # of how often each unit counts
SAMPLE_AXIS = {"members": 1}  # of data that do not begin with the samples
RUN = 2**14  # units drawn together


@dataclass(frozen=True)
class Problem:
    """A metric with the data that are to be resampled.

    Parameters
    ----------
    metric : callable
        The metric.
    data : tuple
        What it takes by position.
    weight : array or None
        Sample weights.
    params : dict
        Its other keywords.
    """

    metric: Any
    data: tuple[Any, ...]
    weight: Any
    params: dict[str, Any]

    def value(self, weight: Any) -> Value:
        """The metric of the data under given weights."""
        if not hasattr(self.metric, "statistic"):
            value = self.metric(*self.data, sample_weight=weight, **self.params)
            return value, None
        return self.compute(self.state(weight))

    def state(self, weight: Any) -> Accumulator:
        """The statistic of the data under given weights."""
        statistic: Callable[..., Accumulator] = self.metric.statistic
        options = options_of(statistic, self.params)
        return statistic(*self.data, sample_weight=weight, **options)

    def compute(self, state: Accumulator) -> Value:
        """The metric of a state."""
        compute = self.metric.compute
        return compute(state, **options_of(compute, self.params)), state

    @property
    def n_samples(self) -> int:
        """Length of the axis of samples."""
        return int(as_array(self.data[0]).shape[0])

    def part(self, index: np.ndarray) -> "Problem":
        """The problem of some samples."""
        names = data_names(self.metric)[: len(self.data)]
        data = tuple(map(partial(_rows, index), names, self.data))
        aligned = {
            name: _rows(index, name, self.params[name])
            for name in self.metric.aligned
            if self.params.get(name) is not None
        }
        weight = None if self.weight is None else _rows(index, "", self.weight)
        return Problem(self.metric, data, weight, {**self.params, **aligned})


def _rows(index: np.ndarray, name: str, x: Any) -> Any:
    """Some samples of the data called `name`."""
    if x is None:
        return None
    return as_array(x)[(slice(None),) * SAMPLE_AXIS.get(name, 0) + (index, ...)]


def problem_of(
    metric: Any, data: tuple[Any, ...], weight: Any, params: dict[str, Any]
) -> Problem:
    """A metric, out of a `functools.partial` where need be, with its data."""
    while isinstance(metric, partial):  # keeps what the metric says of itself
        metric, params = metric.func, {**metric.keywords, **params}
    signature(metric).bind(*data, sample_weight=weight, **params)  # refuses others
    return Problem(metric, data, weight, params)


def unit_count(problem: Problem, groups: Any) -> tuple[int, np.ndarray | None]:
    """Number of units to draw, and the unit of each sample where it is not its own."""
    n = problem.n_samples
    if groups is None:
        return n, None
    codes = to_numpy(groups)
    if codes.shape != (n,):
        raise InputError(
            f"groups has shape {codes.shape}: expected one group per sample or image, "
            f"({n},)."
        )
    names, unit = np.unique(codes, return_inverse=True)
    if len(names) < 2:
        raise InputError("groups holds a single group: resampling needs several.")
    return len(names), unit.reshape(-1)


class Resampler:
    """The metric of any resample, given how often each unit counts.

    Parameters
    ----------
    problem : Problem
        The metric and its data.
    groups : array of shape (n_samples,) or None
        Samples that stay together.
    """

    def __init__(self, problem: Problem, groups: Any = None) -> None:
        self.problem = problem
        self.n_units, self.unit = unit_count(problem, groups)
        self.estimate, self.origin = problem.value(problem.weight)
        self.state_of = self._by_samples() or self._by_states() or self._by_weights()

    def read(self, counts: np.ndarray) -> Value:
        """The metric if each unit counts that often, and its state."""
        if hasattr(self.problem.metric, "statistic"):
            return self.problem.compute(self.state_of(counts))
        return self.problem.value(self._weights(counts))

    def _by_samples(self) -> StateOf | None:
        """Sums over samples whose losses or bins are found once."""
        make = getattr(self.problem.metric, "samples", None)
        one_row_each = as_array(self.problem.data[0]).ndim == 1
        if make is None or self.unit is not None or not one_row_each:
            return None
        options = options_of(self.problem.metric.statistic, self.problem.params)
        weight = self.problem.weight
        samples = make(*self.problem.data, sample_weight=weight, **options)
        if samples is None or len(samples) != self.n_units:  # void rows are left out
            return None
        state: StateOf = samples.state
        return state

    def _by_states(self) -> StateOf | None:
        """Sums over the states of groups or images, where states are sums."""
        one_row_each = as_array(self.problem.data[0]).ndim == 1
        if not _is_sum(self.origin) or (one_row_each and self.unit is None):
            return None
        states = _states(_with_labels(self.problem), self._members())
        names = [f.name for f in fields(self.origin) if f.metadata.get("merge")]
        stacks = {
            name: np.stack(
                [
                    np.zeros_like(getattr(self.origin, name))
                    if s is None
                    else getattr(s, name)
                    for s in states
                ]
            )
            for name in names
        }

        def state_of(counts: np.ndarray) -> Accumulator:
            sums = {name: np.tensordot(counts, x, 1) for name, x in stacks.items()}
            state: Accumulator = replace(self.origin, **sums)
            return state

        return state_of

    def _members(self) -> list[np.ndarray]:
        """The samples of each unit."""
        if self.unit is None:
            return [np.array([i]) for i in range(self.n_units)]
        order = np.argsort(self.unit, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.unit[order])) + 1)

    def _by_weights(self) -> StateOf:
        """The statistic itself, with counts as weights."""
        return lambda counts: self.problem.state(self._weights(counts))

    def _weights(self, counts: np.ndarray) -> np.ndarray:
        """The weight of each sample if its unit counts that often."""
        n, weight = self.problem.n_samples, self.problem.weight
        base = np.ones(n) if weight is None else to_numpy(weight)
        each = counts if self.unit is None else counts[self.unit]
        return np.asarray(base * each.reshape((n,) + (1,) * (base.ndim - 1)))

    def draws(self, n_resamples: int, rng: np.random.Generator) -> Iterator[Value]:
        """The metric of resamples that leave something to measure."""
        threads = self.n_units >= THREADS_FROM
        return map_items(self._draw, rng.spawn(n_resamples), threads=threads)

    def _draw(self, rng: np.random.Generator) -> Value:
        while True:
            try:
                return self.read(resample_counts(self.n_units, rng))
            except NoSamplesError:  # the data themselves hold some, so this ends
                continue


def resample_counts(n: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n units is drawn in n draws with replacement.

    First how many draws fall into each run of units, then where in the run: three
    times faster than in one go, as the counts of a run stay in the cache.
    """
    counts = np.empty(n)
    starts = np.arange(0, n, RUN)
    sizes = np.minimum(RUN, n - starts)
    hits = rng.multinomial(n, sizes / n)
    for start, size, hit in zip(starts, sizes, hits, strict=True):
        drawn = rng.integers(0, size, hit, dtype=np.uint16)
        counts[start : start + size] = np.bincount(drawn, minlength=size)
    return counts


def _is_sum(state: Any) -> bool:
    """Whether nothing of a state is collected."""
    if not isinstance(state, Accumulator):
        return False
    return all(f.metadata.get("merge") != "collect" for f in fields(state))


def _states(problem: Problem, members: list[np.ndarray]) -> list[Accumulator | None]:
    """The state of each group; None where nothing counts."""
    states: list[Accumulator | None] = []
    for index in members:
        part = problem.part(index)
        try:
            states.append(part.state(part.weight))
        except NoSamplesError:
            states.append(None)
    return states


def _with_labels(problem: Problem) -> Problem:
    """Name the classes, which a group alone may not show."""
    if "labels" not in signature(problem.metric).parameters:
        return problem
    if problem.params.get("labels") is not None:
        return problem
    y, p = (as_array(x) for x in problem.data[:2])
    n_columns = 1 if p.ndim == y.ndim else int(p.shape[1])
    void = problem.params.get("ignore_index")
    labels = infer_classes(y, n_columns, ignore_index=void)
    return replace(problem, params={**problem.params, "labels": labels})
