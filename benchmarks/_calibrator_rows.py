"""Rows of ``benchmarks.calibrators``: who calibrates, and on how many samples at most.

An entrant takes a `Problem`, converts its arrays unmeasured, and returns the call that
fits. That call returns the call that predicts the probabilities of the test part.
"""

import importlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, softmax

from benchmarks._data import make_logits
from benchmarks._metric_rows import Row


@dataclass(frozen=True)
class Problem:
    """Logits and labels to fit on and to judge by, in this order."""

    logits: tuple[np.ndarray, np.ndarray]
    labels: tuple[np.ndarray, np.ndarray]

    @cached_property
    def proba(self):
        return tuple(softmax(part, axis=1) for part in self.logits)

    def first(self, n_samples):
        """The problem with fewer samples in both parts."""
        logits, labels = (
            tuple(part[:n_samples] for part in parts)
            for parts in (self.logits, self.labels)
        )
        return Problem(logits, labels)


def many_classes(n_samples, n_classes):
    """float32 logits at twice their scale, of classes that are shifted one by one."""
    logits, labels = make_logits(2 * n_samples, n_classes)
    logits += np.linspace(-1, 1, n_classes, dtype=np.float32)
    return Problem(tuple(np.split(logits, 2)), tuple(np.split(labels, 2)))


def two_classes(n_samples):
    """float64 logits ``[0, z]``, too sure, with a shift and a bend."""
    rng = np.random.default_rng(0)
    z = rng.normal(scale=3, size=2 * n_samples)
    truth = expit(0.5 * z + 0.03 * z**2 - 0.3)
    labels = (rng.random(len(z)) < truth).astype(np.int64)
    logits = np.stack([np.zeros_like(z), z], axis=1)
    return Problem(tuple(np.split(logits, 2)), tuple(np.split(labels, 2)))


# ------------------------------------------------------------------------ entrants


def skuq(name, **options):
    def make(problem):
        calibrator = getattr(importlib.import_module("skuq.calibration"), name)
        cal, test = problem.logits

        def fit():
            fitted = calibrator(input="logit", **options).fit(cal, problem.labels[0])
            return lambda: fitted.predict_proba(test)

        return fit

    return make


def probmetrics(name):
    """On probabilities as an array."""

    def make(problem):
        calibrator = _probmetrics(name)
        cal, test = problem.proba

        def fit():
            fitted = calibrator().fit(cal, problem.labels[0])
            return lambda: fitted.predict_proba(test)

        return fit

    return make


def probmetrics_tensor(name):
    """On logits as a tensor, for those that are written in torch."""

    def make(problem):
        import torch
        from probmetrics.distributions import CategoricalLogits

        calibrator = _probmetrics(name)
        cal, test = (CategoricalLogits(torch.from_numpy(z)) for z in problem.logits)
        labels = torch.from_numpy(problem.labels[0])

        def fit():
            fitted = calibrator().fit_torch(cal, labels)
            return lambda: fitted.predict_proba_torch(test).get_probs().numpy()

        return fit

    return make


def _probmetrics(name):
    """What makes a calibrator, by the name of its class or that of its factory."""
    from probmetrics import calibrators

    if hasattr(calibrators, name):
        return getattr(calibrators, name)
    return lambda: calibrators.get_calibrator(name)


def netcal(module, name):
    """On float64, since the searches of netcal do not move in float32."""

    def make(problem):
        calibrator = getattr(importlib.import_module(f"netcal.{module}"), name)
        cal, test = (_for_netcal(p.astype(np.float64)) for p in problem.proba)

        def fit():
            fitted = calibrator()
            fitted.fit(cal, problem.labels[0])
            return lambda: fitted.transform(test)

        return fit

    return make


def _for_netcal(proba):
    """Of two classes the column of the second."""
    return np.ascontiguousarray(proba[:, 1]) if proba.shape[1] == 2 else proba


def sklearn(name, column, **options):
    """A regressor of scikit-learn on what `column` makes of a problem's logits."""

    def make(problem):
        module = "isotonic" if name == "IsotonicRegression" else "calibration"
        regressor = getattr(importlib.import_module(f"sklearn.{module}"), name)
        cal, test = map(column, problem.logits)

        def fit():
            fitted = regressor(**options).fit(cal, problem.labels[0])
            return lambda: fitted.predict(test)

        return fit

    return make


def all_logits(logits):
    return logits


def log_odds(logits):
    return logits[:, 1] - logits[:, 0]


def betacal(problem):
    from betacal import BetaCalibration

    cal, test = (p[:, 1] for p in problem.proba)

    def fit():
        fitted = BetaCalibration().fit(cal, problem.labels[0])
        return lambda: fitted.predict(test)

    return fit


def venn_abers(problem):
    from venn_abers import VennAbers

    cal, test = problem.proba

    def fit():
        fitted = VennAbers()
        fitted.fit(cal, problem.labels[0])
        return lambda: fitted.predict_proba(test)[0]

    return fit


# ---------------------------------------------------------------------------- rows

MULTICLASS = [
    Row(
        "temperature",
        {
            "skuq": skuq("TemperatureScaler"),
            "scikit-learn": sklearn("_TemperatureScaling", all_logits),
            "probmetrics": probmetrics_tensor("TemperatureScalingCalibrator"),
            "netcal": netcal("scaling", "TemperatureScaling"),
        },
    ),
    Row(
        "vector",
        {
            "skuq": skuq("VectorScaler"),
            "skuq, as published": skuq("VectorScaler", penalty=0, smoothing=None),
            "skuq structured": skuq("StructuredVectorScaler"),
            "probmetrics": probmetrics_tensor("VectorScalingCalibrator"),
            "probmetrics structured": probmetrics("svs"),
        },
    ),
    Row(
        "matrix",
        {
            "skuq": skuq("MatrixScaler"),
            "probmetrics": probmetrics_tensor("MatrixScalingCalibrator"),
        },
    ),
    Row(
        "structured matrix",
        {
            "skuq": skuq("StructuredMatrixScaler"),
            "probmetrics": probmetrics("sms"),
        },
    ),
    Row(
        "Dirichlet",
        {
            "skuq": skuq("DirichletCalibrator"),
            "probmetrics": probmetrics("dircal"),
        },
    ),
]
BINARY = [
    Row(
        "Platt",
        {
            "skuq": skuq("PlattCalibrator"),
            "scikit-learn": sklearn("_SigmoidCalibration", log_odds),
            "probmetrics": probmetrics("affine-scaling"),
            "netcal": netcal("scaling", "LogisticCalibration"),
        },
    ),
    Row(
        "quadratic",
        {
            "skuq": skuq("QuadraticCalibrator"),
            "probmetrics": probmetrics("quadratic-scaling"),
        },
    ),
    Row(
        "beta",
        {
            "skuq": skuq("BetaCalibrator"),
            "betacal": betacal,
            "probmetrics": probmetrics("beta"),
            "netcal": netcal("scaling", "BetaCalibration"),
        },
    ),
    Row(
        "isotonic",
        {
            "skuq": skuq("IsotonicCalibrator"),
            "scikit-learn": sklearn(
                "IsotonicRegression", log_odds, out_of_bounds="clip"
            ),
            "probmetrics": probmetrics("isotonic"),
            "netcal": netcal("binning", "IsotonicRegression"),
        },
    ),
    Row(
        "histogram",
        {
            "skuq": skuq("HistogramBinningCalibrator"),
            "probmetrics": probmetrics("BinaryHistogramBinningCalibrator"),
            "netcal": netcal("binning", "HistogramBinning"),
        },
    ),
    Row(
        "BBQ",
        {
            "skuq": skuq("BBQCalibrator"),
            "netcal": netcal("binning", "BBQ"),
        },
        most=100_000,
    ),
    Row(
        "Venn-Abers",
        {
            "skuq": skuq("VennAbersCalibrator"),
            "venn-abers": venn_abers,
        },
    ),
]
