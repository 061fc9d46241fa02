"""Is one model better than another on the same samples, or by chance."""

from typing import Any, NamedTuple

import numpy as np

from skuq._core._checks import check_option
from skuq._core._samples import THREADS_FROM
from skuq._core._threads import map_items
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics._resamples import Resampler, problem_of

ALTERNATIVES = ("two-sided", "less", "greater")


class PermutationTestResult(NamedTuple):
    """The difference of a metric of two models, and how likely one as large is.

    Parameters
    ----------
    difference : float
        Metric of the first model minus that of the second.
    p_value : float
        In (0, 1]; small values say that the models differ.
    """

    difference: float
    p_value: float


def permutation_test(
    metric: Any,
    y_true: Any,
    first: Any,
    second: Any,
    *,
    sample_weight: Any = None,
    alternative: str = "two-sided",
    n_resamples: int = 1000,
    groups: Any = None,
    random_state: Any = None,
    **params: Any,
) -> PermutationTestResult:
    """Test of whether a metric of two models differs on the same samples.

    Parameters
    ----------
    metric : callable
        A metric of `skuq.metrics` that has a statistic and returns a float.
    y_true : array-like of shape (n_samples, *spatial)
        True labels or values.
    first : array-like or tuple of array-like
        What the metric takes after `y_true`, from the first model: probabilities, or a
        tuple such as ``(y_pred, y_std)``.
    second : array-like or tuple of array-like
        The same from the second model.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, at least 0.
    alternative : {"two-sided", "less", "greater"}, default="two-sided"
        What a small p-value speaks for: a difference, or that the metric of the first
        model is smaller, or larger.
    n_resamples : int, default=1000
        Number of random exchanges.
    groups : array-like of shape (n_samples,), default=None
        Samples (rows or images) of equal value are exchanged together.
    random_state : int, numpy.random.Generator or None, default=None
        Seed of the exchanges.
    **params : dict
        Further keywords of the metric.

    Returns
    -------
    result : PermutationTestResult
        The tuple ``(difference, p_value)``.

    Raises
    ------
    skuq.exceptions.InputError
        If an argument is out of range or the metric has no statistic.

    See Also
    --------
    bootstrap_interval : How sure the metric of one model is.

    Notes
    -----
    If the models are equally good on every sample, their predictions may be exchanged
    sample by sample: the p-value is the share of random exchanges with a difference at
    least as large, the data themselves among them [1]_.  It is exact for models that
    are exchangeable, whatever the metric and its bias.

    References
    ----------
    .. [1] P. Good (2005). "Permutation, parametric and bootstrap tests of hypotheses".
       `doi:10.1007/b138696 <https://doi.org/10.1007/b138696>`_

    Examples
    --------
    >>> from skuq.datasets import make_logits
    >>> from skuq.calibration import TemperatureScaler
    >>> from skuq.metrics import expected_calibration_error, permutation_test
    >>> logits, y = make_logits(1000, n_classes=3, temperature=2.0, random_state=0)
    >>> scaler = TemperatureScaler(input="logit").fit(logits[:500], y[:500])
    >>> after = scaler.predict_proba(logits[500:])
    >>> scaler.temperature_ = 1.0
    >>> before = scaler.predict_proba(logits[500:])
    >>> result = permutation_test(
    ...     expected_calibration_error, y[500:], after, before, random_state=0
    ... )
    >>> result.difference < 0, result.p_value < 0.01
    (True, True)
    """
    check_option("alternative", alternative, ALTERNATIVES)
    if n_resamples < 1:
        raise InputError(f"n_resamples must be at least 1, got {n_resamples}.")
    one, two = (
        Resampler(_problem(metric, y_true, x, sample_weight, params), groups)
        for x in (first, second)
    )
    observed = one.estimate - two.estimate
    threads = one.n_units >= THREADS_FROM
    children = np.random.default_rng(random_state).spawn(n_resamples)
    drawn = map_items(lambda rng: _exchanged(one, two, rng), children, threads=threads)
    differences = np.array([*drawn, observed])
    # Exchanges that should give the same difference may round in another way.
    slack = 1e-12 * max(abs(one.estimate), abs(two.estimate), 1e-300)
    larger = _AT_LEAST[alternative](differences, observed, slack)
    return PermutationTestResult(float(observed), float(larger.mean()))


def _problem(metric: Any, y_true: Any, x: Any, weight: Any, params: Any) -> Any:
    problem = problem_of(
        metric, (y_true, *(x if isinstance(x, tuple) else (x,))), weight, params
    )
    if not hasattr(problem.metric, "statistic"):
        raise InputError(f"{metric!r} has no statistic: pass a metric of skuq.metrics.")
    return problem


def _exchanged(one: Resampler, two: Resampler, rng: np.random.Generator) -> float:
    """The difference with the predictions of random units exchanged."""
    keep = rng.integers(0, 2, one.n_units).astype(np.float64)
    values = [
        one.problem.compute(_joined(one, two, kept))[0] for kept in (keep, 1 - keep)
    ]
    return float(values[0] - values[1])


def _joined(one: Resampler, two: Resampler, keep: np.ndarray) -> Any:
    """The state of the first model on the units kept and of the second on others."""
    states = []
    for resampler, counts in ((one, keep), (two, 1 - keep)):
        try:
            states.append(resampler.state_of(counts))
        except NoSamplesError:  # all that counts is with the other model
            continue
    return states[0] if len(states) == 1 else states[0] + states[1]


_AT_LEAST = {
    "two-sided": lambda d, x, slack: np.abs(d) >= abs(x) - slack,
    "less": lambda d, x, slack: d <= x + slack,
    "greater": lambda d, x, slack: d >= x - slack,
}
