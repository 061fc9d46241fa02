"""Uncertainty of each sample or pixel from members that are held in memory.

Notation: T members with probabilities p_t, their mean m, entropy H.  Members are walked
block by block of the samples, so that the extra memory is that of a few blocks.
"""

from collections.abc import Callable, Iterator
from typing import Any

from skuq._core._arrays import Array, accumulator_dtype, array_namespace, clip
from skuq._core._blocks import ScoreTable, Window
from skuq._core._checks import check_option, check_scores
from skuq._core._links import LEAST_PROBABILITY
from skuq.exceptions import InputError
from skuq.uncertainty._probabilities import nats_of_block, votes_of_block
from skuq.uncertainty._walk import each_member, proba_of, walk

# The blocks of one window, one for each member: a fresh pass at every call.
Blocks = Callable[[], Iterator[Array]]


def predictive_entropy(members: Any) -> Array:
    """Entropy of the members' mean: the total uncertainty; higher is less sure.

    Often called epistemic, which it is not: it is also high where all members agree
    that an input is ambiguous.  `mutual_information` is the epistemic part of it.

    Parameters
    ----------
    members : array-like of shape (n_members, n_samples, n_classes, *spatial)
        Probabilities in [0, 1]; or a list with one array for each member.

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In nats, in [0, log K].  In the library, floating dtype and device of `members`.

    Raises
    ------
    skuq.exceptions.InputError
        For what is no probability, no members, or members of different shapes.

    See Also
    --------
    expected_entropy : The aleatoric part.
    mutual_information : The epistemic part.
    MemberStatistics : The same of members that come one at a time.

    Notes
    -----
    ``H(m)``, the sum of the two parts.  Sums are in float64.

    Examples
    --------
    >>> from skuq.uncertainty import predictive_entropy
    >>> members = [[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]
    >>> predictive_entropy(members).round(3)
    array([0.693, 0.693])
    """
    return _over_members(members, lambda blocks, _: nats_of_block(_mean(blocks)))


def expected_entropy(members: Any) -> Array:
    """Mean entropy of the members: the aleatoric uncertainty; higher is less sure.

    Parameters
    ----------
    members : array-like of shape (n_members, n_samples, n_classes, *spatial)
        Probabilities in [0, 1]; or a list with one array for each member.

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In nats, in [0, log K].  In the library, floating dtype and device of `members`.

    Raises
    ------
    skuq.exceptions.InputError
        For what is no probability, no members, or members of different shapes.

    See Also
    --------
    predictive_entropy : The total, of which this is a part.
    mutual_information : The other part.

    Notes
    -----
    ``mean_t H(p_t)``.  Sums are in float64.

    Examples
    --------
    >>> from skuq.uncertainty import expected_entropy
    >>> expected_entropy([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]).round(3)
    array([0.   , 0.693])
    """
    return _over_members(members, lambda blocks, _: _mean_nats(blocks))


def mutual_information(members: Any, *, correction: str | None = None) -> Array:
    """Entropy of the mean less mean entropy: the epistemic one; higher is less sure.

    What the members disagree on, beyond what each of them holds for open; also known as
    BALD.

    Parameters
    ----------
    members : array-like of shape (n_members, n_samples, n_classes, *spatial)
        Probabilities in [0, 1]; or a list with one array for each member.
    correction : {None, "jackknife"}, default=None
        Few members underestimate it, as they cannot show all disagreement: never
        compare values of different T without a correction.  "jackknife" takes the
        error of order 1 / T away; needs two members.

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In nats, in [0, log K]; negative rounding errors are set to 0.  The jackknife is
        at least as large and may exceed log K, as a limit would bias it.  In the
        library, floating dtype and device of `members`.

    Raises
    ------
    skuq.exceptions.InputError
        For what is no probability, no members, or members of different shapes.

    See Also
    --------
    predictive_entropy : The total, of which this is a part.
    expected_entropy : The other part.
    disagreement : The same by another formula.

    Notes
    -----
    ``I = H(m) - mean_t H(p_t)`` [1]_.  With ``I_t`` that of all members but one, the
    jackknife is ``T I - (T - 1) mean_t I_t`` [2]_; it passes twice over the members.
    Sums are in float64.

    References
    ----------
    .. [1] N. Houlsby, F. Huszar, Z. Ghahramani and M. Lengyel, "Bayesian Active
       Learning for Classification and Preference Learning", 2011.
       https://arxiv.org/abs/1112.5745
    .. [2] M. H. Quenouille, "Notes on Bias in Estimation", Biometrika 43, 1956.
       https://doi.org/10.1093/biomet/43.3-4.353

    Examples
    --------
    >>> from skuq.uncertainty import mutual_information
    >>> members = [[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]
    >>> mutual_information(members).round(3)
    array([0.693, 0.   ])
    """
    check_option("correction", correction, (None, "jackknife"))

    def plain(blocks: Blocks, _: int) -> Array:
        nats = nats_of_block(_mean(blocks)) - _mean_nats(blocks)
        return clip(nats, 0.0, float("inf"))

    return _over_members(members, _jackknife if correction else plain)


def disagreement(members: Any) -> Array:
    """Mean divergence of the members from their mean; higher is less sure.

    Equals `mutual_information`: two names for one number.  This one is summed without
    a difference of large terms, so it is more exact where the members almost agree, and
    passes twice over them.

    Parameters
    ----------
    members : array-like of shape (n_members, n_samples, n_classes, *spatial)
        Probabilities in [0, 1]; or a list with one array for each member.

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In nats, in [0, log K].  In the library, floating dtype and device of `members`.

    Raises
    ------
    skuq.exceptions.InputError
        For what is no probability, no members, or members of different shapes.

    See Also
    --------
    mutual_information : The same, with a correction for few members.

    Notes
    -----
    ``mean_t KL(p_t || m)`` with ``KL(p || m) = sum_k p_k log(p_k / m_k)``.  Each term
    carries ``m_k - p_k``, which sums to 0 over members and makes no term negative.

    Examples
    --------
    >>> from skuq.uncertainty import disagreement
    >>> disagreement([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]).round(3)
    array([0.693, 0.   ])
    """

    def measure(blocks: Blocks, _: int) -> Array:
        mean = _mean(blocks)
        return _mean_of(_divergence(p, mean) for p in blocks())

    return _over_members(members, measure)


def variation_ratio(members: Any) -> Array:
    """Share of members that do not vote with the majority; higher is less sure.

    Parameters
    ----------
    members : array-like of shape (n_members, n_samples, n_classes, *spatial)
        Probabilities in [0, 1]; or a list with one array for each member.

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        In [0, 1 - 1/K].  In the library, floating dtype and device of `members`.

    Raises
    ------
    skuq.exceptions.InputError
        For what is no probability, no members, or members of different shapes.

    See Also
    --------
    mutual_information : Looks at the probabilities, not only at the votes.

    Notes
    -----
    ``1 - votes of the mode / T``.  A member votes for its most probable class, the
    first on ties.  Not one minus the share that votes for the class of the mean.

    Examples
    --------
    >>> from skuq.uncertainty import variation_ratio
    >>> variation_ratio([[[0.9, 0.1]], [[0.4, 0.6]], [[0.45, 0.55]]]).round(3)
    array([0.333])
    """

    def measure(blocks: Blocks, _: int) -> Array:
        shares = _mean_of(_as_numbers(votes_of_block(p), p) for p in blocks())
        return 1 - array_namespace(shares).max(shares, axis=0)

    return _over_members(members, measure)


def variance(members: Any) -> Array:
    """Variance of the members' probabilities, class by class; higher is less sure.

    Parameters
    ----------
    members : array-like of shape (n_members, n_samples, n_classes, *spatial)
        Probabilities in [0, 1]; or a list with one array for each member.

    Returns
    -------
    variance : array of shape (n_samples, n_classes, *spatial)
        In [0, 1/4].  In the library, floating dtype and device of `members`.

    Raises
    ------
    skuq.exceptions.InputError
        For what is no probability, no members, or members of different shapes.

    See Also
    --------
    MemberStatistics : Its sum over classes is the epistemic part of a total.

    Notes
    -----
    ``mean_t (p_t - m)^2``: divides by T (``ddof=0``), so that it is a part of the
    variance of the label.  Passes twice over the members.

    Examples
    --------
    >>> from skuq.uncertainty import variance
    >>> variance([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
    array([[0.25, 0.25],
           [0.  , 0.  ]])
    """

    def measure(blocks: Blocks, _: int) -> Array:
        mean = _mean(blocks)
        return _mean_of((p - mean) ** 2 for p in blocks())

    return _over_members(members, measure, by_class=True)


def _over_members(
    members: Any, measure: Callable[[Blocks, int], Array], *, by_class: bool = False
) -> Array:
    """`measure` of the blocks of all members, at every sample or pixel."""
    members = list(each_member(members))
    tables = [ScoreTable(check_scores(p, "members")) for p in members]
    if not tables:
        raise InputError("there are no members: pass at least one.")
    shapes = {tuple(table.scores.shape) for table in tables}
    if len(shapes) > 1:
        raise InputError(
            f"members have different shapes, {sorted(shapes)}: all must predict the "
            "same samples and classes."
        )

    def of_window(window: Window) -> Array:
        def blocks() -> Iterator[Array]:
            for table in tables:
                p = proba_of(window, table)
                wide = array_namespace(p).astype(p, accumulator_dtype(p))
                yield clip(wide, 0.0, 1.0)

        return measure(blocks, len(tables))

    n_rows = tables[0].n_classes if by_class else None
    return walk(tables[0], of_window, like=members[0], n_rows=n_rows)


def _mean_of(values: Iterator[Array]) -> Array:
    """The mean of arrays that come one at a time."""
    total, n = 0.0, 0
    for value in values:
        total, n = total + value, n + 1
    return total / n


def _mean(blocks: Blocks) -> Array:
    return _mean_of(blocks())


def _mean_nats(blocks: Blocks) -> Array:
    return _mean_of(nats_of_block(p) for p in blocks())


def _jackknife(blocks: Blocks, n_members: int) -> Array:
    """Mutual information less its bias, from all members but one at a time."""
    if n_members < 2:
        raise InputError("correction='jackknife' needs at least 2 members, got 1.")
    rest = n_members - 1
    mean, nats = _mean(blocks), _mean_nats(blocks)

    def without(p: Array) -> Array:
        others = nats_of_block((n_members * mean - p) / rest)
        return others - (n_members * nats - nats_of_block(p)) / rest

    of_rest = _mean_of(without(p) for p in blocks())
    return n_members * (nats_of_block(mean) - nats) - rest * of_rest


def _divergence(p: Array, mean: Array) -> Array:
    """KL(p || mean) of each column, as a sum of terms that are at least 0."""
    xp = array_namespace(p)
    ratio = xp.where(p < LEAST_PROBABILITY, 1.0, p) / xp.where(mean > 0, mean, 1.0)
    possible = (p >= LEAST_PROBABILITY) & (mean > 0)
    logs = xp.where(possible, xp.log(ratio), 0.0)
    terms = p * logs + (mean - p)
    return xp.sum(terms, axis=0)


def _as_numbers(flags: Array, like: Array) -> Array:
    return array_namespace(like).astype(flags, like.dtype)
