"""Boundaries of label maps: by hand, by distance transform, by the rule of LTS."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from skuq.exceptions import InputError
from skuq.metrics import segmentation_boundary

METRICS = ["euclidean", "rows-and-columns"]


@pytest.fixture
def labels(rng):
    """Three images of blocks of three labels."""
    blocks = rng.integers(0, 3, (3, 6, 5))
    return np.kron(blocks, np.ones((1, 5, 4), dtype=int))


def distance_to_another_label(image):
    """Euclidean distance to the next pixel with another label."""
    distance = np.full(image.shape, np.inf)
    for label in np.unique(image):
        same = image == label
        if not same.all():
            distance[same] = distance_transform_edt(same)[same]
    return distance


def by_rolling(image, width):
    """The rule of the authors of LTS: `np.roll`, which wraps around."""
    near = np.zeros(image.shape, dtype=bool)
    for axis in (0, 1):
        for shift in range(1, width + 1):
            for sign in (1, -1):
                near |= image != np.roll(image, sign * shift, axis)
    return near


def test_by_hand():
    image = np.array([[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 7]]])
    one = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]]
    assert segmentation_boundary(image).astype(int).tolist() == [one]
    diagonal = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert segmentation_boundary(image, 1.5).astype(int).tolist() == [diagonal]
    two = [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1]]
    assert segmentation_boundary(image, 2).astype(int).tolist() == [two]
    straight = [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 1, 1, 1]]
    got = segmentation_boundary(image, 2, metric="rows-and-columns")
    assert got.astype(int).tolist() == [straight]


@pytest.mark.parametrize("width", [1, 1.5, 2, 3, 4.3])
def test_euclidean_is_the_band_of_a_distance_transform(labels, width):
    near = segmentation_boundary(labels, width)
    for image, band in zip(labels, near, strict=True):
        assert np.array_equal(band, distance_to_another_label(image) <= width)


def test_a_volume_has_a_boundary_too(rng):
    volume = np.kron(rng.integers(0, 2, (1, 3, 3, 2)), np.ones((1, 3, 2, 3), dtype=int))
    for width in (1, 2, 3):
        expected = distance_to_another_label(volume[0]) <= width
        assert np.array_equal(segmentation_boundary(volume, width)[0], expected)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_rows_and_columns_is_the_rule_of_lts_inside_a_frame(labels, width):
    near = segmentation_boundary(labels, width, metric="rows-and-columns")
    inside = (slice(3, -3), slice(3, -3))  # the authors blank a frame of three pixels
    for image, band in zip(labels, near, strict=True):
        assert np.array_equal(band[inside], by_rolling(image, width)[inside])


def test_the_two_agree_for_width_one_and_nest_beyond(labels):
    one = [segmentation_boundary(labels, 1, metric=m) for m in METRICS]
    assert np.array_equal(*one)
    for width in (2, 3):
        round_, straight = (
            segmentation_boundary(labels, width, metric=m) for m in METRICS
        )
        assert (round_ >= straight).all()
        assert round_.sum() > straight.sum()


@pytest.mark.parametrize("metric", METRICS)
def test_it_does_not_cross_from_image_to_image(labels, metric):
    whole = segmentation_boundary(labels, 3, metric=metric)
    alone = [segmentation_boundary(x[None], 3, metric=metric)[0] for x in labels]
    assert np.array_equal(whole, alone)


@pytest.mark.parametrize("metric", METRICS)
def test_names_of_the_labels_do_not_matter(labels, metric):
    expected = segmentation_boundary(labels, 2, metric=metric)
    for names in (["a", "b", "c"], [-5, 9, 200], [0.0, 2.0, 1.0]):
        renamed = np.array(names)[labels]
        assert np.array_equal(
            segmentation_boundary(renamed, 2, metric=metric), expected
        )


@pytest.mark.parametrize("metric", METRICS)
def test_the_library_of_the_labels_comes_back(labels, metric, xp):
    given = xp.asarray(labels)
    near = segmentation_boundary(given, 2, metric=metric)
    assert type(near) is type(given)
    assert near.dtype == xp.bool
    expected = segmentation_boundary(labels, 2, metric=metric)
    assert np.array_equal(xp.to_numpy(near), expected)
    assert np.array_equal(xp.to_numpy(given), labels)


@pytest.mark.parametrize("metric", METRICS)
def test_void_pixels_are_no_boundary_and_make_none(metric):
    image = np.array([[0, 0, 255, 0, 0, 1, 255, 1, 0]])
    near = segmentation_boundary(image, metric=metric, ignore_index=255)
    assert near.astype(int).tolist() == [[0, 0, 0, 0, 1, 1, 0, 1, 1]]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("width", [1, 50])
def test_one_label_has_no_boundary_at_any_width(metric, width):
    assert not segmentation_boundary(np.ones((2, 4, 5)), width, metric=metric).any()


def test_a_width_beyond_the_image_takes_all_of_it(labels):
    assert segmentation_boundary(labels, 100).all()


@pytest.mark.parametrize("width", [0, -1, 0.5, np.nan])
def test_a_width_below_one_is_refused(labels, width):
    with pytest.raises(InputError, match="width must be at least 1"):
        segmentation_boundary(labels, width)


def test_labels_without_an_image_are_refused(labels):
    with pytest.raises(InputError, match=r"labels\[None\]"):
        segmentation_boundary(labels[0, 0])
    with pytest.raises(InputError, match="metric must be one of"):
        segmentation_boundary(labels, metric="chess")
