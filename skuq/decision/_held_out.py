"""What the classifiers of this package share: a model, and samples it has not seen."""

from abc import abstractmethod
from copy import deepcopy

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.model_selection import ShuffleSplit
from sklearn.utils import get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import (
    Array,
    empty_like_shape,
    is_torch_array,
    to_library_of,
    to_numpy,
)
from skuq._core._blocks import ScoreTable, put
from skuq._core._checks import check_scores, resolve_kind
from skuq._core._links import both_rows, softmax
from skuq._model_checks import check_fitted, check_y, inner_attribute
from skuq._responses import Response, response_of
from skuq._sklearn import rows_of


def _model_has(name):
    def check(self):
        return hasattr(getattr(self, "estimator_", self.estimator), name)

    return check


class HeldOutModel(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier with a rule behind it, fitted on samples the model has not seen.

    Subclasses have the parameters `estimator`, `response_method`, `ignore_index`,
    `holdout` and `random_state`, and write `_fit_rule`.
    """

    _rule = "its rule"  # for messages

    @abstractmethod
    def _fit_rule(self, X, y):
        """Learn from held-out samples; `estimator_` and `classes_` are known."""

    def fit(self, X, y):
        """Fit the rule, and with `holdout` the model too.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            With ``holdout=None`` samples that the model was not trained on.
        y : array-like of shape (n_samples, *spatial)
            True labels.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If ``holdout=None`` and the estimator is not fitted.
        skuq.exceptions.InputError
            A ``ValueError``: for parameters out of range, scores that cannot be used,
            or labels that do not fit the model.
        """
        y = check_y(y)
        if self.holdout is None:
            name = type(self).__name__
            remedy = "wrap an nn.Module in skuq.deep.TorchModuleClassifier"
            check_fitted(
                self.estimator, name, remedy, trains=self._rule, option="holdout"
            )
            self.estimator_ = self.estimator
        else:
            X, y = self._fit_model(X, y)
        self.classes_ = to_numpy(self.estimator_.classes_)
        self._fit_rule(X, y)
        return self

    def _fit_model(self, X, y):
        """Train a clone of the model on a part of the rows; the others are returned."""
        X, y = indexable(X, y)
        # Not stratified: the guarantees are for rows drawn as new ones will be.
        split = ShuffleSplit(
            1, test_size=self.holdout, random_state=self.random_state
        ).split(y)
        train, held_out = next(split)
        model = clone(self.estimator)
        self.estimator_ = model.fit(*rows_of(model, X, y, train))
        return rows_of(model, X, y, held_out, train)

    def _scores(self, X):
        """Checked scores of the model and their kind."""
        scores, kind = response_of(self.estimator_, X, self.response_method)
        resolve_kind(ScoreTable(check_scores(scores)), kind)
        return Response(scores, kind)

    @available_if(_model_has("predict_proba"))
    def predict_proba(self, X):
        """The probabilities of the model, unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the estimator takes them.

        Returns
        -------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @property
    def n_features_in_(self):
        """Number of features, as the fitted model has it."""
        return inner_attribute(self, "n_features_in_", prefit=self.holdout is None)

    @property
    def feature_names_in_(self):
        """Names of the features, as the fitted model has them."""
        return inner_attribute(self, "feature_names_in_", prefit=self.holdout is None)

    def __sklearn_tags__(self):
        """The model's own tags for `X`; one label per sample or position."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = deepcopy(inner.input_tags)
        tags.non_deterministic = inner.non_deterministic
        if inner.classifier_tags is not None:
            tags.classifier_tags = deepcopy(inner.classifier_tags)
        return tags


def probability_block(block: Array, kind: str) -> Array:
    """A class-major block of scores as probabilities, two rows or more."""
    block = both_rows(block, kind)
    return block if kind == "proba" else softmax(block)


def probabilities(response: Response) -> Array:
    """Scores of either kind as probabilities `(n_samples, n_classes, *spatial)`."""
    scores, kind = response
    table = ScoreTable(check_scores(scores))
    shape = (table.n_samples, table.n_classes, *table.scores.shape[2:])
    out = empty_like_shape(table.scores, shape)
    for window in table.windows():
        put(out, window, probability_block(table.columns(window), kind))
    return to_library_of(out, scores) if is_torch_array(scores) else out


def counted(y: np.ndarray, ignore_index) -> np.ndarray:
    """Which labels count, as one row."""
    y = y.reshape(-1)
    return np.ones(len(y), bool) if ignore_index is None else y != ignore_index
