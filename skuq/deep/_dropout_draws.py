"""Draws of the dropout of a network of one's own."""

from skuq.deep._draws import Draws
from skuq.deep._torch_base import evaluating
from skuq.deep._torch_net import NoiseNet
from skuq.deep._training import check_count
from skuq.nn import DropoutSampler


def dropout_draws(estimator, X):
    """Yield what a trained estimator predicts: as it is, or one dropout after another.

    The method `_prediction` of the estimator makes that of an output of its network.
    """
    n_draws = check_count("n_dropout_samples", estimator.n_dropout_samples, 0)
    sampler = DropoutSampler(estimator.module_, seed=estimator._seed)
    net = NoiseNet(estimator)
    draws = Draws(net, sampler, X, net.values, verbose=estimator.verbose)
    with evaluating(estimator.module_):
        yield from draws.members(range(n_draws))
