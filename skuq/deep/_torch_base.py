"""What the estimators around a trained torch module share."""

from contextlib import contextmanager

import numpy as np
import torch
from sklearn.base import BaseEstimator

from skuq._core._arrays import as_array, is_torch_array
from skuq.exceptions import InputError


class TorchModule(BaseEstimator):
    """A trained module that is fed batches in evaluation mode.

    Subclasses have the parameters `module`, `batch_size` and `device`.
    """

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
        self : object
            This object, unchanged.
        """
        return self

    def _outputs(self, X):
        """What the module returns for all of `X`."""
        with evaluating(self.module), torch.inference_mode():
            outputs = [self._first(self.module(batch)) for batch in self._batches(X)]
        return torch.cat(outputs)

    def _batches(self, X):
        """Inputs of the module, each a copy, since a module may work in place."""
        X, place = self._checked(X), self._place()
        for i in range(0, len(X), self.batch_size):
            yield self._batch(X[i : i + self.batch_size], place)

    def _checked(self, X):
        """Inputs as an array of one sample or more."""
        if self.batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {self.batch_size}.")
        X = as_array(X)
        if not len(X):
            raise InputError("X holds no samples: pass at least one.")
        return X

    def _place(self):
        """The device to run on, with the module moved there if asked."""
        wanted = self.device
        if wanted is None:
            first = next(self.module.parameters(), None)
            return torch.device("cpu") if first is None else first.device
        wanted = device_named(wanted)
        self.module.to(wanted)
        return torch.device(wanted)

    def _batch(self, part, place):
        if is_torch_array(part):
            batch = part.clone().to(place)
        else:
            # Columns of frames follow one another, and torch rounds those otherwise.
            batch = torch.from_numpy(np.array(part, order="C")).to(place)
        if batch.is_floating_point():
            first = next(self.module.parameters(), None)
            batch = batch.to(
                torch.get_default_dtype() if first is None else first.dtype
            )
        return batch

    @staticmethod
    def _first(output):
        """The main output of a module that returns several, or a bare number."""
        main = output[0] if isinstance(output, tuple) else output
        return main[None] if main.ndim == 0 else main

    @staticmethod
    def _like(X, out):
        """`out` as a tensor where `X` is one, else as a numpy array."""
        out = out.clone()  # an ordinary tensor, not one of inference mode
        return out.to(X.device) if is_torch_array(X) else numpy_of(out)

    def __sklearn_is_fitted__(self):
        """The module is trained already."""
        return True


def device_named(device):
    """A device, where "auto" is a GPU if there is one."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def numpy_of(out):
    """A tensor as a numpy array, which has no bfloat16."""
    out = out.cpu()
    return (out.float() if out.dtype == torch.bfloat16 else out).numpy()


@contextmanager
def evaluating(module):
    """Evaluation mode for the time of a prediction."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
