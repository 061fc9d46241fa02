"""The scores behind an estimator: its logits if it has any, else probabilities.

Looks through Pipeline, searches and FrozenEstimator at the model inside.
"""

from typing import NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skuq._core._arrays import Array, as_array, to_numpy
from skuq._core._checks import check_option
from skuq.exceptions import InputError

RESPONSES = {
    "predict_logits": "logit",
    "decision_function": "logit",
    "predict_log_proba": "logit",
    "predict_proba": "proba",
}
AUTO = ("predict_logits", "decision_function", "predict_proba")
LOGIT_CRITERIA = {"CrossEntropyLoss", "BCEWithLogitsLoss"}


class Response(NamedTuple):
    """Scores `(n_samples, n_classes, *spatial)` or `(n_samples,)`, and their kind."""

    scores: Array
    kind: str


def response_of(estimator, X, method="auto"):
    """Scores of a fitted classifier for `X`, as a `Response`.

    `method` "auto" takes the first of: `predict_logits`, the forward pass of a skorch
    net trained on logits, `decision_function`, `predict_proba`.
    """
    check_option("response_method", method, ("auto", *RESPONSES))
    estimator, X = innermost(estimator, X)
    if method == "auto" and _gives_logits(estimator):
        return Response(_flat(_forward(estimator, X)), "logit")
    if method == "auto":
        method = next((name for name in AUTO if hasattr(estimator, name)), None)
    if method is None:
        raise InputError(
            f"{type(estimator).__name__} has none of {', '.join(AUTO)}: a classifier "
            "with one of them can be calibrated."
        )
    if not hasattr(estimator, method):
        raise InputError(
            f"{type(estimator).__name__} has no {method}: choose another "
            "response_method, or 'auto'."
        )
    if method == "decision_function":
        _refuse_pairwise(estimator)
    scores = _flat(as_array(getattr(estimator, method)(X)))
    if method != "predict_logits":
        _refuse_wrong_axis(estimator, scores)
    return Response(scores, RESPONSES[method])


def proba_response(estimator, X):
    """What the probabilities of a fitted classifier are made from, as a `Response`.

    That is `predict_proba`, but the logits of a skorch net, which takes the softmax of
    a map along its last axis.
    """
    inner, X = innermost(estimator, X)
    return response_of(inner, X, "auto" if _gives_logits(inner) else "predict_proba")


def innermost(estimator, X):
    """The model itself and what it is fed."""
    while (inside := wrapped(estimator)) is not None:
        if transforms(estimator):
            X = estimator[:-1].transform(X)
        estimator = inside
    return estimator, X


def model_inside(model):
    """The model inside pipelines, searches and frozen estimators."""
    while (inside := wrapped(model)) is not None:
        model = inside
    return model


def wrapped(estimator):
    """What a FrozenEstimator, search or Pipeline holds; None for any other model."""
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    if isinstance(estimator, Pipeline):
        return estimator[-1]
    return getattr(estimator, "best_estimator_", None)


def transforms(estimator):
    """Whether the input is transformed before it reaches the model inside."""
    return isinstance(estimator, Pipeline) and len(estimator) > 1


def link_of(model, method="auto"):
    """What makes the scores of `response_of` from what the module of `model` returns.

    None nothing, "softmax" a softmax or logistic function, or the function itself.
    `model` is a skorch net or a `TorchModuleClassifier`.
    """
    has_logits = hasattr(model, "predict_logits") or _gives_logits(model)
    if method == "predict_logits" or (method == "auto" and has_logits):
        return None
    link = getattr(model, "predict_nonlinearity", "auto")
    if link != "auto":
        return link
    is_logit = has_logits or bool(_criteria(model) & LOGIT_CRITERIA)
    return "softmax" if is_logit else None


def _gives_logits(estimator):
    """Whether the forward pass of this is that of a skorch net trained on logits.

    Looks for attributes of skorch's nets, so as not to import skorch.
    """
    if hasattr(estimator, "predict_logits") or not hasattr(estimator, "forward_iter"):
        return False
    return bool(_criteria(estimator) & LOGIT_CRITERIA) and _is_automatic(estimator)


def _forward(net, X):
    """Logits of all batches; of a module that returns several things, the first."""
    batches = [
        to_numpy(out[0] if isinstance(out, tuple) else out)
        for out in net.forward_iter(X)
    ]
    return np.concatenate(batches)


def _criteria(net):
    """Names of the classes of a net's criterion."""
    return {cls.__name__ for cls in type(getattr(net, "criterion_", None)).__mro__}


def _is_automatic(net):
    """Whether skorch chooses the function that makes probabilities."""
    return getattr(net, "predict_nonlinearity", None) == "auto"


def _refuse_wrong_axis(estimator, scores):
    """Skorch's own softmax over maps runs along their width."""
    softmax = "CrossEntropyLoss" in _criteria(estimator) and _is_automatic(estimator)
    if scores.ndim > 2 and softmax:
        raise InputError(
            "skorch applies its softmax to the last axis of these maps, which is not "
            "the class axis: use response_method='auto', which takes the logits."
        )


def _refuse_pairwise(estimator):
    """One-vs-one margins are not one column per class."""
    pairwise = getattr(estimator, "decision_function_shape", None) == "ovo"
    if pairwise and len(getattr(estimator, "classes_", ())) > 2:
        raise InputError(
            "decision_function_shape='ovo' gives a margin per pair of classes: use "
            "'ovr', which gives one per class."
        )


def _flat(scores):
    """A single score column of a table as a row."""
    if scores.ndim == 2 and scores.shape[1] == 1:
        return scores[:, 0]
    return scores
