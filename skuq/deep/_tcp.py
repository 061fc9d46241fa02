"""A second network learns how likely the answers of a classifier are right."""

import warnings
from math import inf

import numpy as np
import torch
from sklearn.base import clone
from sklearn.model_selection import check_cv
from torch import nn

from skuq._core._checks import check_option
from skuq._core._labels import encode_labels
from skuq._responses import innermost
from skuq._sklearn import rows_of
from skuq.deep._confidence import ConfidenceClassifier, unfrozen
from skuq.deep._confidence_features import has_layers, model_inside, read, readings
from skuq.deep._ensemble_nets import is_net, net_in, reset_weights
from skuq.deep._feature_store import rows_at
from skuq.deep._tcp_fine_tune import FineTuning
from skuq.deep._tcp_net import ConfidenceNet, lessons, target_of, weight_of
from skuq.deep._torch_base import TorchModule
from skuq.deep._training import check_count, seeded, seeds
from skuq.exceptions import InputError, NoErrorsWarning

TARGETS = ("tcp", "normalized_tcp", "error")


class TCPConfidence(ConfidenceClassifier):
    """A classifier with a network that learns the probability of the true class.

    The largest probability is high for many errors; that of the true class is not, but
    needs the label.  A second network, ConfidNet, learns to predict it from what the
    classifier's last layer sees.  The classifier is not changed.  Read more in the
    :doc:`User Guide </user_guide/learned_confidence>`.

    Parameters
    ----------
    estimator : object
        A classifier with `predict_proba`: a skorch net, a `TorchModuleClassifier`, any
        estimator of scikit-learn.  A fitted one stays as it is, of another one a clone
        is trained on the same data.
    target : {"tcp", "normalized_tcp", "error"}, default="tcp"
        What is learned: the probability of the true class; that divided by the largest
        probability, which is 1 for right answers; or whether the answer is right, with
        a cross-entropy loss.
    layer : str, default="auto"
        Name of the part of the network, as in ``named_modules()``, whose input is
        learned from; "auto" is the last linear layer or convolution that is called.  Of
        classifiers that are no networks "input", "proba" or "both"; "auto" takes both
        if the input is a table of finite numbers, else the probabilities.
    module : torch.nn.Module, class or None, default=None
        A network that gives one logit for each row of features, or for each position
        of maps of features.  None is one of linear layers, or of convolutions of width
        one for maps.  An instance is copied and gets new weights.
    hidden_layer_sizes : tuple of int, default=(400, 400, 400, 400)
        Of the network that is made if `module` is None.
    residual : bool, default=False
        Learn what is to be added to the log-odds of the largest probability, which is
        what training starts at; the paper starts at nothing.
    error_weight : float or "balanced", default=1.0
        Weight of an error in the loss; "balanced" gives all errors together that of
        all right answers.
    cv : int, cross-validation generator, iterable or None, default=None
        Learn from probabilities that clones, trained on other folds, give.  None takes
        those of the classifier itself, which may have seen the samples.
    fine_tune_epochs : int, default=0
        Further passes, in which a copy of the network learns too, with all layers up to
        the features; for networks only.
    fine_tune_lr : float, default=0.0001
        First learning rate of these, which falls to 0 along a cosine.
    max_feature_bytes : int, default=1073741824
        Features that take more than this, by default 1 GiB, are kept in a temporary
        file.
    ignore_index : int or str, default=None
        Label of positions that do not count.
    optimizer : class, default=torch.optim.Adam
        Optimiser of torch.
    lr : float, default=0.001
        Its first learning rate, which falls to 0 along a cosine.
    max_epochs : int, default=50
        Passes over the data.
    batch_size : int, default=128
        Samples in a step.
    net_params : dict, default=None
        Further parameters of the skorch net, such as ``train_split``, ``callbacks`` or
        ``optimizer__weight_decay``.
    device : str, default="cpu"
        Of the second network: "cpu", "cuda", or "auto", a GPU if there is one.
    verbose : bool or int, default=False
        Show progress of training.
    random_state : int, RandomState instance or None, default=None
        Of initial weights and the order of samples, and of the weights of clones.

    Attributes
    ----------
    estimator_ : object
        The classifier.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    layer_ : str
        Where the features come from.
    net_ : skorch.NeuralNet
        The trained second network, which gives logits.
    encoder_ : object
        The fine-tuned copy of the network, that features come from; None without one.
    fine_tune_losses_ : list of float
        Mean loss of each epoch of fine-tuning.
    n_errors_ : int
        Errors among the samples that were learned from.
    n_features_in_ : int
        Number of features, as the classifier has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, as the classifier has them.

    Warns
    -----
    skuq.exceptions.NoErrorsWarning
        If all samples are classified right: there is nothing to learn errors from.

    See Also
    --------
    MaximumProbabilityConfidence : The largest probability, without learning.
    TrustScore : Distances to samples of the classes.
    skuq.metrics.error_detection_scores : How well errors are told from the rest.

    Notes
    -----
    A probability of the true class above 1/2 means a right answer, below 1/K a wrong
    one; between the two, it may be either.  Divided by the largest probability, it is 1
    for right answers and below 1 for wrong ones.  The loss of both is the squared
    error.

    The classifier is in evaluation mode, so dropout adds no noise to targets, and batch
    normalisation does not move.  It sees the samples once; features are kept, in single
    precision, and a temporary file in place of memory changes no result.  Features with
    more positions than answers are averaged over them.

    With `residual` the confidence is the logistic function of ``a o + b f``: o the
    log-odds of the largest probability, f what the second network gives, and a and b
    two numbers that start at 1 and 0.  A classifier whose probabilities find its errors
    well leaves little to learn, and a second network that starts at nothing may find
    fewer of them; this one starts with as many.

    Fine-tuning [1]_ starts at the trained second network.  The copy of the classifier
    is in evaluation mode too, and gives features only: targets and answers are those of
    the classifier, which does not change.  Then every pass runs the network, and takes
    `fine_tune_lr`, `batch_size` and the options of the optimiser in `net_params`.

    The authors [1]_ learn from the training set.  Where a classifier is right on all of
    it, use `cv`, or samples that were not trained on.  With `cv`, features of a network
    are its own and probabilities are those of clones, whose features would be others;
    of any other classifier, both are of the clones.

    References
    ----------
    .. [1] C. Corbiere, N. Thome, A. Bar-Hen, M. Cord and P. Perez, "Addressing Failure
       Prediction by Learning Model Confidence", NeurIPS 2019.
       https://arxiv.org/abs/1910.04851

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skuq.deep import TCPConfidence
    >>> X, y = load_digits(return_X_y=True)
    >>> model = TCPConfidence(GaussianNB(), max_epochs=10, random_state=0)
    >>> confidence = model.fit(X[:1000], y[:1000]).predict_confidence(X[1000:])
    >>> right = model.predict(X[1000:]) == y[1000:]
    >>> bool(confidence[right].mean() > confidence[~right].mean())
    True
    """

    def __init__(
        self,
        estimator,
        *,
        target="tcp",
        layer="auto",
        module=None,
        hidden_layer_sizes=(400, 400, 400, 400),
        residual=False,
        error_weight=1.0,
        cv=None,
        fine_tune_epochs=0,
        fine_tune_lr=0.0001,
        max_feature_bytes=2**30,
        ignore_index=None,
        optimizer=torch.optim.Adam,
        lr=0.001,
        max_epochs=50,
        batch_size=128,
        net_params=None,
        device="cpu",
        verbose=False,
        random_state=None,
    ):
        self.estimator = estimator
        self.target = target
        self.layer = layer
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.residual = residual
        self.error_weight = error_weight
        self.cv = cv
        self.fine_tune_epochs = fine_tune_epochs
        self.fine_tune_lr = fine_tune_lr
        self.max_feature_bytes = max_feature_bytes
        self.ignore_index = ignore_index
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.net_params = net_params
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @property
    def net_(self):
        """The trained second network."""
        return self.confidence_net_.net_

    def _learn(self, X, y):
        self._check_options()
        own_seed, fold_seed, tuning_seed = seeds(self.random_state, 3)
        features, proba, self.layer_ = read(
            self.estimator_,
            X,
            self.layer,
            n_samples=len(y),
            max_bytes=self.max_feature_bytes,
            with_odds=self.residual,
        )
        codes, counts = self._codes(y, proba)
        rows = np.ones(len(proba), dtype=bool)
        if self.cv is not None:
            rows, features, proba = self._held_out(X, y, features, proba, fold_seed)
        if not rows.all():
            features, proba = rows_at(features, rows), proba[rows]
            codes, counts = codes[rows], counts[rows]
        right = proba.argmax(axis=1) == codes
        self.n_errors_ = int((~right & counts).sum())
        if not self.n_errors_:
            warnings.warn(
                "the classifier makes no error on these samples, so there is none to "
                "learn from: set cv, or fit on samples that it was not trained on.",
                NoErrorsWarning,
                stacklevel=3,
            )
        target = target_of(proba, codes, self.target)
        lesson = lessons(target, weight_of(right, counts, self.error_weight))
        self.confidence_net_ = self._network(own_seed)
        self.confidence_net_.fit(torch.from_numpy(features), lesson)
        odds = torch.from_numpy(features[:, -1:]) if self.residual else None
        self._fine_tune(X, np.flatnonzero(rows), lesson, odds, tuning_seed)

    def _fine_tune(self, X, rows, lesson, odds, seed):
        self.encoder_, self.fine_tune_losses_ = None, []
        if self.fine_tune_epochs:
            tuning = FineTuning(
                self.confidence_net_,
                self.layer_,
                epochs=self.fine_tune_epochs,
                lr=self.fine_tune_lr,
                verbose=self.verbose,
                seed=seed,
            )
            self.encoder_, self.fine_tune_losses_ = tuning.copy_of(
                self.estimator_, X, rows, lesson, odds
            )

    def _confidence(self, X):
        parts = [
            self.confidence_net_.predict_confidence(torch.from_numpy(features))
            for features in self._features(X)
        ]
        return np.concatenate(parts)

    def _features(self, X):
        """What the second network sees, a batch at a time."""
        odds = {"with_odds": self.residual}
        own = readings(self.estimator_, X, self.layer_, **odds)
        if self.encoder_ is None:
            yield from (part.features for part in own)
            return
        inputs = innermost(self.estimator_, X)[1]
        tuned = readings(self.encoder_, inputs, self.layer_, **odds)
        if not self.residual:
            yield from (part.features for part in tuned)
            return
        for mine, theirs in zip(tuned, own, strict=True):  # the odds are of the answers
            mine.features[:, -1] = theirs.features[:, -1]
            yield mine.features

    def _network(self, seed):
        return ConfidenceNet(
            self.module,
            residual=self.residual,
            cross_entropy=self.target == "error",
            hidden_layer_sizes=self.hidden_layer_sizes,
            optimizer=self.optimizer,
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            net_params=self.net_params,
            device=self.device,
            verbose=self.verbose,
            random_state=seed,
        )

    def _codes(self, y, proba):
        """The column of every label, 0 where it does not count, and where it does."""
        codes, void = encode_labels(
            y, self.classes_, ignore_index=self.ignore_index, like=proba
        )
        codes = codes.astype(np.int64)
        if codes.shape != (len(proba), *proba.shape[2:]):
            raise InputError(
                f"y has shape {codes.shape} and the probabilities {proba.shape}: pass "
                "a label for each sample, or for each position of a map."
            )
        counts = np.ones(codes.shape, dtype=bool) if void is None else codes != void
        return np.where(counts, codes, 0), counts

    def _held_out(self, X, y, features, proba, seed):
        """Rows that some fold held out, their features, and what its clone says."""
        is_network = has_layers(model_inside(self.estimator_))
        rows = np.zeros(len(proba), dtype=bool)
        for train, test in check_cv(self.cv, y, classifier=True).split(X, y):
            X_train, y_train = rows_of(self.estimator, X, y, train)
            held_out, _ = rows_of(self.estimator, X, y, test, train)
            model = refitted(self.estimator, X_train, y_train, seed)
            found = read(
                model, held_out, self.layer_, self.classes_, with_odds=self.residual
            )
            proba[test], rows[test] = found.proba, True
            if not is_network:
                features[test] = found.features
        return rows, features, proba

    def _check_options(self):
        check_option("target", self.target, TARGETS)
        check_error_weight(self.error_weight)
        check_count("max_feature_bytes", self.max_feature_bytes, 0)
        if not 0 < self.fine_tune_lr < inf:
            raise InputError(
                f"fine_tune_lr must be finite and above 0, got {self.fine_tune_lr!r}."
            )
        epochs = check_count("fine_tune_epochs", self.fine_tune_epochs, 0)
        if epochs and not has_layers(model := model_inside(self.estimator_)):
            raise InputError(
                f"fine_tune_epochs={epochs} is for networks, and a "
                f"{type(model).__name__} is none: set it to 0."
            )


def check_error_weight(weight):
    """Refuse what is no weight of errors."""
    if weight == "balanced":
        return
    if isinstance(weight, str) or not 0 < weight < inf:
        raise InputError(
            f"error_weight must be finite and above 0, or 'balanced', got {weight!r}."
        )


def refitted(estimator, X, y, seed):
    """A clone of a classifier, trained on these samples from new weights."""
    estimator = unfrozen(estimator)
    if isinstance(model_inside(estimator), TorchModule):
        raise InputError(
            f"cv trains clones, but a {type(estimator).__name__} cannot be trained: "
            "pass a skorch net, or cv=None with samples that it was not trained on."
        )
    model = clone(estimator)
    net = net_in(model)
    with seeded(seed, getattr(net, "device", "cpu")):
        if is_net(net) and isinstance(net.module, nn.Module):
            reset_weights(net.module)  # an instance brings what it has learned
        return model.fit(X, y)
