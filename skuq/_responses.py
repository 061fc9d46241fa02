"""The scores behind an estimator: its logits if it has any, else probabilities.

Looks through Pipeline, searches and FrozenEstimator at the model inside.
"""

from typing import NamedTuple

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
    estimator, X = _innermost(estimator, X)
    if method == "auto":
        if _is_skorch(estimator):
            return _skorch_response(estimator, X)
        found = [name for name in AUTO if hasattr(estimator, name)]
        if not found:
            raise InputError(
                f"{type(estimator).__name__} has none of {', '.join(AUTO)}: a "
                "classifier with one of them can be calibrated."
            )
        method = found[0]
    elif not hasattr(estimator, method):
        raise InputError(
            f"{type(estimator).__name__} has no {method}: choose another "
            "response_method, or 'auto'."
        )
    if method == "decision_function":
        _refuse_pairwise(estimator)
    return Response(_flat(as_array(getattr(estimator, method)(X))), RESPONSES[method])


def _innermost(estimator, X):
    """The model itself and what it is fed."""
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            if len(estimator) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        else:
            return estimator, X


def _is_skorch(estimator):
    """Whether this is a skorch net, without importing skorch."""
    return hasattr(estimator, "forward_iter") and hasattr(estimator, "criterion_")


def _skorch_response(net, X):
    """Logits where the criterion takes logits; probabilities otherwise."""
    names = {cls.__name__ for cls in type(net.criterion_).__mro__}
    if names & LOGIT_CRITERIA and net.predict_nonlinearity == "auto":
        scores = net.forward(X)
        if isinstance(scores, tuple):
            scores = scores[0]
        return Response(_flat(to_numpy(scores)), "logit")
    proba = to_numpy(net.predict_proba(X))
    takes_proba = "NLLLoss" in names or net.predict_nonlinearity != "auto"
    if proba.ndim > 2 and not takes_proba:
        raise InputError(
            "skorch would apply its softmax to the last axis of these maps, which is "
            "not the class axis: set predict_nonlinearity=None and return "
            "probabilities from the module, or train with CrossEntropyLoss."
        )
    return Response(proba, "proba")


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
