"""
Temperature scaling halves the ECE and cannot change accuracy
=============================================================

Networks, and other models with more freedom than data, are often surer than right.
Dividing their logits by one number T, fitted on held-out samples, takes the excess of
confidence away: below, the expected calibration error (ECE) falls to less than half,
and not one prediction changes.
"""

# %%
# A classifier whose error is known
# ---------------------------------
# The labels are drawn from ``softmax(z / 2)``.  A classifier that states ``softmax(z)``
# is then over-confident, and T = 2 is the remedy.  Half of the samples calibrate.

import matplotlib.pyplot as plt
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skuq.calibration import CalibratedModel, TemperatureScaler
from skuq.datasets import make_logits
from skuq.displays import ReliabilityDisplay
from skuq.evaluation import compare_predictions
from skuq.report import text_table

logits, y = make_logits(10_000, n_classes=5, temperature=2.0, random_state=0)
scaler = TemperatureScaler().fit(logits[:5000], y[:5000])
print(f"T = {scaler.temperature_:.3f}")

# %%
# In the diagram of an honest classifier the bars end on the diagonal, or at least in
# the grey band, where chance puts them.

y_test = y[5000:]
before = softmax(logits[5000:], axis=1)
after = scaler.predict_proba(logits[5000:])

figure, axes = plt.subplots(1, 2, figsize=(9.6, 5.6), layout="constrained")
ReliabilityDisplay.from_predictions(y_test, before, name="before", ax=axes[0])
ReliabilityDisplay.from_predictions(y_test, after, name="after", ax=axes[1])
plt.show()

# %%
# Dividing all logits of a sample by T > 0 keeps their order, so the most probable class
# stays the most probable one.  What changes is how much is claimed for it.

print("same predictions:", (before.argmax(axis=1) == after.argmax(axis=1)).all())
print("mean confidence before:", before.max(axis=1).mean().round(3))
print("mean confidence after: ", after.max(axis=1).mean().round(3))
print("accuracy:              ", (after.argmax(axis=1) == y_test).mean().round(3))

# %%
# A real model
# ------------
# Logistic regression with next to no penalty, trained on 143 images of digits.
# ``CalibratedModel(model).fit(...)`` sees samples that the model was not trained on,
# and a third part, seen by neither, tells what was gained.

X, digit = load_digits(return_X_y=True)
X_train, X_rest, digit_train, digit_rest = train_test_split(
    X, digit, train_size=143, stratify=digit, random_state=0
)
X_val, X_test, digit_val, digit_test = train_test_split(
    X_rest, digit_rest, test_size=0.6, stratify=digit_rest, random_state=0
)
model = LogisticRegression(C=1e6, max_iter=1000).fit(X_train / 16, digit_train)
calibrated = CalibratedModel(model).fit(X_val / 16, digit_val)
print(f"T = {calibrated.calibrator_.temperature_:.3f}")

# %%
# The accuracy is the same to the last digit.  The log loss and the ECE are not.

comparison = compare_predictions(
    digit_test,
    {
        "before": model.predict_proba(X_test / 16),
        "after": calibrated.predict_proba(X_test / 16),
    },
    random_state=0,
)
print(text_table(comparison))

# %%
# What to remember
# ----------------
# - One number, fitted on some hundred held-out samples, removes most over-confidence.
# - It keeps every prediction: accuracy, and with it what your users see, stays.
# - Never fit it on the samples the model was trained on: there the model is right more
#   often than elsewhere, and T comes out too small.
# - It has one knob.  A model that is too sure of one class and not sure enough of
#   another needs a calibrator with more of them.
