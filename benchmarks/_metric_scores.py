"""Rows of ``benchmarks.metrics``: proper scores of classes, and failure prediction."""

import numpy as np

from benchmarks._metric_rows import (
    Row,
    rows_of_pixels,
    skuq,
    tensors,
    top_label,
    top_label_arrays,
    torch_uncertainty,
)

TPR = 0.95

# ------------------------------------------------------------------- proper scores


def sklearn(name):
    """A loss of scikit-learn, of a table or of the pixels of images as rows."""

    def make(y_true, y_proba):
        import sklearn.metrics

        metric = getattr(sklearn.metrics, name)
        labels = np.arange(y_proba.shape[1])
        target = y_true.ravel()
        proba = y_proba if y_proba.ndim == 2 else rows_of_pixels(y_proba)
        return lambda: metric(target, proba, labels=labels)

    return make


def torch_log_loss(y_true, y_proba):
    from torch.nn.functional import nll_loss

    target, preds = tensors(y_true, y_proba)
    return lambda: nll_loss(preds.log(), target)


def torch_brier(y_true, y_proba):
    module = torch_uncertainty("classification.brier_score")
    proba = y_proba if y_proba.ndim == 2 else rows_of_pixels(y_proba)
    target, preds = tensors(y_true.ravel(), proba)
    make = module.BrierScore
    return lambda: make(num_classes=proba.shape[1])(preds, target)


def probmetrics(name):
    def make(y_true, y_proba):
        import probmetrics.metrics

        metric = getattr(probmetrics.metrics, name)()
        pair = tensors(y_true, y_proba)
        return lambda: metric.compute_from_labels_probs(*pair)

    return make


def ranked(backend):
    def make(y_true, y_proba):
        import scoringrules

        first = y_true + 1  # its classes begin at 1
        last = y_proba.shape[1] - 1

        def measure():
            score = scoringrules.rps_score(first, y_proba, backend=backend)
            return np.mean(score) / last

        return measure

    return make


def sklearn_accuracy(y_true, y_proba):
    from sklearn.metrics import accuracy_score

    return lambda: accuracy_score(y_true, y_proba.argmax(axis=1))


def torchmetrics_accuracy(y_true, y_proba):
    from torchmetrics.functional.classification import multiclass_accuracy

    target, preds = tensors(y_true, y_proba)
    return lambda: multiclass_accuracy(
        preds,
        target,
        num_classes=y_proba.shape[1],
        average="micro",
        validate_args=False,
    )


# --------------------------------------------------------------- detection of errors


def sklearn_detection(y_true, y_proba):
    from sklearn.metrics import auc, average_precision_score, roc_curve

    def measure():
        confidence, correct = top_label_arrays(y_true, y_proba)
        fpr, tpr, _ = roc_curve(correct, confidence, drop_intermediate=False)
        return (
            auc(fpr, tpr),
            average_precision_score(~correct, -confidence),
            average_precision_score(correct, confidence),
            fpr[np.argmax(tpr >= TPR)],
        )

    return measure


def torchmetrics_detection(y_true, y_proba):
    import torch
    from torchmetrics.functional.classification import (
        binary_average_precision,
        binary_roc,
    )

    def measure():
        confidence, correct = top_label(y_true, y_proba)
        correct = correct.long()
        fpr, tpr, _ = binary_roc(confidence, correct, validate_args=False)
        return (
            torch.trapezoid(tpr, fpr),
            binary_average_precision(1 - confidence, 1 - correct, validate_args=False),
            binary_average_precision(confidence, correct, validate_args=False),
            fpr[torch.argmax((tpr >= TPR).long())],
        )

    return measure


def risk_coverage(name):
    def make(y_true, y_proba):
        module = torch_uncertainty("classification.risk_coverage")
        target, preds = tensors(y_true, y_proba)
        metric = getattr(module, name)
        return lambda: metric()(preds, target)

    return make


LOG_LOSS = {
    "skuq": skuq("log_loss"),
    "scikit-learn": sklearn("log_loss"),
    "torch": torch_log_loss,
}
BRIER = {
    "skuq": skuq("brier_score_loss"),
    "scikit-learn": sklearn("brier_score_loss"),
    "torch-uncertainty": torch_brier,
}
DETECTION = {
    "skuq": skuq("error_detection_scores", tpr_level=TPR),
    "scikit-learn": sklearn_detection,
    "torchmetrics": torchmetrics_detection,
}

ROWS = {
    "table": [
        Row(
            "accuracy",
            {
                "skuq": skuq("accuracy_score"),
                "scikit-learn": sklearn_accuracy,
                "torchmetrics": torchmetrics_accuracy,
            },
        ),
        Row("log loss", LOG_LOSS | {"probmetrics": probmetrics("LogLoss")}),
        Row("Brier score", BRIER | {"probmetrics": probmetrics("BrierLoss")}),
        Row(
            "ranked probability score",
            {
                "skuq": skuq("ranked_probability_score_loss"),
                "scoringrules, numpy": ranked("numpy"),
                "scoringrules, numba": ranked("numba"),
            },
        ),
        Row("AUROC, AUPR, FPR95 of errors", DETECTION),
        Row(
            "AURC",
            {
                "skuq": skuq("area_under_risk_coverage_error"),
                "torch-uncertainty": risk_coverage("AURC"),
            },
        ),
        Row(
            "AUGRC",
            {
                "skuq": skuq("area_under_risk_coverage_error", risk="generalized"),
                "torch-uncertainty": risk_coverage("AUGRC"),
            },
        ),
    ],
    "images": [
        Row("log loss", {k: LOG_LOSS[k] for k in ("skuq", "torch")}),
        Row("log loss, tables too", LOG_LOSS, most=8),
        Row("Brier score", BRIER, most=8),
        Row("AUROC, AUPR, FPR95 of errors", DETECTION),
    ],
}
