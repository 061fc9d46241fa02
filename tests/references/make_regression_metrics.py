"""Write ``regression_metrics.json``: peers' values for regression, ranks and failures.

Run by a developer, from the root of the repository, with it on the path::

    python -m tests.references.make_regression_metrics \
        > tests/references/regression_metrics.json

Three sorts of cases: a regression (mean and standard deviation, ensemble members and
quantiles of the same forecasts), ordered classes, and confidences with whether the
prediction was correct. The environment, ``meaning`` and ``rtol`` are those of
``make_metrics.py``. Scores of single samples are averaged in the recorded call.
"""

import numpy as np
from scipy import stats

from tests.references import failure_calls
from tests.references.peers import (
    FLOAT32,
    FLOAT64,
    TORCH_UNCERTAINTY,
    make_cases,
    write,
)

PEERS = {  # the module that the calls name -> the package it comes from
    "mapie.metrics.regression": "MAPIE",
    "model_diagnostics.scoring": "model-diagnostics",
    "netcal.metrics.regression": "netcal",
    "properscoring": "properscoring",
    "scoringrules": "scoringrules",
    "sklearn.metrics": "scikit-learn",
    f"{TORCH_UNCERTAINTY}.fpr": "torch-uncertainty",
    f"{TORCH_UNCERTAINTY}.risk_coverage": "torch-uncertainty",
    "torch_uncertainty.metrics.regression.quantile_calibration": "torch-uncertainty",
    "torch_uncertainty.metrics.sparsification": "torch-uncertainty",
    "uncertainty_toolbox": "uncertainty-toolbox",
}
INTERVALS = {0.1: (0, 18), 0.2: (1, 17), 0.5: (4, 14)}  # alpha -> columns of quantiles


# ---------------------------------------------------------------- input arrays


def regression_case(rng):
    """Noise larger than y_std says; members too narrow, quantiles with a fat tail."""
    y_pred = np.round(rng.normal(scale=2, size=200), 4)
    y_std = np.round(np.exp(rng.normal(scale=0.4, size=200)), 6)
    levels = np.arange(1, 20) / 20
    score = stats.norm.ppf(levels)
    members = y_pred + 0.9 * y_std * rng.normal(size=(20, 200))
    quantiles = y_pred[:, None] + y_std[:, None] * (0.1 + 0.9 * score + 0.05 * score**3)
    return {
        "y_true": np.round(y_pred + y_std * (0.2 + 1.2 * rng.normal(size=200)), 4),
        "y_pred": y_pred,
        "y_std": y_std,
        "members": np.round(members, 4),  # (n_members, n_samples)
        "levels": levels,
        "quantiles": np.round(quantiles, 4),  # (n_samples, n_levels)
    }


# ----------------------------------------------------------------- peers' calls
#
# Each generator yields (call, meaning, relative tolerance).


def normal_score_calls():
    """Scores of the normal distribution with mean m and standard deviation s."""
    crps = "mean of s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)), z = (y - m) / s"
    nll = "mean of - log of the normal density"
    three = "y_true, y_pred, y_std"
    toolbox = "uncertainty_toolbox.metrics_scoring_rule"
    calls = {
        f"np.mean(scoringrules.crps_normal({three}, backend='numpy'))": crps,
        f"np.mean(properscoring.crps_gaussian({three}))": crps,
        f"{toolbox}.crps_gaussian(y_pred, y_std, y_true)": crps,
        f"np.mean(scoringrules.logs_normal({three}, backend='numpy'))": nll,
        f"{toolbox}.nll_gaussian(y_pred, y_std, y_true)": nll,
        "netcal.metrics.regression.NLL().measure((y_pred, y_std), y_true).item()": nll,
        f"{toolbox}.nll_gaussian(y_pred, y_std, y_true, scaled=False)": nll.replace(
            "mean", "sum"
        ),
    }
    for call, formula in calls.items():
        metric = "CRPS" if formula == crps else "negative log-likelihood"
        meaning = {"metric": metric, "computes": formula}
        if "netcal" in call:
            meaning["differs"] = "documented as a sum; an array of length 1"
        yield call, meaning, FLOAT64
    call = "netcal.metrics.regression.NLL().measure(members, y_true).item()"
    meaning = {
        "metric": "negative log-likelihood",
        "computes": f"{nll} of the members' mean and variance (divided by n_members)",
    }
    yield call, meaning, FLOAT64


def ensemble_calls():
    """The CRPS of an ensemble x_1..x_M, by every estimator of the peers."""
    spread = "mean of |x_i - y| - 1/2 {}"
    energy = spread.format("mean over all i, j of |x_i - x_j|")
    fair = spread.format("(sum over i, j of |x_i - x_j|) / (M (M - 1))")
    formulas = {
        "nrg": energy,
        "qd": f"{energy}, as a quantile decomposition of the sorted members",
        "int": f"{energy}, as the integral of (F(x) - 1{{x >= y}})^2",
        "fair": fair,
        "pwm": f"{fair}, as probability-weighted moments of the sorted members",
        "akr": spread.format(
            "mean of |x_i - x_(i - 1)|, members as they come, x_0 = x_M"
        ),
        "akr_circperm": spread.format(
            "mean of |x_i - x_(i - M // 2)|, members as they come, indices modulo M"
        ),
    }
    for backend in ("numpy", "numba"):
        for estimator, formula in formulas.items():
            call = (
                "np.mean(scoringrules.crps_ensemble(y_true, members, m_axis=0, "
                f"estimator={estimator!r}, backend={backend!r}))"
            )
            meaning = {"metric": "CRPS", "estimator": estimator, "computes": formula}
            if estimator == "akr" and backend == "numba":
                meaning["computes"] = formula.replace("x_0 = x_M", "x_0 = x_(M - 1)")
                meaning["differs"] = (
                    "the numba backend, the default where numba is installed, pairs "
                    "the first member with the last but one; numpy with the last"
                )
            yield call, meaning, FLOAT64
    call = "np.mean(properscoring.crps_ensemble(y_true, members, axis=0))"
    yield call, {"metric": "CRPS", "estimator": "int", "computes": energy}, FLOAT64


def quantile_calls():
    loss = "mean of (1{y < q} - t) (q - y)"
    call = (
        "np.mean(scoringrules.crps_quantile("
        "y_true, quantiles, levels, backend='numpy'))"
    )
    meaning = {
        "metric": "CRPS of quantiles",
        "computes": "twice the plain mean over samples and levels of the pinball loss",
        "differs": "an approximation on a grid, without the tails beyond the levels",
    }
    yield call, meaning, FLOAT64
    for column, level in ((1, 0.1), (9, 0.5), (17, 0.9)):
        for call in (
            f"np.mean(scoringrules.quantile_score(y_true, quantiles[:, {column}], "
            f"{level}, backend='numpy'))",
            f"sklearn.metrics.mean_pinball_loss(y_true, quantiles[:, {column}], "
            f"alpha={level})",
        ):
            yield (
                call,
                {"metric": "pinball loss", "computes": loss, "t": level},
                FLOAT64,
            )
    call = "uncertainty_toolbox.metrics_scoring_rule.check_score(y_pred, y_std, y_true)"
    meaning = {
        "metric": "pinball loss",
        "computes": f"mean over t = 0.01, 0.02, ... 0.99 of the {loss} for q the "
        "normal quantile",
    }
    yield call, meaning, FLOAT64
    call = (
        "netcal.metrics.regression.PinballLoss().measure((y_pred, y_std), y_true, "
        "q=levels)"
    )
    meaning = {
        "metric": "pinball loss",
        "computes": "mean over samples and levels t of |y - b| times (1 - t inside, t "
        "outside), inside the central interval of probability t, b its end nearer to y",
        "differs": "documented as the pinball loss of the quantile at t, which this is "
        "for no t",
    }
    yield call, meaning, FLOAT64


def interval_calls():
    winkler = "mean of u - l + (2 / a) max(0, l - y) + (2 / a) max(0, y - u)"
    for alpha, (low, high) in INTERVALS.items():
        bounds = f"quantiles[:, {low}], quantiles[:, {high}]"
        stacked = f"quantiles[:, [{low}, {high}]][:, :, None]"
        calls = {
            f"np.mean(scoringrules.interval_score(y_true, {bounds}, {alpha}, "
            "backend='numpy'))": ("interval score", winkler),
            f"mapie.metrics.regression.regression_mwi_score(y_true, {stacked}, "
            f"{1 - alpha})": ("interval score", winkler),
            "mapie.metrics.regression.regression_coverage_score("
            f"y_true, {stacked})[0]": ("coverage", "share of l <= y <= u"),
            f"mapie.metrics.regression.regression_mean_width_score({stacked})[0]": (
                "width",
                "mean of u - l",
            ),
            f"mapie.metrics.regression.coverage_width_based(y_true, {bounds}, 30, "
            f"{1 - alpha})": (
                "coverage width criterion",
                "(1 - mean width / (max y - min y)) exp(-30 (coverage - (1 - a))^2)",
            ),
        }
        for call, (metric, formula) in calls.items():
            meaning = {"metric": metric, "computes": formula, "a": round(alpha, 1)}
            if metric.startswith("coverage width"):
                meaning["differs"] = "punishes coverage above 1 - a as much as below"
            yield call, meaning, FLOAT64
    weighted = "(w_0 {} + sum over k of a_k / 2 times the interval score at a_k) / 9.5"
    terms = {"numba": "|y - median|", "numpy": "median"}
    for backend, term in terms.items():
        call = (
            "np.mean(scoringrules.weighted_interval_score(y_true, quantiles[:, 9], "
            "quantiles[:, :9], quantiles[:, :9:-1], 2 * levels[:9], "
            f"backend={backend!r}))"
        )
        meaning = {
            "metric": "weighted interval score",
            "computes": f"mean of {weighted.format(term)}, w_0 = 1/2, nine intervals",
            "differs": "documented weights 2 / a; used, as in the paper, a / 2",
        }
        if backend == "numpy":
            meaning["differs"] += "; takes the median in place of |y - median|: wrong"
        yield call, meaning, FLOAT64
    call = (
        "uncertainty_toolbox.metrics_scoring_rule.interval_score(y_pred, y_std, y_true)"
    )
    meaning = {
        "metric": "interval score",
        "computes": f"mean over 1 - a = 0.01, 0.02, ... 0.99 of the {winkler} for the "
        "central interval of the normal",
    }
    yield call, meaning, FLOAT64


def coverage_calls():
    """Calibration of the normal forecasts, level by level."""
    gaps = {
        "mean_absolute_calibration_error": "mean over the levels of |g|",
        "root_mean_squared_calibration_error": "sqrt(mean over the levels of g^2)",
        "miscalibration_area": "area between g, joined by straight lines, and 0",
    }
    shares = {
        "interval": "g = share of |y - m| / s <= z((1 + t) / 2) less t",
        "quantile": "g = share of (m - y) / s <= z(t) less t",
    }
    mirrored = (
        "mirrored: y is below the quantile at t where (y - m) / s <= z(t); the levels "
        "are symmetric, so no error changes, but the proportions and a recalibration do"
    )
    toolbox = "uncertainty_toolbox.metrics_calibration"
    for kind, share in shares.items():
        call = (
            f"{toolbox}.get_proportion_lists_vectorized(y_pred, y_std, y_true, "
            f"num_bins=20, prop_type={kind!r})[1]"
        )
        meaning = {
            "metric": "observed proportions",
            "computes": f"{share.split(' less t')[0][4:]} for t = linspace(0, 1, 20)",
        }
        meaning |= {"differs": mirrored} if kind == "quantile" else {}
        yield call, meaning | {"prop_type": kind}, FLOAT64
    for name, formula in gaps.items():
        for kind, share in shares.items():
            for levels in (100, 20):
                call = (
                    f"{toolbox}.{name}(y_pred, y_std, y_true, num_bins={levels}, "
                    f"prop_type={kind!r})"
                )
                meaning = {
                    "metric": name,
                    "computes": f"{formula}; {share}; levels t = linspace(0, 1, "
                    f"{levels}), both ends among them",
                    "prop_type": kind,
                }
                if kind == "quantile":
                    meaning["differs"] = mirrored
                yield call, meaning, FLOAT64
    meaning = {
        "metric": "sharpness",
        "computes": "sqrt(mean of s^2)",
        "differs": "documented as the average of the standard deviations",
    }
    yield f"{toolbox}.sharpness(y_std)", meaning, FLOAT64
    module = "torch_uncertainty.metrics.regression.quantile_calibration"
    for norm in ("l1", "l2", "max"):
        call = (
            f"{module}.QuantileCalibrationError(num_bins=19, norm={norm!r})("
            "torch.distributions.Normal(torch.from_numpy(y_pred), "
            "torch.from_numpy(y_std)), torch.from_numpy(y_true))"
        )
        meaning = {
            "metric": "quantile calibration error",
            "computes": "g = share of y in the central interval of probability t less "
            "t, t = 0.05, 0.1, ... 0.95; l1: mean |g|, l2: sqrt(mean g^2), max: max "
            "|g|; t in float32",
            "norm": norm,
            "differs": "central intervals, in spite of the name",
        }
        yield call, meaning, FLOAT32


def netcal_calls():
    """Calibration of the variance; members give a mean and a biased variance."""
    forecasts = {"normal": "(y_pred, y_std)", "members": "members"}
    nees = "z^2 <= chi2 quantile at t (a central interval), z = (y - m) / s"
    hpdi = (
        "y in the shortest [x_(i), x_(i + int(t M))] of the M sorted members (so one "
        "member more than t M)"
    )
    module = "netcal.metrics.regression"
    for kind, data in forecasts.items():
        inside = nees if kind == "normal" else hpdi
        for n_bins in (10, 20):
            calls = {
                "ENCE": "plain mean over the non-empty bins of |sqrt(MV) - sqrt(MSE)| "
                "/ sqrt(MV), MV mean of s^2; bins of equal width on [min s, max s]",
                "UCE": "sum over the bins of share * |MSE - MV|, MV mean of s^2; bins "
                "of equal width on [min s^2, max s^2]",
            }
            for name, formula in calls.items():
                call = f"{module}.{name}(bins={n_bins}).measure({data}, y_true)"
                meaning = {"metric": name, "computes": formula, "n_bins": n_bins}
                if name == "ENCE":
                    meaning["differs"] = "Levi et al. have bins of equal mass"
                yield call, meaning | {"forecast": kind}, FLOAT64
        for marginal in (True, False):
            call = (
                f"{module}.QCE(bins=10, marginal={marginal})"
                f".measure({data}, y_true, q=levels).item()"
            )
            meaning = {
                "metric": "marginal QCE" if marginal else "conditional QCE",
                "computes": "mean over the levels t of "
                + ("" if marginal else "the sum over 10 bins of s of share * ")
                + f"|share inside - t|; inside: {inside}"
                + ("" if marginal else "; bins of equal width on [min s, max s]"),
                "forecast": kind,
            }
            if marginal:
                meaning["differs"] = "documented default: conditional; it is marginal"
            yield call, meaning, FLOAT64
        for field in ("picp", "mpiw"):
            call = f"{module}.PICP().measure({data}, y_true, q=levels).{field}.item()"
            share = {"picp": f"share of {inside}", "mpiw": "width of that interval"}
            meaning = {
                "metric": field.upper(),
                "computes": f"mean over samples and the levels t of the {share[field]}",
                "forecast": kind,
            }
            yield call, meaning, FLOAT64


def decompose_calls():
    """Score decompositions by isotonic recalibration of a mean and of quantiles."""
    scores = {
        "y_pred": ("SquaredError()", "mean", "(p - y)^2"),
        "quantiles[:, 1]": ("PinballLoss(level=0.1)", "0.1 quantile", "pinball loss"),
        "quantiles[:, 9]": ("PinballLoss(level=0.5)", "0.5 quantile", "pinball loss"),
    }
    parts = {
        "miscalibration": "S(p) - S(isotonic fit of the {} of y on p)",
        "discrimination": "S({} of y) - S(isotonic fit of it on p)",
        "uncertainty": "S({} of y)",
    }
    for data, (score, functional, loss) in scores.items():
        for part, formula in parts.items():
            call = (
                f"model_diagnostics.scoring.decompose(y_true, {data}, scoring_function="
                f"model_diagnostics.scoring.{score})[{part!r}].item()"
            )
            computes = f"{formula.format(functional)}, S the mean {loss}"
            yield call, {"metric": part, "computes": computes, "score": score}, 1e-11


def sparsification_calls():
    call = (
        "torch_uncertainty.metrics.sparsification.AUSE()"
        "(torch.from_numpy(y_std), torch.from_numpy(np.abs(y_true - y_pred)))"
    )
    meaning = {
        "metric": "AUSE",
        "computes": "as for failures, the error |y - m| and the uncertainty s",
        "differs": "the last 1/n of the axis is left out",
    }
    yield call, meaning, 1e-11


def make_calls():
    """Yield (case, calls)."""
    for calls in (
        normal_score_calls,
        ensemble_calls,
        quantile_calls,
        interval_calls,
        coverage_calls,
        netcal_calls,
        decompose_calls,
        sparsification_calls,
    ):
        yield "regression", calls()
    yield "ordinal", failure_calls.ordinal_calls()
    for case, ties in (("failure", False), ("failure_ties", True)):
        yield case, failure_calls.ranking_calls()
        yield case, failure_calls.selection_calls(ties)


def main():
    makers = (
        regression_case,
        failure_calls.ordinal_case,
        failure_calls.failure_case,
        failure_calls.failure_ties_case,
    )
    write(PEERS, make_cases(*makers, seed=200), make_calls())


if __name__ == "__main__":
    main()
