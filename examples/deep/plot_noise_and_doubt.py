"""
Noise grows with the data, doubt grows away from it
===================================================

A network that predicts its noise learns where targets spread.  Bayes by Backprop learns
how sure its weights are: its band is narrow where there is data, and widens beyond it.
Each tells what the other cannot.
"""

# %%
# Data with a gap
# ---------------
# The noise rises along x, and there is no data between -1 and 1.
import matplotlib.pyplot as plt
import numpy as np

from skuq.deep import BBBRegressor, HeteroscedasticRegressor

rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-3, -1, 200), rng.uniform(1, 3, 200)])
y = np.sin(2 * x) + rng.normal(0, 0.05 + 0.07 * (x + 3))
X, grid = x[:, None], np.linspace(-5, 5, 300)[:, None]

# %%
# One network with a noise that it predicts, and one with Gaussian weights.
noisy = HeteroscedasticRegressor(max_epochs=150, random_state=0).fit(X, y)
bayesian = BBBRegressor(
    hidden_layer_sizes=(50, 50), max_epochs=300, lr=0.02, random_state=0
).fit(X, y)

# %%
fig, axes = plt.subplots(2, 1, figsize=(7.2, 6), sharex=True, layout="constrained")
bands = {
    "predicted noise": (axes[0], noisy, "aleatoric"),
    "doubt about the weights": (axes[1], bayesian, "epistemic"),
}
for name, (ax, model, kind) in bands.items():
    mean = model.predict(grid)
    std = model.predict_uncertainty(grid, kind=kind, measure="std")
    ax.plot(x, y, ".", color="0.7", markersize=3)
    ax.plot(grid, mean)
    ax.fill_between(grid[:, 0], mean - 2 * std, mean + 2 * std, alpha=0.3)
    ax.set(title=f"two standard deviations of the {name}", ylim=(-4, 4))
plt.show()

# %%
# In numbers
# ----------
for name, (_, model, kind) in bands.items():
    at = model.predict_uncertainty([[-2.0], [2.0], [5.0]], kind=kind, measure="std")
    print(f"{name:24s} at x = -2: {at[0]:.2f}, at 2: {at[1]:.2f}, at 5: {at[2]:.2f}")

# %%
# What to remember
# ----------------
# Noise cannot be reduced by more data, doubt can.  An ensemble of networks that predict
# their noise, or ``BBBRegressor(noise="predicted")``, has both.  Far away from the data
# nobody measured any noise: it stays within what training samples had.  And independent
# Gaussians for all weights see little doubt inside the gap.
