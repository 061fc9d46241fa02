"""Laws that every regression metric with a statistic obeys, over the registry."""

import pickle
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from skuq._discovery import all_metrics
from skuq.exceptions import InputError, NoSamplesError
from skuq.metrics import Streaming
from skuq.metrics._streaming import data_names

NORMAL = ("y_true", "y_pred", "y_std")
MEMBERS = ("y_true", "members")
QUANTILES = ("y_true", "y_quantiles")
INTERVALS = ("y_true", "y_lower", "y_upper")
KINDS = (NORMAL, MEMBERS, QUANTILES, INTERVALS, ("y_std",))
METRICS = {
    name: metric
    for name, metric in all_metrics().items()
    if tuple(data_names(metric)) in KINDS
}
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
# Each metric once per set of options that changes what it computes; with the names of
# its data where they are not those that it takes by position.
VARIANTS = {
    "crps_ensemble": [{}, {"estimator": "fair"}],
    "crps_quantile": [{"quantile_levels": LEVELS}],
    "pinball_loss": [{"quantile_levels": LEVELS}],
    "interval_score_loss": [{}, {"alpha": 0.2}],
    "sharpness": [{}, {"average": "mean"}],
    "expected_normalized_calibration_error": [
        {},
        {"n_bins": 4},
        {"strategy": "uniform", "n_bins": 5},
    ],
    "uncertainty_calibration_error": [{}, {"strategy": "quantile", "n_bins": 4}],
    "quantile_calibration_error": [
        {},
        {"norm": "l2", "n_levels": 7},
        {"norm": "max", "levels": "interval"},
        {"levels_at": [0.0, 0.5, 0.9, 1.0], "levels": "interval"},
        (MEMBERS, {"n_levels": 12}),  # no level is one of the values k / 8
        (MEMBERS, {"n_levels": 8, "levels": "interval"}),
        (QUANTILES, {"quantile_levels": LEVELS}),
        (QUANTILES, {"quantile_levels": LEVELS, "levels": "interval", "norm": "l2"}),
    ],
}


def cases():
    for name, metric in METRICS.items():
        for i, variant in enumerate(VARIANTS.get(name, [{}])):
            names, options = (
                variant if isinstance(variant, tuple) else (data_names(metric), variant)
            )
            yield pytest.param(metric, tuple(names), options, id=f"{name}-{i}")


every_case = pytest.mark.parametrize(("metric", "names", "options"), list(cases()))
KEEPS_ALL = {"expected_normalized_calibration_error", "uncertainty_calibration_error"}
WIDTHS = {"interval_width_loss", "sharpness"}  # lower says only that less is left open
# What a metric is multiplied by when the unit of all data becomes a tenth.
UNITS = {
    "quantile_calibration_error": 1,
    "expected_normalized_calibration_error": 1,
    "interval_coverage_score": 1,
    "uncertainty_calibration_error": 100,
}


def draw(n, *, output=(), random_state=0, shift=0.0, spread=1.0):
    """Observed values and forecasts of every kind; some standard deviations tied.

    The forecasts are honest, unless they are moved by `shift` standard deviations or
    `spread` times too wide.
    """
    rng = np.random.default_rng(random_state)
    shape = (n, *output)
    mean, std = rng.normal(size=shape), np.round(rng.gamma(4, 0.3, shape), 1) + 0.1
    y = mean + std * rng.normal(size=shape)
    stated, wide = mean + shift * std, spread * std
    members = stated + wide * rng.normal(size=(8, *shape))
    z = norm.ppf(LEVELS).reshape((1, -1) + (1,) * len(output))
    quantiles = stated[:, None] + wide[:, None] * z
    return {
        "y_true": y,
        "y_pred": stated,
        "y_std": wide,
        "members": members,
        "y_quantiles": quantiles,
        "y_lower": quantiles[:, 0],
        "y_upper": quantiles[:, -1],
    }


def take(data, index):
    """Some samples of every array."""
    return {
        name: x[:, index] if name == "members" else x[index] for name, x in data.items()
    }


def pick(data, names):
    return {name: data[name] for name in names}


def update(stream, data, **keywords):
    """By position what the metric takes so, and the rest by name."""
    known = data_names(stream.metric)
    by_position = [x for name, x in data.items() if name in known]
    by_name = {name: x for name, x in data.items() if name not in known}
    return stream.update(*by_position, **by_name, **keywords)


@pytest.fixture(scope="module")
def problem():
    """A model that is biased and too sure."""
    return draw(300, shift=0.3, spread=0.7)


def test_all_regression_metrics_are_here():
    assert len(METRICS) >= 12


@every_case
def test_the_order_of_samples_does_not_matter(metric, names, options, problem, rng):
    data = pick(problem, names)
    shuffled = take(data, rng.permutation(300))
    assert metric(**shuffled, **options) == pytest.approx(
        metric(**data, **options), rel=1e-12
    )


@every_case
def test_lists_are_accepted(metric, names, options, problem):
    data = pick(problem, names)
    lists = {name: x.tolist() for name, x in data.items()}
    assert metric(**lists, **options) == metric(**data, **options)


@every_case
def test_a_weight_equals_repetition(metric, names, options, problem, rng):
    data, weight = pick(problem, names), rng.integers(0, 4, 300)
    repeated = take(data, np.repeat(np.arange(300), weight))
    assert metric(**data, sample_weight=weight, **options) == pytest.approx(
        metric(**repeated, **options), rel=1e-12
    )


@every_case
def test_a_sample_without_weight_has_no_influence(metric, names, options, problem):
    data = pick(problem, names)
    weight = np.arange(300) > 0
    wild = {name: x.copy() for name, x in data.items()}
    for x in take(wild, slice(1)).values():  # views of the first sample
        x[...] = 1e6
    assert metric(**wild, sample_weight=weight, **options) == pytest.approx(
        metric(**take(data, slice(1, None)), **options), rel=1e-12
    )


@every_case
def test_the_scale_of_weights_does_not_matter(metric, names, options, problem, rng):
    data, weight = pick(problem, names), rng.random(300)
    assert metric(**data, sample_weight=1000 * weight, **options) == pytest.approx(
        metric(**data, sample_weight=weight, **options), rel=1e-12
    )


@every_case
def test_array_libraries_agree(metric, names, options, problem, xp, rng):
    data, weight = pick(problem, names), rng.random(300)
    for dtype in ("float64", "float32"):
        ours = {name: x.astype(dtype) for name, x in data.items()}
        theirs = {name: xp.asarray(x) for name, x in ours.items()}
        assert metric(
            **theirs, sample_weight=xp.asarray(weight), **options
        ) == pytest.approx(metric(**ours, sample_weight=weight, **options), rel=1e-12)


@every_case
def test_libraries_may_be_mixed(metric, names, options, problem, xp):
    data = pick(problem, names)
    last = names[-1]
    mixed = {**data, last: xp.asarray(data[last])}
    assert metric(**mixed, **options) == pytest.approx(
        metric(**data, **options), rel=1e-12
    )


@every_case
def test_float32_is_close(metric, names, options):
    data = pick(draw(500, random_state=2), names)
    single = {name: x.astype(np.float32) for name, x in data.items()}
    assert metric(**single, **options) == pytest.approx(
        metric(**data, **options), rel=1e-5
    )


@every_case
def test_several_outputs_equal_their_flattened_values(metric, names, options, xp):
    data = pick(draw(20, output=(3, 5), random_state=3), names)
    flat = {}
    for name, x in data.items():
        if name == "members":
            flat[name] = x.reshape(8, -1)
        elif name == "y_quantiles":
            flat[name] = np.moveaxis(x, 1, -1).reshape(-1, len(LEVELS))
        else:
            flat[name] = x.ravel()
    value = metric(**flat, **options)
    arrays = {name: xp.asarray(x) for name, x in data.items()}
    assert metric(**arrays, **options) == pytest.approx(value, rel=1e-12)
    reversed_twice = {
        name: np.asfortranarray(x[::-1])[::-1] for name, x in data.items()
    }
    assert metric(**reversed_twice, **options) == pytest.approx(value, rel=1e-12)


@every_case
def test_weights_of_samples_and_of_values_agree(metric, names, options, rng):
    data = pick(draw(20, output=(3, 5), random_state=3), names)
    weight = rng.random(20)
    each = np.broadcast_to(weight[:, None, None], (20, 3, 5))
    assert metric(**data, sample_weight=weight, **options) == pytest.approx(
        metric(**data, sample_weight=each, **options), rel=1e-12
    )


@every_case
@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 299), min_size=1, max_size=6, unique=True))
def test_any_partition_streams_to_the_same_value(metric, names, options, problem, cuts):
    data = pick(problem, names)
    whole = metric(**data, **options)
    pieces = [
        take(data, slice(start, stop))
        for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 300], strict=True)
    ]
    parts = [update(Streaming(metric, **options), piece) for piece in pieces]
    assert reduce(add, parts).compute() == pytest.approx(whole, rel=1e-12)
    assert reduce(add, parts[::-1]).compute() == pytest.approx(whole, rel=1e-12)
    one = Streaming(metric, **options)
    for piece in pieces:
        update(one, piece)
    assert one.compute() == pytest.approx(whole, rel=1e-12)


@every_case
def test_many_blocks_equal_one(metric, names, options, monkeypatch):
    data = pick(draw(700, output=(2, 3)), names)
    whole = metric(**data, **options)
    monkeypatch.setattr("skuq.metrics._regression_inputs.HOST_BLOCK", 2)
    monkeypatch.setattr("skuq.metrics._regression_inputs.LEAST", 1)
    assert metric(**data, **options) == pytest.approx(whole, rel=1e-12)


@every_case
def test_streams_can_be_pickled_and_added(metric, names, options, problem):
    data = pick(problem, names)
    first = update(Streaming(metric, **options), take(data, slice(100)))
    second = update(Streaming(metric, **options), take(data, slice(100, None)))
    copy = pickle.loads(pickle.dumps(first))
    assert (copy + second).compute() == (first + second).compute()


@every_case
def test_the_state_is_as_small_as_the_docstring_says(metric, names, options, problem):
    data = pick(problem, names)
    small = update(Streaming(metric, **options), take(data, slice(20)))
    large = update(Streaming(metric, **options), data)
    sizes = [len(pickle.dumps(stream.state)) for stream in (small, large)]
    if metric.__name__ in KEEPS_ALL:
        assert "Keeps all samples." in metric.__doc__
        assert sizes[1] > 5 * sizes[0]
    else:
        assert "Streams\n    exactly." in metric.__doc__ or (
            "Streams exactly." in metric.__doc__
        )
        assert abs(sizes[1] - sizes[0]) < 16  # bytes by which pickled floats differ


@every_case
def test_a_single_sample_has_a_finite_value(metric, names, options, problem):
    value = metric(**take(pick(problem, names), slice(1)), **options)
    assert -np.inf < value < np.inf


@every_case
def test_only_the_unit_of_the_data_changes_the_value(metric, names, options, problem):
    data = pick(problem, names)
    scaled = {name: 10 * x for name, x in data.items()}
    value = metric(**data, **options)
    if metric.__name__ == "gaussian_log_loss":
        expected = value + np.log(10)
    else:
        expected = UNITS.get(metric.__name__, 10) * value
    assert metric(**scaled, **options) == pytest.approx(expected, rel=1e-9)
    moved = {name: x + (name != "y_std") * 5.0 for name, x in data.items()}
    assert metric(**moved, **options) == pytest.approx(value, rel=1e-9)


@every_case
def test_mirrored_data_have_the_same_value(metric, names, options, problem):
    data = pick(problem, names)
    mirrored = {name: x if name == "y_std" else -x for name, x in data.items()}
    if "y_lower" in names:
        lower, upper = mirrored["y_upper"], mirrored["y_lower"]
        mirrored.update(y_lower=lower, y_upper=upper)
    if "y_quantiles" in names:
        mirrored["y_quantiles"] = mirrored["y_quantiles"][:, ::-1]
    assert metric(**mirrored, **options) == pytest.approx(
        metric(**data, **options), rel=1e-9
    )


@every_case
def test_a_biased_or_too_sure_model_is_worse(metric, names, options):
    honest = draw(2000)
    for wrong in (draw(2000, shift=2.0), draw(2000, spread=0.2)):
        best, worse = (
            metric(**pick(data, names), **options) for data in (honest, wrong)
        )
        if metric.__name__ in WIDTHS:
            assert worse == pytest.approx(best) or worse < best
        elif metric.__name__ == "interval_coverage_score":
            assert worse < best
        else:
            assert worse > best


@every_case
def test_returns_a_python_float(metric, names, options, problem):
    assert type(metric(**pick(problem, names), **options)) is float


@every_case
def test_leaves_inputs_and_the_global_generator_alone(metric, names, options, problem):
    data = {name: problem[name].copy() for name in names}
    data["sample_weight"] = np.linspace(0, 1, 300)
    copies = {name: x.copy() for name, x in data.items()}
    for array in data.values():
        array.flags.writeable = False
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (that is the point)
    metric(**data, **options)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    for name, copy in copies.items():
        assert np.array_equal(data[name], copy)


@every_case
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_get_a_clear_error(
    metric, names, options, problem, value
):
    for name in names:
        data = {key: problem[key].copy() for key in names}
        data[name][-1] = value
        what = "NaN" if np.isnan(value) else "infinity"
        with pytest.raises(InputError, match=f"{name} contains {what}"):
            metric(**data, **options)


@every_case
def test_unusable_shapes_get_a_clear_error(metric, names, options, problem):
    data = pick(problem, names)
    with pytest.raises(NoSamplesError, match="empty"):
        metric(**take(data, slice(0)), **options)
    scalars = dict.fromkeys(names, 1.0)
    with pytest.raises(InputError, match="at least one dimension"):
        metric(**scalars, **options)
    for name in names[1:]:
        longer = {**data, name: take(data, slice(299))[name]}
        with pytest.raises(InputError, match=f"{name} has shape .* needs"):
            metric(**longer, **options)
        column = {**data, name: data[name][..., None]}
        with pytest.raises(InputError, match=f"{name} has shape .* needs"):
            metric(**column, **options)
    with pytest.raises(ValueError, match="must be numbers"):
        metric(**{**data, names[-1]: np.full(data[names[-1]].shape, "a")}, **options)


@every_case
@pytest.mark.parametrize("weight", [[-1, 1], [np.nan, 1], [0, 0], [1, 1, 1]])
def test_unusable_weights_get_a_clear_error(metric, names, options, problem, weight):
    data = take(pick(problem, names), slice(2))
    with pytest.raises(InputError, match="sample_weight"):
        metric(**data, sample_weight=weight, **options)
