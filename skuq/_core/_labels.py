"""Labels of any kind as column numbers of the scores.

Column k of the scores belongs to ``classes[k]``.  Labels that are column numbers
already stay as they are (no copy); others become the smallest integers that hold them,
so that a million labels cost a megabyte or two.
"""

from typing import Any, NamedTuple

import numpy as np

from skuq._core._arrays import (
    Array,
    array_namespace,
    as_array,
    device,
    host_view,
    is_numpy_array,
    is_torch_array,
    to_library_of,
    to_numpy,
)
from skuq._core._checks import check_some_left, host_summary, is_integral
from skuq.exceptions import InputError, NoSamplesError

CHUNK = 2**15  # labels looked at together: bounds the extra memory


class Codes(NamedTuple):
    """Column numbers of the labels, and the number that marks a void position."""

    codes: Array
    void: int | None


def encode_labels(
    y: Any,
    classes: np.ndarray,
    *,
    ignore_index: Any = None,
    like: Array,
    inferred: bool = False,
) -> Codes:
    """The column number of every label, in the library of the scores `like`.

    `inferred` says that the classes come from these very labels, so that none of them
    can be unknown.

    Raises `InputError` for labels that are neither in `classes` nor `ignore_index`.
    """
    y = host_view(as_array(y))
    if _is_arange(classes) and is_integral(y):
        if not inferred:
            _check_range(y, len(classes), ignore_index)
        codes, void = y, ignore_index
    elif is_numpy_array(y) and y.dtype == bool and _is_bool(classes):
        codes, void = y.view(np.uint8), None
    else:
        codes, void = _search(y, classes, ignore_index), -1
        if ignore_index is None:
            void = None
    codes = to_library_of(codes, like)
    check_some_left(codes, void, ignore_index)
    return Codes(codes, void)


def decode_labels(codes: Array, classes: np.ndarray, like: Any) -> Array:
    """`classes[codes]`: a tensor if `like` is one and the classes are numbers."""
    if classes.dtype.kind not in "biuf":
        return classes[to_numpy(codes)]
    if is_torch_array(like):
        codes = to_library_of(codes, like)
    return to_library_of(classes, codes)[codes]


def infer_classes(y: Any, n_columns: int, *, ignore_index: Any = None) -> np.ndarray:
    """The classes of `n_columns` score columns (1 means two classes) from labels.

    The sorted distinct labels if there are as many as columns.  If there are fewer,
    labels that can be column numbers are taken as such; others raise and ask.
    """
    n_classes = max(2, n_columns)
    if ignore_index is None and _are_column_numbers(y, n_classes):
        return np.arange(n_classes)
    found = distinct_labels(y, ignore_index=ignore_index)
    if len(found) == n_classes:
        return found
    if len(found) > n_classes:
        raise InputError(
            f"scores have {n_columns} column(s) but the labels have {len(found)} "
            f"classes {host_summary(found)}: pass one column of scores per class, and "
            "ignore_index= if one label marks void positions."
        )
    if found.dtype.kind == "b":
        return np.array([False, True])
    if found.dtype.kind in "iuf" and found[0] >= 0 and found[-1] < n_classes:
        return np.arange(n_classes)
    raise InputError(
        f"scores have {n_classes} classes but the labels have only {len(found)} of "
        f"them, {host_summary(found)}: say which class each column belongs to with "
        "classes= (calibrators) or labels= (metrics)."
    )


def _are_column_numbers(y: Any, n_classes: int) -> bool:
    y = host_view(as_array(y))
    if not is_integral(y):
        return False
    xp = array_namespace(y)
    return int(xp.min(y)) >= 0 and int(xp.max(y)) < n_classes


def check_classes(classes: Any, n_classes: int, *, name: str = "classes") -> np.ndarray:
    """`classes` as a numpy array of `n_classes` distinct labels."""
    array = to_numpy(classes)
    if array.ndim != 1 or len(array) != n_classes:
        raise InputError(
            f"{name} has shape {array.shape}, but the scores have {n_classes} classes: "
            "pass one label per column of the scores."
        )
    if len(np.unique(array)) != n_classes:
        raise InputError(f"{name} must be distinct, got {host_summary(array, 10)}.")
    return array


def distinct_labels(y: Any, *, ignore_index: Any = None) -> np.ndarray:
    """The sorted distinct labels, on the host, without a copy of all labels."""
    y = host_view(as_array(y))
    if is_numpy_array(y):
        found = _distinct_numpy(y.reshape(-1))
    else:
        found = to_numpy(array_namespace(y).unique_values(y))
        found = np.sort(found)
    _check_label_kind(found)
    if ignore_index is not None:
        found = found[found != ignore_index]
    if len(found) == 0:
        raise NoSamplesError(
            "there are no labels to learn the classes from"
            f"{'' if ignore_index is None else f' but ignore_index={ignore_index!r}'}."
        )
    return found


def _distinct_numpy(y: np.ndarray) -> np.ndarray:
    parts = [_unique(y[i : i + CHUNK]) for i in range(0, len(y), CHUNK)]
    return _unique(np.concatenate(parts)) if len(parts) > 1 else parts[0]


def _unique(y: np.ndarray) -> np.ndarray:
    """`numpy.unique`, by flags instead of sorting for small non-negative integers."""
    if y.dtype.kind in "iu" and len(y) and y.min() >= 0 and y.max() < 2**16:
        seen = np.zeros(int(y.max()) + 1, dtype=bool)
        seen[y] = True
        return np.flatnonzero(seen).astype(y.dtype)
    try:
        return np.unique(y)
    except TypeError as error:
        raise InputError(
            "labels mix types that cannot be sorted, for example strings and numbers "
            f"({error}): make them all of one type."
        ) from error


def _check_label_kind(found: np.ndarray) -> None:
    if found.dtype.kind == "f":
        if np.isnan(found).any():
            raise InputError("labels contain NaN: drop those samples first.")
        if (found != np.floor(found)).any():
            raise InputError(
                "Unknown label type: continuous. Labels must be classes, got numbers "
                f"such as {host_summary(found)}: this is a classification tool."
            )


def _check_range(y: Array, n_classes: int, ignore_index: Any) -> None:
    xp = array_namespace(y)
    low, high = int(xp.min(y)), int(xp.max(y))
    if low >= 0 and high < n_classes:
        return
    for label in distinct_labels(y):
        if label != ignore_index and not 0 <= label < n_classes:
            raise _unknown(label, np.arange(n_classes))


def _search(y: Array, classes: np.ndarray, ignore_index: Any) -> Array:
    """Column numbers by binary search, chunk by chunk."""
    order = np.argsort(classes, kind="stable")
    if is_numpy_array(y):
        return _search_numpy(y, classes, order, ignore_index)
    xp = array_namespace(y)
    place = {"device": device(y)}
    ordered = xp.asarray(classes[order], **place)
    index = xp.clip(xp.searchsorted(ordered, y), 0, len(classes) - 1)
    wrong = ordered[index] != y
    if ignore_index is not None:
        wrong = wrong & (y != ignore_index)
    if bool(xp.any(wrong)):
        raise _unknown(to_numpy(y[wrong])[0], classes)
    codes = xp.asarray(order.astype(np.int32), **place)[index]
    if ignore_index is None:
        return codes
    return xp.where(
        y == ignore_index, xp.asarray(-1, dtype=codes.dtype, **place), codes
    )


def _search_numpy(
    y: np.ndarray, classes: np.ndarray, order: np.ndarray, ignore_index: Any
) -> np.ndarray:
    ordered = classes[order]
    codes = np.empty(y.shape, dtype=np.min_scalar_type(-len(classes)))
    flat_y, flat_codes = y.reshape(-1), codes.reshape(-1)
    order = order.astype(codes.dtype)
    for start in range(0, len(flat_y), CHUNK):
        part = flat_y[start : start + CHUNK]
        index = np.minimum(_searchsorted(ordered, part), len(classes) - 1)
        wrong = ordered[index] != part
        found = order[index]
        if ignore_index is not None:
            void = part == ignore_index
            wrong, found[void] = wrong & ~void, -1
        if wrong.any():
            raise _unknown(part[wrong][0], classes)
        flat_codes[start : start + CHUNK] = found
    return codes


def _searchsorted(ordered: np.ndarray, part: np.ndarray) -> np.ndarray:
    try:
        return np.searchsorted(ordered, part)
    except TypeError as error:
        raise InputError(
            f"labels such as {host_summary(part, 2)} cannot be compared with the "
            f"classes {host_summary(ordered)} ({error})."
        ) from error


def _unknown(label: Any, classes: np.ndarray) -> InputError:
    label = label.item() if hasattr(label, "item") else label
    return InputError(
        f"y contains the label {label!r}, which is not in the classes "
        f"{host_summary(classes)}: correct the label, extend classes=, or pass it as "
        "ignore_index= if it marks void positions."
    )


def _is_arange(classes: np.ndarray) -> bool:
    return classes.dtype.kind in "iu" and bool(
        (classes == np.arange(len(classes))).all()
    )


def _is_bool(classes: np.ndarray) -> bool:
    return classes.dtype == bool and classes.tolist() == [False, True]
