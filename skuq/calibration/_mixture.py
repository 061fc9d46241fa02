"""Averages of probabilities, with the weights that make outcomes most probable."""

import numpy as np

from skuq._core._arrays import array_namespace
from skuq._core._links import log_softmax

PRIOR = 1.0  # samples, divided among the parts evenly
TOLERANCE = 1e-10  # of the loss per sample that one more step could gain
ROUNDING = 1e-12  # of the loss per sample
MAX_ITER = 100


def mixture_weights(likelihood, weight):
    """Weights of the parts of a mixture, all above 0, with a sum of 1.

    likelihood : ndarray of shape (n_parts, n), the probability that each part gave to
    what came true, above 0; weight : ndarray of shape (n,), of the samples.

    Maximises the log likelihood of the mixture on the samples and on one more that is
    divided among the parts evenly.  With a multiplier of the known sum, the total
    weight, the problem is convex without a constraint: Newton steps, halved until they
    stay above 0 and gain something.
    """
    prior, total = PRIOR / len(likelihood), weight.sum() + PRIOR

    def loss(w):
        return (
            total * w.sum() - weight @ np.log(w @ likelihood) - prior * np.log(w).sum()
        )

    w = np.full(len(likelihood), 1 / len(likelihood))
    value = loss(w)
    for _ in range(MAX_ITER):
        share = likelihood / (w @ likelihood)
        gradient = total - share @ weight - prior / w
        hessian = (share * weight) @ share.T + np.diag(prior / w**2)
        step = np.linalg.solve(hessian, gradient)
        gain = gradient @ step
        size, moved = 1.0, w - step
        while (moved <= 0).any() or loss(moved) > value + ROUNDING * total:
            size /= 2
            moved = w - size * step
        w, value = moved, loss(moved)
        if gain <= TOLERANCE * total:
            break
    return w / w.sum()


def log_mixture(logits, weights):
    """Logarithms of averaged probabilities, from the logits of the parts."""
    xp = array_namespace(logits[0])
    parts = xp.stack([log_softmax(z) for z in logits])
    top = xp.max(parts, axis=0)
    total = xp.zeros_like(top)
    for i, weight in enumerate(weights):
        total += float(weight) * xp.exp(parts[i, ...] - top)
    return top + xp.log(total)
