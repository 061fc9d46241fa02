"""What every estimator with members can do: one vocabulary, from one method.

A subclass writes `iter_members` and has `classes_`, if it is a classifier.  Reductions
over members stream through `MemberStatistics`, so that memory does not grow with their
number.  An estimator that works through batches of samples overrides `_statistics`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from skuq._core._arrays import Array, array_namespace, as_array
from skuq._core._labels import decode_labels
from skuq.exceptions import InputError
from skuq.uncertainty._decomposition import Decomposition
from skuq.uncertainty._regression import RegressionStatistics
from skuq.uncertainty._statistics import MemberStatistics


class ClassifierMembersMixin(ABC):
    """The predictions and uncertainties of a classifier that is many.

    A subclass writes `iter_members` and has an attribute `classes_`.

    See Also
    --------
    RegressorMembersMixin : The same of regressors.
    MembersAdapter : Gives this to predictions that exist already.

    Notes
    -----
    Every method looks at each member once and needs the memory of a few predictions,
    `predict_members` aside.

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.uncertainty import ClassifierMembersMixin
    >>> class Coins(ClassifierMembersMixin):
    ...     classes_ = np.array(["head", "tail"])
    ...     def iter_members(self, X):
    ...         for p in (0.2, 0.6):
    ...             yield np.tile([p, 1 - p], (len(X), 1))
    >>> Coins().predict_proba([1])
    array([[0.4, 0.6]])
    >>> Coins().predict([1])
    array(['tail'], dtype='<U4')
    """

    classes_: Any

    @abstractmethod
    def iter_members(self, X: Any) -> Iterator[Array]:
        """Yield the probabilities of one member after the other.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Yields
        ------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """

    def _statistics(self, X: Any) -> MemberStatistics:
        """The statistics of all members; may be overridden by something faster."""
        statistics = MemberStatistics()
        for y_proba in self.iter_members(X):
            statistics.update(y_proba)
        return statistics

    def predict_proba(self, X: Any) -> Array:
        """Mean of the members' probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        return self._statistics(X).mean_proba()

    def predict(self, X: Any) -> Array:
        """The class with the largest mean probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        labels : array of shape (n_samples, *spatial)
            Entries of `classes_`; the first one on ties.  A tensor where the members
            give tensors and the classes are numbers, else a numpy array.
        """
        y_proba = self.predict_proba(X)
        codes = array_namespace(y_proba).argmax(y_proba, axis=1)
        return decode_labels(codes, self.classes_, like=y_proba)

    def predict_members(self, X: Any) -> Array:
        """The probabilities of all members, which take their memory together.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        members : array of shape (n_members, n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 2.
        """
        return _stacked([as_array(member) for member in self.iter_members(X)])

    def predict_uncertainty(
        self, X: Any, *, kind: str = "total", measure: str = "entropy"
    ) -> Array:
        """How unsure the prediction is, and why.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.
        kind : {"total", "aleatoric", "epistemic"}, default="total"
            Of the mean prediction; what the members agree cannot be known; or their
            disagreement.
        measure : {"entropy", "variance", "max_probability", "margin", \
                "variation_ratio"}, default="entropy"
            How it is measured; "max_probability" and "margin" have only the kind
            "total", and "variation_ratio" only "epistemic".

        Returns
        -------
        uncertainty : array of shape (n_samples, *spatial)
            Higher is less sure; the formulas are in `MemberStatistics`.

        Raises
        ------
        skuq.exceptions.InputError
            For a measure that has no such kind.
        """
        MemberStatistics.check(kind, measure)
        return self._statistics(X).uncertainty(kind, measure)

    def decompose(self, X: Any, *, measure: str = "entropy") -> Decomposition:
        """The total uncertainty and its two parts, in one pass over the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.
        measure : {"entropy", "variance"}, default="entropy"
            How they are measured.

        Returns
        -------
        parts : Decomposition
            ``total = aleatoric + epistemic``.
        """
        MemberStatistics.check("aleatoric", measure)
        return self._statistics(X).decompose(measure)


class RegressorMembersMixin(ABC):
    """The predictions and uncertainties of a regressor that is many.

    A subclass writes `iter_members`.

    Attributes
    ----------
    noise_variance_ : float
        Variance of the target that no member states, such as ``1 / tau`` of MC
        dropout; 0 unless a subclass sets it.

    See Also
    --------
    ClassifierMembersMixin : The same of classifiers.
    RegressionStatistics : Has the formulas.

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.uncertainty import RegressorMembersMixin
    >>> class Slopes(RegressorMembersMixin):
    ...     def iter_members(self, X):
    ...         for slope in (1.0, 3.0):
    ...             yield slope * np.asarray(X)
    >>> Slopes().predict([1.0, 2.0], return_std=True)
    (array([2., 4.]), array([1., 2.]))
    """

    noise_variance_: float = 0.0

    @abstractmethod
    def iter_members(self, X: Any) -> Iterator[Array | tuple[Array, Array]]:
        """Yield the predictions of one member after the other.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Yields
        ------
        mean : array of shape (n_samples, *outputs), or a tuple of two
            Predictions; or predictions and the variances that the member states.
        """

    def _statistics(self, X: Any) -> RegressionStatistics:
        """The statistics of all members; may be overridden by something faster."""
        statistics = RegressionStatistics(noise_variance=self.noise_variance_)
        for member in self.iter_members(X):
            statistics.update(*_mean_and_variance(member))
        return statistics

    def predict(self, X: Any, return_std: bool = False) -> Array | tuple[Array, Array]:
        """Mean of the members' predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.
        return_std : bool, default=False
            Also return the standard deviation of the mixture of the members, in which
            both kinds of uncertainty are.

        Returns
        -------
        mean : array of shape (n_samples, *outputs)
            In the unit of the target.
        std : array of shape (n_samples, *outputs)
            The same; only with ``return_std=True``.
        """
        statistics = self._statistics(X)
        mean = statistics.mean()
        return (mean, statistics.std()) if return_std else mean

    def predict_members(self, X: Any) -> Array | tuple[Array, Array]:
        """The predictions of all members, which take their memory together.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        mean : array of shape (n_members, n_samples, *outputs)
            In the unit of the target.
        variance : array of shape (n_members, n_samples, *outputs)
            Only where the members state variances.
        """
        pairs = [_mean_and_variance(member) for member in self.iter_members(X)]
        means = _stacked([as_array(pair[0]) for pair in pairs])
        if any(len(pair) == 1 for pair in pairs):
            return means
        return means, _stacked([as_array(pair[1]) for pair in pairs])

    def predict_uncertainty(
        self, X: Any, *, kind: str = "total", measure: str = "variance"
    ) -> Array:
        """How unsure the prediction is, and why.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.
        kind : {"total", "aleatoric", "epistemic"}, default="total"
            Of the mixture of the members, within them, or between their means.
        measure : {"variance", "std"}, default="variance"
            In the unit of the target squared, or its square root.

        Returns
        -------
        uncertainty : array of shape (n_samples, *outputs)
            Higher is less sure.

        Raises
        ------
        skuq.exceptions.InputError
            For another kind or measure.
        """
        RegressionStatistics.check(kind, measure)
        return self._statistics(X).uncertainty(kind, measure)

    def decompose(self, X: Any) -> Decomposition:
        """The total variance and its two parts, in one pass over the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        parts : Decomposition
            ``total = aleatoric + epistemic``, in the unit of the target squared.
        """
        return self._statistics(X).decompose()


def _mean_and_variance(member: Any) -> tuple[Any, ...]:
    """One member as ``(mean,)`` or ``(mean, variance)``."""
    return member if isinstance(member, tuple) else (member,)


def _stacked(members: list[Array]) -> Array:
    if not members:
        raise InputError("there are no members: iter_members yielded nothing.")
    return array_namespace(members[0]).stack(members)
