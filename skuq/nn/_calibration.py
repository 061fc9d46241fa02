"""Fitted calibrators as modules: scores in, calibrated probabilities out.

The formulas are those of `skuq.calibration`, written with torch's fused functions,
along axis 1 and without checks of values, so that ``torch.export`` can follow them.
Scores are `(n, K, *spatial)`; z are logits of that shape.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from skuq._core._checks import check_option
from skuq._core._links import LEAST_PROBABILITY


class Calibration(nn.Module, ABC):
    """Base of the modules that turn scores into calibrated probabilities.

    A subclass hands its numbers to `__init__` and writes `_proba`, a function of
    logits.

    Parameters
    ----------
    input : {"logit", "proba"}
        What the scores are.
    **numbers : dict of str to array-like
        Numbers of the fitted calibrator, which become buffers of that name.

    See Also
    --------
    skuq.calibration.TemperatureScaler.to_torch : Makes one from a fitted calibrator.

    Notes
    -----
    The numbers are buffers in float64, not parameters: `state_dict` holds them, no
    optimizer changes them.  They are rounded to the precision of the scores when they
    are used, so float32 scores cost no float64 arithmetic.  On a device without
    float64, such as "mps", call ``module.float()`` before ``module.to(device)``.
    """

    def __init__(self, *, input, **numbers):
        super().__init__()
        check_option("input", input, ("logit", "proba"))
        self.input = input
        for name, value in numbers.items():
            value = torch.tensor(np.asarray(value, dtype=np.float64))
            self.register_buffer(name, value)

    def forward(self, scores):
        """Calibrated probabilities.

        Parameters
        ----------
        scores : Tensor of shape (n, n_classes, *spatial), (n,) or (n, 1, *spatial)
            Logits or probabilities, as `input` says; one column is the score of the
            second class of two.  Not checked: an infinite score gives NaN.

        Returns
        -------
        proba : Tensor of shape (n, n_classes, *spatial)
            In [0, 1], sums to one over axis 1; float32, or float64 for such scores.
        """
        return self._proba(self._logits(scores))

    @abstractmethod
    def _proba(self, z):
        """Calibrated probabilities of logits `(n, K, *spatial)`."""

    def _logits(self, scores):
        """Scores of any kind as logits of two classes or more."""
        if scores.dtype not in (torch.float32, torch.float64):
            scores = scores.float()
        if scores.ndim == 1:
            scores = scores[:, None]
        is_logit = self.input == "logit"
        if scores.shape[1] == 1:
            other = torch.zeros_like(scores) if is_logit else 1 - scores
            scores = torch.cat([other, scores], dim=1)
        return scores if is_logit else scores.clamp(LEAST_PROBABILITY, 1).log()

    def extra_repr(self):
        """What the scores are, for `repr`.

        Returns
        -------
        text : str
            The argument `input`.
        """
        return f"input={self.input!r}"


class TemperatureCalibration(Calibration):
    """``softmax(z / T)``.

    Parameters
    ----------
    temperature : float
        The number T, above 0.
    input : {"logit", "proba"}, default="logit"
        What the scores are.

    See Also
    --------
    skuq.calibration.TemperatureScaler : Fits T.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import TemperatureCalibration
    >>> TemperatureCalibration(2.0)(torch.tensor([[0.0, 2.0]]))
    tensor([[0.2689, 0.7311]])
    """

    def __init__(self, temperature, *, input="logit"):
        super().__init__(input=input, temperature=temperature)

    def _proba(self, z):
        return (z / self.temperature).softmax(1)


class MixtureCalibration(Calibration):
    """A mixture of ``softmax(z / T)``, ``softmax(z)`` and the uniform distribution.

    Parameters
    ----------
    temperature : float
        The number T, above 0.
    weights : array-like of shape (3,)
        Shares of the three, which sum to one.
    input : {"logit", "proba"}, default="logit"
        What the scores are.

    See Also
    --------
    skuq.calibration.EnsembleTemperatureScaler : Fits T and the shares.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import MixtureCalibration
    >>> MixtureCalibration(2.0, [0.5, 0.3, 0.2])(torch.tensor([[0.0, 2.0]]))
    tensor([[0.2702, 0.7298]])
    """

    weights: torch.Tensor

    def __init__(self, temperature, weights, *, input="logit"):
        super().__init__(input=input, temperature=temperature, weights=weights)

    def _proba(self, z):
        tempered, plain, uniform = self.weights
        mixture = tempered * (z / self.temperature).softmax(1) + plain * z.softmax(1)
        return mixture + uniform / z.shape[1]


class AffineCalibration(Calibration):
    """``softmax(A x + b)`` of features x of each sample.

    Parameters
    ----------
    coef : array-like of shape (n_classes, n_classes)
        The matrix A; a diagonal one is kept and applied as its diagonal.
    intercept : array-like of shape (n_classes,)
        The vector b.
    features : {"logit", "log_proba"}, default="logit"
        Features without smoothing: z, or ``log softmax(z)``.
    smoothing : (float, float) or None, default=None
        T and e of the features ``log((1 - e) softmax(z / T) + e / K)``, less their mean
        over the classes if `features` is "logit".
    input : {"logit", "proba"}, default="logit"
        What the scores are.

    See Also
    --------
    skuq.calibration.DirichletCalibrator : Fits A and b to log probabilities.
    skuq.calibration.MatrixScaler : Fits A and b to logits.
    skuq.calibration.VectorScaler : Fits a diagonal A and b to logits.

    Notes
    -----
    Under ``torch.autocast`` the product with a full matrix is rounded to its lower
    precision: close it around the network, before the calibration.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import AffineCalibration
    >>> module = AffineCalibration([[1, 0], [0, 2]], [0.0, -3.0])
    >>> module(torch.tensor([[0.0, 2.0]]))
    tensor([[0.2689, 0.7311]])
    """

    coef: torch.Tensor
    intercept: torch.Tensor
    smoothing: torch.Tensor

    def __init__(
        self, coef, intercept, *, features="logit", smoothing=None, input="logit"
    ):
        check_option("features", features, ("logit", "log_proba"))
        coef = np.asarray(coef)
        if not (coef - np.diag(np.diag(coef))).any():
            coef = np.diag(coef)
        numbers = {} if smoothing is None else {"smoothing": smoothing}
        super().__init__(input=input, coef=coef, intercept=intercept, **numbers)
        self.features = features
        self.smooth = smoothing is not None

    def _proba(self, z):
        coef, intercept = self.coef.to(z.dtype), self.intercept.to(z.dtype)
        x = self._features(z).movedim(1, -1)
        is_diagonal = coef.ndim == 1
        eta = x * coef + intercept if is_diagonal else F.linear(x, coef, intercept)
        return eta.softmax(-1).movedim(-1, 1)

    def _features(self, z):
        if not self.smooth:
            return z if self.features == "logit" else z.log_softmax(1)
        temperature, mixing = self.smoothing
        p = (z / temperature).softmax(1)
        x = ((1 - mixing) * p + mixing / z.shape[1]).log()
        return x - x.mean(1, keepdim=True) if self.features == "logit" else x
