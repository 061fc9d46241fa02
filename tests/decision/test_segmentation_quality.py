"""The quality of masks, predicted without the truth."""

import pickle

import numpy as np
import pytest
import sklearn
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

from skuq.datasets import make_ellipses
from skuq.decision import SegmentationQualityRegressor, mask_overlap
from skuq.decision._mask_features import mask_features
from skuq.exceptions import InputError
from skuq.uncertainty import entropy

FOREST = RandomForestRegressor(50, random_state=0)


def pixel_features(images):
    """Brightness at four scales, and the distance from the middle."""
    grey = images[:, 0]
    rows, columns = (np.linspace(-1, 1, n) for n in grey.shape[1:])
    scales = [gaussian_filter(grey, (0, s, s)) for s in (1, 2, 4, 8)]
    middle = np.broadcast_to(rows[:, None] ** 2 + columns**2, grey.shape)
    return np.stack([*scales, middle], axis=-1).reshape(grey.size, -1)


def segmented(seed, n_samples):
    """Images, labels, masks and uncertainty of a classifier of pixels."""
    options = {"shape": (32, 32), "n_classes": 2}
    images, y, _ = make_ellipses(20, random_state=seed, **options)
    model = LogisticRegression(max_iter=300).fit(pixel_features(images), y.ravel())
    images, y, _ = make_ellipses(n_samples, random_state=1000 + seed, **options)
    inside = model.predict_proba(pixel_features(images))[:, 1].reshape(y.shape)
    proba = np.stack([1 - inside, inside], axis=1)
    return images, y, proba.argmax(axis=1), entropy(proba)


def correlation(regressor, images, y, masks, uncertainty, n_train):
    """Of predicted and true Dice, on the images that `fit` has not seen."""
    parts = []
    for part in slice(n_train), slice(n_train, None):
        options = {"masks": masks[part]}
        if uncertainty is not None:
            options["uncertainty"] = uncertainty[part]
        parts.append((images[part], y[part], options))
    (X, labels, options), (X_new, y_new, new) = parts
    model = SegmentationQualityRegressor(regressor)
    predicted = model.fit(X, labels, **options).predict(X_new, **new)
    return np.corrcoef(predicted, mask_overlap(y_new, new["masks"]))[0, 1]


@pytest.fixture
def scenes():
    return segmented(0, 60)


def test_uncertainty_raises_the_correlation_with_the_true_dice():
    without, shuffled, with_map = [], [], []
    for seed in range(8):
        images, y, masks, unsure = segmented(seed, 300)
        other = unsure[np.random.default_rng(seed).permutation(len(unsure))]
        for maps, values in (None, without), (other, shuffled), (unsure, with_map):
            values.append(correlation(None, images, y, masks, maps, 150))
    gain = np.subtract(with_map, without)
    assert gain.mean() > 3 * gain.std(ddof=1) / np.sqrt(8), gain
    assert gain.mean() > 0.03
    assert (gain > 0).sum() >= 6
    assert np.mean(shuffled) < np.mean(without)


def test_noise_of_the_labels_that_no_image_shows_is_seen_in_the_uncertainty():
    parts = [
        make_ellipses(60, n_classes=2, ambiguity=a, noise=0.1, random_state=i)
        for i, a in enumerate((0.5, 1.5, 3.0))
    ]
    images, y, proba = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.random.default_rng(0).permutation(len(y))
    images, y, proba = images[order], y[order], proba[order]
    data = images, y, proba.argmax(axis=1)
    assert correlation(None, *data, entropy(proba), 90) > 0.95
    assert correlation(None, *data, None, 90) < 0.6


@pytest.mark.parametrize("metric", ["dice", "jaccard"])
def test_labels_and_qualities_teach_the_same(metric, scenes):
    images, y, masks, unsure = scenes
    model = SegmentationQualityRegressor(metric=metric)
    quality = mask_overlap(y, masks, metric=metric)
    options = {"masks": masks, "uncertainty": unsure}
    from_labels = model.fit(images, y, **options).predict(images, **options)
    assert model.score(images, y, **options) == model.score(images, quality, **options)
    np.testing.assert_array_equal(
        model.fit(images, quality, **options).predict(images, **options), from_labels
    )
    assert model.score(images, quality, **options) == pytest.approx(
        1 - ((quality - from_labels) ** 2).sum() / (len(y) * quality.var())
    )


def test_the_quality_that_is_predicted_lies_in_the_unit_interval(scenes):
    images, _, masks, _ = scenes
    model = SegmentationQualityRegressor(LinearRegression())
    steep = model.fit(images, (np.arange(60) % 2).astype(float), masks=masks)
    changed = [scale * images for scale in (-9, -3, 3, 9)]
    predicted = np.array([steep.predict(x, masks=masks) for x in changed])
    assert predicted.min() == 0
    assert predicted.max() == 1


def test_masks_below_the_threshold_are_flagged(scenes):
    images, y, masks, _ = scenes
    model = SegmentationQualityRegressor().fit(images, y, masks=masks)
    predicted = model.predict(images, masks=masks)
    threshold = float(np.median(predicted))
    flags = model.review(images, masks=masks, threshold=threshold)
    np.testing.assert_array_equal(flags, predicted < threshold)
    assert 0 < flags.mean() < 1
    assert not model.review(images, masks=masks, threshold=0).any()
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(InputError, match="threshold must be in"):
            model.review(images, masks=masks, threshold=wrong)


def test_any_regressor_is_cloned(scenes):
    images, y, masks, _ = scenes
    regressor = DummyRegressor(strategy="median")
    model = SegmentationQualityRegressor(regressor).fit(images, y, masks=masks)
    assert model.regressor_ is not regressor
    assert not hasattr(regressor, "constant_")
    expected = np.median(mask_overlap(y, masks))
    np.testing.assert_allclose(model.predict(images, masks=masks), expected)


def test_images_without_channels_and_pickles_give_the_same(scenes):
    images, y, masks, unsure = scenes
    options = {"masks": masks, "uncertainty": unsure}
    model = SegmentationQualityRegressor().fit(images, y, **options)
    expected = model.predict(images, **options)
    np.testing.assert_array_equal(model.predict(images[:, 0], **options), expected)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(images, **options), expected)


def test_images_are_judged_one_by_one(scenes):
    images, y, masks, unsure = scenes
    model = SegmentationQualityRegressor()
    model.fit(images, y, masks=masks, uncertainty=unsure)
    whole = model.predict(images, masks=masks, uncertainty=unsure)
    few = slice(3, 5)
    own = model.predict(images[few], masks=masks[few], uncertainty=unsure[few])
    np.testing.assert_allclose(own, whole[few])


def test_several_classes_colours_and_any_number_of_axes_have_features(rng):
    for spatial in [(12,), (9, 8), (6, 5, 4)]:
        masks = rng.integers(3, size=(20, *spatial))
        masks[0], masks[1] = 0, 2  # nothing but background, nothing but one class
        images = rng.random((20, 3, *spatial))
        quality = rng.random(20)
        model = SegmentationQualityRegressor()
        model.fit(images, quality, masks=masks, uncertainty=images[:, 0])
        assert {"size of 1", "size of 2", "channel 2"} <= set(model.feature_names_)
        assert model.classes_.tolist() == [1, 2]
        predicted = model.predict(images, masks=masks, uncertainty=images[:, 0])
        assert np.isfinite(predicted).all()


def test_without_background_every_class_is_an_object(rng):
    masks = rng.integers(2, size=(20, 6, 6))
    images, y = rng.random((20, 6, 6)), rng.integers(2, size=(20, 6, 6))
    model = SegmentationQualityRegressor(background=None).fit(images, y, masks=masks)
    assert model.classes_.tolist() == [0, 1]
    predicted = model.predict(images, masks=masks)
    quality = mask_overlap(y, masks, background=None)
    assert np.isfinite(predicted).all()
    assert predicted.mean() == pytest.approx(quality.mean())


def test_features_by_hand():
    mask = np.zeros((1, 4, 6), int)
    mask[0, 1:3, 1:3], mask[0, 3, 5] = 1, 1
    image = np.where(mask, 0.75, 0.25)[:, None]
    unsure = np.zeros((1, 4, 6))
    unsure[0, 0, 0] = unsure[0, 1, 1] = 0.6
    found = mask_features(
        image, mask, unsure, classes=np.array([1]), background=0, width=1
    )
    expected = {
        "size": 5 / 24,
        "boundary": 15 / 24,  # 4 + 8 around the square, 1 + 2 around the pixel
        "parts": 2,
        "largest part": 4 / 5,
        "brightness inside": 0.75,
        "contrast": 0.5,
        "spread inside": 0,
        "uncertainty": 1.2 / 24,
        "uncertainty inside": 0.6 / 5,
        "uncertainty at boundary": 0.6 / 15,
        "uncertainty elsewhere": 0.6 / 9,
        "uncertainty by size": np.log1p(1.2 / 5),
        "uncertainty by boundary": np.log1p(1.2 / 15),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx([value]), name
    assert found["roughness"] == pytest.approx([15 / 24 / np.sqrt(5 / 24)])


def test_void_pixels_do_not_count_in_the_quality(scenes):
    images, y, masks, _ = scenes
    void = y.copy()
    void[:, :16] = 255
    model = SegmentationQualityRegressor(ignore_index=255)
    half = model.fit(images, void, masks=masks).predict(images, masks=masks)
    quality = mask_overlap(y[:, 16:], masks[:, 16:])
    expected = model.fit(images, quality, masks=masks).predict(images, masks=masks)
    np.testing.assert_allclose(half, expected)


class TestScikitLearn:
    @pytest.fixture(autouse=True)
    def routing(self):
        with sklearn.config_context(enable_metadata_routing=True):
            yield

    @pytest.fixture
    def routed(self):
        model = SegmentationQualityRegressor()
        requests = {"masks": True, "uncertainty": True}
        return model.set_fit_request(**requests).set_score_request(**requests)

    def test_cross_validation_cuts_masks_and_uncertainty(self, routed, scenes):
        images, y, masks, unsure = scenes
        params = {"masks": masks, "uncertainty": unsure}
        scores = cross_val_score(routed, images, y, cv=3, params=params)
        train, test = np.arange(20, 60), np.arange(20)
        model = clone(routed).fit(
            images[train], y[train], masks=masks[train], uncertainty=unsure[train]
        )
        expected = model.score(
            images[test], y[test], masks=masks[test], uncertainty=unsure[test]
        )
        assert scores[0] == pytest.approx(expected)

    def test_a_search_chooses_parameters(self, routed, scenes):
        images, y, masks, unsure = scenes
        dummy = DummyRegressor()
        search = GridSearchCV(routed, {"regressor": [dummy, FOREST]}, cv=3)
        search.fit(images, y, masks=masks, uncertainty=unsure)
        assert search.best_params_["regressor"] is FOREST


SHAPE_FREE = {
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_set_params",
    "check_valid_tag_types",
}


def shape_free_checks():
    """Checks of scikit-learn that do not fit: the others pass no masks to `fit`."""
    for model, check in estimator_checks_generator(SegmentationQualityRegressor()):
        name = getattr(check.func, "func", check.func).__name__
        if name in SHAPE_FREE:
            yield pytest.param(model, check, id=name)


@pytest.mark.parametrize(("model", "check"), list(shape_free_checks()))
def test_passes_the_checks_of_scikit_learn_that_do_not_fit(model, check):
    check(model)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"masks": np.zeros((60, 5, 5))}, r"masks \(60, 5, 5\)"),
        ({"masks": np.zeros(60)}, r"masks have shape \(60,\)"),
        ({"y": np.full(60, 1.5)}, "y runs from 1.5"),
        ({"y": np.full(60, np.nan)}, "y runs from nan"),
        ({"uncertainty": np.zeros((60, 5, 5))}, r"uncertainty has shape \(60, 5, 5\)"),
        (
            {"uncertainty": np.full((60, 32, 32), np.inf)},
            "uncertainty holds NaN or inf",
        ),
        ({"X": np.full((60, 1, 32, 32), np.nan)}, "X holds NaN"),
        ({"X": np.zeros((60, 32, 32, 1))}, r"X has shape \(60, 32, 32, 1\)"),
    ],
)
def test_what_cannot_be_used_is_refused(change, match, scenes):
    X, y, masks, unsure = scenes
    data = {"X": X, "y": y, "masks": masks, "uncertainty": unsure, **change}
    if change.keys() == {"masks"}:
        data["y"] = np.zeros(60)
    with pytest.raises(InputError, match=match):
        SegmentationQualityRegressor().fit(**data)


def test_the_metric_and_the_number_of_qualities_are_checked(scenes):
    X, y, masks, unsure = scenes
    with pytest.raises(InputError, match="metric must be one of"):
        SegmentationQualityRegressor(metric="iou").fit(X, y, masks=masks)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SegmentationQualityRegressor().fit(X, np.zeros(9), masks=masks)
    with pytest.raises(NotFittedError):
        SegmentationQualityRegressor().predict(X, masks=masks)
    model = SegmentationQualityRegressor().fit(X, y, masks=masks)
    with pytest.raises(InputError, match="uncertainty is given, but fit had none"):
        model.predict(X, masks=masks, uncertainty=unsure)
    model.fit(X, y, masks=masks, uncertainty=unsure)
    with pytest.raises(InputError, match="uncertainty is missing, but fit had one"):
        model.predict(X, masks=masks)
