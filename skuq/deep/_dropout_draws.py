"""Draws of the dropout of a network of one's own."""

from skuq.deep._draws import Draws
from skuq.deep._ensemble_nets import as_tensor
from skuq.deep._torch_base import evaluating
from skuq.deep._training import check_count
from skuq.nn import DropoutSampler


def dropout_draws(estimator, X, respond):
    """Yield what a trained estimator predicts: as it is, or one dropout after another.

    `respond` makes a tensor of the output of the network for a batch.
    """
    n_draws = check_count("n_dropout_samples", estimator.n_dropout_samples, 0)
    sampler = DropoutSampler(estimator.module_, seed=estimator._seed)
    draws = Draws(Batches(estimator), sampler, X, respond, verbose=estimator.verbose)
    with evaluating(estimator.module_):
        yield from draws.members(range(n_draws))


class Batches:
    """The batches of an estimator, as `Draws` asks for them."""

    def __init__(self, estimator):
        self._estimator = estimator

    def batches(self, X):
        """Batches on the device of the network."""
        for batch in as_tensor(X).split(self._estimator.batch_size):
            yield batch.to(self._estimator.device_)

    def like(self, X, out):
        """Predictions on the CPU."""
        return out.cpu()
