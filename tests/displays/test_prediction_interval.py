"""Intervals with the values inside and outside of them."""

import numpy as np
import pytest
from scipy.special import ndtri
from sklearn.linear_model import BayesianRidge

from skuq.displays import PredictionIntervalDisplay as Display
from skuq.exceptions import InputError
from skuq.metrics import interval_coverage_score, interval_width_loss

Y = np.array([1.0, 5.0, 2.0, 0.0])
LOWER = np.array([0.0, 2.0, 1.0, 1.0])
UPPER = np.array([4.0, 4.0, 2.0, 2.0])


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def points(ax):
    """Places of the values inside and outside."""
    inside, outside = ax.lines[-2:]
    return inside.get_xydata().tolist(), outside.get_xydata().tolist()


def test_four_values_by_hand(ax):
    display = Display.from_predictions(Y, LOWER, UPPER, alpha=0.5, ax=ax)
    # In order of the middles 1.5 (samples 2 and 3), 2, 3.
    (bars,) = ax.collections
    segments = [s.tolist() for s in bars.get_segments()]
    assert segments == [
        [[0, 1], [0, 2]],
        [[1, 1], [1, 2]],
        [[2, 0], [2, 4]],
        [[3, 2], [3, 4]],
    ]
    assert points(ax) == ([[0, 2], [2, 1]], [[1, 0], [3, 5]])
    assert display.missed.tolist() == [False, True, False, True]
    assert (display.coverage, display.width) == (0.5, 2.0)
    assert legend(ax) == [
        "50 % interval: coverage = 0.5000",
        "observed, inside",
        "observed, outside",
    ]


def test_they_can_be_in_order_of_their_width(ax):
    Display.from_predictions(Y, LOWER, UPPER, order="width", ax=ax)
    assert points(ax) == ([[0, 2], [3, 1]], [[1, 0], [2, 5]])
    assert "width" in ax.get_xlabel()


def test_along_x_they_are_a_band(ax):
    x = np.array([3.0, 1.0, 2.0, 0.0])
    Display.from_predictions(
        Y, LOWER, UPPER, y_pred=Y + 1, x=x, xlabel="x (m)", unit="kg", ax=ax
    )
    assert points(ax) == ([[2, 2], [3, 1]], [[0, 0], [1, 5]])
    assert ax.lines[0].get_xydata().tolist() == [[0, 1], [1, 6], [2, 3], [3, 2]]
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices.tolist()
    assert all([a, b] in corners for a, b in zip(x, LOWER, strict=True))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (m)", "Target (kg)")


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_normal_intervals_are_central(predicted, ax, alpha):
    y, mean, std = predicted
    display = Display.from_predictions(y, y_pred=mean, y_std=std, alpha=alpha, ax=ax)
    alpha = 0.1 if alpha is None else alpha
    half = ndtri(1 - alpha / 2) * std
    np.testing.assert_allclose(display.y_lower, mean - half, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(display.y_upper, mean + half, rtol=1e-12, atol=1e-12)
    coverage = interval_coverage_score(y, mean - half, mean + half)
    assert display.coverage == coverage
    width = interval_width_loss(y, mean - half, mean + half)
    assert display.width == pytest.approx(width, rel=1e-12)
    assert (
        legend(ax)[0] == f"{100 - 100 * alpha:g} % interval: coverage = {coverage:.4f}"
    )


def test_of_many_samples_some_are_drawn_and_all_are_counted(predicted, ax):
    y, mean, std = predicted
    display = Display.from_predictions(y, mean - std, mean + std, max_samples=50, ax=ax)
    (bars,) = ax.collections
    assert len(bars.get_segments()) == 50
    assert sum(map(len, points(ax))) == 50
    places = [s[0, 0] for s in bars.get_segments()]
    assert (places[0], places[-1]) == (0, 599)  # first and last in order
    title = ax.get_legend().get_title().get_text()
    assert title == "50 of 600 samples shown"
    assert display.coverage == interval_coverage_score(y, mean - std, mean + std)


def test_weights_count_in_the_coverage(ax):
    display = Display.from_predictions(
        Y, LOWER, UPPER, sample_weight=[3, 1, 0, 0], ax=ax
    )
    assert display.coverage == 0.75


def test_an_estimator_of_one_feature_is_drawn_along_it(rng, ax):
    X = rng.normal(size=(30, 1))
    y = X[:, 0] + rng.normal(size=30)
    model = BayesianRidge().fit(X, y)
    display = Display.from_estimator(model, X, y, alpha=0.2, ax=ax)
    np.testing.assert_array_equal(display.x, X[:, 0])
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(display.y_upper, mean + ndtri(0.9) * std, rtol=1e-9)
    assert ax.get_legend().get_title().get_text() == "BayesianRidge"


def test_an_estimator_of_more_features_is_drawn_in_order(rng, ax):
    X = rng.normal(size=(30, 2))
    y = X[:, 0] + rng.normal(size=30)
    display = Display.from_estimator(BayesianRidge().fit(X, y), X, y, ax=ax)
    assert display.x is None


def test_the_legend_stands_above_all_values(predicted):
    y, mean, std = predicted
    display = Display.from_predictions(y, y_pred=mean, y_std=std, name="net")
    display.figure_.draw_without_rendering()
    bottom = display.ax_.get_legend().get_window_extent().y0
    highest = display.ax_.dataLim.ymax
    assert display.ax_.transData.transform((0, highest))[1] < bottom


def test_equal_values_can_be_drawn(ax):
    Display.from_predictions([1.0, 1.0], [1.0, 1.0], [1.0, 1.0], ax=ax)
    ax.figure.draw_without_rendering()
    assert ax.get_ylim()[0] < 1 < ax.get_ylim()[1]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"y_lower": LOWER},
        {"y_pred": Y},
        {"y_std": Y + 1},
        {"y_lower": LOWER, "y_upper": UPPER, "y_std": Y + 1, "y_pred": Y},
    ],
)
def test_intervals_are_given_in_one_way(given, ax):
    with pytest.raises(InputError, match="pass y_lower and y_upper, or"):
        Display.from_predictions(Y, **given, ax=ax)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": [1.0]}, "x has 1 values"),
        ({"y_pred": [1.0]}, "y_pred has 1 values"),
        ({"alpha": 1.0}, "alpha must lie in"),
        ({"alpha": 90}, "alpha must lie in"),
        ({"style": "dots"}, "style must be one of"),
        ({"order": "x"}, "order must be one of"),
        ({"max_samples": 0}, "max_samples must be at least 1"),
    ],
)
def test_wrong_options_raise(options, message, ax):
    with pytest.raises(InputError, match=message):
        Display.from_predictions(Y, LOWER, UPPER, ax=ax, **options)


def test_ends_that_cross_raise(ax):
    with pytest.raises(InputError, match="y_lower exceeds y_upper"):
        Display.from_predictions(Y, UPPER, LOWER, ax=ax)


@pytest.mark.parametrize("std", [[0.0, 1, 1, 1], [1.0, 1, 1]])
def test_impossible_standard_deviations_raise(std, ax):
    with pytest.raises(InputError, match="y_std"):
        Display.from_predictions(Y, y_pred=Y, y_std=std, ax=ax)
