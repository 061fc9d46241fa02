"""A trained torch module as a scikit-learn classifier or regressor."""

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from skuq._core._arrays import to_numpy
from skuq.base import accuracy
from skuq.deep._tiles import tiled_outputs
from skuq.deep._torch_base import TorchModule, evaluating
from skuq.exceptions import InputError


def _gives_logits(self):
    return self.output == "logit"


class TorchModuleClassifier(ClassifierMixin, TorchModule):
    """A trained ``torch.nn.Module`` with the interface of a fitted classifier.

    A thin bridge: it feeds batches to the module in evaluation mode and names the
    classes, so that a bare module can be calibrated, scored and drawn like any other
    model.  It never trains.

    Parameters
    ----------
    module : torch.nn.Module
        The trained module; called with one batch, returns `(n, n_classes, *spatial)`,
        or `(n,)` or `(n, 1, *spatial)` for the second of two classes.
    classes : array-like of shape (n_classes,) or int
        The label of each output; an int K stands for 0..K-1.
    batch_size : int, default=256
        Samples per forward pass.
    device : str, torch.device or None, default=None
        Where to run: "cpu", "cuda", "auto" (a GPU if there is one).  None leaves the
        module where it is; otherwise the module is moved there.
    output : {"logit", "proba"}, default="logit"
        What the module returns.
    tile : int or tuple of int, default=None
        Feed images in tiles of this size, in pixels, for all spatial axes or for each;
        None feeds whole images.
    overlap : int or tuple of int, default=0
        How many pixels neighbouring tiles share at least; smaller than `tile`.
    ignore_index : int or str, default=None
        Label of positions that do not count in `score`, such as void pixels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The label of each column of `predict_proba`.

    See Also
    --------
    skuq.calibration.CalibratedModel : Calibrates this, in one line.

    Notes
    -----
    Tensors give tensors on their own device, anything else numpy arrays.  Floating
    inputs are converted to the precision of the module's parameters.  The training
    mode of every submodule is restored after a prediction.

    With `tile`, no more than `batch_size` tiles are on the device together, and maps
    are put together on the host; of an ``X`` that is a ``numpy.memmap`` only the tiles
    are read.  Where tiles overlap, each gives the half on its own side.  The result is
    that of whole images if the receptive field of the network is smaller than the
    overlap, and `tile` and `overlap` are multiples of the factor by which it shrinks
    its maps; a network that looks at all of an image at once gives another one.  What
    looks inside the network feeds whole images: `MCDropoutWrapper` and the confidences
    that learn from features.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skuq.deep import TorchModuleClassifier
    >>> module = torch.nn.Linear(4, 3)
    >>> model = TorchModuleClassifier(module, classes=["cat", "dog", "eel"])
    >>> model.predict_proba(np.zeros((5, 4))).shape
    (5, 3)
    """

    def __init__(
        self,
        module,
        classes,
        *,
        batch_size=256,
        device=None,
        output="logit",
        tile=None,
        overlap=0,
        ignore_index=None,
    ):
        self.module = module
        self.classes = classes
        self.batch_size = batch_size
        self.device = device
        self.output = output
        self.tile = tile
        self.overlap = overlap
        self.ignore_index = ignore_index

    @property
    def classes_(self):
        """The label of each output."""
        if isinstance(self.classes, (int, np.integer)):
            return np.arange(self.classes)
        return to_numpy(self.classes)

    @available_if(_gives_logits)
    def predict_logits(self, X):
        """What the module returns.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the module.

        Returns
        -------
        logits : array of shape (n_samples, n_classes, *spatial) or (n_samples,)
            In nats; a single output of a table comes as one row.
        """
        return self._like(X, self._forward(X))

    def predict_proba(self, X):
        """Uncalibrated probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the module.

        Returns
        -------
        proba : array of shape (n_samples, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        return self._like(X, self._probabilities(self._forward(X)))

    def _probabilities(self, out):
        """Probabilities of all classes from what the module returns."""
        if out.ndim == 1:
            out = out[:, None]
        is_logit = self.output == "logit"
        if out.shape[1] == 1:
            p = torch.sigmoid(out) if is_logit else out
            return torch.cat([1 - p, p], dim=1)
        return out.softmax(1) if is_logit else out

    def predict(self, X):
        """The most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the module.

        Returns
        -------
        labels : ndarray of shape (n_samples, *spatial)
            Entries of `classes_`.
        """
        return self.classes_[to_numpy(self.predict_proba(X)).argmax(axis=1)]

    def score(self, X, y, sample_weight=None):
        """Accuracy of `predict`; for maps, the share of right positions.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the module.
        y : array-like of shape (n_samples, *spatial)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0.

        Returns
        -------
        accuracy : float
            In [0, 1], higher is better.
        """
        return accuracy(y, self.predict(X), sample_weight, self.ignore_index)

    def _outputs(self, X):
        """What the module returns for all of `X`, tile by tile if asked."""
        if self.tile is None:
            return super()._outputs(X)
        X, place = self._checked(X), self._place()

        def forward(part):
            return self._first(self.module(self._batch(part, place)))

        with evaluating(self.module), torch.inference_mode():
            return tiled_outputs(X, self.tile, self.overlap, self.batch_size, forward)

    def _forward(self, X):
        """The outputs for all of `X`, checked against the classes."""
        if self.output not in ("logit", "proba"):
            raise InputError(f"output must be 'logit' or 'proba', got {self.output!r}.")
        out = self._outputs(X)
        n_classes, n_outputs = len(self.classes_), out.shape[1] if out.ndim > 1 else 1
        if max(2, n_outputs) != n_classes:
            raise InputError(
                f"the module has {n_outputs} outputs in axis 1 but classes names "
                f"{n_classes}: name one class per output (two for a single output)."
            )
        return as_row(out)


class TorchModuleRegressor(RegressorMixin, TorchModule):
    """A trained ``torch.nn.Module`` with the interface of a fitted regressor.

    Feeds batches to the module in evaluation mode; it never trains.

    Parameters
    ----------
    module : torch.nn.Module
        The trained module; called with one batch, returns `(n, *outputs)`.
    batch_size : int, default=256
        Samples per forward pass.
    device : str, torch.device or None, default=None
        Where to run: "cpu", "cuda", "auto" (a GPU if there is one).  None leaves the
        module where it is; otherwise the module is moved there.

    See Also
    --------
    TorchModuleClassifier : The same for classes.
    MCDropoutWrapper : Adds the uncertainty of the predictions.

    Notes
    -----
    Tensors give tensors on their own device, anything else numpy arrays.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skuq.deep import TorchModuleRegressor
    >>> TorchModuleRegressor(torch.nn.Linear(4, 1)).predict(np.zeros((5, 4))).shape
    (5,)
    """

    def __init__(self, module, *, batch_size=256, device=None):
        self.module = module
        self.batch_size = batch_size
        self.device = device

    def predict(self, X):
        """What the module returns.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Input of the module.

        Returns
        -------
        y_pred : array of shape (n_samples, *outputs)
            In the unit of the target; a single output of a table comes as one row.
        """
        return self._like(X, as_row(self._outputs(X)))


def as_row(out):
    """A single output of a table as one row."""
    return out[:, 0] if out.ndim == 2 and out.shape[1] == 1 else out
