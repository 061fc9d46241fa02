"""What is stated and what comes true, read from a table of probabilities."""

from typing import NamedTuple

import numpy as np

from skuq._core._arrays import Array, array_namespace, device, pick
from skuq._core._blocks import Block, ScoreTable, Window
from skuq._core._checks import check_confidence, check_proba, check_range
from skuq._core._links import both_rows
from skuq._core._ranking import MOST_OF_A_TIE, is_table, top_of_rows
from skuq.exceptions import InputError

# Scores and rows per window where each row of a table gives a number or two: little is
# held of a row, and each operation takes milliseconds.
WHOLE_ROWS = 2**22
MOST_ROWS = 2**18


class Outcomes(NamedTuple):
    """Stated probabilities and what came true.

    score, outcome: `(n_rows, m)`, float and bool; weight: `(m,)` or None.  With
    `row` `(m,)`, a single line of scores belongs to rows of these numbers.
    """

    score: Array
    outcome: Array
    weight: Array | None
    row: Array | None = None


def has_rows(table: ScoreTable) -> bool:
    """Whether a table can be read by rows as they lie in memory, all of which count."""
    return is_table(table.scores) and table.void is None


def row_count(table: ScoreTable, kind: str) -> int:
    """Number of binning problems of a kind."""
    return table.n_classes if kind in ("classwise", "predicted-class") else 1


def proba_block(table: ScoreTable, window: Window) -> Block:
    """The block of `window` as checked probabilities, two rows or more."""
    scores, codes, weight = table.block(window)
    scores = both_rows(scores, "proba")
    if scores.shape[1]:
        check_proba(scores, array_namespace(scores).sum(scores, axis=0))
    return Block(scores, codes, weight)


def proba_of_truth(table: ScoreTable, window: Window) -> tuple[Array, Array | None]:
    """The probability of the true class of each position that counts, and its weight.

    The rows of a table are checked as they lie in memory, in half of the time.
    """
    if has_rows(table):
        _, truth, weight = rows_and_truth(table, window)
        return truth, weight
    scores, codes, weight = proba_block(table, window)
    return pick(scores, codes), weight


def rows_and_truth(
    table: ScoreTable, window: Window
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Checked rows of a table that `has_rows`, their true entries, and weights."""
    rows = table.scores[window.samples, :]
    codes, weight = table.targets(window)
    n, k = rows.shape
    check_proba(rows, rows @ np.ones(k, rows.dtype))
    place = np.arange(0, n * k, k)
    place += codes
    return rows, rows.reshape(-1).take(place), weight


def _top_label(table: ScoreTable, window: Window) -> Outcomes:
    """The largest probability, and whether its class (the first on ties) is true."""
    if has_rows(table):
        rows = table.scores[window.samples, :]
        codes, weight = table.targets(window)
        top, right = top_of_rows(rows, codes)
        return Outcomes(top[None, :], right[None, :], weight)
    scores, codes, weight = table.block(window)
    scores = both_rows(scores, "proba")
    xp = array_namespace(scores)
    if scores.shape[1] == 0:
        return Outcomes(scores[:1, :], codes[None, :] == 0, weight)
    top = xp.max(scores, axis=0)
    check_confidence(top, xp.sum(scores, axis=0), scores)
    right = is_first_top(scores, codes, top)
    return Outcomes(top[None, :], right[None, :], weight)


def is_first_top(scores: Array, codes: Array, top: Array) -> Array:
    """Whether the true class is the first of those with the largest probability."""
    xp = array_namespace(scores)
    right = pick(scores, codes) == top
    doubtful = right & (top <= MOST_OF_A_TIE)
    if bool(xp.any(doubtful)):  # argmax is slow, so for these alone
        tied = xp.take(scores, xp.nonzero(doubtful)[0], axis=1)
        right[doubtful] = xp.argmax(tied, axis=0) == codes[doubtful]
    return right


def _positive(table: ScoreTable, window: Window) -> Outcomes:
    """The probability of the second of two classes, and whether it is true."""
    scores, codes, weight = table.block(window)
    if table.n_columns > 2:
        raise InputError(
            f"kind='positive' is for two classes, got {table.n_columns} columns: use "
            "kind='top-label' or kind='classwise'."
        )
    if scores.shape[1]:
        check_range(scores)
    return Outcomes(scores[-1:, :], (codes == 1)[None, :], weight)


def _classwise(table: ScoreTable, window: Window) -> Outcomes:
    """Every probability, and whether its class is true."""
    scores, codes, weight = proba_block(table, window)
    xp = array_namespace(codes)
    classes = xp.arange(scores.shape[0], dtype=xp.int64, device=device(codes))
    return Outcomes(scores, codes[None, :] == classes[:, None], weight)


def _predicted_class(table: ScoreTable, window: Window) -> Outcomes:
    """As `_top_label`, in the row of the predicted class."""
    scores, codes, weight = proba_block(table, window)
    xp = array_namespace(scores)
    row = xp.argmax(scores, axis=0)
    top = pick(scores, row)
    return Outcomes(top[None, :], (row == codes)[None, :], weight, row)


READERS = {
    "top-label": _top_label,
    "positive": _positive,
    "classwise": _classwise,
    "predicted-class": _predicted_class,
}
