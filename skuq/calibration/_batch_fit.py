"""Fits that read their data batch by batch, pass after pass."""

from contextlib import suppress

import numpy as np

from skuq._core._batches import (
    Batch,
    BatchedTable,
    Sample,
    array_size,
    reader_of,
    unpack,
)
from skuq._core._blocks import ScoreTable
from skuq._core._checks import check_weight, extent, kind_within
from skuq._core._labels import distinct_labels
from skuq.base import BaseCalibrator
from skuq.exceptions import InputError, NoSamplesError

SAMPLED = 2**13  # positions, at most, of the rough fit that starts the full one


class BatchFitMixin(BaseCalibrator):
    """`fit_batches` for calibrators whose solver walks over the blocks of a source.

    No part of `BaseCalibrator`, since other calibrators hold or sort all scores.
    """

    def fit_batches(self, batches):
        """Fit to more data than fit into memory, batch by batch in several passes.

        The result is that of `fit` on all batches together, within the tolerance of
        the search.

        Parameters
        ----------
        batches : iterable or callable
            Gives tuples ``(X, y)`` or ``(X, y, sample_weight)`` as `fit` takes them,
            and the same ones in every pass, in any order: a list, a
            ``torch.utils.data.DataLoader``, any object whose ``__iter__`` starts anew,
            or a function without arguments that returns a new iterator.

        Returns
        -------
        self : object
            The fitted calibrator.

        Raises
        ------
        skuq.exceptions.InputError
            A ``ValueError``: for an iterator that can be read only once, batches that
            change their number of samples between passes or their number of columns,
            and whatever `fit` refuses.

        See Also
        --------
        fit : On arrays in memory.

        Notes
        -----
        The first pass checks the scores, tells logits from probabilities and learns
        the classes, over all batches: one of them may miss a class.  Memory is that of
        one batch, of a sample of 8192 positions, and of blocks of a few megabytes.
        """
        read = reader_of(batches)
        survey = _Survey.of(map(self._checked, read()))
        classes = self._classes_of(survey.labels(), survey.n_columns)
        kind = kind_within(survey.extent, self.input)
        table = self._batched(lambda: map(self._checked, read()), survey, classes)
        self._fit(table, kind)
        return self._remember(classes, kind, survey.n_columns)

    def _checked(self, batch):
        X, y, weight = unpack(batch)
        scores, y = self._labelled(X, y)
        return Batch(scores, y, weight)

    def _batched(self, read, survey, classes):
        """The source that the solver sees."""

        def tables():
            seen, empty = 0, True
            for batch in read():
                seen += array_size(batch.y)
                try:
                    table = self._encoded(batch.scores, batch.y, batch.weight, classes)
                except NoSamplesError:  # other batches may have some
                    continue
                empty = False
                yield table
            if seen != survey.n_positions:
                raise InputError(
                    f"a pass over batches gave {seen} labels, but the first pass gave "
                    f"{survey.n_positions}: return the same batches in every pass, "
                    "such as from a list or a function that makes a new iterator."
                )
            if empty:
                raise NoSamplesError(
                    "no batch has a sample that counts: all are void or of weight 0."
                )

        some = []
        for batch in survey.sample.batches():
            with suppress(NoSamplesError):
                some.append(self._encoded(batch.scores, batch.y, batch.weight, classes))
        n_columns, n_kept = survey.n_columns, survey.sample.n_kept
        sample = BatchedTable(some.__iter__, n_columns, n_kept) if some else None
        return BatchedTable(tables, n_columns, survey.n_positions, sample)


class _Survey:
    """What the first pass tells: sizes, extent of the scores, labels, and a sample."""

    def __init__(self):
        self.n_columns = self.extent = None
        self.n_positions = 0
        self.sample = Sample(SAMPLED)
        self._labels = []

    @classmethod
    def of(cls, batches):
        """The survey of all batches."""
        survey = cls()
        for batch in batches:
            survey.add(batch)
        if survey.extent is None:
            raise NoSamplesError("batches is empty: pass at least one batch.")
        return survey

    def add(self, batch):
        """Take in one batch."""
        table = ScoreTable(batch.scores)
        if self.n_columns not in (None, table.n_columns):
            raise InputError(
                f"a batch has {table.n_columns} score columns, but the first has "
                f"{self.n_columns}: pass scores of one classifier."
            )
        found = extent(table)
        self.extent = found if self.extent is None else self.extent.joined(found)
        self.n_columns = table.n_columns
        self.n_positions += array_size(batch.y)
        self._labels.append(distinct_labels(batch.y))
        if len(self._labels) > 100:  # that there are never more
            self._labels = [self.labels()]
        with suppress(NoSamplesError):  # other batches may have some
            weight = check_weight(batch.weight, batch.y, batch.scores)
            self.sample.add(batch._replace(weight=weight))

    def labels(self):
        """All labels that were seen, in ascending order."""
        return distinct_labels(np.concatenate(self._labels))
