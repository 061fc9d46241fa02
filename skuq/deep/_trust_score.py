"""Confidence from distances: nearer to the class that is answered than to another."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skuq._core._labels import encode_labels
from skuq.deep._confidence import ConfidenceClassifier
from skuq.deep._confidence_features import has_layers, model_inside, read
from skuq.deep._training import check_count
from skuq.exceptions import InputError


class TrustScore(ConfidenceClassifier):
    """A classifier whose confidence says which class's samples are near.

    Compares the distance to the class that is answered with that to the nearest other
    class, among samples that lie in the dense part of their class.

    Parameters
    ----------
    estimator : object
        A classifier with `predict_proba`.  A fitted one stays as it is, of another one
        a clone is trained on the same data.
    n_neighbors : int, default=10
        The density at a sample goes by the distance to this neighbour in its class.
    alpha : float in [0, 1), default=0.0
        Share of each class, its least dense samples, that is left out.
    layer : str, default="auto"
        Name of the part of a network, as in ``named_modules()``, between whose inputs
        distances are measured; "auto" is the last layer with weights.  Of classifiers
        that are no networks "input", which "auto" stands for, "proba" or "both".
    n_jobs : int, default=None
        Processors for the search, through joblib.

    Attributes
    ----------
    estimator_ : object
        The classifier.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    layer_ : str
        Where the features come from.
    neighbors_ : list of NearestNeighbors or None
        The index of each class, None for one without samples.
    n_features_in_ : int
        Number of features, as the classifier has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, as the classifier has them.

    See Also
    --------
    TCPConfidence : Learns the probability of the true class.

    Notes
    -----
    The trust score [1]_ is ``r = d_other / d_answered``; the confidence ``r / (1 + r)``
    has the same order and is 1/2 where both are equally near.  A class without samples
    is infinitely far.  Distances are Euclidean: scale the columns of a table first.
    For one label per sample, not for maps.

    References
    ----------
    .. [1] H. Jiang, B. Kim, M. Guan and M. Gupta, "To Trust Or Not To Trust A
       Classifier", NeurIPS 2018. https://arxiv.org/abs/1805.11783

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skuq.deep import TrustScore
    >>> X, y = load_iris(return_X_y=True)
    >>> model = TrustScore(GaussianNB(), alpha=0.1).fit(X, y)
    >>> confidence = model.predict_confidence(X)
    >>> right = model.predict(X) == y
    >>> bool(confidence[right].mean() > confidence[~right].mean())
    True
    """

    def __init__(
        self, estimator, *, n_neighbors=10, alpha=0.0, layer="auto", n_jobs=None
    ):
        self.estimator = estimator
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.layer = layer
        self.n_jobs = n_jobs

    def _learn(self, X, y):
        if not 0 <= self.alpha < 1:
            raise InputError(f"alpha must lie in [0, 1), got {self.alpha!r}.")
        check_count("n_neighbors", self.n_neighbors, 1)
        if y.ndim > 1:
            raise InputError(
                f"y has shape {y.shape}: the trust score takes one label per sample."
            )
        is_network = has_layers(model_inside(self.estimator_))
        layer = "input" if self.layer == "auto" and not is_network else self.layer
        features, proba, self.layer_ = read(self.estimator_, X, layer)
        codes, _ = encode_labels(y, self.classes_, like=proba)
        self.neighbors_ = [
            self._index(features[codes == k]) for k in range(len(self.classes_))
        ]

    def _index(self, points):
        """The search among the dense part of a class."""
        if not len(points):
            return None
        n_kept = len(points) - int(self.alpha * len(points))
        if n_kept < len(points):
            n = min(int(self.n_neighbors), len(points) - 1)
            radius = self._search(points).kneighbors(n_neighbors=n)[0][:, -1]
            points = points[np.argsort(radius, kind="stable")[:n_kept]]
        return self._search(points)

    def _search(self, points):
        return NearestNeighbors(n_neighbors=1, n_jobs=self.n_jobs).fit(points)

    def _confidence(self, X):
        features, proba, _ = read(self.estimator_, X, self.layer_)
        distance = np.full(proba.shape, np.inf)
        for k, index in enumerate(self.neighbors_):
            if index is not None:
                distance[:, k] = index.kneighbors(features)[0][:, 0]
        answered = proba.argmax(axis=1)[:, None]
        own = np.take_along_axis(distance, answered, axis=1)[:, 0]
        np.put_along_axis(distance, answered, np.inf, axis=1)
        return _ratio(distance.min(axis=1), own)


def _ratio(other, own):
    """``other / (other + own)``; 1/2 where neither class is nearer."""
    out = np.full(len(own), 0.5)
    np.divide(other, other + own, out=out, where=np.isfinite(other + own) & (own > 0))
    out[np.isinf(other) & np.isfinite(own)] = 1.0
    out[np.isinf(own) & np.isfinite(other)] = 0.0
    out[(own == 0) & (other > 0)] = 1.0
    return out
