"""The maps show the labels, the errors and the uncertainty they are given."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from skuq.displays import UncertaintyMapDisplay as Display
from skuq.displays._base import GAP
from skuq.displays._map_panels import ALARM, CAUGHT, CLASSES, RIGHT, VOID
from skuq.exceptions import InputError
from skuq.metrics import choose_overlap_threshold, uncertainty_error_overlap
from skuq.uncertainty import entropy


@pytest.fixture
def maps(segmented):
    """Truth, prediction and uncertainty."""
    y, p = segmented
    return y, p.argmax(axis=1), entropy(p, normalize=True)


def shown(panel):
    """The pixels of the image in a panel."""
    (image,) = panel.images
    return image.get_array()


def painted(y, colors):
    """A map of labels in colours."""
    result = np.empty((*y.shape, 3))
    for label, color in colors.items():
        result[y == label] = to_rgb(color)
    return result


def titles(display):
    return [[panel.get_title() for panel in row] for row in display.axes_]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_panels_show_prediction_truth_errors_and_uncertainty(segmented, maps):
    y, pred, unsure = maps
    display = Display.from_predictions(*segmented, max_images=5)
    assert display.axes_.shape == (5, 4)
    for i, row in enumerate(display.axes_):
        colors = dict(enumerate(CLASSES[:3]))
        np.testing.assert_allclose(shown(row[0]), painted(pred[i], colors))
        np.testing.assert_allclose(shown(row[1]), painted(y[i], colors))
        wrong = painted(pred[i] != y[i], {True: GAP, False: RIGHT})
        np.testing.assert_allclose(shown(row[2]), wrong)
        np.testing.assert_allclose(shown(row[3]), unsure[i])
    np.testing.assert_array_equal(display.wrong, pred != y)
    assert legend(display.ax_) == ["0", "1", "2"]


def test_titles_name_the_panels_and_the_share_of_errors(segmented, maps):
    y, pred, _ = maps
    display = Display.from_predictions(*segmented, image=np.zeros(y.shape))
    share = [
        f"errors: {100 * (a != b).mean():.1f} %" for a, b in zip(y, pred, strict=True)
    ]
    first, second, *_ = titles(display)
    assert first == ["image", "prediction", "truth", share[0], "uncertainty"]
    assert second == ["", "", "", share[1], ""]


def test_only_the_first_images_are_drawn(segmented):
    display = Display.from_predictions(*segmented, name="net")
    assert len(display.axes_) == 4
    assert display.ax_.get_legend().get_title().get_text() == "net, 4 of 5 images"


def test_labels_and_uncertainty_can_be_given(segmented, maps, ax):
    y, pred, unsure = maps
    display = Display.from_predictions(
        y, y_pred=pred, uncertainty=unsure + 1, uncertainty_name="Variance (mm²)", ax=ax
    )
    np.testing.assert_array_equal(display.uncertainty, unsure + 1)
    bars = display.axes_[0, -1].child_axes
    assert [bar.get_ylabel() for bar in bars] == ["Variance (mm²)"]
    assert display.labels.tolist() == [0, 1, 2]


def test_all_images_share_one_scale(segmented, maps):
    unsure = maps[2]
    display = Display.from_predictions(*segmented)
    limits = [panel.images[0].get_clim() for panel in display.axes_[:, -1]]
    assert set(limits) == {(0.0, unsure[:4].max())}
    display.plot(vmin=-1.0, vmax=2.0)
    limits = [panel.images[0].get_clim() for panel in display.axes_[:, -1]]
    assert set(limits) == {(-1.0, 2.0)}


@pytest.mark.parametrize("threshold", [0.4, "best"])
def test_a_threshold_is_laid_over_the_errors(segmented, maps, threshold):
    y, pred, unsure = maps
    display = Display.from_predictions(*segmented, threshold=threshold)
    t = choose_overlap_threshold(*maps) if threshold == "best" else threshold
    assert display.threshold_ == t
    for i, row in enumerate(display.axes_):
        code = 2 * (unsure[i] > t) + (pred[i] != y[i])
        colors = {0: RIGHT, 1: GAP, 2: ALARM, 3: CAUGHT}
        np.testing.assert_allclose(shown(row[2]), painted(code, colors))
        own = (x[i : i + 1] for x in maps)
        overlap = uncertainty_error_overlap(*own, threshold=t)
        assert display.overlap_[i] == overlap
        assert row[2].get_title().endswith(f"\noverlap: {overlap:.3f}")
    assert legend(display.axes_[-1, 2]) == [
        "wrong, uncertain",
        "wrong, sure",
        "right, uncertain",
    ]


def test_void_pixels_are_white_and_do_not_count(segmented, rng):
    y, p = segmented
    void = rng.random(y.shape) < 0.3
    void[2] = True
    display = Display.from_predictions(
        np.where(void, 255, y), p, ignore_index=255, threshold=0.5
    )
    assert not display.wrong[void].any()
    for i in range(4):
        for panel in display.axes_[i, 1:3]:
            white = (shown(panel) == to_rgb(VOID)).all(axis=-1)
            np.testing.assert_array_equal(white, void[i])
        np.testing.assert_array_equal(shown(display.axes_[i, 3]).mask, void[i])
    assert np.isnan(display.overlap_).tolist() == [False, False, True, False]
    assert legend(display.ax_)[-1] == "does not count"
    display.figure_.draw_without_rendering()


def test_classes_have_their_names_and_their_own_order(segmented):
    y, p = segmented
    names = np.array(["sky", "car", "road"])
    display = Display.from_predictions(names[y], p, labels=names)
    assert legend(display.ax_) == ["sky", "car", "road"]
    first = names[p[0].argmax(axis=0)]
    expected = painted(first, dict(zip(names, CLASSES, strict=False)))
    np.testing.assert_allclose(shown(display.axes_[0, 0]), expected)


@pytest.mark.parametrize("n_classes", [2, 10, 11, 40])
def test_every_class_has_a_colour_of_its_own(n_classes, ax, rng):
    y = rng.permutation(np.arange(1600) % n_classes).reshape(1, 40, 40)
    display = Display.from_predictions(y, y_pred=y, uncertainty=0.0 * y, ax=ax)
    pixels = shown(display.axes_[0, 0]).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) == n_classes
    assert len(legend(ax)) == min(n_classes, 25)


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((5, 12, 10), (12, 10)),
        ((5, 1, 12, 10), (12, 10)),
        ((5, 12, 10, 1), (12, 10)),
        ((5, 3, 12, 10), (12, 10, 3)),
        ((5, 12, 10, 3), (12, 10, 3)),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_images_have_channels_on_either_side(segmented, rng, shape, drawn, dtype):
    image = (100 * rng.random(shape)).astype(dtype)
    display = Display.from_predictions(*segmented, image=image)
    assert shown(display.axes_[0, 0]).shape == drawn
    display.figure_.draw_without_rendering()


def test_a_colour_image_in_range_stays_as_it_is(segmented, rng):
    image = rng.random((5, 3, 12, 10))
    display = Display.from_predictions(*segmented, image=image)
    expected = np.moveaxis(image[0], 0, -1)
    np.testing.assert_array_equal(shown(display.axes_[0, 0]), expected)


@pytest.mark.parametrize("n_columns", [1, None])
def test_one_column_is_the_second_of_two_classes(rng, n_columns):
    p = rng.random((2, 6, 5))
    y = rng.integers(0, 2, p.shape)
    display = Display.from_predictions(y, p if n_columns is None else p[:, None])
    np.testing.assert_array_equal(display.y_pred, p > 0.5)
    two = Display.from_predictions(y, np.stack([1 - p, p], axis=1))
    np.testing.assert_allclose(display.uncertainty, two.uncertainty, rtol=1e-12)


def test_an_estimator_of_images_shows_them(segmented, rng):
    y, p = segmented
    X = rng.random((5, 1, 12, 10))

    class Model:
        classes_ = np.arange(3)

        def predict_proba(self, X):
            return p

    display = Display.from_estimator(Model(), X, y)
    assert display.axes_.shape == (4, 5)
    np.testing.assert_array_equal(shown(display.axes_[0, 0]), X[0, 0])
    assert Display.from_estimator(Model(), np.arange(5), y).axes_.shape == (4, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": np.zeros((5, 3, 12, 9))}, "image has shape"),
        ({"max_images": 0}, "max_images must be at least 1"),
        ({"threshold": "worst"}, "threshold must be a number"),
        ({"labels": [0, 1]}, "labels has shape"),
        ({"uncertainty": np.zeros((5, 12))}, "all need one shape"),
    ],
)
def test_wrong_options_raise(segmented, ax, options, message):
    with pytest.raises(InputError, match=message):
        Display.from_predictions(*segmented, ax=ax, **options)


def test_a_table_is_refused(classified, ax):
    with pytest.raises(InputError, match=r"pass images"):
        Display.from_predictions(*classified, ax=ax)


def test_labels_alone_are_refused(maps, ax):
    y, pred, _ = maps
    with pytest.raises(InputError, match="pass y_proba, or both"):
        Display.from_predictions(y, y_pred=pred, ax=ax)
