"""Fits that see each batch once and keep a state of fixed size."""

from abc import abstractmethod

from sklearn.utils.metaestimators import available_if

from skuq._core._blocks import ScoreTable
from skuq._core._checks import resolve_kind
from skuq._core._labels import check_classes
from skuq.base import BaseCalibrator
from skuq.calibration._affine_scaler import total_weight
from skuq.exceptions import InputError, NoSamplesError


def _keeps_a_fixed_state(calibrator):
    return calibrator._can_stream()


class PartialFitMixin(BaseCalibrator):
    """`partial_fit` for calibrators with a state of fixed size.

    No part of `BaseCalibrator`, since most methods have no such state.
    """

    @abstractmethod
    def _partial_fit(self, stream, table, kind):
        """Learn from one more labelled table and return the new state.

        `stream` is the state so far, None at first.
        """

    def _can_stream(self):
        """Whether the parameters allow it."""
        return True

    @available_if(_keeps_a_fixed_state)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Take in one batch of a stream; each sample is seen once.

        The notes of the class say what results.  A call after `fit` starts anew.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
            Scores of held-out samples, as in `fit`.
        y : array-like of shape (n_samples, *spatial)
            True labels.
        classes : array-like of shape (n_classes,), default=None
            The label of each score column, for the first call.  None takes the
            parameter `classes`, or learns them from the first `y`.
        sample_weight : array-like of shape (n_samples,) or (n_samples, *spatial), \
                default=None
            Weights, at least 0; a weight of 2 equals a repeated sample.

        Returns
        -------
        self : object
            The calibrator, fitted to all batches so far.  A batch in which no position
            counts changes nothing.

        Raises
        ------
        skuq.exceptions.InputError
            A ``ValueError``: for whatever `fit` refuses, and for scores of another
            kind, with other columns or of other classes than in the first call.
        """
        scores, y = self._labelled(X, y)
        bare = ScoreTable(scores)
        before = getattr(self, "_stream", None)
        if before is None:
            known = self._first_classes(classes, y, bare.n_columns)
            kind = resolve_kind(bare, self.input)
        else:
            self._table(X)  # checks kind and columns
            known, kind = self.classes_, self.input_
            self._check_same(classes)
        try:
            table = self._encoded(scores, y, sample_weight, known)
        except NoSamplesError:
            return self
        if total_weight(table) == 0:
            return self
        stream = self._partial_fit(before, table, kind)
        if before is None:
            self._remember(known, kind, bare.n_columns)
        self._stream = stream
        self.n_samples_seen_ = getattr(self, "n_samples_seen_", 0) + table.n_samples
        return self

    def _first_classes(self, classes, y, n_columns):
        if classes is None:
            return self._classes_of(y, n_columns)
        return check_classes(classes, max(2, n_columns))

    def _check_same(self, classes):
        if classes is None:
            return
        classes = check_classes(classes, len(self.classes_))
        if (classes != self.classes_).any():
            raise InputError(
                f"classes are {list(classes)}, but the first call had "
                f"{list(self.classes_)}: pass the same ones, or None."
            )

    def _remember(self, classes, kind, n_columns):
        """What `fit` sets, too; the stream before it is over."""
        self._stream = None
        if hasattr(self, "n_samples_seen_"):
            del self.n_samples_seen_
        return super()._remember(classes, kind, n_columns)
