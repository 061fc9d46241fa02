"""Maximum mean calibration error: exact in the time of a sort."""

from typing import Any

import numpy as np

from skuq._core._binning import CollectedOutcomes
from skuq._core._sorting import TieGroups
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._outcomes import collected_outcomes, groups_of_rows
from skuq.metrics._streaming import streams_with

# exp(distance / bandwidth) must not overflow, and its sums must keep their digits.
LARGEST_EXPONENT = 300.0


def embedding_of_state(state: CollectedOutcomes, *, bandwidth: float = 0.4) -> float:
    """The error of a state, the mean of those of its rows."""
    if not bandwidth > 0:
        raise InputError(f"bandwidth must be above 0, got {bandwidth!r}.")
    rows = [_squared_error(groups, bandwidth) for groups in groups_of_rows(state)]
    return float(np.mean(np.sqrt(np.maximum(rows, 0))))


def _squared_error(groups: TieGroups, bandwidth: float) -> float:
    """``sum_ij d_i d_j exp(-|p_i - p_j| / bandwidth)`` over the squared total weight.

    In order of p the kernel is a product of one factor of i and one of j, so a
    cumulated sum replaces the inner one.  Stretches of p are taken one after the other
    where the factors would overflow.
    """
    total = groups.weight.sum()
    if total == 0:
        raise NoSamplesError("no sample that counts has a weight above zero.")
    gap = groups.hits - groups.weight * groups.score
    place = groups.score / bandwidth
    below, carried, start = 0.0, 0.0, 0.0  # the sum so far, and what it holds at start
    stretch = np.floor((place - place[0]) / LARGEST_EXPONENT)
    for ends in np.split(np.arange(len(gap)), np.flatnonzero(np.diff(stretch)) + 1):
        x, d = place[ends] - place[ends[0]], gap[ends]
        carried *= np.exp(start - place[ends[0]])
        grown = np.cumsum(d * np.exp(x))
        before = np.append(0.0, grown[:-1]) + carried
        below += float((d * np.exp(-x) * before).sum())
        carried, start = (grown[-1] + carried) * np.exp(-x[-1]), place[ends[-1]]
    return float(((gap**2).sum() + 2 * below) / total**2)


@streams_with(collected_outcomes, embedding_of_state)
def maximum_mean_calibration_error(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    kind: str = "top-label",
    bandwidth: float = 0.4,
    ignore_index: Any = None,
) -> float:
    """Maximum mean calibration error (MMCE); lower is better, 0 is calibrated.

    A kernel error of confidences, often used as a training loss.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or of `y_true`
        Probabilities in [0, 1]; of the shape of `y_true`, those of the second of two
        classes.  numpy array or torch tensor.
    sample_weight : array-like of shape (n_samples,) or of `y_true`, default=None
        Weights, at least 0.
    labels : array-like of shape (n_classes,), default=None
        The label of each column; None takes the sorted labels of `y_true`, or column
        numbers if `y_true` misses a class.
    kind : {"top-label", "positive", "classwise"}, default="top-label"
        Compare the largest probability with being right, the probability of the
        second of two classes with its share, or every class's probability with its
        share (mean over classes).
    bandwidth : float above 0, default=0.4
        Of the kernel ``exp(-|p - q| / bandwidth)``.
    ignore_index : int or str, default=None
        Label of positions that do not count.

    Returns
    -------
    error : float
        In [0, 1].

    Raises
    ------
    skuq.exceptions.InputError
        For values that are not probabilities, labels without a column, NaN, or no
        samples.

    See Also
    --------
    kernel_calibration_error : Of whole rows of probabilities, without bias.

    Notes
    -----
    ``sqrt(sum_ij w_i w_j (y_i - p_i) (y_j - p_j) exp(-|p_i - p_j| / bandwidth)) /
    sum(w)`` [1]_, with the pairs i = j, which make it larger than 0 for a calibrated
    model too.  Keeps all samples; costs a sort, where other packages form all pairs.

    References
    ----------
    .. [1] A. Kumar, S. Sarawagi and U. Jain (2018). "Trainable calibration measures for
       neural networks from kernel mean embeddings". ICML.
       `PMLR 80:2805 <https://proceedings.mlr.press/v80/kumar18a.html>`_

    Examples
    --------
    >>> from skuq.metrics import maximum_mean_calibration_error
    >>> y_proba = [[0.9, 0.1, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    >>> round(maximum_mean_calibration_error([0, 1, 2, 2], y_proba), 4)
    0.1338
    """
    state = collected_outcomes(
        y_true,
        y_proba,
        sample_weight=sample_weight,
        labels=labels,
        kind=kind,
        ignore_index=ignore_index,
    )
    return embedding_of_state(state, bandwidth=bandwidth)
