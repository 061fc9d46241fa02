"""Temperature scaling: exact identities, a brute-force answer, and hard cases."""

import tracemalloc
import warnings

import numpy as np
import pytest
import sklearn
from scipy.optimize import minimize_scalar

from skuq.calibration import TemperatureScaler
from skuq.datasets import make_logits
from skuq.exceptions import (
    ConstantScoresWarning,
    ConvergenceWarning,
    InputError,
    SeparableDataWarning,
    WorseThanChanceWarning,
    ZeroProbabilityWarning,
)
from skuq.metrics import log_loss


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def loss_at(z, y, temperature, weight=None):
    """The weighted log loss in plain numpy."""
    chosen = -log_softmax(z / temperature)[np.arange(len(y)), y]
    return np.average(chosen, weights=weight)


def brute_force(z, y, weight=None):
    """The temperature by a general one-dimensional minimiser."""
    found = minimize_scalar(
        lambda u: loss_at(z, y, np.exp(u), weight),
        bounds=(-7, 7),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return np.exp(found.x)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("n_classes", [2, 3, 50])
def test_agrees_with_a_general_minimiser(temperature, n_classes):
    z, y = make_logits(2000, n_classes, temperature=temperature, random_state=1)
    scaler = TemperatureScaler().fit(z, y)
    expected = brute_force(z, y)
    # The minimiser sees the loss, whose rounding hides changes of T below 1e-8.
    assert scaler.temperature_ == pytest.approx(expected, rel=1e-6)
    assert loss_at(z, y, scaler.temperature_) <= loss_at(z, y, expected) + 1e-15
    assert scaler.converged_


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_fitted_mean_score_is_that_of_the_true_class(dtype):
    """Guo et al. 2017, claim 1: the moment equation of the entropy maximum."""
    z, y = make_logits(5000, 10, random_state=2)
    z = z.astype(dtype)
    proba = TemperatureScaler().fit(z, y).predict_proba(z).astype(float)
    true_score = z[np.arange(len(y)), y].mean(dtype=float)
    expected_score = (proba * z).sum(axis=1).mean()
    tolerance = 1e-10 if dtype == np.float64 else 1e-5
    assert true_score == pytest.approx(expected_score, abs=tolerance)


def test_the_true_temperature_is_found_within_its_standard_error():
    errors = []
    for seed in range(30):
        z, y = make_logits(4000, 5, temperature=2.0, random_state=seed)
        errors.append(np.log(TemperatureScaler().fit(z, y).temperature_ / 2.0))
    errors = np.array(errors)
    standard_error = errors.std(ddof=1) / np.sqrt(len(errors))
    assert abs(errors.mean()) < 5 * standard_error
    assert errors.std(ddof=1) < 0.05


@pytest.mark.parametrize("factor", [1e-4, 1e-2, 1e4])
def test_scaled_logits_scale_the_temperature(factor):
    z, y = make_logits(2000, 5, random_state=3)
    base = TemperatureScaler().fit(z, y).temperature_
    scaled = TemperatureScaler(input="logit").fit(factor * z, y).temperature_
    assert scaled == pytest.approx(factor * base, rel=1e-9)


def test_weights_agree_with_a_general_minimiser(rng):
    z, y = make_logits(1000, 4, random_state=4)
    weight = rng.exponential(size=1000)
    scaler = TemperatureScaler().fit(z, y, sample_weight=weight)
    assert scaler.temperature_ == pytest.approx(brute_force(z, y, weight), rel=1e-6)


def test_weights_may_be_given_per_pixel(rng):
    z, y = make_logits(5, 3, spatial=(6, 7), random_state=4)
    weight = rng.exponential(size=y.shape)
    table, flat = np.moveaxis(z, 1, -1).reshape(-1, 3), y.ravel()
    maps = TemperatureScaler().fit(z, y, sample_weight=weight)
    expected = brute_force(table, flat, weight.ravel())
    assert maps.temperature_ == pytest.approx(expected, rel=1e-6)


def test_accuracy_and_ranking_within_rows_are_unchanged():
    z, y = make_logits(3000, 6, random_state=5)
    z = z.astype(np.float32)
    scaler = TemperatureScaler().fit(z, y)
    assert np.array_equal(scaler.predict(z), z.argmax(axis=1))
    order = np.argsort(z, axis=1, kind="stable")
    calibrated = np.take_along_axis(scaler.predict_log_proba(z), order, axis=1)
    assert (np.diff(calibrated, axis=1) >= 0).all()


def test_neighbouring_scores_are_not_rounded_into_a_tie():
    first = np.nextafter(np.float32(1), np.float32(2))
    z = np.array([[1.0, first], [0.0, 3.0], [4.0, 1.0], [0.0, 1.0]], dtype=np.float32)
    scaler = TemperatureScaler().fit(z, [0, 1, 0, 1])
    assert scaler.predict(z[:1]).tolist() == [1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("spread", [1.0, 1e4])
def test_separable_data_stops_at_the_lower_bound(dtype, spread, rng):
    y = rng.integers(0, 3, 200)
    z = (spread * (np.eye(3)[y] + 0.1 * rng.random((200, 3)))).astype(dtype)
    with pytest.warns(SeparableDataWarning, match="bound"):
        scaler = TemperatureScaler(input="logit").fit(z, y)
    assert not scaler.converged_
    scale = np.sqrt(z.astype(float).var(axis=1).mean())
    assert scaler.temperature_ == pytest.approx(1e-4 * min(1, scale), rel=1e-5)
    proba = scaler.predict_proba(z)
    assert np.isfinite(proba).all()
    assert (proba[np.arange(200), y] > 0.999).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_worse_than_chance_data_stops_at_the_upper_bound(dtype, rng):
    y = rng.integers(0, 3, 200)
    z = (-5 * np.eye(3)[y] + rng.random((200, 3))).astype(dtype)
    with pytest.warns(WorseThanChanceWarning, match="order of the columns"):
        scaler = TemperatureScaler().fit(z, y)
    assert not scaler.converged_
    np.testing.assert_allclose(scaler.predict_proba(z), 1 / 3, atol=1e-3)


def test_constant_scores_keep_a_temperature_of_one():
    z = np.full((20, 4), 3.0)
    with pytest.warns(ConstantScoresWarning):
        scaler = TemperatureScaler().fit(z, np.arange(20) % 4)
    assert scaler.temperature_ == 1
    np.testing.assert_allclose(scaler.predict_proba(z), 0.25)


def test_one_row():
    with pytest.warns(SeparableDataWarning):
        TemperatureScaler().fit([[3.0, 1.0, -1.0]], [0])
    with pytest.warns(WorseThanChanceWarning):
        TemperatureScaler().fit([[3.0, 1.0, -1.0]], [2])


def test_too_few_iterations_are_told():
    z, y = make_logits(500, 4, temperature=30, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        scaler = TemperatureScaler(max_iter=2).fit(z, y)
    assert not scaler.converged_
    assert scaler.n_iter_ == 2


def test_certain_but_wrong_probabilities_stay_finite():
    p = np.array([[1.0, 0.0]] * 50 + [[0.0, 1.0]] * 50)
    y = np.repeat([0, 1], 50)
    y[0] = 1  # stated with certainty, and wrong
    for dtype in (np.float64, np.float32):
        with pytest.warns(ZeroProbabilityWarning, match="1 of the calibration"):
            scaler = TemperatureScaler().fit(p.astype(dtype), y)
        assert scaler.converged_
        assert scaler.temperature_ == pytest.approx(126 * np.log(2) / np.log(99))
        proba = scaler.predict_proba(p.astype(dtype))
        assert proba[0, 1] == pytest.approx(0.01, rel=1e-3)  # the share of errors


def test_certain_probabilities_of_one_column_stay_finite():
    p = np.repeat([1.0, 0.0], 50)
    y = np.repeat([1, 0], 50)
    y[[0, 99]] = [0, 1]
    with pytest.warns(ZeroProbabilityWarning, match="2 of the calibration"):
        scaler = TemperatureScaler().fit(p, y)
    proba = scaler.predict_proba(p)
    np.testing.assert_allclose(proba[:50, 1], 0.98, rtol=1e-6)


def test_huge_logits_are_no_trouble():
    z, y = make_logits(1000, 4, random_state=6)
    z += 1e4
    scaler = TemperatureScaler().fit(z, y)
    assert np.isfinite(scaler.predict_log_proba(z)).all()
    large = TemperatureScaler().fit(1e4 * z.astype(np.float32), y)
    assert np.isfinite(large.predict_log_proba(1e4 * z.astype(np.float32))).all()


def test_a_few_huge_logits_do_not_move_the_bounds():
    z, y = make_logits(2000, 3, random_state=7)
    base = TemperatureScaler().fit(z, y).temperature_
    z[0, y[0]] = 1e30  # right, and of no consequence
    assert TemperatureScaler().fit(z, y).temperature_ == pytest.approx(base, rel=1e-2)


def test_a_presample_does_not_change_the_result():
    z, y = make_logits(30_000, 4, random_state=8)
    cold = TemperatureScaler(presample=None).fit(z, y)
    for presample in ("auto", 10, 500):
        warm = TemperatureScaler(presample=presample).fit(z, y)
        assert warm.temperature_ == pytest.approx(cold.temperature_, rel=1e-10)
    assert TemperatureScaler().fit(z, y).n_iter_ < cold.n_iter_
    with pytest.raises(InputError, match="presample"):
        TemperatureScaler(presample=-1).fit(z, y)


def test_a_misleading_presample_is_survived():
    z, y = make_logits(20_000, 3, random_state=9)
    stride = 20_000 // 4096
    z[::stride] *= 1000  # what the rough fit sees is of another scale
    cold = TemperatureScaler(presample=None).fit(z, y)
    warm = TemperatureScaler().fit(z, y)
    assert warm.converged_
    assert warm.temperature_ == pytest.approx(cold.temperature_, rel=1e-8)


@pytest.mark.parametrize("kind", ["logit", "proba"])
def test_extra_memory_stays_below_a_tenth_of_the_input(kind):
    z, y = make_logits(400_000, 10, random_state=0)
    z = z.astype(np.float32)
    if kind == "proba":
        z = np.exp(log_softmax(z))
    labels = np.array([f"class {k}" for k in range(10)])[y]
    scaler = TemperatureScaler(input=kind)
    for target in (y, labels):
        tracemalloc.start()
        scaler.fit(z, target)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 0.1 * (z.nbytes + target.nbytes)


def test_blocks_of_any_size_give_the_same_answer(monkeypatch):
    z, y = make_logits(9, 3, spatial=(11, 13), random_state=10)
    expected = TemperatureScaler().fit(z, y)
    for size in (7, 100, 1000, 10_000):
        monkeypatch.setattr("skuq._core._blocks.HOST_BLOCK", size)
        scaler = TemperatureScaler().fit(z, y)
        assert scaler.temperature_ == pytest.approx(expected.temperature_, rel=1e-10)
        np.testing.assert_allclose(
            scaler.predict_log_proba(z),
            log_softmax(z / scaler.temperature_),
            rtol=1e-10,
        )


def test_log_probabilities_are_exact_where_probabilities_underflow():
    z, y = make_logits(200, 3, temperature=1.0, random_state=0)
    scaler = TemperatureScaler().fit(z, y)
    far = np.array([[0.0, 4000.0, 0.0]])
    assert scaler.predict_proba(far)[0, 0] == 0
    expected = -4000 / scaler.temperature_
    assert scaler.predict_log_proba(far)[0, 0] == pytest.approx(expected, rel=1e-12)


def test_no_warning_for_ordinary_data():
    z, y = make_logits(500, 5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaler = TemperatureScaler().fit(z, y)
    assert log_loss(y, scaler.predict_proba(z)) < log_loss(y, np.exp(log_softmax(z)))


def test_scikit_learn_finds_the_same_temperature():
    """A cross-check on labels 0..K-1, the only ones on which it is right in 1.9."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    z, y = make_logits(2000, 4, random_state=11)
    model = LogisticRegression(max_iter=500).fit(z, y)
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8):
        pytest.skip("scikit-learn before 1.8 has no temperature scaling")
    theirs = CalibratedClassifierCV(FrozenEstimator(model), method="temperature")
    expected = theirs.fit(z, y).predict_proba(z)
    scores = model.decision_function(z)
    ours = TemperatureScaler().fit(scores, y).predict_proba(scores)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
