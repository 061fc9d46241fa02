"""Members of an ensemble, trained one by one: here, or in a process for each."""

import json
import pickle
import threading
import traceback
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed

from skuq._sklearn import rows_of, rows_of_params
from skuq.deep._adversarial import Attack, attacking
from skuq.deep._ensemble_nets import initialised, is_net, stream
from skuq.deep._training import seeds

# Torch's generator belongs to the process: members in threads take turns.
LOCK = threading.Lock()


@dataclass(frozen=True)
class Recipe:
    """What every member has in common."""

    estimator: Any  # unfitted; a net is a prepared one
    attack: Attack | None = None
    bootstrap: bool = False
    n_classes: int | None = None
    fit_params: dict = field(default_factory=dict)

    @property
    def of_nets(self):
        """Whether the members are nets of skorch."""
        return is_net(self.estimator)

    @property
    def device(self):
        """Where the members are."""
        return getattr(self.estimator, "device", None) or "cpu"


@dataclass(frozen=True)
class Weights:
    """A trained net without its code, which a process may be unable to send."""

    state: dict
    history: list

    @classmethod
    def of(cls, net):
        """Those of a trained net, on the host."""
        state = {k: v.detach().cpu() for k, v in net.module_.state_dict().items()}
        plain = json.dumps(list(net.history), default=lambda value: value.item())
        return cls(state, json.loads(plain))

    def restored(self, recipe, X):
        """The net with these weights."""
        with stream(0, recipe.device):
            net = initialised(recipe.estimator, X)
        net.module_.load_state_dict(self.state)
        net.history.extend(self.history)
        return named(net, recipe)


@dataclass(frozen=True)
class Failure:
    """An error in a worker, as something that can always be sent."""

    error: BaseException
    trace: str

    @classmethod
    def of(cls, error):
        """The error itself where it can be sent, else what it says."""
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            error = RuntimeError(f"{type(error).__name__}: {error}")
        return cls(error, traceback.format_exc())


def fit_here(recipe, X, y, seed):
    """One member, trained."""
    X, y, fit_params = sampled(recipe, X, y, seed)
    with LOCK, stream(seed, recipe.device):
        if not recipe.of_nets:
            member = seeded_clone(recipe.estimator, seed)
            return member.fit(X, y, **fit_params)
        net = initialised(recipe.estimator, X)
        with attacking(net, recipe.attack):
            net.partial_fit(X, y, **fit_params)
    return named(net, recipe)


def fit_in_processes(recipe, X, y, seeds, n_jobs, keep):
    """All members, in order; `keep` is called by the worker that made one."""
    tasks = (delayed(_work)(recipe, X, y, seed, keep) for seed in seeds)
    results = Parallel(n_jobs=n_jobs, prefer="processes")(tasks)
    for result in results:
        if isinstance(result, Failure):
            result.error.add_note(f"In a worker of the ensemble:\n{result.trace}")
            raise result.error
    return [whole(result, recipe, X) for result in results]


def _work(recipe, X, y, seed, keep):
    """What a worker does: errors come back as results, so that nothing waits for it."""
    try:
        result = portable(fit_here(recipe, X, y, seed))
        if keep is not None:
            keep(seed, result)
    except Exception as error:
        return Failure.of(error)
    return result


def portable(member):
    """A member as what can be sent and stored."""
    return Weights.of(member) if is_net(member) else member


def whole(result, recipe, X):
    """A member from what `portable` made of it."""
    return result.restored(recipe, X) if isinstance(result, Weights) else result


def named(net, recipe):
    """A net that knows its classes, which are codes."""
    if recipe.n_classes is not None:
        net.classes_inferred_ = np.arange(recipe.n_classes)
    return net


def sampled(recipe, X, y, seed):
    """What one member sees: everything, or as many samples drawn with replacement."""
    if not recipe.bootstrap:
        return X, y, recipe.fit_params
    X, y = indexable(X, y)
    n_samples = len(y)
    rows = np.random.RandomState(seed).randint(n_samples, size=n_samples)
    fit_params = rows_of_params(X, recipe.fit_params, rows)
    return *rows_of(recipe.estimator, X, y, rows), fit_params


def seeded_clone(estimator, seed):
    """A clone with every `random_state` inside it set."""
    member = clone(estimator)
    names = sorted(
        name
        for name in member.get_params(deep=True)
        if name == "random_state" or name.endswith("__random_state")
    )
    return member.set_params(**dict(zip(names, seeds(seed, len(names)), strict=True)))
