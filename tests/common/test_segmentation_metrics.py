"""Laws of every metric of labels with an uncertainty per pixel, over the registry."""

import pickle
from functools import reduce
from inspect import signature
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skuq._discovery import all_metrics
from skuq.exceptions import InputError, StateMismatchError
from skuq.metrics import Streaming
from skuq.metrics._streaming import data_names

METRICS = {
    name: metric
    for name, metric in all_metrics().items()
    if data_names(metric) == ["y_true", "y_pred", "uncertainty"]
    and "mask" in metric.aligned
}
# Each metric once per set of options that changes what it computes.
AVERAGES = [{"average": name} for name in ("image", "pooled", "error")]
VARIANTS = {
    "uncertainty_error_overlap": [
        *AVERAGES,
        *({"threshold": "best", **average} for average in AVERAGES),
    ],
    "error_recall_score": AVERAGES,
    "error_precision_score": AVERAGES,
    "corrected_dice_score": [
        {},
        {"average": "pooled"},
        {"correction": "add"},
    ],
    "correction_benefit": [{}, {"correction": "add", "threshold": 0.3}],
}
CASES = [
    pytest.param(metric, options, id=f"{name}-{i}")
    for name, metric in METRICS.items()
    for i, options in enumerate(VARIANTS.get(name, [{}]))
]
every_case = pytest.mark.parametrize(("metric", "options"), CASES)
N_IMAGES = 7


@pytest.fixture(scope="module")
def maps():
    """Labels of three classes and an uncertainty that knows something, with ties."""
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 3, (N_IMAGES, 6, 8))
    wrong = rng.random(y_true.shape) < np.linspace(0, 0.5, N_IMAGES)[:, None, None]
    uncertainty = np.round(0.3 * wrong + 0.7 * rng.random(y_true.shape), 2)
    return y_true, np.where(wrong, (y_true + 1) % 3, y_true), uncertainty


@pytest.fixture(scope="module")
def mask(maps):
    """Some pixels, and none of one image."""
    chosen = np.random.default_rng(1).random(maps[0].shape) < 0.7
    chosen[2] = False
    return chosen


def test_the_registry_holds_the_metrics_of_segmentation():
    assert set(VARIANTS) <= set(METRICS)


@every_case
def test_the_order_of_images_does_not_matter(metric, options, maps, rng):
    order = rng.permutation(N_IMAGES)
    assert metric(*(x[order] for x in maps), **options) == pytest.approx(
        metric(*maps, **options), rel=1e-12
    )


@every_case
def test_the_order_of_pixels_does_not_matter(metric, options, maps, rng):
    rows = [x.reshape(N_IMAGES, -1) for x in maps]
    order = rng.permuted(np.tile(np.arange(48), (N_IMAGES, 1)), axis=1)
    moved = [np.take_along_axis(x, order, axis=1) for x in rows]
    assert metric(*moved, **options) == pytest.approx(
        metric(*maps, **options), rel=1e-12
    )


@every_case
def test_the_shape_of_images_does_not_matter(metric, options, maps):
    expected = metric(*maps, **options)
    for shape in [(N_IMAGES, -1), (N_IMAGES, 2, 3, 4, 2), (N_IMAGES, 48, 1)]:
        assert metric(*(x.reshape(shape) for x in maps), **options) == expected
    views = [np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0) for x in maps]
    assert metric(*views, **options) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "options"), [case for case in CASES if "pooled" in str(case.values)]
)
def test_pooled_pixels_may_come_as_a_table(metric, options, maps):
    table = [x.reshape(-1) for x in maps]
    assert metric(*table, **options) == pytest.approx(
        metric(*maps, **options), rel=1e-12
    )


@every_case
@pytest.mark.parametrize("size", [7, 48, 100])
def test_windows_of_any_size_give_the_same(
    metric, options, maps, mask, size, xp, monkeypatch
):
    weight = np.array([1, 0, 2, 1, 0.5, 1, 1])
    parts = {"mask": mask, "sample_weight": weight, "ignore_index": 2, **options}
    expected = metric(*maps, **parts)
    monkeypatch.setattr("skuq._core._blocks.HOST_BLOCK", size)
    monkeypatch.setattr("skuq._core._blocks.LEAST", 1)
    assert metric(*map(xp.asarray, maps), **parts) == pytest.approx(expected, rel=1e-12)


@every_case
def test_names_of_the_labels_do_not_matter(metric, options, maps):
    y_true, y_pred, u = maps
    expected = metric(*maps, **options)
    for names in (["a", "b", "c"], [5, -1, 300], [0.0, 2.0, 1.0]):
        renamed = np.array(names)
        if "positive" in signature(metric).parameters:
            options = {**options, "positive": names[1]}
        data = renamed[y_true], renamed[y_pred], u
        assert metric(*data, **options) == expected
        assert metric(*(x.tolist() for x in data), **options) == expected


@every_case
def test_a_weight_equals_repetition(metric, options, maps, rng):
    weight = np.array([0, 1, 2, 3, 0, 1, 2])
    repeated = [np.repeat(x, weight, axis=0) for x in maps]
    assert metric(*maps, sample_weight=weight, **options) == pytest.approx(
        metric(*repeated, **options), rel=1e-12
    )


@every_case
def test_the_scale_of_weights_does_not_matter(metric, options, maps, rng):
    weight = rng.random(N_IMAGES)
    assert metric(*maps, sample_weight=1000 * weight, **options) == pytest.approx(
        metric(*maps, sample_weight=weight, **options), rel=1e-12
    )


@every_case
def test_pixels_outside_the_mask_do_not_matter(metric, options, maps, mask, rng):
    y_true, y_pred, u = maps
    expected = metric(*maps, mask=mask, **options)
    other = (
        np.where(mask, y_true, rng.integers(0, 3, u.shape)),
        np.where(mask, y_pred, 1),
        np.where(mask, u, np.nan),
    )
    assert metric(*other, mask=mask, **options) == expected
    void = np.where(mask, y_true, 9)
    assert metric(void, y_pred, u, ignore_index=9, **options) == expected
    both = np.random.default_rng(2).random(u.shape) < 0.5
    void = np.where(mask | both, y_true, 9)
    assert metric(
        void, y_pred, u, ignore_index=9, mask=mask | ~both, **options
    ) == pytest.approx(expected, rel=1e-12)


@every_case
def test_array_libraries_agree(metric, options, maps, mask, xp):
    expected = metric(*maps, mask=mask, **options)
    data = [xp.asarray(x) for x in maps]
    got = metric(*data, mask=xp.asarray(mask), **options)
    assert got == pytest.approx(expected, rel=1e-12)
    # Labels may also come from another library than the uncertainty.
    assert metric(*maps[:2], data[2], mask=mask, **options) == got
    assert metric(*data[:2], maps[2], mask=mask, **options) == got
    single = xp.asarray(maps[2], dtype="float32")
    assert metric(*data[:2], single, **options) == pytest.approx(
        metric(*maps[:2], maps[2].astype(np.float32), **options), rel=1e-12
    )


@every_case
def test_float32_is_the_same(metric, options, maps):
    # Thresholds are compared in the precision of the uncertainty: 0.5 stays 0.5.
    single = maps[2].astype(np.float32)
    assert metric(*maps[:2], single, **options) == metric(*maps, **options)


def streamed(metric, options, parts):
    streams = []
    for *data, weight, mask in parts:
        stream = Streaming(metric, **options)
        streams.append(stream.update(*data, sample_weight=weight, mask=mask))
    return streams


@every_case
@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, N_IMAGES - 1), min_size=1, max_size=4, unique=True))
def test_any_partition_of_images_streams_to_the_same_value(
    metric, options, maps, mask, cuts
):
    weight = np.linspace(0.5, 2, N_IMAGES)
    whole = metric(*maps, sample_weight=weight, mask=mask, **options)
    pieces = [np.split(x, sorted(cuts)) for x in (*maps, weight, mask)]
    streams = streamed(metric, options, zip(*pieces, strict=True))
    assert reduce(add, streams).compute() == pytest.approx(whole, rel=1e-12)
    assert reduce(add, streams[::-1]).compute() == pytest.approx(whole, rel=1e-12)
    one = Streaming(metric, **options)
    for *data, w, m in zip(*pieces, strict=True):
        one.update(*data, sample_weight=w, mask=m)
    assert one.compute() == pytest.approx(whole, rel=1e-12)


@every_case
def test_a_stream_keeps_its_own_copy(metric, options, maps):
    data = [x.copy() for x in maps]
    stream = Streaming(metric, **options).update(*data)
    for x in data:
        x[...] = 0
    assert stream.compute() == metric(*maps, **options)


@every_case
def test_a_state_is_small(metric, options, maps):
    y_true, y_pred, u = (np.tile(x, (1, 10, 10)) for x in maps)
    labels = y_true.astype(np.uint8), y_pred.astype(np.uint8)
    state = Streaming(metric, **options).update(*labels, u).state
    size = len(pickle.dumps(state))
    if options.get("threshold") == "best":
        assert size < sum(x.nbytes for x in (*labels, u))
    else:
        assert size < 1000 + 80 * N_IMAGES


@every_case
def test_streams_can_be_pickled_and_added(metric, options, maps):
    first = Streaming(metric, **options).update(*(x[:3] for x in maps))
    second = Streaming(metric, **options).update(*(x[3:] for x in maps))
    copy = pickle.loads(pickle.dumps(first))
    assert (copy + second).compute() == (first + second).compute()


@every_case
def test_streams_of_different_settings_do_not_add(metric, options, maps):
    stream = Streaming(metric, **options).update(*maps)
    other = Streaming(metric, **{**options, "threshold": 0.25}).update(*maps)
    with pytest.raises(StateMismatchError):
        stream + other


@every_case
def test_it_is_a_python_float_in_range(metric, options, maps):
    for i in range(N_IMAGES):
        value = metric(*(x[i : i + 1] for x in maps), **options)
        assert type(value) is float
        assert 0 <= value <= 1 + 1e-15


@every_case
def test_inputs_and_the_global_generator_are_left_alone(metric, options, maps, mask):
    weight = np.linspace(0, 1, N_IMAGES)
    arrays = [x.copy() for x in (*maps, weight, mask)]
    copies = [x.copy() for x in arrays]
    for array in arrays:
        array.flags.writeable = False
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (that is the point)
    *data, w, m = arrays
    metric(*data, sample_weight=w, mask=m, **options)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    for array, copy in zip(arrays, copies, strict=True):
        assert np.array_equal(array, copy)


LABELS = [[0, 1]]


@every_case
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (([], [], []), "empty"),
        ((0, 0, 0.5), "scalar"),
        ((LABELS, LABELS, [[0.5, np.nan]]), "nan.*finite"),
        ((LABELS, LABELS, [[0.5, np.inf]]), "inf.*finite"),
        ((LABELS, LABELS, [0.5, 0.5]), r"uncertainty \(2,\): all need one shape"),
        ((LABELS, [[[0.5, 0.5], [0.5, 0.5]]], [[0.5, 0.5]]), "argmax"),
        ((LABELS, [[0.3, 0.9]], [[0.5, 0.5]]), "y_pred holds numbers such as"),
        (([[np.nan, 0]], LABELS, [[0.5, 0.5]]), "y_true holds numbers such as"),
        ((LABELS, [["a", "b"]], [[0.5, 0.5]]), "y_pred holds text"),
    ],
    ids=[
        "empty",
        "scalar",
        "nan",
        "infinity",
        "shape",
        "probabilities",
        "continuous",
        "nan-label",
        "text",
    ],
)
def test_unusable_input_gets_a_clear_error(metric, options, data, message):
    with pytest.raises(InputError, match=message):
        metric(*data, **options)


@every_case
@pytest.mark.parametrize(
    "weight", [[-1, 1], [np.nan, 1], [0, 0], [1, 1, 1], [[1, 1], [1, 1]]]
)
def test_unusable_weights_get_a_clear_error(metric, options, weight):
    y = [[0, 1], [1, 1]]
    with pytest.raises(InputError, match="sample_weight"):
        metric(y, y, [[0.1, 0.2], [0.3, 0.4]], sample_weight=weight, **options)


@every_case
@pytest.mark.parametrize("wrong", [[[1, 0]], [True, False], [[0.0, 1.0]]])
def test_an_unusable_mask_gets_a_clear_error(metric, options, wrong):
    with pytest.raises(InputError, match="mask has shape"):
        metric(LABELS, LABELS, [[0.1, 0.2]], mask=np.array(wrong), **options)


@every_case
def test_nothing_left_is_a_clear_error(metric, options, maps):
    with pytest.raises(InputError, match="no pixel counts"):
        metric(*maps, mask=np.zeros(maps[0].shape, dtype=bool), **options)
    with pytest.raises(InputError, match="ignore_index"):
        metric(np.full(maps[0].shape, 255), *maps[1:], ignore_index=255, **options)
