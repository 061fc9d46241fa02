"""How sure a model is of what it predicts, from whatever the user names."""

import numpy as np

from skuq._core._arrays import Array, as_array, to_numpy, to_real_floating
from skuq._core._checks import check_option
from skuq.decision._held_out import probabilities
from skuq.exceptions import InputError
from skuq.uncertainty import entropy, margin_uncertainty, max_probability_uncertainty

# Functions of probabilities; higher is surer.
CONFIDENCES = {
    "max_probability": lambda proba: 1 - max_probability_uncertainty(proba),
    "margin": lambda proba: 1 - margin_uncertainty(proba),
    "entropy": lambda proba: -entropy(proba),
}
METHOD = "predict_confidence"


def confidence_of(confidence, estimator, scores_of, X) -> Array:
    """Confidence `(n_samples, *spatial)` in the predictions of `estimator` for `X`.

    `scores_of` gives the scores of `X` as a `Response`, and is called only if needed.
    """
    if isinstance(confidence, str) and confidence == "auto":
        confidence = estimator if hasattr(estimator, METHOD) else "max_probability"
    if hasattr(confidence, METHOD):
        sure = confidence.predict_confidence(X)
    elif callable(confidence):
        sure = confidence(probabilities(scores_of(X)))
    else:
        check_option("confidence", confidence, ("auto", *CONFIDENCES))
        sure = CONFIDENCES[confidence](probabilities(scores_of(X)))
    return to_real_floating(as_array(sure), "confidence")


def checked_row(confidence: Array, shape: tuple[int, ...]) -> np.ndarray:
    """The confidence of labels of `shape` as one row on the host."""
    if tuple(confidence.shape) != tuple(shape):
        raise InputError(
            f"confidence has shape {tuple(confidence.shape)}: expected one value per "
            f"label, {tuple(shape)}."
        )
    row = to_numpy(confidence).reshape(-1)
    if not np.isfinite(row).all():
        raise InputError(
            "confidence contains NaN or infinity: give every prediction a number."
        )
    return row
