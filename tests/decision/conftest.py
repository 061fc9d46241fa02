"""A model that says what it is told, so that tests choose its probabilities."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin


class Told(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose samples are their own probabilities."""

    def __init__(self, classes=(0, 1)):
        self.classes = classes

    def fit(self, X, y):
        """Learn nothing."""
        return self

    @property
    def classes_(self):
        """The label of each column."""
        return np.asarray(self.classes)

    def predict_proba(self, X):
        """The samples."""
        return X

    def predict(self, X):
        """The most probable class."""
        return self.classes_[np.asarray(X).argmax(1)]

    def __sklearn_is_fitted__(self):
        """There is nothing to fit."""
        return True


@pytest.fixture(scope="session")
def told():
    """Makes such a model for some classes."""
    return Told
