"""The histograms of right and of wrong predictions."""

import numpy as np
import pytest

from skuq.displays import ConfidenceHistogramDisplay as Display
from skuq.exceptions import InputError
from skuq.metrics import Streaming, accuracy_score, expected_calibration_error


def heights(ax):
    """The heights of the two histograms; what is not drawn is 0."""
    return [np.nan_to_num(patch.get_data().values) for patch in ax.patches]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_histograms_count_right_and_wrong_predictions(classified, ax):
    y, p = classified
    display = Display.from_predictions(y, p, ax=ax, n_bins=10)
    top, right = p.max(axis=1), p.argmax(axis=1) == y
    for drawn, kept, which in zip(
        heights(ax), (right, ~right), (display.right, display.wrong), strict=True
    ):
        shares = np.histogram(top[kept], 10, (0, 1))[0] / len(y)
        np.testing.assert_allclose(which, shares, rtol=1e-12)
        np.testing.assert_allclose(drawn, shares, rtol=1e-12)
    np.testing.assert_allclose(display.edges, np.linspace(0, 1, 11), rtol=1e-12)


def test_vertical_lines_stand_at_accuracy_and_mean_confidence(classified, ax):
    y, p = classified
    display = Display.from_predictions(y, p, ax=ax)
    assert display.accuracy == pytest.approx(accuracy_score(y, p), rel=1e-12)
    assert display.mean_confidence == pytest.approx(p.max(axis=1).mean(), rel=1e-12)
    places = [line.get_xdata()[0] for line in ax.lines]
    assert places == [display.accuracy, display.mean_confidence]


def test_the_legend_shows_the_numbers(classified, ax):
    display = Display.from_predictions(*classified, ax=ax, name="net")
    right = 100 * display.accuracy
    assert legend(ax) == [
        f"right: {right:.1f} % of samples",
        f"wrong: {100 - right:.1f} % of samples",
        f"accuracy = {display.accuracy:.4f}",
        f"mean confidence = {display.mean_confidence:.4f}",
    ]
    assert ax.get_legend().get_title().get_text() == "net"


def test_each_histogram_can_sum_to_one(classified, ax):
    Display.from_predictions(*classified, ax=ax, each=True)
    assert [h.sum() for h in heights(ax)] == pytest.approx([1, 1])


def test_without_errors_one_histogram_is_empty(ax):
    display = Display.from_predictions(
        [0, 1], [[0.9, 0.1], [0.2, 0.8]], ax=ax, each=True
    )
    ax.figure.draw_without_rendering()
    assert display.wrong.sum() == 0
    assert heights(ax)[1].sum() == 0


def test_void_pixels_do_not_count(segmented, ax, rng):
    y, p = segmented
    void = rng.random(y.shape) < 0.3
    display = Display.from_predictions(
        np.where(void, 9, y), p, ignore_index=9, labels=[0, 1, 2], ax=ax
    )
    assert display.accuracy == pytest.approx((p.argmax(axis=1) == y)[~void].mean())


def test_collected_samples_go_into_even_bins(classified, ax):
    stream = Streaming(expected_calibration_error, strategy="quantile")
    display = Display.from_state(stream.update(*classified).state, ax=ax)
    whole = Display.from_predictions(*classified, ax=ax)
    np.testing.assert_allclose(display.right, whole.right, rtol=1e-12)
    np.testing.assert_allclose(display.wrong, whole.wrong, rtol=1e-12)


def test_rows_of_predicted_classes_are_added(classified, ax):
    stream = Streaming(expected_calibration_error, kind="predicted-class", n_bins=20)
    display = Display.from_state(stream.update(*classified).state, ax=ax)
    whole = Display.from_predictions(*classified, ax=ax)
    np.testing.assert_allclose(display.right, whole.right, rtol=1e-12)


def test_classwise_states_are_refused(classified, ax):
    stream = Streaming(expected_calibration_error, kind="classwise")
    with pytest.raises(InputError, match="knows no right and wrong"):
        Display.from_state(stream.update(*classified).state, ax=ax)
