"""What the estimators that build and train one network share."""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet

from skuq._core._arrays import is_torch_array
from skuq.deep._ensemble_nets import (
    as_tensor,
    is_module,
    reset_weights,
    trial_output,
)
from skuq.deep._fast_adam import optimizer_class
from skuq.deep._mlp import mlp
from skuq.deep._rows import Rows, as_it_is
from skuq.deep._torch_base import device_named, evaluating
from skuq.deep._training import seeded, seeds
from skuq.exceptions import InputError


class OwnNet(BaseEstimator):
    """An estimator that trains a module by skorch, and feeds it batches.

    A subclass has the parameters `module`, `hidden_layer_sizes`, `optimizer`, `lr`,
    `max_epochs`, `batch_size`, `net_params`, `device`, `verbose` and `random_state`,
    and

    - `_built`, which makes the module to train, its loss, and of `y` what that takes;
    - `_callbacks`, those of the training, if there are any;
    - `_after_training`, what is to be learned from a trained network, if anything is.
    """

    def fit(self, X, y=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples; real numbers are passed on in single precision.
        y : array-like of shape (n_samples, *spatial) or (n_samples, n_outputs)
            Labels of any type (maps hold 0..K-1), or values of a regressor.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        X = self._checked(X, reset=True)
        training_seed, self._seed = seeds(self.random_state, 2)
        self.device_ = device_named(self.device)
        with seeded(training_seed, self.device_):
            module, loss, y = self._built(X, y)
            self.net_ = self._net(module, loss).fit(as_tensor(X), as_tensor(y))
        self._after_training(X)
        return self

    def _net(self, module, loss):
        params: dict[str, Any] = {
            "train_split": None,
            "dataset": Rows,
            "iterator_train__shuffle": True,
            "iterator_train__collate_fn": as_it_is,
            "iterator_valid__collate_fn": as_it_is,
        }
        params |= self.net_params or {}
        more = list(params.pop("callbacks", None) or [])
        return NeuralNet(
            module,
            criterion=loss,
            optimizer=self._optimizer(params),
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            device=self.device_,
            verbose=int(self.verbose),
            callbacks=[*self._callbacks(), *more],
            **params,
        )

    def _optimizer(self, params):
        """The optimiser, or a faster one with the same arithmetic."""
        options = {
            key.removeprefix("optimizer__"): value
            for key, value in params.items()
            if key.startswith("optimizer__")
        }
        groups = [own for _, own in options.pop("param_groups", [])]
        device = torch.device(self.device_)
        return optimizer_class(self.optimizer, [options, *groups], device)

    def _network(self, X, n_outputs):
        """The user's module with weights of its own, or one sized from the data."""
        if self.module is None:
            return mlp(
                X,
                n_outputs,
                self.hidden_layer_sizes,
                getattr(self, "dropout", 0.0),
            )
        if not is_module(self.module):
            raise InputError(
                "module must be an nn.Module, a class of modules or None, got "
                f"{type(self.module).__name__}."
            )
        if isinstance(self.module, type):
            return self.module()
        module = deepcopy(self.module)
        if not self._keeps_weights():
            reset_weights(module)
        return module

    def _keeps_weights(self):
        """Whether training starts at the weights that a module brings."""
        return False

    def _trial(self, module, X):
        """The shape of what a module gives for two samples."""
        return tuple(trial_output(module, X).shape)

    def _checked(self, X, reset):
        """Samples as arrays in single precision, or tensors as they are."""
        if is_torch_array(X):
            return X
        images = self.module is not None
        X = validate_data(self, X, reset=reset, dtype="numeric", allow_nd=images)
        return X.astype(np.float32) if X.dtype == np.float64 else X

    def _outputs(self, module, X):
        """What a module gives for all samples: a tuple of tensors on the CPU."""
        parts = []
        with evaluating(module), torch.inference_mode():
            for batch in as_tensor(X).split(self.batch_size):
                out = module(batch.to(self.device_))
                out = out if isinstance(out, tuple) else (out,)
                parts.append([part.cpu() for part in out])
        return tuple(torch.cat(values) for values in zip(*parts, strict=True))

    def _ready(self, X):
        """Samples for a fitted estimator."""
        check_is_fitted(self, "net_")
        return self._checked(X, reset=False)

    def _callbacks(self) -> list[Any]:
        return []

    def _after_training(self, X: Any) -> None:
        """Nothing more to learn."""

    def __sklearn_tags__(self):
        """Samples may be images, for a module; labels or values are needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = self.module is not None
        return tags
