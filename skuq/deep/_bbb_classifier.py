"""Bayes by Backprop for classes."""

import torch
from sklearn.base import ClassifierMixin
from torch import nn

from skuq.base import accuracy
from skuq.deep._bayes_by_backprop import BayesByBackprop
from skuq.deep._own_targets import VOID, class_network
from skuq.uncertainty import ClassifierMembersMixin


class BBBClassifier(ClassifierMixin, BayesByBackprop, ClassifierMembersMixin):
    """A neural classifier whose weights are Gaussians: Bayes by Backprop.

    It predicts the mean of many draws of its weights, which disagree where the data
    say little.  Read more in the :doc:`User Guide </user_guide/bayes_by_backprop>`.

    Parameters
    ----------
    module : torch.nn.Module, class or None, default=None
        The network, with layers as torch has them, of which a Bayesian twin is made; or
        one that has Bayesian layers already, which keep their prior and sampling.  None
        is one of linear layers, sized and scaled from the data.  An instance is copied.
    hidden_layer_sizes : tuple of int, default=(100,)
        Of the network that is made if `module` is None.
    prior : prior of `skuq.nn`, default=None
        `GaussianPrior`, `ScaleMixturePrior` or `LaplacePrior` of all weights; None is a
        Gaussian of standard deviation 1.
    layers : list of str or "last", default=None
        Names of the layers that become Bayesian, or the last alone; None for all.
    weight_sampling : {"local", "weights", "flipout"}, default="local"
        How noise is drawn during training, as in `skuq.nn.BayesLinear`.
    initial_std : float, default=0.005
        Standard deviation of all weights before training.
    keep_weights : bool, default=False
        Start the means at the weights that `module`, an instance, brings; else at new
        random ones.
    n_samples_train : int, default=1
        Draws of the weights in each step of training.
    n_samples : int, default=30
        Draws at prediction; 0 predicts once, with the mean weights.
    kl_weight : {"uniform", "blundell"}, float or callable, default="uniform"
        Share of the divergence that each batch carries, as in `skuq.nn.kl_weights`.
    kl_anneal_epochs : int, default=0
        In the first of so many epochs the divergence grows to its full weight.
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
        The network inside, with Bayesian layers.
    elbo_ : ndarray of shape (n_epochs,)
        Evidence lower bound of the training set, as each epoch saw it, in nats.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, where it saw any.

    See Also
    --------
    BBBRegressor : The same for values.
    skuq.nn.to_bayesian : The layers, for training loops of one's own.
    MCDropoutWrapper : Draws of dropout in place of weights.

    Notes
    -----
    Training minimises, per sample, the mean negative log-likelihood plus the divergence
    of the weights from their prior divided by the number of samples [1]_: one epoch
    sees the divergence once, with the weights of `kl_weight` for each batch.  For maps,
    every position with a label counts as a sample.

    A draw is one function for all samples, known by its number, so predictions depend
    neither on the batch size nor on the other samples.  Probabilities are averaged, not
    logits.  Labels of maps are 0..K-1, and -100 for positions that do not count.

    References
    ----------
    .. [1] C. Blundell, J. Cornebise, K. Kavukcuoglu and D. Wierstra, "Weight
       Uncertainty in Neural Networks", ICML 2015. https://arxiv.org/abs/1505.05424

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skuq.deep import BBBClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = BBBClassifier(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> parts = model.decompose(X[:3])
    >>> bool((parts.epistemic < parts.total).all())
    True
    """

    def __init__(
        self,
        module=None,
        *,
        hidden_layer_sizes=(100,),
        prior=None,
        layers=None,
        weight_sampling="local",
        initial_std=0.005,
        keep_weights=False,
        n_samples_train=1,
        n_samples=30,
        kl_weight="uniform",
        kl_anneal_epochs=0,
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
        self.prior = prior
        self.layers = layers
        self.weight_sampling = weight_sampling
        self.initial_std = initial_std
        self.keep_weights = keep_weights
        self.n_samples_train = n_samples_train
        self.n_samples = n_samples
        self.kl_weight = kl_weight
        self.kl_anneal_epochs = kl_anneal_epochs
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.net_params = net_params
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

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

    def _built(self, X, y):
        network, y, self.classes_ = class_network(self, X, y, lambda k: k)
        n_values = (y != VOID).sum() / len(y)
        loss = nn.CrossEntropyLoss()
        return *self._sampled(self._twin(network), loss, n_values), y

    def _member(self, outputs):
        """Probabilities of one draw."""
        return torch.softmax(outputs[0], dim=1).numpy()
