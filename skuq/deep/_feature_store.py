"""Room for the features of many samples: memory, or a temporary file."""

from tempfile import TemporaryFile
from typing import Any

import numpy as np

from skuq.exceptions import InputError

BLOCK = 2**24  # numbers that are copied at a time


class FeatureStore:
    """Features that come batch by batch, in one array.

    The array is in memory, or if it would take more than `max_bytes` in a temporary
    file, which is gone with the array.
    """

    def __init__(self, n_samples, max_bytes):
        self.n_samples = n_samples
        self.max_bytes = max_bytes
        self.n_stored = 0
        self.values: Any = None

    def append(self, part):
        """Store the next samples."""
        if self.values is None:
            shape = (self.n_samples, *part.shape[1:])
            self.values = room(shape, part.dtype, self.max_bytes)
        end = self.n_stored + len(part)
        if end <= self.n_samples:
            self.values[self.n_stored : end] = part
        self.n_stored = end

    def filled(self):
        """The array, with all samples in it."""
        if self.n_stored != self.n_samples:
            raise InputError(
                f"the classifier answered for {self.n_stored} samples, but there are "
                f"{self.n_samples} labels: pass one sample for each label, and no "
                "loader that drops some."
            )
        return self.values


def room(shape, dtype, max_bytes):
    """An array to be filled."""
    n_bytes = np.dtype(dtype).itemsize * np.prod(shape, dtype=np.int64)
    if n_bytes <= max_bytes or not n_bytes:
        return np.empty(shape, dtype)
    with TemporaryFile() as file:  # the mapping outlives the name of the file
        return np.memmap(file, dtype, mode="w+", shape=shape)


def rows_at(values, rows):
    """Those rows of an array, in a file of their own if it is in a file."""
    if not isinstance(values, np.memmap):
        return values[rows]
    index = np.flatnonzero(rows)
    out = room((len(index), *values.shape[1:]), values.dtype, 0)
    step = max(1, BLOCK // max(1, values[0].size))
    for i in range(0, len(index), step):
        out[i : i + step] = values[index[i : i + step]]
    return out
