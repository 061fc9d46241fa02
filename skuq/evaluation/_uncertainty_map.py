"""How unsure a model is of every pixel, whatever model it is."""

from skuq._core._arrays import array_namespace
from skuq._core._checks import check_option
from skuq._responses import innermost, proba_response
from skuq.decision._held_out import probabilities
from skuq.exceptions import InputError
from skuq.uncertainty import entropy, margin_uncertainty, max_probability_uncertainty


def _variance(proba):
    return 1 - array_namespace(proba).sum(proba * proba, axis=1)


# Of one set of probabilities: the total of the same name in `MemberStatistics`.
TOTALS = {
    "entropy": entropy,
    "variance": _variance,
    "max_probability": max_probability_uncertainty,
    "margin": margin_uncertainty,
}


def uncertainty_map(estimator, X, *, kind="total", measure="entropy"):
    """How unsure a fitted model is of every pixel; higher is less sure.

    One call for all models: those with members (ensembles, MC dropout, Bayes by
    Backprop) by their `predict_uncertainty`, other classifiers by their probabilities.

    Parameters
    ----------
    estimator : object
        A fitted model, seen through Pipeline, searches and FrozenEstimator.
    X : array-like of shape (n_samples, ...)
        Images, as the model takes them.
    kind : {"total", "aleatoric", "epistemic"}, default="total"
        Of the prediction; or the part that the members agree on, or their disagreement.
        A model without members has only the total.
    measure : {"entropy", "variance", "max_probability", "margin", \
            "variation_ratio", "confidence"}, default="entropy"
        How it is measured; see `skuq.uncertainty.MemberStatistics`.  "confidence" is
        one minus `predict_confidence`, of models that have it.  Regressors have
        "variance" and "std".

    Returns
    -------
    uncertainty : array of shape (n_samples, *spatial)
        One number for every pixel.

    Raises
    ------
    skuq.exceptions.InputError
        For a kind or measure that the model does not have.

    See Also
    --------
    skuq.displays.UncertaintyMapDisplay : The picture.
    skuq.metrics.uncertainty_error_overlap : Whether it is high where errors are.
    skuq.decision.aggregate_uncertainty : One number for every image.

    Notes
    -----
    Tables work too.  With the probabilities p, "variance" is ``1 - sum_k p_k^2``, that
    of the one-hot label; the others are in `skuq.uncertainty`.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from skuq.deep import TorchModuleClassifier
    >>> from skuq.evaluation import uncertainty_map
    >>> model = TorchModuleClassifier(nn.Conv2d(1, 2, 1), classes=2)
    >>> uncertainty_map(model, np.zeros((5, 1, 8, 8)), measure="margin").shape
    (5, 8, 8)
    """
    inner, inputs = innermost(estimator, X)
    if measure == "confidence":
        if not hasattr(inner, "predict_confidence"):
            raise InputError(
                f"{type(inner).__name__} has no predict_confidence: choose another "
                "measure, or wrap it in a confidence such as skuq.deep.TCPConfidence."
            )
        check_option("kind", kind, ("total",))
        return 1 - inner.predict_confidence(inputs)
    if hasattr(inner, "iter_members"):
        return inner.predict_uncertainty(inputs, kind=kind, measure=measure)
    check_option("kind", kind, ("total", "aleatoric", "epistemic"))
    if kind != "total":
        raise InputError(
            f"{type(inner).__name__} has no members, and with one prediction there is "
            f"no {kind} part: take kind='total', or wrap it in skuq.deep."
            "MCDropoutWrapper or EnsembleClassifier."
        )
    check_option("measure", measure, (*TOTALS, "confidence"))
    return TOTALS[measure](probabilities(proba_response(inner, inputs)))
