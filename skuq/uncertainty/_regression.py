"""All measures of a regressor's members in one pass, one member at a time."""

from collections.abc import Sequence
from itertools import product
from math import inf
from typing import Any, Self

from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    as_array,
    empty_like_shape,
    host_view,
    to_library_of,
    to_real_floating,
)
from skuq.exceptions import InputError, StateMismatchError
from skuq.uncertainty._decomposition import (
    KINDS,
    PARTS,
    Decomposition,
    check_pair,
    summed,
)
from skuq.uncertainty._moments import (
    Layout,
    Moments,
    Movable,
    check_member_shape,
    check_same_samples,
    joined,
    same_number,
    unstacked,
    zeros,
)


class RegressionStatistics(Movable):
    """Mean and variances of a regressor's members, which come one at a time.

    Parameters
    ----------
    noise_variance : float, default=0.0
        Variance of the target that no member states, in its unit squared: ``1 / tau``
        of MC dropout.  It counts as aleatoric.

    Attributes
    ----------
    n_members : int
        Number of members so far.

    See Also
    --------
    MemberStatistics : The same of classifiers.

    Notes
    -----
    Of members that state means ``m_t`` and, if they can, variances ``v_t``::

        total = aleatoric + epistemic
        aleatoric = mean_t v_t + noise_variance
        epistemic = var_t m_t = mean_t (m_t - mean m)^2        (ddof=0)

    These are the mean and the variance of the mixture of the members [1]_, whatever
    their form; of a Gaussian with these moments, ``std`` is the standard deviation.
    The state holds three float64 numbers for each value, on the device of the members;
    deviations are summed by Welford's method.  Results are rounded once, to the
    floating dtype of the members.  ``a + b`` holds the members of both; `concatenate`
    holds the samples of several batches.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable
       Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017.
       https://arxiv.org/abs/1612.01474

    Examples
    --------
    >>> from skuq.uncertainty import RegressionStatistics
    >>> members = RegressionStatistics().update([1.0, 5.0], [0.5, 1.0])
    >>> members = members.update([3.0, 5.0], [0.5, 2.0])
    >>> members.mean()
    array([2., 5.])
    >>> members.decompose()  # doctest: +NORMALIZE_WHITESPACE
    Decomposition(total=array([1.5, 1.5]), aleatoric=array([0.5, 1.5]),
                  epistemic=array([1., 0.]))
    """

    ARRAYS = ("_variances",)

    def __init__(self, *, noise_variance: float = 0.0) -> None:
        if not 0 <= noise_variance < inf:
            raise InputError(
                f"noise_variance must be finite and at least 0, got {noise_variance!r}."
            )
        self.noise_variance = float(noise_variance)
        self.n_members = 0
        self._layout: Layout
        self._moments: Moments
        self._variances: Array | None = None  # summed over members

    def update(self, mean: Any, variance: Any = None, *, stacked: bool = False) -> Self:
        """Take in a member, or several.

        Parameters
        ----------
        mean : array-like of shape (n_samples, *outputs)
            Its predictions for all samples, in the unit of the target.
        variance : array-like of the same shape, default=None
            The variances it states, at least 0, in the unit of the target squared: all
            members state them, or none does.
        stacked : bool, default=False
            There are several members, along one more axis, which comes first.

        Returns
        -------
        self : RegressionStatistics
            This object.

        Raises
        ------
        skuq.exceptions.InputError
            For values that are not finite, negative variances, or another shape than
            the members before; nothing is taken in then.
        """
        values = _values(mean, "mean")
        spread = None if variance is None else _values(variance, "variance", low=0)
        shape = unstacked(values, "mean")[0].shape if stacked else values.shape
        self._check_member(values, spread, tuple(shape))
        if not self.n_members:
            like = empty_like_shape(to_real_floating(as_array(mean)), (0,))
            self._layout = Layout(tuple(shape), like)
            size = (self._layout.n_positions,)
            self._moments = Moments.empty(size, values)
            self._variances = None if spread is None else zeros(size, values)
        xp = array_namespace(values)
        split = (-1, self._layout.n_positions)
        values = xp.reshape(xp.astype(values, accumulator_dtype(values)), split)
        self._moments.add(values, self.n_members)
        if spread is not None and self._variances is not None:
            spread = xp.reshape(to_library_of(spread, values), split)
            self._variances += xp.sum(spread, axis=0, dtype=self._variances.dtype)
        self.n_members += values.shape[0]
        return self

    def _check_member(
        self, mean: Array, variance: Array | None, shape: tuple[int, ...]
    ) -> None:
        if variance is not None and tuple(variance.shape) != tuple(mean.shape):
            raise InputError(
                f"the variance has shape {tuple(variance.shape)}, but the mean has "
                f"{tuple(mean.shape)}: pass one variance for each value."
            )
        if not self.n_members:
            return
        check_member_shape(shape, self._layout.shape)
        if (variance is None) != (self._variances is None):
            raise InputError(
                "some members state a variance and some do not: pass it for all, or "
                "for none."
            )

    def mean(self) -> Array:
        """The mean prediction.

        Returns
        -------
        mean : array of shape (n_samples, *outputs)
            In the unit of the target.
        """
        self._check()
        return self._restored(self._moments.mean)

    def std(self) -> Array:
        """The standard deviation of the mixture of the members.

        Returns
        -------
        std : array of shape (n_samples, *outputs)
            Square root of the total variance, in the unit of the target.
        """
        total = self._part("total")
        return self._restored(array_namespace(total).sqrt(total))

    def standard_error(self) -> Array:
        """Standard error of the mean prediction, if the members are random draws.

        Returns
        -------
        error : array of shape (n_samples, *outputs)
            ``sqrt(var_t m_t / T)`` with ``ddof=1``; infinite for a single member.
        """
        self._check()
        squares, n = self._moments.squares, self.n_members
        xp = array_namespace(squares)
        if n == 1:
            return self._restored(xp.full_like(squares, inf))
        return self._restored(xp.sqrt(squares / (n * (n - 1))))

    def uncertainty(self, kind: str = "total", measure: str = "variance") -> Array:
        """The variance of the mixture of the members, or one of its two parts.

        Parameters
        ----------
        kind : {"total", "aleatoric", "epistemic"}, default="total"
            Of the mixture, within the members, or between their means.
        measure : {"variance", "std"}, default="variance"
            In the unit of the target squared, or its square root.  Variances add up,
            standard deviations do not.

        Returns
        -------
        uncertainty : array of shape (n_samples, *outputs)
            Higher is less sure.

        Raises
        ------
        skuq.exceptions.InputError
            For another kind or measure.
        """
        self.check(kind, measure)
        part = self._part(kind)
        root = measure == "std"
        return self._restored(array_namespace(part).sqrt(part) if root else part)

    def decompose(self) -> Decomposition:
        """The total variance and its two parts.

        Returns
        -------
        parts : Decomposition
            ``total = aleatoric + epistemic``, in the unit of the target squared;
            exactly, in the precision of the members.
        """
        return summed(self.uncertainty(kind) for kind in PARTS)

    @classmethod
    def check(cls, kind: str, measure: str) -> None:
        """Refuse what `uncertainty` does not offer, before any member is computed.

        Parameters
        ----------
        kind : str
            Of the mixture, within the members, or between their means.
        measure : str
            A variance or its square root.

        Raises
        ------
        skuq.exceptions.InputError
            For another kind or measure.
        """
        check_pair(kind, measure, tuple(product(("variance", "std"), KINDS)))

    def _part(self, kind: str) -> Array:
        self._check()
        epistemic = self._moments.squares / self.n_members
        if kind == "epistemic":
            return epistemic
        aleatoric = array_namespace(epistemic).zeros_like(epistemic)
        if self._variances is not None:
            aleatoric += self._variances / self.n_members
        aleatoric += self.noise_variance
        return aleatoric if kind == "aleatoric" else aleatoric + epistemic

    def __add__(self, other: Self) -> "RegressionStatistics":
        """The statistics of the members of both, for the same samples."""
        if not isinstance(other, RegressionStatistics):
            return NotImplemented
        _check_same_noise([self, other])
        if not (self.n_members and other.n_members):
            return self._copy() if self.n_members else other._copy()
        check_same_samples(self._layout.shape, other._layout.shape)
        _check_same_statements([self, other])
        out = RegressionStatistics(noise_variance=self.noise_variance)
        out.n_members = self.n_members + other.n_members
        out._layout = self._layout
        out._moments = self._moments.merged(
            self.n_members, other._moments, other.n_members
        )
        if self._variances is not None:
            out._variances = self._variances + to_library_of(
                other._variances, self._variances
            )
        return out

    @classmethod
    def concatenate(
        cls, parts: Sequence["RegressionStatistics"]
    ) -> "RegressionStatistics":
        """The statistics of all samples, from those of batches of samples.

        Parameters
        ----------
        parts : sequence of RegressionStatistics
            Of the same members, one for each batch, in order.

        Returns
        -------
        statistics : RegressionStatistics
            As if every member had come with all samples at once.

        Raises
        ------
        skuq.exceptions.StateMismatchError
            For batches with different numbers of members or shapes of a sample.
        """
        n_members = same_number(parts)
        _check_same_noise(parts)
        _check_same_statements(parts)
        out = cls(noise_variance=parts[0].noise_variance)
        out.n_members = n_members
        out._check()
        others = [part._layout for part in parts[1:]]
        out._layout = parts[0]._layout.beside(others)
        out._moments = Moments(
            joined([part._moments.mean for part in parts]),
            joined([part._moments.squares for part in parts]),
        )
        if parts[0]._variances is not None:
            out._variances = joined([part._variances for part in parts])
        return out


def _values(x: Any, name: str, low: float = -inf) -> Array:
    """Finite values, at least `low`."""
    values = host_view(to_real_floating(as_array(x), name))
    if values.ndim == 0 or 0 in values.shape:
        raise InputError(
            f"{name} of shape {tuple(values.shape)} holds no samples: pass an array of "
            "shape (n_samples, *outputs)."
        )
    xp = array_namespace(values)
    least, most = float(xp.min(values)), float(xp.max(values))
    if not (low <= least and -inf < least and most < inf):
        expected = "finite" if low == -inf else f"finite and at least {low:g}"
        raise InputError(f"{name} runs from {least:g} to {most:g}: must be {expected}.")
    return values


def _check_same_noise(parts: Sequence[RegressionStatistics]) -> None:
    found = sorted({part.noise_variance for part in parts})
    if len(found) > 1:
        raise StateMismatchError(
            f"cannot add statistics with different noise_variance: {found}."
        )


def _check_same_statements(parts: Sequence[RegressionStatistics]) -> None:
    if len({part._variances is None for part in parts}) > 1:
        raise StateMismatchError(
            "cannot add statistics of members that state a variance and of members "
            "that do not."
        )
