"""What can be seen of a segmentation without the truth, as a table of numbers."""

import numpy as np
from scipy import ndimage

from skuq.decision._aggregate import mean_within
from skuq.metrics import segmentation_boundary

FAR = 0.9, 0.99  # quantiles of the uncertainty


def mask_features(images, masks, uncertainty, *, classes, background, width):
    """The features of each image, a dict of names and arrays `(n_samples,)`.

    `images` are `(n_samples, n_channels, *spatial)`, the others without channels;
    `classes` are the labels of objects whose sizes count on their own.
    """
    inside = masks != background
    edge = segmentation_boundary(masks, 1)
    band = segmentation_boundary(masks, width)
    features = _of_shape(masks, inside, edge, classes)
    features |= _of_image(images, inside, band)
    if uncertainty is not None:
        features |= _of_uncertainty(uncertainty, inside, band)
    return features


def _of_shape(masks, inside, edge, classes):
    size, length = _share(inside), _share(edge)
    diameter = np.sqrt(np.maximum(size, 1 / inside[0].size))
    parts = np.array([_components(image) for image in inside])
    features = {
        "size": size,
        "boundary": length,
        "roughness": length / diameter,
        "parts": parts[:, 0],
        "largest part": parts[:, 1],
    }
    if len(classes) > 1:
        features |= {f"size of {label}": _share(masks == label) for label in classes}
    return features


def _components(inside):
    """How many connected parts there are, and the share of the largest."""
    labels, n_parts = ndimage.label(inside)
    if n_parts == 0:
        return 0, 0
    sizes = np.bincount(labels.reshape(-1))[1:]
    return n_parts, sizes.max() / sizes.sum()


def _of_image(images, inside, band):
    grey = images.mean(axis=1)
    axes = tuple(range(1, grey.ndim))
    slopes = [np.gradient(grey, axis=axis) for axis in axes]
    slope = np.sqrt(sum(part**2 for part in slopes))
    steps = mean_within(slope, band), mean_within(slope, ~band)
    inner, outer = mean_within(grey, inside), mean_within(grey, ~inside)
    features = {
        "brightness": grey.mean(axis=axes),
        "brightness inside": inner,
        "contrast": np.abs(inner - outer),
        "spread": grey.std(axis=axes),
        "spread inside": np.sqrt(_variance_within(grey, inside)),
        "spread outside": np.sqrt(_variance_within(grey, ~inside)),
        "slope": slope.mean(axis=axes),
        "slope at boundary": steps[0] - steps[1],
    }
    if images.shape[1] > 1:
        means = images.mean(axis=tuple(range(2, images.ndim)))
        features |= {f"channel {k}": mean for k, mean in enumerate(means.T)}
    return features


def _variance_within(values, where):
    """Variance of each image over some of its pixels."""
    mean = mean_within(values, where)
    centred = values - mean.reshape(-1, *(1,) * (values.ndim - 1))
    return mean_within(centred**2, where)


def _of_uncertainty(uncertainty, inside, band):
    flat = uncertainty.reshape(len(uncertainty), -1)
    total = flat.sum(axis=1)
    n_inside = np.maximum(inside.reshape(flat.shape).sum(axis=1), 1)
    n_band = np.maximum(band.reshape(flat.shape).sum(axis=1), 1)
    features = {
        "uncertainty": flat.mean(axis=1),
        "uncertainty inside": mean_within(uncertainty, inside),
        "uncertainty at boundary": mean_within(uncertainty, band),
        "uncertainty elsewhere": mean_within(uncertainty, ~band),
        # The logarithm, since a mask of a few pixels divides by next to nothing.
        "uncertainty by size": np.log1p(total / n_inside),
        "uncertainty by boundary": np.log1p(total / n_band),
    }
    for q, value in zip(FAR, np.quantile(flat, FAR, axis=1), strict=True):
        features[f"uncertainty, quantile {q}"] = value
    return features


def _share(where):
    return where.reshape(len(where), -1).mean(axis=1)
