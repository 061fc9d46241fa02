"""The PIT histogram and the reliability of quantiles."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.special import ndtri
from scipy.stats import binom

from skuq.displays import RegressionCalibrationDisplay as Display
from skuq.exceptions import InputError
from skuq.metrics import (
    Streaming,
    probability_integral_transform,
    quantile_calibration_error,
)

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


@pytest.fixture
def members(predicted, rng):
    """Ten draws of each predicted distribution."""
    _, mean, std = predicted
    return rng.normal(mean, std, size=(10, len(mean)))


@pytest.fixture
def quantiles(predicted):
    _, mean, std = predicted
    return mean[:, None] + std[:, None] * ndtri(LEVELS)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_histogram_is_that_of_the_transformed_values(predicted, ax):
    display = Display.from_predictions(*predicted, ax=ax)
    pit = probability_integral_transform(*predicted)
    density, edges = np.histogram(pit, 20, (0, 1), density=True)
    np.testing.assert_allclose(display.edges, edges, atol=1e-12)
    np.testing.assert_allclose(display.density, density, rtol=1e-9)
    (bars,) = display.axes_[0].containers
    np.testing.assert_allclose([b.get_height() for b in bars], density, rtol=1e-9)
    np.testing.assert_allclose([b.get_width() for b in bars], 0.05, rtol=1e-9)


def test_the_line_shows_the_share_below_each_quantile(predicted, ax):
    y, mean, std = predicted
    display = Display.from_predictions(y, mean, std, n_levels=9, ax=ax)
    level = np.arange(1, 10) / 10
    share = [(y <= mean + std * ndtri(q)).mean() for q in level]
    line = display.axes_[1].lines[1]
    np.testing.assert_allclose(line.get_xdata(), level, rtol=1e-12)
    np.testing.assert_allclose(line.get_ydata(), share, rtol=1e-12)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_the_legend_shows_the_error(predicted, ax, norm):
    display = Display.from_predictions(*predicted, norm=norm, name="net", ax=ax)
    error = quantile_calibration_error(*predicted, norm=norm)
    assert display.error == error
    assert legend(ax)[0].startswith("net: ")
    assert legend(ax)[0].endswith(f" = {error:.4f}")
    assert legend(ax)[1] == "95 % band if calibrated"


def test_members_are_compared_at_their_ranks(predicted, members, ax):
    y = predicted[0]
    display = Display.from_predictions(y, members=members, ax=ax)
    rank = (members < y).sum(axis=0)
    counts = np.bincount(rank, minlength=11)
    np.testing.assert_allclose(display.edges, np.arange(12) / 11, rtol=1e-12)
    np.testing.assert_allclose(display.density, 11 * counts / len(y), rtol=1e-9)


def test_many_members_share_bars(predicted, rng, ax):
    y, mean, std = predicted
    draws = rng.normal(mean, std, size=(50, len(y)))
    display = Display.from_predictions(y, members=draws, ax=ax)
    assert len(display.density) == 17
    assert (display.density * np.diff(display.edges)).sum() == pytest.approx(1)
    # The levels k / 51 of the ends of the bars.
    np.testing.assert_allclose(display.edges * 51 % 3, 0, atol=1e-9)


def test_quantiles_are_compared_at_their_levels(predicted, quantiles, ax):
    y = predicted[0]
    display = Display.from_predictions(
        y, y_quantiles=quantiles, quantile_levels=LEVELS, ax=ax
    )
    np.testing.assert_array_equal(display.level, LEVELS)
    share = (y[:, None] <= quantiles).mean(axis=0)
    np.testing.assert_allclose(display.share, share, rtol=1e-12)
    np.testing.assert_allclose(display.edges, [0, *LEVELS, 1], rtol=1e-12)
    inside = np.diff([0, *share, 1])
    np.testing.assert_allclose(display.density, inside / np.diff([0, *LEVELS, 1]))


@pytest.mark.parametrize("kind", ["members", "quantiles"])
def test_streamed_ensembles_and_quantiles_give_the_same_picture(
    predicted, members, quantiles, kind
):
    y = predicted[0]
    options, whole = {"n_levels": 10}, {"members": members}
    if kind == "quantiles":
        options = {"quantile_levels": LEVELS}
        whole = {"y_quantiles": quantiles} | options
    stream = Streaming(quantile_calibration_error, **options)
    for part in np.array_split(np.arange(len(y)), 3):
        if kind == "members":
            stream.update(y[part], members=members[:, part])
        else:
            stream.update(y[part], y_quantiles=quantiles[part])
    axes = Figure().subplots(1, 2)
    one = Display.from_predictions(y, **whole, ax=axes[0])
    two = Display.from_state(stream.state, ax=axes[1])
    np.testing.assert_allclose(one.density, two.density, rtol=1e-12)
    np.testing.assert_allclose(one.share, two.share, rtol=1e-12)


def test_the_bands_are_binomial(predicted, ax):
    display = Display.from_predictions(*predicted, n_levels=3, band=0.9, ax=ax)
    n = len(predicted[0])
    left, right = display.axes_
    (band,) = [p for p in left.patches if hasattr(p, "get_data")]
    ends = binom.ppf([0.05, 0.95], n, 0.25) / n / 0.25
    np.testing.assert_allclose(band.get_data().baseline, ends[0])
    np.testing.assert_allclose(band.get_data().values, ends[1])
    vertices = right.collections[0].get_paths()[0].vertices
    middle = np.unique(vertices[vertices[:, 0] == 0.5, 1])
    np.testing.assert_allclose(middle, binom.ppf([0.05, 0.95], n, 0.5) / n)


def test_spreads_that_are_too_small_fill_the_ends(predicted, ax):
    y, mean, std = predicted
    display = Display.from_predictions(y, mean, std / 2, ax=ax)
    assert min(display.density[[0, -1]]) > 2 > 1 > max(display.density[8:12])


def test_without_a_band_none_is_drawn(predicted, ax):
    display = Display.from_predictions(*predicted, band=None, ax=ax)
    assert len(legend(ax)) == 1
    assert not display.axes_[1].collections


def test_levels_of_zero_and_one_make_no_bars(predicted, ax):
    stream = Streaming(quantile_calibration_error, levels_at=[0.0, 0.5, 1.0])
    display = Display.from_state(stream.update(*predicted).state, ax=ax)
    assert display.edges.tolist() == [0, 0.5, 1]
    ax.figure.draw_without_rendering()


def test_states_of_intervals_are_refused(predicted, ax):
    stream = Streaming(quantile_calibration_error, levels="interval")
    with pytest.raises(InputError, match="central intervals"):
        Display.from_state(stream.update(*predicted).state, ax=ax)


def test_two_kinds_of_forecast_are_refused(predicted, members, ax):
    with pytest.raises(InputError, match="one kind of forecast"):
        Display.from_predictions(*predicted, members=members, ax=ax)


@pytest.mark.parametrize("band", [95, 0.0, 1.0])
def test_a_band_that_is_no_fraction_raises(predicted, ax, band):
    with pytest.raises(InputError, match="band"):
        Display.from_predictions(*predicted, band=band, ax=ax)
