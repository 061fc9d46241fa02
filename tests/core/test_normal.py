"""The normal distribution in every array library."""

import numpy as np
import pytest
from scipy.stats import norm

from skuq._core._normal import normal_cdf


def test_the_normal_cdf_is_precise_in_both_tails(xp):
    z = np.linspace(-37, 9, 200)
    p = normal_cdf(xp.asarray(z))
    assert type(p) is type(xp.asarray(z))
    assert xp.to_numpy(p) == pytest.approx(norm.cdf(z), rel=1e-12, abs=0)


def test_the_normal_cdf_keeps_the_dtype(xp):
    z = xp.asarray([-1.0, 0.0], dtype="float32")
    assert normal_cdf(z).dtype == z.dtype
