"""Predictions that a user has saved: one file with scores and labels."""

import csv
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skuq._core._optional import require
from skuq.exceptions import InputError

LABEL_NAMES = ("y_true", "labels", "label", "target", "y")
PROBA_NAMES = ("y_proba", "probabilities", "probability", "probs", "proba", "prob", "p")
LOGIT_NAMES = ("logits", "logit", "z")
SCORE_NAMES = ("scores", "score")
SUFFIXES = (".npz", ".csv", ".parquet")


class Predictions(NamedTuple):
    """Scores with labels, read from a file.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes, *spatial) or (n_samples,)
        Probabilities or logits.
    y : ndarray of shape (n_samples, *spatial)
        True labels.
    kind : {"auto", "logit", "proba"}
        What the file says the scores are; "auto" if it does not.
    classes : ndarray of shape (n_classes,) or None
        The label of each column, where the file names them.
    """

    scores: np.ndarray
    y: np.ndarray
    kind: str
    classes: np.ndarray | None


def load_predictions(path):
    r"""Read scores and labels from a ``.npz``, ``.csv`` or ``.parquet`` file.

    Parameters
    ----------
    path : str or os.PathLike
        An ``.npz`` file holds an array of labels named ``y_true``, ``labels``,
        ``label``, ``target`` or ``y``, and one array of scores: probabilities named
        ``y_proba``, ``probs``, ``proba`` or alike, logits named ``logits``, or
        ``scores``.  A table (``.csv`` with a header, ``.parquet``) holds a column of
        labels of one of those names, and one numeric column per class; columns named
        ``proba_cat`` or ``logit_cat`` tell their kind and class.

    Returns
    -------
    predictions : Predictions
        The tuple ``(scores, y, kind, classes)``.

    Raises
    ------
    skuq.exceptions.InputError
        If the file does not exist or does not hold what is needed; the message says
        what was found.

    Notes
    -----
    Nothing is unpickled.  Parquet needs pandas and pyarrow.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skuq.datasets import load_predictions
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "mine.csv"
    >>> _ = path.write_text("label,proba_cat,proba_dog\ncat,0.9,0.1\ndog,0.3,0.7\n")
    >>> predictions = load_predictions(path)
    >>> predictions.kind, predictions.classes.tolist(), predictions.scores.shape
    ('proba', ['cat', 'dog'], (2, 2))
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path.name}: unknown file type {path.suffix!r}, expected one of "
            f"{', '.join(SUFFIXES)}."
        )
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    read = _from_arrays if path.suffix == ".npz" else _from_table
    predictions = read(path)
    if predictions.scores.ndim == 0 or predictions.y.ndim == 0:
        raise InputError(f"{path.name}: scores and labels must be arrays, not numbers.")
    n_scores, n_labels = len(predictions.scores), len(predictions.y)
    if n_scores != n_labels:
        raise InputError(
            f"{path.name}: {n_scores} rows of scores but {n_labels} labels."
        )
    if n_labels == 0:
        raise InputError(f"{path.name}: the file holds no samples.")
    return predictions


def arrays_of(path):
    """The arrays of an ``.npz`` file by name; nothing is unpickled."""
    try:
        with zipfile.ZipFile(path):  # np.load would take a single .npy array, too
            pass
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file.") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path.name}: cannot be read as an .npz file of plain arrays ({error})."
        ) from error


def _from_arrays(path):
    arrays = arrays_of(path)
    label = _only(path, arrays, LABEL_NAMES, "labels")
    kinds = [("proba", PROBA_NAMES), ("logit", LOGIT_NAMES), ("auto", SCORE_NAMES)]
    known = {name: kind for kind, names in kinds for name in names}
    score = _only(path, arrays, tuple(known), "scores")
    if arrays[score].dtype.kind not in "fiub":
        raise InputError(
            f"{path.name}: scores must be numbers, {score!r} has dtype "
            f"{arrays[score].dtype}."
        )
    y = arrays[label]
    if y.ndim == 2 and y.shape[1] == 1 and arrays[score].ndim < 3:
        y = y[:, 0]
    return Predictions(arrays[score], y, known[score], None)


def _only(path, found, names, what):
    """The one name of `names` that is in `found`."""
    hits = [name for name in names if name in found]
    if len(hits) == 1:
        return hits[0]
    problem = f"several arrays of {what}: {hits}" if hits else f"no array of {what}"
    raise InputError(
        f"{path.name}: {problem}. Found {sorted(found)}; expected exactly one of "
        f"{', '.join(names)}."
    )


def _from_table(path):
    names, columns = (_read_csv if path.suffix == ".csv" else _read_parquet)(path)
    hits = [name for name in names if name in LABEL_NAMES]
    if len(hits) != 1:
        raise InputError(
            f"{path.name}: expected one column of labels named one of "
            f"{', '.join(LABEL_NAMES)}, found {hits or 'none'} among {names}."
        )
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path.name}: the columns {repeated} occur more than once.")
    y = _labels_of(path, columns[hits[0]])
    score_names = [name for name in names if name != hits[0]]
    if not score_names:
        raise InputError(f"{path.name}: there are labels but no columns of scores.")
    scores = np.stack(
        [_as_numbers(path, name, columns[name]) for name in score_names], axis=1
    )
    kind, class_names = _kind_of(path, score_names)
    if scores.shape[1] == 1:
        return Predictions(scores[:, 0], y, kind, None)
    return Predictions(scores, y, kind, _classes_of(class_names, y))


def _read_csv(path):
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path.name}: cannot be read as CSV ({error}).") from error
    if not rows:
        raise InputError(f"{path.name}: the file is empty.")
    names = [name.strip() for name in rows[0][1]]
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise InputError(
                f"{path.name}: line {number} has {len(row)} fields, the header "
                f"{len(names)}."
            )
    columns = {n: [r[i].strip() for _, r in rows[1:]] for i, n in enumerate(names)}
    return names, columns


def _read_parquet(path):
    pandas = require("pandas", caller="load_predictions", extra="report")
    require("pyarrow", caller="load_predictions", extra="report")
    try:
        frame = pandas.read_parquet(path)
    except (ValueError, OSError) as error:
        message = f"{path.name}: cannot be read as parquet ({error})."
        raise InputError(message) from error
    names = [str(name) for name in frame.columns]
    return names, {name: frame[name].tolist() for name in names}


def _as_numbers(path, name, values):
    numbers = np.empty(len(values))
    for i, value in enumerate(values):
        try:
            numbers[i] = float(value)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path.name}: column {name!r}, row {i + 1} of the data is {value!r}, "
                "not a number. Scores must be numeric; drop other columns."
            ) from error
    return numbers


def _labels_of(path, values):
    """Labels as integers where all of them are numbers, none missing."""
    for i, value in enumerate(values):
        if value is None or value == "" or value != value:
            raise InputError(
                f"{path.name}: row {i + 1} of the data has no label: drop such rows."
            )
    return _numbers_if_possible(values)


def _numbers_if_possible(values):
    """Labels as integers where all of them are, else as they are."""
    try:
        numbers = np.array([float(value) for value in values])
    except (TypeError, ValueError):
        return np.array(values)
    whole = np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()
    return numbers.astype(np.int64) if whole else numbers


def _kind_of(path, names):
    """The kind that prefixes such as ``proba_`` tell, and the names without them."""
    kinds, stripped = set(), []
    for name in names:
        kind, rest = _kind_of_column(name)
        kinds.add(kind)
        stripped.append(rest)
    if len(kinds) > 1:
        raise InputError(
            f"{path.name}: the columns {names} mix kinds of scores: name all of them "
            "proba_*, or all logit_*, and drop the others."
        )
    return kinds.pop(), stripped


def _kind_of_column(name):
    """The kind that the name of one column tells, and the class it names."""
    for kind, prefixes in (("proba", PROBA_NAMES), ("logit", LOGIT_NAMES)):
        for prefix in prefixes:
            if name == prefix:
                return kind, name
            if name.startswith(f"{prefix}_") and len(name) > len(prefix) + 1:
                return kind, name[len(prefix) + 1 :]
    return "auto", name


def _classes_of(names, y):
    """Column names as class labels, if the labels are among them."""
    classes = np.array(names) if y.dtype.kind == "U" else _numbers_if_possible(names)
    if classes.dtype.kind == y.dtype.kind and set(y.tolist()) <= set(classes.tolist()):
        return classes
    return None
