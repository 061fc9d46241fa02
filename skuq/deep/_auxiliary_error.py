"""A small network on the last features of a segmenter learns where it errs."""

from itertools import pairwise

import torch
from torch import nn

from skuq._sklearn import rows_of
from skuq.deep._confidence import ConfidenceClassifier
from skuq.deep._confidence_features import read
from skuq.deep._tcp import TCPConfidence
from skuq.exceptions import InputError

# By the number of spatial axes: what looks at each position on its own.
LAYERS = {
    0: (nn.Linear, nn.BatchNorm1d),
    1: (nn.Conv1d, nn.BatchNorm1d),
    2: (nn.Conv2d, nn.BatchNorm2d),
    3: (nn.Conv3d, nn.BatchNorm3d),
}


class AuxiliaryErrorNet(ConfidenceClassifier):
    """A segmenter with a small network that learns which pixels it gets wrong.

    The auxiliary network looks at the features that the segmenter's last layer sees, at
    each pixel on its own, and gives the probability of an error there.  The segmenter
    is not changed.  Read more in the :doc:`User Guide </user_guide/segmentation>`.

    Parameters
    ----------
    estimator : object
        A classifier of pixels: a skorch net or a `TorchModuleClassifier`; one of tables
        works too.  A fitted one stays as it is, of another one a clone is trained on
        the same data.
    layer : str, default="auto"
        Name of the part of the network, as in ``named_modules()``, whose input is
        learned from; "auto" is the last convolution or linear layer that is called.
        For other classifiers as in `TCPConfidence`.
    hidden_layer_sizes : tuple of int, default=(32, 32, 32)
        Channels of the hidden layers: convolutions of width one, each with batch
        normalisation and a ReLU.
    error_weight : float or "balanced", default=1.0
        Weight of an error in the loss; "balanced" gives all errors together that of
        all right answers, and then the confidence is no probability.
    cv : int, cross-validation generator, iterable or None, default=None
        Learn from the answers of clones that were trained on other folds.  None takes
        those of the segmenter itself, which may have seen the images.
    ignore_index : int or str, default=None
        Label of pixels that do not count.
    optimizer : class, default=torch.optim.Adam
        Optimiser of torch.
    lr : float, default=0.01
        Its first learning rate, which falls to 0 along a cosine.
    max_epochs : int, default=20
        Passes over the data.
    batch_size : int, default=16
        Images in a step.
    net_params : dict, default=None
        Further parameters of the skorch net.
    device : str, default="cpu"
        Of the auxiliary network: "cpu", "cuda", or "auto", a GPU if there is one.
    verbose : bool or int, default=False
        Show progress of training.
    random_state : int, RandomState instance or None, default=None
        Of initial weights and the order of images, and of the weights of clones.

    Attributes
    ----------
    estimator_ : object
        The segmenter.
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.
    learner_ : TCPConfidence
        What reads the segmenter and trains the auxiliary network.
    layer_ : str
        Where the features come from.
    net_ : skorch.NeuralNet
        The trained auxiliary network, which gives the logit of a right answer.
    n_errors_ : int
        Errors among the pixels that were learned from.
    n_features_in_ : int
        Number of features, as the segmenter has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, as the segmenter has them.

    Warns
    -----
    skuq.exceptions.NoErrorsWarning
        If all pixels are classified right: there is nothing to learn errors from.

    See Also
    --------
    TCPConfidence : Learns the probability of the true class; has other targets.
    skuq.evaluation.uncertainty_map : With ``measure="confidence"``.

    Notes
    -----
    The "auxiliary feat." network of [1]_: convolutions of width one with batch
    normalisation and ReLU behind the frozen segmenter, and the cross-entropy of right
    and wrong.  Of two answers there is one logit here instead of two, which is the
    same.  The uncertainty is not stretched to [0, 1] for each image, as it is there:
    it is the probability of an error.

    The segmenter is in evaluation mode, and is run once over all images.  Features are
    kept in single precision: ``4 * n_features`` bytes for each pixel.

    References
    ----------
    .. [1] A. Jungo and M. Reyes (2019). "Assessing reliability and challenges of
       uncertainty estimations for medical image segmentation". MICCAI.
       `doi:10.1007/978-3-030-32245-8_6
       <https://doi.org/10.1007/978-3-030-32245-8_6>`_

    Examples
    --------
    >>> from torch import nn
    >>> from skuq.datasets import make_ellipses
    >>> from skuq.deep import AuxiliaryErrorNet, TorchModuleClassifier
    >>> images, y, _ = make_ellipses(20, shape=(32, 32), random_state=0)
    >>> module = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 3, 1))
    >>> segmenter = TorchModuleClassifier(module, classes=3)
    >>> model = AuxiliaryErrorNet(segmenter, max_epochs=5, random_state=0)
    >>> model.fit(images, y).predict_uncertainty(images).shape
    (20, 32, 32)
    """

    def __init__(
        self,
        estimator,
        *,
        layer="auto",
        hidden_layer_sizes=(32, 32, 32),
        error_weight=1.0,
        cv=None,
        ignore_index=None,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=20,
        batch_size=16,
        net_params=None,
        device="cpu",
        verbose=False,
        random_state=None,
    ):
        self.estimator = estimator
        self.layer = layer
        self.hidden_layer_sizes = hidden_layer_sizes
        self.error_weight = error_weight
        self.cv = cv
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
    def layer_(self):
        """Where the features come from."""
        return self.learner_.layer_

    @property
    def net_(self):
        """The trained auxiliary network."""
        return self.learner_.net_

    @property
    def n_errors_(self):
        """Errors among the pixels that were learned from."""
        return self.learner_.n_errors_

    def _learn(self, X, y):
        first, _ = rows_of(self.estimator_, X, y, [0])
        shape = read(self.estimator_, first, self.layer).features.shape
        # Batch normalisation needs two rows of a table or more.
        lonely = len(y) > 1 and len(y) % self.batch_size == 1
        loader = {"iterator_train__drop_last": lonely and self.batch_size > 1}
        self.learner_ = TCPConfidence(
            self.estimator_,
            target="error",
            layer=self.layer,
            module=auxiliary_network(shape[1], self.hidden_layer_sizes, len(shape) - 2),
            error_weight=self.error_weight,
            cv=self.cv,
            ignore_index=self.ignore_index,
            optimizer=self.optimizer,
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            net_params=loader | (self.net_params or {}),
            device=self.device,
            verbose=self.verbose,
            random_state=self.random_state,
        ).fit(X, y)

    def _confidence(self, X):
        return self.learner_.predict_confidence(X)


def auxiliary_network(n_features, hidden_layer_sizes, n_axes):
    """Layers of width one with batch normalisation and ReLU, and then a logit."""
    if n_axes not in LAYERS:
        raise InputError(
            f"the features have {n_axes} spatial axes: up to 3 can be learned from."
        )
    convolution, normalisation = LAYERS[n_axes]
    width = (1,) if n_axes else ()
    layers: list[nn.Module] = []
    sizes = [n_features, *hidden_layer_sizes]
    for n_in, n_out in pairwise(sizes):
        layers += [convolution(n_in, n_out, *width), normalisation(n_out), nn.ReLU()]
    return nn.Sequential(*layers, convolution(sizes[-1], 1, *width))
