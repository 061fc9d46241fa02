"""A network and its calibration as one module."""

from collections.abc import Mapping

from torch import nn


class CalibratedModule(nn.Module):
    """A network with its calibration behind it: calibrated probabilities of an input.

    Parameters
    ----------
    module : torch.nn.Module
        The network; returns scores `(n, n_classes, *spatial)`, or `(n,)` or
        `(n, 1, *spatial)` for the second of two classes.  Of a tuple, the first.
    calibration : torch.nn.Module
        From scores to probabilities, such as `TemperatureCalibration`.
    link : {"softmax", None} or callable, default=None
        What turns the output of the network into the scores: None nothing, "softmax" a
        softmax over axis 1, or a logistic function of a single output.

    See Also
    --------
    skuq.calibration.CalibratedModel.to_torch : Makes one from a fitted model.

    Examples
    --------
    >>> import torch
    >>> from skuq.nn import CalibratedModule, TemperatureCalibration
    >>> module = CalibratedModule(torch.nn.Linear(4, 3), TemperatureCalibration(2.0))
    >>> module(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(self, module, calibration, *, link=None):
        super().__init__()
        self.module = module
        self.calibration = calibration
        self.link = _softmax if link == "softmax" else link

    def forward(self, x):
        """Calibrated probabilities.

        Parameters
        ----------
        x : Tensor or dict
            Input of the network; a dict becomes its keywords, as in skorch.

        Returns
        -------
        proba : Tensor of shape (n, n_classes, *spatial)
            In [0, 1], sums to one over axis 1.
        """
        out = self.module(**x) if isinstance(x, Mapping) else self.module(x)
        scores = out[0] if isinstance(out, tuple) else out
        return self.calibration(scores if self.link is None else self.link(scores))


def _softmax(scores):
    if scores.ndim == 1 or scores.shape[1] == 1:
        return scores.sigmoid()
    return scores.softmax(1)
