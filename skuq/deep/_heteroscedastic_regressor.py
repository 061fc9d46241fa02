"""Regression with a noise that the network predicts for each sample."""

import torch
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback
from torch import nn

from skuq.deep._dropout_draws import dropout_draws
from skuq.deep._noise import (
    NoiseRange,
    constant_std,
    likelihood_of,
    mixture,
    regression_network,
)
from skuq.deep._own_net import OwnNet
from skuq.deep._training import check_count
from skuq.nn import ConstantNoise, LogVarianceHead
from skuq.uncertainty import RegressorMembersMixin


class HeteroscedasticRegressor(RegressorMixin, OwnNet, RegressorMembersMixin):
    """A neural regressor that predicts the noise of its target, too.

    One network gives the mean and the logarithm of the variance of each sample, and is
    trained on the likelihood.  Read more in the :doc:`User Guide
    </user_guide/learned_noise>`.

    Parameters
    ----------
    module : torch.nn.Module, class or None, default=None
        The network, which gives along axis 1 all means and then all log-variances (the
        means alone if `homoscedastic`), of standardised targets.  None is one of linear
        layers, sized and scaled from the data.  An instance is copied and gets new
        weights.
    hidden_layer_sizes : tuple of int, default=(100,)
        Of the network that is made if `module` is None.
    dropout : float in [0, 1), default=0.0
        Rate behind each of its hidden layers.
    n_dropout_samples : int, default=0
        Draws of the dropout at prediction, the same for all samples, for doubt about
        the model; 0 drops nothing.
    likelihood : {"gaussian", "laplace", "student_t"}, default="gaussian"
        Distribution of the noise; the heavier its tails, the less outliers count.
    degrees_of_freedom : float, default=4.0
        Of "student_t", above 2.
    beta : float in [0, 1], default=0.0
        Each sample counts ``variance ** beta`` in the loss, without a gradient: 0 is
        the likelihood, 0.5 keeps samples that seem noisy from being neglected.
    homoscedastic : bool, default=False
        Learn one variance for all samples.
    warmup_epochs : int, default=10
        Epochs at the start that train the mean alone, on the squared error.
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
    net_ : skorch.NeuralNet
        The trained net.
    module_ : torch.nn.Module
        The network inside, which gives mean and variance of standardised targets.
    noise_std_ : float or ndarray of shape (n_outputs,)
        Standard deviation of the noise, in the unit of the target, if `homoscedastic`.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, where it saw any.

    See Also
    --------
    HeteroscedasticClassifier : The same for classes.
    EnsembleRegressor : Several of them, for doubt about the model as well.
    skuq.nn.LogVarianceHead : The output layer, for training loops of one's own.

    Notes
    -----
    The loss [1]_ of a Gaussian is ``r^2 / (2 s^2) + log(s^2) / 2`` with the residual r
    and the predicted variance s^2; with a constant residual r it is lowest at ``s^2 =
    r^2``.  `beta` is that of [2]_.  Targets are standardised inside.

    A predicted variance is not less than the least, and not more than the largest, that
    training samples have.  Far from them a network goes on along a line, and the
    exponential of that is no knowledge; `module_` gives it as it is.

    One network has no doubt about itself: its epistemic uncertainty is 0.  Draws of its
    dropout have, and the parts add up: `n_dropout_samples` in place of 0, for networks
    that were trained with dropout.

    References
    ----------
    .. [1] A. Kendall and Y. Gal, "What Uncertainties Do We Need in Bayesian Deep
       Learning for Computer Vision?", NeurIPS 2017. https://arxiv.org/abs/1703.04977
    .. [2] M. Seitzer, A. Tavakoli, D. Antic and G. Martius, "On the Pitfalls of
       Heteroscedastic Uncertainty Estimation with Probabilistic Neural Networks",
       ICLR 2022. https://arxiv.org/abs/2203.09168

    Examples
    --------
    >>> import numpy as np
    >>> from skuq.deep import HeteroscedasticRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(1000, 1))
    >>> y = rng.normal(0, 0.1 + X[:, 0])  # the larger x, the more noise
    >>> model = HeteroscedasticRegressor(max_epochs=30, random_state=0).fit(X, y)
    >>> mean, std = model.predict([[0.0], [1.0]], return_std=True)
    >>> bool(std[1] > 3 * std[0])
    True
    """

    def __init__(
        self,
        module=None,
        *,
        hidden_layer_sizes=(100,),
        dropout=0.0,
        n_dropout_samples=0,
        likelihood="gaussian",
        degrees_of_freedom=4.0,
        beta=0.0,
        homoscedastic=False,
        warmup_epochs=10,
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
        self.likelihood = likelihood
        self.degrees_of_freedom = degrees_of_freedom
        self.beta = beta
        self.homoscedastic = homoscedastic
        self.warmup_epochs = warmup_epochs
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.net_params = net_params
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def iter_members(self, X):
        """What the network predicts: once, or for one dropout after the other.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        members : iterator of tuple of two arrays of shape (n_samples, *outputs)
            Mean and variance, in the unit of the target.
        """
        return dropout_draws(self, self._ready(X))

    def _prediction(self, out):
        """Mean and variance in the unit of the target, from an output of the module."""
        mean, variance = (values.cpu() for values in out)
        return self._scale.moments(mean, self._noise_range.bounded(variance))

    def predict_distribution(self, X):
        """The predicted distribution of the target.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        distribution : torch.distributions.Normal, Laplace or StudentT
            Its batch has the shape of the target; with several draws of dropout their
            `MixtureSameFamily`.
        """
        return mixture(likelihood_of(self).distribution, *self.predict_members(X))

    @property
    def module_(self):
        """The trained network."""
        check_is_fitted(self, "net_")
        return self.net_.module_

    @property
    def noise_std_(self):
        """Standard deviation of a constant noise; there is none if it is predicted."""
        return constant_std(self.module_, self._scale)

    def _built(self, X, y):
        loss = WarmLoss(likelihood_of(self).loss(self.beta))
        n_per_output = 1 if self.homoscedastic else 2
        network, y, self._scale = regression_network(self, X, y, n_per_output)
        constant = ConstantNoise(self._scale.n_outputs)
        head = constant if self.homoscedastic else LogVarianceHead()
        return nn.Sequential(network, head), loss, y

    def _after_training(self, X):
        self._noise_range = NoiseRange(self, X)

    def _callbacks(self):
        n_epochs = check_count("warmup_epochs", self.warmup_epochs, 0)
        return [("warm_up", WarmUp(n_epochs))]


class WarmLoss(nn.Module):
    """Half the squared error of the mean while it is warm, then the loss itself."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss
        self.warm = False

    def forward(self, y_pred, y_true):
        """The loss of one batch."""
        if self.warm:
            return 0.5 * (y_true - y_pred[0]).square().mean()
        return self.loss(y_pred, y_true)


class WarmUp(Callback):
    """Keeps a loss warm for the first epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        """Set what the epoch is trained on."""
        net.criterion_.warm = net.history[-1, "epoch"] <= self.n_epochs
