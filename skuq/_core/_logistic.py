"""Logistic fits with few coefficients, by Newton steps on all samples.

Notation: x features `(F, n)`, t targets in [0, 1], w weights, q = 1 / (1 + exp(-(a x +
b))), theta = (a, b).  The loss ``-sum w (t log q + (1 - t) log(1 - q)) / sum w`` plus
``(theta - theta_0)' P (theta - theta_0)`` is convex.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

STEPS = 100
ROUGH_STEPS = 10  # few, as a part of the samples may be separable
CHUNK = 2**13  # samples at a time: BLAS starts no threads for so few
ENOUGH = 2**15  # samples of a rough fit that starts that of many more
RIDGE = 1e-10  # of the scaled curvature, for features that repeat each other
TINY = 1e-100  # curvature of a feature that is zero, or of a saturated fit


class Penalty(NamedTuple):
    """theta_0 `(F + 1,)` and P `(F + 1, F + 1)`."""

    origin: np.ndarray
    strength: np.ndarray


class Data(NamedTuple):
    """Features `(F, n)`, targets `(n,)` and weights `(n,)` or None."""

    features: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None


def fit_logistic(
    features: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    penalty: np.ndarray | None = None,
    start: np.ndarray | None = None,
    guess: np.ndarray | None = None,
    nonnegative: bool = False,
    tol: float = 1e-10,
) -> np.ndarray:
    """Coefficients `(F + 1,)`, the intercept last, that minimise the penalised loss.

    Parameters
    ----------
    features : ndarray of shape (F, n)
        x, float32 or float64.
    target : ndarray of shape (n,)
        t; bool for plain outcomes.
    weight : ndarray of shape (n,), optional
        w.
    penalty : ndarray of shape (F + 1,) or (F + 1, F + 1), optional
        P, or its diagonal; none by default.
    start : ndarray of shape (F + 1,), optional
        theta_0, about which the penalty is; by default 1 for the first feature and 0
        elsewhere.
    guess : ndarray of shape (F + 1,), optional
        Where the search begins; it does not change the result.
    nonnegative : bool
        Whether all coefficients but the intercept must be at least 0.
    tol : float
        Relative error of the loss, about.

    Returns
    -------
    coef : ndarray of shape (F + 1,)
        theta, float64.
    """
    n_coef = len(features) + 1
    origin = np.eye(1, n_coef)[0] if start is None else np.asarray(start, float)
    strength = np.zeros(n_coef) if penalty is None else np.asarray(penalty, float)
    prior = Penalty(origin, np.diag(strength) if strength.ndim == 1 else strength)
    # At zero no sample is saturated, so that the first step is a safe one.
    coef = np.zeros(n_coef) if guess is None else guess
    if features.shape[1] >= 4 * ENOUGH:
        some = slice(None, None, features.shape[1] // ENOUGH)
        part = None if weight is None else weight[some]
        data = Data(features[:, some], target[some], part)
        if part is None or part.sum() > 0:
            coef = _newton(data, coef, prior, nonnegative, 1e-4, ROUGH_STEPS)
    return _newton(Data(features, target, weight), coef, prior, nonnegative, tol, STEPS)


def _newton(
    data: Data,
    coef: np.ndarray,
    prior: Penalty,
    nonnegative: bool,
    tol: float,
    max_steps: int,
) -> np.ndarray:
    """Newton steps, halved where they do not lower the loss."""
    scale = np.append(np.maximum(np.abs(data.features).max(axis=1), 1e-30), 1.0)
    loss, gradient, hessian = penalised_loss(data, coef, prior)
    for _ in range(max_steps):
        step = _step(coef, gradient, hessian, nonnegative)
        while True:
            moved = coef + step
            now = penalised_loss(data, moved, prior)
            # The loss of so small a step differs by no more than its own rounding.
            small = np.abs(step * scale).max() < np.sqrt(tol)
            if small or now[0] <= loss + 1e-14 * abs(loss):
                break
            step = step / 2
        gain, coef = loss - now[0], moved
        loss, gradient, hessian = now
        if small and gain <= tol * abs(loss) * 1e-2:
            break
    return coef


def _step(
    coef: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, nonnegative: bool
) -> np.ndarray:
    """The step to the minimum of the quadratic model, in units of its curvature."""
    unit = np.sqrt(np.maximum(hessian.diagonal(), TINY))
    curvature = hessian / np.outer(unit, unit) + RIDGE * np.eye(len(coef))
    slope = gradient / unit
    step = -np.linalg.solve(curvature, slope)
    if not nonnegative or (coef[:-1] * unit[:-1] + step[:-1] >= 0).all():
        return np.asarray(step / unit)
    # Least squares for a, once the best intercept for each a is put in.
    at, cross = coef * unit, curvature[:-1, -1] / curvature[-1, -1]
    root = np.linalg.cholesky(curvature[:-1, :-1] - np.outer(cross, curvature[-1, :-1]))
    reduced = slope[:-1] - cross * slope[-1]
    goal = root.T @ at[:-1] - solve_triangular(root, reduced, lower=True)
    step[:-1] = nnls(root.T, goal)[0] - at[:-1]
    step[-1] = -slope[-1] / curvature[-1, -1] - cross @ step[:-1]
    return np.asarray(step / unit)


def logistic_loss(
    features: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    coef: np.ndarray,
) -> float:
    """Mean log loss of given coefficients."""
    none = Penalty(coef, np.zeros((len(coef), len(coef))))
    return penalised_loss(Data(features, target, weight), coef, none)[0]


def penalised_loss(
    data: Data, coef: np.ndarray, prior: Penalty
) -> tuple[float, np.ndarray, np.ndarray]:
    """Penalised loss, slope and curvature."""
    n_coef = len(coef)
    loss, total = 0.0, 0.0
    gradient, hessian = np.zeros(n_coef), np.zeros((n_coef, n_coef))
    for start in range(0, data.features.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        x = data.features[:, part].astype(np.float64, copy=False)
        line = coef[:-1] @ x + coef[-1]
        small = np.exp(-np.abs(line))
        q = np.where(line >= 0, 1, small) / (1 + small)
        mass = np.ones(len(line)) if data.weight is None else data.weight[part]
        softplus = np.maximum(line, 0) + np.log1p(small)
        loss += float((mass * (softplus - data.target[part] * line)).sum())
        total += float(mass.sum())
        miss, bend = mass * (q - data.target[part]), mass * (small / (1 + small) ** 2)
        gradient += np.append(x @ miss, miss.sum())
        bent = x * bend
        hessian[:-1, :-1] += bent @ x.T
        hessian[:-1, -1] += bent.sum(axis=1)
        hessian[-1, -1] += float(bend.sum())
    hessian[-1, :-1] = hessian[:-1, -1]
    away = coef - prior.origin
    pull = prior.strength @ away
    return (
        loss / total + float(away @ pull),
        gradient / total + 2 * pull,
        hessian / total + 2 * prior.strength,
    )
