"""
More data removes doubt, not noise
==================================

Mutual information is doubt about the network: it shrinks with more training data, and
grows on images unlike those of the training.  Expected entropy is the noise that the
network sees in the labels, which more data does not remove.
"""

# %%
# Digits of which some have a wrong label
# ---------------------------------------
# A tenth of the labels for training is drawn at random: noise that nobody can predict.
# The network has dropout, and is trained on 1/16, 1/4 and all of the rows, with as many
# steps each.
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier
from torch import nn

from skuq.deep import MCDropoutWrapper

rng = np.random.default_rng(0)
images, labels = load_digits(return_X_y=True)
images = (images / 16).astype(np.float32)
X, X_test, y, _ = train_test_split(images, labels, test_size=0.4, random_state=0)
y = np.where(rng.random(len(y)) < 0.1, rng.integers(0, 10, len(y)), y)


def network():
    layers = [nn.Linear(64, 100), nn.ReLU(), nn.Dropout(0.5)]
    layers += [nn.Linear(100, 100), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(100, 10))


def trained(n_rows, n_steps=800):
    net = NeuralNetClassifier(
        network,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__weight_decay=1e-4,
        lr=2e-3,
        batch_size=64,
        max_epochs=n_steps * 64 // n_rows,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    model = MCDropoutWrapper(net, n_samples=50, random_state=0)
    return model.fit(X[:n_rows], y[:n_rows])


models = {n: trained(n) for n in (len(X) // 16, len(X) // 4, len(X))}

# %%
# Doubt and noise of each image
# -----------------------------
# Digits that were not seen in training; and, for the network that has seen most, the
# same digits mixed with noise images, until nothing else is left.


def measured(model, inputs):
    parts = model.decompose(inputs)
    kinds = {"mutual information": parts.epistemic, "expected entropy": parts.aleatoric}
    return {k: (v.mean(), v.std() / np.sqrt(len(v))) for k, v in kinds.items()}


noise = rng.random(X_test.shape, dtype=np.float32)
by_rows = {str(n): measured(model, X_test) for n, model in models.items()}
by_share = {
    share: measured(models[len(X)], (1 - share) * X_test + share * noise)
    for share in (0, 0.25, 0.5, 0.75, 1)
}
for title, found in (("rows", by_rows), ("share of noise", by_share)):
    for name, kinds in found.items():
        cells = (f"{kind} {m:.3f} ± {s:.3f}" for kind, (m, s) in kinds.items())
        print(f"{title} {name}: {', '.join(cells)}")

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
panels = [("training rows", by_rows), ("share of noise in the image", by_share)]
for ax, (xlabel, found) in zip(axes, panels, strict=True):
    for kind, color in (("mutual information", "C1"), ("expected entropy", "C0")):
        means, errors = zip(*(f[kind] for f in found.values()), strict=True)
        style = {"color": color, "marker": "o", "capsize": 3}
        ax.errorbar(list(found), means, errors, label=kind, **style)
    ax.set(xlabel=xlabel)
axes[0].set(ylabel="nats", ylim=(0, None), title="digits: more data, less doubt")
axes[1].set_title("unlike the data: more doubt")
axes[0].legend()
plt.show()

# %%
# What to remember
# ----------------
# Ask for ``kind="epistemic"`` to find inputs that are new to a network, or to choose
# which rows to label next; ask for ``kind="aleatoric"`` to see which labels nobody can
# know.  Both are those of the network: what it has never seen it may also be sure of.
