"""Training and keeping of the members of an ensemble."""

from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data
from tqdm import tqdm

from skuq._core._arrays import is_torch_array
from skuq.deep._adversarial import Attack
from skuq.deep._ensemble_checkpoint import Store
from skuq.deep._ensemble_members import Recipe, fit_here, fit_in_processes, portable
from skuq.deep._ensemble_nets import is_module, is_net, net_in, prepared
from skuq.deep._ensemble_predict import stacked_predictions
from skuq.deep._ensemble_selection import greedy
from skuq.deep._ensemble_stacked import fit_stacked
from skuq.deep._ensemble_strategy import resolved
from skuq.deep._torch_base import device_named
from skuq.deep._training import check_count, is_table, seeds
from skuq.exceptions import InputError


class Ensemble(MetaEstimatorMixin, BaseEstimator):
    """What ensembles of classifiers and of regressors share.

    A subclass has `_target`, which checks and encodes `y`, and `_net`, which makes a
    net of a module or of nothing.
    """

    estimators_: list
    preprocessor_: Any
    _seeds: list  # of all members there ever were; None for those fitted elsewhere

    @classmethod
    def _of_members(cls, estimators):
        """An ensemble of members that are fitted already."""
        members = list(estimators)
        if not members:
            raise InputError(
                "there are no members: pass at least one fitted estimator."
            )
        for member in members:
            check_is_fitted(member)
        ensemble = cls(members[0], n_estimators=len(members))
        ensemble.estimators_, ensemble._seeds = members, [None] * len(members)
        ensemble.preprocessor_, ensemble.strategy_ = None, "loop"
        return ensemble

    def fit(self, X, y=None, **fit_params):
        """Train the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples; nets get floating arrays in single precision.
        y : array-like of shape (n_samples, *spatial) or (n_samples, n_outputs)
            Labels of any type (maps hold 0..K-1), or values of a regressor.
        **fit_params : dict
            Passed to the `fit` of the members.

        Returns
        -------
        self : object
            The fitted ensemble.
        """
        check_count("n_estimators", self.n_estimators, 1)
        grows = self.warm_start and hasattr(self, "estimators_")
        have = len(self.estimators_) if grows else 0
        if have > self.n_estimators:
            raise InputError(
                f"n_estimators={self.n_estimators} is less than the {have} members "
                "that warm_start=True keeps: use select_members to remove some."
            )
        X, y = self._checked(X, reset=True), self._target(X, y, reset=not grows)
        if not grows:
            self.estimators_, self._seeds = [], []
            self._fit_preprocessor(X, y)
        return self._grow(self.n_estimators - have, X, y, fit_params)

    def add_members(self, n, X, y=None, **fit_params):
        """Train further members beside those that are there.

        Parameters
        ----------
        n : int
            How many.
        X : array-like of shape (n_samples, ...)
            Samples, as in `fit`.
        y : array-like of shape (n_samples, *spatial) or (n_samples, n_outputs)
            Labels or values.
        **fit_params : dict
            Passed to the `fit` of the members.

        Returns
        -------
        self : object
            The ensemble.
        """
        check_is_fitted(self)
        n = check_count("n", n, 1)
        X, y = self._checked(X, reset=False), self._target(X, y, reset=False)
        return self._grow(n, X, y, fit_params)

    def _fit_preprocessor(self, X, y):
        """Fit what comes before the net of a pipeline, once for all members."""
        self.preprocessor_ = None
        if net_in(self.estimator) is not self.estimator:
            self.preprocessor_ = clone(self.estimator[:-1]).fit(X, y)

    def _fed(self, X):
        """What members are fed: samples behind the preprocessing, for nets."""
        if self.preprocessor_ is not None:
            X = self.preprocessor_.transform(X)
        floats = isinstance(X, np.ndarray) and X.dtype == np.float64
        return X.astype(np.float32) if floats and self._feeds_nets() else X

    def _grow(self, n, X, y, fit_params):
        """Train `n` more members."""
        if n == 0:
            return self
        X = self._fed(X)
        recipe = self._recipe(X, y, fit_params)
        new = self._new_seeds(n)
        store = None
        if self.checkpoint is not None:
            store = Store.opened(self.checkpoint, X, y, recipe)
            if not isinstance(self.random_state, Integral):
                new = store.seeds([*self._seeds, *new])[-n:]
        self.strategy_ = resolved(self.strategy, recipe, X, y, n, self.n_jobs)
        self.estimators_ = self.estimators_ + self._trained(recipe, X, y, new, store)
        self._seeds = [*self._seeds, *new]
        for name in ("n_features_in_", "feature_names_in_"):
            if not hasattr(self, name) and hasattr(self.estimators_[0], name):
                setattr(self, name, getattr(self.estimators_[0], name))
        return self

    def _trained(self, recipe, X, y, seeds, store):
        """Members of these seeds, from the folder or trained."""
        done = {} if store is None else store.load(seeds, recipe, X)
        if self.strategy_ == "stacked" and len(done) < len(seeds):
            done = {}  # a stack draws its dropout for all members together
        missing = [seed for seed in seeds if seed not in done]
        if missing and self.strategy_ == "stacked":
            new = fit_stacked(recipe, X, y, missing, store, self.verbose)
            for seed, net in zip(missing, new, strict=True):
                if store is not None:
                    store(seed, portable(net))
            if store is not None:
                store.forget_stack()
        elif missing and self.strategy_ == "joblib":
            new = fit_in_processes(recipe, X, y, missing, self.n_jobs, store)
        else:
            new = self._looped(recipe, X, y, missing, store)
        done |= dict(zip(missing, new, strict=True))
        return [done[seed] for seed in seeds]

    def _looped(self, recipe, X, y, seeds, store):
        members = []
        disable = not self.verbose
        for seed in tqdm(seeds, disable=disable, unit="member", desc="Ensemble"):
            members.append(fit_here(recipe, X, y, seed))
            if store is not None:
                store(seed, portable(members[-1]))
        return members

    def _recipe(self, X, y, fit_params):
        estimator = net_in(self.estimator)
        if estimator is not self.estimator and self.preprocessor_ is None:
            raise InputError(
                "the members are pipelines, each with a preprocessing of its own, "
                "which new members would lack: fit the new pipelines by themselves, "
                "and pass all of them to from_estimators."
            )
        if estimator is None or is_module(estimator):
            with torch.random.fork_rng(devices=[]):  # members draw their own weights
                estimator = self._net(estimator, X, y)
        attack = None
        if is_net(estimator):
            estimator = prepared(estimator)
            if self.device is not None:
                estimator.set_params(device=device_named(self.device))
        if self.adversarial:
            if not is_net(estimator):
                raise InputError(
                    f"adversarial=True needs gradients, and {type(estimator).__name__} "
                    "is not a net of skorch."
                )
            attack = Attack(self.epsilon, self.adversarial_mask, self.adversarial_clip)
        n_classes = getattr(self, "_n_classes", None)
        return Recipe(estimator, attack, self.bootstrap, n_classes, fit_params)

    def _new_seeds(self, n):
        """Seeds of new members; those of an int are the same however they are asked."""
        fixed = isinstance(self.random_state, Integral)
        have = len(self._seeds) if fixed else 0
        return seeds(self.random_state, have + n)[have:]

    def _feeds_nets(self):
        estimator = net_in(self.estimator)
        return estimator is None or is_module(estimator) or is_net(estimator)

    def _checked(self, X, reset):
        """Arrays for nets are checked; all else passes."""
        if not self._feeds_nets() or not is_table(self.estimator, X):
            return X
        images = self.estimator is not None
        return validate_data(self, X, reset=reset, dtype="numeric", allow_nd=images)

    def _ready(self, X):
        """What members are fed, of a fitted ensemble."""
        check_is_fitted(self)
        return self._fed(self._checked(X, reset=False))

    def _stacked(self, X, respond, empty):
        """The statistics of all members by stacked predictions; None if not so."""
        X = self._ready(X)
        alike = self.strategy_ == "stacked" and None not in self._seeds
        stackable = isinstance(X, np.ndarray) or is_torch_array(X)
        if not alike or len(self.estimators_) < 2 or not stackable:
            return None
        parts = []
        for members in stacked_predictions(self.estimators_, X, respond):
            parts.append(empty().update(*members, stacked=True))
        return empty().concatenate(parts)

    def _keep_best(self, n_members, loss):
        """Keep the members that a greedy search takes."""
        have = len(self.estimators_)
        if n_members is not None:
            check_count("n_members", n_members, 1)
            if n_members > have:
                raise InputError(
                    f"n_members={n_members} is more than the {have} members there "
                    "are: pass fewer, or None."
                )
        chosen = greedy(have, n_members, loss)
        self.estimators_ = [self.estimators_[i] for i in chosen]
        return self

    def __sklearn_is_fitted__(self):
        """Whether there are members."""
        return bool(getattr(self, "estimators_", None))

    def __sklearn_tags__(self):
        """Samples may be images; labels or values are needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = self.estimator is not None
        if not self._feeds_nets():
            tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        return tags
