"""Total uncertainty and its parts; which kinds and measures there are."""

from collections.abc import Iterable
from dataclasses import dataclass

from skuq._core._arrays import Array
from skuq.exceptions import InputError

PARTS = ("aleatoric", "epistemic")
KINDS = ("total", *PARTS)


@dataclass(frozen=True)
class Decomposition:
    """An uncertainty and the two parts that it is the sum of; higher is less sure.

    Parameters
    ----------
    total : array of shape (n_samples, *spatial)
        Uncertainty of the mean prediction.
    aleatoric : array of shape (n_samples, *spatial)
        Mean uncertainty of the members: what they agree cannot be known.
    epistemic : array of shape (n_samples, *spatial)
        Disagreement of the members: what more training data would remove.

    See Also
    --------
    MemberStatistics : Computes it, of classifiers.
    RegressionStatistics : Computes it, of regressors.

    Examples
    --------
    >>> from skuq.uncertainty import MemberStatistics
    >>> members = MemberStatistics().update([[1.0, 0.0]]).update([[0.0, 1.0]])
    >>> members.decompose("variance")
    Decomposition(total=array([0.5]), aleatoric=array([0.]), epistemic=array([0.5]))
    """

    total: Array
    aleatoric: Array
    epistemic: Array


def summed(parts: Iterable[Array]) -> Decomposition:
    """The decomposition of two parts that are rounded already."""
    aleatoric, epistemic = parts
    return Decomposition(aleatoric + epistemic, aleatoric, epistemic)


def check_pair(kind: str, measure: str, known: tuple[tuple[str, str], ...]) -> None:
    """Refuse a (measure, kind) that does not exist."""
    if (measure, kind) not in known:
        pairs = ", ".join(f"({kind!r}, {measure!r})" for measure, kind in known)
        raise InputError(
            f"there is no uncertainty of kind={kind!r} with measure={measure!r}: "
            f"choose (kind, measure) from {pairs}."
        )
