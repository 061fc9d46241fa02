"""Classification with a noise of the logits that the network predicts."""

import torch
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.distributions import Categorical, Normal

from skuq.base import accuracy
from skuq.deep._dropout_draws import dropout_draws
from skuq.deep._own_net import OwnNet
from skuq.deep._own_targets import class_network
from skuq.deep._training import check_count
from skuq.nn import LogitNoiseHead, LogitNoiseLoss
from skuq.nn._noise_heads import noise_channels
from skuq.uncertainty import ClassifierMembersMixin


class HeteroscedasticClassifier(ClassifierMixin, OwnNet, ClassifierMembersMixin):
    """A neural classifier that predicts how noisy the label of each sample is.

    One network gives the logits and the scale of a Gaussian noise on them, under which
    the likelihood of the label is averaged.  Read more in the :doc:`User Guide
    </user_guide/learned_noise>`.

    Parameters
    ----------
    module : torch.nn.Module, class or None, default=None
        The network, which gives along axis 1 all logits and then the noise: one number,
        or one for each class.  None is one of linear layers, sized and scaled from the
        data.  An instance is copied and gets new weights.
    hidden_layer_sizes : tuple of int, default=(100,)
        Of the network that is made if `module` is None.
    dropout : float in [0, 1), default=0.0
        Rate behind each of its hidden layers.
    n_dropout_samples : int, default=0
        Draws of the dropout at prediction, the same for all samples, for doubt about
        the model; 0 drops nothing.
    noise : {"shared", "per_class"}, default="shared"
        One scale for all logits of a sample or pixel, or one for each class.
    n_noise_samples : int, default=20
        Draws of the noise in training.
    n_samples : int, default=200
        Draws of the noise at prediction, the same for all samples.
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
        Show progress of training and draws.
    random_state : int, RandomState instance or None, default=None
        Of initial weights, order of samples and all draws.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    net_ : skorch.NeuralNet
        The trained net.
    module_ : torch.nn.Module
        The network inside, which gives logits and the scale of their noise.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, where it saw any.

    See Also
    --------
    HeteroscedasticRegressor : The same for values.
    EnsembleClassifier : Several of them, for doubt about the model as well.
    skuq.nn.LogitNoiseLoss : The loss, for training loops of one's own.

    Notes
    -----
    The loss [1]_ is the cross-entropy of the mean probability under the noise; samples
    whose labels contradict each other raise their noise, and count less.  Labels of
    maps are 0..K-1, and -100 for positions that do not count.

    One network has no doubt about itself: its epistemic uncertainty is 0, and the
    entropy of its probabilities is aleatoric.  Draws of its dropout have, and the parts
    add up: `n_dropout_samples` in place of 0, for networks that were trained with
    dropout.

    References
    ----------
    .. [1] A. Kendall and Y. Gal, "What Uncertainties Do We Need in Bayesian Deep
       Learning for Computer Vision?", NeurIPS 2017. https://arxiv.org/abs/1703.04977

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skuq.deep import HeteroscedasticClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = HeteroscedasticClassifier(max_epochs=30, random_state=0).fit(X, y)
    >>> model.predict_noise(X[:5]).shape
    (5,)
    >>> model.score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        module=None,
        *,
        hidden_layer_sizes=(100,),
        dropout=0.0,
        n_dropout_samples=0,
        noise="shared",
        n_noise_samples=20,
        n_samples=200,
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
        self.n_dropout_samples = n_dropout_samples
        self.noise = noise
        self.n_noise_samples = n_noise_samples
        self.n_samples = n_samples
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.net_params = net_params
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def iter_members(self, X):
        """The mean under the noise: once, or for one dropout after the other.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        members : iterator of array of shape (n_samples, n_classes, *spatial)
            Probabilities.
        """
        return dropout_draws(self, self._ready(X))

    def predict_noise(self, X):
        """How noisy the labels are that the network expects.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        noise : ndarray of shape (n_samples, *spatial)
            Standard deviation of the noise of the logits, above 0; the root mean square
            over classes, if each has its own.
        """
        _, scale = self._outputs(self.module_, self._ready(X))
        return scale.square().mean(dim=1).sqrt().numpy()

    def predict_logit_distribution(self, X):
        """The distribution of the logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        distribution : torch.distributions.Normal
            Its batch has the shape (n_samples, n_classes, *spatial).
        """
        logits, scale = self._outputs(self.module_, self._ready(X))
        return Normal(logits, scale.expand_as(logits))

    def predict_distribution(self, X):
        """The predicted distribution of the codes of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        distribution : torch.distributions.Categorical
            Its batch has the shape (n_samples, *spatial).
        """
        return Categorical(torch.from_numpy(self.predict_proba(X)).movedim(1, -1))

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

    @property
    def module_(self):
        """The trained network."""
        check_is_fitted(self, "net_")
        return self.net_.module_

    def _built(self, X, y):
        network, y, self.classes_ = class_network(
            self, X, y, lambda k: noise_channels(k, self.noise)
        )
        head = LogitNoiseHead(len(self.classes_), noise=self.noise)
        n_samples = check_count("n_noise_samples", self.n_noise_samples, 1)
        return nn.Sequential(network, head), LogitNoiseLoss(n_samples), y

    def _prediction(self, out):
        """Mean of the softmax over draws of the noise, which all samples share."""
        logits, scale = out
        n_samples = check_count("n_samples", self.n_samples, 1)
        generator = torch.Generator().manual_seed(self._seed)
        shape = (n_samples, logits.shape[1])
        noise = torch.randn(shape, generator=generator, dtype=logits.dtype)
        total = torch.zeros_like(logits)
        for row in noise.to(logits.device):
            row = row.reshape(-1, *(1,) * (logits.ndim - 2))
            total += torch.addcmul(logits, scale, row).softmax(1)
        return total / n_samples
