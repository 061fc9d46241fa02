"""Standardised inputs: the scale of a column, and of one that never changes."""

import numpy as np
import pytest

from skuq.deep._scaling import standard


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_column_has_the_scale_one_in_spite_of_rounding(dtype):
    table = np.full((1000, 2), 0.1, dtype=dtype)
    table[:, 1] = np.arange(1000)
    assert table.std(axis=0)[0] > 0  # what rounding makes of it
    center, scale = standard(table)
    np.testing.assert_allclose(center, [0.1, 499.5], rtol=1e-6)
    np.testing.assert_allclose(scale, [1, np.arange(1000).std()], rtol=1e-6)
