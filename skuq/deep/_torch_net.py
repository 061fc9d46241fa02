"""A skorch net or a module of one's own, as what draws from it need to see."""

from contextlib import contextmanager

import torch

from skuq._core._arrays import is_torch_array
from skuq._responses import link_of
from skuq.deep._ensemble_nets import as_tensor
from skuq.deep._own_net import OwnNet
from skuq.deep._torch_base import TorchModule, device_named, numpy_of
from skuq.deep._torch_module import as_row
from skuq.exceptions import InputError


def net_of(model):
    """The net inside a fitted model."""
    if isinstance(model, TorchModule):
        return ModuleNet(model)
    if hasattr(model, "forward_iter") and hasattr(model, "module_"):
        return SkorchNet(model)
    if isinstance(model, OwnNet) and hasattr(model, "_prediction"):
        return NoiseNet(model)
    raise InputError(
        f"MC dropout needs a network of torch, got {type(model).__name__}: pass a "
        "skorch net, fitted or not, an nn.Module in TorchModuleClassifier or "
        "TorchModuleRegressor, or a network with a noise, as in "
        "HeteroscedasticClassifier and HeteroscedasticRegressor."
    )


@contextmanager
def placed(net, device):
    """The network on a device for the time of a prediction, and then where it was.

    Parameters stay the same objects, so that an optimiser still knows them.
    """
    if device is None:
        yield
        return
    name, model, module = net.DEVICE, net.model, net.module
    own, wanted = getattr(model, name), torch.device(device_named(device))
    homes = {t.device for t in (*module.parameters(), *module.buffers())}
    moves = not all(_is_on(home, wanted) for home in homes)
    if moves and len(homes) > 1:
        raise InputError(
            f"the network is on several devices, {sorted(map(str, homes))}, and device="
            f"{device!r} would move it: pass device=None."
        )
    try:
        setattr(model, name, wanted)
        if moves:
            module.to(wanted)
        yield
    finally:
        setattr(model, name, own)
        if moves:
            module.to(*homes)


def _is_on(home, wanted):
    return home.type == wanted.type and wanted.index in (None, home.index)


class ModuleNet:
    """A `TorchModuleClassifier` or `TorchModuleRegressor`."""

    DEVICE = "device"  # the attribute that says where batches go

    def __init__(self, model):
        self.model = model
        self.module = model.module

    def batches(self, X):
        """What the module is called with, batch by batch."""
        return self.model._batches(X)

    def forward(self, batch):
        """The main output for one batch."""
        return self.model._first(self.module(batch))

    def probabilities(self, out):
        """Probabilities of all classes from an output."""
        return self.model._probabilities(out)

    def values(self, out):
        """What a regressor predicts from an output."""
        return as_row(out)

    def like(self, X, out):
        """An output in the library of `X`."""
        return self.model._like(X, out)


class SkorchNet:
    """A fitted net of skorch."""

    DEVICE = "device"

    def __init__(self, model):
        self.model = model
        self.module = model.module_
        self._link = link_of(model, "predict_proba")
        self._dtype = next(
            (p.dtype for p in self.module.parameters() if p.is_floating_point()),
            torch.get_default_dtype(),
        )

    def batches(self, X):
        """What the net infers from, batch by batch."""
        dataset = self.model.get_dataset(X)
        for batch in self.model.get_iterator(dataset, training=False):
            inputs = batch[0] if isinstance(batch, (tuple, list)) else batch
            if is_torch_array(inputs) and inputs.is_floating_point():
                inputs = inputs.to(self._dtype)
            yield inputs

    def forward(self, batch):
        """The main output for one batch."""
        return TorchModule._first(self.model.infer(batch))

    def probabilities(self, out):
        """Probabilities of all classes from an output."""
        if out.ndim == 1:
            out = out[:, None]
        single = out.shape[1] == 1
        if self._link == "softmax":
            out = out.sigmoid() if single else out.softmax(1)
        elif self._link is not None:
            out = self._link(out)
        return torch.cat([1 - out, out], dim=1) if single else out

    def values(self, out):
        """What a regressor predicts from an output."""
        return as_row(out)

    def like(self, X, out):
        """An output as a numpy array, as skorch gives it."""
        return numpy_of(out)


class NoiseNet:
    """A `HeteroscedasticClassifier` or `HeteroscedasticRegressor`."""

    DEVICE = "device_"

    def __init__(self, model):
        self.model = model
        self.module = model.module_
        self.probabilities = self.values = model._prediction

    def batches(self, X):
        """What the module is called with, batch by batch."""
        first = next(self.module.parameters())
        for batch in as_tensor(X).split(self.model.batch_size):
            batch = batch.to(self.model.device_)
            yield batch.to(first.dtype) if batch.is_floating_point() else batch

    def forward(self, batch):
        """The output for one batch, with what says how noisy the target is."""
        return self.module(batch)

    def like(self, X, out):
        """A prediction as numpy arrays; a mean and a variance are that already."""
        return out if isinstance(out, tuple) else numpy_of(out)
