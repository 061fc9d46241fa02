"""What ``make_regression_metrics.py`` asks about ordered classes and about failures.

A failure is a wrong prediction; the cases hold the confidence of each prediction and
whether it was correct. The generators yield (call, meaning, relative tolerance).
"""

import numpy as np

from tests.references.peers import FLOAT32, FLOAT64, TORCH_UNCERTAINTY, UNORDERED


def ordinal_case(rng):
    """Five ordered classes, 0 to 4: a logistic variable between four thresholds."""
    thresholds = np.array([-2.0, -0.6, 0.5, 1.8])
    centre = rng.normal(scale=1.5, size=(200, 1))
    below = 1 / (1 + np.exp(centre - thresholds))
    edges = np.hstack([np.zeros((200, 1)), below, np.ones((200, 1))])
    latent = 0.8 * centre[:, 0] + rng.logistic(scale=1.2, size=200)
    target = np.searchsorted(thresholds, latent)
    return {"y_true": target, "y_proba": np.diff(edges, axis=1)}


def failure_case(rng):
    """Confidences above one half, all different, and whether each was correct."""
    confidence = 0.5 + 0.5 * rng.beta(2.0, 0.8, size=200)
    correct = rng.random(200) < confidence**1.5
    return {"confidence": confidence, "correct": correct.astype(np.int64)}


def failure_ties_case(rng):
    """The same kind, in steps of one hundredth: many ties."""
    arrays = failure_case(rng)
    confidence = np.clip(np.round(arrays["confidence"], 2), 0.51, 0.99)
    return arrays | {"confidence": confidence}


def ordinal_calls():
    formulas = {
        "rps_score": "sum over k = 1..K of (F_k - 1{y <= k})^2",
        "rls_score": "- sum over k = 1..K of log |F_k + 1{y <= k} - 1|",
    }
    differs = (
        "labels are 1..K: a label 0 is taken, without an error, for no class at all; "
        "not divided by K - 1"
    )
    for name, formula in formulas.items():
        for arguments in (
            "y_true + 1, y_proba",
            "np.eye(5)[y_true], y_proba, onehot=True",
        ):
            call = f"np.mean(scoringrules.{name}({arguments}, backend='numpy'))"
            meaning = {
                "metric": "ranked probability score"
                if name == "rps_score"
                else "ranked logarithmic score",
                "computes": f"mean over samples of the {formula}",
                "differs": differs,
            }
            yield call, meaning, FLOAT64


def ranking_calls():
    """scikit-learn groups tied scores."""
    auc = "P(score of a positive > score of a negative) + 1/2 P(equal)"
    precision = "sum over the distinct thresholds of (rise of recall) * precision"
    calls = {
        "sklearn.metrics.roc_auc_score(correct, confidence)": ("success", auc),
        "sklearn.metrics.average_precision_score(correct, confidence)": (
            "success",
            precision,
        ),
        "sklearn.metrics.average_precision_score(1 - correct, -confidence)": (
            "failure",
            precision,
        ),
    }
    for call, (positive, formula) in calls.items():
        metric = "AUROC" if formula == auc else "average precision"
        meaning = {"metric": metric, "computes": formula, "positive": positive}
        yield call, meaning, FLOAT64


def selection_calls(ties):
    """Samples by falling confidence; e_k is how many of the first k are errors."""
    risk = f"{TORCH_UNCERTAINTY}.risk_coverage"
    tensors = "(torch.from_numpy(confidence), torch.from_numpy(correct))"
    mean_rule = "documented as the mean over k of {}"
    formulas = {
        "AURC()": (
            "trapezoid rule for e_k / k over k/n = 1/n..1, divided by 1 - 1/n",
            mean_rule.format("e_k / k"),
        ),
        "AUGRC()": (
            "trapezoid rule for e_k / n over k/n = 1/n..1, divided by 1 - 1/n",
            mean_rule.format("e_k / n"),
        ),
        "CovAt5Risk()": ("the greatest k/n with e_k / k <= 0.05", None),
        "CovAtxRisk(0.1)": ("the greatest k/n with e_k / k <= 0.1", None),
        "RiskAt80Cov()": ("e_k / k at k = ceil(0.8 n)", None),
        "RiskAtxCov(0.5)": ("e_k / k at k = ceil(0.5 n)", None),
    }
    for name, (formula, differs) in formulas.items():
        meaning = {"metric": name, "computes": formula}
        remarks = [text for text in (differs, UNORDERED if ties else None) if text]
        meaning |= {"differs": "; ".join(remarks)} if remarks else {}
        yield f"{risk}.{name}{tensors}", meaning, None if ties else FLOAT32
    meaning = {
        "metric": "AUSE",
        "computes": "r_j = mean error of the n - j most certain / mean error of all, "
        "o_j the same sorted by error; trapezoid rule for r_j - o_j over "
        "j/n = 0..1 - 1/n",
        "differs": UNORDERED if ties else "the last 1/n of the axis is left out",
    }
    call = (
        "torch_uncertainty.metrics.sparsification.AUSE()"
        "(torch.from_numpy(1 - confidence), torch.from_numpy(1 - correct))"
    )
    yield call, meaning, None if ties else FLOAT32
    for label, sign, negative in ((1, "", "failures"), (0, "-", "successes")):
        call = (
            f"{TORCH_UNCERTAINTY}.fpr.FPR95(pos_label={label})"
            f"(torch.from_numpy({sign}confidence), torch.from_numpy(correct))"
        )
        meaning = {
            "metric": "FPR95",
            "computes": f"share of the {negative} at or above the greatest score where "
            "at least 95 % of the others are (ties together)",
        }
        yield call, meaning, FLOAT32
