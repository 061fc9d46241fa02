"""Arrays of any library: the only file that names one.

numpy arrays, torch tensors (on any device) and array-API arrays pass through as
they are; lists, pandas objects and scalars become numpy arrays.  Libraries are
recognised by the type of the object and never imported to find out.
"""

from typing import Any, TypeAlias

import numpy as np
from array_api_compat import (
    array_namespace,
    device,
    is_array_api_obj,
    is_numpy_array,
    is_torch_array,
    to_device,
)

Array: TypeAlias = Any  # a numpy array, a torch tensor or any array-API array

__all__ = [
    "Array",
    "accumulator_dtype",
    "array_namespace",
    "as_array",
    "bincount",
    "clip",
    "contiguous",
    "device",
    "empty_like_shape",
    "host_view",
    "is_numpy_array",
    "is_torch_array",
    "pick",
    "to_library_of",
    "to_numpy",
    "to_real_floating",
]


def as_array(x: Any) -> Array:
    """`x` itself if it is an array of some library, else a numpy array of it.

    pandas objects lose their index: rows are matched by position, as everywhere in
    scikit-learn.  Tensors are detached from their graph.
    """
    if is_torch_array(x):
        return x.detach()
    if is_array_api_obj(x) and not hasattr(x, "iloc"):
        return x
    return np.asarray(x)


# The path of tensors on accelerators can be tested on the host by switching this off.
VIEW_HOST_TENSORS = True


def host_view(x: Array) -> Array:
    """A tensor on the host as the numpy array of the same memory; others as they are.

    Many small operations are up to 50 times faster in numpy: torch starts its threads
    for each one, and waits for all of them.
    """
    if VIEW_HOST_TENSORS and is_torch_array(x) and x.device.type == "cpu":
        return np.asarray(x.resolve_conj().resolve_neg().numpy())
    return x


def to_numpy(x: Any) -> np.ndarray:
    """A host copy (or view, where there is one) of `x` as a numpy array."""
    x = as_array(x)
    if is_numpy_array(x):
        return x
    if is_torch_array(x):
        return np.asarray(x.cpu().numpy())
    return np.asarray(x)


def to_library_of(x: Any, like: Array) -> Array:
    """`x` in the library and on the device of `like`, sharing memory if it can."""
    x = as_array(x)
    xp = array_namespace(like)
    if type(x) is type(like):
        return to_device(x, device(like)) if is_torch_array(x) else x
    x = to_numpy(x)
    if is_torch_array(like) and not x.flags.writeable:
        x = x.copy()  # torch warns about read-only memory
    return xp.asarray(x, device=device(like))


def to_real_floating(x: Array, name: str = "scores") -> Array:
    """`x` in float32 or float64: float16 and bfloat16 rise to float32, ints to 64."""
    xp = array_namespace(x)
    if is_numpy_array(x) and x.dtype.kind in "OUS":
        x = _object_to_float(x, name)
    if x.dtype in (xp.float32, xp.float64):
        return x
    if xp.isdtype(x.dtype, ("integral", "bool")):
        return xp.astype(x, xp.float64)
    if xp.isdtype(x.dtype, "complex floating"):
        msg = f"{name} must be real numbers, got dtype {x.dtype}. Complex data not "
        raise ValueError(msg + "supported: pass their real part or modulus.")
    return xp.astype(x, xp.float64 if str(x.dtype) == "longdouble" else xp.float32)


def _object_to_float(x: np.ndarray, name: str) -> np.ndarray:
    try:
        return x.astype(np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{name} must be numbers, got dtype {x.dtype}: {error}."
        raise ValueError(msg) from error


def clip(x: Array, low: float, high: float) -> Array:
    """`x` limited to [low, high]; array-api-compat's own costs 30 us more per call."""
    if is_numpy_array(x) or is_torch_array(x):
        return x.clip(low, high)
    return array_namespace(x).clip(x, low, high)


def accumulator_dtype(x: Array) -> Any:
    """float64, or float32 on a device that has no float64 (Apple's mps)."""
    xp = array_namespace(x)
    if is_torch_array(x) and x.device.type == "mps":
        return xp.float32
    return xp.float64


def contiguous(x: Array) -> Array:
    """`x` with neighbours along the last axis next to each other in memory."""
    if is_numpy_array(x):
        return np.ascontiguousarray(x)
    if is_torch_array(x):
        return x.contiguous()
    return array_namespace(x).asarray(x, copy=True)


def empty_like_shape(like: Array, shape: tuple[int, ...]) -> Array:
    """An uninitialised array of `shape` with the dtype and device of `like`."""
    xp = array_namespace(like)
    return xp.empty(shape, dtype=like.dtype, device=device(like))


def pick(block: Array, index: Array) -> Array:
    """``block[index[j], j]`` for every column j of a `(n_rows, n_columns)` block."""
    if is_numpy_array(block) and block.flags.c_contiguous:  # twice as fast
        place = index.astype(np.intp) * block.shape[1]
        place += np.arange(block.shape[1])
        return block.reshape(-1).take(place)
    xp = array_namespace(block)
    columns = xp.arange(block.shape[1], device=device(block))
    return block[xp.astype(index, xp.int64), columns]


def weighted_sum(values: Array, weight: Array | None) -> tuple[float, float]:
    """The sum of values times their weights, and that of the weights.

    Of bools, the number that are True, or their weight.
    """
    xp = array_namespace(values)
    if values.dtype == xp.bool:
        if weight is None:
            return float(xp.count_nonzero(values)), float(values.shape[0])
        values = xp.astype(values, weight.dtype)
    if weight is None:
        return float(xp.sum(values)), float(values.shape[0])
    return float(xp.sum(values * weight)), float(xp.sum(weight))


def bincount(index: Array, weights: Array | None, length: int) -> np.ndarray:
    """Sum of `weights` (counts if None) per value of `index` in 0..length-1.

    float64 on the host: the sums are a few numbers, so they leave the device here.
    """
    if is_numpy_array(index):
        return np.bincount(index, weights, length).astype(np.float64, copy=False)
    xp = array_namespace(index)
    if weights is None:
        weights = xp.ones(index.shape, dtype=xp.float32, device=device(index))
    weights = xp.astype(weights, accumulator_dtype(weights))
    if is_torch_array(index):
        return to_numpy(index.bincount(weights, length)).astype(np.float64)
    bins = xp.arange(length, device=device(index))
    hits = xp.astype(index[None, :] == bins[:, None], weights.dtype)
    return to_numpy(xp.matmul(hits, weights))
