"""Scenes with a label for each pixel, from folders of pictures as CamVid has them."""

import csv
import re
from pathlib import Path

import numpy as np

from skuq._core._optional import require
from skuq.datasets._maps import channels_first, checked_maps
from skuq.exceptions import InputError

LABEL_FOLDERS = ("{}annot", "{}_labels", "labels")
NAME_FILES = ("class_dict.csv", "label_colors.txt")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def load_camvid(folder, split="train", *, size=None, class_names=None):
    """Read a folder of pictures and the label maps beside it.

    Parameters
    ----------
    folder : str or os.PathLike
        Holds the folder of pictures, that of their label maps, and maybe
        ``class_dict.csv`` or ``label_colors.txt`` with the names of the classes and
        their colours.
    split : str, default="train"
        Name of the folder of pictures, such as "train" or "images".  Label maps lie in
        the first of ``<split>annot``, ``<split>_labels`` and ``labels`` that exists,
        under the name of their picture, or that with ``_L`` behind it.
    size : tuple of int, default=None
        Height and width to shrink to: pictures by the mean of an area, labels without
        mixing.  None keeps the size, which must then be the same for all.
    class_names : sequence of str, default=None
        Names of the labels 0, 1, ...; None takes those of the folder, if there are any.

    Returns
    -------
    maps : Maps
        The tuple ``(images, y, ignore_index, classes, names)``, in the order of the
        names of the pictures.

    Raises
    ------
    skuq.exceptions.InputError
        For folders or label maps that are missing, sizes that differ, colours that no
        class has.
    skuq.exceptions.MissingDependencyError
        If pillow is not installed.

    See Also
    --------
    load_maps : The same from one file of arrays.

    Notes
    -----
    Label maps of one channel, grey or with a palette, hold the labels themselves; those
    of three channels hold the colours of ``class_dict.csv`` (rows of name, red, green,
    blue, below a header) or ``label_colors.txt`` (lines of red, green, blue, name).
    A class named "Unlabelled", "Void" or "Ignore" is void: it gets the number behind
    those of all others, which is the `ignore_index`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from skuq.datasets import load_camvid
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name, mode, value in ("train", "RGB", (255, 0, 0)), ("trainannot", "L", 1):
    ...     (folder / name).mkdir()
    ...     Image.new(mode, (6, 4), value).save(folder / name / "0001.png")
    >>> maps = load_camvid(folder, class_names=["Sky", "Void"])
    >>> maps.images.shape, maps.y.shape, maps.ignore_index, maps.names
    ((1, 3, 4, 6), (1, 4, 6), 1, ('0001',))
    """
    image = require("PIL.Image", caller="load_camvid")
    folder = Path(folder)
    pairs = _pairs(folder, split)
    names, colors = _classes(folder)
    names = names if class_names is None else class_names
    images, labels = [], []
    for picture, annotation in pairs:
        images.append(_picture(image, picture, size))
        labels.append(_labels(image, annotation, size, colors))
        if images[-1].shape[:2] != images[0].shape[:2]:
            raise InputError(
                f"{picture.name} has {images[-1].shape[:2]} pixels and "
                f"{pairs[0][0].name} {images[0].shape[:2]}: pass size=(height, width)."
            )
        if labels[-1].shape != images[-1].shape[:2]:
            raise InputError(
                f"{annotation.name} has {labels[-1].shape} pixels and its picture "
                f"{images[-1].shape[:2]}: pass size=(height, width)."
            )
    x = channels_first(np.stack(images), folder.name)
    stems = [picture.stem for picture, _ in pairs]
    return checked_maps(x, np.stack(labels), names, stems, folder.name)


def _pairs(folder, split):
    """Each picture with its label map."""
    pictures = folder / split
    candidates = [folder / name.format(split) for name in LABEL_FOLDERS]
    annotations = next((path for path in candidates if path.is_dir()), None)
    if not pictures.is_dir() or annotations is None:
        raise InputError(
            f"{folder} must hold the folder {split!r} and one of "
            f"{[path.name for path in candidates]}; it holds {_held(folder)}."
        )
    found = {path.stem: path for path in annotations.iterdir() if _is_picture(path)}
    pairs = []
    for path in sorted(filter(_is_picture, pictures.iterdir())):
        annotation = found.get(path.stem) or found.get(f"{path.stem}_L")
        if annotation is None:
            raise InputError(f"{path.name} has no label map in {annotations}.")
        pairs.append((path, annotation))
    if not pairs:
        raise InputError(f"{pictures} holds no pictures ({', '.join(PICTURES)}).")
    return pairs


def _held(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else "none"


def _is_picture(path):
    return path.suffix.lower() in PICTURES


def _picture(image, path, size):
    with image.open(path) as picture:
        picture = picture.convert("RGB")
        if size is not None:
            picture = picture.resize(size[::-1], image.Resampling.BOX)
        return np.asarray(picture)


def _labels(image, path, size, colors):
    with image.open(path) as picture:
        if size is not None:
            picture = picture.resize(size[::-1], image.Resampling.NEAREST)
        values = np.asarray(picture)
    return values if values.ndim == 2 else _decoded(values[..., :3], colors, path)


def _decoded(rgb, colors, path):
    """The number of the class of each colour."""
    if colors is None:
        raise InputError(
            f"{path.name} holds colours: put {' or '.join(NAME_FILES)} into the "
            "folder, with the colour of each class, or store labels in one channel."
        )
    code = _color_code(rgb)
    known = _color_code(colors)
    order = np.argsort(known)
    index = np.searchsorted(known[order], code).clip(max=len(known) - 1)
    wrong = known[order][index] != code
    if wrong.any():
        raise InputError(
            f"{path.name} holds the colour {rgb[wrong][0].tolist()}, which no class "
            f"has: add it to the file of the colours, {' or '.join(NAME_FILES)}."
        )
    return order[index]


def _color_code(rgb):
    return np.asarray(rgb).astype(np.int64) @ (65536, 256, 1)


def _classes(folder):
    """Names and colours of the classes, where a file of the folder says them."""
    path = next((folder / n for n in NAME_FILES if (folder / n).is_file()), None)
    if path is None:
        return None, None
    text = path.read_text("utf-8-sig")
    if path.suffix == ".csv":
        rows = [(row[0], row[1:4]) for row in list(csv.reader(text.splitlines()))[1:]]
    else:
        lines = [
            re.split(r"\s+", line.strip(), maxsplit=3) for line in text.split("\n")
        ]
        rows = [(line[3], line[:3]) for line in lines if len(line) == 4]
    try:
        colors = np.array([[int(part) for part in color] for _, color in rows])
    except ValueError as error:
        raise InputError(f"{path.name}: colours must be integers ({error}).") from error
    if colors.ndim != 2 or colors.shape[1] != 3:
        raise InputError(f"{path.name} must hold a name and three numbers in each row.")
    return [name.strip() for name, _ in rows], colors
