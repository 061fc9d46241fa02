"""All measures of a classifier's members in one pass, one member at a time."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from skuq._core._arrays import (
    Array,
    accumulator_dtype,
    array_namespace,
    as_array,
    clip,
    device,
    empty_like_shape,
    to_library_of,
    to_real_floating,
)
from skuq._core._blocks import HOST_BLOCK, LEAST, ScoreTable
from skuq._core._checks import check_scores
from skuq.uncertainty._decomposition import PARTS, Decomposition, check_pair, summed
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
from skuq.uncertainty._probabilities import (
    margin_of_block,
    max_probability_of_block,
    nats_of_block,
    votes_of_block,
)
from skuq.uncertainty._walk import proba_of


class MemberStatistics(Movable):
    """Uncertainties of a classifier's members, which come one at a time.

    A member is one network of an ensemble, or one draw of a Bayesian network.  Each is
    looked at once and may be forgotten; the state has the size of a few predictions,
    whatever the number of members.

    Attributes
    ----------
    n_members : int
        Number of members so far.

    See Also
    --------
    RegressionStatistics : The same of regressors.
    mutual_information : One measure, of members that are held in memory.

    Notes
    -----
    With the mean probability ``m = mean_t p_t``, entropy ``H`` and majority vote ``v``:

    ==================  ==========================  ============  ==================
    measure             total                       aleatoric     epistemic
    ==================  ==========================  ============  ==================
    "entropy"           H(m)                        mean H(p_t)   total - aleatoric
    "variance"          1 - sum_k m_k^2             the rest      sum_k var_t p_tk
    "max_probability"   1 - max_k m_k               -             -
    "margin"            1 - (largest - second m)    -             -
    "variation_ratio"   -                           -             1 - votes for v / T
    ==================  ==========================  ============  ==================

    "variance" is that of the one-hot label, summed over classes; variances divide by T
    (``ddof=0``), so that the parts add up.  Votes go to the first class on ties.

    The state holds 2 K + 1 float64 numbers and K counts per sample or pixel, of K
    classes, on the device of the members; deviations are summed by Welford's method.
    Results are rounded once, to the floating dtype of the members.  ``a + b`` holds the
    members of both; `concatenate` holds the samples of several batches.  The jackknife
    of `mutual_information` needs all members at once, and does not stream.

    Examples
    --------
    >>> from skuq.uncertainty import MemberStatistics
    >>> members = MemberStatistics()
    >>> for p in [[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]]:
    ...     members = members.update(p)
    >>> members.mean_proba()
    array([[0.5, 0.5],
           [0.5, 0.5]])
    >>> members.mutual_information().round(3)
    array([0.368, 0.   ])
    """

    ARRAYS = ("_nats", "_votes")
    # (measure, kind) -> the method that gives it.
    METHODS: ClassVar[dict[tuple[str, str], str]] = {
        ("entropy", "total"): "predictive_entropy",
        ("entropy", "aleatoric"): "expected_entropy",
        ("entropy", "epistemic"): "mutual_information",
        ("variance", "total"): "_total_variance",
        ("variance", "aleatoric"): "_expected_variance",
        ("variance", "epistemic"): "_summed_variance",
        ("max_probability", "total"): "_max_probability",
        ("margin", "total"): "_margin",
        ("variation_ratio", "epistemic"): "variation_ratio",
    }

    def __init__(self) -> None:
        self.n_members = 0
        self._layout: Layout
        self._moments: Moments
        self._nats: Array  # (n_positions,), summed over members
        self._votes: Array  # (n_classes, n_positions)

    def update(self, y_proba: Any, *, stacked: bool = False) -> Self:
        """Take in a member, or several.

        Parameters
        ----------
        y_proba : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
            Its probabilities for all samples, in [0, 1].
        stacked : bool, default=False
            There are several members, along one more axis, which comes first.

        Returns
        -------
        self : MemberStatistics
            This object.

        Raises
        ------
        skuq.exceptions.InputError
            For what is no probability, or has another shape than the members before;
            nothing is taken in then.
        """
        p = check_scores(y_proba, "y_proba")
        members = [ScoreTable(x) for x in (unstacked(p, "y_proba") if stacked else [p])]
        first = members[0]
        shape = (first.n_samples, first.n_classes, *first.scores.shape[2:])
        if self.n_members:
            check_member_shape(shape, self._shape)
        size = max(HOST_BLOCK // len(members), LEAST * first.n_columns)
        windows = list(first.windows(size))
        for window in reversed(windows):  # all are checked before one is taken in
            p = proba_of(window, *members)
        if not self.n_members:
            self._start(first, y_proba)
        for i, window in enumerate(windows):
            p = proba_of(window, *members) if i else p
            self._add(p, self._layout.columns(window), len(members))
        self.n_members += len(members)
        return self

    def _start(self, table: ScoreTable, y_proba: Any) -> None:
        like = to_real_floating(as_array(y_proba))
        shape = (table.n_samples, *table.scores.shape[2:])
        self._layout = Layout(shape, empty_like_shape(like, (0,)))
        size = (table.n_classes, self._layout.n_positions)
        xp = array_namespace(table.scores)
        self._moments = Moments.empty(size, table.scores)
        self._nats = zeros(size[1:], table.scores)
        self._votes = xp.zeros(size, dtype=xp.int32, device=device(table.scores))

    def _add(self, p: Array, columns: slice, n_new: int) -> None:
        """Take in probabilities `(n_classes, n_new * m)` of so many new members."""
        xp = array_namespace(p)
        p = clip(xp.astype(p, accumulator_dtype(p)), 0.0, 1.0)
        split = (n_new, columns.stop - columns.start)
        self._moments.add(xp.reshape(p, (-1, *split)), self.n_members, columns)
        nats = self._nats[columns]  # views
        nats += xp.sum(xp.reshape(nats_of_block(p), split), axis=0)
        votes = self._votes[:, columns]
        new = xp.reshape(xp.astype(votes_of_block(p), votes.dtype), (-1, *split))
        votes += xp.sum(new, axis=1, dtype=votes.dtype)

    def mean_proba(self) -> Array:
        """The mean probability, the prediction of all members together.

        Returns
        -------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        return self._restored(self._mean)

    def standard_error(self) -> Array:
        """Standard error of the mean probability, if the members are random draws.

        Returns
        -------
        error : array of shape (n_samples, n_classes, *spatial)
            ``sqrt(var_t p / T)`` with ``ddof=1``; infinite for a single member.
        """
        xp = array_namespace(self._mean)
        n = self.n_members
        if n == 1:
            return self._restored(xp.full_like(self._mean, float("inf")))
        return self._restored(xp.sqrt(self._moments.squares / (n * (n - 1))))

    def predictive_entropy(self) -> Array:
        """Entropy of the mean probability: the total uncertainty.

        Returns
        -------
        uncertainty : array of shape (n_samples, *spatial)
            In nats, in [0, log K].
        """
        return self._restored(nats_of_block(self._mean))

    def expected_entropy(self) -> Array:
        """Mean entropy of the members: the aleatoric uncertainty.

        Returns
        -------
        uncertainty : array of shape (n_samples, *spatial)
            In nats, in [0, log K].
        """
        self._check()
        return self._restored(self._nats / self.n_members)

    def mutual_information(self) -> Array:
        """Predictive less expected entropy: the epistemic uncertainty.

        Returns
        -------
        uncertainty : array of shape (n_samples, *spatial)
            In nats, in [0, log K]; negative rounding errors are set to 0.
        """
        nats = nats_of_block(self._mean) - self._nats / self.n_members
        return self._restored(clip(nats, 0.0, float("inf")))

    def disagreement(self) -> Array:
        """Mean divergence of the members from their mean, another name for the same.

        Returns
        -------
        uncertainty : array of shape (n_samples, *spatial)
            ``mean_t KL(p_t || m)``, which equals `mutual_information`.
        """
        return self.mutual_information()

    def variation_ratio(self) -> Array:
        """Share of the members that do not vote for the class with most votes.

        Returns
        -------
        uncertainty : array of shape (n_samples, *spatial)
            In [0, 1 - 1/K].
        """
        self._check()
        xp = array_namespace(self._mean)
        most = xp.astype(xp.max(self._votes, axis=0), self._nats.dtype)
        return self._restored(1 - most / self.n_members)

    def variance(self) -> Array:
        """Variance of the members' probabilities, class by class.

        Returns
        -------
        variance : array of shape (n_samples, n_classes, *spatial)
            With ``ddof=0``; in [0, 1/4].
        """
        self._check()
        return self._restored(self._moments.squares / self.n_members)

    def uncertainty(self, kind: str = "total", measure: str = "entropy") -> Array:
        """One of the uncertainties in the table of this class.

        Parameters
        ----------
        kind : {"total", "aleatoric", "epistemic"}, default="total"
            Of the mean prediction, or which of its two parts.
        measure : {"entropy", "variance", "max_probability", "margin", \
                "variation_ratio"}, default="entropy"
            How it is measured; "max_probability" and "margin" have only the kind
            "total", and "variation_ratio" only "epistemic".

        Returns
        -------
        uncertainty : array of shape (n_samples, *spatial)
            Higher is less sure.

        Raises
        ------
        skuq.exceptions.InputError
            For a measure that has no such kind.
        """
        self.check(kind, measure)
        return getattr(self, self.METHODS[measure, kind])()

    def decompose(self, measure: str = "entropy") -> Decomposition:
        """The total uncertainty and its two parts.

        Parameters
        ----------
        measure : {"entropy", "variance"}, default="entropy"
            How they are measured.

        Returns
        -------
        parts : Decomposition
            ``total = aleatoric + epistemic``, exactly, in the precision of the members.
        """
        return summed(self.uncertainty(kind, measure) for kind in PARTS)

    @classmethod
    def check(cls, kind: str, measure: str) -> None:
        """Refuse what `uncertainty` does not offer, before any member is computed.

        Parameters
        ----------
        kind : str
            Of the mean prediction, or which of its two parts.
        measure : str
            How it is measured.

        Raises
        ------
        skuq.exceptions.InputError
            For a measure that has no such kind.
        """
        check_pair(kind, measure, tuple(cls.METHODS))

    def _total_variance(self) -> Array:
        mean = self._mean
        return self._restored(array_namespace(mean).sum(mean * (1 - mean), axis=0))

    def _expected_variance(self) -> Array:
        xp, mean = array_namespace(self._mean), self._mean
        rest = mean * (1 - mean) - self._moments.squares / self.n_members
        return self._restored(clip(xp.sum(rest, axis=0), 0.0, 1.0))

    def _summed_variance(self) -> Array:
        xp = array_namespace(self._mean)
        return self._restored(xp.sum(self._moments.squares, axis=0) / self.n_members)

    def _max_probability(self) -> Array:
        return self._restored(max_probability_of_block(self._mean))

    def _margin(self) -> Array:
        return self._restored(margin_of_block(self._mean))

    @property
    def _mean(self) -> Array:
        self._check()
        return self._moments.mean

    @property
    def _shape(self) -> tuple[int, ...]:
        n_samples, *spatial = self._layout.shape
        return (n_samples, int(self._moments.mean.shape[0]), *spatial)

    def __add__(self, other: Self) -> "MemberStatistics":
        """The statistics of the members of both, for the same samples."""
        if not isinstance(other, MemberStatistics):
            return NotImplemented
        if not (self.n_members and other.n_members):
            return self._copy() if self.n_members else other._copy()
        check_same_samples(self._shape, other._shape)
        out = MemberStatistics()
        out.n_members = self.n_members + other.n_members
        out._layout = self._layout
        out._moments = self._moments.merged(
            self.n_members, other._moments, other.n_members
        )
        out._nats = self._nats + to_library_of(other._nats, self._nats)
        out._votes = self._votes + to_library_of(other._votes, self._votes)
        return out

    @classmethod
    def concatenate(cls, parts: Sequence["MemberStatistics"]) -> "MemberStatistics":
        """The statistics of all samples, from those of batches of samples.

        Parameters
        ----------
        parts : sequence of MemberStatistics
            Of the same members, one for each batch, in order.

        Returns
        -------
        statistics : MemberStatistics
            As if every member had come with all samples at once.

        Raises
        ------
        skuq.exceptions.StateMismatchError
            For batches with different numbers of members or shapes of a sample.
        """
        out = cls()
        out.n_members = same_number(parts)
        out._check()
        first = parts[0]
        out._layout = first._layout.beside([part._layout for part in parts[1:]])
        out._moments = Moments(
            joined([part._moments.mean for part in parts]),
            joined([part._moments.squares for part in parts]),
        )
        out._nats = joined([part._nats for part in parts])
        out._votes = joined([part._votes for part in parts])
        return out
