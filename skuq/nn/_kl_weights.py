"""The share of the divergence that each batch of an epoch carries."""

import math
from collections.abc import Callable
from numbers import Real

import numpy as np

from skuq.exceptions import InputError

KLWeight = str | float | Callable[[int, int], float]


def kl_weights(kl_weight: KLWeight, n_batches: int) -> np.ndarray:
    """The weight of the divergence in each batch of an epoch.

    Parameters
    ----------
    kl_weight : {"uniform", "blundell"}, float or callable, default="uniform"
        - "uniform": ``1 / n_batches`` each;
        - "blundell": ``2^(M - i) / (2^M - 1)`` for batch i of M, from 1;
        - a number c, at least 0: ``c / n_batches`` each;
        - a function of the number of the batch, from 0, and of `n_batches`.
    n_batches : int
        Number of batches in an epoch, at least 1.

    Returns
    -------
    weights : ndarray of shape (n_batches,)
        Each stands before the divergence, beside a log-likelihood that is summed over
        the batch.

    Raises
    ------
    skuq.exceptions.InputError
        For another name, a negative weight or one that is not finite.

    See Also
    --------
    kl_divergence : What they weigh.

    Notes
    -----
    The first two sum to one: an epoch sees the divergence once, as it sees each sample
    once.  A number c sums to c; below 1 it makes the posterior narrower than Bayes'
    rule does ("cold").  What a function sums to is its own affair.

    "blundell" [1]_ puts half of the divergence on the first batch of an epoch, and less
    than 1e-15 on any after the fiftieth.  It is computed as ``2^-i / (1 - 2^-M)``,
    which does not overflow.

    References
    ----------
    .. [1] C. Blundell, J. Cornebise, K. Kavukcuoglu and D. Wierstra, "Weight
       Uncertainty in Neural Networks", ICML 2015. https://arxiv.org/abs/1505.05424

    Examples
    --------
    >>> from skuq.nn import kl_weights
    >>> kl_weights("uniform", 4)
    array([0.25, 0.25, 0.25, 0.25])
    >>> kl_weights("blundell", 3) * 7
    array([4., 2., 1.])
    """
    if n_batches < 1:
        raise InputError(f"n_batches must be at least 1, got {n_batches!r}.")
    if kl_weight == "blundell":
        halves = np.exp2(-np.arange(1.0, n_batches + 1))
        return halves / -math.expm1(-n_batches * math.log(2))
    if callable(kl_weight):
        weights = np.array([kl_weight(i, n_batches) for i in range(n_batches)], float)
    else:
        weights = np.full(n_batches, _total(kl_weight) / n_batches)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError(
            f"weights of the divergence must be finite and at least 0, got {weights}."
        )
    return weights


def _total(kl_weight: str | float) -> float:
    """What the weights of an epoch sum to."""
    if kl_weight == "uniform":
        return 1.0
    if not isinstance(kl_weight, Real):
        raise InputError(
            f"kl_weight must be 'uniform', 'blundell', a number or a function, got "
            f"{kl_weight!r}."
        )
    return float(kl_weight)
