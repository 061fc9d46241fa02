"""The only file that touches scikit-learn's private names: one place to mend."""

import numpy as np
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

__all__ = [
    "ConfidenceScorer",
    "DeviationScorer",
    "ProbabilityScorer",
    "UncertaintyScorer",
    "rows_of",
    "rows_of_params",
]


class ProbabilityScorer(_BaseScorer):
    """A scorer of `predict_proba` that tells its metric which classes the columns are.

    scikit-learn's `make_scorer` hands a metric the probabilities alone.  A fold of
    cross-validation that misses a class then cannot be scored, since nobody knows which
    column is whose.  This scorer passes ``estimator.classes_`` as `labels`.  It is a
    scikit-learn scorer in everything else: it shares one call of `predict_proba` among
    several metrics, and takes part in metadata routing.
    """

    def _score(self, method_caller, estimator, X, y_true, **kwargs):
        proba = method_caller(estimator, "predict_proba", X)
        classes = getattr(estimator, "classes_", None)
        options = {"labels": classes, **self._kwargs, **kwargs}
        return self._sign * self._score_func(y_true, proba, **options)


class ConfidenceScorer(ProbabilityScorer):
    """A scorer of probabilities that ranks by the estimator's own confidence.

    That is its `predict_confidence`, if it has one and no other confidence is given.
    """

    def _score(self, method_caller, estimator, X, y_true, **kwargs):
        given = {**self._kwargs, **kwargs}
        own = hasattr(estimator, "predict_confidence")
        if own and not {"confidence", "uncertainty"} & set(given):
            kwargs["confidence"] = estimator.predict_confidence(X)
        return super()._score(method_caller, estimator, X, y_true, **kwargs)


class DeviationScorer(_BaseScorer):
    """A scorer of a regressor's mean and standard deviation, `return_std=True`."""

    def _score(self, method_caller, estimator, X, y_true, **kwargs):
        y_pred, y_std = estimator.predict(X, return_std=True)
        value = self._score_func(y_true, y_pred, y_std, **self._kwargs, **kwargs)
        return self._sign * value


class UncertaintyScorer(_BaseScorer):
    """A scorer of predicted labels with an uncertainty of each of them.

    Both come from one call of `predict_proba`; the option `uncertainty` is a function
    of probabilities, or the name of a method of the estimator.
    """

    def _score(self, method_caller, estimator, X, y_true, **kwargs):
        options = {**self._kwargs, **kwargs}
        measure = options.pop("uncertainty", None)
        proba = method_caller(estimator, "predict_proba", X)
        if proba.ndim == np.ndim(y_true):  # of two, scikit-learn hands on the second
            proba = np.stack([1 - proba, proba], axis=1)
        label = np.asarray(estimator.classes_)[np.asarray(proba.argmax(1))]
        if isinstance(measure, str):
            unsure = getattr(estimator, measure)(X)
        elif measure is None:
            unsure = 1 - proba.max(1)
        else:
            unsure = measure(proba)
        return self._sign * self._score_func(y_true, label, unsure, **options)


def rows_of(estimator, X, y, index, train_index=None):
    """``X[index], y[index]`` of any container, kernels of `estimator` included."""
    return _safe_split(estimator, X, y, index, train_index)


def rows_of_params(X, params, index):
    """Those of the fit parameters that have one entry per row of `X`, at `index`."""
    return _check_method_params(X, params, index)
