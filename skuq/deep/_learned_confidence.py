"""A classifier that learns while it is trained how sure it may be."""

from math import inf

import torch
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from skuq._core._labels import decode_labels
from skuq.base import accuracy
from skuq.deep._learned_confidence_loss import HintLoss
from skuq.deep._own_net import OwnNet
from skuq.deep._own_targets import VOID, class_network
from skuq.exceptions import InputError


class LearnedConfidence(ClassifierMixin, OwnNet):
    """A neural classifier with a confidence that it learns in training.

    One network gives logits and a confidence.  While it learns it is given hints, the
    more the less confident it says it is, and pays for them.  Read more in the
    :doc:`User Guide </user_guide/learned_confidence>`.

    Parameters
    ----------
    module : torch.nn.Module, class or None, default=None
        The network, which gives along axis 1 all logits and then the logit of the
        confidence.  None is one of linear layers, sized and scaled from the data.  An
        instance is copied and gets new weights.
    hidden_layer_sizes : tuple of int, default=(100,)
        Of the network that is made if `module` is None.
    dropout : float in [0, 1), default=0.0
        Rate behind each of its hidden layers.
    hint_probability : float in (0, 1], default=0.5
        Share of the samples or positions of a step that get hints.  The others keep
        the network from living on hints.
    budget : float, default=0.3
        Mean of -log confidence that the price of hints aims at, in nats.
    price : float, default=0.1
        The first price of a nat of that; it grows where the mean is above the budget,
        and falls where it is below.
    optimizer : class, default=torch.optim.Adam
        Optimiser of torch.
    lr : float, default=0.01
        Its learning rate.
    max_epochs : int, default=100
        Passes over the data.
    batch_size : int, default=100
        Samples in a step, and in a batch of predictions.
    net_params : dict, default=None
        Further parameters of the skorch net, such as ``train_split``, ``callbacks`` or
        ``optimizer__weight_decay``.
    device : str, default="cpu"
        "cpu", "cuda", or "auto": a GPU if there is one.
    verbose : bool or int, default=False
        Show progress of training.
    random_state : int, RandomState instance or None, default=None
        Of initial weights, order of samples and hints.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    net_ : skorch.NeuralNet
        The trained net.
    module_ : torch.nn.Module
        The network inside.
    price_ : float
        The last price.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, where it saw any.

    See Also
    --------
    TCPConfidence : Learns afterwards, and leaves the classifier as it is.

    Notes
    -----
    With the confidence c, the loss [1]_ is that of ``c p + (1 - c) y`` in place of the
    probabilities p, for the samples that get hints, plus the price times ``-log c``.
    After each step the price is divided by 0.99 or 1.01.

    The confidence is high for most samples, so its order counts, not its value.  A
    network that makes no errors in training has no use for hints: it is then as sure of
    all that is like its training samples.

    Labels of maps are 0..K-1, and -100 for positions that do not count.

    References
    ----------
    .. [1] T. DeVries and G. W. Taylor, "Learning Confidence for Out-of-Distribution
       Detection in Neural Networks", 2018. https://arxiv.org/abs/1802.04865

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skuq.deep import LearnedConfidence
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LearnedConfidence(max_epochs=30, random_state=0).fit(X, y)
    >>> confidence = model.predict_confidence(X)
    >>> right = model.predict(X) == y
    >>> bool(confidence[right].mean() > confidence[~right].mean())
    True
    """

    def __init__(
        self,
        module=None,
        *,
        hidden_layer_sizes=(100,),
        dropout=0.0,
        hint_probability=0.5,
        budget=0.3,
        price=0.1,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=100,
        batch_size=100,
        net_params=None,
        device="cpu",
        verbose=False,
        random_state=None,
    ):
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.hint_probability = hint_probability
        self.budget = budget
        self.price = price
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.net_params = net_params
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def predict_confidence(self, X):
        """How sure the network says it is; higher is surer.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        confidence : ndarray of shape (n_samples, *spatial)
            In [0, 1].
        """
        return self._forward(X)[:, -1].sigmoid().numpy()

    def predict_uncertainty(self, X):
        """One minus the confidence; higher is less sure.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        uncertainty : ndarray of shape (n_samples, *spatial)
            In [0, 1].
        """
        return 1 - self.predict_confidence(X)

    def predict_proba(self, X):
        """The probabilities of the classes, without hints.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        return self._forward(X)[:, :-1].softmax(1).numpy()

    def predict(self, X):
        """The most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        labels : ndarray of shape (n_samples, *spatial)
            Entries of `classes_`.
        """
        proba = self.predict_proba(X)
        return decode_labels(proba.argmax(axis=1), self.classes_, like=proba)

    def score(self, X, y, sample_weight=None):
        """Accuracy of `predict`; for maps, the share of right positions that count.

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
        answers = self.predict(X)
        void = VOID if answers.ndim > 1 else None
        return accuracy(y, answers, sample_weight, void)

    @property
    def module_(self):
        """The trained network."""
        check_is_fitted(self, "net_")
        return self.net_.module_

    @property
    def price_(self):
        """The last price of doubt."""
        check_is_fitted(self, "net_")
        return self.net_.criterion_.price.item()

    def _built(self, X, y):
        self._check_options()
        network, y, self.classes_ = class_network(self, X, y, lambda k: k + 1)
        return network, HintLoss(self.hint_probability, self.budget, self.price), y

    def _check_options(self):
        if not 0 < self.hint_probability <= 1:
            raise InputError(
                f"hint_probability must lie in (0, 1], got {self.hint_probability!r}."
            )
        for name in ("budget", "price"):
            if not 0 < getattr(self, name) < inf:
                raise InputError(
                    f"{name} must be finite and above 0, got {getattr(self, name)!r}."
                )

    def _forward(self, X):
        """Logits and the logit of the confidence, as a tensor."""
        X = self._ready(X)
        (out,) = self._outputs(self.module_, X)
        return out
