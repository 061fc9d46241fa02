"""What a classifier knows of samples: its probabilities, and features to learn from."""

from contextlib import contextmanager
from math import inf
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import issparse
from torch import nn

from skuq._core._arrays import as_array, to_numpy
from skuq._core._checks import check_option
from skuq._responses import innermost
from skuq._responses import model_inside as model_inside
from skuq.deep._ensemble_nets import is_net
from skuq.deep._feature_store import FeatureStore
from skuq.deep._torch_base import TorchModule, evaluating, numpy_of
from skuq.deep._torch_net import SkorchNet, net_of
from skuq.exceptions import InputError

WEIGHTED = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd)


class Reading(NamedTuple):
    """Features `(n_samples, n_features, *spatial)`, probabilities, and their source."""

    features: np.ndarray
    proba: np.ndarray
    layer: str


def read(
    model, X, layer, classes=None, n_samples=None, max_bytes=inf, *, with_odds=False
):
    """Features and probabilities of samples, in one pass through a network.

    `layer` names the part of a network whose input is taken, or, of any other
    classifier, "input", "proba" or "both"; "auto" takes the last layer with weights,
    or both.  Classes that the model misses get columns of zeros.  Where `n_samples`
    says how many there are, features of more than `max_bytes` come in a file.  With
    `with_odds` the log-odds of the largest probability are the last feature.
    """
    parts = readings(model, X, layer, classes, with_odds=with_odds)
    if n_samples is None:
        all_features, all_proba, layers = zip(*parts, strict=True)
        return Reading(
            np.concatenate(all_features), np.concatenate(all_proba), layers[-1]
        )
    # What a batch gives is not kept: small arrays would hold the memory of large ones.
    features, proba = (FeatureStore(n_samples, limit) for limit in (max_bytes, inf))
    for part in parts:
        layer = part.layer
        features.append(part.features)
        proba.append(part.proba)
    return Reading(features.filled(), proba.filled(), layer)


def readings(model, X, layer, classes=None, *, with_odds=False):
    """The same, a batch of a network at a time; of any other classifier all at once."""
    for reading in _readings(model, X, layer, classes):
        if with_odds:
            parts = reading.features, log_odds(reading.proba)
            reading = reading._replace(features=np.concatenate(parts, axis=1))
        yield reading


def log_odds(proba):
    """Those of the largest probability, as a single column in single precision."""
    rounding = np.finfo(np.float32).eps / 2
    top = np.minimum(proba.max(axis=1, keepdims=True).astype(np.float64), 1 - rounding)
    return (np.log(top) - np.log1p(-top)).astype(np.float32)


def _readings(model, X, layer, classes):
    inner, inputs = innermost(model, X)
    if has_layers(inner):
        yield from _net_readings(net_of(inner), inputs, layer)
        return
    proba = to_numpy(proba_of(model, X))
    if classes is not None and len(classes) != proba.shape[1]:
        proba = _in_columns(proba, classes, to_numpy(model.classes_))
    yield Reading(*_table(inputs, proba, layer))


def has_layers(model):
    """Whether this is a network, which has layers to read from."""
    return is_net(model) or isinstance(model, TorchModule)


def proba_of(model, X):
    """A classifier's own probabilities, along axis 1 for maps too."""
    if not hasattr(model, "predict_proba"):
        raise InputError(
            f"{type(model).__name__} has no predict_proba, which confidence is learned "
            "from: wrap it in skuq.calibration.CalibratedModel(model, cv=5)."
        )
    with torch.random.fork_rng(devices=[]):  # loaders of skorch draw from it
        proba = model.predict_proba(X)
    if proba.ndim <= 2 or not is_net(model_inside(model)):
        return proba
    return _proba_of_maps(*innermost(model, X))


def _proba_of_maps(model, X):
    """Those of a skorch net, whose own softmax runs along the width of maps."""
    net = SkorchNet(model)
    with _reading(net.module):
        parts = [net.probabilities(net.forward(batch)) for batch in net.batches(X)]
    return net.like(X, torch.cat(parts))


def classes_of(model, n_classes):
    """The label of each column: skorch knows only those that its training saw."""
    classes = to_numpy(getattr(model, "classes_", np.arange(n_classes)))
    return classes if len(classes) == n_classes else np.arange(n_classes)


def _in_columns(proba, classes, known):
    """Probabilities of the classes that a model knows in the columns of all."""
    out = np.zeros((len(proba), len(classes), *proba.shape[2:]), dtype=proba.dtype)
    out[:, np.searchsorted(classes, known)] = proba
    return out


def _table(inputs, proba, layer):
    """Inputs of a classifier, its probabilities, or both, as features."""
    check_option("layer", layer, ("auto", "both", "input", "proba"))
    if layer == "auto":
        layer = "both" if proba.ndim == 2 and _is_table(inputs) else "proba"
    parts = [] if layer == "proba" else [_dense(inputs)]
    parts += [] if layer == "input" else [proba]
    features = np.concatenate([part.astype(np.float32) for part in parts], axis=1)
    return features, proba, layer


def _is_table(inputs):
    if issparse(inputs):
        return False
    values = to_numpy(as_array(inputs))
    return values.dtype.kind in "biuf" and bool(np.isfinite(values).all())


def _dense(inputs):
    """Inputs as a table of numbers."""
    if issparse(inputs):
        return inputs.toarray()
    values = to_numpy(as_array(inputs))
    return values.reshape(len(values), -1)


def _net_readings(net, X, layer):
    tap = Tap(net.module, layer)
    batches = net.batches(X)
    try:
        while True:
            with _reading(net.module):  # for a batch alone: others run in between
                batch = next(batches, None)
                if batch is None:
                    return
                out = net.probabilities(net.forward(batch))
                features = per_answer(tap.taken(), out).float()
                reading = Reading(numpy_of(features), numpy_of(out), tap.layer)
            yield reading
    finally:
        tap.remove()


@contextmanager
def _reading(module):
    """Evaluation without gradients, which leaves torch's generator where it was."""
    forked = torch.random.fork_rng(devices=[])
    with forked, evaluating(module), torch.inference_mode():
        yield


def per_answer(features, out):
    """Features along axis 1, for each sample, or for each position of a map."""
    if out.ndim > 2:
        if features.ndim != out.ndim or features.shape[2:] != out.shape[2:]:
            raise InputError(
                f"the features have shape {tuple(features.shape)} and the answers "
                f"{tuple(out.shape)}: choose a layer whose input has the size of the "
                "map of answers."
            )
        return features
    return features.flatten(2).mean(2) if features.ndim > 2 else features


class Tap:
    """Takes what reaches a layer on the way of a batch through a network."""

    def __init__(self, module, layer):
        parts = dict(module.named_modules())
        if layer != "auto" and layer not in parts:
            named = [name for name in parts if name]
            raise InputError(f"layer must be 'auto' or one of {named}, got {layer!r}.")
        self.layer, self._value = layer, None
        wanted = {
            name: part
            for name, part in parts.items()
            if name == layer or (layer == "auto" and isinstance(part, WEIGHTED))
        }
        self._hooks = {
            name: part.register_forward_pre_hook(self._taker(name))
            for name, part in wanted.items()
        }

    def _taker(self, name):
        def take(module, args):
            if args and isinstance(args[0], torch.Tensor):
                self.layer, self._value = name, args[0].clone()

        return take

    def taken(self):
        """What has reached the layer; from now on only this one is looked at."""
        if self._value is None:
            raise InputError(
                f"no input reached the layer {self.layer!r}: name one that the network "
                "calls with a tensor."
            )
        for name in [name for name in self._hooks if name != self.layer]:
            self._hooks.pop(name).remove()
        value, self._value = self._value, None
        return value

    def remove(self):
        """Leave the network as it was."""
        for hook in self._hooks.values():
            hook.remove()
