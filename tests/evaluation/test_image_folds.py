"""Folds of whole images: partitions with like shares of every class."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_validate

from skuq.evaluation import StratifiedImageKFold
from skuq.exceptions import InputError


@pytest.fixture
def y(rng):
    """Maps of four classes, of which the last is on a fifth of the images."""
    share = rng.dirichlet([2, 1, 0.3, 1], size=43)
    share[rng.random(43) > 0.2, 3] = 0
    level = np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    draw = rng.random((43, 12, 10))
    return (draw[:, None] >= level[:, :, None, None]).sum(axis=1)


def spread(folds, y, k):
    """The largest of the folds' pixels of a class, relative to their mean."""
    counts = np.array([(y[test] == k).sum() for _, test in folds])
    return np.abs(counts / counts.mean() - 1).max()


@pytest.mark.parametrize("n_splits", [2, 3, 5, 43])
def test_folds_are_a_partition_of_equal_parts(n_splits, y):
    folds = list(StratifiedImageKFold(n_splits).split(y, y))
    assert len(folds) == n_splits == StratifiedImageKFold(n_splits).get_n_splits()
    tests = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(tests), np.arange(43))
    sizes = [len(test) for _, test in folds]
    assert max(sizes) - min(sizes) <= 1
    for train, test in folds:
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(43))


def test_shares_of_the_classes_are_closer_than_by_chance(y):
    own = list(StratifiedImageKFold(3).split(y, y))
    for k in range(3):
        chance = [
            spread(KFold(3, shuffle=True, random_state=seed).split(y), y, k)
            for seed in range(20)
        ]
        assert spread(own, y, k) < min(np.median(chance), 0.15)
    on = np.flatnonzero((y == 3).any(axis=(1, 2)))
    assert len(on) >= 3
    assert all(np.isin(on, test).any() for _, test in own)


def test_the_best_division_of_a_small_case_is_found():
    y = np.array([0, 0, 0, 1, 1, 1])[:, None].repeat(4, axis=1)
    for _, test in StratifiedImageKFold(3).split(y, y):
        assert y[test, 0].tolist() == [0, 1]


def test_void_pixels_do_not_count(y, rng):
    void = y.copy()
    void[:20, 6:] = 255
    filled = void.copy()
    filled[void == 255] = rng.integers(4, size=(void == 255).sum())

    def tests(labels, ignore_index):
        splitter = StratifiedImageKFold(3, ignore_index=ignore_index)
        return [test.tolist() for _, test in splitter.split(labels, labels)]

    assert tests(void, 255) == tests(np.where(void == 255, -1, void), -1)
    assert tests(void, 255) != tests(filled, None)


def test_labels_of_any_type_give_the_same_folds(y):
    names = np.array(["a", "b", "c", "d"])[y]
    for a, b in zip(
        StratifiedImageKFold(4).split(y, y),
        StratifiedImageKFold(4).split(names, names),
        strict=True,
    ):
        np.testing.assert_array_equal(a[1], b[1])


def test_groups_stay_together_and_are_balanced(y):
    groups = np.arange(43) // 3
    folds = list(StratifiedImageKFold(3).split(y, y, groups))
    for train, test in folds:
        assert set(groups[train]) & set(groups[test]) == set()
        assert 10 <= len(test) <= 19
    assert sum(len(test) for _, test in folds) == 43
    assert spread(folds, y, 0) < 0.25


def test_scikit_learn_takes_it_for_cv(y):
    flat = y.reshape(43, -1)
    X, per_image = np.zeros((43, 2)), (flat == 0).mean(axis=1) > 0.5
    splitter = StratifiedImageKFold(3)
    assert clone(splitter, safe=False).n_splits == 3
    assert repr(splitter) == "StratifiedImageKFold(ignore_index=None, n_splits=3)"
    folds = list(splitter.split(X, y))
    out = cross_validate(DummyClassifier(), X, per_image, cv=folds, return_indices=True)
    np.testing.assert_array_equal(out["indices"]["test"][0], folds[0][1])


def test_a_search_over_maps_uses_it(y):
    class Constant(DummyClassifier):
        """Answers one label everywhere; trained on maps."""

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            self.seen_ = len(y)
            return self

        def predict(self, X):
            return np.full(X.shape, self.constant)

        def score(self, X, y):
            return float((self.predict(X) == y).mean())

    search = GridSearchCV(
        Constant(strategy="constant"),
        {"constant": [0, 1, 2]},
        cv=StratifiedImageKFold(4),
    )
    search.fit(y, y, groups=np.arange(43) // 2)
    most = np.bincount(y.ravel()).argmax()
    assert search.best_params_ == {"constant": most}
    assert search.best_estimator_.seen_ == 43


@pytest.mark.parametrize("n_splits", [1, 0, 2.5])
def test_a_number_of_folds_below_two_is_refused(n_splits, y):
    with pytest.raises(InputError, match="n_splits must be an integer of at least 2"):
        list(StratifiedImageKFold(n_splits).split(y, y))


def test_tables_and_too_few_images_or_groups_are_refused(y):
    with pytest.raises(InputError, match="StratifiedKFold"):
        list(StratifiedImageKFold(2).split(y[:, 0, 0], y[:, 0, 0]))
    with pytest.raises(InputError, match="43 images for n_splits=44"):
        list(StratifiedImageKFold(44).split(y, y))
    with pytest.raises(InputError, match="2 groups for n_splits=3"):
        list(StratifiedImageKFold(3).split(y, y, np.arange(43) % 2))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        list(StratifiedImageKFold(3).split(y, y[:40]))
