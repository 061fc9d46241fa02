"""The vocabulary of skuq for predictions of members that any other library made."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from skuq._core._arrays import Array, array_namespace, as_array, to_library_of, to_numpy
from skuq._core._checks import check_option, check_scores
from skuq.exceptions import InputError
from skuq.uncertainty._logits import proba_of_logits
from skuq.uncertainty._vocabulary import ClassifierMembersMixin, RegressorMembersMixin
from skuq.uncertainty._walk import each_member


class MembersAdapter(ClassifierMembersMixin):
    """A classifier made of predictions of members, stored or computed on demand.

    Parameters
    ----------
    members : array-like of shape (n_members, n_samples, n_classes, *spatial), callable
        Stored scores, for which the `X` of every method is None, for all samples, or
        the numbers of some, of shape (n,).  Or a function of `X` that returns such an
        array, or an iterator that makes one member at a time.
    kind : {"proba", "logit"}, default="proba"
        What the scores are; never guessed.  The softmax of logits is taken member by
        member, before any mean.
    classes : array-like of shape (n_classes,), default=None
        The label of each column; None numbers the columns of stored scores.

    Raises
    ------
    skuq.exceptions.InputError
        For another `kind`, or no members.

    See Also
    --------
    RegressionMembersAdapter : The same of regressors.
    MemberStatistics : Has the formulas.

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.uncertainty import MembersAdapter
    >>> logits = np.array([[[2.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [0.0, 1.0]]])
    >>> model = MembersAdapter(logits, kind="logit", classes=["cat", "dog"])
    >>> model.predict(None)
    array(['cat', 'dog'], dtype='<U3')
    >>> model.decompose(None).epistemic.round(3)
    array([0.328, 0.   ])
    >>> model.predict_proba([1]).round(3)
    array([[0.269, 0.731]])
    """

    def __init__(
        self,
        members: Array | Callable[[Any], Any],
        *,
        kind: str = "proba",
        classes: Any = None,
    ) -> None:
        check_option("kind", kind, ("proba", "logit"))
        self.members = _stored(members)
        self.kind = kind
        self.classes = classes

    @property
    def classes_(self) -> np.ndarray:
        """The label of each column of `predict_proba`."""
        if self.classes is not None:
            return to_numpy(self.classes)
        if callable(self.members):
            raise InputError(
                "the classes of a function of X are not known: pass classes=."
            )
        shape = check_scores(self.members[0], "members").shape
        return np.arange(2 if len(shape) == 1 else max(2, shape[1]))

    def iter_members(self, X: Any) -> Iterator[Array]:
        """Yield the probabilities of one member after the other.

        Parameters
        ----------
        X : None, array-like of int of shape (n,), or what the function takes
            Which samples.

        Yields
        ------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        for scores in _members_at(self.members, X):
            yield proba_of_logits(scores) if self.kind == "logit" else scores


class RegressionMembersAdapter(RegressorMembersMixin):
    """A regressor made of predictions of members, stored or computed on demand.

    Parameters
    ----------
    members : array-like of shape (n_members, n_samples, *outputs) or callable
        Stored predictions, for which the `X` of every method is None, for all samples,
        or the numbers of some, of shape (n,).  Or a function of `X` that returns such
        an array, or an iterator over members.
    variances : array-like of the same shape or callable, default=None
        The variances that the members state, in the unit of the target squared.
    noise_variance : float, default=0.0
        Variance of the target that no member states.

    Raises
    ------
    skuq.exceptions.InputError
        If there are no members.

    See Also
    --------
    MembersAdapter : The same of classifiers.
    RegressionStatistics : Has the formulas.

    Examples
    --------
    >>> from skuq.uncertainty import RegressionMembersAdapter
    >>> means, variances = [[1.0, 5.0], [3.0, 5.0]], [[3.0, 2.0], [3.0, 2.0]]
    >>> model = RegressionMembersAdapter(means, variances)
    >>> model.predict(None, return_std=True)
    (array([2., 5.]), array([2.        , 1.41421356]))
    """

    def __init__(
        self,
        members: Array | Callable[[Any], Any],
        variances: Any = None,
        *,
        noise_variance: float = 0.0,
    ) -> None:
        self.members = _stored(members)
        self.variances = None if variances is None else _stored(variances)
        self.noise_variance_ = noise_variance

    def iter_members(self, X: Any) -> Iterator[Array | tuple[Array, Array]]:
        """Yield the predictions of one member after the other.

        Parameters
        ----------
        X : None, array-like of int of shape (n,), or what the function takes
            Which samples.

        Yields
        ------
        mean : array of shape (n_samples, *outputs), or a tuple of two
            Predictions; or predictions and the variances that the member states.
        """
        means = _members_at(self.members, X)
        if self.variances is None:
            yield from means
        else:
            yield from zip(means, _members_at(self.variances, X), strict=True)


def _stored(members: Any) -> Any:
    """A function as it is, or the members as a list of arrays."""
    if callable(members):
        return members
    members = list(each_member(members))
    if not members:
        raise InputError("there are no members: pass at least one.")
    return members


def _members_at(members: Any, X: Any) -> Iterator[Array]:
    """The members of a function at `X`, or the samples numbered `X` of stored ones."""
    if callable(members):
        return each_member(members(X))
    return each_member(members) if X is None else _rows(members, X)


def _rows(members: list[Array], X: Any) -> Iterator[Array]:
    for member in members:
        rows = to_library_of(as_array(X), member)
        xp = array_namespace(member)
        if rows.ndim != 1 or not xp.isdtype(rows.dtype, "integral"):
            raise InputError(
                "members are stored, so X must be None, for all samples, or integers "
                f"of shape (n,); got shape {tuple(rows.shape)}, dtype {rows.dtype}."
            )
        yield xp.take(member, rows, axis=0)
