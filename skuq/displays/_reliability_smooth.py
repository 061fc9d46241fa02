"""Reliability diagram of a kernel, with the bandwidth of the smooth calibration error.

Notation: K(t, p) the Gaussian kernel reflected at 0 and 1, as in the error itself.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from skuq.displays._reliability_curves import CurveDiagram, cells_of
from skuq.metrics._smooth import smooth_of_state, smooth_sums

POINTS = 501
NARROWEST = 1 / 500  # that the points resolve


@dataclass(frozen=True)
class SmoothCurve:
    """The share that came true near each probability.

    Parameters
    ----------
    probability : ndarray of shape (n_points,)
        Stated probabilities, from 0 to 1.
    share : ndarray of shape (n_points,)
        Kernel-weighted share that came true; NaN beyond all samples, and where the
        kernel, of height one, holds less than half a sample.
    expected : ndarray of shape (n_points,)
        The mean of the share of a calibrated model.
    variance : ndarray of shape (n_points,)
        Its variance.
    bandwidth : float
        Standard deviation of the kernel: the error, but at least 0.002.
    error : float
        Smooth calibration error.
    """

    probability: np.ndarray
    share: np.ndarray
    expected: np.ndarray
    variance: np.ndarray
    bandwidth: float
    error: float

    def band(self, level):
        """Quantiles of beta distributions with the mean and variance of the share."""
        mean = np.clip(self.expected, 0, 1)
        fixed = ~(self.variance > 0)  # also where it is not known
        variance = np.where(fixed, 1.0, self.variance)
        strength = np.maximum(mean * (1 - mean) / variance - 1, 1e-6)
        certain = fixed | (mean == 0) | (mean == 1)
        a = np.where(certain, 1.0, mean * strength)
        b = np.where(certain, 1.0, (1 - mean) * strength)
        tails = np.array([[(1 - level) / 2], [(1 + level) / 2]])
        return np.where(certain, mean, beta.ppf(tails, a, b))


class SmoothDiagram(CurveDiagram):
    """The kernel-smoothed share that came true."""

    def __init__(self, state):
        super().__init__(state)
        self.error = float(np.mean([c.error for c in self.curves if c is not None]))

    @property
    def label(self):
        """The error of all rows."""
        return f"smECE = {self.error:.4f}"

    def label_of(self, row):
        """The error of one row."""
        return f"smECE = {self.curves[row].error:.4f}"

    def curve_of(self, row):
        """The curve of a row, which is a binary problem: a probability, an outcome."""
        sums = smooth_sums(
            row.outcome, row.score, sample_weight=row.weight, kind="positive"
        )
        error = smooth_of_state(sums)
        return smooth_curve(cells_of(row), max(error, NARROWEST), error)

    def band_of(self, row, level, random_state):
        """Probabilities, and the ends of the band; nothing here is random."""
        curve = self.curves[row]
        return curve.probability, *curve.band(level)


def smooth_curve(cells, bandwidth, error):
    """Shares, and the first two moments that a calibrated model's would have."""
    t = np.linspace(0, 1, POINTS)
    kernel = reflected_kernel(t[:, None], cells.score, bandwidth)
    mass = kernel @ cells.weight
    inside = (t >= cells.score[0]) & (t <= cells.score[-1])
    enough = inside & (kernel @ cells.trials >= 0.5)
    share, expected, variance = np.full((3, POINTS), np.nan)
    part, mass = kernel[enough] * cells.weight, mass[enough]
    share[enough] = part @ cells.share / mass
    expected[enough] = part @ cells.score / mass
    spread = cells.score * (1 - cells.score) / cells.trials
    variance[enough] = part**2 @ spread / mass**2
    return SmoothCurve(t, share, expected, variance, bandwidth, error)


def reflected_kernel(t, p, bandwidth):
    """K(t, p) up to a constant factor."""
    images = [2 * j + sign * p for j in (-1, 0, 1) for sign in (1, -1)]
    return sum(np.exp(-(((t - image) / bandwidth) ** 2) / 2) for image in images)
