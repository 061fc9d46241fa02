"""Pictures like those of an ultrasound of the heart, with a known truth."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.special import ndtr

from skuq.exceptions import InputError

# Brightness of tissue, wall and cavity, as shares of the brightest.
LEVELS = (0.35, 0.85, 0.1)
GRAIN = 0.6  # of the speckle: the standard deviation of its blur, in pixels


class Ellipses(NamedTuple):
    """Pictures of ellipses, their labels, and how likely each label was.

    Parameters
    ----------
    images : ndarray of shape (n_samples, 1, height, width)
        Grey pictures in [0, 1], float32.
    y : ndarray of shape (n_samples, height, width)
        Labels 0..n_classes-1, int64.
    proba : ndarray of shape (n_samples, n_classes, height, width)
        The probabilities that the labels were drawn from, float32.
    """

    images: np.ndarray
    y: np.ndarray
    proba: np.ndarray


def make_ellipses(
    n_samples=100,
    *,
    shape=(64, 64),
    n_classes=3,
    noise=0.3,
    contrast=(0.2, 1.0),
    blur=1.0,
    ambiguity=1.0,
    random_state=None,
):
    """Draw pictures like echoes of the heart whose label probabilities are known.

    A bright wall (class 1) surrounds a dark cavity (class 2) in grey tissue (class 0)
    with speckle; place, size, direction and contrast differ from picture to picture.
    The labels are noisy near the contours, and with how much noise is returned too.

    Parameters
    ----------
    n_samples : int, default=100
        Number of pictures.
    shape : tuple of int, default=(64, 64)
        Height and width in pixels, at least 16 each.
    n_classes : {2, 3}, default=3
        With 2, wall and cavity are one class.
    noise : float, default=0.3
        Standard deviation of the speckle, as a share of the brightness it multiplies.
    contrast : tuple of float, default=(0.2, 1.0)
        Range of the contrast, in (0, 1]: each picture's own is drawn from it.  A low
        one makes pictures that are hard to segment.
    blur : float, default=1.0
        Standard deviation of the blur of the contours in the pictures, in pixels.
    ambiguity : float, default=1.0
        Standard deviation of the places where the contours of the labels are seen, in
        pixels; 0 gives labels without noise.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the draws; None draws anew each time.

    Returns
    -------
    ellipses : Ellipses
        The tuple ``(images, y, proba)``.

    Raises
    ------
    skuq.exceptions.InputError
        For values out of these ranges.

    See Also
    --------
    make_logits : Logits with a known temperature.

    Notes
    -----
    With the depth d of a pixel inside the outer contour, in pixels, and the thickness
    t of the wall, a standard normal number z is drawn for each pixel.  It is outside if
    ``d + ambiguity z < 0``, in the cavity if ``d + ambiguity z >= t``, and in the wall
    otherwise.  So `proba` is exact: it is what somebody knows who knows the contours,
    no prediction can have a lower expected log loss, and it is calibrated.  Depth is
    one minus the distance from the centre relative to the contour, times the geometric
    mean of the half axes.

    The noise of a label does not depend on that of its neighbours, nor on the picture.

    Examples
    --------
    >>> from skuq.datasets import make_ellipses
    >>> images, y, proba = make_ellipses(4, shape=(32, 48), random_state=0)
    >>> images.shape, y.shape, proba.shape
    ((4, 1, 32, 48), (4, 32, 48), (4, 3, 32, 48))
    """
    _check(n_samples, shape, n_classes, contrast)
    for name, value in (("noise", noise), ("blur", blur), ("ambiguity", ambiguity)):
        if not 0 <= value < np.inf:
            raise InputError(f"{name} must be at least 0 and finite, got {value!r}.")
    rng = np.random.default_rng(random_state)
    depth, thickness = _contours(n_samples, shape, rng)
    images = _pictures(depth, thickness, noise, contrast, blur, rng)
    proba = _probabilities(depth, thickness, ambiguity, n_classes)
    level = rng.random((n_samples, 1, *shape))
    y = (level >= np.cumsum(proba, axis=1)[:, :-1]).sum(axis=1)
    return Ellipses(
        images.astype(np.float32)[:, None], y.astype(np.int64), proba.astype(np.float32)
    )


def _check(n_samples, shape, n_classes, contrast):
    if n_samples < 1:
        raise InputError(f"n_samples must be at least 1, got {n_samples!r}.")
    if len(shape) != 2 or min(shape) < 16:
        raise InputError(
            f"shape must be (height, width) of at least 16 each, got {shape!r}."
        )
    if n_classes not in (2, 3):
        raise InputError(f"n_classes must be 2 or 3, got {n_classes!r}.")
    low, high = contrast
    if not 0 < low <= high <= 1:
        raise InputError(
            f"contrast must be (lowest, highest) within (0, 1], got {contrast!r}."
        )


def _contours(n_samples, shape, rng):
    """Depth inside the outer contour, and thickness of the wall, in pixels."""
    height, width = shape
    size = min(shape)

    def draw(low, high):
        return rng.uniform(low, high, (n_samples, 1, 1))

    long, short = size * draw(0.3, 0.42), size * draw(0.2, 0.3)
    angle, thickness = draw(-0.6, 0.6), short * draw(0.25, 0.45)
    row = np.arange(height)[:, None] - (height - 1) / 2 - size * draw(-0.08, 0.08)
    column = np.arange(width) - (width - 1) / 2 - size * draw(-0.08, 0.08)
    along = row * np.cos(angle) + column * np.sin(angle)
    across = column * np.cos(angle) - row * np.sin(angle)
    distance = np.hypot(along / long, across / short)
    return (1 - distance) * np.sqrt(long * short), thickness


def _pictures(depth, thickness, noise, contrast, blur, rng):
    """Brightness by class, blurred, fading with the row, times speckle."""
    n_samples, height, _ = depth.shape
    tissue, wall, cavity = LEVELS
    clean = np.where(depth < 0, tissue, np.where(depth < thickness, wall, cavity))
    share = rng.uniform(*contrast, (n_samples, 1, 1))
    clean = tissue + share * (clean - tissue)
    clean = gaussian_filter(clean, (0, blur, blur))
    clean = clean * np.linspace(1.1, 0.8, height)[:, None]
    speckle = gaussian_filter(rng.normal(size=depth.shape), (0, GRAIN, GRAIN))
    speckle = speckle / _spread(GRAIN)
    return np.clip(clean * (1 + noise * speckle), 0, 1)


def _spread(sigma):
    """Standard deviation of blurred white noise of two dimensions, far from borders."""
    line = np.zeros(33)
    line[16] = 1
    return (gaussian_filter1d(line, sigma) ** 2).sum()


def _probabilities(depth, thickness, ambiguity, n_classes):
    """How likely a pixel is outside, in the wall, in the cavity."""
    inside = _beyond(depth, ambiguity)
    if n_classes == 2:
        return np.stack([1 - inside, inside], axis=1)
    cavity = _beyond(depth - thickness, ambiguity)
    return np.stack([1 - inside, inside - cavity, cavity], axis=1)


def _beyond(depth, ambiguity):
    """Probability that a contour seen with this ambiguity lies outside of a pixel."""
    if ambiguity == 0:
        return (depth >= 0).astype(float)
    return ndtr(depth / ambiguity)
