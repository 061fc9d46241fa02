"""Uncertainty of each sample or pixel from its probabilities, in one pass.

Notation: p the probabilities of K classes, largest first p_1, p_2, ...
"""

from collections.abc import Callable
from math import log
from typing import Any

from skuq._core._arrays import Array, array_namespace, device
from skuq._core._blocks import ScoreTable
from skuq._core._checks import check_scores
from skuq._core._links import LEAST_PROBABILITY
from skuq.uncertainty._walk import proba_of, walk


def max_probability_uncertainty(y_proba: Any) -> Array:
    """One minus the largest probability; higher is less sure.

    The estimated probability of an error, if the probabilities are calibrated.

    Parameters
    ----------
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
        Probabilities in [0, 1]; a single column is that of the second of two classes.

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In [0, 1 - 1/K]; in the library, floating dtype and device of `y_proba`.

    Raises
    ------
    skuq.exceptions.InputError
        For rows that are not probabilities summing to one, NaN, or no samples.

    See Also
    --------
    margin_uncertainty : Looks at the two largest.
    entropy : Looks at all.

    Notes
    -----
    ``1 - p_1``.

    Examples
    --------
    >>> from skuq.uncertainty import max_probability_uncertainty
    >>> max_probability_uncertainty([[0.75, 0.25], [0.5, 0.5]])
    array([0.25, 0.5 ])
    """
    return _per_position(y_proba, max_probability_of_block)


def margin_uncertainty(y_proba: Any) -> Array:
    """One minus the distance of the two largest probabilities; higher is less sure.

    Parameters
    ----------
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
        Probabilities in [0, 1]; a single column is that of the second of two classes.

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In [0, 1]; 1 if two classes share the largest probability.  In the library,
        floating dtype and device of `y_proba`.

    Raises
    ------
    skuq.exceptions.InputError
        For rows that are not probabilities summing to one, NaN, or no samples.

    See Also
    --------
    max_probability_uncertainty : Looks at the largest.
    entropy : Looks at all.

    Notes
    -----
    ``1 - (p_1 - p_2)``.

    Examples
    --------
    >>> from skuq.uncertainty import margin_uncertainty
    >>> margin_uncertainty([[0.75, 0.25, 0.0], [0.5, 0.5, 0.0]])
    array([0.5, 1. ])
    """
    return _per_position(y_proba, margin_of_block)


def entropy(y_proba: Any, *, normalize: bool = False) -> Array:
    """Shannon entropy of the probabilities; higher is less sure.

    Parameters
    ----------
    y_proba : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
        Probabilities in [0, 1]; a single column is that of the second of two classes.
    normalize : bool, default=False
        Divide by the largest value, log K, so that the range is [0, 1].

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In nats, in [0, log K], or in [0, 1].  In the library, floating dtype and device
        of `y_proba`.

    Raises
    ------
    skuq.exceptions.InputError
        For rows that are not probabilities summing to one, NaN, or no samples.

    See Also
    --------
    max_probability_uncertainty : Looks at the largest.
    margin_uncertainty : Looks at the two largest.

    Notes
    -----
    ``-sum_k p_k log p_k`` with the natural logarithm and 0 log 0 = 0.

    Examples
    --------
    >>> from skuq.uncertainty import entropy
    >>> entropy([[0.5, 0.5], [1.0, 0.0]], normalize=True)
    array([1., 0.])
    """

    def measure(p: Array) -> Array:
        return nats_of_block(p) / log(p.shape[0]) if normalize else nats_of_block(p)

    return _per_position(y_proba, measure)


def max_probability_of_block(p: Array) -> Array:
    """One minus the largest probability of each column of a class-major block."""
    return 1 - array_namespace(p).max(p, axis=0)


def margin_of_block(p: Array) -> Array:
    """One minus the distance of the two largest of each column."""
    xp = array_namespace(p)
    top = xp.max(p, axis=0)
    is_top = p == top
    tied = xp.sum(xp.astype(is_top, xp.int32), axis=0) > 1
    second = xp.max(xp.where(is_top, xp.zeros_like(p), p), axis=0)
    return xp.where(tied, xp.ones_like(top), 1 - (top - second))


def nats_of_block(p: Array) -> Array:
    """Entropy of each column; 0 log 0 = 0."""
    xp = array_namespace(p)
    safe = xp.where(p < LEAST_PROBABILITY, xp.ones_like(p), p)
    nats = -xp.sum(safe * xp.log(safe), axis=0)
    return xp.where(nats > 0, nats, xp.zeros_like(nats))  # no -0


def votes_of_block(p: Array) -> Array:
    """One-hot vote of each column for its largest row, the first on ties."""
    xp = array_namespace(p)
    rows = xp.arange(p.shape[0], device=device(p))[:, None]
    return rows == xp.argmax(p, axis=0)[None, :]


def _per_position(y_proba: Any, measure: Callable[[Array], Array]) -> Array:
    """`measure` of every column of the class-major blocks of probabilities."""
    table = ScoreTable(check_scores(y_proba, "y_proba"))
    return walk(table, lambda window: measure(proba_of(window, table)), like=y_proba)
