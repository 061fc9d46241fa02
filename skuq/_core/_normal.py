"""The standard normal distribution, on arrays of any library."""

from math import sqrt

import numpy as np
from scipy.special import ndtr

from skuq._core._arrays import (
    Array,
    array_namespace,
    is_numpy_array,
    to_library_of,
    to_numpy,
)


def normal_cdf(z: Array) -> Array:
    """Phi(z), precise in the lower tail too, in the library and dtype of `z`.

    A library without erfc has it computed on the host: pass blocks, not whole arrays.
    """
    if is_numpy_array(z):
        return ndtr(z)
    xp = array_namespace(z)
    erfc = getattr(xp, "erfc", None)
    if erfc is not None:
        return 0.5 * erfc(-z / sqrt(2))
    return to_library_of(np.asarray(ndtr(to_numpy(z))), z)
