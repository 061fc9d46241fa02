"""The noise of a regressor with dropout, by Gal and Ghahramani's likelihood."""

from math import log, pi

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.base import is_classifier

from skuq._core._arrays import to_numpy
from skuq.exceptions import InputError

GRID = np.linspace(-14, 14, 57)  # log of tau times the variance of the target


def predictive_log_likelihood(estimator, X, y):
    """Mean log density of observed values under all draws; higher is better.

    A scorer: pass it as `scoring` to a search or to cross-validation.

    Parameters
    ----------
    estimator : MCDropoutWrapper, HeteroscedasticRegressor or BBBRegressor
        A regressor that has `predict_distribution`; or a wrapper with `tau`, or on
        which `choose_tau` was called, or whose network predicts its noise.
    X : array-like of shape (n_samples, ...)
        Samples.
    y : array-like of shape (n_samples, *outputs)
        Observed values.

    Returns
    -------
    log_likelihood : float
        In nats per sample.

    Raises
    ------
    skuq.exceptions.InputError
        If the estimator is a classifier or has no noise.

    See Also
    --------
    MCDropoutWrapper : Draws the predictions.

    Notes
    -----
    ``log mean_t N(y; f_t, 1 / tau)``, the density of all outputs together [1]_; a noise
    that the network predicts is added to ``1 / tau``.  With few draws it is biased
    downwards: the paper takes ten thousand.

    What `predict_distribution` gives has a density for each output, and their
    logarithms are added up.

    References
    ----------
    .. [1] Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation: representing
       model uncertainty in deep learning", ICML 2016. https://arxiv.org/abs/1506.02142

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skuq.deep import (
    ...     MCDropoutWrapper, TorchModuleRegressor, predictive_log_likelihood)
    >>> net = torch.nn.Sequential(torch.nn.Dropout(0.1), torch.nn.Linear(4, 1))
    >>> model = MCDropoutWrapper(TorchModuleRegressor(net), tau=1.0)
    >>> predictive_log_likelihood(model, np.eye(4), np.ones(4)) < 0
    True
    """
    if is_classifier(estimator):
        raise InputError(
            "predictive_log_likelihood scores regressors, got the classifier "
            f"{type(estimator).__name__}: score it with 'neg_log_loss'."
        )
    if hasattr(estimator, "predict_distribution"):
        return distribution_log_likelihood(estimator.predict_distribution(X), y)
    members, noise = estimator.predict_members(X), estimator.noise_variance_
    if isinstance(members, tuple):
        means, variances = members
        return stated_log_likelihood(means, variances, noise, y)
    if not noise:
        raise InputError(
            "the likelihood needs the noise of the target: set tau, or call choose_tau "
            "with validation data."
        )
    errors = squared_errors(members, y)
    return log_likelihood(errors, 1 / noise, np.size(y) / len(y))


def distribution_log_likelihood(distribution, y):
    """Mean log density of values, summed over outputs, under distributions of torch."""
    y = _values(distribution.batch_shape, y)
    densities = distribution.log_prob(torch.from_numpy(y))
    return float(densities.reshape(len(y), -1).sum(1).mean())


def squared_errors(members, y):
    """Squared errors `(n_draws, n_samples)`, summed over outputs."""
    y, errors = _values(members.shape[1:], y), []
    for f in to_numpy(members):
        errors.append(((y - f) ** 2).reshape(len(y), -1).sum(1))
    return np.stack(errors)


def stated_log_likelihood(means, variances, noise_variance, y):
    """Mean log density of values under members that state variances."""
    y, densities = _values(means.shape[1:], y), []
    for f, variance in zip(means, variances, strict=True):
        variance = variance.astype(np.float64) + noise_variance
        density = -((y - f) ** 2 / variance + np.log(2 * pi * variance)) / 2
        densities.append(density.reshape(len(y), -1).sum(1))
    return float((logsumexp(densities, axis=0) - log(len(densities))).mean())


def _values(shape, y):
    """Observed values in the shape of predictions."""
    y, shape = to_numpy(y).astype(np.float64), tuple(shape)
    if y.size != np.prod(shape):
        raise InputError(f"y has shape {y.shape}, but predictions have {shape}.")
    return y.reshape(shape)


def log_likelihood(errors, tau, n_outputs=1):
    """Mean log density of squared errors `(n_draws, n_samples)`, precision `tau`."""
    density = logsumexp(-tau / 2 * errors, axis=0) - log(len(errors))
    return float(density.mean() + n_outputs / 2 * (log(tau) - log(2 * pi)))


def best_tau(errors, variance, n_outputs=1):
    """The precision with the highest likelihood; `variance` is that of the target."""

    def loss(x):
        return -log_likelihood(errors, np.exp(x) / variance, n_outputs)

    start = GRID[np.argmin([loss(x) for x in GRID])]
    step = GRID[1] - GRID[0]
    found = minimize_scalar(loss, bounds=(start - step, start + step), method="bounded")
    return float(np.exp(found.x) / variance)
