"""Some pixels of many maps, with weights that make them stand for all."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skuq._core._arrays import (
    Array,
    array_namespace,
    as_array,
    device,
    host_view,
    to_numpy,
)
from skuq._core._checks import check_labels_shape
from skuq.exceptions import InputError, NoSamplesError

EXPONENT = 0.5  # of the size of a stratum, in its share of the sample


@dataclass(frozen=True)
class PixelSample:
    """Pixels drawn by `sample_pixels`; unpacks as ``scores, y, sample_weight``.

    Parameters
    ----------
    scores : array of shape (n, n_classes)
        The scores of the pixels.
    y : array of shape (n,)
        Their labels.
    sample_weight : ndarray of shape (n,)
        How many pixels each of them stands for; the sum is the number of all pixels
        that count.
    stratum : ndarray of shape (n,)
        Number of the stratum, a class in an image, that each was drawn from.

    See Also
    --------
    sample_pixels : Draws one.
    """

    scores: Array
    y: Array
    sample_weight: np.ndarray
    stratum: np.ndarray

    def __iter__(self):
        """Scores, labels and weights, as the `fit` of a calibrator takes them."""
        return iter((self.scores, self.y, self.sample_weight))

    def mean(self, values):
        """Estimate the mean over all pixels of a number known for those drawn.

        Parameters
        ----------
        values : array-like of shape (n,)
            A number for each pixel drawn, such as its log loss.

        Returns
        -------
        mean : float
            The weighted mean, an unbiased estimate of that over all pixels.
        standard_error : float
            Of the drawing of pixels; 0 if all were drawn.

        Notes
        -----
        With N_h pixels in stratum h, n_h of them drawn and s_h^2 the variance of their
        values, the square of the standard error is
        ``sum_h (N_h / N)^2 (1 - n_h / N_h) s_h^2 / n_h``.  It says how far the mean is
        from that of all pixels of these images, not of other images.
        """
        v, w, h = to_numpy(values), self.sample_weight, self.stratum
        n = np.bincount(h)
        size = np.bincount(h, w)
        center = np.bincount(h, v) / n
        square = np.bincount(h, (v - center[h]) ** 2)
        variance = square / np.maximum(n - 1, 1)
        total = size.sum()
        spread = (size / total) ** 2 * (1 - n / size) * variance / n
        return float(w @ v / total), float(np.sqrt(np.maximum(spread, 0).sum()))


def sample_pixels(scores, y, n_pixels, *, ignore_index=None, random_state=None):
    """Draw pixels of maps, by class within each image, with weights for all.

    A fit to a hundred thousand pixels is nearly as good as one to a billion.  Drawn at
    random from all of them, rare classes would hardly occur; here each class of each
    image is drawn from by itself, rare ones more densely, and weights undo it.

    Parameters
    ----------
    scores : array-like of shape (n_samples, n_classes, *spatial)
        Scores of maps: numpy array, such as a memory map, or torch tensor.
    y : array-like of shape (n_samples, *spatial)
        Labels of any type.
    n_pixels : int
        Pixels to draw, at least two for each class in each image; where there are
        fewer pixels, all are taken.
    ignore_index : int or str, default=None
        Label of pixels that do not count.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the draws; None draws anew each time.

    Returns
    -------
    sample : PixelSample
        Scores `(n, n_classes)`, labels and weights, in the order of the images; in the
        libraries of `scores` and `y`.

    Raises
    ------
    skuq.exceptions.InputError
        If `scores` are no maps, or there are too few pixels for the classes and images.
    skuq.exceptions.NoSamplesError
        If no pixel counts.

    See Also
    --------
    TemperatureScaler.fit_batches : Fits to all pixels, batch by batch.

    Notes
    -----
    A stratum is a class in an image.  From one of N_h pixels, n_h are drawn without
    replacement, in proportion to the square root of N_h but two at least, or one of
    one; each has the weight ``N_h / n_h``.  So the weighted sum of any function of a
    pixel is an unbiased estimate of its sum over all, and `PixelSample.mean` tells its
    standard error.

    Labels are read twice and scores once, image by image: memory is that of one image
    and the sample.

    Examples
    --------
    >>> from skuq.calibration import TemperatureScaler, sample_pixels
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(20, 4, spatial=(50, 60), random_state=0)
    >>> sample = sample_pixels(logits, y, 6000, random_state=0)
    >>> sample.scores.shape
    (6000, 4)
    >>> scaler = TemperatureScaler().fit(*sample)
    >>> all_pixels = TemperatureScaler().fit(logits, y)
    >>> print(f"{scaler.temperature_:.1f}, {all_pixels.temperature_:.1f}")
    2.0, 2.0
    """
    scores, y = host_view(as_array(scores)), host_view(as_array(y))
    if scores.ndim < 3:
        raise InputError(
            f"scores have shape {tuple(scores.shape)}: expected maps (n_samples, "
            "n_classes, *spatial); of a table, take rows."
        )
    check_labels_shape(y, scores)
    rng = np.random.default_rng(random_state)
    images = [_Strata.of(y[i, ...], ignore_index) for i in range(y.shape[0])]
    sizes = np.concatenate([strata.sizes for strata in images])
    drawn = iter(_allocate(sizes, n_pixels))
    parts, first = [], 0
    for i, strata in enumerate(images):
        counts = [next(drawn) for _ in strata.sizes]
        if counts:
            parts.append(_draw(scores[i, ...], y[i, ...], strata, counts, first, rng))
            first += len(counts)
    xp = array_namespace(scores)
    return PixelSample(
        xp.concat([part.scores for part in parts], axis=0),
        array_namespace(y).concat([part.y for part in parts], axis=0),
        np.concatenate([part.sample_weight for part in parts]),
        np.concatenate([part.stratum for part in parts]),
    )


@dataclass(frozen=True)
class _Strata:
    """The classes of an image, and how many of its pixels each has."""

    labels: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, y: Array, ignore_index: Any) -> "_Strata":
        labels, sizes = np.unique(to_numpy(y), return_counts=True)
        if ignore_index is None:
            return cls(labels, sizes)
        counts = labels != ignore_index
        return cls(labels[counts], sizes[counts])


def _allocate(sizes, n_pixels):
    """How many pixels to draw from strata of these sizes, `n_pixels` together."""
    if not sizes.size:
        raise NoSamplesError("no pixel counts: all labels equal ignore_index.")
    least = np.minimum(sizes, 2)
    if not isinstance(n_pixels, (int, np.integer)) or n_pixels < least.sum():
        raise InputError(
            f"n_pixels must be an integer of at least {least.sum()}, two for each of "
            f"the {len(sizes)} classes of all images, got {n_pixels!r}: draw more, or "
            "from fewer images."
        )
    if n_pixels >= sizes.sum():
        return sizes
    low, high = 0.0, float(sizes.max())
    for _ in range(100):  # halvings: floats are exhausted before
        middle = (low + high) / 2
        enough = _shares(sizes, least, middle).sum() > n_pixels
        low, high = (low, middle) if enough else (middle, high)
    shares = _shares(sizes, least, low)
    counts = np.floor(shares).astype(np.int64)
    missing = n_pixels - counts.sum()
    rest = np.where(counts < sizes, shares - counts, -1.0)
    counts[np.argsort(-rest, kind="stable")[:missing]] += 1
    return counts


def _shares(sizes, least, factor):
    """Real numbers of pixels, in proportion to a power of the size within limits."""
    return np.clip(factor * sizes**EXPONENT, least, sizes)


def _draw(scores, y, strata, counts, first, rng):
    """The pixels of one image."""
    flat = to_numpy(y).reshape(-1)
    chosen, weight, stratum = [], [], []
    drawn = zip(strata.labels, strata.sizes, counts, strict=True)
    for number, (label, size, count) in enumerate(drawn, first):
        places = np.flatnonzero(flat == label)
        chosen.append(rng.choice(places, count, replace=False, shuffle=False))
        weight.append(np.full(count, size / count))
        stratum.append(np.full(count, number))
    index = np.concatenate(chosen)
    return PixelSample(
        _columns(scores, index),
        _columns(y[None, ...], index)[:, 0],
        np.concatenate(weight),
        np.concatenate(stratum),
    )


def _columns(x, index):
    """The values `(n, n_rows)` of an array `(n_rows, *spatial)` at flat positions."""
    xp = array_namespace(x)
    x = xp.reshape(x, (x.shape[0], -1))
    return xp.take(x, xp.asarray(index, device=device(x)), axis=1).T
