"""The arrays that are raced on, and the ruler that measures every entrant's result.

The ruler is written here, in float64 and in pieces, so that no entrant brings its own.
"""

from pathlib import Path

import numpy as np
from scipy.special import logsumexp, softmax

BLOCK = 50_000  # rows at a time
SPLIT_SEED = 20240101  # of the split that the logits files carry


def make_logits(n_samples, n_classes, *, temperature=2.0, seed=0):
    """float32 logits, normal with standard deviation 3, labels from softmax(z / T)."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((n_samples, n_classes), dtype=np.float32)
    logits *= 3
    labels = np.empty(n_samples, dtype=np.int64)
    for rows in blocks(n_samples):
        noise = rng.gumbel(size=logits[rows].shape)
        # The largest of z / T + Gumbel noise is a draw from softmax(z / T).
        labels[rows] = np.argmax(logits[rows] / temperature + noise, axis=1)
    return logits, labels


def make_proba(n_samples, n_classes, *, seed=0):
    """float32 probabilities of an over-confident classifier, and labels."""
    logits, labels = make_logits(n_samples, n_classes, seed=seed)
    for rows in blocks(n_samples):
        logits[rows] = softmax(logits[rows], axis=1)
    return logits, labels


def blocks(n_samples):
    """Slices that cover the rows."""
    return [slice(i, i + BLOCK) for i in range(0, n_samples, BLOCK)]


def log_loss(logits, labels, temperature):
    """Mean of -log softmax(z / T)[y], in nats."""
    total = 0.0
    for rows in blocks(len(labels)):
        z = logits[rows].astype(np.float64) / temperature
        total += np.sum(logsumexp(z, axis=1))
        total -= np.sum(np.take_along_axis(z, labels[rows, None], axis=1))
    return total / len(labels)


def top_label(proba, labels):
    """Confidence of the predicted class, and whether it is right."""
    return proba.max(axis=1), proba.argmax(axis=1) == labels


def calibration_error(confidence, correct, n_bins):
    """Equal-width top-label ECE, bins (lo, hi], the first closed."""
    confidence = confidence.astype(np.float64)
    bins = np.searchsorted(np.arange(1, n_bins) / n_bins, confidence, side="left")
    return np.abs(np.bincount(bins, correct - confidence)).sum() / len(correct)


# -------------------------------------------------------------------- real data


def load_logits(folder):
    """Yield (name, logits, labels, val_index, test_index) of the networks in a folder.

    ``folder/logits/*.npz`` and ``folder/cifar10_vgg16_probs.npz``, whose probabilities
    become logits and whose rows are split here.
    """
    for path in sorted(Path(folder, "logits").glob("*.npz")):
        with np.load(path) as file:
            names = ("logits", "labels", "val_index", "test_index")
            logits, labels, val, test = (file[name] for name in names)
        yield path.stem, logits, labels.astype(np.int64), val, test
    path = Path(folder, "cifar10_vgg16_probs.npz")
    if path.exists():
        with np.load(path) as file:
            logits, labels = np.log(file["probs"]), file["labels"].astype(np.int64)
        order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
        val, test = np.split(order, 2)
        yield path.stem, logits, labels, val, test


def load_predictions(folder):
    """Yield (name, confidence, correct) of ``folder/predictions/*.npz``."""
    for path in sorted(Path(folder, "predictions").glob("*.npz")):
        with np.load(path) as file:
            correct = file["true_label"] == file["pred_label"]
            yield path.stem, file["confidence"], correct.astype(np.int64)
