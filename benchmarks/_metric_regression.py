"""Rows of ``benchmarks.metrics``: regression, ensembles, quantiles and intervals."""

import numpy as np

from benchmarks._metric_data import ALPHA, LEVELS
from benchmarks._metric_rows import Row, skuq, tensors, torch_uncertainty

N_BINS = 15
CENTRAL = np.linspace(0, 1, 100)  # the levels of uncertainty-toolbox
NINETEEN = np.arange(1, 20) / 20


def scoringrules(name, backend, **options):
    """The mean of a score of scoringrules; tensors are made beforehand."""

    def make(*arrays):
        import scoringrules as package

        data = arrays
        if backend == "torch":
            package.register_backend("torch")
            data = tensors(*arrays)
        score = getattr(package, name)
        return lambda: score(*data, backend=backend, **options).mean()

    return make


def backends(name, *names, **options):
    """scoringrules on several backends."""
    return {
        f"scoringrules, {backend}": scoringrules(name, backend, **options)
        for backend in names or ("numpy", "numba", "torch")
    }


def properscoring(name, **options):
    def make(*arrays):
        import properscoring as package

        score = getattr(package, name)
        return lambda: score(*arrays, **options).mean()

    return make


def toolbox(module, name, **options):
    """A metric of uncertainty-toolbox, which takes the truth last."""

    def make(y_true, y_pred, y_std):
        import uncertainty_toolbox

        metric = getattr(getattr(uncertainty_toolbox, f"metrics_{module}"), name)
        return lambda: metric(y_pred, y_std, y_true, **options)

    return make


def netcal(name, options, **arguments):
    def make(y_true, y_pred, y_std):
        import netcal.metrics.regression

        metric = getattr(netcal.metrics.regression, name)(**options)
        return lambda: metric.measure((y_pred, y_std), y_true, **arguments)

    return make


def torch_log_loss(y_true, y_pred, y_std):
    from torch.nn.functional import gaussian_nll_loss

    target, mean, std = tensors(y_true, y_pred, y_std)
    return lambda: gaussian_nll_loss(mean, target, std**2, full=True)


def torch_quantile_calibration(y_true, y_pred, y_std):
    import torch

    module = torch_uncertainty("regression.quantile_calibration")
    target, mean, std = tensors(y_true, y_pred, y_std)

    def measure():
        forecast = torch.distributions.Normal(mean, std)
        return module.QuantileCalibrationError(num_bins=len(NINETEEN))(forecast, target)

    return measure


def scipy_pit(y_true, y_pred, y_std):
    from scipy.stats import norm

    return lambda: norm.cdf(y_true, y_pred, y_std)


def torch_sparsification(y_true, y_pred, y_std):
    module = torch_uncertainty("sparsification")
    target, mean, std = tensors(y_true, y_pred, y_std)
    return lambda: module.AUSE()(std, (target - mean).abs())


def toolbox_sharpness(y_std):
    from uncertainty_toolbox.metrics_calibration import sharpness

    return lambda: sharpness(y_std)


# ------------------------------------------------------------ quantiles, intervals


def sklearn_pinball(y_true, y_quantiles):
    from sklearn.metrics import mean_pinball_loss

    columns = [np.ascontiguousarray(column) for column in y_quantiles.T]

    def measure():
        pairs = zip(columns, LEVELS, strict=True)
        return np.mean([mean_pinball_loss(y_true, q, alpha=a) for q, a in pairs])

    return measure


def scoringrules_pinball(y_true, y_quantiles):
    from scoringrules import quantile_score

    return lambda: quantile_score(
        y_true[:, None], y_quantiles, LEVELS, backend="numpy"
    ).mean()


def scoringrules_crps_quantile(backend):
    def make(y_true, y_quantiles):
        from scoringrules import crps_quantile

        return lambda: crps_quantile(
            y_true, y_quantiles, LEVELS, backend=backend
        ).mean()

    return make


def mapie(name, *arguments, truth=True):
    """A metric of intervals of MAPIE, whose bounds lie in one array."""

    def make(y_true, y_lower, y_upper):
        import mapie.metrics.regression

        metric = getattr(mapie.metrics.regression, name)
        bounds = np.stack([y_lower, y_upper], axis=1)[:, :, None]
        data = (y_true, bounds) if truth else (bounds,)
        return lambda: metric(*data, *arguments)

    return make


def scoringrules_interval(y_true, y_lower, y_upper):
    from scoringrules import interval_score

    return lambda: interval_score(
        y_true, y_lower, y_upper, ALPHA, backend="numpy"
    ).mean()


BINS = {"bins": N_BINS}

ROWS = {
    "gaussian": [
        Row(
            "CRPS of normal distributions",
            {
                "skuq": skuq("crps_gaussian"),
                **backends("crps_normal"),
                "properscoring": properscoring("crps_gaussian"),
                "uncertainty-toolbox": toolbox("scoring_rule", "crps_gaussian"),
            },
        ),
        Row(
            "log loss of normal distributions",
            {
                "skuq": skuq("gaussian_log_loss"),
                "uncertainty-toolbox": toolbox("scoring_rule", "nll_gaussian"),
                "netcal": netcal("NLL", {}),
                "torch": torch_log_loss,
                **backends("logs_normal", "numpy", "numba"),
            },
        ),
        Row(
            "ENCE",
            {
                "skuq": skuq(
                    "expected_normalized_calibration_error", strategy="uniform"
                ),
                "netcal": netcal("ENCE", BINS),
            },
        ),
        Row(
            "UCE",
            {
                "skuq": skuq("uncertainty_calibration_error"),
                "netcal": netcal("UCE", BINS),
            },
        ),
        Row(
            "quantile calibration error, 100 levels",
            {
                "skuq": skuq(
                    "quantile_calibration_error", levels="interval", levels_at=CENTRAL
                ),
                "uncertainty-toolbox": toolbox(
                    "calibration", "mean_absolute_calibration_error", vectorized=True
                ),
            },
        ),
        Row(
            "quantile calibration error, 19 levels",
            {
                "skuq": skuq(
                    "quantile_calibration_error", levels="interval", levels_at=NINETEEN
                ),
                "netcal": netcal("QCE", BINS | {"marginal": True}, q=NINETEEN),
                "torch-uncertainty": torch_quantile_calibration,
                "uncertainty-toolbox, 0 to 1": toolbox(
                    "calibration",
                    "mean_absolute_calibration_error",
                    num_bins=19,
                    vectorized=True,
                ),
            },
        ),
        Row(
            "PIT",
            {"skuq": skuq("probability_integral_transform"), "scipy": scipy_pit},
        ),
        Row(
            "AUSE",
            {
                "skuq": skuq("sparsification_error", normalize=True),
                "torch-uncertainty": torch_sparsification,
            },
        ),
    ],
    "spread": [
        Row(
            "sharpness",
            {"skuq": skuq("sharpness"), "uncertainty-toolbox": toolbox_sharpness},
        ),
    ],
    "ensemble": [
        Row(
            "CRPS of an ensemble",
            {
                "skuq": skuq("crps_ensemble"),
                **backends("crps_ensemble", estimator="qd", m_axis=0),
                "properscoring": properscoring("crps_ensemble", axis=0),
            },
        ),
        Row(
            "CRPS of an ensemble, fair",
            {
                "skuq": skuq("crps_ensemble", estimator="fair"),
                **backends("crps_ensemble", estimator="pwm", m_axis=0),
            },
        ),
    ],
    "quantiles": [
        Row(
            "CRPS of quantiles",
            {
                "skuq": skuq("crps_quantile", quantile_levels=LEVELS),
                "scoringrules, numpy": scoringrules_crps_quantile("numpy"),
                "scoringrules, numba": scoringrules_crps_quantile("numba"),
            },
        ),
        Row(
            "pinball loss",
            {
                "skuq": skuq("pinball_loss", quantile_levels=LEVELS),
                "scikit-learn": sklearn_pinball,
                "scoringrules": scoringrules_pinball,
            },
        ),
    ],
    "intervals": [
        Row(
            "interval score",
            {
                "skuq": skuq("interval_score_loss", alpha=ALPHA),
                "scoringrules": scoringrules_interval,
                "MAPIE": mapie("regression_mwi_score", 1 - ALPHA),
            },
        ),
        Row(
            "coverage of intervals",
            {
                "skuq": skuq("interval_coverage_score"),
                "MAPIE": mapie("regression_coverage_score"),
            },
        ),
        Row(
            "width of intervals",
            {
                "skuq": skuq("interval_width_loss"),
                "MAPIE": mapie("regression_mean_width_score", truth=False),
            },
        ),
    ],
}
