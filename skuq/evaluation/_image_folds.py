"""Folds of whole images in which the classes have like shares of the pixels."""

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import indexable

from skuq._core._arrays import to_numpy
from skuq._core._checks import check_count
from skuq._core._labels import distinct_labels, encode_labels
from skuq.exceptions import InputError


class StratifiedImageKFold(BaseCrossValidator):
    """Folds of whole images in which the classes have like shares of the pixels.

    Pixels of one image are alike, so that an image must not lie in two folds; and a
    rare class that is on few images should be in all of them.  For `cv` of
    scikit-learn, where its own stratified splitters take no maps of labels.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    ignore_index : int or str, default=None
        Label of pixels that do not count.

    See Also
    --------
    cross_val_predict_maps : Probabilities of images that were held out.

    Notes
    -----
    The folds are those of a greedy search [1]_: images go, the most peculiar first, to
    the fold with room that holds the least of their classes, each class counted as a
    share of all its pixels.  The numbers of images in the folds differ by one at most.

    With `groups`, such as patients or films, all images of a group lie in one fold, and
    the numbers of images are balanced as the classes are.

    Nothing is random.  Frames of a film that follow each other are nearly one image:
    name its stretches as groups.

    References
    ----------
    .. [1] K. Sechidis, G. Tsoumakas and I. Vlahavas (2011). "On the stratification of
       multi-label data". ECML PKDD. `doi:10.1007/978-3-642-23808-6_10
       <https://doi.org/10.1007/978-3-642-23808-6_10>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.evaluation import StratifiedImageKFold
    >>> y = np.zeros((6, 4, 4), dtype=int)
    >>> y[[0, 1, 2]] = 1  # the first half would be a poor fold
    >>> for train, test in StratifiedImageKFold(3).split(y, y):
    ...     print(test, y[test].mean())
    [0 3] 0.5
    [1 4] 0.5
    [2 5] 0.5
    """

    # Groups are used if they are given, with metadata routing too.
    __metadata_request__split = {"groups": True}  # noqa: RUF012

    def __init__(self, n_splits=5, *, ignore_index=None):
        self.n_splits = n_splits
        self.ignore_index = ignore_index

    def split(self, X, y, groups=None):
        """The images to train on and those to test, fold by fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Images; only their number matters.
        y : array-like of shape (n_samples, *spatial)
            Labels of the pixels.
        groups : array-like of shape (n_samples,), default=None
            Images with the same entry stay together.

        Returns
        -------
        folds : iterator of tuple of ndarray
            For each fold the numbers of the images to train on, and of those to test.

        Raises
        ------
        skuq.exceptions.InputError
            For labels that are no maps, or fewer images or groups than folds.
        """
        return super().split(X, y, groups)

    def get_n_splits(self, X=None, y=None, groups=None):
        """The number of folds.

        Parameters
        ----------
        X : object, default=None
            Ignored.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            Number of folds.
        """
        return self.n_splits

    def _iter_test_indices(self, X=None, y=None, groups=None):
        n_splits = check_count("n_splits", self.n_splits, 2)
        X, y, groups = indexable(X, y, groups)
        shares = shares_of_classes(y, self.ignore_index)
        unit = np.arange(len(shares))
        if groups is not None:
            _, unit = np.unique(to_numpy(groups), return_inverse=True)
        n_units = unit.max() + 1
        if n_units < n_splits:
            what = "images" if groups is None else "groups"
            raise InputError(
                f"there are {n_units} {what} for n_splits={n_splits} folds: pass more "
                "of them, or take fewer folds."
            )
        total = np.zeros((n_units, shares.shape[1]))
        np.add.at(total, unit, shares)
        fold = dealt(total, n_splits, even=groups is None)[unit]
        for k in range(n_splits):
            yield np.flatnonzero(fold == k)


def shares_of_classes(y, ignore_index):
    """What each image holds of all pixels of each class, and of all images."""
    y = to_numpy(y)
    if y.ndim < 2:
        raise InputError(
            f"y has shape {y.shape}: expected maps of labels, (n_samples, *spatial); "
            "for tables take sklearn.model_selection.StratifiedKFold."
        )
    classes = distinct_labels(y, ignore_index=ignore_index)
    shares = np.full((len(y), len(classes) + 1), 1 / len(y))
    for own, labels in zip(shares, y, strict=True):
        labels = labels if ignore_index is None else labels[labels != ignore_index]
        codes, _ = encode_labels(labels.reshape(-1), classes, like=labels)
        own[:-1] = np.bincount(codes, minlength=len(classes))
    return shares / shares.sum(axis=0)


def dealt(shares, n_splits, *, even):
    """The fold of each unit with these shares; `even` deals out like numbers of them.

    The sum of the squared shares of all folds grows least in the fold with the least
    inner product.
    """
    held = np.zeros((n_splits, shares.shape[1]))
    count = np.zeros(n_splits, dtype=int)
    fold = np.empty(len(shares), dtype=int)
    least, longer = divmod(len(shares), n_splits)
    for i in np.argsort(-(shares**2).sum(axis=1), kind="stable"):
        excess = held @ shares[i]
        if even:
            most = least if (count > least).sum() == longer else least + 1
            excess[count >= most] = np.inf
        fold[i] = excess.argmin()
        held[fold[i]] += shares[i]
        count[fold[i]] += 1
    return fold
