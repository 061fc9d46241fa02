"""The arrays of ``benchmarks.metrics``, by case, in the order the metrics take them."""

import numpy as np
from scipy.special import expit, logit, softmax

from benchmarks._data import make_proba

LEVELS = np.arange(1, 10) / 10  # of the quantiles
ALPHA = 0.1  # of the intervals
SCORES = np.array(
    [-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816]
)  # the normal quantiles at LEVELS
N_CLASSES, N_MEMBERS, SIDE = 19, 20, 512


def table(n):
    """y_true, y_proba: ten classes, float32, too sure."""
    proba, labels = make_proba(n, 10)
    return labels, proba


def binary(n):
    """y_true, y_proba: one column of float64, too sure, no two alike."""
    rng = np.random.default_rng(1)
    proba = rng.beta(1.2, 1.5, size=n)
    truth = expit(0.75 * logit(proba))
    return (rng.random(n) < truth).astype(np.int64), proba


def gaussian(n):
    """y_true, y_pred, y_std: float64, noise larger than y_std says."""
    rng = np.random.default_rng(2)
    y_pred = rng.normal(scale=2, size=n)
    y_std = np.exp(rng.normal(scale=0.4, size=n))
    return y_pred + y_std * (0.2 + 1.2 * rng.normal(size=n)), y_pred, y_std


def spread(n):
    """y_std alone: float64."""
    return gaussian(n)[2:]


def ensemble(n):
    """y_true, members: 20 x n float64, too narrow."""
    y_true, y_pred, y_std = gaussian(n)
    members = np.random.default_rng(3).normal(size=(N_MEMBERS, n))
    members *= 0.9 * y_std
    members += y_pred
    return y_true, members


def quantiles(n):
    """y_true, y_quantiles: n x 9 float64."""
    y_true, y_pred, y_std = gaussian(n)
    return y_true, y_pred[:, None] + y_std[:, None] * SCORES


def intervals(n):
    """y_true, y_lower, y_upper: float64, of 90 %."""
    y_true, y_pred, y_std = gaussian(n)
    return y_true, y_pred - 1.6449 * y_std, y_pred + 1.6449 * y_std


def images(n):
    """y_true, y_proba: n x 19 x 512 x 512 float32."""
    y_true = np.empty((n, SIDE, SIDE), dtype=np.int64)
    y_proba = np.empty((n, N_CLASSES, SIDE, SIDE), dtype=np.float32)
    for i in range(n):
        y_true[i], y_proba[i] = image(i)
    return y_true, y_proba


def overlap(n):
    """y_true, y_pred, uncertainty: n x 512 x 512, the float32 entropy over its most."""
    y_true = np.empty((n, SIDE, SIDE), dtype=np.int64)
    y_pred = np.empty_like(y_true)
    uncertainty = np.empty((n, SIDE, SIDE), dtype=np.float32)
    for i in range(n):
        y_true[i], proba = image(i)
        y_pred[i] = proba.argmax(axis=0)
        uncertainty[i] = -(proba * np.log(proba)).sum(axis=0) / np.log(N_CLASSES)
    return y_true, y_pred, uncertainty


def image(seed):
    """Labels and probabilities of one image of noise, too sure."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((N_CLASSES, SIDE, SIDE), dtype=np.float32)
    logits *= 5
    levels = np.cumsum(softmax(logits / 2, axis=0), axis=0)
    draw = rng.random((SIDE, SIDE), dtype=np.float32)
    labels = np.minimum((levels < draw).sum(axis=0), N_CLASSES - 1)
    return labels, np.maximum(softmax(logits, axis=0), np.finfo(np.float32).tiny)


CASES = {  # name -> maker, samples, samples with --quick
    "table": (table, 1_000_000, 20_000),
    "binary": (binary, 1_000_000, 20_000),
    "gaussian": (gaussian, 1_000_000, 20_000),
    "spread": (spread, 1_000_000, 20_000),
    "ensemble": (ensemble, 1_000_000, 20_000),
    "quantiles": (quantiles, 1_000_000, 20_000),
    "intervals": (intervals, 1_000_000, 20_000),
    "images": (images, 64, 2),
    "overlap": (overlap, 64, 2),
}
