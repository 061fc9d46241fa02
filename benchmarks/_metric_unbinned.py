"""Rows of ``benchmarks.metrics``: calibration without bins, tests, decompositions."""

import numpy as np
from scipy.special import logit

from benchmarks._metric_binned import probcal
from benchmarks._metric_rows import Row, skuq, tensors, torch_uncertainty

PAIRS = 5_000  # samples, where a peer holds numbers of all pairs


# ------------------------------------------------------------ smooth calibration error


def relplot_smooth(y_true, y_proba):
    from relplot import smECE

    return lambda: smECE(y_proba, y_true)


def torch_smooth(y_true, y_proba):
    module = torch_uncertainty("classification.calibration.smooth_calibration_error")
    target, preds = tensors(y_true, y_proba.astype(np.float32))
    return lambda: module.SmoothCalibrationError(kernel_type="reflected")(preds, target)


def sort(y_true, y_proba):
    """No metric: what one sort of the probabilities takes."""
    return lambda: np.sort(y_proba)[-1]


# -------------------------------------------------------------------------- kernels


def netcal_mmce(y_true, y_proba):
    from netcal.metrics import MMCE

    return lambda: MMCE().measure(y_proba, y_true)


# ------------------------------------------------------------- cumulative differences


def mapie_test(name):
    """Statistic and p-value of MAPIE."""

    def make(y_true, y_proba):
        import mapie.metrics.calibration as metrics

        statistic = getattr(metrics, f"{name}_statistic")
        cdf = getattr(metrics, f"{name}_cdf", None)

        def measure():
            value = statistic(y_true, y_proba)
            return value if cdf is None else (value, 1 - cdf(value))

        return measure

    return make


def probmetrics(name):
    def make(y_true, y_proba):
        import probmetrics.metrics

        metric = getattr(probmetrics.metrics, f"{name}CalibrationMetric")()
        columns = np.column_stack([1 - y_proba, y_proba])
        pair = tensors(y_true, columns)
        return lambda: metric.compute_from_labels_probs(*pair)

    return make


# -------------------------------------------------------------- logistic recalibration


def probcal_line(y_true, y_proba):
    from probcal.metrics import (
        calibration_intercept,
        calibration_slope,
        calibration_test,
    )

    def measure():
        slope = calibration_slope(y_true, y_proba)
        intercept = calibration_test(y_true, y_proba).intercept
        return slope, intercept, calibration_intercept(y_true, y_proba)

    return measure


def sklearn_line(y_true, y_proba):
    from sklearn.linear_model import LogisticRegression

    def measure():
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8)
        model.fit(logit(y_proba)[:, None], y_true)
        return model.coef_[0, 0], model.intercept_[0]

    return measure


# -------------------------------------------------------------------- decompositions


def model_diagnostics(score):
    def make(y_true, y_proba):
        import model_diagnostics.scoring as scoring

        function = getattr(scoring, score)()

        def measure():
            table = scoring.decompose(y_true, y_proba, scoring_function=function)
            names = ("score", "miscalibration", "discrimination", "uncertainty")
            return tuple(table[name].item() for name in names)

        return measure

    return make


def probcal_corp(score):
    def make(y_true, y_proba):
        from probcal.curves import corp_reliability

        def measure():
            curve = corp_reliability(y_true, y_proba, bands=None)
            parts = [
                getattr(curve, f"{score}_{name}") for name in ("mcb", "dsc", "unc")
            ]
            return (parts[0] - parts[1] + parts[2], *parts)

        return measure

    return make


def cumulative(name, statistic, mapie, **others):
    metric = "cumulative_calibration_test"
    entrants = {
        "skuq": skuq(metric, kind="positive", statistic=statistic),
        "MAPIE": mapie_test(mapie),
    }
    return Row(name, entrants | others)


SMOOTH = skuq("smooth_calibration_error", kind="positive")

ROWS = {
    "table": [
        Row(
            "MMCE",
            {"skuq": skuq("maximum_mean_calibration_error"), "netcal": netcal_mmce},
            most=PAIRS,
        ),
    ],
    "binary": [
        Row(
            "smooth ECE",
            {
                "skuq": SMOOTH,
                "relplot": relplot_smooth,
                "probcal": probcal("smooth_ece"),
                "torch-uncertainty": torch_smooth,
            },
        ),
        Row("smooth ECE in 5 sorts", {"skuq": SMOOTH, "np.sort": sort}, allowed=5.0),
        Row(
            "SKCE",
            {"skuq": skuq("kernel_calibration_error"), "probcal": probcal("skce")},
            most=PAIRS,
        ),
        Row(
            "SKCE, linear estimator",
            {
                "skuq": skuq("kernel_calibration_error", estimator="linear"),
                "probcal": probcal("skce", estimator="ul"),
            },
        ),
        cumulative(
            "Kolmogorov-Smirnov",
            "maximum",
            "kolmogorov_smirnov",
            probmetrics=probmetrics("KolmogorovSmirnov"),
            probcal=probcal("ecce"),
        ),
        cumulative(
            "Kuiper",
            "range",
            "kuiper",
            probmetrics=probmetrics("Kuiper"),
        ),
        Row(
            "Spiegelhalter",
            {
                "skuq": skuq("spiegelhalter_test"),
                "MAPIE": mapie_test("spiegelhalter"),
                "probcal": probcal("spiegelhalter_z"),
            },
        ),
        Row(
            "slope and intercept",
            {
                "skuq": skuq("calibration_slope_intercept"),
                "probcal": probcal_line,
                "scikit-learn, no intercept alone": sklearn_line,
            },
        ),
        Row(
            "CORP of the Brier score",
            {
                "skuq": skuq("score_decomposition"),
                "model-diagnostics": model_diagnostics("SquaredError"),
                "probcal": probcal_corp("brier"),
            },
        ),
        Row(
            "CORP of the log loss",
            {
                "skuq": skuq("score_decomposition", score="log"),
                "model-diagnostics": model_diagnostics("LogLoss"),
                "probcal": probcal_corp("log_loss"),
            },
        ),
    ],
}
