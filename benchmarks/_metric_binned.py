"""Rows of ``benchmarks.metrics``: calibration errors with bins."""

import numpy as np

from benchmarks._metric_rows import (
    Row,
    rows_of_pixels,
    skuq,
    tensors,
    top_label_arrays,
    torch_uncertainty,
)

N_BINS = 15


# ------------------------------------------------- top label, bins of equal width


def torchmetrics(norm="l1"):
    def make(y_true, y_proba):
        from torchmetrics.functional.classification import multiclass_calibration_error

        target, preds = tensors(y_true, y_proba)
        return lambda: multiclass_calibration_error(
            preds,
            target,
            num_classes=y_proba.shape[1],
            n_bins=N_BINS,
            norm=norm,
            validate_args=False,
        )

    return make


def netcal(name, **options):
    """An error of netcal, on the largest probabilities."""

    def make(y_true, y_proba):
        import netcal.metrics

        metric = getattr(netcal.metrics, name)(bins=N_BINS, **options)

        def measure():
            confidence, correct = top_label_arrays(y_true, y_proba)
            return metric.measure(confidence, correct.astype(np.int64))

        return measure

    return make


def uncertainty_calibration(name):
    def make(y_true, y_proba):
        import calibration

        metric = getattr(calibration, name)

        def measure():
            confidence, correct = top_label_arrays(y_true, y_proba)
            return metric(confidence, correct.astype(np.int64), num_bins=N_BINS)

        return measure

    return make


def mapie(strategy="uniform"):
    def make(y_true, y_proba):
        from mapie.metrics.calibration import expected_calibration_error

        def measure():
            confidence, correct = top_label_arrays(y_true, y_proba)
            # MAPIE counts the edges, not the bins.
            return expected_calibration_error(
                correct, confidence, num_bins=N_BINS + 1, split_strategy=strategy
            )

        return measure

    return make


def relplot(y_true, y_proba):
    from relplot.metrics import binnedECE

    return lambda: binnedECE(*top_label_arrays(y_true, y_proba), nbins=N_BINS)


def torch_adaptive(y_true, y_proba):
    """Called adaptive; it is the top-label error in bins of equal weight."""
    module = torch_uncertainty("classification.calibration.adaptive_calibration_error")
    target, preds = tensors(y_true, y_proba)
    make = module.MulticlassAdaptiveCalibrationError
    n_classes = y_proba.shape[1]
    return lambda: make(num_classes=n_classes, n_bins=N_BINS, validate_args=False)(
        preds, target
    )


TOP_LABEL = {
    "skuq": skuq("expected_calibration_error"),
    "torchmetrics": torchmetrics(),
    "netcal": netcal("ECE"),
    "MAPIE": mapie(),
    "relplot": relplot,
}


# --------------------------------------------------------------------- all classes


def mapie_classwise(strategy="uniform"):
    def make(y_true, y_proba):
        from mapie.metrics.calibration import expected_calibration_error

        labels = y_true.ravel()
        proba = y_proba if y_proba.ndim == 2 else rows_of_pixels(y_proba)
        return lambda: expected_calibration_error(
            labels,
            proba,
            num_bins=N_BINS + 1,
            split_strategy=strategy,
            classwise=True,
            class_labels=labels,
        )

    return make


def torch_classwise(y_true, y_proba):
    module = torch_uncertainty("classification.calibration.classwise_calibration_error")
    proba = y_proba if y_proba.ndim == 2 else rows_of_pixels(y_proba)
    target, preds = tensors(y_true.ravel(), proba)
    make = module.ClasswiseCalibrationError
    return lambda: make(num_classes=proba.shape[1], num_bins=N_BINS)(preds, target)


def mapie_top_label(y_true, y_proba):
    from mapie.metrics.calibration import top_label_ece

    return lambda: top_label_ece(
        y_true, y_proba, num_bins=N_BINS + 1, split_strategy="uniform"
    )


CLASSWISE = {
    "skuq": skuq("classwise_calibration_error"),
    "MAPIE": mapie_classwise(),
    "torch-uncertainty": torch_classwise,
}

# ---------------------------------------------------------------- positive class


def probcal(name, **options):
    """An error of probcal, of its module ``probcal.metrics``."""

    def make(y_true, y_proba):
        import probcal.metrics

        metric = getattr(probcal.metrics, name)
        return lambda: metric(y_true, y_proba, **options)

    return make


def uncertainty_calibration_debiased(y_true, y_proba):
    """Not for the table: with ten classes the first bin is empty, which it refuses."""
    import calibration

    # Draws from the global generator of numpy.
    return lambda: calibration.get_ece(y_proba, y_true, num_bins=N_BINS, debias=True)


def sklearn_curve(y_true, y_proba):
    from sklearn.calibration import calibration_curve

    return lambda: calibration_curve(y_true, y_proba, n_bins=N_BINS)


ROWS = {
    "table": [
        Row(
            "ECE",
            TOP_LABEL | {"uncertainty-calibration": uncertainty_calibration("get_ece")},
        ),
        Row(
            "MCE",
            {
                "skuq": skuq("maximum_calibration_error"),
                "torchmetrics": torchmetrics("max"),
                "netcal": netcal("MCE"),
            },
        ),
        Row("classwise ECE (SCE)", CLASSWISE),
        Row(
            "average calibration error (ACE)",
            {"skuq": skuq("average_calibration_error"), "netcal": netcal("ACE")},
        ),
        Row(
            "ACE, bins of equal weight",
            {
                "skuq": skuq("average_calibration_error", strategy="quantile"),
                "netcal": netcal("ACE", equal_intervals=False),
            },
        ),
        Row(
            "ECE, bins of equal weight",
            {
                "skuq": skuq("expected_calibration_error", strategy="quantile"),
                "netcal": netcal("ECE", equal_intervals=False),
                "MAPIE": mapie("quantile"),
                "torch-uncertainty": torch_adaptive,
                "uncertainty-calibration": uncertainty_calibration("get_ece_em"),
            },
        ),
        Row(
            "adaptive error of all classes",
            {
                "skuq": skuq("adaptive_calibration_error"),
                "MAPIE": mapie_classwise("quantile"),
            },
        ),
        Row(
            "top-label error by predicted class",
            {
                "skuq": skuq("top_label_calibration_error", class_average="macro"),
                "MAPIE": mapie_top_label,
            },
        ),
    ],
    "binary": [
        Row(
            "debiased ECE, bins of equal weight",
            {
                "skuq": skuq(
                    "expected_calibration_error",
                    kind="positive",
                    strategy="quantile",
                    debias=True,
                ),
                "probcal": probcal("ece_debiased", n_bins=N_BINS),
            },
        ),
        Row(
            "debiased ECE, bins of equal width",
            {
                "skuq": skuq(
                    "expected_calibration_error", kind="positive", debias=True
                ),
                "uncertainty-calibration": uncertainty_calibration_debiased,
                "probcal": probcal("ece_debiased", n_bins=N_BINS, strategy="width"),
            },
        ),
        Row(
            "sweep ECE",
            {
                "skuq": skuq(
                    "expected_calibration_error", kind="positive", n_bins="sweep"
                ),
                "probcal": probcal("ece_sweep"),
            },
        ),
        Row(
            "reliability curve",
            {
                "skuq": skuq("reliability_curve", kind="positive"),
                "scikit-learn": sklearn_curve,
            },
        ),
    ],
    "images": [
        Row("ECE", TOP_LABEL),
        Row("classwise ECE (SCE)", CLASSWISE, most=8),
    ],
}
