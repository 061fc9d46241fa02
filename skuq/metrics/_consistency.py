"""Where the bars of a reliability diagram would lie if the model were calibrated."""

from typing import NamedTuple

import numpy as np

from skuq.exceptions import InputError
from skuq.metrics._reliability import ReliabilityCurve


class ConsistencyBand(NamedTuple):
    """Ends of a band, bin by bin.

    Parameters
    ----------
    low : ndarray of shape (n_bins,)
        Lower end, in [0, 1]; NaN in empty bins.
    high : ndarray of shape (n_bins,)
        Upper end, in [0, 1]; NaN in empty bins.
    """

    low: np.ndarray
    high: np.ndarray


def consistency_band(
    curve: ReliabilityCurve, *, confidence_level: float = 0.95
) -> ConsistencyBand:
    """Band of the shares that a calibrated model would show, for each bin.

    Parameters
    ----------
    curve : ReliabilityCurve
        Of `reliability_curve`.
    confidence_level : float in (0, 1), default=0.95
        Share of calibrated models, bin by bin, whose share lies inside.

    Returns
    -------
    band : ConsistencyBand
        The arrays ``(low, high)`` of the shape of the curve's.

    Raises
    ------
    skuq.exceptions.InputError
        If the level is out of range.

    See Also
    --------
    reliability_curve : The curve.
    cumulative_calibration_test : One test of all bins, without bins.

    Notes
    -----
    A share outside says that its bin is not calibrated; of many bins some lie outside
    by chance.  With n samples of mean confidence c in a bin, n times the share is taken
    as binomial with probability c [1]_: slightly too wide where confidences in a bin
    differ.  n is the effective count, ``(sum w)^2 / sum w^2``.  Pixels of one image are
    not independent, so on maps the band is too narrow.

    References
    ----------
    .. [1] J. Broecker and L. A. Smith (2007). "Increasing the reliability of
       reliability diagrams". Weather and Forecasting 22(3). `doi:10.1175/WAF993.1
       <https://doi.org/10.1175/WAF993.1>`_

    Examples
    --------
    >>> from skuq.metrics import consistency_band, reliability_curve
    >>> curve = reliability_curve([1] * 7 + [0] * 3, [0.7] * 10, kind="positive")
    >>> band = consistency_band(curve)
    >>> low, high = band.low[curve.weight > 0], band.high[curve.weight > 0]
    >>> low.round(3), high.round(3)
    (array([0.4]), array([0.9]))
    """
    from scipy.stats import binom  # slow to import, and seldom needed

    if not 0 < confidence_level < 1:
        raise InputError(
            f"confidence_level must lie between 0 and 1, got {confidence_level!r}."
        )
    filled = curve.effective_count >= 1
    n = np.round(np.where(filled, curve.effective_count, 1))
    stated = np.where(filled, np.clip(curve.mean_confidence, 0, 1), 0)
    tail = (1 - confidence_level) / 2
    ends = (binom.ppf(level, n, stated) / n for level in (tail, 1 - tail))
    return ConsistencyBand(*(np.where(filled, end, np.nan) for end in ends))
