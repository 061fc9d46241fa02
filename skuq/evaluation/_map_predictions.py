"""Probability maps of images that the model has not seen."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from skuq._core._arrays import to_numpy
from skuq._responses import model_inside, proba_response
from skuq._sklearn import rows_of, rows_of_params
from skuq.decision._held_out import probabilities
from skuq.evaluation._image_folds import StratifiedImageKFold
from skuq.exceptions import InputError


def cross_val_predict_maps(
    estimator, X, y, *, groups=None, cv=5, n_jobs=None, verbose=0, params=None
):
    """Probability maps, each by a model that was trained on other images.

    As scikit-learn's `cross_val_predict` with ``method="predict_proba"``, which takes
    no maps of labels.  They are honest data for calibrators, for thresholds and for
    `skuq.decision.SegmentationQualityRegressor`, without a set of images held out.

    Parameters
    ----------
    estimator : object
        A classifier of pixels: it is cloned for every fold, and fitted.
    X : array-like of shape (n_samples, ...)
        Images.
    y : array-like of shape (n_samples, *spatial)
        Labels of the pixels; tables work too.
    groups : array-like of shape (n_samples,), default=None
        Passed to the splitter: images with the same entry stay together.
    cv : int, cross-validation generator or iterable, default=5
        An int is the number of folds of `StratifiedImageKFold`.  Each image must be in
        one test set.
    n_jobs : int, default=None
        Folds that joblib works on at the same time; None means 1.
    verbose : int, default=0
        How much joblib tells.
    params : dict, default=None
        Passed to `fit`; what has one entry per image is cut like `X`.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes, *spatial)
        In [0, 1], sums to one over axis 1.  Columns are those of the models; where
        these know different classes, those of all of them, sorted.

    Raises
    ------
    skuq.exceptions.InputError
        If an image is in no test set or in two, or if the clones of a net would know
        what it has learned from all images.

    See Also
    --------
    StratifiedImageKFold : The folds.

    Notes
    -----
    Skorch nets are read by their logits, since skorch's own softmax runs along the
    last axis of maps.  A model that `fit` does not train, such as
    `skuq.deep.TorchModuleClassifier` or a `FrozenEstimator`, predicts all images as it
    is: nothing is held out from it.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from torch import nn
    >>> from skuq.datasets import make_ellipses
    >>> from skuq.evaluation import cross_val_predict_maps
    >>> class Net(nn.Sequential):
    ...     def __init__(self):
    ...         super().__init__(nn.Conv2d(1, 3, 5, padding=2))
    >>> images, y, _ = make_ellipses(6, shape=(16, 16), random_state=0)
    >>> options = {"max_epochs": 1, "train_split": None, "verbose": 0}
    >>> net = NeuralNetClassifier(Net, criterion=nn.CrossEntropyLoss, **options)
    >>> cross_val_predict_maps(net, images, y, cv=3).shape
    (6, 3, 16, 16)
    """
    X, y, groups = indexable(X, y, groups)
    _refuse_taught(estimator)
    if isinstance(cv, (int, np.integer)) and np.ndim(y) > 1:
        cv = StratifiedImageKFold(cv)
    folds = list(check_cv(cv, y, classifier=True).split(X, y, groups))
    tests = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(tests), np.arange(len(y))):
        raise InputError(
            f"the test sets of cv hold {len(np.unique(tests))} of {len(y)} images, and "
            f"{len(tests)} in all: each image must be in one of them."
        )
    parts = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(_fold)(clone(estimator), X, y, train, test, params or {})
        for train, test in folds
    )
    known = [classes for classes, _ in parts]
    columns = _all_classes(known)
    first = parts[0][1]
    out = np.zeros((len(y), len(columns), *first.shape[2:]), dtype=first.dtype)
    for (_, test), (classes, proba) in zip(folds, parts, strict=True):
        place = {label: k for k, label in enumerate(columns)}
        out[np.ix_(test, [place[label] for label in classes])] = proba
    return out


def _refuse_taught(estimator):
    """A fitted net hands what its module has learned on to its clones."""
    net = model_inside(estimator)
    module = getattr(net, "module_", None)
    if module is not None and module is getattr(net, "module", None):
        raise InputError(
            f"this {type(net).__name__} has trained the module that it was given, and "
            "its clones would bring what that knows of all images: pass the class of "
            "the module, or a net with a new one."
        )


def _fold(model, X, y, train, test, params):
    """The classes that a model knows, and its probabilities of held-out images."""
    X_train, y_train = rows_of(model, X, y, train)
    model.fit(X_train, y_train, **rows_of_params(X, params, train))
    held_out, _ = rows_of(model, X, y, test, train)
    proba = to_numpy(probabilities(proba_response(model, held_out)))
    return _classes_of(model, proba.shape[1]), proba


def _classes_of(model, n_columns):
    """The label of each column; those of a skorch net, which knows none, by number."""
    classes = to_numpy(getattr(model, "classes_", np.arange(n_columns))).tolist()
    if hasattr(model_inside(model), "forward_iter") or len(classes) != n_columns:
        return list(range(n_columns))
    return classes


def _all_classes(known):
    """The columns of all models together."""
    if all(classes == known[0] for classes in known):
        return known[0]
    return np.unique(
        np.concatenate([np.asarray(classes) for classes in known])
    ).tolist()
