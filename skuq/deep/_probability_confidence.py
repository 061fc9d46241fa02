"""Confidence that needs no learning: what the probabilities, or draws of them, say."""

from sklearn.frozen import FrozenEstimator

from skuq._core._arrays import array_namespace, as_array, clip
from skuq._core._checks import check_option
from skuq.deep._confidence import ConfidenceClassifier
from skuq.deep._mc_dropout import MCDropoutWrapper
from skuq.uncertainty import entropy

MEASURES = ("entropy", "max_probability")


class MaximumProbabilityConfidence(ConfidenceClassifier):
    """A classifier whose confidence is its largest probability; the common baseline.

    Parameters
    ----------
    estimator : object
        A classifier with `predict_proba`.  A fitted one stays as it is, of another one
        a clone is trained.

    Attributes
    ----------
    estimator_ : object
        The classifier.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    n_features_in_ : int
        Number of features, as the classifier has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, as the classifier has them.

    See Also
    --------
    TCPConfidence : Learns the probability of the true class instead.
    EntropyConfidence : Looks at all probabilities.

    References
    ----------
    .. [1] D. Hendrycks and K. Gimpel, "A Baseline for Detecting Misclassified and
       Out-of-Distribution Examples in Neural Networks", ICLR 2017.
       https://arxiv.org/abs/1610.02136

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skuq.deep import MaximumProbabilityConfidence
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MaximumProbabilityConfidence(GaussianNB()).fit(X, y)
    >>> confidence = model.predict_confidence(X)
    >>> bool((confidence == model.predict_proba(X).max(axis=1)).all())
    True
    """

    def __init__(self, estimator):
        self.estimator = estimator

    def _confidence(self, X):
        return largest(self.predict_proba(X))


class EntropyConfidence(ConfidenceClassifier):
    """A classifier whose confidence is one minus its entropy, of at most 1.

    Parameters
    ----------
    estimator : object
        A classifier with `predict_proba`.  A fitted one stays as it is, of another one
        a clone is trained.

    Attributes
    ----------
    estimator_ : object
        The classifier.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    n_features_in_ : int
        Number of features, as the classifier has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, as the classifier has them.

    See Also
    --------
    MaximumProbabilityConfidence : Looks at the largest probability alone.
    MCDropoutConfidence : The entropy of the mean of many draws of dropout.

    Notes
    -----
    ``1 + sum_k p_k log p_k / log K``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skuq.deep import EntropyConfidence
    >>> X, y = load_iris(return_X_y=True)
    >>> EntropyConfidence(GaussianNB()).fit(X, y).predict_confidence(X).shape
    (150,)
    """

    def __init__(self, estimator):
        self.estimator = estimator

    def _confidence(self, X):
        return one_minus_entropy(self.predict_proba(X))


class MCDropoutConfidence(ConfidenceClassifier):
    """A network whose confidence comes from the mean of many draws of its dropout.

    The answers stay those of the network without dropout.

    Parameters
    ----------
    estimator : object
        A skorch net or a `TorchModuleClassifier`, or a Pipeline, search or
        FrozenEstimator of one.  A fitted one stays as it is, of another one a clone is
        trained.
    n_samples : int, default=50
        Number of draws.
    measure : {"entropy", "max_probability"}, default="entropy"
        Of the mean of the draws: one minus its entropy, of at most 1, or its largest
        probability.
    random_state : int, RandomState instance or None, default=None
        Of the masks, which `fit` fixes.

    Attributes
    ----------
    estimator_ : object
        The network.
    wrapper_ : MCDropoutWrapper
        What draws.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    n_features_in_ : int
        Number of features, as the network has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, as the network has them.

    See Also
    --------
    MCDropoutWrapper : Answers by the draws, and has more options.
    TCPConfidence : Learns the probability of the true class.

    References
    ----------
    .. [1] Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation: representing
       model uncertainty in deep learning", ICML 2016. https://arxiv.org/abs/1506.02142

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from skuq.deep import MCDropoutConfidence, TorchModuleClassifier
    >>> module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    >>> network = TorchModuleClassifier(module, classes=3)
    >>> X, y = np.zeros((5, 4)), np.zeros(5, dtype=int)
    >>> model = MCDropoutConfidence(network, random_state=0).fit(X, y)
    >>> model.predict_confidence(X).shape
    (5,)
    """

    def __init__(
        self, estimator, *, n_samples=50, measure="entropy", random_state=None
    ):
        self.estimator = estimator
        self.n_samples = n_samples
        self.measure = measure
        self.random_state = random_state

    def _learn(self, X, y):
        check_option("measure", self.measure, MEASURES)
        self.wrapper_ = MCDropoutWrapper(
            FrozenEstimator(self.estimator_),
            n_samples=self.n_samples,
            random_state=self.random_state,
        ).fit(X, y)

    def _confidence(self, X):
        mean = self.wrapper_.predict_proba(X)
        return one_minus_entropy(mean) if self.measure == "entropy" else largest(mean)


def largest(proba):
    """The largest probability along axis 1."""
    proba = as_array(proba)
    return array_namespace(proba).max(proba, axis=1)


def one_minus_entropy(proba):
    """One minus the entropy as a share of its largest value."""
    return clip(1 - entropy(proba, normalize=True), 0.0, 1.0)
