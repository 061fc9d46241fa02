"""The top label of long and short rows, and what must not pass for one."""

import numpy as np
import pytest

from skuq._core._ranking import top_of_rows
from skuq.exceptions import InputError

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
CLASSES = pytest.mark.parametrize("n_classes", [3, 100])


def rows_of(rng, n_classes, dtype):
    return rng.dirichlet(np.full(n_classes, 0.1), size=500).astype(dtype)


@DTYPES
@CLASSES
def test_it_is_the_largest_and_whether_it_is_the_true_class(rng, n_classes, dtype):
    rows = rows_of(rng, n_classes, dtype)
    rows[:20] = 0
    rows[:20, :2] = 0.5  # tied: the first counts
    rows[20:30] = -0.0
    rows[20:30, -1] = 1
    y = rng.integers(0, n_classes, 500)
    y[:20] = np.arange(20) % 2
    top, right = top_of_rows(rows, y)
    np.testing.assert_array_equal(top, rows.max(axis=1))
    np.testing.assert_array_equal(right, rows.argmax(axis=1) == y)


@DTYPES
@CLASSES
@pytest.mark.parametrize("bad", [np.nan, np.inf, 2.0])
@pytest.mark.parametrize("sign", [1, -1])  # NaN has one, too
def test_a_row_with_a_number_that_is_no_probability_is_refused(
    rng, n_classes, dtype, bad, sign
):
    rows = rows_of(rng, n_classes, dtype)
    rows[300, 1] = np.copysign(bad, sign)
    with pytest.raises(InputError):
        top_of_rows(rows, np.zeros(500, dtype=int))


@DTYPES
@CLASSES
def test_a_row_of_negative_numbers_is_refused(rng, n_classes, dtype):
    rows = rows_of(rng, n_classes, dtype)
    rows[7] *= -1
    with pytest.raises(InputError):
        top_of_rows(rows, np.zeros(500, dtype=int))
