"""
Intervals that cover 90 % of all values, and are wrong almost everywhere
========================================================================

Two models below state the same means.  One knows that the noise grows along x, the
other states the same spread everywhere.  The intervals of both cover 90 % of all
values, and by the calibration error of its variances the second is even perfect; but it
covers all values on the left, and three of four on the right.  Proper scores, the CRPS
and the interval score, tell the two apart.
"""

# %%
# Noise that grows
# ----------------
# All is known here: the mean is ``sin(x)``, and the standard deviation of the noise
# rises from 0.1 to 0.9.  A third model knows where the noise is, and claims half of it.
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from skuq.displays import PredictionIntervalDisplay, RegressionCalibrationDisplay
from skuq.metrics import (
    crps_gaussian,
    expected_normalized_calibration_error,
    interval_coverage_score,
    interval_score_loss,
    permutation_test,
    quantile_calibration_error,
)

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 10, 2000))
mean, noise = np.sin(x), 0.1 + 0.08 * x
y = rng.normal(mean, noise)
spreads = {
    "honest": noise,
    "constant": np.full(len(x), np.sqrt(np.mean((y - mean) ** 2))),
    "too small": noise / 2,
}

# %%
fig, axes = plt.subplots(2, 1, figsize=(7.2, 8), layout="constrained", sharex=True)
for ax, name in zip(axes, ["honest", "constant"], strict=True):
    PredictionIntervalDisplay.from_predictions(
        y, y_pred=mean, y_std=spreads[name], x=x, name=name, ax=ax, max_samples=400
    )
plt.show()

# %%
# What the numbers see
# --------------------
# Coverage, the quantile calibration error (QCE) and the one of variances (ENCE) compare
# groups of values with what was stated for them.  The constant model puts all values
# into one group, in which it is right.  CRPS and interval score look at each value.
half = norm.ppf(0.95)
for name, std in spreads.items():
    ends = mean - half * std, mean + half * std
    print(
        f"{name:10s} coverage {interval_coverage_score(y, *ends):.3f}"
        f"  QCE {quantile_calibration_error(y, mean, std):.3f}"
        f"  ENCE {expected_normalized_calibration_error(y, mean, std):.3f}"
        f"  CRPS {crps_gaussian(y, mean, std):.4f}"
        f"  score {interval_score_loss(y, *ends, alpha=0.1):.3f}"
    )

# %%
# Coverage by region shows what the mean over all hides.
for name in ["honest", "constant"]:
    inside = np.abs(y - mean) <= half * spreads[name]
    parts = [inside[(x >= a) & (x < a + 2)].mean() for a in range(0, 10, 2)]
    print(f"{name:10s}" + "  ".join(f"{part:.2f}" for part in parts))

# %%
# Is the difference in CRPS more than chance?  Of 1,000 random exchanges of the two
# models, sample by sample, none gives one as large.
states = [(mean, spreads[name]) for name in ["honest", "constant"]]
result = permutation_test(crps_gaussian, y, *states, random_state=0)
print(f"difference {result.difference:.4f}, p-value {result.p_value:.3f}")

# %%
# Too sure
# --------
# The probability integral transform (PIT) is where a value falls in what was stated for
# it.  Half of the true spread makes its histogram high at both ends.
RegressionCalibrationDisplay.from_predictions(
    y, mean, spreads["too small"], name="too small"
)
plt.show()

# %%
# The constant spread, too large here and too small there, makes it high in the middle
# and rise again at the ends.
RegressionCalibrationDisplay.from_predictions(
    y, mean, spreads["constant"], name="constant"
)
plt.show()

# %%
# What to remember
# ----------------
# - Coverage and calibration errors are means: look at them by region or by group, too.
# - Compare models by a proper score; it rewards both honesty and knowing where.
# - An ENCE of 0 may say no more than that there was one bin.
