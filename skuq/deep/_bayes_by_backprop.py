"""What Bayes by Backprop is for classes and for values alike."""

import numpy as np
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from skuq.deep._elbo import Divergence, ELBOLoss, SampledNet
from skuq.deep._own_net import OwnNet
from skuq.deep._training import check_count
from skuq.nn import posterior_summary, prune_weights, to_bayesian, weight_draw
from skuq.nn._bayes_layer import BayesLayer


class BayesByBackprop(OwnNet):
    """A network with Gaussian weights, trained on the evidence lower bound.

    A subclass has `_member`, what one draw predicts, as well as what `OwnNet` asks for,
    where `_built` calls `_sampled`.
    """

    def _sampled(self, network, loss, n_values, constant=0.0):
        """The network to train, with its loss."""
        n_epochs = check_count("kl_anneal_epochs", self.kl_anneal_epochs, 0)
        self._divergence = self.kl_weight, n_epochs, n_values, constant
        n_samples = check_count("n_samples_train", self.n_samples_train, 1)
        return SampledNet(network, n_samples), ELBOLoss(loss)

    def _twin(self, network):
        """The Bayesian twin; a network that has Bayesian layers is one already."""
        if any(isinstance(part, BayesLayer) for part in network.modules()):
            return network
        return to_bayesian(
            network,
            layers=self.layers,
            prior=self.prior,
            weight_sampling=self.weight_sampling,
            initial_std=self.initial_std,
            keep_weights=self.keep_weights,
        )

    def _keeps_weights(self):
        return self.keep_weights

    def _callbacks(self):
        return [("divergence", Divergence(*self._divergence))]

    @property
    def module_(self):
        """The trained network, with Bayesian layers."""
        check_is_fitted(self, "net_")
        return self.net_.module_.network

    @property
    def elbo_(self):
        """The bound of the training set, as each epoch saw it, in nats."""
        check_is_fitted(self, "net_")
        return np.array(self.net_.history[:, "elbo"])

    def iter_members(self, X):
        """What one draw of the weights after the other predicts.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples.

        Returns
        -------
        members : iterator of array of shape (n_samples, n_classes, *spatial)
            Probabilities; of a regressor tuples of a mean and a variance, in the unit
            of the target, of shape (n_samples, *outputs).
        """
        X = self._ready(X)
        n_samples = check_count("n_samples", self.n_samples, 0)
        return self._drawn(X, n_samples)

    def _drawn(self, X, n_samples):
        if n_samples == 0:
            yield self._member(self._outputs(self.module_, X))
        disable = not self.verbose
        for draw in tqdm(range(n_samples), disable=disable, unit="draw", desc="BBB"):
            # Held for this pass alone: the caller may draw from the network, too.
            with weight_draw(self.module_, draw, seed=self._seed):
                out = self._outputs(self.module_, X)
            yield self._member(out)

    def posterior_summary(self):
        """The Gaussians of the weights, layer by layer.

        Returns
        -------
        summary : dict of str to dict
            As `skuq.nn.posterior_summary` gives it.
        """
        return posterior_summary(self.module_)

    def prune(self, fraction):
        """Set the weights to 0 that are least sure not to be 0.

        Parameters
        ----------
        fraction : float in [0, 1]
            Share of the weights, over all Bayesian layers together.

        Returns
        -------
        self : object
            This estimator, changed.
        """
        prune_weights(self.module_, fraction)
        return self
