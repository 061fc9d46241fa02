"""One class that makes any metric stream and merge."""

from collections.abc import Callable
from inspect import Parameter, signature
from math import inf
from typing import Any, Protocol, Self, cast

import numpy as np

from skuq._core._accumulator import Accumulator
from skuq.exceptions import InputError, StateMismatchError


class Metric(Protocol):
    """A metric function, which carries the two parts it is made of."""

    __name__: str
    statistic: Callable[..., Accumulator]
    compute: Callable[..., Any]
    deviation: Callable[..., float] | None
    upper: float
    aligned: tuple[str, ...]
    samples: Callable[..., Any] | None

    def __call__(self, *data: Any, **options: Any) -> Any:
        """The metric of data such as labels and probabilities."""


def streams_with(
    statistic: Callable[..., Accumulator],
    compute: Callable[..., Any],
    deviation: Callable[..., float] | None = None,
    upper: float = inf,
    aligned: tuple[str, ...] = (),
    samples: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Metric]:
    """Tell which statistic of a batch, and which function of it, make up a metric.

    A metric that is a norm, and so biased upwards near 0, also has a `deviation`: the
    norm of the difference of two states.  `upper` is the largest value there can be,
    and `aligned` names the keywords beside `sample_weight` with one entry per sample.
    `samples` is the statistic sample by sample, for resampling.
    """

    def declare(function: Callable[..., Any]) -> Metric:
        metric = cast(Metric, function)
        metric.statistic = statistic
        metric.compute = compute
        metric.deviation = deviation
        metric.upper = upper
        metric.aligned = ("sample_weight", *aligned)
        metric.samples = samples
        return metric

    return declare


def options_of(function: Callable[..., Any], params: dict[str, Any]) -> dict[str, Any]:
    """Those of `params` that `function` takes."""
    known = signature(function).parameters
    return {name: value for name, value in params.items() if name in known}


def data_names(metric: Callable[..., Any]) -> list[str]:
    """The data that `metric` takes by position, such as y_true and y_proba."""
    parameters = signature(metric).parameters.values()
    return [p.name for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]


def _equal(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether parameters are the same, arrays among them by value."""
    if mine.keys() != theirs.keys():
        return False
    pairs = ((mine[name], theirs[name]) for name in mine)
    return all(
        np.array_equal(a, b) if np.ndim(a) or np.ndim(b) else a == b for a, b in pairs
    )


class Streaming:
    """A metric over data that comes in batches, from any number of places.

    Parameters
    ----------
    metric : callable
        A metric of `skuq.metrics` that has a statistic, such as
        `expected_calibration_error`.
    **params : dict
        Its keywords, except `sample_weight` and others with one entry per sample,
        which go to `update`.

    Attributes
    ----------
    state : Accumulator or None
        What is known of the data so far; None before the first batch.

    Raises
    ------
    skuq.exceptions.InputError
        If `metric` has no statistic or does not take one of `params`.

    See Also
    --------
    skuq.metrics.expected_calibration_error : A metric that streams.

    Notes
    -----
    The result equals the metric of all batches together, up to the rounding of float64
    sums.  The state has a fixed size, for example three numbers per bin, except where a
    metric says that it keeps all samples (``strategy="quantile"``).  Objects can be
    pickled and added, which is all that distributed evaluation needs.  Name the
    `labels` where a batch may miss a class whose label is not a column number.

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.metrics import Streaming, expected_calibration_error
    >>> first = Streaming(expected_calibration_error, n_bins=10)
    >>> second = Streaming(expected_calibration_error, n_bins=10)
    >>> first.update([0, 1], np.array([[0.9, 0.1], [0.2, 0.8]])).compute()
    0.15
    >>> second.update([1], np.array([[0.7, 0.3]]))
    Streaming(expected_calibration_error, n_bins=10)
    >>> round((first + second).compute(), 3)
    0.333
    """

    def __init__(self, metric: Metric, **params: Any) -> None:
        if not hasattr(metric, "statistic"):
            raise InputError(f"{metric!r} has no statistic, so it cannot stream.")
        data = {*data_names(metric), *metric.aligned}
        known = set(signature(metric).parameters) - data
        if unknown := set(params) - known:
            raise InputError(
                f"{metric.__name__} does not take {sorted(unknown)} here: it takes "
                f"{sorted(known)}, and update() takes {', '.join(metric.aligned)}."
            )
        self.metric = metric
        self.params = params
        self.state: Accumulator | None = None

    def update(
        self, *data: Any, sample_weight: Any = None, **aligned: Any
    ) -> "Streaming":
        """Take in one batch.

        Parameters
        ----------
        *data : array-like
            What the metric takes by position, in its order: for most ``y_true,
            y_proba``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.
        **aligned : dict
            Other keywords of the metric with one entry per sample, such as
            `confidence`.

        Returns
        -------
        self : Streaming
            This object.
        """
        statistic: Callable[..., Accumulator] = self.metric.statistic
        options = {**options_of(statistic, self.params), **aligned}
        new = statistic(*data, sample_weight=sample_weight, **options)
        self.state = new.owned() if self.state is None else self.state + new
        return self

    def compute(self) -> Any:
        """The metric of all data so far.

        Returns
        -------
        value : float or dict
            As the metric itself returns.

        Raises
        ------
        skuq.exceptions.InputError
            Before the first batch.
        """
        if self.state is None:
            raise InputError("nothing to compute from: call update() first.")
        compute = self.metric.compute
        return compute(self.state, **options_of(compute, self.params))

    def __add__(self, other: Self) -> "Streaming":
        """The metric over the data of both."""
        if not isinstance(other, Streaming):
            return NotImplemented
        if self.metric != other.metric or not _equal(self.params, other.params):
            raise StateMismatchError(f"cannot add {self!r} and {other!r}.")
        merged = Streaming(self.metric, **self.params)
        if self.state is None or other.state is None:
            merged.state = self.state or other.state
        else:
            merged.state = self.state + other.state
        return merged

    def __repr__(self) -> str:
        """The call that makes an empty copy."""
        params = "".join(f", {name}={value!r}" for name, value in self.params.items())
        return f"Streaming({self.metric.__name__}{params})"
