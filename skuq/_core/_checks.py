"""The door: everything a user passes is checked here, once, and trusted below.

Messages say what was got, what was expected and what to do.
"""

from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np

from skuq._core._arrays import (
    Array,
    array_namespace,
    as_array,
    host_view,
    is_numpy_array,
    to_library_of,
    to_numpy,
    to_real_floating,
)
from skuq._core._blocks import ScoreTable
from skuq.exceptions import InputError, NoSamplesError

INPUT_KINDS = ("auto", "logit", "proba")

# Rows of probabilities may miss one by this much (float16, few decimals), and single
# values may leave [0, 1] by the rounding of a softmax.
SUM_TOLERANCE = 1e-2
RANGE_TOLERANCE = 1e-5
LARGEST_LOGIT = 1e100  # squares of logits must be finite in float64


def check_option(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Refuse a `value` that is none of `allowed`."""
    if value not in allowed:
        choices = ", ".join(repr(choice) for choice in allowed)
        raise InputError(f"{name} must be one of {choices}, got {value!r}.")


def check_count(name: str, value: Any, least: int) -> int:
    """Refuse what is no integer of at least `least`."""
    if not isinstance(value, Integral) or value < least:
        raise InputError(
            f"{name} must be an integer of at least {least}, got {value!r}."
        )
    return int(value)


def check_scores(scores: Any, name: str = "scores") -> Array:
    """Scores as a real floating array with at least one sample."""
    x = host_view(to_real_floating(as_array(scores), name))
    if x.ndim == 0:
        raise InputError(f"{name} must have at least one dimension, got a scalar.")
    if 0 in x.shape:
        raise InputError(
            f"{name} of shape {tuple(x.shape)} are empty: pass at least one sample, "
            "shape (n_samples, n_classes, *spatial)."
        )
    return x


class Extent(NamedTuple):
    """Smallest and largest score, and the largest error of a row sum."""

    low: float
    high: float
    sum_error: float

    def joined(self, other: Self) -> "Extent":
        """That of both sets of scores together."""
        return Extent(
            min(self.low, other.low),
            max(self.high, other.high),
            max(self.sum_error, other.sum_error),
        )


def resolve_kind(table: ScoreTable, declared: str, name: str = "scores") -> str:
    """Look once at all scores: "logit" or "proba", or an error that asks.

    Also refuses scores that are not finite, and declared probabilities that are none.
    """
    check_option("input", declared, INPUT_KINDS)
    return kind_within(extent(table, name), declared, name)


def kind_within(found: Extent, declared: str, name: str = "scores") -> str:
    """What scores of this extent are: "logit" or "proba", or an error that asks."""
    check_option("input", declared, INPUT_KINDS)
    low, high, sum_error = found
    inside = in_unit_interval(low, high)
    if declared == "logit" or (declared == "auto" and not inside):
        return "logit"
    if not inside:
        raise InputError(
            f"{name} run from {low:.6g} to {high:.6g}, but input='proba' needs values "
            "in [0, 1]: pass probabilities, or input='logit'."
        )
    if sum_error > SUM_TOLERANCE and declared == "auto":
        raise InputError(
            f"{name} lie in [0, 1] but their rows miss a sum of one by up to "
            f"{sum_error:.3g}, so they may be logits or probabilities: say which with "
            "input='logit' or input='proba'."
        )
    if sum_error > SUM_TOLERANCE:
        raise InputError(
            f"{name} are declared input='proba' but their rows miss a sum of one by up "
            f"to {sum_error:.3g} (allowed: {SUM_TOLERANCE}): divide each row by its "
            "sum, or calibrate one class against the rest."
        )
    return "proba"


def in_unit_interval(low: float, high: float) -> bool:
    """Whether values from `low` to `high` are probabilities up to rounding."""
    return low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE


def extent(table: ScoreTable, name: str = "scores") -> Extent:
    """The extent of all scores, which must be finite."""
    xp = array_namespace(table.scores)
    low, high, sum_error = np.inf, -np.inf, 0.0
    for window in table.windows():
        part = table.part(window)
        bottom, top = float(xp.min(part)), float(xp.max(part))
        if not max(-bottom, top) < LARGEST_LOGIT:  # also catches NaN
            raise InputError(_not_finite(part, name))
        low, high = min(low, bottom), max(high, top)
        if table.n_columns > 1 and in_unit_interval(low, high):
            block = table.columns(window)
            error = float(xp.max(xp.abs(xp.sum(block, axis=0) - 1.0)))
            sum_error = max(sum_error, error)
    return Extent(low, high, sum_error)


def _not_finite(block: Array, name: str) -> str:
    xp = array_namespace(block)
    if bool(xp.any(xp.isnan(block))):
        return f"{name} contain NaN: drop or repair those samples first."
    return (
        f"{name} contain infinity or a value too large (beyond {LARGEST_LOGIT:g}): "
        "give masked classes a large negative finite logit instead."
    )


def check_confidence(top: Array, row_sum: Array, p: Array) -> None:
    """Refuse rows of `p` by their largest value and sum, without a pass over all."""
    xp = array_namespace(top)
    error = max(float(xp.max(row_sum)) - 1, 1 - float(xp.min(row_sum)))
    if not (float(xp.max(top)) <= 1 + RANGE_TOLERANCE and error <= SUM_TOLERANCE):
        check_proba(p, row_sum)


def check_proba(p: Array, row_sum: Array) -> None:
    """Refuse a block of values that are not probabilities, or do not sum to one.

    At least 0 and a sum of one imply at most 1.
    """
    xp = array_namespace(p)
    low = float(xp.min(p))
    error = max(float(xp.max(row_sum)) - 1, 1 - float(xp.min(row_sum)))
    if low >= -RANGE_TOLERANCE and error <= SUM_TOLERANCE:
        return
    check_range(p)
    raise InputError(
        f"y_proba has rows that miss a sum of one by up to {error:.3g} (allowed: "
        f"{SUM_TOLERANCE}): pass probabilities that sum to one over axis 1, the class "
        "axis."
    )


def check_range(p: Array) -> None:
    """Refuse values that are not probabilities."""
    xp = array_namespace(p)
    low, high = float(xp.min(p)), float(xp.max(p))
    if low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE:
        return
    if low != low or high != high:
        raise InputError("y_proba contains NaN: drop or repair those samples first.")
    raise InputError(
        f"y_proba runs from {low:.4g} to {high:.4g}: a metric needs probabilities in "
        "[0, 1]. Apply softmax or the logistic function to logits first."
    )


def check_labels_shape(y: Array, scores: Array, name: str = "scores") -> None:
    """Labels need one entry per sample and spatial position of the scores."""
    expected = tuple(scores.shape[:1]) + tuple(scores.shape[2:])
    if tuple(y.shape) == expected:
        return
    hint = ""
    if tuple(y.shape) == tuple(scores.shape):
        hint = " If the labels are one-hot, pass their argmax over axis 1."
    raise InputError(
        f"Found labels with shape {tuple(y.shape)} and {name} with shape "
        f"{tuple(scores.shape)}, whose inconsistent numbers of samples cannot be "
        f"matched: labels need shape {expected}, since axis 1 holds the classes.{hint}"
    )


def check_weight(sample_weight: Any, labels: Array, scores: Array) -> Array | None:
    """Weights in the library of the scores: one per sample, or one per label."""
    if sample_weight is None:
        return None
    w = to_real_floating(to_library_of(sample_weight, scores), "sample_weight")
    if w.ndim == 0:
        w = array_namespace(w).broadcast_to(w, (labels.shape[0],))
    shapes = {tuple(labels.shape[:1]), tuple(labels.shape)}
    if tuple(w.shape) not in shapes:
        raise InputError(
            f"sample_weight has shape {tuple(w.shape)}: expected one weight per sample "
            f"or one per label, {' or '.join(map(str, sorted(shapes, key=len)))}."
        )
    xp = array_namespace(w)
    low, high = float(xp.min(w)), float(xp.max(w))
    if not (low >= 0 and high < np.inf):
        raise InputError(
            f"sample_weight runs from {low:g} to {high:g}: weights must be finite "
            "and at least 0."
        )
    if high == 0:
        raise NoSamplesError(
            "sample_weight is zero for every sample: give some a weight."
        )
    return w


def check_some_left(codes: Array, void: int | None, ignore_index: Any) -> None:
    """Refuse labels that are void everywhere."""
    if void is None:
        return
    xp = array_namespace(codes)
    if bool(xp.all(codes == void)):
        raise NoSamplesError(
            f"every label equals ignore_index={ignore_index!r}: nothing is left."
        )


def is_integral(x: Array) -> bool:
    """Whether the dtype of `x` is an integer one."""
    if is_numpy_array(x):
        return x.dtype.kind in "iu"
    return bool(array_namespace(x).isdtype(x.dtype, "integral"))


def host_summary(values: Any, limit: int = 5) -> str:
    """A few values for a message."""
    listed = [repr(v) for v in to_numpy(values).ravel()[:limit].tolist()]
    more = ", ..." if np.size(values) > limit else ""
    return "[" + ", ".join(listed) + more + "]"
