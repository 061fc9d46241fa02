"""What every classification metric is given, as one checked table."""

from typing import Any

from skuq._core._arrays import Array, array_namespace, as_array
from skuq._core._blocks import ScoreTable
from skuq._core._checks import check_labels_shape, check_scores, check_weight
from skuq._core._labels import check_classes, encode_labels, infer_classes
from skuq.exceptions import InputError


def score_table(
    y_true: Any,
    y_proba: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    ignore_index: Any = None,
) -> ScoreTable:
    """Probabilities with encoded labels and weights.

    `y_proba` of the shape of `y_true` holds the probability of the second of two
    classes; otherwise its axis 1 holds the classes.
    """
    p = check_scores(y_proba, "y_proba")
    y = as_array(y_true)
    if p.ndim == y.ndim and p.ndim > 1:
        _refuse_one_hot(y, p)
        p = p[:, None]
    check_labels_shape(y, p, "y_proba")
    n_columns = 1 if p.ndim == 1 else int(p.shape[1])
    if labels is None:
        classes = infer_classes(y, n_columns, ignore_index=ignore_index)
    else:
        classes = check_classes(labels, max(2, n_columns), name="labels")
    codes, void = encode_labels(
        y, classes, ignore_index=ignore_index, like=p, inferred=labels is None
    )
    weight = check_weight(sample_weight, codes, p)
    return ScoreTable(p, codes, weight, void)


def _refuse_one_hot(y: Array, p: Array) -> None:
    """A one-hot table would pass for a map of binary labels: ask instead."""
    if p.ndim != 2 or tuple(y.shape) != tuple(p.shape) or p.shape[1] < 2:
        return
    if str(y.dtype).lstrip("<>|")[:1] in "OUS":
        return
    xp, yp = array_namespace(p), array_namespace(y)
    sums_to_one = bool(xp.all(xp.abs(xp.sum(p, axis=1) - 1) < 1e-3))
    ones = yp.sum(yp.astype(y != 0, yp.int64), axis=1)
    if sums_to_one and bool(yp.all(ones == 1)):
        raise InputError(
            f"labels of shape {tuple(y.shape)} look one-hot: pass class labels of "
            f"shape ({y.shape[0]},), for example their argmax over axis 1."
        )
