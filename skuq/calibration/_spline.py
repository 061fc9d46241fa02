"""Monotone splines: a curve of the log odds, as bent as the data ask for."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline, PPoly

from skuq._core._arrays import array_namespace, to_library_of
from skuq._core._logistic import Data, Penalty, fit_logistic, penalised_loss
from skuq.calibration._binary import BinaryCalibrator
from skuq.calibration._bounded import BoundedPlatt, group
from skuq.exceptions import InputError

DEGREE = 3
LEAST_GAP = 0.02  # between knots, of the range of the scores
LEAST_RANGE = 1e-6  # of scores that are not all equal
STRENGTHS = 10.0 ** np.arange(4, -4, -1)  # of the curvature, the straightest first
AT_BOUND = 1e-9  # slopes below are 0 for good


@dataclass(frozen=True)
class SplineMap:
    """Cubic pieces of bounded log odds u = line(z), straight beyond the outer knots.

    Parameters
    ----------
    line : BoundedPlatt
        From log odds to u.
    knots : ndarray of shape (m,)
        Ends of the pieces.
    anchors : ndarray of shape (m + 1,)
        Where each piece, and either straight end, is expanded.
    pieces : ndarray of shape (4, m + 1)
        Powers 3 to 0 of u less the anchor.
    smoothing : float
        The chosen strength of the penalty on curvature.
    """

    line: BoundedPlatt
    knots: np.ndarray
    anchors: np.ndarray
    pieces: np.ndarray
    smoothing: float

    def __call__(self, score):
        """Calibrated log odds, in the library of the scores."""
        u = self.line(score)
        xp = array_namespace(u)
        knots, anchors, pieces = (
            xp.astype(to_library_of(part, u), u.dtype)
            for part in (self.knots, self.anchors, self.pieces)
        )
        piece = xp.searchsorted(knots, u)
        step = u - xp.take(anchors, piece, axis=0)
        value = xp.take(pieces[0, :], piece, axis=0)
        for power in (1, 2, 3):
            value = value * step + xp.take(pieces[power, :], piece, axis=0)
        return value


class SplineCalibrator(BinaryCalibrator):
    """A smooth curve of the log odds that never falls, as bent as the data ask for.

    With few samples it is Platt scaling; with many it follows any monotone shape.  The
    choice for scores that no short formula describes.

    Parameters
    ----------
    n_pieces : int, default=6
        Pieces of the curve, with as many samples in each; fewer where scores repeat
        each other.  More follow sharper steps.
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`; see `TemperatureScaler`.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.
    penalty : float, default=1.0
        Strength of the ridge about the Platt line, in samples, above 0: it fades as
        1/n.

    Attributes
    ----------
    maps_ : list of SplineMap
        One of each class; of two classes, of the second.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.

    See Also
    --------
    PlattCalibrator : The straight line it starts from.
    QuadraticCalibrator : Bends at 0 only; faster, and as good for a few hundred.

    Notes
    -----
    u is Platt's line mixed with a share ``e = 1 / (n + 1)`` of the uniform
    distribution, so that no single score is far out.  The curve s(u) is a cubic
    B-spline with knots at quantiles of u whose coefficients ascend, which makes it
    monotone [1]_; beyond the data it is straight.

    With r the slopes between neighbouring coefficients (1 for the identity), it
    minimises ``n * log loss + smoothing * sum (r_j+1 - r_j)^2 / gap_j + penalty *
    (mean (r - 1)^2 + (s(u_min) - u_min)^2)`` over r >= 0.  `smoothing` is the one of
    8 powers of ten with the largest marginal likelihood, in Laplace's approximation
    over the slopes above 0: no folds, so no chance.  Samples are grouped into 4096
    cells of u, so that all fits together take little more than one pass.

    If Platt's slope is negative, as for scores that rank worse than chance, the map
    falls everywhere instead.  Several classes are calibrated one against the rest.

    References
    ----------
    .. [1] J. O. Ramsay (1988). "Monotone regression splines in action". Statistical
       Science 3(4), 425-441. `doi:10.1214/ss/1177012761
       <https://doi.org/10.1214/ss/1177012761>`_

    Examples
    --------
    >>> from skuq.calibration import SplineCalibrator
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(5000, n_classes=2, temperature=2.0, random_state=0)
    >>> calibrator = SplineCalibrator().fit(logits, y)
    >>> calibrator.predict_proba(logits).shape
    (5000, 2)
    """

    def __init__(
        self,
        *,
        n_pieces=6,
        input="auto",
        classes=None,
        ignore_index=None,
        penalty=1.0,
    ):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.n_pieces = n_pieces
        self.penalty = penalty

    def _fit_map(self, score, target, weight):
        if not (isinstance(self.n_pieces, (int, np.integer)) and self.n_pieces > 0):
            raise InputError(f"n_pieces must be an int above 0, got {self.n_pieces!r}.")
        if not self.penalty > 0:
            raise InputError(
                f"penalty must be above 0, got {self.penalty!r}: without a ridge the "
                "evidence of a curve has no bound."
            )
        line = BoundedPlatt.fit(score, target, weight)
        data = group(line(score.astype(np.float64)), target, weight, line.limit)
        basis = Basis.of(_knots(data, self.n_pieces, line.limit))
        data = Data(basis.features(data.score), data.target, data.weight)
        coef, smoothing = _fit_slopes(data, basis, self.penalty)
        anchors, pieces = basis.pieces(coef)
        return SplineMap(line, basis.knots, anchors, pieces, smoothing)

    def _apply_log_odds(self, fitted, score):
        return fitted(score)


def _knots(data, n_pieces, limit):
    """Weighted quantiles of the scores, none too close to the next."""
    low, high = float(data.score.min()), float(data.score.max())
    if high - low < LEAST_RANGE:
        return np.array([-limit, limit])
    ranks = (np.cumsum(data.weight) - data.weight / 2) / data.weight.sum()
    levels = np.arange(1, n_pieces) / n_pieces
    gap, knots = LEAST_GAP * (high - low), [low]
    for knot in np.interp(levels, ranks, data.score):
        if knot - knots[-1] > gap and high - knot > gap:
            knots.append(float(knot))
    return np.array([*knots, high])


@dataclass(frozen=True)
class Basis:
    """Monotone splines, by the slopes between their coefficients and the first one.

    Parameters
    ----------
    knots : ndarray of shape (m,)
        Distinct knots.
    padded : ndarray of shape (m + 6,)
        With the outer ones four times.
    gaps : ndarray of shape (m + 1,)
        Between the places that the coefficients stand for.
    """

    knots: np.ndarray
    padded: np.ndarray
    gaps: np.ndarray

    @classmethod
    def of(cls, knots):
        """The basis on some knots."""
        ends = [knots[:1]] * DEGREE, [knots[-1:]] * DEGREE
        padded = np.concatenate([*ends[0], knots, *ends[1]])
        inner = np.lib.stride_tricks.sliding_window_view(padded[1:-1], DEGREE)
        return cls(knots, padded, np.diff(inner.mean(axis=1)))

    @property
    def identity(self):
        """Slopes and first coefficient of s(u) = u."""
        return np.append(np.ones(len(self.gaps)), self.knots[0])

    def features(self, u):
        """What the slopes multiply, `(m + 1, n)`; the first coefficient is added."""
        design = BSpline.design_matrix(
            np.clip(u, self.knots[0], self.knots[-1]), self.padded, DEGREE
        )
        above = np.cumsum(design.toarray()[:, :0:-1], axis=1)[:, ::-1]
        return np.ascontiguousarray((above * self.gaps).T)

    def pieces(self, coef):
        """Anchors and powers of the cubic pieces and the straight ends."""
        heights = np.append(0.0, np.cumsum(coef[:-1] * self.gaps)) + coef[-1]
        spline = BSpline(self.padded, heights, DEGREE)
        powers = PPoly.from_spline(spline).c[:, DEGREE:-DEGREE]
        ends = np.zeros((DEGREE + 1, 2))
        outer = self.knots[[0, -1]]
        ends[2:] = spline(outer, 1), spline(outer)
        pieces = np.concatenate([ends[:, :1], powers, ends[:, 1:]], axis=1)
        anchors = np.concatenate([self.knots[:1], self.knots])
        return anchors, pieces

    def curvature(self):
        """Matrix of the sum of squared changes of slope, `(m + 2, m + 2)`."""
        change = np.diff(np.eye(len(self.gaps) + 1)[:-1], axis=0)
        between = (self.gaps[1:] + self.gaps[:-1]) / 2
        return change.T @ (change / between[:, None])


def _fit_slopes(data, basis, penalty):
    """Coefficients and strength of the curvature with the largest evidence."""
    origin, mass = basis.identity, data.weight.sum()
    ridge = np.append(np.full(len(basis.gaps), 1 / len(basis.gaps)), 1.0)
    ridge, bend = np.diag(penalty * ridge) / mass, basis.curvature() / mass
    coef, best = origin, np.inf
    for strength in STRENGTHS:
        prior = Penalty(origin, ridge + strength * bend)
        coef = fit_logistic(
            *data, penalty=prior.strength, start=origin, guess=coef, nonnegative=True
        )
        cost = _minus_log_evidence(data, coef, prior, mass)
        if cost < best:
            best, found = cost, (coef, float(strength))
    return found


def _minus_log_evidence(data, coef, prior, mass):
    """By Laplace's approximation in the slopes that are not at their bound."""
    loss, _, hessian = penalised_loss(data, coef, prior)
    free = np.append(coef[:-1] > AT_BOUND, True)
    parts = (part[np.ix_(free, free)] for part in (hessian, 2 * prior.strength))
    posterior, before = (np.linalg.slogdet(part)[1] for part in parts)
    return mass * loss + (posterior - before) / 2
