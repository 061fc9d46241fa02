"""Monte Carlo dropout around a network: its predictions, and how unsure they are."""

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils import ClassifierTags, RegressorTags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from skuq._core._arrays import array_namespace, to_numpy
from skuq._model_checks import is_fitted
from skuq._responses import innermost, wrapped
from skuq.deep._default_net import trained
from skuq.deep._draws import BLOCK, Draws
from skuq.deep._either_kind import EitherKind, classifies
from skuq.deep._ensemble_nets import is_net
from skuq.deep._gal import best_tau, squared_errors
from skuq.deep._torch_base import TorchModule
from skuq.deep._torch_net import net_of
from skuq.deep._training import check_count, columns, encoded, is_table, seeds, targets
from skuq.exceptions import InputError
from skuq.nn import DropoutSampler
from skuq.uncertainty import MemberStatistics, RegressionStatistics

DEFAULTS = ("classifier", "regressor")


def _regresses(self):
    return self._type() == "regressor"


def _takes_columns(estimator):
    """Whether a column for each output is needed: by a net of skorch, or by our own."""
    inside = wrapped(estimator)
    inside = getattr(estimator, "estimator", None) if inside is None else inside
    return is_net(estimator) if inside is None else _takes_columns(inside)


class MCDropoutWrapper(EitherKind, MetaEstimatorMixin, BaseEstimator):
    """A network that predicts by many draws of its dropout, with their spread.

    Works around a fitted network at once, without `fit`; or trains one.  It is a
    classifier (of samples or of pixels) or a regressor, as the network is.

    Parameters
    ----------
    estimator : estimator or {"classifier", "regressor"}, default="classifier"
        A skorch net, fitted or not; a `TorchModuleClassifier` or
        `TorchModuleRegressor`; a `HeteroscedasticClassifier` or
        `HeteroscedasticRegressor` with dropout, whose noise is told apart from the
        doubt; a Pipeline, search or FrozenEstimator of one.  A name stands for a small
        network with dropout that is sized from the data.
    n_samples : int, default=30
        Number of draws; 0 is a single prediction without dropout (weight scaling).
    mask : {"shared", "independent"}, default="shared"
        One mask of each draw for all samples, so that a prediction depends neither on
        the other samples nor on the batch size; or one for each sample, which do.
    dropout_rate : float in (0, 1], default=None
        Replaces the rates of the network when it predicts; None keeps them.
    layers : list of str, default=None
        Names of the modules that drop units, as in ``named_modules()``; None for all.
    cache_prefix : bool, default=True
        Compute what comes before the first dropout once per batch.
    tau : float, default=None
        Precision of the target's noise, of a regressor: its variance ``1 / tau`` is
        added to that of the draws, and to the noise of a network that predicts one.
        None adds nothing, unless `choose_tau` is called.
    tol : float, default=None
        Stop before `n_samples` draws when the standard error of every mean is at most
        this; looked at after every ten draws.  Then the number depends on `X`.
    device : str or torch.device, default=None
        Where to train and to predict: "cpu", "cuda", or "auto", a GPU if there is one.
        None is where the network says: skorch's `device`, or that of the
        `TorchModuleClassifier`.  A network that is trained already goes back
        afterwards.
    chunk_size : int, default=None
        How many draws to compute in one pass; None is one on a CPU, and on a GPU the
        fastest number, which is measured once for each network and shape of a batch.
    compile : bool or str, default=False
        Run what follows the first dropout through ``torch.compile``; a name is that of
        a backend.  Compiling takes seconds, once for each network and shape of a batch.
    autocast : torch.dtype, default=None
        Predict under ``torch.autocast`` with this type, such as ``torch.bfloat16``.
    verbose : bool, default=False
        Show a progress bar of the draws.
    random_state : int, RandomState instance or None, default=None
        Of training and of the masks, which `fit` fixes.  Without `fit`, an int always
        gives the same masks and None new ones in each call.

    Attributes
    ----------
    estimator_ : object
        The fitted network, after `fit`.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`, of a classifier.
    tau_ : float
        What `choose_tau` found.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in `fit`, where it saw any.

    See Also
    --------
    skuq.nn.DropoutSampler : The draws, for networks outside scikit-learn.
    skuq.nn.insert_dropout : Adds dropout to a network that has none.
    predictive_log_likelihood : Scores a regressor with its noise.

    Notes
    -----
    A draw is one function, the same for every sample [1]_, so the errors of the draws
    are shared by the samples too: means over a data set need as many draws as single
    predictions do.  Only dropout is random; batch normalisation and everything else is
    in evaluation mode.  Which dropout is found is in `skuq.nn.DropoutSampler`.

    Probabilities are averaged, not logits.  The memory does not grow with `n_samples`,
    `predict_members` aside.  On a GPU statistics are counted there, and only results
    come to the host: numpy arrays, or tensors where `X` is one.  The masks are the same
    on any device and for any `chunk_size`, and outputs but for rounding.

    References
    ----------
    .. [1] Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation: representing
       model uncertainty in deep learning", ICML 2016. https://arxiv.org/abs/1506.02142

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skuq.deep import MCDropoutWrapper
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MCDropoutWrapper("classifier", random_state=0).fit(X, y)
    >>> parts = model.decompose(X[:3])
    >>> bool((parts.epistemic < parts.total).all())
    True
    """

    def __init__(
        self,
        estimator="classifier",
        *,
        n_samples=30,
        mask="shared",
        dropout_rate=None,
        layers=None,
        cache_prefix=True,
        tau=None,
        tol=None,
        device=None,
        chunk_size=None,
        compile=False,
        autocast=None,
        verbose=False,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_samples = n_samples
        self.mask = mask
        self.dropout_rate = dropout_rate
        self.layers = layers
        self.cache_prefix = cache_prefix
        self.tau = tau
        self.tol = tol
        self.device = device
        self.chunk_size = chunk_size
        self.compile = compile
        self.autocast = autocast
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y=None, **fit_params):
        """Train a clone of the network; one that is trained stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples; floating arrays are passed on in single precision.
        y : array-like of shape (n_samples, *spatial) or (n_samples, n_outputs)
            Labels of any type; maps of labels must be 0..K-1 or what the network's
            criterion ignores.  Or the values of a regressor.
        **fit_params : dict
            Passed to the network's `fit`.

        Returns
        -------
        self : MCDropoutWrapper
            The fitted wrapper.
        """
        labelled = classifies(self)
        X, y = self._checked(X, reset=True), targets(X, y)
        training_seed, self._seed = seeds(self.random_state, 2)
        if isinstance(self.estimator, (FrozenEstimator, TorchModule)):
            self.estimator_ = self.estimator
            return self
        classes = None
        if labelled:
            classes, y = encoded(y)
        elif self.estimator in DEFAULTS or _takes_columns(self.estimator):
            y = columns(y)
        n_classes = None if classes is None else len(classes)
        self.estimator_ = trained(
            self.estimator,
            X,
            y,
            n_classes,
            training_seed,
            fit_params,
            device=self.device,
        )
        if labelled and classes is None:
            n_classes = next(self._draws(X[:1]).members(range(0))).shape[1]
            classes = np.arange(n_classes)
        self._classes = classes
        return self

    def iter_members(self, X):
        """Yield what one draw after the other predicts.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as the network takes them.

        Yields
        ------
        member : array of shape (n_samples, n_classes, *spatial) or \
                (n_samples, *outputs)
            Probabilities, or predictions of a regressor; tuples of means and variances,
            where the network predicts its noise.
        """
        yield from self._draws(X).members(range(self._n_samples()))

    @available_if(_regresses)
    def choose_tau(self, X, y):
        """Choose the noise that makes held-out values most likely; sets `tau_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples that the network was not trained on.
        y : array-like of shape (n_samples, *outputs)
            Their values.

        Returns
        -------
        self : MCDropoutWrapper
            This object.
        """
        y = to_numpy(y).astype(np.float64)
        members = self.predict_members(X)
        if isinstance(members, tuple):
            raise InputError(
                "the network predicts its noise: choose_tau is for a network that "
                "does not, and noise that is added to it is set as tau."
            )
        errors = squared_errors(members, y)
        variance = max(float(y.var()), np.finfo(np.float32).tiny)
        self.tau_ = best_tau(errors, variance, y.size / len(y))
        return self

    @property
    def classes_(self):
        """The label of each column of `predict_proba`."""
        if (own := getattr(self, "_classes", None)) is not None:
            return own
        if not classifies(self) or self.estimator in DEFAULTS:
            raise AttributeError(f"{type(self).__name__} has no attribute 'classes_'")
        return to_numpy(getattr(self, "estimator_", self.estimator).classes_)

    @property
    def noise_variance_(self):
        """Variance of the noise: 1 / `tau_`, or 1 / `tau`; 0 if there is neither."""
        tau = getattr(self, "tau_", self.tau)
        return 0.0 if tau is None else 1 / tau

    def _type(self):
        """What the network is: "classifier" or "regressor"."""
        if self.estimator in DEFAULTS:
            return self.estimator
        return get_tags(self.estimator).estimator_type

    def _n_samples(self):
        return check_count("n_samples", self.n_samples, 0)

    def _checked(self, X, reset):
        """Arrays are checked and made single precision; anything else passes."""
        if not is_table(self.estimator, X):
            return X
        images = self.estimator not in DEFAULTS
        X = validate_data(self, X, reset=reset, dtype="numeric", allow_nd=images)
        X = X.astype(np.float32) if X.dtype == np.float64 else X
        return X if X.flags.writeable else X.copy()  # torch warns of such arrays

    def _draws(self, X):
        """The draws for `X`."""
        check_is_fitted(self)
        model = getattr(self, "estimator_", self.estimator)
        model, X = innermost(model, self._checked(X, reset=False))
        net = net_of(model)
        seed = getattr(self, "_seed", None)  # a network that is trained needs no fit
        sampler = DropoutSampler(
            net.module,
            forward=net.forward,
            seed=seeds(self.random_state, 2)[1] if seed is None else seed,
            mask=self.mask,
            rate=self.dropout_rate,
            layers=self.layers,
            cache_prefix=self.cache_prefix,
            autocast=self.autocast,
            chunk_size=self.chunk_size,
            compile=self.compile,
        )
        respond = net.probabilities if classifies(self) else net.values
        return Draws(net, sampler, X, respond, device=self.device, verbose=self.verbose)

    def _statistics(self, X):
        """The statistics of all draws, batch by batch."""
        draws, n = self._draws(X), self._n_samples()
        if self.tol is None or n == 0:
            return draws.statistics(range(n), self._no_statistics)
        total = self._no_statistics()
        for start in range(0, n, BLOCK):
            numbers = range(start, min(start + BLOCK, n))
            total += draws.statistics(numbers, self._no_statistics)
            error = total.standard_error()
            if float(array_namespace(error).max(error)) <= self.tol:
                break
        return total

    def _no_statistics(self):
        if classifies(self):
            return MemberStatistics()
        return RegressionStatistics(noise_variance=self.noise_variance_)

    def __sklearn_is_fitted__(self):
        """Whether `fit` has run, or the network is trained already."""
        if hasattr(self, "estimator_"):
            return True
        return self.estimator not in DEFAULTS and is_fitted(self.estimator)

    def __sklearn_tags__(self):
        """Those of the network: classifier or regressor."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = self._type()
        if classifies(self):
            tags.classifier_tags = ClassifierTags()
        else:
            tags.regressor_tags = RegressorTags()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = self.estimator not in DEFAULTS
        return tags
