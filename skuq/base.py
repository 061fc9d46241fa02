"""Bases that third parties may subclass.  Think twice before adding to them."""

from abc import abstractmethod

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skuq._core._arrays import (
    array_namespace,
    as_array,
    device,
    empty_like_shape,
    is_numpy_array,
    is_torch_array,
    to_library_of,
    to_numpy,
)
from skuq._core._blocks import ScoreTable, put
from skuq._core._checks import (
    check_labels_shape,
    check_scores,
    check_weight,
    resolve_kind,
)
from skuq._core._labels import (
    check_classes,
    decode_labels,
    encode_labels,
    infer_classes,
)
from skuq._core._links import as_logits, log_softmax, softmax
from skuq._core._threads import crew, pays_off, windows_for_crew
from skuq.exceptions import InputError

__all__ = ["BaseCalibrator", "accuracy"]


class BaseCalibrator(ClassifierMixin, BaseEstimator):
    """A map from the scores of a classifier to calibrated probabilities.

    Gives a calibrator everything but its mathematics: scores of any kind, shape and
    array library, labels of any type, weights, void pixels, and the four predictions.
    A subclass keeps `input`, `classes` and `ignore_index` among its parameters and
    writes `_fit` and `_calibrated_logits`.

    Parameters
    ----------
    input : {"auto", "logit", "proba"}, default="auto"
        What the scores are, resolved once in `fit`: with "auto", probabilities if all
        values lie in [0, 1] and all rows sum to one, logits if some value lies outside.
    classes : array-like of shape (n_classes,), default=None
        The label of each score column.  None learns them from `y`.
    ignore_index : int or str, default=None
        Label of positions that do not count, such as the void pixels of a map.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    input_ : {"logit", "proba"}
        What the scores are taken for.
    n_features_in_ : int
        Number of score columns seen in `fit`; 1 for a binary positive-class score.
    """

    def __init__(self, *, input="auto", classes=None, ignore_index=None):
        self.input = input
        self.classes = classes
        self.ignore_index = ignore_index

    @abstractmethod
    def _fit(self, table, kind):
        """Learn from a labelled `ScoreTable` whose scores are of `kind`."""

    @abstractmethod
    def _calibrated_logits(self, logits):
        """Calibrated logits of a class-major block of logits `(n_classes, m)`."""

    def _ranking(self, logits):
        """Values of a block whose largest is predicted."""
        return self._calibrated_logits(logits)

    def fit(self, X, y, sample_weight=None):
        """Fit the calibrator to the scores of held-out samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
            Scores that the classifier gave to samples it was not trained on: finite
            logits, or probabilities in [0, 1].  A single column is the score of the
            second class of two.  numpy array or torch tensor on any device.
        y : array-like of shape (n_samples, *spatial)
            True labels, of any type that scikit-learn accepts.
        sample_weight : array-like of shape (n_samples,) or (n_samples, *spatial), \
                default=None
            Weights, at least 0; a weight of 2 equals a repeated sample.

        Returns
        -------
        self : object
            The fitted calibrator.

        Raises
        ------
        skuq.exceptions.InputError
            A ``ValueError``: for scores that are empty or not finite, labels that fit
            neither the columns nor `classes`, or scores in [0, 1] that may be either
            logits or probabilities.
        """
        scores, y = self._labelled(X, y)
        n_columns = ScoreTable(scores).n_columns
        classes = self._classes_of(y, n_columns)
        table = self._encoded(scores, y, sample_weight, classes)
        kind = resolve_kind(table, self.input)
        self._fit(table, kind)
        return self._remember(classes, kind, n_columns)

    def _labelled(self, X, y):
        """Scores and labels as arrays of shapes that match."""
        scores = check_scores(X)
        y = _labels(y, scores)
        check_labels_shape(y, scores)
        return scores, y

    def _classes_of(self, y, n_columns):
        """The label of each column, learned from `y` where `classes` is None."""
        if self.classes is None:
            return infer_classes(y, n_columns, ignore_index=self.ignore_index)
        return check_classes(self.classes, max(2, n_columns))

    def _encoded(self, scores, y, sample_weight, classes):
        """The labelled table that a solver works on."""
        args = {"ignore_index": self.ignore_index, "like": scores}
        codes, void = encode_labels(y, classes, **args)
        weight = check_weight(sample_weight, codes, scores)
        return ScoreTable(scores, codes, weight, void)

    def _remember(self, classes, kind, n_columns):
        """Set what every calibrator knows after its fit."""
        self.classes_ = classes
        self.input_ = kind
        self.n_features_in_ = n_columns
        return self

    def predict_proba(self, X):
        """Calibrated probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
            Scores of the kind that `fit` saw, `input_`.

        Returns
        -------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1; in the library, floating dtype and
            device of `X`.

        Raises
        ------
        skuq.exceptions.InputError
            For scores with other columns or of another kind than in `fit`.
        """
        return self._predict(X, lambda z: softmax(self._calibrated_logits(z)))

    def predict_log_proba(self, X):
        """Natural logarithm of the calibrated probabilities, exact if they underflow.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
            Scores of the kind that `fit` saw, `input_`.

        Returns
        -------
        log_proba : array of shape (n_samples, n_classes, *spatial)
            At most 0, in nats; in the library, floating dtype and device of `X`.
        """
        return self._predict(X, lambda z: log_softmax(self._calibrated_logits(z)))

    def predict_logits(self, X):
        """Calibrated logits, whose softmax over axis 1 is `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
            Scores of the kind that `fit` saw, `input_`.

        Returns
        -------
        logits : array of shape (n_samples, n_classes, *spatial)
            In nats.  A binary problem given by one column gets the two columns of
            ``[0, z]``.
        """
        return self._predict(X, self._calibrated_logits)

    def predict(self, X):
        """The most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
            Scores of the kind that `fit` saw, `input_`.

        Returns
        -------
        labels : array of shape (n_samples, *spatial)
            Entries of `classes_`; the first one on ties.  A tensor where `X` is one
            and the classes are numbers, else a numpy array.
        """
        table = self._table(X)
        xp = array_namespace(table.scores)
        shape = (table.n_samples, 1, *table.scores.shape[2:])
        codes = xp.empty(shape, dtype=xp.int64, device=device(table.scores))
        for window in table.windows():
            ranking = self._ranking(as_logits(table.columns(window), self.input_))
            put(codes, window, xp.argmax(ranking, axis=0)[None, :])
        return decode_labels(codes[:, 0, ...], self.classes_, like=X)

    def score(self, X, y, sample_weight=None):
        """Accuracy of `predict`; for maps, the share of right positions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_classes, *spatial) or (n_samples,)
            Scores of the kind that `fit` saw, `input_`.
        y : array-like of shape (n_samples, *spatial)
            True labels; positions labelled `ignore_index` do not count.
        sample_weight : array-like of shape (n_samples,) or (n_samples, *spatial), \
                default=None
            Weights, at least 0.

        Returns
        -------
        accuracy : float
            In [0, 1], higher is better.
        """
        return accuracy(y, self.predict(X), sample_weight, self.ignore_index)

    def _predict(self, X, function):
        """Apply `function` to every block of logits and gather the results."""
        table = self._table(X)
        shape = (table.n_samples, table.n_classes, *table.scores.shape[2:])
        out = empty_like_shape(table.scores, shape)

        def fill(window):
            logits = as_logits(table.columns(window), self.input_)
            put(out, window, function(logits))

        with crew(threads=pays_off(table)) as run:
            for _ in run(fill, windows_for_crew(table)):
                pass  # an error in a thread is raised here
        return to_library_of(out, X) if is_torch_array(X) else out

    def _table(self, X):
        """Scores to predict from, checked against those of `fit`."""
        check_is_fitted(self)
        table = ScoreTable(check_scores(X))
        if table.n_columns != self.n_features_in_:
            raise InputError(
                f"X has {table.n_columns} score columns, but {type(self).__name__} is "
                f"expecting {self.n_features_in_} as in fit: pass scores of the same "
                "classifier."
            )
        resolve_kind(table, self.input_)
        return table

    def __sklearn_tags__(self):
        """Scores may be columns, tables or maps; labels are needed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        return tags


def accuracy(y_true, y_pred, sample_weight=None, ignore_index=None):
    """Weighted share of equal labels, over tables and maps alike; higher is better.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    y_pred : array-like of shape (n_samples, *spatial)
        Predicted labels.
    sample_weight : array-like of shape (n_samples,) or (n_samples, *spatial), \
            default=None
        Weights, at least 0.
    ignore_index : int or str, default=None
        True label of positions that do not count.

    Returns
    -------
    accuracy : float
        In [0, 1].

    See Also
    --------
    skuq.metrics.accuracy_score : The same from probabilities.
    """
    y_true, y_pred = to_numpy(y_true), to_numpy(y_pred)
    if y_true.shape != y_pred.shape:
        y_true = column_or_1d(y_true)
    weight = np.ones(y_true.shape)
    if sample_weight is not None:
        w = to_numpy(sample_weight)
        weight *= w.reshape(w.shape + (1,) * (y_true.ndim - w.ndim))
    if ignore_index is not None:
        weight *= y_true != ignore_index
    return float(np.average(y_true == y_pred, weights=weight))


def _labels(y, scores):
    """Labels as an array; the column of a table becomes a row with a warning."""
    y = as_array(y)
    is_column = scores.ndim <= 2 and tuple(y.shape) == (scores.shape[0], 1)
    return column_or_1d(y, warn=True) if is_column and is_numpy_array(y) else y
