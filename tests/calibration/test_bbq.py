"""BBQ: evidence and average against the definition, written out sample by sample."""

import math

import numpy as np
import pytest

from skuq.calibration import BBQCalibrator, HistogramBinningCalibrator
from skuq.datasets import make_logits
from skuq.metrics import expected_calibration_error


def expit(z):
    return 1 / (1 + np.exp(-z))


def definition(z, y, new):
    """Equation by equation, for distinct scores, with math.gamma."""
    order = np.argsort(z)
    z, y, n = z[order], y[order], len(z)
    least = max(1, math.floor(n ** (1 / 3) / 10))
    most = min(math.ceil(n / 5), math.ceil(10 * n ** (1 / 3)))
    total, average = 0.0, np.zeros(len(new))
    for n_bins in range(least, most + 1):
        stops = [math.ceil(k * n / n_bins) for k in range(n_bins + 1)]
        edges = [(z[s - 1] + z[s]) / 2 for s in stops[1:-1]]
        bounds = np.concatenate([[0], expit(np.array(edges)), [1]])
        evidence, values = 1.0, []
        for b in range(n_bins):
            part = y[stops[b] : stops[b + 1]]
            p = min(max((bounds[b] + bounds[b + 1]) / 2, 0.005), 0.995)
            m = int(part.sum())
            evidence *= math.gamma(2) / math.gamma(len(part) + 2)
            evidence *= math.gamma(m + 2 * p) / math.gamma(2 * p)
            evidence *= math.gamma(len(part) - m + 2 * (1 - p))
            evidence /= math.gamma(2 * (1 - p))
            values.append((m + 2 * p) / (len(part) + 2))
        total += evidence
        average += evidence * np.array(values)[np.searchsorted(edges, new)]
    return average / total


def test_the_average_is_that_of_the_definition(rng):
    z = rng.normal(size=60) * 2
    y = rng.random(60) < expit(z / 2)
    new = rng.normal(size=200) * 3
    calibrator = BBQCalibrator().fit(z, y)
    got = calibrator.predict_proba(new)[:, 1]
    np.testing.assert_allclose(got, definition(z, y, new), rtol=1e-6)


def test_four_samples_make_one_bin():
    calibrator = BBQCalibrator().fit([-2.0, -1.0, 1.0, 2.0], [0, 1, 1, 1])
    assert calibrator.maps_[0].values == pytest.approx([(3 + 1) / (4 + 2)])


def test_probabilities_are_never_0_or_1():
    z = np.linspace(-5, 5, 1000)
    step = BBQCalibrator().fit(z, z > 0).maps_[0]
    assert 0 < step.values.min() < 0.01
    assert 0.99 < step.values.max() < 1


def test_equal_scores_get_one_step_each_and_duplicates_count_once():
    z = np.repeat([-1.0, 1.0], 500)
    y = np.concatenate([np.arange(500) < 100, np.arange(500) < 400])
    step = BBQCalibrator().fit(z, y).maps_[0]
    assert step.edges.tolist() == [0.0]
    expected = [(100 + 2 * 0.25) / 502, (400 + 2 * 0.75) / 502]
    np.testing.assert_allclose(step.values, expected, rtol=1e-6)


def test_calibration_improves_and_beats_one_fine_binning():
    logits, y = make_logits(4000, n_classes=2, temperature=3.0, random_state=0)
    new, y_new = make_logits(20_000, n_classes=2, temperature=3.0, random_state=1)
    raw = expit(new[:, 1] - new[:, 0])
    fine = HistogramBinningCalibrator(n_bins=400, strategy="quantile")
    errors = [
        expected_calibration_error(y_new, c.fit(logits, y).predict_proba(new))
        for c in (BBQCalibrator(), fine)
    ]
    assert errors[0] < 0.03 < expected_calibration_error(y_new, raw)
    assert errors[0] < errors[1]
