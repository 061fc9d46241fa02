"""What the estimators share that say how likely a classifier's answers are right."""

from abc import abstractmethod
from copy import deepcopy

from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import array_namespace, is_torch_array, to_library_of
from skuq._core._labels import decode_labels
from skuq._model_checks import is_fitted
from skuq._responses import wrapped
from skuq._sklearn import rows_of
from skuq.base import accuracy
from skuq.deep._confidence_features import classes_of, model_inside, proba_of
from skuq.deep._ensemble_nets import is_net
from skuq.deep._torch_base import TorchModule
from skuq.deep._training import targets


class ConfidenceClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier whose answers stay as they are, with a confidence in each of them.

    A subclass has the parameter `estimator` and writes `_confidence`, and `_learn` if
    there is something to learn.
    """

    def fit(self, X, y=None):
        """Learn how confidence shows; train the classifier only if it is not fitted.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the classifier takes them.
        y : array-like of shape (n_samples, *spatial)
            True labels.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        y = targets(X, y)
        X, y = indexable(X, y)
        if y.ndim == 1:
            check_classification_targets(y)
        check_classifier(self.estimator)
        fitted = is_fitted(self.estimator)
        self.estimator_ = self.estimator if fitted else clone(self.estimator).fit(X, y)
        first, _ = rows_of(self.estimator_, X, y, [0])
        n_classes = proba_of(self.estimator_, first).shape[1]
        self.classes_ = classes_of(self.estimator_, n_classes)
        self._learn(X, y)
        return self

    def _learn(self, X, y):
        """Learn from samples and their labels; nothing by itself."""

    @abstractmethod
    def _confidence(self, X):
        """The confidence in the answers, as numpy array or tensor."""

    def predict_confidence(self, X):
        """How likely the answer of `predict` is right; higher is surer.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the classifier takes them.

        Returns
        -------
        confidence : array of shape (n_samples, *spatial)
            In [0, 1].
        """
        check_is_fitted(self, "estimator_")
        confidence = self._confidence(X)
        gives_tensors = isinstance(model_inside(self.estimator_), TorchModule)
        if gives_tensors and is_torch_array(X):
            return to_library_of(confidence, X)
        return confidence

    def predict_uncertainty(self, X):
        """One minus the confidence; higher is less sure.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the classifier takes them.

        Returns
        -------
        uncertainty : array of shape (n_samples, *spatial)
            In [0, 1].
        """
        return 1 - self.predict_confidence(X)

    def predict_proba(self, X):
        """The classifier's own probabilities, unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the classifier takes them.

        Returns
        -------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        check_is_fitted(self, "estimator_")
        return proba_of(self.estimator_, X)

    def predict(self, X):
        """The classifier's own answers, unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the classifier takes them.

        Returns
        -------
        labels : array of shape (n_samples, *spatial)
            Entries of `classes_`.
        """
        check_is_fitted(self, "estimator_")
        if not is_net(model_inside(self.estimator_)):
            return self.estimator_.predict(X)
        proba = self.predict_proba(X)  # skorch takes its softmax of a map along a line
        codes = array_namespace(proba).argmax(proba, axis=1)
        return decode_labels(codes, self.classes_, like=proba)

    def score(self, X, y, sample_weight=None):
        """Accuracy of `predict`; for maps, the share of right positions.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the classifier takes them.
        y : array-like of shape (n_samples, *spatial)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.

        Returns
        -------
        accuracy : float
            In [0, 1], higher is better.
        """
        void = getattr(self, "ignore_index", None)
        return accuracy(y, self.predict(X), sample_weight, void)

    @property
    def n_features_in_(self):
        """Number of features, as the classifier has it."""
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the features, as the classifier has them."""
        return self.estimator_.feature_names_in_

    def __sklearn_is_fitted__(self):
        """Whether `fit` has run."""
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self):
        """The classifier's own tags."""
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = deepcopy(inner.input_tags)
        tags.target_tags.required = True
        if inner.classifier_tags is not None:
            tags.classifier_tags = deepcopy(inner.classifier_tags)
        return tags


def check_classifier(estimator):
    """Refuse what cannot be a classifier."""
    if not hasattr(estimator, "fit"):
        raise TypeError(
            f"estimator must be a classifier, got {type(estimator).__name__}: wrap an "
            "nn.Module in skuq.deep.TorchModuleClassifier."
        )


def unfrozen(estimator):
    """What a FrozenEstimator holds; any other model itself."""
    return wrapped(estimator) if isinstance(estimator, FrozenEstimator) else estimator
