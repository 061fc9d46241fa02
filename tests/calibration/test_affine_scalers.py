"""Vector, matrix, structured and Dirichlet scaling beyond the common laws."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from skuq.calibration import (
    DirichletCalibrator,
    MatrixScaler,
    StructuredMatrixScaler,
    StructuredVectorScaler,
    TemperatureScaler,
    VectorScaler,
)
from skuq.datasets import make_logits
from skuq.exceptions import ConvergenceWarning, InputError
from skuq.metrics import log_loss

SCALERS = [
    DirichletCalibrator,
    MatrixScaler,
    StructuredMatrixScaler,
    StructuredVectorScaler,
    VectorScaler,
]
AS_PUBLISHED = {
    DirichletCalibrator: {"diagonal": 0.0, "off_diagonal": 0.0, "intercept": 0.0},
    MatrixScaler: {"diagonal": 0.0, "off_diagonal": 0.0, "intercept": 0.0},
    VectorScaler: {"penalty": 0.0},
}


def shifted(n, n_classes=3, random_state=0):
    """Logits that need another scale and shift for each class."""
    z, y = make_logits(n, n_classes, random_state=random_state)
    return z * np.linspace(1, 3, n_classes) + np.linspace(-2, 2, n_classes), y


@pytest.mark.parametrize("scaler", SCALERS)
def test_it_mends_what_a_temperature_cannot(scaler):
    z, y = shifted(20_000)
    before = TemperatureScaler().fit(z[:10_000], y[:10_000]).predict_proba(z[10_000:])
    after = scaler().fit(z[:10_000], y[:10_000]).predict_proba(z[10_000:])
    assert log_loss(y[10_000:], after) < log_loss(y[10_000:], before) - 0.05


@pytest.mark.parametrize("scaler", SCALERS)
def test_it_does_not_collapse_on_a_thousand_rows_of_a_hundred_classes(scaler):
    z, y = make_logits(6000, 100, temperature=2.0, random_state=0)
    kept = slice(1000, None)
    after = scaler().fit(z[:1000], y[:1000]).predict_proba(z[kept])
    honest = TemperatureScaler().fit(z[:1000], y[:1000]).predict_proba(z[kept])
    labels = np.arange(100)
    best = log_loss(y[kept], honest, labels=labels)
    assert log_loss(y[kept], after, labels=labels) < 1.03 * best


@pytest.mark.parametrize("scaler", AS_PUBLISHED)
def test_as_published_it_has_the_lowest_loss_of_its_form(scaler):
    z, y = shifted(400)
    options = AS_PUBLISHED[scaler]
    fitted = scaler(smoothing=None, **options).fit(z, y)
    x = log_softmax(z, axis=1) if scaler is DirichletCalibrator else z
    diagonal = scaler is VectorScaler

    def loss(theta):
        a = np.diag(theta[:3]) if diagonal else theta[:9].reshape(3, 3)
        log_p = log_softmax(x @ a.T + theta[-3:], axis=1)
        return -log_p[np.arange(len(y)), y].mean()

    best = minimize(loss, np.zeros(6 if diagonal else 12), method="BFGS")
    assert log_loss(y, fitted.predict_proba(z)) == pytest.approx(best.fun, abs=1e-7)


@pytest.mark.parametrize("scaler", SCALERS)
def test_adding_a_constant_to_a_row_changes_nothing(scaler, rng):
    z, y = shifted(300)
    moved = z + 5 * rng.normal(size=(300, 1))
    np.testing.assert_allclose(
        scaler().fit(moved, y).predict_proba(moved),
        scaler().fit(z, y).predict_proba(z),
        atol=1e-6,
    )


@pytest.mark.parametrize("scaler", [StructuredMatrixScaler, StructuredVectorScaler])
def test_few_samples_fall_back_to_temperature_scaling(scaler):
    z, y = make_logits(60, 20, temperature=2.0, random_state=0)
    fitted = scaler(classes=np.arange(20)).fit(z, y)
    assert np.abs(fitted.coef_ - np.eye(20)).max() < 0.15
    assert np.abs(fitted.intercept_).max() < 0.15


def test_zeros_of_a_forest_do_not_decide_the_fit(rng):
    # Votes of ten trees: many classes get none, and some of them are true.
    z, y = make_logits(3000, 6, random_state=0)
    votes = rng.multinomial(10, softmax(z / 2, axis=1)) / 10
    train, test = slice(0, 1000), slice(1000, None)
    losses = {}
    for smoothing in ("laplace", None):
        scaler = StructuredMatrixScaler(smoothing=smoothing, input="proba")
        proba = scaler.fit(votes[train], y[train]).predict_proba(votes[test])
        losses[smoothing] = log_loss(y[test], proba)
    assert losses["laplace"] < losses[None]


def test_the_diagonal_variant_has_nothing_off_the_diagonal():
    z, y = shifted(500)
    fitted = DirichletCalibrator(variant="diagonal").fit(z, y)
    assert (fitted.coef_[~np.eye(3, dtype=bool)] == 0).all()
    with pytest.raises(InputError, match="variant"):
        DirichletCalibrator(variant="half").fit(z, y)
    with pytest.raises(InputError, match="smoothing"):
        VectorScaler(smoothing="no").fit(z, y)


def test_a_search_that_is_cut_short_warns():
    z, y = shifted(500)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 "):
        fitted = MatrixScaler(max_iter=1).fit(z, y)
    assert not fitted.converged_
    assert MatrixScaler().fit(z, y).converged_


@pytest.mark.parametrize("scaler", SCALERS)
def test_separable_data_keep_a_finite_answer(scaler):
    z = np.eye(3)[np.arange(30) % 3] * 5.0
    with np.errstate(all="raise"):
        fitted = scaler(input="logit").fit(z, np.arange(30) % 3)
    assert np.isfinite(fitted.coef_).all()
    assert np.isfinite(fitted.predict_proba(z)).all()
