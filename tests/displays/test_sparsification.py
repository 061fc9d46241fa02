"""The sparsification curve, its oracle and the line of random removal."""

import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge, Ridge

from skuq.displays import SparsificationDisplay as Display
from skuq.exceptions import InputError
from skuq.metrics import sparsification_curve, sparsification_error


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("error", ["absolute", "squared"])
def test_lines_and_legend_are_those_of_the_metrics(predicted, ax, error):
    display = Display.from_predictions(*predicted, error=error, name="net", ax=ax)
    curve = sparsification_curve(*predicted, error=error)
    model, oracle, random = ax.lines
    np.testing.assert_array_equal(model.get_xdata(), curve.removed)
    np.testing.assert_array_equal(model.get_ydata(), curve.error)
    np.testing.assert_array_equal(oracle.get_ydata(), curve.oracle)
    y, mean, _ = predicted
    power = 1 if error == "absolute" else 2
    mean_error = np.mean(np.abs(y - mean) ** power)
    assert random.get_ydata() == pytest.approx([mean_error, mean_error])
    area = sparsification_error(*predicted, error=error)
    assert display.area == area
    assert legend(ax) == [f"net: AUSE = {area:.4g}", "oracle", "random removal"]


def test_normalized_curves_begin_at_one(predicted, ax):
    display = Display.from_predictions(*predicted, normalize=True, ax=ax)
    assert [line.get_ydata()[0] for line in ax.lines] == pytest.approx([1, 1, 1])
    assert display.area == sparsification_error(*predicted, normalize=True)
    assert ax.get_ylabel() == "Mean absolute error of those kept, relative to all"


def test_the_unit_stands_at_the_axis(predicted, ax):
    Display.from_predictions(*predicted, unit="mm", ax=ax)
    assert ax.get_ylabel() == "Mean absolute error of those kept (mm)"
    Display.from_predictions(*predicted, unit="mm", error="squared", ax=ax)
    assert ax.get_ylabel() == "Mean squared error of those kept (mm²)"


def test_models_in_one_picture_share_the_entries_of_oracle_and_chance(predicted):
    y, mean, std = predicted
    display = Display.from_predictions(y, mean, std, name="one")
    ax = Display.from_predictions(y, mean, std**-1, name="two", ax=display.ax_).ax_
    assert len(ax.lines) == 6
    entries = [text.split(":")[0] for text in legend(ax)]
    assert entries == ["one", "oracle", "random removal", "two"]
    assert ax.lines[0].get_color() != ax.lines[3].get_color()


def test_the_legend_stands_above_the_curves(predicted):
    display = Display.from_predictions(*predicted)
    display.figure_.draw_without_rendering()
    bottom = display.ax_.get_legend().get_window_extent().y0
    highest = max(line.get_ydata().max() for line in display.ax_.lines)
    assert display.ax_.transData.transform((0, highest))[1] < bottom


def test_errors_of_zero_can_be_drawn(ax):
    display = Display.from_predictions([1.0, 2.0], [1.0, 2.0], [0.1, 0.2], ax=ax)
    ax.figure.draw_without_rendering()
    assert display.area == 0


def test_oracle_and_chance_can_be_left_out(predicted, ax):
    Display.from_predictions(*predicted, oracle=False, random=False, ax=ax)
    assert len(ax.lines) == 1


def test_a_regressor_of_scikit_learn_can_be_drawn(rng, ax):
    X = rng.normal(size=(100, 2))
    y = X @ [1.0, 2.0] + rng.normal(size=100)
    model = BayesianRidge().fit(X, y)
    display = Display.from_estimator(model, X, y, ax=ax)
    area = sparsification_error(y, *model.predict(X, return_std=True))
    assert display.area == area
    assert legend(ax)[0].startswith("BayesianRidge: AUSE")


def test_a_regressor_without_standard_deviations_is_refused(rng, ax):
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    with pytest.raises(InputError, match=r"Ridge.predict gave no standard deviations"):
        Display.from_estimator(Ridge().fit(X, y), X, y, ax=ax)
