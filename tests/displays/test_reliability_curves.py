"""Reliability diagrams without bins, and one small diagram for each class."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.special import softmax
from sklearn.isotonic import IsotonicRegression

from skuq.datasets import make_logits
from skuq.displays import ReliabilityDisplay
from skuq.exceptions import InputError
from skuq.metrics import (
    Streaming,
    expected_calibration_error,
    reliability_curve,
    score_decomposition,
    smooth_calibration_error,
)

WITHOUT_BINS = ["smooth", "isotonic"]
every_style = pytest.mark.parametrize("style", WITHOUT_BINS)


def binary(rng, n=400, link=lambda p: p):
    """Labels and probabilities of the second of two classes."""
    p = rng.random(n)
    return (rng.random(n) < link(p)).astype(int), p


def draw(y, p, ax=None, **options):
    ax = Figure().add_axes((0, 0, 1, 1)) if ax is None else ax
    options = {"kind": "positive", "histogram": False} | options
    return ReliabilityDisplay.from_predictions(y, p, ax=ax, **options)


def curve_line(ax):
    """The line that is not the diagonal."""
    (line,) = [x for x in ax.lines if x.get_xydata().tolist() != [[0, 0], [1, 1]]]
    return line


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def kernel(t, p, bandwidth):
    """The Gaussian kernel reflected at 0 and 1, one sample at a time."""
    distances = [t - p, t + p, t + p - 2, t - p + 2, t - p - 2]
    return sum(np.exp(-((d / bandwidth) ** 2) / 2) for d in distances)


class TestSmooth:
    @pytest.mark.parametrize("kind", ["top-label", "classwise"])
    def test_its_error_and_bandwidth_are_the_smooth_calibration_error(
        self, classified, ax, kind
    ):
        display = draw(*classified, ax, style="smooth", kind=kind)
        error = smooth_calibration_error(*classified, kind=kind)
        assert display.error == pytest.approx(error, rel=1e-12)
        assert f"smECE = {error:.4f}" in legend(ax)
        curves = display.curve if kind == "classwise" else [display.curve]
        assert [c.bandwidth for c in curves] == [c.error for c in curves]

    def test_its_curve_is_the_share_under_the_kernel(self, rng):
        # One sample in the middle of a cell each, so that cells round nothing.
        p = (rng.choice(2000, 60, replace=False) + 0.5) / 2000
        y = (rng.random(60) < p**2).astype(int)
        w = rng.random(60)
        curve = draw(y, p, style="smooth", sample_weight=w).curve
        for i in range(0, 501, 50):
            k = w * kernel(curve.probability[i], p, curve.bandwidth)
            if np.isnan(curve.share[i]):
                continue
            assert curve.share[i] == pytest.approx((k @ y) / k.sum(), rel=1e-9)
            assert curve.expected[i] == pytest.approx((k @ p) / k.sum(), rel=1e-9)
            variance = (k**2 @ (p * (1 - p))) / k.sum() ** 2
            assert curve.variance[i] == pytest.approx(variance, rel=1e-9)

    def test_the_line_and_the_band_are_those_of_the_curve(self, rng):
        display = draw(*binary(rng), style="smooth", band=0.9)
        curve = display.curve
        np.testing.assert_array_equal(curve_line(display.ax_).get_ydata(), curve.share)
        low, high = curve.band(0.9)
        some = np.isfinite(curve.share)
        assert (low[some] < curve.expected[some]).all()
        assert (high[some] > curve.expected[some]).all()
        (shade,) = display.ax_.collections
        vertices = shade.get_paths()[0].vertices
        assert vertices[:, 1].max() == pytest.approx(np.nanmax(high))

    def test_it_ends_with_the_samples(self, rng):
        p = 0.4 + 0.2 * rng.random(300)
        curve = draw(rng.integers(0, 2, 300), p, style="smooth").curve
        drawn = curve.probability[np.isfinite(curve.share)]
        assert p.min() <= drawn.min()
        assert drawn.max() <= p.max()

    def test_it_leaves_out_where_there_are_no_samples(self, rng):
        p = np.concatenate([0.2 + 0.01 * rng.random(400), 0.8 + 0.01 * rng.random(400)])
        y = (rng.random(800) < p).astype(int)
        curve = draw(y, p, style="smooth").curve
        assert curve.bandwidth < 0.1
        assert np.isnan(curve.share[250])
        assert np.isfinite(curve.share[[101, 403]]).all()

    def test_its_band_holds_the_curve_of_a_calibrated_model(self, rng):
        inside = []
        for _ in range(60):
            curve = draw(*binary(rng), style="smooth").curve
            low, high = curve.band(0.95)
            at = [100, 250, 400]
            inside += ((low <= curve.share) & (curve.share <= high))[at].tolist()
        # 5 standard errors of 180 shares, and the band is not wider than need be.
        assert 0.87 < np.mean(inside) < 1

    def test_its_band_loses_the_curve_of_an_over_confident_model(self, rng):
        y, p = binary(rng, 2000, lambda p: 0.5 + (p - 0.5) / 2)
        curve = draw(y, p, style="smooth").curve
        low, high = curve.band(0.95)
        assert curve.share[50] > high[50]
        assert curve.share[450] < low[450]


class TestIsotonic:
    def test_its_curve_is_the_isotonic_regression(self, rng):
        y, p = binary(rng)
        w = rng.random(len(y))
        display = draw(y, p, style="isotonic", sample_weight=w)
        shares = IsotonicRegression().fit(p, y, sample_weight=w).predict(p)
        curve = display.curve
        at_samples = np.interp(p, curve.probability, curve.share)
        np.testing.assert_allclose(at_samples, shares, rtol=1e-9, atol=1e-12)
        line = curve_line(display.ax_).get_xydata()
        np.testing.assert_array_equal(line[:, 0], curve.probability)
        np.testing.assert_array_equal(line[:, 1], curve.share)

    @pytest.mark.parametrize("kind", ["top-label", "classwise"])
    def test_the_legend_shows_the_decomposition(self, classified, ax, kind):
        display = draw(*classified, ax, style="isotonic", kind=kind, name="net")
        parts = score_decomposition(*classified, kind=kind)
        assert display.error == pytest.approx(parts.miscalibration, rel=1e-9)
        expected = [
            f"MCB = {parts.miscalibration:.4f}",
            f"DSC = {parts.discrimination:.4f}",
            f"UNC = {parts.uncertainty:.4f}",
        ]
        assert "\n".join(["net", *expected]) in legend(ax)

    @staticmethod
    def ends(display):
        """Probabilities, and lower and upper ends of the band, as drawn."""
        (shade,) = display.ax_.collections
        x, y = shade.get_paths()[0].vertices.T
        n = (len(x) - 3) // 2
        return x[1 : n + 1], y[1 : n + 1], y[n + 2 : -1][::-1]

    def test_its_band_holds_the_curve_of_a_calibrated_model(self, rng):
        inside = []
        for seed in range(20):
            y, p = binary(rng)
            display = draw(y, p, style="isotonic", random_state=seed)
            x, low, high = self.ends(display)
            at = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
            share = np.interp(at, display.curve.probability, display.curve.share)
            low, high = np.interp(at, x, low), np.interp(at, x, high)
            inside += ((low - 1e-9 <= share) & (share <= high + 1e-9)).tolist()
        assert np.mean(inside) > 0.84  # 5 standard errors of 100 shares below 0.95

    def test_its_band_loses_the_curve_of_an_over_confident_model(self, rng):
        y, p = binary(rng, 2000, lambda p: 0.5 + (p - 0.5) / 2)
        display = draw(y, p, style="isotonic")
        x, low, high = self.ends(display)
        share = np.interp(x, display.curve.probability, display.curve.share)
        assert np.mean((low <= share) & (share <= high)) < 0.5

    def test_its_band_is_that_of_its_seed(self, rng):
        data = binary(rng)
        bands = [
            self.ends(draw(*data, style="isotonic", random_state=s)) for s in (0, 0, 1)
        ]
        np.testing.assert_array_equal(bands[0], bands[1])
        assert np.abs(np.subtract(bands[0], bands[2])).max() > 0

    def test_few_probabilities_can_be_drawn(self, ax):
        y, p = [0, 1, 0, 1, 1], [0.5, 0.5, 0.25, 0.75, 0.75]
        display = draw(y, p, ax, style="isotonic")
        assert display.curve.probability.tolist() == [0.25, 0.5, 0.75]
        assert display.curve.share.tolist() == [0, 0.5, 1]


class TestBothStyles:
    @every_style
    @pytest.mark.parametrize("kind", ["top-label", "classwise"])
    def test_a_streamed_state_gives_the_same_curve(self, classified, style, kind):
        y, p = classified
        stream = Streaming(score_decomposition, kind=kind)
        for part in np.array_split(np.arange(len(y)), 4):
            stream.update(y[part], p[part])
        axes = Figure().subplots(1, 2)
        one = draw(y, p, axes[0], kind=kind, style=style)
        two = ReliabilityDisplay.from_state(stream.state, style=style, ax=axes[1])
        curves = [d.curve if kind == "classwise" else [d.curve] for d in (one, two)]
        for a, b in zip(*curves, strict=True):
            np.testing.assert_allclose(a.share, b.share, rtol=1e-9)
        assert one.error == pytest.approx(two.error, rel=1e-9)

    @every_style
    def test_weights_of_two_are_samples_twice(self, style, rng):
        y, p = binary(rng, 200)
        w = rng.integers(0, 3, 200)
        one = draw(y, p, style=style, sample_weight=w).curve
        two = draw(np.repeat(y, w), np.repeat(p, w), style=style).curve
        np.testing.assert_allclose(one.share, two.share, rtol=1e-9)

    @every_style
    @pytest.mark.parametrize("p", [[0.3], [0.0], [1.0], [1.0, 1.0, 0.0]])
    def test_certain_and_single_predictions_can_be_drawn(self, style, p, ax):
        draw([1] * len(p), p, ax, style=style)
        ax.figure.draw_without_rendering()
        assert np.nanmin(curve_line(ax).get_ydata()) == 1

    @every_style
    def test_sums_in_bins_are_refused(self, classified, style, ax):
        state = Streaming(expected_calibration_error).update(*classified).state
        with pytest.raises(InputError, match="needs all samples"):
            ReliabilityDisplay.from_state(state, style=style, ax=ax)

    @every_style
    @pytest.mark.parametrize(
        "option", [{"n_bins": 5}, {"strategy": "quantile"}, {"convention": "netcal"}]
    )
    def test_options_of_bins_are_refused(self, classified, style, option, ax):
        with pytest.raises(
            InputError, match=f"has no bins and takes no {next(iter(option))}"
        ):
            draw(*classified, ax, kind=None, style=style, **option)

    @every_style
    def test_a_display_of_all_samples_can_be_drawn_in_every_style(self, rng, style):
        display = draw(*binary(rng), style=style)
        figure = Figure(figsize=(12, 4))
        for ax, other in zip(
            figure.subplots(1, 4), ["bars", "line", *WITHOUT_BINS], strict=True
        ):
            display.plot(ax=ax, style=other)
            ax.figure.draw_without_rendering()
        assert display.style == style
        assert "smECE" in legend(figure.axes[2])[0]
        assert "MCB" in legend(figure.axes[3])[0]

    @every_style
    def test_the_histogram_shows_shares_that_sum_to_one(self, rng, style, ax):
        y, p = binary(rng)
        display = draw(y, p, ax, style=style, histogram=True)
        (bars,) = display.histogram_ax_.containers
        heights = [bar.get_height() for bar in bars]
        np.testing.assert_allclose(heights, np.histogram(p, 50, (0, 1))[0] / len(p))

    @every_style
    def test_float32_is_close_to_float64(self, rng, style):
        y, p = binary(rng)
        one, two = (draw(y, p.astype(t), style=style) for t in ("f4", "f8"))
        assert one.error == pytest.approx(two.error, rel=1e-5)


class TestGrid:
    def test_there_is_a_panel_for_each_class(self, classified):
        names = np.array(["cat", "dog", "eel", "fox"])
        y, p = classified
        display = ReliabilityDisplay.from_predictions(
            names[y], p, kind="classwise", grid=True
        )
        curve = reliability_curve(y, p, kind="classwise")
        assert len(display.axes_) == 4
        for k, panel in enumerate(display.axes_):
            bars = panel.containers[0]
            some = curve.weight[k] > 0
            heights = [bar.get_height() for bar in bars]
            np.testing.assert_allclose(heights, curve.accuracy[k][some], rtol=1e-12)
            error = expected_calibration_error(
                (y == k).astype(int), p[:, k], kind="positive"
            )
            assert panel.get_title() == f"{names[k]}: ECE = {error:.4f}"
        error = expected_calibration_error(y, p, kind="classwise")
        assert f"ECE = {error:.4f}" in legend(display.ax_)

    @pytest.mark.parametrize("style", ["line", *WITHOUT_BINS])
    def test_every_style_fits_in_a_grid(self, classified, ax, style):
        display = draw(*classified, ax, kind="classwise", grid=True, style=style)
        ax.figure.draw_without_rendering()
        assert display.ax_ is ax
        assert all(curve_line(panel) for panel in display.axes_)
        assert any("95 % band" in text for text in legend(ax))

    def test_classes_beyond_sixteen_are_counted(self):
        z, y = make_logits(2000, 20, random_state=0)
        display = ReliabilityDisplay.from_predictions(
            y, softmax(z, axis=1), kind="classwise", grid=True
        )
        assert len(display.axes_) == 16
        title = display.ax_.get_legend().get_title().get_text()
        assert title == "16 of 20 classes, 4 left out"

    def test_a_class_that_is_never_predicted_has_an_empty_panel(self, ax):
        p = [[0.8, 0.2, 0.0], [0.3, 0.7, 0.0], [0.6, 0.4, 0.0]]
        display = draw([0, 1, 2], p, ax, kind="predicted-class", grid=True)
        assert [panel.get_title() for panel in display.axes_][2] == "2"
        assert display.axes_[2].containers == []

    def test_a_single_diagram_has_no_grid(self, classified, ax):
        with pytest.raises(InputError, match="grid=True is for several classes"):
            draw(*classified, ax, kind="top-label", grid=True)

    def test_lines_of_few_classes_carry_their_names(self, classified, ax):
        y, p = classified
        draw(y, p, ax, kind="classwise", labels=[0, 1, 2, 3], name="net")
        assert legend(ax)[1:] == ["0", "1", "2", "3"]
        assert re.fullmatch(r"net: ECE = 0\.\d{4}", legend(ax)[0])

    def test_lines_of_many_classes_carry_none(self, ax):
        z, y = make_logits(2000, 9, random_state=0)
        draw(y, softmax(z, axis=1), ax, kind="classwise")
        assert len(legend(ax)) == 1
