"""The members that predict best together, chosen one after the other."""

import numpy as np
from scipy.special import logsumexp

HALF_LOG_2_PI = 0.5 * np.log(2 * np.pi)


def greedy(n_members, n_wanted, loss):
    """Positions of members, in the order in which each lowers the loss most.

    `loss` takes a list of positions.  Ends at `n_wanted`; or, for None, when nothing
    lowers the loss any more.
    """
    chosen: list[int] = []
    best = np.inf
    while len(chosen) < (n_wanted or n_members):
        rest = [i for i in range(n_members) if i not in chosen]
        losses = [loss([*chosen, i]) for i in rest]
        i = int(np.argmin(losses))
        if n_wanted is None and losses[i] >= best:
            break
        chosen, best = [*chosen, rest[i]], losses[i]
    return chosen


def log_density(y, means, variances, nll):
    """Log likelihood of `y`; the first axis of the others is that of the members.

    "moment" is a Gaussian with the mean and variance of the mixture, "mixture" the
    mixture itself.
    """
    if nll == "mixture":
        logs = gaussian_log_density(y, means, variances)
        return logsumexp(logs, axis=0) - np.log(len(logs))
    variance = variances.mean(axis=0) + means.var(axis=0)
    return gaussian_log_density(y, means.mean(axis=0), variance)


def gaussian_log_density(y, mean, variance):
    """Log of ``N(y; mean, variance)``."""
    return -0.5 * ((y - mean) ** 2 / variance + np.log(variance)) - HALF_LOG_2_PI
