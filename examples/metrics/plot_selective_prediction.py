"""
A badly calibrated model can know well when it is wrong
=======================================================

The forest below is far from calibrated: it says 0.64 and is right in 93 of 100 cases.
Still, its doubts point at its errors.  If a person looks at the 20 % of the images that
it is least sure of, the share of errors among the others falls from 7.2 % to 0.7 %, if
doubt is the margin of the two most probable digits; with the entropy 2.1 % stay.  The
probabilities are the same: what differs is how they are read.
"""

# %%
# A forest of 200 trees
# ---------------------
# It learns from 300 images of digits.  Trees vote for many digits, so that the forest
# is less sure than it might be: its expected calibration error is large.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from skuq.displays import ConfidenceHistogramDisplay, RiskCoverageDisplay
from skuq.metrics import (
    accuracy_score,
    area_under_risk_coverage_error,
    bootstrap_interval,
    error_detection_scores,
    expected_calibration_error,
    risk_coverage_curve,
)
from skuq.uncertainty import entropy, margin_uncertainty

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=300, stratify=y, random_state=0
)
forest = RandomForestClassifier(200, random_state=0).fit(X_train, y_train)
proba = forest.predict_proba(X_test)
print(f"mean confidence {proba.max(axis=1).mean():.3f}")
print(f"accuracy        {accuracy_score(y_test, proba):.3f}")
print(f"ECE             {expected_calibration_error(y_test, proba):.3f}")

# %%
# Wrong predictions are made with little confidence, and few right ones are.  That is
# what finding errors needs, and calibration has no part in it.
ConfidenceHistogramDisplay.from_predictions(y_test, proba)
plt.show()

# %%
# Two uncertainties of the same probabilities
# -------------------------------------------
# The margin looks at the two most probable digits.  The entropy counts all ten, and
# with them votes for digits that were never in question.
uncertainties = {"margin": margin_uncertainty(proba), "entropy": entropy(proba)}
for name, uncertainty in uncertainties.items():
    scores = error_detection_scores(y_test, proba, uncertainty=uncertainty)
    auroc, aupr = scores["auroc"], scores["aupr_error"]
    print(f"{name:8s} AUROC {auroc:.3f}, AUPR of errors {aupr:.3f}")

# %%
# Coverage is the share of images that are left to the model, risk the share of errors
# among them.  The oracle doubts exactly where the forest is wrong, so its curve depends
# on the accuracy alone and is the same for both.
ax = None
for name, uncertainty in uncertainties.items():
    options = {"uncertainty": uncertainty, "name": name, "oracle": name == "entropy"}
    display = RiskCoverageDisplay.from_predictions(y_test, proba, ax=ax, **options)
    ax, curve = display.ax_, display.curve
    risk = np.interp(0.8, curve.coverage, curve.risk)
    print(f"{name:8s} {risk:.3f} wrong of the 80 % kept, {curve.risk[-1]:.3f} of all")
ax.axvline(0.8, color="0.6", lw=1, zorder=1)
plt.show()

# %%
# By chance?
# ----------
# Intervals of 95 % by resampling the images.
for name, uncertainty in uncertainties.items():
    area = bootstrap_interval(
        area_under_risk_coverage_error,
        y_test,
        proba,
        uncertainty=uncertainty,
        random_state=0,
    )
    print(f"{name:8s} AURC {area.estimate:.4f} [{area.low:.4f}, {area.high:.4f}]")

# %%
# To choose a threshold, read it off the curve of validation data: the least confidence
# that is kept at the coverage that is wanted (with an uncertainty, minus it).
curve = risk_coverage_curve(y_test, proba, uncertainty=uncertainties["margin"])
kept = np.searchsorted(curve.coverage, 0.8)
print(f"keep margins up to {-curve.threshold[kept]:.3f}: risk {curve.risk[kept]:.3f}")

# %%
# What to remember
# ----------------
# - Calibration and finding errors are two questions: measure both.
# - Try several uncertainties of the same probabilities; it costs nothing.
# - AURC looks at the whole curve, and at the accuracy too.  ``excess=True`` takes the
#   oracle off, and AUROC leaves the accuracy out.
