"""
A network is too sure in the shade: one temperature cannot mend it
==================================================================

A segmentation network may be honest in the light and three times too sure in the shade.
One temperature for all pixels softens the light too much and the shade too little. A
temperature for each pixel, learned from logits and image, finds both, and changes no
prediction.
"""

# %%
# Scenes with a known truth
# -------------------------
# A disc and a bar on the ground, of which the network knows how deep inside them a
# pixel lies. Labels are drawn from the honest probabilities. Behind the border of a
# shadow, which the image shows, the logits are three times too large.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax

from skuq.calibration import TemperatureScaler
from skuq.deep import ImageTemperatureScaler, LocalTemperatureScaler
from skuq.metrics import expected_calibration_error, log_loss

rows, columns = np.mgrid[:48, :64]


def make_scenes(n, seed):
    """Logits, labels, images, and where the shade is."""
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.uniform(0.25, 0.75, (4, n, 1, 1))
    disc = 13 - np.hypot(rows - 48 * a, columns - 64 * b)
    bar = 5 - abs(columns - 64 * c)
    honest = np.stack([np.zeros(disc.shape), disc, bar - 1], axis=1).clip(-4, 4) / 1.5
    y = np.argmax(honest + rng.gumbel(size=honest.shape), axis=1)
    shade = rows + columns / 3 > 64 * d
    image = np.choose(honest.argmax(axis=1), [0.5, 0.9, 0.7]) * np.where(shade, 0.4, 1)
    image += rng.normal(0, 0.04, image.shape)
    return honest * np.where(shade, 3, 1)[:, None], y, image, shade


logits, y, image, shade = make_scenes(30, seed=0)
new, y_new, image_new, shade_new = make_scenes(30, seed=1)

# %%
# One temperature, one for each image, one for each pixel
# -------------------------------------------------------
# Each is fitted to the first thirty scenes. The log loss of the new ones can fall no
# lower than that of the honest probabilities, and local temperatures come near.

one = TemperatureScaler().fit(logits, y)
of_image = ImageTemperatureScaler(random_state=0).fit(logits, y, image)
of_pixel = LocalTemperatureScaler(random_state=0).fit(logits, y, image)

truth = np.where(shade_new, 3, 1)
predictions = {
    "as it is": softmax(new, axis=1),
    "one temperature": one.predict_proba(new),
    "one for each image": of_image.predict_proba(new, image_new),
    "one for each pixel": of_pixel.predict_proba(new, image_new),
    "the truth": softmax(new / truth[:, None], axis=1),
}
print("                     log loss   ECE in the light   ECE in the shade")
for name, proba in predictions.items():
    light, dark = (
        expected_calibration_error(y_new, proba, sample_weight=part)
        for part in (~shade_new, shade_new)
    )
    print(f"{name:20s} {log_loss(y_new, proba):8.4f} {light:14.3f} {dark:18.3f}")

# %%
# The predicted classes are the same in all rows.

same = [(p.argmax(axis=1) == new.argmax(axis=1)).all() for p in predictions.values()]
print(all(same))

# %%
# Where the temperatures are
# --------------------------
# The border of the shadow is found to within the few pixels that a convolution sees.

T = of_pixel.temperature_map(new, image_new)
print(f"in the shade {np.median(T[shade_new]):.2f}, truly 3")
print(f"in the light {np.median(T[~shade_new]):.2f}, truly 1")

fig, axes = plt.subplots(3, 4, figsize=(9.6, 5.8), layout="constrained")
titles = "image", "label", "temperature", "true temperature"
for row, i in zip(axes, range(3), strict=True):
    row[0].imshow(image_new[i], cmap="gray", vmin=0, vmax=1)
    row[1].imshow(y_new[i], cmap="viridis", interpolation="nearest")
    for panel, values in ((row[2], T[i]), (row[3], truth[i])):
        shown = panel.imshow(values, cmap="magma", vmin=0.5, vmax=3.5)
for panel, title in zip(axes[0], titles, strict=True):
    panel.set_title(title)
for panel in axes.flat:
    panel.set(xticks=[], yticks=[])
fig.colorbar(shown, ax=axes[:, 3], label="T")
plt.show()

# %%
# What to remember
# ----------------
# - One temperature is a compromise between places where a network is honest and places
#   where it is not, and wrong in both.
# - Pass the image where it may show what makes the network too sure; without it the
#   temperatures are learned from the logits alone.
# - Temperatures that depend on the pixel need more than one image or two: the penalty
#   ``alpha`` and the images held out keep them from following noise.
# - Predictions do not change: accuracy and overlap stay as they are.
