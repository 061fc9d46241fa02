"""Metrics of several predictions of the same samples, with intervals."""

from dataclasses import dataclass

from skuq.exceptions import InputError
from skuq.metrics import (
    Interval,
    accuracy_score,
    bootstrap_interval,
    brier_score_loss,
    expected_calibration_error,
    log_loss,
)

DEFAULT_METRICS = {
    "accuracy": accuracy_score,
    "log loss": log_loss,
    "Brier score": brier_score_loss,
    "ECE": expected_calibration_error,
}


@dataclass(frozen=True)
class Comparison:
    """A table of metrics with intervals.

    Parameters
    ----------
    rows : dict of str to dict of str to Interval
        For each prediction, its metrics by name.
    confidence_level : float
        Coverage of the intervals, a fraction.
    n_samples : int
        Number of samples.
    """

    rows: dict[str, dict[str, Interval]]
    confidence_level: float
    n_samples: int


def compare_predictions(
    y_true,
    probas,
    *,
    metrics=None,
    labels=None,
    ignore_index=None,
    n_resamples=1000,
    confidence_level=0.95,
    random_state=None,
):
    """Score several predictions of the same samples, with bootstrap intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, *spatial)
        True labels.
    probas : dict of str to array-like of shape (n_samples, n_classes, *spatial)
        Probabilities, by the name of their row.
    metrics : dict of str to callable, default=None
        Metrics by the name of their column; None takes accuracy, log loss, Brier score
        and expected calibration error.
    labels : array-like of shape (n_classes,), default=None
        The label of each column.
    ignore_index : int or str, default=None
        Label of positions that do not count.
    n_resamples : int, default=1000
        Bootstrap resamples of the samples.
    confidence_level : float in (0, 1), default=0.95
        Coverage of the intervals, a fraction.
    random_state : int or None, default=None
        Seed of the resampling; an int gives every cell the same resamples.

    Returns
    -------
    comparison : Comparison
        The table.

    Raises
    ------
    skuq.exceptions.InputError
        If probabilities or labels cannot be used.

    See Also
    --------
    skuq.report.text_table : The table as text.

    Examples
    --------
    >>> from skuq.datasets import make_logits
    >>> from skuq.calibration import TemperatureScaler
    >>> from skuq.evaluation import compare_predictions
    >>> logits, y = make_logits(500, n_classes=3, random_state=0)
    >>> scaler = TemperatureScaler().fit(logits[:250], y[:250])
    >>> comparison = compare_predictions(
    ...     y[250:],
    ...     {"calibrated": scaler.predict_proba(logits[250:])},
    ...     n_resamples=100,
    ...     random_state=0,
    ... )
    >>> sorted(comparison.rows["calibrated"])
    ['Brier score', 'ECE', 'accuracy', 'log loss']
    """
    if not probas:
        raise InputError("probas is empty: pass at least one named prediction.")
    metrics = DEFAULT_METRICS if metrics is None else metrics
    rows = {
        name: {
            column: bootstrap_interval(
                metric,
                y_true,
                proba,
                labels=labels,
                ignore_index=ignore_index,
                n_resamples=n_resamples,
                confidence_level=confidence_level,
                random_state=random_state,
            )
            for column, metric in metrics.items()
        }
        for name, proba in probas.items()
    }
    return Comparison(rows, confidence_level, len(y_true))
