"""The one convex fit: slopes, optimum, frame, and what is not free."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from skuq._core import _affine, _affine_frame, _affine_loss, _threads
from skuq._core._affine import fit_affine
from skuq._core._affine_frame import Frame
from skuq._core._affine_loss import Affine, feature_batches, loss_and_gradient
from skuq._core._blocks import ScoreTable
from skuq.datasets import make_logits
from skuq.exceptions import NoSamplesError


def batches_of(z, y, weight=None):
    return feature_batches(ScoreTable(z, y, weight), "logit", lambda x: x)


@pytest.fixture
def problem(rng):
    z, y = make_logits(300, 4, random_state=0)
    return z, y, rng.random(300)


def penalties(kind):
    n = 4
    if kind == "diagonal":
        weight = np.where(np.eye(n, dtype=bool), 0.01, np.inf)
    else:
        weight = np.where(np.eye(n, dtype=bool), 0.01, 0.05)
    bias = np.full(n, np.inf if kind == "no bias" else 0.02)
    return Affine(weight, bias)


@pytest.fixture(params=["all exact", "diagonal exact", "apart"])
def frames(request, monkeypatch):
    """The three ways to choose coordinates, on a map that would have the first."""
    most = {"all exact": 20, "diagonal exact": 8, "apart": 0}[request.param]
    monkeypatch.setattr(_affine_frame, "MOST_EXACT", most)


KINDS = pytest.mark.parametrize("kind", ["full", "diagonal", "no bias"])


@KINDS
def test_the_slope_is_that_of_the_loss(problem, kind, frames, rng):
    batches = batches_of(*problem)
    start = Affine(0.7 * np.eye(4), np.zeros(4))
    frame = Frame.of(batches, start, start, penalties(kind))
    point = rng.normal(size=frame.size)
    slope = frame.loss(point, batches)[1]
    for i, step in enumerate(1e-6 * np.eye(frame.size)):
        rise = (
            frame.loss(point + step, batches)[0] - frame.loss(point - step, batches)[0]
        )
        assert slope[i] == pytest.approx(rise / 2e-6, abs=1e-7)


@KINDS
def test_what_is_not_free_stays_at_the_origin(problem, kind, frames, rng):
    batches = batches_of(*problem)
    start, origin = Affine(np.eye(4), np.zeros(4)), Affine(0.7 * np.eye(4), np.ones(4))
    frame = Frame.of(batches, origin, start, penalties(kind))
    affine = frame.affine(rng.normal(size=frame.size))
    for value, at, penalty in zip(affine, origin, penalties(kind), strict=True):
        assert (value != at)[np.isfinite(penalty)].all()
        assert (value == at)[np.isinf(penalty)].all()


@KINDS
def test_the_loss_is_round_where_all_curvatures_are_exact(problem, kind):
    batches = batches_of(*problem)
    start = Affine(0.7 * np.eye(4), np.arange(4.0))
    frame = Frame.of(batches, start, start, penalties(kind))
    steps = 1e-5 * np.eye(frame.size)
    curvature = [
        (frame.loss(step, batches)[1] - frame.loss(-step, batches)[1]) / 2e-5
        for step in steps
    ]
    np.testing.assert_allclose(curvature, np.eye(frame.size), atol=0.01)


def test_the_loss_is_the_mean_log_loss(problem, xp):
    z, y, weight = problem
    affine = Affine(np.eye(4) + 0.1, np.arange(4.0))
    log_p = log_softmax(z @ affine.weight.T + affine.bias, axis=1)
    expected = -np.average(log_p[np.arange(300), y], weights=weight)
    batches = batches_of(*(xp.asarray(part) for part in problem))
    assert loss_and_gradient(batches, affine)[0] == pytest.approx(expected, rel=1e-12)


def test_a_full_map_is_multinomial_regression(problem):
    z, y, _ = problem
    none = Affine(np.zeros((4, 4)), np.full(4, 1e-12))
    start = Affine(np.eye(4), np.zeros(4))
    fit = fit_affine(batches_of(z, y), start, none, tol=1e-9)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(z, y)
    assert fit.converged
    np.testing.assert_allclose(
        log_softmax(z @ fit.map.weight.T + fit.map.bias, axis=1),
        model.predict_log_proba(z),
        atol=1e-4,
    )


def test_a_strong_penalty_keeps_the_start(problem):
    start = Affine(0.7 * np.eye(4), np.zeros(4))
    strong = Affine(np.full((4, 4), 1e9), np.full(4, 1e9))
    fit = fit_affine(batches_of(*problem), start, strong)
    np.testing.assert_allclose(fit.map.weight, start.weight, atol=1e-8)
    np.testing.assert_allclose(fit.map.bias, start.bias, atol=1e-8)


def test_a_start_from_some_samples_gives_the_same_answer(monkeypatch):
    z, y = make_logits(4000, 3, random_state=0)
    start = Affine(np.eye(3), np.zeros(3))
    penalty = Affine(np.full((3, 3), 1e-3), np.full(3, 1e-3))
    whole = fit_affine(batches_of(z, y), start, penalty, tol=1e-9)
    monkeypatch.setattr(_affine, "ENOUGH", 500)
    started = fit_affine(batches_of(z, y), start, penalty, tol=1e-9)
    np.testing.assert_allclose(started.map.weight, whole.map.weight, atol=1e-6)
    assert started.n_iter <= whole.n_iter


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_steps_do_not_depend_on_the_scale_of_the_features(scale):
    z, y = make_logits(1000, 5, random_state=0)
    z = z * np.array([1.0, 3.0, 0.1, 1.0, 10.0])
    start = Affine(np.zeros((5, 5)), np.zeros(5))
    none = Affine(np.zeros((5, 5)), np.full(5, 1e-6))
    fit = fit_affine(batches_of(scale * z, y), start, none, tol=1e-6)
    assert fit.converged
    assert fit.n_iter < 40


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_all_coordinates_lead_to_the_same_answer(problem, kind, frames):
    batches = batches_of(*problem)
    start = Affine(0.7 * np.eye(4), np.zeros(4))
    fit = fit_affine(batches, start, penalties(kind), tol=1e-9)
    best = loss_with_penalty(batches, fit.map, start, penalties(kind))
    assert fit.converged
    for i in range(4):  # no free entry would be better elsewhere
        for change in (-1e-3, 1e-3):
            moved = Affine(fit.map.weight.copy(), fit.map.bias.copy())
            moved.weight[i, i] += change
            assert loss_with_penalty(batches, moved, start, penalties(kind)) > best
            moved.weight[i, i] -= change
            moved.bias[i] += change
            assert loss_with_penalty(batches, moved, start, penalties(kind)) > best


def loss_with_penalty(batches, affine, start, penalty):
    pull = sum(
        np.sum(np.where(np.isfinite(p), p, 0) * (value - origin) ** 2)
        for value, origin, p in zip(affine, start, penalty, strict=True)
    )
    return loss_and_gradient(batches, affine)[0] + pull


def test_threads_change_no_bit(problem, monkeypatch):
    z, y, weight = (np.concatenate([part] * 4) for part in problem)
    monkeypatch.setattr(_affine_loss, "SCORES_PER_BATCH", 400)
    start, penalty = Affine(np.eye(4), np.zeros(4)), penalties("full")
    fits = []
    for workers in (1, 3):
        monkeypatch.setattr(_threads, "worker_count", lambda n=workers: n)
        fits.append(fit_affine(batches_of(z, y, weight), start, penalty))
    assert fits[0].n_iter == fits[1].n_iter
    for one, three in zip(fits[0].map, fits[1].map, strict=True):
        np.testing.assert_array_equal(one, three)


def test_a_sample_may_lack_a_class_and_all_weight(monkeypatch):
    z, y = make_logits(4000, 3, random_state=0)
    sampled = np.arange(4000) % 8 == 0
    y[sampled & (y == 2)] = 0
    weight = np.where(sampled, 0.0, 1.0)
    start, none = (
        Affine(np.eye(3), np.zeros(3)),
        Affine(np.full((3, 3), 1e-6), np.ones(3)),
    )
    whole = fit_affine(batches_of(z, y, weight), start, none, tol=1e-8)
    monkeypatch.setattr(_affine, "ENOUGH", 500)
    started = fit_affine(batches_of(z, y, weight), start, none, tol=1e-8)
    assert started.converged
    for one, other in zip(started.map, whole.map, strict=True):  # but for what all add
        np.testing.assert_allclose(one - one.mean(0), other - other.mean(0), atol=1e-7)


def test_data_without_weight_are_refused(problem):
    z, y, _ = problem
    batches = batches_of(z, y, np.zeros(300))
    with pytest.raises(NoSamplesError, match="weight"):
        loss_and_gradient(batches, Affine(np.eye(4), np.zeros(4)))
