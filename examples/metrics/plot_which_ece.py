"""
One data set, many numbers all called ECE
=========================================

The labels and probabilities below never change, yet their "expected calibration error"
is anything from 0.04 to 0.56.  What moves it most is which probabilities are compared,
and whether classes are averaged or summed; for the same question, bins and packages
differ by little.  So an ECE means little without its definition.
"""

# %%
# An over-confident classifier of known truth
# -------------------------------------------
# The labels are drawn from ``softmax(logits / 2)``, and the classifier states
# ``softmax(logits)``.
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax

from skuq.datasets import make_logits
from skuq.metrics import expected_calibration_error

logits, y = make_logits(1000, n_classes=10, temperature=2.0, random_state=0)
proba = softmax(logits, axis=1)
results = {}


def show(name, y_true, y_proba, **options):
    """Compute one number, print it and keep it for the picture."""
    results[name] = expected_calibration_error(y_true, y_proba, **options)
    print(f"{name:38s}{results[name]:.4f}")


# %%
# What is compared
# ----------------
# The largest probability with being right, as most papers on neural networks do, or
# the probability of every class with its share.  The second is small: most of the ten
# probabilities of a sample are near zero, and there is little to be wrong about.  Some
# take the mean of the ten classes, others their sum, which is ten times that.
show("top-label", y, proba, kind="top-label")
show("classwise, mean", y, proba, kind="classwise")
show("classwise, by prevalence", y, proba, kind="classwise", class_average="prevalence")
show("classwise, pooled", y, proba, kind="classwise", class_average="pooled")
show("classwise, sum", y, proba, kind="classwise", class_average="sum")

# %%
# How the gaps are joined, and the bins
# -------------------------------------
# With fewer bins gaps of unlike sign cancel, with more the noise of each bin counts.
show("top-label, root mean square", y, proba, norm="l2")
show("top-label, 5 bins", y, proba, n_bins=5)
show("top-label, 100 bins", y, proba, n_bins=100)
show("top-label, bins of equal weight", y, proba, strategy="quantile")

# %%
# Whose definition
# ----------------
# ``convention=`` gives the number that a paper or a package would print by default.
for name in ["guo2017", "torchmetrics", "netcal", "mapie"]:
    show(f"as {name}", y, proba, convention=name)

# %%
# Other definitions are for the positive of two classes: here the first class against
# the rest.
for name in ["naeini2015", "relplot", "scikit-learn"]:
    show(f"first class, as {name}", y == 0, proba[:, 0], convention=name)

# %%
fig, ax = plt.subplots(figsize=(7.5, 6), layout="constrained")
names = sorted(results, key=results.get)
ax.barh(names, [results[name] for name in names])
ax.set_xlabel("ECE of the same 1000 samples")
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Numbers that share a definition can be compared
# -----------------------------------------------
# The calibrated model, ``softmax(logits / 2)``, has an ECE of 0 in truth, by every
# definition.  The estimates are not 0, as a bin of few samples is never exactly right
# as often as it states; and how far they are from it depends on the bins again.
calibrated = softmax(logits / 2.0, axis=1)
for n_bins in [5, 15, 100]:
    errors = [
        expected_calibration_error(y, p, n_bins=n_bins) for p in (proba, calibrated)
    ]
    print(f"{n_bins:4d} bins: {errors[0]:.4f} before, {errors[1]:.4f} after")
print(f"from {np.min([*results.values()]):.2f} to {np.max([*results.values()]):.2f}")

# %%
# What to remember
# ----------------
# - Say which ECE: what is compared, how classes are joined, how many bins of which
#   kind.
# - Compare numbers of one definition and one number of samples only.
# - To repeat a published number, name its definition with ``convention=``.
