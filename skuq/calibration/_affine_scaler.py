"""What all affine calibrators share: features, a start, a penalty, and one fit."""

import warnings
from abc import abstractmethod

import numpy as np

from skuq._core._affine import fit_affine
from skuq._core._affine_loss import Affine, feature_batches
from skuq._core._arrays import array_namespace
from skuq._core._checks import check_option
from skuq._core._links import softmax
from skuq._core._temperature import Outcome, fit_temperature
from skuq.base import BaseCalibrator
from skuq.calibration._batch_fit import BatchFitMixin
from skuq.calibration._to_torch import ToTorch
from skuq.exceptions import ConvergenceWarning

PRESAMPLE = 4096


class AffineScaler(BatchFitMixin, ToTorch, BaseCalibrator):
    """Calibrated logits ``coef_ @ features + intercept_``; a subclass says how free.

    The second base beside `BaseCalibrator`, since five calibrators differ only in
    their features and in the penalty of each entry, infinite where it is not free.
    """

    _features_without_smoothing = "logit"

    def __init__(
        self,
        *,
        input="auto",
        classes=None,
        ignore_index=None,
        smoothing="laplace",
        max_iter=500,
        tol=1e-8,
    ):
        super().__init__(input=input, classes=classes, ignore_index=ignore_index)
        self.smoothing = smoothing
        self.max_iter = max_iter
        self.tol = tol

    @abstractmethod
    def _penalty(self, n_classes, n_samples):
        """Strength of the penalty of each entry of the matrix and of the intercept."""

    def _features(self, logits):
        """Features of a block of logits: tempered and smoothed, or as they are.

        ``log((1 - e) softmax(z / T) + e / K)`` with ``e = 1 / (n + 1)``: a probability
        of 0, of which a forest states many, is then no outlier.
        """
        if self.smoothing is None:
            return self._plain(logits)
        xp = array_namespace(logits)
        p = softmax(logits / self.temperature_)
        return self._smooth(xp.log((1 - self.mixing_) * p + self.mixing_ / p.shape[0]))

    def _plain(self, logits):
        """Features without smoothing."""
        return logits

    def _smooth(self, log_p):
        """Features of smoothed log probabilities, without what a row has in common."""
        return log_p - array_namespace(log_p).mean(log_p, axis=0)

    def _fit(self, table, kind):
        check_option("smoothing", self.smoothing, ("laplace", None))
        n_classes, mass = table.n_classes, total_weight(table)
        self.temperature_ = temperature_of(table, kind)
        self.mixing_ = 1 / (mass + 1)
        scale = 1.0 if self.smoothing is not None else 1 / self.temperature_
        batches = feature_batches(table, kind, self._features)
        start = Affine(np.eye(n_classes) * scale, np.zeros(n_classes))
        fit = fit_affine(
            batches,
            start,
            self._penalty(n_classes, mass),
            max_iter=self.max_iter,
            tol=self.tol,
        )
        self.coef_, self.intercept_ = fit.map
        self.n_iter_, self.converged_ = fit.n_iter, fit.converged
        if not fit.converged:
            warnings.warn(
                f"{type(self).__name__}: no convergence within max_iter="
                f"{self.max_iter} steps: raise max_iter, or the penalty.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _calibrated_logits(self, logits):
        return Affine(self.coef_, self.intercept_)(self._features(logits))

    def _module(self, nn):
        smoothing = (self.temperature_, self.mixing_)
        return nn.AffineCalibration(
            self.coef_,
            self.intercept_,
            features=self._features_without_smoothing,
            smoothing=None if self.smoothing is None else smoothing,
            input=self.input_,
        )


def temperature_of(table, kind):
    """T of temperature scaling, 1 where no T is best."""
    fit = fit_temperature(table, kind, max_iter=50, tol=1e-6, presample=PRESAMPLE)
    found = fit.outcome in (Outcome.FOUND, Outcome.OUT_OF_ITERATIONS)
    return fit.temperature if found else 1.0


def diagonal(n_classes, strength, other):
    """A matrix with `strength` on its diagonal and `other` off it."""
    return np.where(np.eye(n_classes, dtype=bool), strength, other)


def total_weight(table):
    """Sum of the weights of all positions that count; their number without weights."""
    total = 0.0
    for _, codes, weight in table.blocks(copy=False):
        total += float(codes.shape[0] if weight is None else weight.sum())
    return total
