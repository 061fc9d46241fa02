"""Scores with a known truth."""

import numpy as np

from skuq.exceptions import InputError


def make_logits(
    n_samples=1000,
    n_classes=10,
    *,
    spatial=(),
    temperature=2.0,
    scale=3.0,
    random_state=None,
):
    """Draw logits of a classifier whose calibrating temperature is known.

    Logits z are normal and each label is drawn from ``softmax(z / T)``, which is
    therefore calibrated in every sense, while ``softmax(z)`` is over-confident for
    T > 1 and under-confident for T < 1.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of samples.
    n_classes : int, default=10
        Number of classes, at least 2.
    spatial : tuple of int, default=()
        Spatial shape: ``(height, width)`` makes maps.
    temperature : float, default=2.0
        T > 0, the temperature that calibrates.
    scale : float, default=3.0
        Standard deviation of the logits, in nats.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the draws; None draws anew each time.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes, *spatial)
        Scores, float64.
    y : ndarray of shape (n_samples, *spatial)
        Labels 0..n_classes-1.

    Raises
    ------
    skuq.exceptions.InputError
        If there are fewer than two classes, or `temperature` is not above 0.

    See Also
    --------
    skuq.calibration.TemperatureScaler : Finds the temperature again.

    Notes
    -----
    Labels are drawn by the Gumbel maximum: ``argmax(z / T + g)`` with standard Gumbel
    noise g has the distribution ``softmax(z / T)``.

    Examples
    --------
    >>> from skuq.datasets import make_logits
    >>> logits, y = make_logits(4, n_classes=3, spatial=(2, 2), random_state=0)
    >>> logits.shape, y.shape
    ((4, 3, 2, 2), (4, 2, 2))
    """
    if n_classes < 2:
        raise InputError(f"n_classes must be at least 2, got {n_classes}.")
    if not temperature > 0:
        raise InputError(f"temperature must be above 0, got {temperature}.")
    rng = np.random.default_rng(random_state)
    shape = (n_samples, n_classes, *spatial)
    logits = rng.normal(scale=scale, size=shape)
    y = np.argmax(logits / temperature + rng.gumbel(size=shape), axis=1)
    return logits, y
