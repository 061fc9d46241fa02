"""Uncertainty of each sample or pixel from its logits, whose size probabilities lose.

Notation: z the logits of K classes.
"""

from collections.abc import Callable
from math import inf
from typing import Any

from skuq._core._arrays import Array, array_namespace
from skuq._core._blocks import ScoreTable, Window
from skuq._core._checks import check_scores, resolve_kind
from skuq._core._links import both_rows, softmax
from skuq.exceptions import InputError
from skuq.uncertainty._walk import walk


def energy(logits: Any, *, temperature: float = 1.0) -> Array:
    """Free energy of the logits; higher is less sure.

    Low where the network found much evidence for any class, so it tells inputs that are
    like none of the training set, which a softmax may be sure of.

    Parameters
    ----------
    logits : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
        Finite logits; a single column is that of the second of two classes, and the
        other is 0.
    temperature : float, default=1.0
        Above 0; towards 0 the energy becomes `max_logit`.

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In nats, of either sign.  In the library, floating dtype and device of `logits`.

    Raises
    ------
    skuq.exceptions.InputError
        For logits that are empty or not finite, or a `temperature` that is not above 0.

    See Also
    --------
    max_logit : Looks at the largest logit only.
    entropy : Blind to a constant added to all logits, which this measures.

    Notes
    -----
    ``-T log sum_k exp(z_k / T)`` [1]_, computed without overflow.

    References
    ----------
    .. [1] W. Liu, X. Wang, J. Owens and Y. Li, "Energy-based Out-of-distribution
       Detection", NeurIPS 2020. https://arxiv.org/abs/2010.03759

    Examples
    --------
    >>> from skuq.uncertainty import energy
    >>> energy([[0.0, 0.0], [10.0, 0.0]]).round(3)
    array([ -0.693, -10.   ])
    """
    if not 0 < temperature < inf:
        raise InputError(f"temperature must be above 0, got {temperature!r}.")

    def measure(z: Array) -> Array:
        xp = array_namespace(z)
        top = xp.max(z, axis=0)
        rest = xp.log(xp.sum(xp.exp((z - top) / temperature), axis=0))
        return -top - temperature * rest

    return _per_position(logits, measure)


def max_logit(logits: Any) -> Array:
    """The largest logit with its sign changed; higher is less sure.

    Parameters
    ----------
    logits : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
        Finite logits; a single column is that of the second of two classes, and the
        other is 0.

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In nats, of either sign.  In the library, floating dtype and device of `logits`.

    Raises
    ------
    skuq.exceptions.InputError
        For logits that are empty or not finite.

    See Also
    --------
    energy : A smooth form, of all logits.
    max_probability_uncertainty : The same of probabilities.

    Notes
    -----
    ``-max_k z_k``, the anomaly score of [1]_.

    References
    ----------
    .. [1] D. Hendrycks, S. Basart, M. Mazeika et al., "Scaling Out-of-Distribution
       Detection for Real-World Settings", ICML 2022. https://arxiv.org/abs/1911.11132

    Examples
    --------
    >>> from skuq.uncertainty import max_logit
    >>> max_logit([[1.0, 3.0], [-2.0, -5.0]])
    array([-3.,  2.])
    """
    return _per_position(logits, lambda z: -array_namespace(z).max(z, axis=0))


def proba_of_logits(logits: Any) -> Array:
    """Softmax over axis 1 of logits of any layout; a single column gives two."""
    table = _table(logits)

    def measure(window: Window) -> Array:
        return softmax(both_rows(table.columns(window), "logit"))

    return walk(table, measure, like=logits, n_rows=table.n_classes)


def _per_position(logits: Any, measure: Callable[[Array], Array]) -> Array:
    """`measure` of every column of the class-major blocks of logits."""
    table = _table(logits)

    def of_window(window: Window) -> Array:
        return measure(both_rows(table.columns(window), "logit"))

    return walk(table, of_window, like=logits)


def _table(logits: Any) -> ScoreTable:
    table = ScoreTable(check_scores(logits, "logits"))
    resolve_kind(table, "logit", "logits")
    return table
