"""Fitted calibrators and models as modules of torch, which is loaded by the call."""

from abc import abstractmethod
from copy import deepcopy

from sklearn.utils.validation import check_is_fitted

from skuq._core._arrays import accumulator_dtype
from skuq._responses import link_of, transforms, wrapped
from skuq.exceptions import InputError


class ToTorch:
    """What calibrators with a formula can do besides; mixed in before their base."""

    @abstractmethod
    def _module(self, nn):
        """The module of `skuq.nn`, given as `nn`, with the fitted numbers."""

    def to_torch(self):
        """The fitted calibrator as a ``torch.nn.Module``.

        Returns
        -------
        module : skuq.nn.Calibration
            Takes a tensor of the scores that `predict_proba` takes, gives the same
            probabilities and lets gradients through.  ``torch.export`` accepts it, with
            any number of samples.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        from skuq import nn

        return self._module(nn)


def calibrated_module(estimator, method, calibrator):
    """The module of a fitted torch model, copied, with that of its calibrator behind.

    `method` is the response method by which the scores were taken.
    """
    model = _torch_model(estimator)
    if not hasattr(calibrator, "to_torch"):
        raise InputError(
            f"to_torch needs a calibrator with a formula, got "
            f"{type(calibrator).__name__}: calibrate with one that has to_torch, such "
            "as TemperatureScaler, VectorScaler or StructuredMatrixScaler."
        )
    from skuq.nn import CalibratedModule

    # A copy, so that the evaluation mode, a move or more training is not the model's.
    module = deepcopy(model.module_ if _is_skorch(model) else model.module)
    calibration = calibrator.to_torch()
    first = next(module.parameters(), None)
    if first is not None:
        calibration.to(first.device, accumulator_dtype(first))
    return CalibratedModule(module, calibration, link=link_of(model, method)).eval()


def _torch_model(estimator):
    """The skorch net or `TorchModuleClassifier` inside an estimator."""
    model = estimator
    while (inside := wrapped(model)) is not None and not transforms(model):
        model = inside
    if _is_skorch(model) or (hasattr(model, "module") and hasattr(model, "output")):
        return model
    raise InputError(
        f"to_torch needs a torch model, got {type(model).__name__}: calibrate a "
        "TorchModuleClassifier or a skorch net; steps of a Pipeline before it belong "
        "into its module."
    )


def _is_skorch(model):
    return hasattr(model, "forward_iter") and hasattr(model, "module_")
