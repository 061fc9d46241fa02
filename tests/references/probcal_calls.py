"""What ``make_metrics.py`` asks of probcal, and what probcal then computes.

Each generator yields (call, meaning, relative tolerance). ``weight`` is the text of
the argument: ``None`` or ``sample_weight``. Everywhere p is first clipped to
[1e-12, 1 - 1e-12], which moves none of the stored probabilities.
"""

from tests.references.peers import FLOAT64

ITERATED = 1e-8  # an iterative solver that stops at a step below 1e-10
LOCAL_FIT = 1e-9  # differences of sums of products, which cancel
P_VALUE = 1e-10  # series for the upper tail


def mean(metric, computes, weight, **options):
    """The meaning of a value; an option of None is left out."""
    entry = {"metric": metric, "computes": computes}
    entry |= {name: value for name, value in options.items() if value is not None}
    return entry | {"weighted": weight != "None"}


def smooth_calls(weight):
    grids = {
        8192: "8192 cells of equal width over the range of the logits, merged to a "
        "spacing of about s / 8, Gaussian cut at 5 s (again with finer cells if s "
        "spans fewer than 8)",
        None: "trapezoid rule on 257 points over the range of the logits +- 5 s",
    }
    for bins, grid in grids.items():
        call = (
            "probcal.metrics.smooth_ece("
            f"y_true, y_proba, bins={bins}, sample_weight={weight})"
        )
        meaning = mean(
            "smooth calibration error",
            "the s that solves s = integral over the logit of |sum w (y - p) K_s| / "
            "sum w, by bisection of [1e-4, 2] to a width below 1e-4, then its middle "
            f"(so right to 5e-5 at best); {grid}",
            weight,
            kernel="Gaussian of the logit, not reflected",
            differs="the paper's Gaussian is on [0, 1], reflected at both ends; s and "
            "the value are on the logit scale here, so not comparable with it",
        )
        yield call, meaning, FLOAT64


def score_calls(weight):
    """Cumulative walks, Spiegelhalter's z, Brier score and log loss."""
    base = f"y_true, y_proba, sample_weight={weight}"
    walk = "C at the end of each block of tied p = sum w (y - p) / sum of all w; "
    formulas = {
        "ecce({}).stat_max": (walk + "max |C|, not divided by sigma", None),
        "ecce({}).stat_mean": (
            walk + "mean of |C|, each block by its weight",
            "not a statistic of the paper it cites, which has the range (ECCE-R)",
        ),
        "spiegelhalter_z({}).z": (
            "sum w (y - p) (1 - 2 p) / sqrt(sum w^2 (1 - 2 p)^2 p (1 - p))",
            None,
        ),
        "spiegelhalter_z({}).p_value": ("2 (1 - Phi(|z|))", None),
        "brier_score({})": ("sum w (p - y)^2 / sum w", None),
        "log_loss({})": ("- sum w log(p of what happened) / sum w", None),
        "brier_skill_score({})": ("1 - Brier / Brier of the weighted mean of y", None),
    }
    for call, (formula, differs) in formulas.items():
        meaning = mean(call.replace("({})", ""), formula, weight, differs=differs)
        yield f"probcal.metrics.{call.format(base)}", meaning, FLOAT64
    meaning = mean("sigma of the walk", "sqrt(sum w^2 p (1 - p)) / sum w", weight)
    yield f"probcal.curves.ecce_curve({base}).sd_null[-1]", meaning, FLOAT64


def regression_calls(weight):
    """Logistic recalibration (Cox) and its likelihood-ratio test."""
    base = f"y_true, y_proba, sample_weight={weight}"
    fit = "weighted maximum likelihood of logit P(y = 1) = {} logit(p): {}"
    ratio = "2 (log-likelihood of that fit - log-likelihood of p)"
    tail = "upper tail of chi2(2)"
    if weight != "None":
        ratio += " / (m (1 + v)), m the mean and v m^2 the variance of the eigenvalues "
        ratio += "of I^-1 J: I = X' diag(w p (1 - p)) X, J the same with w^2"
        tail = "upper tail of chi2(2 / (1 + v)) (Rao-Scott, second order)"
    formulas = {
        "calibration_intercept({})": fit.format("a +", "a"),
        "calibration_slope({})": fit.format("a + b", "b"),
        "calibration_test({}).intercept": fit.format("a + b", "a"),
        "calibration_test({}).statistic": ratio,
        "calibration_test({}).p_value": tail,
    }
    for call, formula in formulas.items():
        meaning = mean(call.replace("({})", ""), formula, weight)
        yield f"probcal.metrics.{call.format(base)}", meaning, ITERATED


def hosmer_lemeshow_calls(weight):
    base = f"y_true, y_proba, sample_weight={weight}"
    for n_bins in (5, 10):
        for field, ddof in (
            ("statistic", 0),
            ("df", 0),
            ("p_value", 0),
            ("p_value", 2),
        ):
            call = (
                f"probcal.metrics.hosmer_lemeshow({base}, n_bins={n_bins}, "
                f"ddof={ddof}).{field}"
            )
            meaning = mean(
                f"hosmer_lemeshow.{field}",
                "groups [lo, hi) between the distinct numpy.quantile edges of p (w not "
                "used); sum over groups of (sum w (y - p))^2 / (S q (1 - q)), S = "
                "sum w^2, q = sum w^2 p / S; upper tail of chi2(groups - ddof)",
                weight,
                n_bins=n_bins,
                ddof=ddof,
                differs="0 is subtracted by default, the textbook subtracts 2",
            )
            yield call, meaning, P_VALUE if field == "p_value" else FLOAT64


def loess_calls(weight):
    """The integrated calibration index and its kin."""
    local = (
        "c(p_i): LOESS of y on p at p_i: a straight line through the r = ceil(frac n) "
        "sorted points of a window that moves right while the point after it is nearer "
        "than its first, tricube weights of distance / greatest distance, no robustness"
        " step, y of tied p replaced by their mean, w not used; "
    )
    differs = (
        "Austin and Steyerberg's loess of R fits parabolas (degree 2); among ties the "
        "window is not the leftmost of least width, as documented (1e-2 of the value)"
    )
    quantile = (
        "{} quantile of |c - p| (weighted: interpolated between the midpoints of the "
        "cumulated w, the first at 0 and the last at 1)"
    )
    summaries = {
        "ici": "mean of |c - p| weighted by w",
        "e50": quantile.format(0.5),
        "e90": quantile.format(0.9),
        "emax": "max of |c - p|",
    }
    for name, summary in summaries.items():
        for frac in (0.75, 0.3):
            call = (
                f"probcal.metrics.{name}(y_true, y_proba, frac={frac}, grid_size=None, "
                f"sample_weight={weight})"
            )
            meaning = mean(name, local + summary, weight, frac=frac, differs=differs)
            yield call, meaning, LOCAL_FIT
    clipped = local + "clipped to [1e-12, 1 - 1e-12]; weighted mean of "
    parts = {
        "calibration": "KL(Bernoulli(c) || Bernoulli(p))",
        "refinement": "the entropy of Bernoulli(c)",
    }
    for part, summary in parts.items():
        call = (
            "probcal.metrics.logloss_calibration_refinement("
            f"y_true, y_proba, frac=0.75, sample_weight={weight}).{part}"
        )
        meaning = mean(
            f"log loss {part}",
            clipped + summary,
            weight,
            frac=0.75,
            differs="the two do not sum to the log loss, because c is a smooth and not "
            "the mean outcome at each p",
        )
        yield call, meaning, LOCAL_FIT


def kernel_calls():
    """The squared kernel calibration error; p stands for the vector (1 - p, p)."""
    term = "h_ij = 2 k(d_ij) (y_i - p_i) (y_j - p_j), k = {}; "
    kernels = {"laplace": "exp(-|d| / v)", "gaussian": "exp(-d^2 / (2 v^2))"}
    estimators = {
        "uq": "mean of h_ij over i != j",
        "biased": "mean of h_ij over all i, j",
        "ul": "mean of h over the n // 2 pairs (perm[0::2], perm[1::2]) of perm = "
        "default_rng(42).permutation(n): random, matched only by the same pairs",
    }
    for estimator, average in estimators.items():
        for kernel, formula in kernels.items():
            for width in (None, 0.1):
                for scale in ("probability", "logit"):
                    call = (
                        f"probcal.metrics.skce(y_true, y_proba, estimator={estimator!r}"
                        f", kernel={kernel!r}, bandwidth={width}, scale={scale!r})"
                    )
                    meaning = mean(
                        "squared kernel calibration error",
                        term.format(formula) + average,
                        "None",
                        kernel=kernel,
                        d=f"difference of the {scale}",
                        v=width or "median of |d| over the pairs i < j",
                    )
                    yield call, meaning, FLOAT64
    tests = {
        "asymptotic": "upper normal tail of the mean of the pairs of 'ul' over its "
        "standard error (ddof 1): random as 'ul' is",
        "bootstrap": "(1 + how many of 199 multinomial resamples of the centred h, "
        "default_rng(42), reach n times 'uq') / 200: random",
    }
    for method, formula in tests.items():
        call = (
            f"probcal.metrics.skce_test(y_true, y_proba, method={method!r}, "
            "n_boot=199).p_value"
        )
        options = {"kernel": "laplace", "v": "median of |d| over the pairs i < j"}
        yield call, mean("SKCE p-value", formula, "None", **options), P_VALUE


def binned_calls(weight):
    """ECE, its debiased form and Murphy's decomposition share their bins."""
    rules = {
        "mass": "[lo, hi) between the distinct numpy.quantile edges of p, w not used",
        "width": "[lo, hi) of equal width, the last closed",
    }
    for n_bins in (10, 15) if weight == "None" else (10,):
        for strategy, rule in rules.items():
            options = (
                f"y_true, y_proba, sample_weight={weight}, n_bins={n_bins}, "
                f"strategy={strategy!r}"
            )
            bins = {"bins": rule, "n_bins": n_bins}
            norms = {
                "l1": "sum of share * |d|",
                "l2": "sqrt(sum of share * d^2)",
                "max": "max |d|",
            }
            for norm, formula in norms.items():
                computes = f"{formula}, d = mean p - mean y of a bin"
                call = f"probcal.metrics.ece({options}, norm={norm!r})"
                meaning = mean("calibration error", computes, weight, norm=norm, **bins)
                yield call, meaning, FLOAT64
            meaning = mean(
                "debiased calibration error",
                "sum of share * sqrt(max(0, d^2 - r (1 - r) / (n - 1))), r = mean y "
                "and n = (sum w)^2 / sum w^2 of the bin; |d| where n <= 1",
                weight,
                differs="Kumar et al. debias the l2 error and clip the sum over the "
                "bins once; clipping and rooting each bin leaves a bias upwards",
                **bins,
            )
            yield f"probcal.metrics.ece_debiased({options})", meaning, FLOAT64
            yield from murphy_calls(options, weight, bins)


def murphy_calls(options, weight, bins):
    formulas = {
        "reliability": "sum of share * (mean p - mean y of the bin)^2",
        "resolution": "sum of share * (mean y of the bin - m)^2, m = mean of y",
        "uncertainty": "m (1 - m), m = mean of y",
    }
    corrected = ", each square less r (1 - r) / (n - 1) and clipped at 0"
    differs = (
        "Ferro and Fricker do not clip the bins, and add m (1 - m) / (N - 1) to "
        "resolution and to uncertainty"
    )
    for part, formula in formulas.items():
        call = f"probcal.metrics.murphy_decomposition({options}).{part}"
        yield call, mean(f"Murphy {part}", formula, weight, **bins), FLOAT64
        if part == "uncertainty":
            continue  # the corrected one is the same
        call = (
            f"probcal.metrics.murphy_decomposition({options}, bias_corrected=True)"
            f".{part}"
        )
        meaning = mean(
            f"Murphy {part}, corrected",
            formula + corrected,
            weight,
            differs=differs,
            **bins,
        )
        yield call, meaning, FLOAT64


def sweep_calls(weight):
    for rule in ("first_violation", "largest"):
        for norm in ("l1", "l2", "max"):
            call = (
                f"probcal.metrics.ece_sweep(y_true, y_proba, sample_weight={weight}, "
                f"norm={norm!r}, rule={rule!r})"
            )
            meaning = mean(
                "sweep calibration error",
                "equal-mass bins as in 'ece', as many as: the last b of 2, 3, ... 100 "
                "before the mean y first falls from a bin to the next "
                "(first_violation), or the greatest b where it never falls (largest)",
                weight,
                norm=norm,
                rule=rule,
                differs="Roelofs et al. sweep up to n bins",
            )
            yield call, meaning, FLOAT64


def corp_calls(weight):
    """Score decompositions by isotonic recalibration."""
    formulas = {
        "mcb": ("miscalibration", "S(p) - S(isotonic fit of y on p)"),
        "dsc": ("discrimination", "S(mean of y) - S(isotonic fit of y on p)"),
        "unc": ("uncertainty", "S(mean of y)"),
    }
    scores = {
        "brier": "; S = mean of (p - y)^2",
        "log_loss": "; S = log loss, every p clipped to [1e-12, 1 - 1e-12]",
    }
    for score, detail in scores.items():
        for part, (metric, formula) in formulas.items():
            call = (
                "probcal.curves.corp_reliability(y_true, y_proba, bands=None, "
                f"sample_weight={weight}).{score}_{part}"
            )
            meaning = mean(metric, formula + detail, weight, score=score)
            yield call, meaning, P_VALUE


def binary_calls(weight):
    """All of them, for one column of probabilities."""
    for calls in (
        smooth_calls,
        score_calls,
        regression_calls,
        hosmer_lemeshow_calls,
        loess_calls,
        binned_calls,
        sweep_calls,
        corp_calls,
    ):
        yield from calls(weight)
    if weight == "None":
        yield from kernel_calls()
