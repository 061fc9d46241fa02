"""Laws that every display obeys, over the registry."""

import dataclasses
import pickle
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from skuq import displays, metrics
from skuq._discovery import all_displays
from skuq.exceptions import InputError, NoSamplesError

DISPLAYS = all_displays()
# The data of from_predictions, by the fixture that holds them, and its options.
DATA = {
    "ConfidenceHistogramDisplay": ("classified", {}),
    "FailurePredictionDisplay": ("classified", {}),
    "PredictionIntervalDisplay": ("intervals", {}),
    "RegressionCalibrationDisplay": ("predicted", {}),
    "ReliabilityDisplay": ("classified", {}),
    "RiskCoverageDisplay": ("classified", {}),
    "SparsificationDisplay": ("predicted", {}),
    "UncertaintyMapDisplay": ("segmented", {}),
}
# Pictures that have looks of their own.
MORE = [
    ("ReliabilityDisplay", "classified", {"style": "line"}),
    ("ReliabilityDisplay", "classified", {"style": "smooth"}),
    ("ReliabilityDisplay", "classified", {"style": "isotonic"}),
    ("ReliabilityDisplay", "classified", {"kind": "classwise"}),
    ("ReliabilityDisplay", "classified", {"kind": "classwise", "grid": True}),
    ("ReliabilityDisplay", "segmented", {"kind": "classwise", "grid": True}),
    ("FailurePredictionDisplay", "segmented", {"risk": "generalized"}),
    ("RiskCoverageDisplay", "classified", {"risk": "generalized"}),
    ("PredictionIntervalDisplay", "intervals", {"style": "band", "unit": "mm"}),
    ("UncertaintyMapDisplay", "segmented", {"threshold": "best"}),
]
# The metric whose streamed state a display draws, with its options.
STREAMS = {
    "ConfidenceHistogramDisplay": ("expected_calibration_error", {"n_bins": 20}),
    "FailurePredictionDisplay": ("error_detection_scores", {}),
    "RegressionCalibrationDisplay": ("quantile_calibration_error", {}),
    "ReliabilityDisplay": ("expected_calibration_error", {}),
    "RiskCoverageDisplay": ("area_under_risk_coverage_error", {}),
    "SparsificationDisplay": ("sparsification_error", {}),
}

CASES = [(name, *rest) for name, rest in DATA.items()] + MORE
every_display = pytest.mark.parametrize("name", DISPLAYS)
every_stream = pytest.mark.parametrize("name", STREAMS)
every_case = pytest.mark.parametrize(
    ("name", "fixture", "options"),
    CASES,
    ids=[f"{c[0]}-{'-'.join(map(str, c[2].values()))}" for c in CASES],
)


@pytest.fixture
def intervals(predicted):
    y, mean, std = predicted
    return y, mean - std, mean + std


def data_of(name, request):
    """The data of a display."""
    return request.getfixturevalue(DATA[name][0])


def draw(name, data, ax=None, /, **options):
    return DISPLAYS[name].from_predictions(*data, ax=ax, **options)


def numbers(display):
    """Every number that a display shows, by the path of its attribute."""
    found = {}

    def walk(path, value):
        if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                walk(f"{path}.{field.name}", getattr(value, field.name))
        elif isinstance(value, dict):
            for key, item in value.items():
                walk(f"{path}.{key}", item)
        elif isinstance(value, (float, np.ndarray)) and not path.endswith("axes_"):
            found[path] = np.asarray(value)

    for attribute, value in vars(display).items():
        if attribute not in ("state", "labels"):
            walk(attribute, value)
    assert found
    return found


def assert_same_numbers(one, two, rtol=1e-12):
    one, two = numbers(one), numbers(two)
    assert one.keys() == two.keys()
    for path, value in one.items():
        if value.dtype.kind in "fc":
            np.testing.assert_allclose(value, two[path], rtol, 1e-15, err_msg=path)
        else:
            np.testing.assert_array_equal(value, two[path], err_msg=path)


class Model:
    """What has been predicted, as an estimator that looks it up."""

    classes_ = np.arange(4)

    def __init__(self, *predictions):
        self.predictions = predictions

    def predict_proba(self, X):
        (proba,) = self.predictions
        return proba[X]

    def predict(self, X, return_std):
        assert return_std is True
        return tuple(part[X] for part in self.predictions)


class SegmentationModel(Model):
    classes_ = np.arange(3)


def streamed(name, data):
    """The state of the metric of a display that has seen the data in five batches."""
    metric, options = STREAMS[name]
    stream = metrics.Streaming(getattr(metrics, metric), **options)
    for part in np.array_split(np.arange(len(data[0])), 5):
        stream.update(*(x[part] for x in data))
    return stream.state


def test_every_display_is_under_these_laws():
    assert set(DATA) == set(DISPLAYS)
    streaming = {name for name, cls in DISPLAYS.items() if hasattr(cls, "from_state")}
    assert set(STREAMS) == streaming
    assert set(DISPLAYS) == set(displays.__all__)


@every_case
def test_the_given_axes_are_used(name, fixture, options, request, ax):
    data = request.getfixturevalue(fixture)
    display = draw(name, data, ax, **options)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert plt.get_fignums() == []


@every_display
def test_without_axes_one_figure_is_made(name, request):
    display = draw(name, data_of(name, request))
    assert plt.get_fignums() == [display.figure_.number]
    assert display.ax_ in display.figure_.axes


@every_display
def test_plot_returns_the_display_and_draws_the_same_again(name, request):
    first, second = Figure(figsize=(12, 5)).subplots(1, 2)
    display = draw(name, data_of(name, request), first)
    before = numbers(display)
    assert display.plot(ax=second) is display
    assert display.ax_ is second
    for path, value in numbers(display).items():
        np.testing.assert_array_equal(value, before[path])


@every_case
def test_nothing_global_is_changed(name, fixture, options, request, ax):
    data = request.getfixturevalue(fixture)
    copies = [x.copy() for x in data]
    parameters, backend, errors = dict(mpl.rcParams), mpl.get_backend(), np.geterr()
    random = np.random.get_state()[1].copy()  # noqa: NPY002
    draw(name, data, ax, **options)
    assert dict(mpl.rcParams) == parameters
    assert mpl.get_backend() == backend
    assert np.geterr() == errors
    np.testing.assert_array_equal(np.random.get_state()[1], random)  # noqa: NPY002
    for x, copy in zip(data, copies, strict=True):
        np.testing.assert_array_equal(x, copy)


@every_stream
def test_a_streamed_state_gives_the_same_picture(name, request):
    data = data_of(name, request)
    axes = Figure(figsize=(12, 5)).subplots(1, 2)
    whole = draw(name, data, axes[0])
    state = streamed(name, data)
    assert_same_numbers(whole, DISPLAYS[name].from_state(state, ax=axes[1]))


@every_display
def test_an_estimator_gives_the_same_picture(name, request):
    axes = Figure(figsize=(12, 5)).subplots(1, 2)
    if name == "PredictionIntervalDisplay":
        y, mean, std = request.getfixturevalue("predicted")
        data, model = (y,), Model(mean, std)
        options = {"y_pred": mean, "y_std": std}
    else:
        data = y, *predictions = data_of(name, request)
        kind = SegmentationModel if "Map" in name else Model
        model, options = kind(*predictions), {}
    whole = draw(name, data, axes[0], **options)
    rows = np.arange(len(y))
    display = DISPLAYS[name].from_estimator(model, rows, y, ax=axes[1])
    assert_same_numbers(whole, display)
    assert display.name == type(model).__name__


@every_display
def test_tensors_give_the_same_picture(name, request):
    torch = pytest.importorskip("torch")
    data = data_of(name, request)
    axes = Figure(figsize=(12, 5)).subplots(1, 2)
    tensors = draw(name, [torch.asarray(x) for x in data], axes[1])
    assert_same_numbers(draw(name, data, axes[0]), tensors)


@every_stream
def test_weights_are_repetitions(name, request, rng):
    data = data_of(name, request)
    weight = rng.integers(0, 3, len(data[0]))
    axes = Figure(figsize=(12, 5)).subplots(1, 2)
    weighted = draw(name, data, axes[0], sample_weight=weight)
    repeated = draw(name, [np.repeat(x, weight, axis=0) for x in data], axes[1])
    one, two = numbers(weighted), numbers(repeated)
    for path, value in one.items():
        if path != "curve.effective_count":  # fewer samples, though as much weight
            np.testing.assert_allclose(value, two[path], 1e-9, 1e-12, err_msg=path)


@every_stream
def test_a_display_that_is_not_drawn_can_be_pickled(name, request, ax):
    display = DISPLAYS[name](streamed(name, data_of(name, request)), name="net")
    assert not hasattr(display, "ax_")
    copy = pickle.loads(pickle.dumps(display))
    assert_same_numbers(display, copy)
    assert copy.plot(ax=ax).ax_ is ax


@every_case
@pytest.mark.parametrize("layout", ["constrained", "tight", None])
def test_it_can_be_drawn_in_any_layout(name, fixture, options, layout, request):
    figure = Figure(layout=layout)
    data = request.getfixturevalue(fixture)
    display = draw(name, data, figure.subplots(), **options)
    figure.draw_without_rendering()
    assert display.figure_ is figure


@every_case
def test_axes_placed_by_hand_keep_their_place(name, fixture, options, request):
    figure = Figure()
    ax = figure.add_axes((0.2, 0.3, 0.6, 0.5))
    draw(name, request.getfixturevalue(fixture), ax, **options)
    figure.draw_without_rendering()
    bounds = ax.get_position(original=True).bounds
    assert bounds == pytest.approx((0.2, 0.3, 0.6, 0.5))


@every_case
def test_no_text_is_cut_off_or_on_another(name, fixture, options, request, monkeypatch):
    data = request.getfixturevalue(fixture)
    figure = draw(name, data, name="a name of middle length", **options).figure_
    drawn, draw_text = {}, Text.draw

    def draw_and_note(text, renderer):
        if text.get_visible() and text.get_text().strip():
            drawn[text] = text.get_window_extent(renderer)
        return draw_text(text, renderer)

    figure.draw_without_rendering()  # for the layout
    monkeypatch.setattr(Text, "draw", draw_and_note)
    figure.draw_without_rendering()
    assert len(drawn) > 8
    for text, box in drawn.items():
        assert figure.bbox.padded(1).contains(box.x0, box.y0), text
        assert figure.bbox.padded(1).contains(box.x1, box.y1), text
    for (one, here), (two, there) in combinations(drawn.items(), 2):
        assert not here.padded(-1).overlaps(there.padded(-1)), (one, two)


@every_case
def test_axes_are_labelled_and_the_name_is_in_a_legend(
    name, fixture, options, request, ax
):
    draw(name, request.getfixturevalue(fixture), ax, name="the model", **options)
    texts = [t.get_text() for t in ax.figure.findobj(Text)]
    assert any("the model" in text for text in texts)
    axes = [a for a in ax.figure.axes if a.axison and a.get_xticks().size]
    if name != "UncertaintyMapDisplay":
        assert any(a.get_xlabel() for a in axes)
    assert all(a.get_ylabel() for a in axes if a.get_subplotspec().is_first_col())


@every_display
def test_data_of_different_lengths_raise(name, request, ax):
    y, *rest = data_of(name, request)
    with pytest.raises(InputError):
        draw(name, (y[:-1], *rest), ax)


@every_display
def test_no_samples_raise(name, request, ax):
    data = [x[:0] for x in data_of(name, request)]
    with pytest.raises(InputError):
        draw(name, data, ax)


@every_stream
def test_no_weight_raises(name, request, ax):
    data = data_of(name, request)
    with pytest.raises(NoSamplesError):
        draw(name, data, ax, sample_weight=np.zeros(len(data[0])))
