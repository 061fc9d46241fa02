"""Deep ensembles of regressors: networks that differ in their random numbers alone."""

import numpy as np
from sklearn.base import RegressorMixin

from skuq._core._arrays import to_numpy
from skuq._core._checks import check_option
from skuq.deep._ensemble_base import Ensemble
from skuq.deep._ensemble_nets import regressor_net
from skuq.deep._ensemble_predict import draws_of_moments, member_moments, moments
from skuq.deep._ensemble_selection import log_density
from skuq.deep._training import columns, targets
from skuq.uncertainty import RegressionStatistics, RegressorMembersMixin

NLL = ("moment", "mixture")


class EnsembleRegressor(RegressorMixin, RegressorMembersMixin, Ensemble):
    """An ensemble of regressors that were trained alike from other random numbers.

    Members state a mean and a variance, so that the noise of the target and the doubt
    of the members can be told apart.  Read more in the :doc:`User Guide
    </user_guide/ensembles>`.

    Parameters
    ----------
    estimator : estimator, torch.nn.Module or None, default=None
        What each member is: a skorch net, also at the end of a pipeline, a module or
        its class, or any regressor of scikit-learn.  None is a network with one hidden
        layer, sized and scaled from the data.  A module that gives two numbers for each
        output gets a `skuq.nn.GaussianHead`; a net may return a mean and a variance.
    n_estimators : int, default=5
        Number of members.
    beta : float in [0, 1], default=0.0
        Of the loss of modules, `skuq.nn.BetaNLLLoss`: 0 is the likelihood.
    nll : {"moment", "mixture"}, default="moment"
        What `log_likelihood` and `select_members` look at: the Gaussian with the mean
        and variance of the mixture of the members, as in the paper, or the mixture.
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
    strategy_ : str
        How the members were trained last: "stacked", "joblib" or "loop".
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, where it saw any.

    See Also
    --------
    EnsembleClassifier : The same for classes; has notes on training.
    skuq.nn.GaussianHead : Makes a mean and a variance.

    Notes
    -----
    The prediction is that of the mixture of the members [1]_: its mean is the mean of
    the means, and its variance the mean of the variances, the noise, plus the variance
    of the means (``ddof=0``), the doubt.  A single member predicts what it predicts
    alone.  Members that state no variance add none.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable
       Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017.
       https://arxiv.org/abs/1612.01474

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skuq.deep import EnsembleRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = EnsembleRegressor(n_estimators=3, random_state=0).fit(X, y)
    >>> mean, std = model.predict(X[:3], return_std=True)
    >>> bool((std > 10).all())
    True
    """

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=5,
        beta=0.0,
        nll="moment",
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
        self.beta = beta
        self.nll = nll
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
    def from_estimators(cls, estimators):
        """An ensemble of regressors that are fitted already.

        Parameters
        ----------
        estimators : sequence of estimator
            Fitted regressors.

        Returns
        -------
        ensemble : EnsembleRegressor
            Fitted.
        """
        return cls._of_members(estimators)

    def iter_members(self, X):
        """Yield the predictions of one member after the other.

        Of a member that has members itself, such as `MCDropoutWrapper`, yield theirs.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Yields
        ------
        member : array of shape (n_samples, *outputs), or a tuple of two
            Means; or means and variances, of members that state them.
        """
        X = self._ready(X)
        for member in self.estimators_:
            for found in draws_of_moments(member, X):
                yield found[0] if len(found) == 1 else found

    def _statistics(self, X):
        found = self._stacked(X, moments, RegressionStatistics)
        return super()._statistics(X) if found is None else found

    def log_likelihood(self, X, y):
        """Log density of observed values, as `nll` says; higher is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.
        y : array-like of shape (n_samples, *outputs)
            Observed values.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples, *outputs)
            In nats.
        """
        y, means, variances = self._observed(X, y)
        return log_density(y, means, variances, self.nll)

    def select_members(self, X, y, *, n_members=None):
        """Keep the members that predict best together.

        Members are taken one after the other, each the one that lowers the negative
        log-likelihood most; the squared error, if they state no variance.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Validation samples.
        y : array-like of shape (n_samples, *outputs)
            Their values.
        n_members : int, default=None
            How many to keep; None stops when no member lowers the loss.

        Returns
        -------
        self : EnsembleRegressor
            The ensemble, with fewer members, the best first.
        """
        y, means, variances = self._observed(X, y)

        def loss(chosen):
            if not variances.any():
                return ((means[chosen].mean(axis=0) - y) ** 2).mean()
            return -log_density(y, means[chosen], variances[chosen], self.nll).mean()

        return self._keep_best(n_members, loss)

    def _observed(self, X, y):
        """Values, and the means and variances of the members, in double precision."""
        check_option("nll", self.nll, NLL)
        X = self._ready(X)
        members = [member_moments(member, X) for member in self.estimators_]
        means, *stated = map(np.stack, zip(*members, strict=True))
        variances = stated[0] if stated else 0 * means
        y = to_numpy(y).reshape(means.shape[1:])
        return tuple(np.asarray(a, dtype=np.float64) for a in (y, means, variances))

    def _target(self, X, y, reset):
        """Values; columns of them for nets."""
        y = targets(X, y)
        return columns(y) if self._feeds_nets() else y

    def _net(self, module, X, y):
        return regressor_net(module, X, y, self.beta)
