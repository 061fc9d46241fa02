"""Deep ensembles of classifiers: networks that differ in their random numbers alone."""

import numpy as np
from sklearn.base import ClassifierMixin
from torch import nn

from skuq._core._arrays import to_numpy
from skuq.base import accuracy
from skuq.deep._ensemble_base import Ensemble
from skuq.deep._ensemble_nets import classifier_net, net_in
from skuq.deep._ensemble_predict import draws_of_proba, member_proba, probabilities
from skuq.deep._training import encoded, targets
from skuq.exceptions import InputError, NoSamplesError
from skuq.uncertainty import ClassifierMembersMixin, MemberStatistics


class EnsembleClassifier(ClassifierMixin, ClassifierMembersMixin, Ensemble):
    """An ensemble of classifiers that were trained alike from other random numbers.

    Members disagree where they have seen no data, which tells doubt about the model
    from noise in the labels.  Read more in the :doc:`User Guide
    </user_guide/ensembles>`.

    Parameters
    ----------
    estimator : estimator, torch.nn.Module or None, default=None
        What each member is: a skorch net, also at the end of a pipeline, a module or
        its class, or any classifier of scikit-learn with `predict_proba`.  None is a
        network with one hidden layer, sized and scaled from the data.
    n_estimators : int, default=5
        Number of members.
    adversarial : bool, default=False
        Train nets against inputs changed by the fast gradient sign as well.
    epsilon : float, default=0.01
        Size of these changes, relative to the range that each feature has in the data
        which the net is fed.
    adversarial_mask : array-like of bool of the shape of a sample, default=None
        False for features that are left alone, such as codes of categories.
    adversarial_clip : tuple of float, default=None
        Lowest and highest value of changed inputs; None does not clip.
    bootstrap : bool, default=False
        Draw samples with replacement for each member.
    strategy : {"auto", "stacked", "joblib", "loop"}, default="auto"
        Train all members in the same steps, in a process for each, or one after the
        other.  "auto" stacks whatever can be stacked, but for networks that convolve
        on a CPU; anything else is a loop, or processes if `n_jobs` asks for them.
    n_jobs : int, default=None
        Number of processes, for "joblib".
    device : str, default=None
        Where nets are: "cpu", "cuda", "auto" (a GPU if there is one); None is the
        device of the skorch net.
    warm_start : bool, default=False
        Keep the members in the next `fit` and train only those that are missing.
    checkpoint : path-like, default=None
        Folder to keep members in: training that was killed goes on from there, with
        the same result.  It serves one fit; other data or settings are an error.
    verbose : bool, default=False
        Show a progress bar.
    random_state : int, RandomState instance or None, default=None
        Of the members' weights, their order of samples and the bootstrap.

    Attributes
    ----------
    estimators_ : list of estimator
        The fitted members.
    preprocessor_ : Pipeline or None
        What members are fed by, where `estimator` is a pipeline that ends in a net.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    strategy_ : str
        How the members were trained last: "stacked", "joblib" or "loop".
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, where it saw any.

    See Also
    --------
    EnsembleRegressor : The same for values.
    MCDropoutWrapper : Members from the dropout of a single network.

    Notes
    -----
    As in [1]_: every member has new random weights and an order of samples of its own
    (`iterator_train__shuffle=True`, unless the net says how samples come), all see the
    whole data, and their probabilities are averaged.  A module that is an instance is
    copied and gets new weights, too.

    Optimiser, criterion, schedule, validation split and callbacks are those of the
    skorch net, and all strategies give the same members: stacked training equals the
    loop to the last bit for chains of linear layers, batch normalisation and common
    activations on one thread of a CPU, and to rounding elsewhere.  Nets with dropout
    get masks from another stream in a stack.

    Adversarial training [1]_ minimises ``loss(x) + loss(x')`` with ``x' = x + epsilon *
    range * sign(grad loss(x))``, at the price of two steps.  Batch normalisation does
    not learn the statistics of `x'`.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable
       Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017.
       https://arxiv.org/abs/1612.01474

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skuq.deep import EnsembleClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = EnsembleClassifier(n_estimators=3, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    >>> parts = model.decompose(X[:3])
    >>> bool((parts.epistemic < parts.total).all())
    True
    """

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=5,
        adversarial=False,
        epsilon=0.01,
        adversarial_mask=None,
        adversarial_clip=None,
        bootstrap=False,
        strategy="auto",
        n_jobs=None,
        device=None,
        warm_start=False,
        checkpoint=None,
        verbose=False,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.adversarial = adversarial
        self.epsilon = epsilon
        self.adversarial_mask = adversarial_mask
        self.adversarial_clip = adversarial_clip
        self.bootstrap = bootstrap
        self.strategy = strategy
        self.n_jobs = n_jobs
        self.device = device
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.verbose = verbose
        self.random_state = random_state

    @classmethod
    def from_estimators(cls, estimators, *, classes=None):
        """An ensemble of classifiers that are fitted already.

        Parameters
        ----------
        estimators : sequence of estimator
            Fitted classifiers with `predict_proba`, or skorch nets.
        classes : array-like of shape (n_classes,), default=None
            Labels of all columns, sorted; None takes those of the members.

        Returns
        -------
        ensemble : EnsembleClassifier
            Fitted.
        """
        ensemble = cls._of_members(estimators)
        if classes is None:
            members = ensemble.estimators_
            classes = np.unique(np.concatenate([m.classes_ for m in members]))
        ensemble.classes_ = ensemble._columns = np.asarray(classes)
        ensemble._n_classes = len(ensemble.classes_)
        return ensemble

    def iter_members(self, X):
        """Yield the probabilities of one member after the other.

        Of a member that has members itself, such as `MCDropoutWrapper`, yield theirs.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Yields
        ------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        X = self._ready(X)
        for member in self.estimators_:
            yield from draws_of_proba(member, X, self._columns)

    def _statistics(self, X):
        found = self._stacked(X, probabilities, MemberStatistics)
        return super()._statistics(X) if found is None else found

    def score(self, X, y, sample_weight=None):
        """Accuracy of `predict`; for maps, the share of right positions.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.
        y : array-like of shape (n_samples, *spatial)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.

        Returns
        -------
        accuracy : float
            In [0, 1], higher is better.
        """
        return accuracy(y, self.predict(X), sample_weight)

    def select_members(self, X, y, *, n_members=None):
        """Keep the members whose mean probabilities are best together.

        Members are taken one after the other, each the one that lowers the negative
        log-likelihood of the mean most.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Validation samples.
        y : array-like of shape (n_samples, *spatial)
            Their labels.
        n_members : int, default=None
            How many to keep; None stops when no member lowers the loss.

        Returns
        -------
        self : EnsembleClassifier
            The ensemble, with fewer members, the best first.
        """
        codes = self._codes(to_numpy(y))[:, None]
        X = self._ready(X)
        probas = (member_proba(m, X, self._columns) for m in self.estimators_)
        right = np.stack([np.take_along_axis(p, codes, axis=1) for p in probas]).astype(
            np.float64
        )
        tiny = np.finfo(np.float64).tiny

        def loss(chosen):
            return -np.log(np.maximum(right[chosen].mean(axis=0), tiny)).mean()

        return self._keep_best(n_members, loss)

    def _target(self, X, y, reset):
        """Codes of the labels; sets the classes."""
        y = targets(X, y)
        if not y.size:
            raise NoSamplesError("y holds no samples: pass at least two classes.")
        if not reset:
            return self._typed(self._codes(y))
        given = getattr(net_in(self.estimator), "classes", None)
        if given is not None and y.ndim == 1:
            self.classes_ = self._columns = np.asarray(given)
            self._n_classes = None  # the net knows them
            return self._typed(self._codes(y))
        classes, codes = encoded(y)
        if classes is None:
            classes = np.arange(codes.max() + 1)
        self.classes_, self._columns = classes, np.arange(len(classes))
        self._n_classes = len(classes)
        return self._typed(codes)

    def _codes(self, y):
        """Positions of labels among the classes."""
        if y.ndim > 1:
            return y.astype(np.int64)
        order = np.argsort(self.classes_)
        places = np.searchsorted(self.classes_, y, sorter=order)
        codes = order[np.minimum(places, len(order) - 1)]
        unknown = self.classes_[codes] != y
        if unknown.any():
            raise InputError(
                f"y holds {y[unknown][0]!s}, which is none of the classes "
                f"{self.classes_}: leave such samples out, or fit anew."
            )
        return codes

    def _typed(self, codes):
        """Codes as the members take them: a criterion, or others of fitted members."""
        if not self._feeds_nets():
            return self._columns[codes]
        criterion = getattr(net_in(self.estimator), "criterion", None)
        binary = (nn.BCEWithLogitsLoss, nn.BCELoss)
        kind = criterion if isinstance(criterion, type) else type(criterion)
        return codes.astype(np.float32 if issubclass(kind, binary) else np.int64)

    def _net(self, module, X, y):
        return classifier_net(module, X, len(self.classes_))
