"""A comparison as text: every number in its place, and every column aligned."""

import re

import pytest
from scipy.special import softmax

from skuq.datasets import make_logits
from skuq.evaluation import Comparison, compare_predictions
from skuq.metrics import Interval
from skuq.report import text_table


def comparison(rows, *, level=0.95, n=100):
    return Comparison(rows, confidence_level=level, n_samples=n)


@pytest.fixture
def text():
    """Lines of a table with short and long names, and short and long numbers."""
    rows = {
        "a": {
            "ECE": Interval(0.1, 0.05, 0.15),
            "a metric with a long name": Interval(1, 2, 3),
        },
        "a model with a name longer than the corner of the table": {
            "ECE": Interval(123.4, -1.5, 1e6),
            "a metric with a long name": Interval(0, 0, 0),
        },
    }
    return text_table(comparison(rows)).split("\n")


def test_one_line_for_the_header_and_one_per_prediction(text):
    assert len(text) == 3
    assert text[1].startswith("a ")
    assert text[2].startswith("a model with a name longer than the corner of the table")


def test_cells_hold_estimate_and_interval_to_four_decimals(text):
    assert "0.1000 [0.0500, 0.1500]" in text[1]
    assert "1.0000 [2.0000, 3.0000]" in text[1]
    assert "123.4000 [-1.5000, 1000000.0000]" in text[2]


def test_columns_begin_one_below_the_other(text):
    for name, cells in [
        ("ECE", ["0.1000 [", "123.4000 ["]),
        ("a metric with a long name", ["1.0000 [", "0.0000 ["]),
    ]:
        start = text[0].index(name)
        assert [line.index(c) for line, c in zip(text[1:], cells, strict=True)] == [
            start,
            start,
        ]


def test_columns_are_kept_apart_by_two_blanks(text):
    for line in text:
        assert len(re.split(r" {2,}", line)) == 3


def test_no_line_ends_with_a_blank(text):
    for line in text:
        assert line == line.rstrip()


def test_the_corner_tells_samples_and_level():
    rows = {"a": {"ECE": Interval(0.1, 0.05, 0.15)}}
    header = text_table(comparison(rows, level=0.995, n=1234)).split("\n")[0]
    assert header.startswith("1234 samples, 99.5 % intervals")


def test_numbers_are_rounded_to_nearest():
    text = text_table(comparison({"a": {"x": Interval(0.12346, 0.12344, 0.99999)}}))
    assert "0.1235 [0.1234, 1.0000]" in text


def test_columns_follow_the_first_row():
    one, two = Interval(1, 1, 1), Interval(2, 2, 2)
    rows = {"a": {"x": one, "y": two}, "b": {"y": two, "x": one}}
    _, a, b = text_table(comparison(rows)).split("\n")
    assert a.split("  ")[-2:] == b.split("  ")[-2:]


def test_a_table_of_real_predictions_shows_their_numbers():
    z, y = make_logits(200, 3, temperature=2.0, random_state=0)
    table = compare_predictions(
        y,
        {"raw": softmax(z, axis=1), "calibrated": softmax(z / 2, axis=1)},
        n_resamples=10,
        random_state=0,
    )
    lines = text_table(table).split("\n")
    assert re.split(r" {2,}", lines[0])[1:] == [
        "accuracy",
        "log loss",
        "Brier score",
        "ECE",
    ]
    for line, (name, cells) in zip(lines[1:], table.rows.items(), strict=True):
        shown = re.split(r" {2,}", line)
        assert shown[0] == name
        assert shown[1:] == [
            f"{c.estimate:.4f} [{c.low:.4f}, {c.high:.4f}]" for c in cells.values()
        ]
