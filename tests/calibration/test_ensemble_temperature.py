"""Shares of the ensemble: their optimum, and what they cannot change."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from skuq.calibration import EnsembleTemperatureScaler, TemperatureScaler
from skuq.datasets import make_logits
from skuq.metrics import log_loss


@pytest.fixture
def problem():
    z, y = make_logits(2000, 4, temperature=2.0, random_state=0)
    y[:100] = (y[:100] + 1) % 4  # some labels are wrong: sure errors
    return z, y


def test_the_shares_have_the_lowest_loss(problem):
    z, y = problem
    scaler = EnsembleTemperatureScaler().fit(z, y)
    parts = np.stack(
        [
            softmax(z / scaler.temperature_, axis=1),
            softmax(z, axis=1),
            np.full(z.shape, 0.25),
        ]
    )
    likelihood = parts[:, np.arange(len(y)), y]

    def loss(free):
        share = softmax(np.append(free, 0))
        return -np.log(share @ likelihood).mean()

    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8})
    found = log_loss(y, scaler.predict_proba(z))
    assert found == pytest.approx(best.fun, abs=2e-6)
    assert scaler.weights_.sum() == pytest.approx(1, abs=1e-12)
    assert scaler.weights_[2] > 0.02


def test_it_is_never_worse_than_temperature_scaling_on_its_data(problem):
    z, y = problem
    ensemble = EnsembleTemperatureScaler().fit(z, y)
    single = TemperatureScaler().fit(z, y)
    assert ensemble.temperature_ == pytest.approx(single.temperature_, rel=1e-5)
    assert log_loss(y, ensemble.predict_proba(z)) <= log_loss(
        y, single.predict_proba(z)
    )


def test_the_predicted_class_never_changes(problem):
    z, y = problem
    scaler = EnsembleTemperatureScaler().fit(z, y)
    assert (scaler.predict(z) == z.argmax(axis=1)).all()
