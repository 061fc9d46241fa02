"""A comparison holds each metric of each prediction, with its interval."""

import functools

import numpy as np
import pytest
from scipy.special import softmax

from skuq.datasets import make_logits
from skuq.evaluation import Comparison, compare_predictions
from skuq.exceptions import InputError
from skuq.metrics import (
    accuracy_score,
    bootstrap_interval,
    brier_score_loss,
    expected_calibration_error,
    log_loss,
)

DEFAULTS = {
    "accuracy": accuracy_score,
    "log loss": log_loss,
    "Brier score": brier_score_loss,
    "ECE": expected_calibration_error,
}


@pytest.fixture
def problem():
    """Labels, and probabilities before and after calibration."""
    z, y = make_logits(300, 3, temperature=2.5, random_state=0)
    return y, {"before": softmax(z, axis=1), "after": softmax(z / 2.5, axis=1)}


def compare(problem, **options):
    return compare_predictions(
        *problem, **({"n_resamples": 30, "random_state": 0} | options)
    )


def test_rows_and_columns_come_in_the_given_order(problem):
    comparison = compare(problem)
    assert isinstance(comparison, Comparison)
    assert list(comparison.rows) == ["before", "after"]
    for row in comparison.rows.values():
        assert list(row) == list(DEFAULTS)
    assert comparison.n_samples == 300
    assert comparison.confidence_level == 0.95


def test_each_cell_is_the_bootstrap_interval_of_its_metric(problem):
    comparison = compare(problem, confidence_level=0.8)
    y, probas = problem
    for row, proba in probas.items():
        for column, metric in DEFAULTS.items():
            expected = bootstrap_interval(
                metric, y, proba, n_resamples=30, confidence_level=0.8, random_state=0
            )
            assert comparison.rows[row][column] == expected
    assert comparison.confidence_level == 0.8


def test_estimates_are_the_metrics_and_lie_in_their_intervals(problem):
    comparison = compare(problem)
    y, probas = problem
    for row, proba in probas.items():
        for column, metric in DEFAULTS.items():
            interval = comparison.rows[row][column]
            assert interval.estimate == metric(y, proba)
            assert interval.low <= interval.estimate <= interval.high
            assert interval.low < interval.high


def test_calibration_changes_losses_and_not_the_accuracy(problem):
    before, after = compare(problem).rows.values()
    assert before["accuracy"] == after["accuracy"]
    for column in ("log loss", "Brier score", "ECE"):
        assert after[column].estimate < before[column].estimate


def test_a_seed_gives_the_same_table_and_another_seed_another(problem):
    assert compare(problem, random_state=1) == compare(problem, random_state=1)
    one, two = compare(problem, random_state=1), compare(problem, random_state=2)
    cells = [(r, c) for r in one.rows for c in one.rows[r]]
    assert len(cells) == 8
    for row, column in cells:
        assert one.rows[row][column] != two.rows[row][column]
        assert one.rows[row][column].estimate == two.rows[row][column].estimate


def test_equal_predictions_get_equal_rows(problem):
    # One seed means the same resamples in every cell.
    y, probas = problem
    rows = compare((y, {"a": probas["before"], "b": probas["before"]})).rows
    assert rows["a"] == rows["b"]


def test_the_metrics_can_be_chosen(problem):
    metrics = {
        "loss": log_loss,
        "cw-ECE": functools.partial(expected_calibration_error, kind="classwise"),
    }
    comparison = compare(problem, metrics=metrics)
    y, probas = problem
    for row, proba in probas.items():
        cells = comparison.rows[row]
        assert list(cells) == ["loss", "cw-ECE"]
        assert cells["loss"].estimate == log_loss(y, proba)
        expected = expected_calibration_error(y, proba, kind="classwise")
        assert cells["cw-ECE"].estimate == expected


def test_labels_name_the_columns(problem):
    y, probas = problem
    names = np.array(["eel", "cat", "dog"])  # not sorted
    named = compare((names[y], probas), labels=names)
    assert named == compare(problem)
    assert named != compare((names[y], probas))


def test_labels_keep_the_column_of_a_class_that_does_not_occur(problem):
    y, probas = problem
    some = y != 1
    few = {name: proba[some] for name, proba in probas.items()}
    names = np.array(["cat", "dog", "eel"])
    comparison = compare((names[y[some]], few), labels=names)
    expected = log_loss(y[some], few["after"], labels=[0, 1, 2])
    assert comparison.rows["after"]["log loss"].estimate == expected


def test_void_pixels_do_not_count():
    z, y = make_logits(12, 3, spatial=(6, 5), random_state=0)
    proba, void = softmax(z, axis=1), np.random.default_rng(0).random(y.shape) < 0.3
    comparison = compare((np.where(void, 255, y), {"net": proba}), ignore_index=255)
    assert comparison.n_samples == 12
    flat = np.moveaxis(proba, 1, -1)[~void]
    for column, metric in DEFAULTS.items():
        interval = comparison.rows["net"][column]
        assert interval.estimate == pytest.approx(metric(y[~void], flat), rel=1e-12)


def test_lists_are_accepted(problem):
    y, probas = problem
    lists = {name: proba.tolist() for name, proba in probas.items()}
    assert compare((y.tolist(), lists)) == compare(problem)


def test_predictions_of_other_samples_are_refused(problem):
    y, probas = problem
    with pytest.raises(InputError, match="inconsistent numbers of samples"):
        compare((y[:-1], probas))


def test_a_comparison_of_nothing_is_refused(problem):
    with pytest.raises(InputError, match="probas"):
        compare((problem[0], {}))


def test_a_wrong_level_is_refused(problem):
    with pytest.raises(InputError, match="confidence_level"):
        compare(problem, confidence_level=95)
