"""Bayes by Backprop for values."""

import torch
from sklearn.base import RegressorMixin
from torch import nn

from skuq.deep._bayes_by_backprop import BayesByBackprop
from skuq.deep._noise import (
    NoiseRange,
    constant_std,
    likelihood_of,
    mixture,
    regression_network,
)
from skuq.exceptions import InputError
from skuq.nn import ConstantNoise, LogVarianceHead
from skuq.uncertainty import RegressorMembersMixin


class BBBRegressor(RegressorMixin, BayesByBackprop, RegressorMembersMixin):
    """A neural regressor whose weights are Gaussians: Bayes by Backprop.

    It predicts the mean of many draws of its weights, which disagree where the data
    say little, and the noise of the target.  Read more in the :doc:`User Guide
    </user_guide/bayes_by_backprop>`.

    Parameters
    ----------
    module : torch.nn.Module, class or None, default=None
        The network, with layers as torch has them, of which a Bayesian twin is made; or
        one that has Bayesian layers already, which keep their prior and sampling.  None
        is one of linear layers, sized and scaled from the data.  An instance is copied.
    hidden_layer_sizes : tuple of int, default=(100,)
        Of the network that is made if `module` is None.
    noise : {"constant", "predicted"} or float, default="constant"
        One variance of the target's noise, learned; one that the network predicts for
        each sample; or its standard deviation in the unit of the target, if it is
        known.  A `module` gives one number for each output, or, for "predicted", all
        means and then all log-variances.
    likelihood : {"gaussian", "laplace", "student_t"}, default="gaussian"
        Distribution of the noise; the heavier its tails, the less outliers count.
    degrees_of_freedom : float, default=4.0
        Of "student_t", above 2.
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
    net_ : skorch.NeuralNet
        The trained net.
    module_ : torch.nn.Module
        The network inside, with Bayesian layers.
    elbo_ : ndarray of shape (n_epochs,)
        Evidence lower bound of the training set, as each epoch saw it, in nats.
    noise_std_ : float or ndarray of shape (n_outputs,)
        Standard deviation of the noise, in the unit of the target, if it is constant.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, where it saw any.

    See Also
    --------
    BBBClassifier : The same for classes; has notes on training.
    HeteroscedasticRegressor : Learned noise without doubt about the weights.

    Notes
    -----
    Targets are standardised inside; predictions and the bound `elbo_` are in their own
    unit.  The prediction is that of the mixture of the draws: its variance is the mean
    of the variances, the noise, plus the variance of the means, the doubt [1]_.

    A predicted noise is bounded by what the mean weights give to training samples, as
    that of `HeteroscedasticRegressor` is.

    References
    ----------
    .. [1] C. Blundell, J. Cornebise, K. Kavukcuoglu and D. Wierstra, "Weight
       Uncertainty in Neural Networks", ICML 2015. https://arxiv.org/abs/1505.05424

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skuq.deep import BBBRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = BBBRegressor(random_state=0).fit(X, y)
    >>> mean, std = model.predict(X[:3], return_std=True)
    >>> bool((std > 40).all())
    True
    """

    def __init__(
        self,
        module=None,
        *,
        hidden_layer_sizes=(100,),
        noise="constant",
        likelihood="gaussian",
        degrees_of_freedom=4.0,
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
        self.noise = noise
        self.likelihood = likelihood
        self.degrees_of_freedom = degrees_of_freedom
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

    def predict_distribution(self, X):
        """The distribution of the target: the mixture of all draws.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        distribution : torch.distributions.MixtureSameFamily
            Of distributions of the noise, or a single one; its batch has the shape of
            the target.
        """
        return mixture(likelihood_of(self).distribution, *self.predict_members(X))

    @property
    def noise_std_(self):
        """Standard deviation of the noise; there is none if it is predicted."""
        return constant_std(self.module_, self._scale)

    def _built(self, X, y):
        predicted = self.noise == "predicted"
        network, y, self._scale = regression_network(self, X, y, 1 + predicted)
        head = LogVarianceHead() if predicted else self._constant_noise()
        twin = nn.Sequential(self._twin(network), head)
        likelihood = likelihood_of(self)
        # The loss may leave out a constant, and is that of standardised values.
        constant = likelihood.left_out + self._scale.nats
        loss = likelihood.loss(beta=0.0)
        return *self._sampled(twin, loss, y[0].size, constant), y

    def _constant_noise(self):
        n_outputs = self._scale.n_outputs
        if self.noise == "constant":
            return ConstantNoise(n_outputs)
        if isinstance(self.noise, str) or not self.noise > 0:
            raise InputError(
                "noise must be 'constant', 'predicted' or a standard deviation above "
                f"0, got {self.noise!r}."
            )
        std = self.noise / self._scale.unit.reshape(-1)
        return ConstantNoise(n_outputs, std**2, learned=False)

    def _member(self, outputs):
        """Mean and variance of one draw."""
        mean, variance = outputs
        return self._scale.moments(mean, self._noise_range.bounded(variance))

    def _after_training(self, X):
        self._noise_range = NoiseRange(self, X)
