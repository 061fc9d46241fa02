"""Targets of the estimators that train one network: class codes, scaled values."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skuq.deep._training import encoded, targets
from skuq.exceptions import InputError, NoSamplesError

VOID = -100  # torch's label of positions that do not count


def class_network(estimator, X, y, n_numbers):
    """The network of an estimator, the codes of labels, and the classes.

    `n_numbers` says how many numbers the network gives, for a number of classes.
    """
    classes, codes = encoded(targets(X, y))
    wanted = None if classes is None else n_numbers(len(classes))
    network = estimator._network(X, wanted)
    found = estimator._trial(network, X)[1]
    if classes is None:  # maps hold codes, of which the largest may be missing
        classes = np.arange(next(k for k in range(found + 1) if n_numbers(k) >= found))
        wanted = n_numbers(len(classes))
    n_classes = max(len(classes), 1 + _largest(codes))
    if found != wanted or n_classes > len(classes):
        raise InputError(
            f"the module gives {found} numbers for each sample or position, which does "
            f"not fit labels of {n_classes} classes: it must give "
            f"{n_numbers(n_classes)}."
        )
    return network, codes, classes


def _largest(codes):
    """The largest code; all but void ones must be at least 0."""
    counted = codes[codes != VOID]
    if not counted.size:
        raise NoSamplesError(f"all labels are {VOID}: pass some that count.")
    if counted.min() < 0:
        raise InputError(
            f"y holds {counted.min()}: labels of maps must be 0 or more, and {VOID} "
            "where they do not count."
        )
    return int(counted.max())


@dataclass(frozen=True)
class Scale:
    """The unit of a target: outputs along axis 1, or a single one without that axis."""

    center: Any
    unit: Any
    single: bool

    @classmethod
    def of(cls, y, single):
        """Mean and standard deviation of every output, 1 for a constant one."""
        y = y[:, None] if single else y
        axes = tuple(i for i in range(y.ndim) if i != 1)
        center, unit = (f(axis=axes, keepdims=True) for f in (y.mean, y.std))
        # Rounding may give a constant a deviation above 0.
        varies = (np.ptp(y, axis=axes, keepdims=True) > 0) & (unit > 0)
        return cls(center, np.where(varies, unit, 1), single)

    @property
    def n_outputs(self):
        """Number of outputs."""
        return self.unit.size

    def scaled(self, y):
        """Values as the network is trained on: mean 0, variance 1, an axis 1."""
        y = y[:, None] if self.single else y
        return ((y - self.center) / self.unit).astype(np.float32)

    def moments(self, mean, variance):
        """Mean and variance in the unit of the target, from tensors."""
        mean, variance = (t.double().numpy() for t in (mean, variance))
        pair = mean * self.unit + self.center, variance * self.unit**2
        # Digits beyond single precision would be those of the rounding of the network.
        mean, variance = (values.astype(np.float32) for values in pair)
        return (mean[:, 0], variance[:, 0]) if self.single else (mean, variance)

    @property
    def nats(self):
        """What a scaled value gains in log density, on average over outputs."""
        return float(np.log(self.unit).mean())


def values_and_scale(y, output_shape):
    """Values as a network takes them that gives this shape, and their scale."""
    n_axes = len(output_shape)
    if y.ndim not in (n_axes - 1, n_axes):
        raise InputError(
            f"y has shape {y.shape}, but the module gives {output_shape} for two "
            "samples: pass a value for each position, or outputs along axis 1."
        )
    scale = Scale.of(np.asarray(y, dtype=np.float64), single=y.ndim == n_axes - 1)
    return scale.scaled(y), scale
