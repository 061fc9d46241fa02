"""Metrics that look at the user's arrays where they lie, and states that must not."""

import numpy as np
import pytest

from skuq.metrics import (
    Streaming,
    calibration_slope_intercept,
    expected_calibration_error,
    kernel_calibration_error,
    score_decomposition,
    sparsification_error,
)

CASES = pytest.mark.parametrize(
    ("metric", "options"),
    [
        (expected_calibration_error, {"kind": "positive", "n_bins": "sweep"}),
        (expected_calibration_error, {"kind": "positive", "strategy": "quantile"}),
        (calibration_slope_intercept, {}),
        (score_decomposition, {"kind": "positive"}),
        (kernel_calibration_error, {"estimator": "linear"}),
        (sparsification_error, {}),
    ],
)


def data_of(metric, rng):
    p = rng.random(300)
    y = (rng.random(300) < p).astype(int)
    if metric is sparsification_error:
        return rng.normal(size=300), rng.normal(size=300), p
    return y, p


@CASES
def test_data_are_neither_changed_nor_written_to(metric, options, rng):
    data = data_of(metric, rng)
    copies = [x.copy() for x in data]
    for x in data:
        x.flags.writeable = False
    metric(*data, **options)
    for x, copy in zip(data, copies, strict=True):
        np.testing.assert_array_equal(x, copy)


@CASES
def test_a_stream_does_not_follow_later_changes_of_the_data(metric, options, rng):
    data = data_of(metric, rng)
    stream = Streaming(metric, **options).update(*data)
    before = stream.compute()
    data[-1][:] = 0.5  # a buffer that is filled again
    assert stream.compute() == before
