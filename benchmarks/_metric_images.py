"""Rows of ``benchmarks.metrics``: uncertainty beside errors in segmentations.

No package has the best threshold, so a few lines of numpy stand for it.
"""

import numpy as np

from benchmarks._metric_rows import Row, skuq, tensors, torch_uncertainty

THRESHOLD, PATCH = 0.5, 4


# ------------------------------------------------------------------ at one threshold


def numpy_overlap(y_true, y_pred, uncertainty):
    def measure():
        errors, flagged = y_true != y_pred, uncertainty > THRESHOLD
        hits = (errors & flagged).sum(axis=(1, 2))
        both = errors.sum(axis=(1, 2)) + flagged.sum(axis=(1, 2))
        return np.mean(2 * hits / both)

    return measure


def torchmetrics_overlap(y_true, y_pred, uncertainty):
    from torchmetrics.functional.classification import binary_f1_score

    truth, pred, scores = tensors(y_true, y_pred, uncertainty)
    return lambda: binary_f1_score(
        (scores > THRESHOLD).int(),
        (truth != pred).int(),
        multidim_average="samplewise",
        validate_args=False,
    ).mean()


# ----------------------------------------------------------------- best threshold


def numpy_best(y_true, y_pred, uncertainty):
    """Of all pixels in one count."""

    def measure():
        errors = (y_true != y_pred).ravel()
        order = np.argsort(uncertainty, axis=None)[::-1]
        hits = np.cumsum(errors[order])
        return (2 * hits / (hits[-1] + np.arange(1, hits.size + 1))).max()

    return measure


def torchmetrics_best(y_true, y_pred, uncertainty):
    from torchmetrics.functional.classification import binary_precision_recall_curve

    truth, pred, scores = tensors(y_true, y_pred, uncertainty)

    def measure():
        precision, recall, _ = binary_precision_recall_curve(
            scores.flatten(), (truth != pred).long().flatten(), validate_args=False
        )
        return (2 * precision * recall / (precision + recall)).nan_to_num().max()

    return measure


def numpy_best_of_images(y_true, y_pred, uncertainty):
    """One threshold, the mean over images: each pixel changes that of its image."""

    def measure():
        rows = uncertainty.reshape(len(uncertainty), -1)
        errors = (y_true != y_pred).reshape(rows.shape)
        order = np.argsort(rows, axis=1)[:, ::-1]
        hits = np.cumsum(np.take_along_axis(errors, order, axis=1), axis=1)
        dice = 2 * hits / (hits[:, -1:] + np.arange(1, rows.shape[1] + 1))
        steps = np.diff(dice, axis=1, prepend=0.0)
        together = np.argsort(np.take_along_axis(rows, order, axis=1), axis=None)
        return np.cumsum(steps.ravel()[together[::-1]]).max() / len(rows)

    return measure


# --------------------------------------------------------------------------- patches


def skuq_patches(y_true, y_proba):
    from skuq.metrics import accuracy_uncertainty_scores

    (preds,) = tensors(y_proba)

    def measure():
        confidence, code = preds.max(dim=1)
        scores = accuracy_uncertainty_scores(
            y_true,
            code.numpy(),
            1 - confidence.numpy(),
            threshold=THRESHOLD,
            patch_size=PATCH,
            accuracy_threshold=0.51,  # torch-uncertainty: more than half is right
        )
        return scores["accuracy_vs_uncertainty"]

    return measure


def torch_patches(y_true, y_proba):
    module = torch_uncertainty("segmentation.patch_accuracy_vs_uncertainty")
    target, preds = tensors(y_true, y_proba)
    return lambda: module.PAvPU(patch_size=PATCH, unc_threshold=THRESHOLD)(
        preds, target
    )


ROWS = {
    "images": [
        Row(
            "PAvPU",
            {"skuq": skuq_patches, "torch-uncertainty": torch_patches},
            numpy_only=False,
        ),
    ],
    "overlap": [
        Row(
            "overlap, one threshold",
            {
                "skuq": skuq("uncertainty_error_overlap", threshold=THRESHOLD),
                "numpy": numpy_overlap,
                "torchmetrics": torchmetrics_overlap,
            },
        ),
        Row(
            "overlap, best threshold, pooled",
            {
                "skuq": skuq(
                    "uncertainty_error_overlap", threshold="best", average="pooled"
                ),
                "numpy": numpy_best,
                "torchmetrics": torchmetrics_best,
            },
        ),
        Row(
            "overlap, best threshold, by image",
            {
                "skuq": skuq("uncertainty_error_overlap", threshold="best"),
                "numpy": numpy_best_of_images,
            },
        ),
    ],
}
