"""The risk-coverage curve and its oracle."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from skuq.displays import RiskCoverageDisplay as Display
from skuq.exceptions import InputError
from skuq.metrics import area_under_risk_coverage_error, risk_coverage_curve


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("risk", "title"), [("selective", "AURC"), ("generalized", "AUGRC")]
)
def test_line_and_legend_are_those_of_the_metrics(classified, ax, risk, title):
    display = Display.from_predictions(*classified, risk=risk, name="net", ax=ax)
    curve = risk_coverage_curve(*classified)
    values = curve.risk if risk == "selective" else curve.generalized_risk
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), curve.coverage)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), values)
    area = area_under_risk_coverage_error(*classified, risk=risk)
    excess = area_under_risk_coverage_error(*classified, risk=risk, excess=True)
    assert display.area == area
    assert legend(ax) == [
        f"net: {title} = {area:.4f}",
        f"its oracle: {area - excess:.4f}",
    ]


def test_the_oracle_is_sure_exactly_where_the_model_is_right(classified, ax):
    y, p = classified
    display = Display.from_predictions(y, p, ax=ax)
    right = p.argmax(axis=1) == y
    # The same accuracy, ranked by the truth and then without ties.
    order = np.arange(len(y)) / len(y)
    best = risk_coverage_curve(y, p, confidence=right + order)
    np.testing.assert_allclose(
        display.oracle,
        np.interp(display.curve.coverage, best.coverage, best.risk),
        atol=1 / len(y),
    )
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), display.oracle)
    assert (display.oracle <= display.curve.risk + 1e-12).all()
    assert display.oracle[-1] == pytest.approx(display.curve.risk[-1])


def test_four_samples_by_hand(ax):
    p = [[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
    display = Display.from_predictions([1, 1, 2, 0], p, ax=ax)
    assert ax.lines[0].get_ydata() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert display.oracle == pytest.approx([0, 0, 0, 1 / 4])


def test_another_confidence_ranks(classified, rng):
    y, p = classified
    own = rng.random(len(y))
    axes = Figure().subplots(1, 2)
    one = Display.from_predictions(y, p, confidence=own, ax=axes[0])
    two = Display.from_predictions(y, p, uncertainty=-own, ax=axes[1])
    np.testing.assert_array_equal(one.curve.risk, two.curve.risk)
    assert one.area == area_under_risk_coverage_error(y, p, confidence=own)


def test_models_in_one_picture_have_colours_of_their_own(classified):
    y, p = classified
    display = Display.from_predictions(y, p, name="one")
    ax = Display.from_predictions(
        y, p**2 / (p**2).sum(axis=1, keepdims=True), name="two", ax=display.ax_
    ).ax_
    colors = [line.get_color() for line in ax.lines]
    assert colors[0] == colors[1] != colors[2] == colors[3]
    assert [text.split(":")[0] for text in legend(ax)] == [
        "one",
        "its oracle",
        "two",
        "its oracle",
    ]


def test_the_oracle_can_be_left_out(classified, ax):
    Display.from_predictions(*classified, oracle=False, ax=ax)
    assert len(ax.lines) == len(legend(ax)) == 1


def test_long_curves_are_drawn_at_fewer_points(rng, ax):
    p = rng.random(20000)
    display = Display.from_predictions((rng.random(20000) < p).astype(int), p, ax=ax)
    assert len(display.curve.risk) > 10000
    x, y = ax.lines[0].get_data()
    assert 1900 < len(x) <= 2000
    assert x[-1] == 1
    assert set(zip(x, y, strict=True)) <= set(
        zip(display.curve.coverage, display.curve.risk, strict=True)
    )


def test_an_unknown_risk_raises(classified, ax):
    with pytest.raises(InputError, match="risk must be one of"):
        Display.from_predictions(*classified, risk="total", ax=ax)
