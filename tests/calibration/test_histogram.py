"""Histogram binning: bins by hand, their edges, ties and empty bins."""

import numpy as np
import pytest

from skuq.calibration import HistogramBinningCalibrator
from skuq.datasets import make_logits
from skuq.exceptions import InputError


def test_shares_by_hand():
    p = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
    y = [0, 0, 0, 1, 0, 1, 1, 1]
    calibrator = HistogramBinningCalibrator(n_bins=2, smoothing=None).fit(p, y)
    got = calibrator.predict_proba([0.01, 0.49, 0.51, 0.99])[:, 1]
    np.testing.assert_allclose(got, [0.25, 0.25, 0.75, 0.75], rtol=1e-12)
    smooth = HistogramBinningCalibrator(n_bins=2).fit(p, y)
    np.testing.assert_allclose(smooth.maps_[0].values, [2.5 / 9, 6.5 / 9], rtol=1e-12)


@pytest.mark.parametrize("n_bins", [4, 5, 10, 15, 20])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_probability_on_an_edge_lies_in_the_bin_below(n_bins, dtype):
    p = (np.arange(1, n_bins) / n_bins).astype(dtype)
    calibrator = HistogramBinningCalibrator(n_bins=n_bins, smoothing=None)
    calibrator.fit(np.append(p, 1).astype(dtype), np.arange(n_bins) % 2)
    below, above = p - np.asarray(1e-5, dtype), p + np.asarray(1e-5, dtype)
    at = calibrator.predict_proba(p)[:, 1]
    assert np.array_equal(calibrator.predict_proba(below)[:, 1], at)
    assert (calibrator.predict_proba(above)[:, 1] != at).all()


def test_an_empty_bin_returns_its_midpoint():
    calibrator = HistogramBinningCalibrator(n_bins=5, smoothing=None)
    calibrator.fit([0.1, 0.1, 0.9, 0.9], [0, 1, 0, 1])
    got = calibrator.predict_proba([0.3, 0.5, 0.7])[:, 1]
    np.testing.assert_allclose(got, [0.3, 0.5, 0.7], atol=1e-6)


def test_bins_of_equal_weight_are_cut_between_scores():
    z, y = np.arange(-4.0, 4.0), np.array([0, 0, 0, 1, 0, 1, 1, 1])
    calibrator = HistogramBinningCalibrator(
        n_bins=4, strategy="quantile", smoothing=None
    ).fit(z, y)
    step = calibrator.maps_[0]
    assert step.edges.tolist() == [-2.5, -0.5, 1.5]
    assert step.values.tolist() == [0, 0.5, 0.5, 1]


def test_equal_scores_are_never_parted():
    z = np.repeat([-1.0, 0.5, 2.0], [7, 2, 1])
    y = np.arange(10) % 2
    calibrator = HistogramBinningCalibrator(
        n_bins=10, strategy="quantile", smoothing=None
    ).fit(z, y)
    shares = [y[z == value].mean() for value in (-1.0, 0.5, 2.0)]
    np.testing.assert_allclose(calibrator.maps_[0].values, shares, rtol=1e-12)


def test_bins_of_equal_width_hold_weighted_shares_of_each_class(rng):
    p, weight = rng.dirichlet(np.ones(3), size=3000), rng.random(3000)
    y = (p.cumsum(axis=1) < rng.random((3000, 1))).sum(axis=1)
    calibrator = HistogramBinningCalibrator(n_bins=4, smoothing=None)
    calibrator.fit(p, y, sample_weight=weight)
    for k, step in enumerate(calibrator.maps_):
        index = np.ceil(4 * p[:, k]).astype(int) - 1
        shares = np.bincount(index, weight * (y == k)) / np.bincount(index, weight)
        np.testing.assert_allclose(step.values, shares, rtol=1e-12)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_the_mean_prediction_is_the_share_that_came_true(strategy):
    logits, y = make_logits(3000, n_classes=2, temperature=2.0, random_state=0)
    calibrator = HistogramBinningCalibrator(strategy=strategy, smoothing=None)
    proba = calibrator.fit(logits, y).predict_proba(logits)[:, 1]
    assert proba.mean() == pytest.approx(y.mean(), rel=1e-9)
    assert len(np.unique(proba.round(12))) <= 15


def test_one_bin_returns_the_base_rate():
    z, y = np.arange(8.0), np.array([0, 0, 0, 0, 0, 1, 0, 1])
    for strategy in ("uniform", "quantile"):
        calibrator = HistogramBinningCalibrator(
            n_bins=1, strategy=strategy, smoothing=None
        ).fit(z, y)
        np.testing.assert_allclose(calibrator.predict_proba(z)[:, 1], 0.25, 1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_bins": 0}, "n_bins"),
        ({"strategy": "kmeans"}, "strategy"),
        ({"smoothing": True}, "smoothing"),
    ],
)
def test_unknown_options_get_a_clear_error(options, message):
    with pytest.raises(InputError, match=message):
        HistogramBinningCalibrator(**options).fit([-1.0, 2.0], [0, 1])
