"""Regression networks that state the noise of their target, and its distributions."""

from dataclasses import dataclass
from math import inf, log, pi

import numpy as np
import torch
from torch.distributions import (
    Categorical,
    Laplace,
    MixtureSameFamily,
    Normal,
    StudentT,
)

from skuq._core._checks import check_option
from skuq.deep._ensemble_nets import as_tensor
from skuq.deep._own_targets import values_and_scale
from skuq.deep._training import targets
from skuq.exceptions import InputError
from skuq.nn import BetaNLLLoss, ConstantNoise, LaplaceNLLLoss, StudentTNLLLoss


def regression_network(estimator, X, y, n_per_output):
    """The network of an estimator, the scaled values, and their scale.

    The network gives `n_per_output` numbers for each output.
    """
    y = targets(X, y)
    n = None
    if estimator.module is None:
        n = n_per_output * (1 if y.ndim == 1 else y.shape[1])
    network = estimator._network(X, n)
    shape = estimator._trial(network, X)
    values, scale = values_and_scale(y, shape)
    if shape[1] != n_per_output * scale.n_outputs:
        raise InputError(
            f"the module gives {shape[1]} numbers for {scale.n_outputs} outputs, not "
            f"{n_per_output * scale.n_outputs}: a noise that it predicts needs all "
            "means and then all log-variances, a constant one the means alone."
        )
    return network, values, scale


def constant_std(module, scale):
    """The standard deviation of a constant noise, in the unit of the target."""
    for part in module.modules():
        if isinstance(part, ConstantNoise):
            std = part.log_variance.detach().cpu().double().numpy()
            std = np.exp(std / 2) * scale.unit.reshape(-1)
            return float(std[0]) if scale.single else std
    raise AttributeError("noise_std_ exists for a constant noise alone.")


class NoiseRange:
    """The variances of each output that training samples have, as bounds of all others.

    What a network predicts beyond is the exponential of a line that goes on, which no
    sample has shown.
    """

    def __init__(self, estimator, X):
        least, most = [], []
        for batch in as_tensor(X).split(estimator.batch_size):
            _, variance = estimator._outputs(estimator.module_, batch)
            axes = [i for i in range(variance.ndim) if i != 1]
            least.append(variance.amin(axes, keepdim=True))
            most.append(variance.amax(axes, keepdim=True))
        self.least = torch.cat(least).amin(0, keepdim=True)
        self.most = torch.cat(most).amax(0, keepdim=True)

    def bounded(self, variance):
        """The nearest variance that training samples have, in the same unit."""
        return variance.clamp(self.least, self.most)


def mixture(distribution, means, variances):
    """The mixture of what members state along axis 0; of one, just that."""
    means, variances = (
        torch.from_numpy(np.moveaxis(values, 0, -1).copy())
        for values in (means, variances)
    )
    if means.shape[-1] == 1:
        return distribution(means[..., 0], variances[..., 0])
    shares = Categorical(torch.ones_like(means))
    return MixtureSameFamily(shares, distribution(means, variances))


@dataclass(frozen=True)
class Gaussian:
    """The normal distribution: its loss, and as torch has it."""

    degrees_of_freedom: float = inf
    left_out = 0.5 * log(2 * pi)  # what the loss lacks to be a log-likelihood

    def loss(self, beta):
        """The loss, without `left_out`."""
        return BetaNLLLoss(beta)

    def distribution(self, mean, variance):
        """That of this mean and variance."""
        return Normal(mean, variance.sqrt())


class LaplaceNoise(Gaussian):
    """The Laplace distribution."""

    left_out = 0.0

    def loss(self, beta):
        """The loss, which is complete."""
        return LaplaceNLLLoss(beta)

    def distribution(self, mean, variance):
        """That of this mean and variance."""
        return Laplace(mean, (variance / 2).sqrt())


class StudentTNoise(Gaussian):
    """Student's t."""

    left_out = 0.0

    def loss(self, beta):
        """The loss, which is complete."""
        return StudentTNLLLoss(self.degrees_of_freedom, beta)

    def distribution(self, mean, variance):
        """That of this mean and variance."""
        df = self.degrees_of_freedom
        return StudentT(df, mean, (variance * (df - 2) / df).sqrt())


LIKELIHOODS = {
    "gaussian": Gaussian,
    "laplace": LaplaceNoise,
    "student_t": StudentTNoise,
}


def likelihood_of(estimator):
    """What the parameters `likelihood` and `degrees_of_freedom` name."""
    check_option("likelihood", estimator.likelihood, tuple(LIKELIHOODS))
    return LIKELIHOODS[estimator.likelihood](estimator.degrees_of_freedom)
