"""Scenes with a label for each pixel, from one file of arrays."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from skuq.datasets._predictions import arrays_of
from skuq.exceptions import InputError

VOID_NAMES = ("unlabelled", "unlabeled", "void", "ignore")


class Maps(NamedTuple):
    """Images with a label for each pixel, read from files.

    Parameters
    ----------
    images : ndarray of shape (n_samples, n_channels, height, width)
        In [0, 1], float32.
    y : ndarray of shape (n_samples, height, width)
        Labels, int64: 0..K-1 for the K entries of `classes`, and `ignore_index`.
    ignore_index : int or None
        Label of the pixels that belong to no class, to be passed on under this name;
        None if there are none.
    classes : tuple of str or None
        The names of the classes, void left out; None if the files do not say.
    names : tuple of str or None
        The names of the images; None if the file does not say.
    """

    images: np.ndarray
    y: np.ndarray
    ignore_index: int | None
    classes: tuple[str, ...] | None
    names: tuple[str, ...] | None


def load_maps(path):
    r"""Read images with label maps from an ``.npz`` file.

    Parameters
    ----------
    path : str or os.PathLike
        A file with the arrays ``images``, uint8 or floats in [0, 1] of shape
        `(n, height, width)` or `(n, height, width, channels)`, and ``labels``, integers
        of shape `(n, height, width)`; maybe with ``class_names`` and ``names`` (of the
        images).

    Returns
    -------
    maps : Maps
        The tuple ``(images, y, ignore_index, classes, names)``.

    Raises
    ------
    skuq.exceptions.InputError
        If the file does not exist or does not hold what is needed.

    See Also
    --------
    load_camvid : The same from folders of pictures.

    Notes
    -----
    A class named "Unlabelled", "Void" or "Ignore" is void: it gets the number behind
    those of all others, which is the `ignore_index`.  Nothing is unpickled.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from skuq.datasets import load_maps
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scenes.npz"
    >>> np.savez(path, images=np.full((2, 4, 5, 3), 255, np.uint8),
    ...          labels=np.full((2, 4, 5), 2), class_names=["Sky", "Road", "Void"])
    >>> maps = load_maps(path)
    >>> maps.images.shape, maps.ignore_index, maps.classes
    ((2, 3, 4, 5), 2, ('Sky', 'Road'))
    """
    path = Path(path)
    arrays = arrays_of(path)
    for name in ("images", "labels"):
        if name not in arrays:
            raise InputError(
                f"{path.name}: no array {name!r}; found {sorted(arrays)}, expected "
                "'images' and 'labels'."
            )
    images = channels_first(arrays["images"], path.name)
    names = arrays.get("names")
    return checked_maps(
        images, arrays["labels"], arrays.get("class_names"), names, path.name
    )


def channels_first(images, source):
    """Images with their channels last, or without any, as float32 in [0, 1]."""
    if images.ndim not in (3, 4):
        raise InputError(
            f"{source}: images have shape {images.shape}, expected (n, height, width) "
            "or (n, height, width, channels)."
        )
    images = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
    if images.dtype == np.uint8:
        images = images.astype(np.float32)
        images /= 255
        return images
    found = f"{images.dtype}"
    if images.dtype.kind == "f":
        low, high = images.min(), images.max()
        found = f"{found} from {low} to {high}"
    if images.dtype.kind != "f" or not (low >= 0 and high <= 1):
        raise InputError(
            f"{source}: images must be uint8, or floats in [0, 1], got {found}."
        )
    return np.ascontiguousarray(images, dtype=np.float32)


def checked_maps(images, y, class_names, names, source):
    """What was read as `Maps`, with void as the last label."""
    if y.shape != (len(images), *images.shape[2:]) or y.dtype.kind not in "iu":
        raise InputError(
            f"{source}: labels have shape {y.shape} and dtype {y.dtype}, expected "
            f"integers of shape {(len(images), *images.shape[2:])}."
        )
    if y.size == 0:
        raise InputError(f"{source}: there are no images.")
    classes = None if class_names is None else tuple(str(name) for name in class_names)
    if classes is not None and not 0 <= y.min() <= y.max() < len(classes):
        raise InputError(
            f"{source}: labels run from {y.min()} to {y.max()}, but there are "
            f"{len(classes)} names of classes."
        )
    names = None if names is None else tuple(str(name) for name in names)
    y, void, classes = _without_void(y.astype(np.int64), classes)
    return Maps(images, y, void, classes, names)


def _without_void(y, classes):
    """Labels with void behind all classes, its number, and the names of the others."""
    lowered = [name.lower() for name in classes or ()]
    void = next((k for k, name in enumerate(lowered) if name in VOID_NAMES), None)
    if void is None:
        return y, None, classes
    last = len(classes) - 1
    y = np.where(y == void, last, y - (y > void))
    return y, last, classes[:void] + classes[void + 1 :]
