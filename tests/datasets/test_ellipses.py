"""The pictures of make_ellipses, and the truth that it promises."""

import numpy as np
import pytest
from scipy.special import ndtr

from skuq.datasets import make_ellipses
from skuq.exceptions import InputError


def standard_errors(values):
    """How many standard errors the mean of independent values is from zero."""
    return abs(values.mean()) / (values.std(ddof=1) / np.sqrt(values.size))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("ambiguity", [0.5, 2.0])
def test_labels_are_drawn_from_the_probabilities(n_classes, ambiguity):
    _, y, proba = make_ellipses(
        400, shape=(32, 40), n_classes=n_classes, ambiguity=ambiguity, random_state=0
    )
    for k in range(n_classes):
        q = proba[:, k].astype(float)
        unsure = (q > 0.05) & (q < 0.95)
        assert unsure.sum() > 500
        assert standard_errors(((y == k) - q)[unsure]) < 5


def test_no_distortion_of_the_probabilities_has_a_lower_log_loss():
    _, y, proba = make_ellipses(100, shape=(32, 32), random_state=0)
    q = np.clip(proba.astype(float), 1e-12, 1)

    def losses(power):
        other = q**power / (q**power).sum(axis=1, keepdims=True)
        return -np.log(np.take_along_axis(other, y[:, None], axis=1)[:, 0])

    for power in (0.7, 1.4):
        difference = (losses(power) - losses(1.0)).ravel()
        assert difference.mean() > 0
        assert standard_errors(difference) > 5


def test_neighbours_are_wrong_independently():
    _, y, proba = make_ellipses(200, shape=(32, 32), n_classes=2, random_state=0)
    residual = (y - proba[:, 1]).astype(float)
    assert standard_errors(residual[:, :, 1:] * residual[:, :, :-1]) < 5


def test_without_ambiguity_the_labels_have_no_noise():
    _, y, proba = make_ellipses(5, ambiguity=0, random_state=0)
    assert set(np.unique(proba)) == {0, 1}
    np.testing.assert_array_equal(y, proba.argmax(axis=1))


def test_more_ambiguity_widens_the_band_of_unsure_labels():
    widths = []
    for ambiguity in (1.0, 2.0):
        _, _, proba = make_ellipses(
            20, n_classes=2, ambiguity=ambiguity, random_state=0
        )
        widths.append(((proba[:, 1] > 0.1) & (proba[:, 1] < 0.9)).mean())
    assert widths[1] / widths[0] == pytest.approx(2, rel=0.1)


def test_the_wall_lies_around_the_cavity():
    _, _, proba = make_ellipses(20, ambiguity=0.5, random_state=0)
    _, y, _ = make_ellipses(20, ambiguity=0, random_state=0)
    for labels in y:
        cavity = labels == 2
        beside = np.zeros_like(cavity)
        beside[1:] |= cavity[:-1]
        beside[:-1] |= cavity[1:]
        beside[:, 1:] |= cavity[:, :-1]
        beside[:, :-1] |= cavity[:, 1:]
        assert set(np.unique(labels[beside & ~cavity])) == {1}
    assert (np.bincount(y.ravel()) / y.size > 0.05).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


def test_two_classes_are_wall_and_cavity_together():
    three = make_ellipses(5, random_state=0)
    two = make_ellipses(5, n_classes=2, random_state=0)
    np.testing.assert_array_equal(two.images, three.images)
    np.testing.assert_allclose(two.proba[:, 1], three.proba[:, 1:].sum(1), atol=1e-6)


def test_depth_is_counted_in_pixels():
    # Along the short axis of a nearly straight contour the probability rises as the
    # normal distribution does, one standard deviation for each pixel of ambiguity.
    _, _, proba = make_ellipses(50, shape=(128, 128), n_classes=2, random_state=0)
    rise = np.abs(np.diff(proba[:, 1], axis=2)).max(axis=(1, 2))
    steepest = ndtr(0.5) - ndtr(-0.5)
    assert rise.mean() == pytest.approx(steepest, rel=0.25)


def test_pictures_are_in_the_unit_interval_with_a_bright_wall():
    images, y, _ = make_ellipses(20, contrast=(1, 1), random_state=0)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    grey = [images[:, 0][y == k].mean() for k in range(3)]
    assert grey[1] > grey[0] + 0.2
    assert grey[0] > grey[2] + 0.1


def test_noise_and_contrast_do_what_they_say():
    plain, y, _ = make_ellipses(
        30, shape=(64, 64), noise=0, blur=0, contrast=(0.5, 0.5), random_state=0
    )
    noisy, _, _ = make_ellipses(
        30, shape=(64, 64), noise=0.2, blur=0, contrast=(0.5, 0.5), random_state=0
    )
    ratio = noisy / plain
    assert ratio.std() == pytest.approx(0.2, rel=0.03)
    assert ratio.mean() == pytest.approx(1, abs=0.005)
    faint, _, _ = make_ellipses(
        30, shape=(64, 64), noise=0, blur=0, contrast=(0.25, 0.25), random_state=0
    )
    gaps = [x[:, 0][y == 1].mean() - x[:, 0][y == 0].mean() for x in (plain, faint)]
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.05)


def test_blur_smooths_the_contours():
    options = {"noise": 0, "contrast": (1, 1), "random_state": 0}
    steps = [
        np.abs(np.diff(make_ellipses(5, blur=blur, **options).images, axis=3)).max()
        for blur in (0, 1, 3)
    ]
    assert steps[0] > steps[1] > steps[2]


def test_a_seed_gives_the_same_draw_and_another_seed_another():
    first, again, other = (make_ellipses(3, random_state=s) for s in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.images, other.images)


def test_the_global_generator_is_not_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_ellipses(2)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    "options",
    [
        {"n_samples": 0},
        {"shape": (8, 64)},
        {"shape": (64, 64, 64)},
        {"n_classes": 4},
        {"noise": -0.1},
        {"blur": np.nan},
        {"ambiguity": -1},
        {"contrast": (0, 1)},
        {"contrast": (0.9, 0.2)},
    ],
)
def test_impossible_pictures_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        make_ellipses(**options)
