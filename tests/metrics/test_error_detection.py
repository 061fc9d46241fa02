"""Telling errors from right predictions, against scikit-learn and brute force."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from skuq.exceptions import InputError
from skuq.metrics import Streaming, error_detection_scores

NAMES = ["auroc", "aupr_error", "aupr_success", "fpr_at_tpr"]


def false_positive_rate(confidence, correct, weight, level):
    """At the largest confidence that this share of the right predictions reaches."""
    for threshold in np.unique(confidence)[::-1]:
        kept = confidence >= threshold
        if (weight * correct)[kept].sum() >= level * (weight @ correct) - 1e-12:
            return (weight * ~correct)[kept].sum() / (weight @ ~correct)
    raise AssertionError("the smallest confidence keeps all")


@pytest.fixture
def problem(rng):
    """Labels, rows, a rounded confidence of its own, and weights."""
    p, y = rng.dirichlet(np.ones(3), 120), rng.integers(0, 3, 120)
    right = p.argmax(axis=1) == y
    confidence = np.round(rng.normal(right, 1.0), 1)  # with ties, below 0 and above 1
    return y, p, confidence, rng.random(120)


@pytest.fixture
def correct(problem):
    y, p, *_ = problem
    return p.argmax(axis=1) == y


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_areas_are_those_of_scikit_learn(weighted, own, problem, correct):
    y, p, confidence, weight = problem
    weight = weight if weighted else None
    confidence = confidence if own else p.max(axis=1)
    scores = error_detection_scores(
        y, p, sample_weight=weight, confidence=confidence if own else None
    )
    expected = {
        "auroc": roc_auc_score(correct, confidence, sample_weight=weight),
        "aupr_error": average_precision_score(
            ~correct, -confidence, sample_weight=weight
        ),
        "aupr_success": average_precision_score(
            correct, confidence, sample_weight=weight
        ),
    }
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.8, 0.95, 1.0])
def test_the_false_positive_rate_is_that_of_brute_force(level, problem, correct):
    y, p, confidence, weight = problem
    for w in (np.ones(120), weight):
        scores = error_detection_scores(
            y, p, sample_weight=w, confidence=confidence, tpr_level=level
        )
        expected = false_positive_rate(confidence, correct, w, level)
        assert scores["fpr_at_tpr"] == pytest.approx(expected, rel=1e-12)


def test_a_level_that_a_threshold_meets_exactly_is_met(rng):
    # Nine of ten right predictions, whatever their weights sum to in floats.
    confidence = np.append(np.arange(10, 0, -1.0), [1.5, 2.5])  # two errors
    y, p = np.append(np.zeros(10, int), [1, 1]), np.tile([0.8, 0.2], (12, 1))
    for weight in (1, *rng.random(50)):
        scores = error_detection_scores(
            y,
            p,
            confidence=confidence,
            sample_weight=np.full(12, weight),
            tpr_level=0.9,
        )
        assert scores["fpr_at_tpr"] == pytest.approx(0.5, rel=1e-12)


def test_a_weight_is_a_repetition(problem, rng):
    y, p, confidence, _ = problem
    count = rng.integers(0, 4, 120)
    rows = np.repeat(np.arange(120), count)
    weighted = error_detection_scores(y, p, confidence=confidence, sample_weight=count)
    repeated = error_detection_scores(y[rows], p[rows], confidence=confidence[rows])
    assert weighted == pytest.approx(repeated, rel=1e-12)


def test_the_probability_of_the_true_class_tells_errors_perfectly(rng):
    # Relative to the largest probability it is 1 where right, and below 1 elsewhere.
    p, y = rng.dirichlet(np.ones(5), 200), rng.integers(0, 5, 200)
    ratio = p[np.arange(200), y] / p.max(axis=1)
    scores = error_detection_scores(y, p, confidence=ratio)
    perfect = {"auroc": 1, "aupr_error": 1, "aupr_success": 1, "fpr_at_tpr": 0}
    assert scores == pytest.approx(perfect, rel=1e-12)


def test_equal_confidences_are_chance(problem, correct):
    y, p, *_ = problem
    scores = error_detection_scores(y, p, confidence=np.full(120, 3.0))
    chance = [0.5, 1 - correct.mean(), correct.mean(), 1]
    assert list(scores.values()) == pytest.approx(chance, rel=1e-12)


def test_uncertainty_is_confidence_turned_round(problem):
    y, p, confidence, weight = problem
    one = error_detection_scores(y, p, confidence=confidence, sample_weight=weight)
    two = error_detection_scores(y, p, uncertainty=-confidence, sample_weight=weight)
    assert one == two


def test_only_the_order_of_confidences_counts(problem):
    y, p, confidence, _ = problem
    one = error_detection_scores(y, p, confidence=confidence)
    assert error_detection_scores(y, p, confidence=np.exp(confidence)) == one
    integers = np.round(10 * confidence).astype(int)
    assert error_detection_scores(y, p, confidence=integers) == one


def test_infinite_confidences_are_ties():
    p = np.tile([0.8, 0.2], (4, 1))
    y = [0, 1, 0, 1]
    scores = error_detection_scores(y, p, confidence=[np.inf, np.inf, 1, -np.inf])
    assert scores["auroc"] == (0.5 + 1 + 0 + 1) / 4
    finite = error_detection_scores(y, p, confidence=[9, 9, 1, 0])
    assert scores == finite


@pytest.mark.parametrize("right", [True, False])
def test_what_cannot_be_told_apart_is_nan(right, rng):
    p, weight = np.tile([0.8, 0.2], (30, 1)), rng.random(30)
    y = np.full(30, 0 if right else 1)
    scores = error_detection_scores(
        y, p, labels=[0, 1], confidence=rng.random(30), sample_weight=weight
    )
    some = "aupr_success" if right else "aupr_error"
    assert list(scores) == NAMES
    assert {name for name in NAMES if not np.isnan(scores[name])} == {some}
    assert scores[some] == 1


class TestMaps:
    def draw(self, rng):
        p = np.moveaxis(rng.dirichlet(np.ones(3), (4, 5, 6)), -1, 1)
        y = rng.integers(0, 3, (4, 5, 6))
        return y, p, rng.random((4, 5, 6))

    def test_void_pixels_of_a_confidence_map_do_not_count(self, rng, xp):
        y, p, confidence = self.draw(rng)
        void = rng.random(y.shape) < 0.3
        table = np.moveaxis(p, 1, -1)[~void]
        kept = error_detection_scores(y[~void], table, confidence=confidence[~void])
        for filler in (0.5, 1e9, np.nan):  # whatever it holds there
            scores = error_detection_scores(
                xp.asarray(np.where(void, 255, y)),
                xp.asarray(p),
                confidence=xp.asarray(np.where(void, filler, confidence)),
                ignore_index=255,
            )
            assert scores == pytest.approx(kept, rel=1e-12)

    def test_large_maps_are_read_piece_by_piece(self, rng):
        p = np.moveaxis(rng.dirichlet(np.ones(3), (2, 200, 300)), -1, 1)
        y, confidence = rng.integers(0, 3, (2, 200, 300)), rng.random((2, 200, 300))
        table = np.moveaxis(p, 1, -1).reshape(-1, 3)
        flat = error_detection_scores(y.ravel(), table, confidence=confidence.ravel())
        maps = error_detection_scores(y, p, confidence=confidence)
        assert maps == pytest.approx(flat, rel=1e-12)


@pytest.mark.parametrize("name", ["confidence", "uncertainty"])
def test_an_aligned_keyword_streams(name, problem):
    y, p, confidence, weight = problem
    whole = error_detection_scores(y, p, sample_weight=weight, **{name: confidence})
    stream = Streaming(error_detection_scores)
    for i in np.split(np.arange(120), [7, 50]):
        stream.update(y[i], p[i], sample_weight=weight[i], **{name: confidence[i]})
    assert stream.compute() == pytest.approx(whole, rel=1e-12)
    with pytest.raises(InputError, match="does not take"):
        Streaming(error_detection_scores, **{name: confidence})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": [0.1]}, "shape"),
        ({"confidence": [[0.1, 0.2]]}, "shape"),
        ({"uncertainty": [0.1, 0.2, 0.3]}, "uncertainty has shape"),
        ({"confidence": [0.1, np.nan]}, "confidence contains NaN"),
        ({"uncertainty": [np.nan, 0.1]}, "uncertainty contains NaN"),
        ({"confidence": [1, 2], "uncertainty": [1, 2]}, "not both"),
        ({"tpr_level": 0}, "tpr_level"),
        ({"tpr_level": 95}, "tpr_level"),
        ({"sample_weight": [0, 0]}, "sample_weight"),
    ],
    ids=str,
)
def test_unusable_options_get_a_clear_error(options, message):
    with pytest.raises(InputError, match=message):
        error_detection_scores([0, 1], [0.2, 0.4], **options)
