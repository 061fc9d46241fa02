"""What a regressor states about a target: a mean, and a spread if it has one."""

from inspect import signature
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from skuq._core._arrays import Array, as_array, to_numpy
from skuq._core._checks import check_option
from skuq._responses import innermost
from skuq._sklearn import rows_of, rows_of_params
from skuq.exceptions import InputError

METHODS = ("auto", "predict", "return_std")


class Stated(NamedTuple):
    """Means `(n_samples, *output)`, and standard deviations or None."""

    y_pred: Array
    y_std: Array | None


class HeldOut(NamedTuple):
    """What was stated of the samples `rows`, by models that had not seen them."""

    stated: Stated
    rows: np.ndarray


def stated_by(estimator, X, method="auto"):
    """What a fitted regressor states for `X`, as `Stated`.

    `method` "auto" takes ``predict(X, return_std=True)`` where there is one, seen
    through Pipeline, searches and FrozenEstimator.
    """
    check_option("response_method", method, METHODS)
    if method != "predict":
        model, inner_X = innermost(estimator, X)
        if "return_std" in signature(model.predict).parameters:
            mean, std = model.predict(inner_X, return_std=True)
            return Stated(as_array(mean), as_array(std))
        if method == "return_std":
            raise InputError(
                f"{type(model).__name__}.predict has no return_std: use "
                "response_method='predict', or 'auto'."
            )
    return Stated(as_array(estimator.predict(X)), None)


def cross_stated(estimator, X, y, splits, *, method, fit_params, n_jobs):
    """Fit a clone of `estimator` per split and ask it about its test part."""
    folds = Parallel(n_jobs=n_jobs)(
        delayed(_fold)(clone(estimator), X, y, train, test, method, fit_params)
        for train, test in splits
    )
    means, stds = zip(*folds, strict=True)
    std = None if stds[0] is None else np.concatenate(stds)
    rows = np.concatenate([test for _, test in splits])
    return HeldOut(Stated(np.concatenate(means), std), rows)


def _fold(estimator, X, y, train, test, method, fit_params):
    X_train, y_train = rows_of(estimator, X, y, train)
    estimator.fit(X_train, y_train, **rows_of_params(X, fit_params, train))
    X_test, _ = rows_of(estimator, X, y, test, train)
    mean, std = stated_by(estimator, X_test, method)
    return Stated(to_numpy(mean), None if std is None else to_numpy(std))
