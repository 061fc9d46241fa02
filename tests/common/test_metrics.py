"""Laws that every metric with a statistic obeys, over the registry."""

import pickle
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skuq._discovery import all_metrics
from skuq.datasets import make_logits
from skuq.exceptions import InputError, StateMismatchError
from skuq.metrics import Streaming
from skuq.metrics._streaming import data_names

METRICS = {
    name: metric
    for name, metric in all_metrics().items()
    if data_names(metric) == ["y_true", "y_proba"]
}
# Each metric once per set of options that changes what it computes.
VARIANTS = {
    "expected_calibration_error": [
        {},
        {"norm": "l2", "n_bins": 7},
        {"norm": "max", "closed": "left"},
        {"kind": "classwise"},
        {"kind": "classwise", "class_average": "prevalence"},
        {"kind": "classwise", "class_average": "pooled", "norm": "l2"},
        {"strategy": "quantile", "n_bins": 5},
        {"kind": "classwise", "strategy": "quantile", "n_bins": 4},
        {"convention": "torchmetrics"},
        {"convention": "netcal"},
        {"convention": "mapie"},
    ],
    "maximum_calibration_error": [{}, {"kind": "classwise"}],
    "log_loss": [{}, {"eps": 0.0}],
    "brier_score_loss": [{}, {"scale_by_half": True}],
    "classwise_calibration_error": [{}, {"strategy": "quantile", "n_bins": 4}],
    "top_label_calibration_error": [{}, {"strategy": "quantile", "n_bins": 4}],
    "average_calibration_error": [{}, {"kind": "classwise"}, {"strategy": "quantile"}],
    "thresholded_adaptive_calibration_error": [{}, {"threshold": 0.1, "n_bins": 5}],
    "smooth_calibration_error": [{}, {"kind": "classwise"}, {"bandwidth": 0.05}],
    "maximum_mean_calibration_error": [{}, {"kind": "classwise", "bandwidth": 0.1}],
    "cumulative_calibration_error": [
        {},
        {"kind": "classwise"},
        {"statistic": "range"},
    ],
    "cumulative_calibration_test": [{}, {"statistic": "range"}],
    "kernel_calibration_error": [
        {"bandwidth": 0.3},
        {"estimator": "biased", "kernel": "gaussian", "bandwidth": 0.5},
    ],
    "area_under_risk_coverage_error": [{}, {"risk": "generalized"}, {"excess": True}],
    "coverage_at_risk_score": [{}, {"max_risk": 0.4}],
    "risk_at_coverage_error": [{}, {"coverage": 0.35}],
    "spiegelhalter_test": [{"kind": "top-label"}],
    "calibration_slope_intercept": [{"kind": "top-label"}],
    "score_decomposition": [
        {"kind": "classwise"},
        {"kind": "top-label", "score": "log"},
        {"kind": "classwise", "method": "bins"},
    ],
}
VARIANTS["expected_calibration_error"] += [
    {"debias": True},
    {"debias": True, "norm": "l2-squared", "kind": "classwise"},
    {"n_bins": "sweep"},
    {"n_bins": "sweep", "kind": "classwise", "strategy": "uniform"},
    {"part": "under-confidence"},
    {"kind": "predicted-class", "class_average": "weight"},
]
CASES = [
    pytest.param(metric, options, id=f"{name}-{i}")
    for name, metric in METRICS.items()
    for i, options in enumerate(VARIANTS.get(name, [{}]))
]
PROPER = ["log_loss", "brier_score_loss"]
HIGHER_IS_BETTER = {"accuracy_score", "coverage_at_risk_score"}
every_case = pytest.mark.parametrize(("metric", "options"), CASES)
TESTS = ("cumulative_calibration_test", "spiegelhalter_test")
MORE_THAN_A_NUMBER = (
    *TESTS,
    "calibration_slope_intercept",
    "error_detection_scores",
    "score_decomposition",
)


def tells_a_repeated_sample_from_a_weight(name, options):
    """A repeated sample is one more sample, a weight of two is not: for what looks at
    the number of samples, this law and that of the scale of weights exclude each other.
    """
    unbiased = name == "kernel_calibration_error" and "estimator" not in options
    return unbiased or options.get("debias", False) or name in TESTS


def counts_weights_as_samples(name, options):
    """Standard errors do, and the mean over samples that are kept one by one."""
    steps = name == "area_under_risk_coverage_error" and "risk" not in options
    return steps or name == "calibration_slope_intercept"


def knows_an_order_of_classes(name, options):
    """A permutation of columns is another problem."""
    return name == "ranked_probability_score_loss"


def needs_several_samples(name, options):
    """It has no value for one sample."""
    unbiased = name == "kernel_calibration_error" and "estimator" not in options
    several = ("calibration_slope_intercept", "error_detection_scores")
    return unbiased or name in several


def gives_more_than_a_number(name, options):
    """Its best value is tested in its own file."""
    return name in MORE_THAN_A_NUMBER


def looks_at_the_order_only(name, options):
    """Any ranking is perfect where all predictions are right."""
    return name in ("area_under_risk_coverage_error", "risk_at_coverage_error")


def cases_but(*exceptions):
    """Cases that no exception is about."""
    kept = [
        case
        for case in CASES
        if not any(e(case.values[0].__name__, case.values[1]) for e in exceptions)
    ]
    return pytest.mark.parametrize(("metric", "options"), kept)


def numbers(value):
    """All numbers of a float, a named tuple or a dict."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, tuple) else [value]


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def problem():
    """Labels and over-confident probabilities of four classes, some scores tied."""
    logits, y = make_logits(300, n_classes=4, random_state=0)
    return y, softmax(np.round(logits, 1))


@every_case
def test_the_order_of_samples_does_not_matter(metric, options, problem, rng):
    y, p = problem
    order = rng.permutation(len(y))
    assert metric(y[order], p[order], **options) == pytest.approx(
        metric(y, p, **options), rel=1e-12
    )


@every_case
def test_names_of_the_labels_do_not_matter(metric, options, problem):
    y, p = problem
    value = metric(y, p, **options)
    for names in ([-1, 3, 5, 10], ["a", "b", "c", "d"], [0.0, 1.0, 2.0, 7.0]):
        renamed = np.array(names)[y]
        assert metric(renamed, p, **options) == value
        assert metric(renamed.tolist(), p.tolist(), **options) == value


@every_case
def test_labels_name_the_columns_of_a_fold_that_misses_a_class(
    metric, options, problem
):
    y, p = problem
    kept = y != 2
    y, p = y[kept], p[kept]
    names = np.array(["a", "b", "c", "d"])
    named = metric(names[y], p, labels=names, **options)
    assert named == metric(y, p, **options)
    with pytest.raises(InputError, match="labels="):
        metric(names[y], p, **options)


@cases_but(knows_an_order_of_classes)
def test_a_permutation_of_named_columns_does_not_matter(metric, options):
    logits, y = make_logits(200, n_classes=4, random_state=1)  # no ties
    p, names = softmax(logits), np.array(["a", "b", "c", "d"])
    order = [2, 0, 3, 1]
    assert metric(names[y], p[:, order], labels=names[order], **options) == (
        pytest.approx(metric(names[y], p, labels=names, **options), rel=1e-12)
    )


@cases_but(tells_a_repeated_sample_from_a_weight)
def test_a_weight_equals_repetition(metric, options, problem, rng):
    y, p = problem
    weight = rng.integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weight)
    assert metric(y, p, sample_weight=weight, **options) == pytest.approx(
        metric(y[repeated], p[repeated], **options), rel=1e-12
    )


@cases_but(counts_weights_as_samples)
def test_the_scale_of_weights_does_not_matter(metric, options, problem, rng):
    y, p = problem
    weight = rng.random(len(y))
    assert metric(y, p, sample_weight=1000 * weight, **options) == pytest.approx(
        metric(y, p, sample_weight=weight, **options), rel=1e-12
    )


@every_case
def test_array_libraries_agree(metric, options, problem, xp):
    y, p = problem
    value = metric(y, p, **options)
    assert metric(xp.asarray(y), xp.asarray(p), **options) == pytest.approx(
        value, rel=1e-12
    )
    single = metric(xp.asarray(y), xp.asarray(p, dtype="float32"), **options)
    assert single == metric(y, p.astype(np.float32), **options) or single == (
        pytest.approx(metric(y, p.astype(np.float32), **options), rel=1e-6)
    )


@every_case
def test_float32_is_close(metric, options):
    logits, y = make_logits(500, n_classes=4, random_state=2)
    p = softmax(logits)
    assert metric(y, p.astype(np.float32), **options) == pytest.approx(
        metric(y, p, **options), abs=1e-5
    )


@every_case
def test_maps_equal_their_pixels_in_a_table(metric, options, xp):
    logits, y = make_logits(6, n_classes=4, spatial=(5, 7), random_state=3)
    p = softmax(logits)
    table = np.moveaxis(p, 1, -1).reshape(-1, 4)
    flat = metric(y.ravel(), table, **options)
    assert metric(xp.asarray(y), xp.asarray(p), **options) == pytest.approx(
        flat, rel=1e-12
    )
    channels_last = np.ascontiguousarray(np.moveaxis(p, 1, -1))
    view = np.moveaxis(channels_last, -1, 1)  # not contiguous
    assert metric(y, view, **options) == pytest.approx(flat, rel=1e-12)


@every_case
def test_void_positions_do_not_count(metric, options, xp, rng):
    logits, y = make_logits(6, n_classes=4, spatial=(5, 7), random_state=3)
    p, void = softmax(logits), rng.random(y.shape) < 0.3
    table = np.moveaxis(p, 1, -1)[~void]
    kept = metric(y[~void], table, **options)
    marked = np.where(void, 255, y)
    assert metric(
        xp.asarray(marked), xp.asarray(p), ignore_index=255, **options
    ) == pytest.approx(kept, rel=1e-12)
    with pytest.raises(InputError, match="ignore_index"):
        metric(np.full(y.shape, 255), p, ignore_index=255, **options)


@every_case
def test_weights_of_images_and_of_pixels_agree(metric, options, rng):
    logits, y = make_logits(6, n_classes=4, spatial=(5, 7), random_state=3)
    p, weight = softmax(logits), rng.random(6)
    pixels = np.broadcast_to(weight[:, None, None], y.shape)
    assert metric(y, p, sample_weight=weight, **options) == pytest.approx(
        metric(y, p, sample_weight=pixels, **options), rel=1e-12
    )


@every_case
@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 299), min_size=1, max_size=6, unique=True))
def test_any_partition_streams_to_the_same_value(metric, options, problem, cuts):
    y, p = problem
    whole = metric(y, p, **options)
    parts = [
        Streaming(metric, **options).update(y_part, p_part)
        for y_part, p_part in zip(
            np.split(y, sorted(cuts)), np.split(p, sorted(cuts)), strict=True
        )
    ]
    assert reduce(add, parts).compute() == pytest.approx(whole, rel=1e-12)
    assert reduce(add, parts[::-1]).compute() == pytest.approx(whole, rel=1e-12)
    one = Streaming(metric, **options)
    for y_part, p_part in zip(
        np.split(y, sorted(cuts)), np.split(p, sorted(cuts)), strict=True
    ):
        one.update(y_part, p_part)
    assert one.compute() == pytest.approx(whole, rel=1e-12)


@every_case
def test_streams_can_be_pickled_and_added(metric, options, problem):
    y, p = problem
    first = Streaming(metric, **options).update(y[:100], p[:100])
    second = Streaming(metric, **options).update(y[100:], p[100:])
    copy = pickle.loads(pickle.dumps(first))
    assert (copy + second).compute() == (first + second).compute()


@cases_but(needs_several_samples)
def test_a_single_sample_has_a_value_in_range(metric, options):
    value = metric([1], [[0.2, 0.3, 0.4, 0.1]], **options)
    assert np.isfinite(numbers(value)).all()
    if isinstance(value, float):
        assert value >= 0


@cases_but(gives_more_than_a_number, looks_at_the_order_only)
def test_a_perfect_prediction_is_best(metric, options):
    y = np.arange(40) % 4
    best = metric(y, np.eye(4)[y], **options)
    worse = metric(y, 0.6 * np.eye(4)[y] + 0.1, **options)
    if metric.__name__ in HIGHER_IS_BETTER:
        assert best == 1
        assert worse <= best
    else:
        assert best == pytest.approx(0, abs=1e-15)
        assert worse > best


@every_case
def test_returns_python_floats(metric, options, problem):
    value = metric(*problem, **options)
    for number in numbers(value):
        assert type(number) is float


@every_case
def test_leaves_inputs_and_the_global_generator_alone(metric, options, problem):
    y, p = problem[0].copy(), problem[1].copy()
    weight = np.linspace(0, 1, len(y))
    copies = y.copy(), p.copy(), weight.copy()
    for array in (y, p, weight):
        array.flags.writeable = False
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (that is the point)
    metric(y, p, sample_weight=weight, **options)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    for array, copy in zip((y, p, weight), copies, strict=True):
        assert np.array_equal(array, copy)


@every_case
@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([], np.empty((0, 4)), "empty"),
        ([0], [[np.nan, 0.5, 0.3, 0.2]], "NaN"),
        ([0], [[3.0, -1.0, 0.5, 0.0]], r"probabilities"),
        ([4], [[0.2, 0.3, 0.4, 0.1]], "labels"),
        ([0, 1], [[0.2, 0.3, 0.4, 0.1]], "shape"),
        ([[1, 0, 0, 0]], [[0.2, 0.3, 0.4, 0.1]], "one-hot"),
        ([0.5], [[0.2, 0.3, 0.4, 0.1]], "continuous"),
        ([np.nan], [[0.2, 0.3, 0.4, 0.1]], "NaN"),
    ],
    ids=[
        "empty",
        "nan",
        "logits",
        "unknown-label",
        "length",
        "one-hot",
        "continuous",
        "nan-label",
    ],
)
def test_unusable_input_gets_a_clear_error(metric, options, y, p, message):
    with pytest.raises(InputError, match=message):
        metric(y, p, **options)


@every_case
@pytest.mark.parametrize("weight", [[-1, 1], [np.nan, 1], [0, 0], [1, 1, 1]])
def test_unusable_weights_get_a_clear_error(metric, options, weight):
    p = [[0.2, 0.3, 0.4, 0.1], [0.7, 0.1, 0.1, 0.1]]
    with pytest.raises(InputError, match="sample_weight"):
        metric([0, 1], p, sample_weight=weight, **options)


@every_case
def test_states_of_different_settings_do_not_add(metric, options, problem):
    stream = Streaming(metric, **options).update(*problem)
    other = Streaming(metric, **options, ignore_index=255).update(*problem)
    with pytest.raises(StateMismatchError):
        stream + other


@pytest.mark.parametrize("name", PROPER)
def test_proper_scores_are_lowest_at_the_true_probabilities(name, rng):
    metric, truth = METRICS[name], np.array([0.5, 0.3, 0.2])
    # All outcomes at once, weighted by their true probabilities: an exact expectation.
    y = np.arange(3)

    def expected(forecast):
        return metric(y, np.tile(forecast, (3, 1)), sample_weight=truth)

    best = expected(truth)
    for forecast in rng.dirichlet(np.ones(3), size=100):
        assert expected(forecast) > best


def test_a_metric_that_is_no_stream_is_refused():
    with pytest.raises(InputError, match="no statistic"):
        Streaming(len)
    with pytest.raises(InputError, match="does not take"):
        Streaming(METRICS["log_loss"], n_bins=3)
    with pytest.raises(InputError, match="update"):
        Streaming(METRICS["log_loss"]).compute()
