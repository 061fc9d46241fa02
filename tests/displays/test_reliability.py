"""The picture shows the numbers of the metric, and leaves everything else alone."""

import pickle
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.special import softmax
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression

from skuq.datasets import make_logits
from skuq.displays import ReliabilityDisplay
from skuq.exceptions import InputError
from skuq.metrics import Streaming, expected_calibration_error, reliability_curve

CURVE = ("mean_confidence", "accuracy", "weight", "effective_count")


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    assert plt.get_fignums() == []
    yield
    plt.close("all")


@pytest.fixture
def ax():
    """Axes of a figure that pyplot does not know."""
    return Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def problem():
    """Labels and over-confident probabilities of four classes."""
    z, y = make_logits(3000, 4, temperature=2.0, random_state=0)
    return y, softmax(z, axis=1)


def container(ax, pattern):
    """The bars whose entry in the legend matches a pattern."""
    (found,) = [c for c in ax.containers if re.search(pattern, c.get_label())]
    return list(found)


def heights(bars):
    return np.array([bar.get_height() for bar in bars])


def lefts(bars):
    return np.array([bar.get_x() for bar in bars])


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def assert_same_curve(one, two):
    for name in CURVE:
        a, b = getattr(one.curve, name), getattr(two.curve, name)
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert one.error == pytest.approx(two.error, rel=1e-12)


def is_diagonal(line):
    return line.get_xydata().tolist() == [[0, 0], [1, 1]]


class TestNumbers:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"norm": "l2"},
            {"norm": "max"},
            {"n_bins": 7},
            {"strategy": "quantile", "norm": "l2"},
            {"kind": "classwise", "norm": "l2"},
            {"convention": "netcal"},
            {"convention": "torchmetrics"},
            {"convention": "mapie"},
        ],
    )
    def test_the_legend_shows_the_metric_to_every_printed_digit(
        self, problem, ax, options
    ):
        display = ReliabilityDisplay.from_predictions(*problem, ax=ax, **options)
        error = expected_calibration_error(*problem, **options)
        assert display.error == error
        assert 0.01 < error < 1
        (text,) = [t for t in legend(ax) if "=" in t]
        assert text.partition(" = ")[2] == f"{error:.4f}"

    @pytest.mark.parametrize(
        ("norm", "title"),
        [("l1", "ECE"), ("l2", "RMS calibration error"), ("max", "MCE")],
    )
    def test_the_legend_names_model_and_norm(self, problem, ax, norm, title):
        ReliabilityDisplay.from_predictions(*problem, norm=norm, name="net", ax=ax)
        assert any(t.startswith(f"net: {title} = ") for t in legend(ax))

    def test_the_name_of_plot_replaces_that_of_the_display(self, problem, ax):
        display = ReliabilityDisplay.from_predictions(
            *problem, name="old", ax=Figure().subplots()
        )
        display.plot(ax=ax, name="new")
        assert any(t.startswith("new: ECE") for t in legend(ax))
        assert not any("old" in t for t in legend(ax))

    @pytest.mark.parametrize("kind", ["top-label", "classwise"])
    @pytest.mark.parametrize("strategy", ["uniform", "quantile"])
    def test_three_ways_give_one_curve(self, problem, kind, strategy):
        y, p = problem
        options = {"kind": kind, "strategy": strategy, "n_bins": 8}

        class Model:
            classes_ = np.arange(4)

            def predict_proba(self, X):
                return p[X]

        stream = Streaming(expected_calibration_error, **options)
        for part in np.array_split(np.arange(len(y)), 7):
            stream.update(y[part], p[part])
        axes = Figure().subplots(1, 3)
        from_predictions = ReliabilityDisplay.from_predictions(
            y, p, ax=axes[0], **options
        )
        from_estimator = ReliabilityDisplay.from_estimator(
            Model(), np.arange(len(y)), y, ax=axes[1], **options
        )
        from_state = ReliabilityDisplay.from_state(stream.state, ax=axes[2])
        assert_same_curve(from_estimator, from_predictions)
        assert_same_curve(from_state, from_predictions)

    def test_an_estimator_gives_its_name_and_the_order_of_its_classes(self, ax):
        z, y = make_logits(400, 3, random_state=0)
        names = np.array(["eel", "cat", "dog"])[y]
        model = LogisticRegression(max_iter=500).fit(z, names)
        display = ReliabilityDisplay.from_estimator(model, z, names, ax=ax)
        error = expected_calibration_error(
            names, model.predict_proba(z), labels=model.classes_
        )
        assert display.error == error
        assert any(t.startswith("LogisticRegression: ECE") for t in legend(ax))

    def test_an_estimator_may_have_classes_that_the_test_samples_miss(self, ax):
        z, y = make_logits(400, 3, random_state=0)
        model = LogisticRegression(max_iter=500).fit(z, y + 10)
        some = y != 1
        display = ReliabilityDisplay.from_estimator(model, z[some], y[some] + 10, ax=ax)
        assert display.curve.weight.sum() == some.sum()

    @pytest.mark.parametrize("strategy", ["uniform", "quantile"])
    def test_bars_are_as_high_as_the_accuracy_of_their_bin(self, problem, ax, strategy):
        ReliabilityDisplay.from_predictions(*problem, strategy=strategy, ax=ax)
        curve = reliability_curve(*problem, strategy=strategy)
        some = curve.weight > 0
        assert some.sum() >= 10
        bars = container(ax, "ECE")
        np.testing.assert_allclose(heights(bars), curve.accuracy[some], rtol=1e-12)
        # Each bin holds its own mean confidence.
        stated, left = curve.mean_confidence[some], lefts(bars)
        right = left + [bar.get_width() for bar in bars]
        assert (left <= stated).all()
        assert (stated <= right + 1e-12).all()

    def test_the_gap_reaches_from_confidence_to_accuracy(self, problem, ax):
        ReliabilityDisplay.from_predictions(*problem, ax=ax)
        curve = reliability_curve(*problem)
        some = curve.weight > 0
        bars = container(ax, "^gap")
        ends = np.sort([[b.get_y(), b.get_y() + b.get_height()] for b in bars], axis=1)
        expected = np.sort([curve.mean_confidence[some], curve.accuracy[some]], axis=0)
        np.testing.assert_allclose(ends, expected.T, rtol=1e-12)

    def test_the_histogram_shows_the_share_of_weight_per_bin(self, problem, ax, rng):
        y, p = problem
        weight = rng.random(len(y))
        display = ReliabilityDisplay.from_predictions(y, p, sample_weight=weight, ax=ax)
        (bars,) = display.histogram_ax_.containers
        curve = reliability_curve(y, p, sample_weight=weight)
        share = curve.weight / weight.sum()
        np.testing.assert_allclose(heights(bars), share, rtol=1e-12, atol=1e-15)
        assert heights(bars).sum() == pytest.approx(1)
        low, high = display.histogram_ax_.get_ylim()
        assert low == 0
        assert high >= share.max()

    def test_quantile_bins_hold_equal_weights_up_to_one(self, problem, ax):
        display = ReliabilityDisplay.from_predictions(
            *problem, strategy="quantile", n_bins=7, ax=ax
        )
        weight = display.curve.weight
        assert weight.sum() == len(problem[0])
        assert weight.max() - weight.min() <= 1

    def test_one_column_equals_two(self, rng):
        p = rng.random(500)
        y = (rng.random(500) < p).astype(int)
        axes = Figure().subplots(1, 2)
        one = ReliabilityDisplay.from_predictions(y, p, ax=axes[0])
        two = ReliabilityDisplay.from_predictions(
            y, np.stack([1 - p, p], 1), ax=axes[1]
        )
        assert_same_curve(one, two)

    def test_the_positive_class_is_drawn_over_the_whole_range(self, ax, rng):
        p = rng.random(500)
        y = (rng.random(500) < p).astype(int)
        display = ReliabilityDisplay.from_predictions(
            y, p, kind="positive", n_bins=4, ax=ax
        )
        shares = [
            y[(p > lo) & (p <= lo + 0.25)].mean() for lo in (0.0, 0.25, 0.5, 0.75)
        ]
        np.testing.assert_allclose(heights(container(ax, "ECE")), shares, rtol=1e-12)
        assert display.histogram_ax_.get_xlabel() == "Probability of the positive class"
        assert ax.get_ylabel() == "Share of the positive class"

    def test_void_pixels_of_a_map_do_not_count(self, rng):
        z, y = make_logits(6, 3, spatial=(9, 7), temperature=2.0, random_state=0)
        p, void = softmax(z, axis=1), rng.random(y.shape) < 0.3
        axes = Figure().subplots(1, 2)
        maps = ReliabilityDisplay.from_predictions(
            np.where(void, 255, y), p, ignore_index=255, ax=axes[0]
        )
        rows = ReliabilityDisplay.from_predictions(
            y[~void], np.moveaxis(p, 1, -1)[~void], ax=axes[1]
        )
        assert_same_curve(maps, rows)
        assert maps.curve.weight.sum() == (~void).sum()


class TestConsistencyBand:
    @staticmethod
    def limits(display):
        """Lower and upper ends of the band, bin by bin."""
        bars = container(display.ax_, "band")
        low = np.array([bar.get_y() for bar in bars])
        return low, low + heights(bars)

    @pytest.mark.parametrize("level", [0.5, 0.95])
    def test_its_ends_are_binomial_quantiles(self, problem, ax, level):
        display = ReliabilityDisplay.from_predictions(*problem, band=level, ax=ax)
        curve = reliability_curve(*problem)
        some = curve.weight > 0
        n, stated = curve.weight[some], curve.mean_confidence[some]
        low, high = self.limits(display)
        tail = (1 - level) / 2
        np.testing.assert_allclose(low, binom.ppf(tail, n, stated) / n, atol=1e-12)
        np.testing.assert_allclose(high, binom.isf(tail, n, stated) / n, atol=1e-12)

    def test_its_level_stands_in_the_legend(self, problem, ax):
        ReliabilityDisplay.from_predictions(*problem, band=0.9, ax=ax)
        assert any("90" in text and "band" in text for text in legend(ax))

    @staticmethod
    def share_inside(rng, n_draws, link):
        """Share of bins whose accuracy lies in the 95 % band, over many data sets."""
        inside, total = 0, 0
        for _ in range(n_draws):
            p = rng.random(1500)
            y = (rng.random(1500) < link(p)).astype(int)
            display = ReliabilityDisplay.from_predictions(
                y,
                p,
                kind="positive",
                gap=False,
                histogram=False,
                ax=Figure().add_axes((0, 0, 1, 1)),
            )
            low, high = TestConsistencyBand.limits(display)
            came = display.curve.accuracy
            inside += ((low - 1e-9 <= came) & (came <= high + 1e-9)).sum()
            total += len(came)
        assert total == 15 * n_draws
        return inside / total

    def test_it_holds_the_bars_of_a_calibrated_model(self, rng):
        # 600 bins: the share has a standard error of 0.009.  It lies above 0.95, as the
        # quantiles of a count are whole numbers and confidences differ within a bin.
        share = self.share_inside(rng, 40, lambda p: p)
        assert 0.93 <= share < 0.995

    def test_it_loses_the_bars_of_an_over_confident_model(self, rng):
        share = self.share_inside(rng, 10, lambda p: 0.5 + (p - 0.5) / 2)
        assert share < 0.5

    def test_fewer_effective_samples_widen_it(self, problem, rng):
        y, p = problem
        axes = Figure().subplots(1, 2)
        even = ReliabilityDisplay.from_predictions(y, p, ax=axes[0])
        uneven = ReliabilityDisplay.from_predictions(
            y, p, sample_weight=rng.random(len(y)) ** 4, ax=axes[1]
        )
        width = [np.subtract(*self.limits(d)[::-1]).mean() for d in (even, uneven)]
        assert width[1] > 1.2 * width[0]

    @pytest.mark.parametrize("band", [95, 0.0, 1.0, -0.5])
    def test_a_level_that_is_no_fraction_raises(self, problem, ax, band):
        with pytest.raises(InputError, match="band"):
            ReliabilityDisplay.from_predictions(*problem, band=band, ax=ax)


class TestOptions:
    def test_the_given_axes_are_used(self, problem):
        _, ax = plt.subplots()
        display = ReliabilityDisplay.from_predictions(*problem, ax=ax)
        assert display.ax_ is ax
        assert display.figure_ is ax.figure
        assert len(plt.get_fignums()) == 1
        assert container(ax, "ECE")

    def test_without_axes_one_figure_is_made(self, problem):
        display = ReliabilityDisplay.from_predictions(*problem)
        assert plt.get_fignums() == [display.figure_.number]
        assert display.ax_ in display.figure_.axes

    @pytest.mark.parametrize("layout", ["constrained", "tight", None])
    def test_the_figure_can_be_drawn_in_any_layout(self, problem, layout):
        figure = Figure(layout=layout)
        display = ReliabilityDisplay.from_predictions(*problem, ax=figure.subplots())
        figure.draw_without_rendering()
        diagram, below = (
            display.ax_.get_position(),
            display.histogram_ax_.get_position(),
        )
        assert below.y1 <= diagram.y0  # the histogram does not cover the diagram
        assert below.x0 == pytest.approx(diagram.x0, abs=0.01)
        assert below.width == pytest.approx(diagram.width, abs=0.01)

    def test_axes_placed_by_hand_keep_their_place(self, problem):
        figure = Figure()
        ax = figure.add_axes((0.2, 0.4, 0.6, 0.5))
        display = ReliabilityDisplay.from_predictions(*problem, ax=ax)
        figure.draw_without_rendering()
        bounds = ax.get_position(original=True).bounds
        assert bounds == pytest.approx((0.2, 0.4, 0.6, 0.5))
        assert display.histogram_ax_ is not None
        assert display.histogram_ax_ is not ax

    def test_two_diagrams_fit_in_one_figure(self, problem):
        left, right = Figure(layout="constrained").subplots(1, 2)
        displays = [
            ReliabilityDisplay.from_predictions(*problem, ax=ax) for ax in (left, right)
        ]
        assert displays[0].histogram_ax_ is not displays[1].histogram_ax_
        assert len(left.figure.axes) == 4

    def test_without_a_histogram_the_diagram_is_alone(self, problem, ax):
        display = ReliabilityDisplay.from_predictions(*problem, histogram=False, ax=ax)
        assert display.histogram_ax_ is None
        assert ax.figure.axes == [ax]
        assert ax.child_axes == []
        assert ax.get_xlabel() == "Confidence"

    def test_without_a_band_none_is_drawn(self, problem, ax):
        ReliabilityDisplay.from_predictions(*problem, band=None, ax=ax)
        assert not any("band" in c.get_label() for c in ax.containers)
        assert not any("band" in text for text in legend(ax))

    def test_the_diagonal_is_drawn_unless_it_is_unwanted(self, problem):
        with_it, without = Figure().subplots(1, 2)
        ReliabilityDisplay.from_predictions(*problem, ax=with_it)
        ReliabilityDisplay.from_predictions(*problem, reference=False, ax=without)
        assert [is_diagonal(line) for line in with_it.lines] == [True]
        assert len(without.lines) == 0

    def test_without_the_gap_only_bars_and_band_are_drawn(self, problem, ax):
        ReliabilityDisplay.from_predictions(*problem, gap=False, ax=ax)
        assert len(ax.containers) == 2
        assert not any("gap" in text for text in legend(ax))

    def test_bare_bars_have_a_legend_of_one_entry(self, problem, ax):
        ReliabilityDisplay.from_predictions(
            *problem, gap=False, band=None, reference=False, histogram=False, ax=ax
        )
        assert len(legend(ax)) == 1

    def test_a_line_goes_through_confidence_and_accuracy(self, problem, ax):
        ReliabilityDisplay.from_predictions(*problem, style="line", ax=ax)
        (line,) = [line for line in ax.lines if not is_diagonal(line)]
        curve = reliability_curve(*problem)
        some = curve.weight > 0
        expected = np.stack([curve.mean_confidence[some], curve.accuracy[some]], axis=1)
        np.testing.assert_allclose(line.get_xydata(), expected, rtol=1e-12)

    def test_classwise_draws_one_line_per_class(self, problem, ax):
        display = ReliabilityDisplay.from_predictions(*problem, kind="classwise", ax=ax)
        curve = reliability_curve(*problem, kind="classwise")
        lines = [line for line in ax.lines if not is_diagonal(line)]
        assert len(lines) == 4
        for k, line in enumerate(lines):
            some = curve.weight[k] > 0
            np.testing.assert_allclose(line.get_xdata(), curve.mean_confidence[k][some])
            np.testing.assert_allclose(line.get_ydata(), curve.accuracy[k][some])
        (bars,) = display.histogram_ax_.containers
        share = curve.weight.sum(axis=0) / curve.weight.sum()
        np.testing.assert_allclose(heights(bars), share)
        assert ax.get_ylabel() == "Share of the class"

    @pytest.mark.parametrize("style", ["dots", "Bars", "lines", 1])
    def test_an_unknown_style_raises(self, problem, ax, style):
        with pytest.raises(InputError, match="style must be one of 'bars', 'line'"):
            ReliabilityDisplay.from_predictions(*problem, style=style, ax=ax)

    def test_classwise_bars_raise(self, problem, ax):
        with pytest.raises(InputError, match="style must be one of 'line'"):
            ReliabilityDisplay.from_predictions(
                *problem, kind="classwise", style="bars", ax=ax
            )

    def test_an_unknown_norm_raises(self, problem, ax):
        with pytest.raises(InputError, match="norm must be one of"):
            ReliabilityDisplay.from_predictions(*problem, norm="l3", ax=ax)

    def test_logits_are_refused(self, ax):
        z, y = make_logits(50, 3, random_state=0)
        with pytest.raises(InputError, match="probabilities"):
            ReliabilityDisplay.from_predictions(y, z, ax=ax)


class TestState:
    def test_empty_bins_are_left_out(self, ax):
        # Two of ten bins are taken: (0.5, 0.6] and (0.9, 1.0].
        stream = Streaming(expected_calibration_error, n_bins=10)
        stream.update([0, 1], [[0.55, 0.45], [0.45, 0.55]])
        stream.update([0, 1], [[0.95, 0.05], [0.95, 0.05]])
        display = ReliabilityDisplay.from_state(stream.state, ax=ax)
        assert np.isnan(display.curve.accuracy).sum() == 8
        np.testing.assert_allclose(lefts(container(ax, "ECE")), [0.5, 0.9])
        np.testing.assert_allclose(heights(container(ax, "ECE")), [1.0, 0.5])
        np.testing.assert_allclose(lefts(container(ax, "band")), [0.5, 0.9])
        (bars,) = display.histogram_ax_.containers
        expected = np.zeros(10)
        expected[[5, 9]] = 0.5
        np.testing.assert_allclose(heights(bars), expected)
        ax.figure.draw_without_rendering()

    def test_empty_bins_do_not_break_a_line(self, ax):
        state = (
            Streaming(expected_calibration_error, n_bins=10, kind="classwise")
            .update([0, 1], [[0.55, 0.45], [0.05, 0.95]])
            .state
        )
        ReliabilityDisplay.from_state(state, ax=ax)
        for line in ax.lines:
            assert np.isfinite(line.get_xydata()).all()
            assert len(line.get_xydata()) == 2

    @pytest.mark.parametrize("strategy", ["uniform", "quantile"])
    def test_one_sample_can_be_drawn(self, ax, strategy):
        ReliabilityDisplay.from_predictions([1], [[0.2, 0.8]], strategy=strategy, ax=ax)
        ax.figure.draw_without_rendering()
        assert any("ECE = 0.2000" in text for text in legend(ax))

    def test_certain_and_right_predictions_can_be_drawn(self, ax):
        ReliabilityDisplay.from_predictions([0, 1, 1], [[1, 0], [0, 1], [0, 1]], ax=ax)
        ax.figure.draw_without_rendering()
        np.testing.assert_array_equal(heights(container(ax, "ECE")), [1.0])
        assert any("ECE = 0.0000" in text for text in legend(ax))

    @pytest.mark.parametrize("strategy", ["uniform", "quantile"])
    def test_a_display_that_is_not_drawn_can_be_pickled(self, problem, ax, strategy):
        stream = Streaming(expected_calibration_error, strategy=strategy)
        display = ReliabilityDisplay(stream.update(*problem).state, name="net")
        assert not hasattr(display, "ax_")
        copy = pickle.loads(pickle.dumps(display))
        assert_same_curve(copy, display)
        copy.plot(ax=ax)
        assert any(t.startswith("net: ECE") for t in legend(ax))

    def test_a_display_can_be_drawn_twice(self, problem):
        first, second = Figure().subplots(1, 2)
        display = ReliabilityDisplay.from_predictions(*problem, ax=first)
        assert display.plot(ax=second) is display
        assert display.ax_ is second
        np.testing.assert_array_equal(
            heights(container(first, "ECE")), heights(container(second, "ECE"))
        )


def test_nothing_global_is_changed(problem):
    parameters, backend = dict(mpl.rcParams), mpl.get_backend()
    errors = np.geterr()
    y, p = problem[0].copy(), problem[1].copy()
    ReliabilityDisplay.from_predictions(y, p)
    ReliabilityDisplay.from_predictions(y, p, kind="classwise")
    assert dict(mpl.rcParams) == parameters
    assert mpl.get_backend() == backend
    assert np.geterr() == errors
    np.testing.assert_array_equal(y, problem[0])
    np.testing.assert_array_equal(p, problem[1])
