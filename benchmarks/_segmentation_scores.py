"""Scores of segmented scenes: calibration by region, and overlap with the errors."""

import numpy as np

from skuq.metrics import (
    choose_overlap_threshold,
    error_detection_scores,
    expected_calibration_error,
    log_loss,
    per_image,
    segmentation_boundary,
    uncertainty_error_overlap,
)

BINS = 10
PATCHES, PATCH = 10, 72  # of each image, as in Ding et al. 2021
HEADER = (
    *("method", "NLL of val", "NLL", "ECE % all", "boundary", "local", "by image"),
    *("U-E", "where"),
    *("difference by image", "AUROC", "AUPR", "s/image"),
)


def score(scenes, proba, unsure, validation):
    """All scores by name; ``validation`` are its probabilities and uncertainties."""
    y, void = scenes.test.y, scenes.void
    ece = {"n_bins": BINS, "ignore_index": void}
    near = segmentation_boundary(y, 1, ignore_index=void)
    predicted = proba.argmax(axis=1)
    val_predicted = validation[0].argmax(axis=1)
    threshold = choose_overlap_threshold(
        scenes.val.y, val_predicted, validation[1], average="pooled", ignore_index=void
    )
    overlap = {"threshold": threshold, "ignore_index": void}
    errors = error_detection_scores(y, proba, confidence=-unsure, ignore_index=void)
    return {
        "NLL of val": log_loss(scenes.val.y, validation[0], ignore_index=void),
        "NLL": log_loss(y, proba, ignore_index=void),
        "all": expected_calibration_error(y, proba, **ece),
        "boundary": expected_calibration_error(np.where(near, y, void), proba, **ece),
        "local": np.mean(list(_patches(y, proba, ece))),
        "by image": per_image(expected_calibration_error, y, proba, **ece).mean(),
        "overlap": uncertainty_error_overlap(
            y, predicted, unsure, average="pooled", **overlap
        ),
        "threshold": threshold,
        "overlaps": per_image(
            uncertainty_error_overlap, y, predicted, unsure, **overlap
        ),
        "AUROC": errors["auroc"],
        "AUPR": errors["aupr_error"],
    }


def _patches(y, proba, ece):
    """The calibration error of random patches, those without a label left out."""
    rng = np.random.default_rng(0)
    for labels, p in zip(y, proba, strict=True):
        for _ in range(PATCHES):
            top, left = (rng.integers(n - PATCH + 1) for n in labels.shape)
            cut = slice(top, top + PATCH), slice(left, left + PATCH)
            if (labels[cut] != ece["ignore_index"]).any():
                yield expected_calibration_error(
                    labels[cut][None], p[(slice(None), *cut)][None], **ece
                )


def row(name, scores, plain, seconds):
    """The cells of a line."""
    shift = scores["overlaps"] - plain["overlaps"]
    error = 1.96 * shift.std(ddof=1) / np.sqrt(len(shift))
    return (
        name,
        f"{scores['NLL of val']:.4f}",
        f"{scores['NLL']:.4f}",
        *(f"{100 * scores[k]:.2f}" for k in ("all", "boundary", "local", "by image")),
        f"{scores['overlap']:.3f}",
        f"u > {scores['threshold']:.3g}",
        f"{shift.mean():+.4f} ± {error:.4f}",
        f"{scores['AUROC']:.4f}",
        f"{scores['AUPR']:.4f}",
        f"{seconds:.4f}",
    )


def draw(scenes, maps, path):
    """Five scenes: image, truth, prediction, errors, and the maps of each method."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = np.linspace(0, len(scenes.test.y) - 1, 5).astype(int)
    known = scenes.test.y != scenes.void
    columns = ["image", "truth", "prediction", "errors", *maps]
    figure, axes = plt.subplots(
        5, len(columns), figsize=(2.1 * len(columns), 8.4), layout="constrained"
    )
    first = next(iter(maps.values()))[0].argmax(axis=1)
    limits = {
        name: np.quantile(u[known], [0.01, 0.99]) for name, (_, u) in maps.items()
    }
    for line, i in zip(axes, shown, strict=True):
        truth = np.ma.masked_where(~known[i], scenes.test.y[i])
        labels = {"vmin": 0, "vmax": scenes.n_classes - 1, "cmap": "tab20"}
        image = scenes.test.images[i].transpose(1, 2, 0)
        line[0].imshow(image, cmap="gray")
        line[1].imshow(truth, interpolation="nearest", **labels)
        line[2].imshow(first[i], interpolation="nearest", **labels)
        line[3].imshow((first[i] != truth).filled(False), cmap="gray_r")
        for axis, (name, (_, unsure)) in zip(line[4:], maps.items(), strict=True):
            low, high = limits[name]
            axis.imshow(unsure[i], cmap="viridis", vmin=low, vmax=high)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title, fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(path, dpi=100)
    plt.close(figure)
