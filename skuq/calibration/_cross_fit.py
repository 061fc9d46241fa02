"""Scores of every sample from a model that was not trained on it."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from skuq._core._arrays import to_numpy
from skuq._responses import response_of
from skuq._sklearn import rows_of, rows_of_params
from skuq.exceptions import InputError, MissingClassWarning

# Score of a class that a fold's model has never seen, below its highest score: the
# logarithm of the smallest normal float32.
UNSEEN = -87.0


class HeldOut(NamedTuple):
    """Out-of-fold scores of the samples `rows`, which may leave some out."""

    scores: np.ndarray
    kind: str
    rows: np.ndarray


class _Fold(NamedTuple):
    scores: np.ndarray
    kind: str
    classes: np.ndarray
    rows: np.ndarray


def cross_scores(estimator, X, y, splits, classes, *, method, fit_params, n_jobs):
    """Fit a clone of `estimator` per split and score its test part.

    Columns follow `classes`.  Samples of a class that their fold's model has not seen
    say nothing about the calibration of the final model: they are left out, with a
    warning.
    """
    folds = Parallel(n_jobs=n_jobs)(
        delayed(_fold)(clone(estimator), X, y, train, test, method, fit_params)
        for train, test in splits
    )
    kinds = {fold.kind for fold in folds}
    if len(kinds) != 1:
        raise InputError(
            f"the models of the folds gave scores of different kinds, {sorted(kinds)}: "
            "set response_method."
        )
    index = np.concatenate([fold.rows for fold in folds])
    if all(np.array_equal(fold.classes, classes) for fold in folds):
        return HeldOut(_concatenate(folds), folds[0].kind, index)
    scores = np.concatenate([_spread(fold, classes) for fold in folds])
    seen = np.concatenate(
        [np.isin(to_numpy(y)[fold.rows], fold.classes) for fold in folds]
    )
    missing = np.unique(to_numpy(y)[index[~seen]]).tolist()
    warnings.warn(
        f"the training part of some fold misses the classes {missing}: {(~seen).sum()} "
        "samples of them are not used for calibration. Use fewer folds or more data.",
        MissingClassWarning,
        stacklevel=4,
    )
    return HeldOut(scores[seen], folds[0].kind, index[seen])


def _fold(estimator, X, y, train, test, method, fit_params):
    X_train, y_train = rows_of(estimator, X, y, train)
    estimator.fit(X_train, y_train, **rows_of_params(X, fit_params, train))
    X_test, _ = rows_of(estimator, X, y, test, train)
    response = response_of(estimator, X_test, method)
    scores = to_numpy(response.scores)
    return _Fold(scores, response.kind, to_numpy(estimator.classes_), test)


def _concatenate(folds):
    return np.concatenate([fold.scores for fold in folds])


def _spread(fold, classes):
    """The scores of a fold in one column per class of the final model."""
    scores = fold.scores
    if scores.ndim == 1:
        other = 1 - scores if fold.kind == "proba" else np.zeros_like(scores)
        scores = np.stack([other, scores], axis=1)
    shape = (scores.shape[0], len(classes), *scores.shape[2:])
    wide = np.zeros(shape, dtype=scores.dtype)
    if fold.kind == "logit":
        wide += scores.max(axis=1, keepdims=True) + UNSEEN
    wide[:, np.searchsorted(classes, fold.classes)] = scores
    return wide
