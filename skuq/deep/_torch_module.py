"""A trained torch module as a scikit-learn classifier."""

from contextlib import contextmanager

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if

from skuq._core._arrays import as_array, is_torch_array, to_numpy
from skuq.base import accuracy
from skuq.exceptions import InputError


def _gives_logits(self):
    return self.output == "logit"


class TorchModuleClassifier(ClassifierMixin, BaseEstimator):
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

    def __init__(self, module, classes, *, batch_size=256, device=None, output="logit"):
        self.module = module
        self.classes = classes
        self.batch_size = batch_size
        self.device = device
        self.output = output

    @property
    def classes_(self):
        """The label of each output."""
        if isinstance(self.classes, (int, np.integer)):
            return np.arange(self.classes)
        return to_numpy(self.classes)

    def fit(self, X, y=None):
        """Do nothing: the module is trained already.

        Parameters
        ----------
        X : object
            Ignored.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : TorchModuleClassifier
            This object, unchanged.
        """
        return self

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
        out = self._forward(X)
        if out.ndim == 1:
            out = out[:, None]
        if out.shape[1] == 1:
            p = torch.sigmoid(out) if self.output == "logit" else out
            return self._like(X, torch.cat([1 - p, p], dim=1))
        return self._like(X, out.softmax(1) if self.output == "logit" else out)

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
        return accuracy(y, self.predict(X), sample_weight)

    def _forward(self, X):
        """The outputs for all of `X`, checked against the classes."""
        if self.output not in ("logit", "proba"):
            raise InputError(f"output must be 'logit' or 'proba', got {self.output!r}.")
        if self.batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {self.batch_size}.")
        X, place = as_array(X), self._place()
        with _evaluating(self.module), torch.inference_mode():
            outputs = [
                self._first(self.module(self._batch(X[i : i + self.batch_size], place)))
                for i in range(0, len(X), self.batch_size)
            ]
        if not outputs:
            raise InputError("X holds no samples: pass at least one.")
        out = torch.cat(outputs)
        n_classes, n_outputs = len(self.classes_), out.shape[1] if out.ndim > 1 else 1
        if max(2, n_outputs) != n_classes:
            raise InputError(
                f"the module has {n_outputs} outputs in axis 1 but classes names "
                f"{n_classes}: name one class per output (two for a single output)."
            )
        return out[:, 0] if out.ndim == 2 and n_outputs == 1 else out

    def _place(self):
        """The device to run on, with the module moved there if asked."""
        wanted = self.device
        if wanted is None:
            first = next(self.module.parameters(), None)
            return torch.device("cpu") if first is None else first.device
        if wanted == "auto":
            wanted = "cuda" if torch.cuda.is_available() else "cpu"
        self.module.to(wanted)
        return torch.device(wanted)

    def _batch(self, part, place):
        # A copy, since a module may work in place.
        if is_torch_array(part):
            batch = part.clone().to(place)
        else:
            batch = torch.from_numpy(np.array(part)).to(place)
        if batch.is_floating_point():
            first = next(self.module.parameters(), None)
            batch = batch.to(
                torch.get_default_dtype() if first is None else first.dtype
            )
        return batch

    @staticmethod
    def _first(output):
        """The scores of a module that returns several things, or a bare number."""
        scores = output[0] if isinstance(output, tuple) else output
        return scores[None] if scores.ndim == 0 else scores

    @staticmethod
    def _like(X, out):
        """`out` as a tensor where `X` is one, else as a numpy array."""
        out = out.clone()  # an ordinary tensor, not one of inference mode
        if is_torch_array(X):
            return out.to(X.device)
        out = out.cpu()
        return (out.float() if out.dtype == torch.bfloat16 else out).numpy()

    def __sklearn_is_fitted__(self):
        """The module is trained already."""
        return True


@contextmanager
def _evaluating(module):
    """Evaluation mode for the time of a prediction."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
