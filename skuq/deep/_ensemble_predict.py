"""What members predict: nets one by one or as a stack, and any other estimator."""

from inspect import signature

import numpy as np
import torch

from skuq._core._arrays import is_torch_array, to_numpy
from skuq.deep._ensemble_nets import as_tensor, is_net
from skuq.deep._stack import Stack
from skuq.deep._torch_base import evaluating, numpy_of
from skuq.deep._torch_module import as_row
from skuq.deep._torch_net import SkorchNet
from skuq.exceptions import InputError

CHUNK = 2**22  # numbers that a stack may hold for each layer, about


def net_predictions(net, X, respond):
    """What one net predicts for all samples, as a tuple of arrays."""
    single = SkorchNet(net)
    with evaluating(net.module_), torch.inference_mode():
        parts = [respond(single, net.infer(b)) for b in _batches(net, single, X)]
    return tuple(numpy_of(torch.cat(values)) for values in zip(*parts, strict=True))


def stacked_predictions(nets, X, respond):
    """Yield what all nets predict, chunk by chunk, along a new first axis."""
    single, module = SkorchNet(nets[0]), nets[0].module_
    X = as_tensor(X)
    n_rows = max(1, CHUNK // (len(nets) * _width(nets[0], X)))
    with evaluating(module), torch.inference_mode():
        stack = Stack([net.module_ for net in nets], shell=module)
        for chunk in X.split(n_rows):
            out = stack(chunk.to(nets[0].device), shared=True)
            parts = out if isinstance(out, tuple) else (out,)
            flat = tuple(part.flatten(0, 1) for part in parts)
            found = respond(single, flat if isinstance(out, tuple) else flat[0])
            shape = (len(nets), len(chunk))
            yield tuple(numpy_of(part.unflatten(0, shape)) for part in found)


def _width(net, X):
    """The most numbers that a layer has for a sample, about."""
    widest = max((p.shape[0] for p in net.module_.parameters() if p.ndim), default=1)
    return max(widest, X[0].numel())


def _batches(net, single, X):
    """The batches of a net; slices where the samples are an array."""
    if not (isinstance(X, np.ndarray) or is_torch_array(X)):
        yield from single.batches(X)
        return
    size = net.get_params_for("iterator_valid").get("batch_size", net.batch_size)
    yield from as_tensor(X).split(len(X) if size < 1 else size)


def probabilities(single, out):
    """The probabilities of an output of a classifier."""
    return (single.probabilities(out[0] if isinstance(out, tuple) else out),)


def moments(single, out):
    """The mean of an output of a regressor, and the variance where it states one."""
    parts = out if isinstance(out, tuple) else (out,)
    return tuple(as_row(part) for part in parts[:2])


def member_proba(member, X, classes):
    """Probabilities of one member, with a column for each of all classes."""
    if is_net(member):
        proba = net_predictions(member, X, probabilities)[0]
    elif hasattr(member, "predict_proba"):
        proba = to_numpy(member.predict_proba(X))
    else:
        raise InputError(
            f"{type(member).__name__} has no predict_proba: members of a classifier "
            "need one."
        )
    return _in_columns(proba, member, classes)


def draws_of_proba(member, X, classes):
    """Yield `member_proba` of a member, or of each of those that it consists of."""
    if hasattr(member, "iter_members"):
        for proba in member.iter_members(X):
            yield _in_columns(to_numpy(proba), member, classes)
    else:
        yield member_proba(member, X, classes)


def _in_columns(proba, member, classes):
    """The probabilities of a member with a column for each of all classes."""
    if proba.shape[1] == len(classes):
        return proba
    own = np.asarray(getattr(member, "classes_", classes))
    if len(own) != proba.shape[1] or not np.isin(own, classes).all():
        raise InputError(
            f"a member gives {proba.shape[1]} columns and knows the classes {own}, of "
            f"the ensemble's {classes}: pass to from_estimators, as classes, the "
            "sorted labels of all columns of the members."
        )
    out = np.zeros((len(proba), len(classes), *proba.shape[2:]), dtype=proba.dtype)
    out[:, np.searchsorted(classes, own)] = proba
    return out


def draws_of_moments(member, X):
    """Yield `member_moments` of a member, or of each of those that it consists of."""
    if not hasattr(member, "iter_members"):
        yield member_moments(member, X)
        return
    noise = member.noise_variance_
    for each in member.iter_members(X):
        mean, *variance = map(to_numpy, each if isinstance(each, tuple) else (each,))
        if noise:
            variance = [variance[0] + noise if variance else np.full_like(mean, noise)]
        yield (mean, *variance)


def member_moments(member, X):
    """What one regressor predicts: ``(mean,)`` or ``(mean, variance)``."""
    if is_net(member):
        return net_predictions(member, X, moments)
    if "return_std" not in signature(member.predict).parameters:
        return (to_numpy(member.predict(X)),)
    mean, std = member.predict(X, return_std=True)
    return to_numpy(mean), to_numpy(std) ** 2
