"""Sparsification: does the error fall when the least sure predictions are removed."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skuq._core._accumulator import Accumulator, collected
from skuq._core._arrays import Array, is_numpy_array, to_numpy
from skuq._core._binning import gather
from skuq._core._checks import check_option
from skuq._core._sorting import in_order_of, ones
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._regression_inputs import sample_table
from skuq.metrics._selective_risk import selective_area
from skuq.metrics._streaming import streams_with

ERRORS = ("absolute", "squared")


@dataclass(frozen=True)
class RankedErrors(Accumulator):
    """All errors with the uncertainty they were predicted with.

    Parameters
    ----------
    error : str
        "absolute" or "squared".
    uncertainty : ndarray of shape (n_values,)
        Any numbers; higher is less sure.
    loss : ndarray of shape (n_values,)
        Absolute or squared errors.
    weight : ndarray of shape (n_values,) or None
        Weights; None if all are one.
    """

    error: str
    uncertainty: np.ndarray = collected()
    loss: np.ndarray = collected()
    weight: np.ndarray | None = collected()

    def ranked(self, *, oracle: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Weight and loss by ascending uncertainty, or by error; ties summed."""
        if oracle and self.weight is None:  # the order of equal errors cannot matter
            loss = np.sort(self.loss).astype(np.float64, copy=False)
            return ones(len(loss)), loss
        by = self.loss if oracle else self.uncertainty
        weight, loss = in_order_of(by, self.loss, self.weight)
        some = weight > 0
        return (weight, loss) if some.all() else (weight[some], loss[some])


def ranked_errors(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    error: str = "absolute",
) -> RankedErrors:
    """The statistic of sparsification."""
    check_option("error", error, ERRORS)
    table = sample_table(
        sample_weight, y_true=y_true, y_pred=y_pred, uncertainty=uncertainty
    )

    given = table.columns["uncertainty"].scores
    as_it_is = is_numpy_array(given) and given.dtype == np.float64
    as_it_is = as_it_is and given.flags.c_contiguous  # then it need not be copied

    def columns(
        weight: Array | None, true: Array, pred: Array, unsure: Array
    ) -> list[np.ndarray | None]:
        difference = to_numpy(true - pred)
        loss = np.abs(difference) if error == "absolute" else difference**2
        mass = None if weight is None else to_numpy(weight)
        return [loss, mass, None if as_it_is else to_numpy(unsure)]

    n_values = next(iter(table.columns.values())).n_scores
    loss, mass, unsure = gather(table.map(columns), n_values)
    return RankedErrors(error, given.reshape(-1) if as_it_is else unsure, loss, mass)


@dataclass(frozen=True)
class SparsificationCurve:
    """The mean error of what is kept, when the least sure values are removed.

    Parameters
    ----------
    removed : ndarray of shape (n_points,)
        Share of values removed, from 0 up.
    error : ndarray of shape (n_points,)
        Mean error of those kept, removed by uncertainty.
    oracle : ndarray of shape (n_points,)
        The same, removed by the error itself: the best there can be.
    """

    removed: np.ndarray
    error: np.ndarray
    oracle: np.ndarray


def curve_of_errors(state: RankedErrors, n_points: int = 100) -> SparsificationCurve:
    """The curve that a statistic holds, at equal steps of the share removed."""
    removed = np.arange(n_points) / n_points
    means = [_kept_means(*state.ranked(oracle=o), 1 - removed) for o in (False, True)]
    return SparsificationCurve(removed, *means)


def _kept_means(weight: np.ndarray, loss: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mean error of these shares of the surest values; ties are kept in parts."""
    mass, lost = (np.append(0.0, np.cumsum(part)) for part in (weight, loss))
    kept = share * mass[-1]
    return np.asarray(np.interp(kept, mass, lost) / kept)


def sparsification_curve(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    error: str = "absolute",
    n_points: int = 100,
) -> SparsificationCurve:
    """Mean error of what is kept when the least sure predictions are removed.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values, in the unit of the target.
    y_pred : array-like of shape (n_samples, *output)
        Predictions, in the same unit.
    uncertainty : array-like of shape (n_samples, *output)
        Any numbers that are higher where the prediction is less sure, such as standard
        deviations.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    error : {"absolute", "squared"}, default="absolute"
        The error of a value.
    n_points : int, default=100
        Number of shares removed: 0, 1 / n_points, ...

    Returns
    -------
    curve : SparsificationCurve
        Shares removed, and mean errors by uncertainty and by an oracle.

    Raises
    ------
    skuq.exceptions.InputError
        For shapes that differ, NaN, infinity, or no samples.

    See Also
    --------
    sparsification_error : The area between the two.
    risk_coverage_curve : For classifiers.

    References
    ----------
    .. [1] E. Ilg, O. Cicek, S. Galesso, A. Klein, O. Makansi, F. Hutter and T. Brox
       (2018). "Uncertainty estimates and multi-hypotheses networks for optical flow".
       ECCV. `arXiv:1802.07095 <https://arxiv.org/abs/1802.07095>`_

    Examples
    --------
    >>> from skuq.metrics import sparsification_curve
    >>> curve = sparsification_curve([1.0, 2.0], [1.0, 4.0], [0.1, 0.5], n_points=2)
    >>> curve.removed.tolist(), curve.error.tolist()
    ([0.0, 0.5], [1.0, 0.0])
    """
    if n_points < 1:
        raise InputError(f"n_points must be at least 1, got {n_points!r}.")
    state = ranked_errors(
        y_true, y_pred, uncertainty, sample_weight=sample_weight, error=error
    )
    return curve_of_errors(state, n_points)


def sparsification_of_state(state: RankedErrors, *, normalize: bool = False) -> float:
    """The area between the curves that a statistic holds."""
    area = max(_area(state) - _area(state, oracle=True), 0.0)
    if not normalize:
        return area
    mean = float(np.average(state.loss, weights=state.weight))
    return area / mean if mean > 0 else 0.0


def _area(state: RankedErrors, *, oracle: bool = False) -> float:
    weight, loss = state.ranked(oracle=oracle)
    if not len(weight):
        raise NoSamplesError("no sample that counts has a weight above zero.")
    return selective_area(weight, loss)


@streams_with(ranked_errors, sparsification_of_state)
def sparsification_error(
    y_true: Any,
    y_pred: Any,
    uncertainty: Any,
    *,
    sample_weight: Any = None,
    error: str = "absolute",
    normalize: bool = False,
) -> float:
    """Area between the sparsification curve and its oracle (AUSE); lower is better.

    0 says that the uncertainty ranks predictions exactly as their errors do.  It looks
    at the ranking only: the scale of the uncertainty does not matter.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *output)
        Observed values, in the unit of the target.
    y_pred : array-like of shape (n_samples, *output)
        Predictions, in the same unit.
    uncertainty : array-like of shape (n_samples, *output)
        Any numbers that are higher where the prediction is less sure.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    error : {"absolute", "squared"}, default="absolute"
        The error of a value.
    normalize : bool, default=False
        Divide by the mean error of all values, as [1]_ does.

    Returns
    -------
    area : float
        At least 0, in the unit of the error (none if normalized).

    Raises
    ------
    skuq.exceptions.InputError
        For shapes that differ, NaN, infinity, or no samples.

    See Also
    --------
    sparsification_curve : The curves.
    area_under_risk_coverage_error : For classifiers; with excess=True the same idea.

    Notes
    -----
    The mean over i of the mean error of the i surest values, less the same for the i
    values with the smallest errors.  Ties count as the mean over all their orders.
    Weights count as numbers of values.  Keeps all samples; costs two sorts.

    References
    ----------
    .. [1] E. Ilg, O. Cicek, S. Galesso, A. Klein, O. Makansi, F. Hutter and T. Brox
       (2018). "Uncertainty estimates and multi-hypotheses networks for optical flow".
       ECCV. `arXiv:1802.07095 <https://arxiv.org/abs/1802.07095>`_

    Examples
    --------
    >>> from skuq.metrics import sparsification_error
    >>> sparsification_error([1.0, 2.0, 3.0], [1.0, 4.0, 4.0], [0.1, 0.5, 0.4])
    0.0
    >>> sparsification_error([1.0, 2.0, 3.0], [1.0, 4.0, 4.0], [0.5, 0.1, 0.4])
    1.0
    """
    state = ranked_errors(
        y_true, y_pred, uncertainty, sample_weight=sample_weight, error=error
    )
    return sparsification_of_state(state, normalize=normalize)
