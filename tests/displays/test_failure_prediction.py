"""ROC, precision-recall and risk-coverage curves of several confidences."""

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from skuq.displays import FailurePredictionDisplay as Display
from skuq.exceptions import InputError
from skuq.metrics import error_detection_scores, risk_coverage_curve

P = [[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0], [0.6, 0.2, 0.2]]
Y = [1, 1, 2, 0]  # the answer of confidence 0.9 is wrong


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_four_samples_by_hand(ax):
    curves = Display.from_predictions(Y, P, ax=ax).curves["largest probability"]
    # The surest first: 1.0 right, 0.9 wrong, 0.8 and 0.6 right.
    np.testing.assert_allclose(curves.errors_kept, [0, 0, 1, 1, 1])
    np.testing.assert_allclose(curves.right_kept, [0, 1 / 3, 1 / 3, 2 / 3, 1])
    # The least sure first.
    np.testing.assert_allclose(curves.errors_found, [0, 0, 1, 1])
    np.testing.assert_allclose(curves.precision, [0, 0, 1 / 3, 1 / 4])
    np.testing.assert_allclose(curves.risk, [0, 1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_allclose(curves.oracle, [0, 0, 0, 1 / 4])
    assert curves.error_rate == 1 / 4


def test_curves_are_those_of_scikit_learn_and_of_the_metrics(classified, rng, ax):
    y, p = classified
    confidence = np.round(rng.random(len(y)), 2)  # with ties
    confidence[p.argmax(1) == y] += 0.2
    display = Display.from_predictions(y, p, confidences={"own": confidence}, ax=ax)
    curves, right = display.curves["own"], p.argmax(1) == y
    fpr, tpr, _ = roc_curve(right, confidence, drop_intermediate=False)
    np.testing.assert_allclose(curves.errors_kept, fpr, atol=1e-12)
    np.testing.assert_allclose(curves.right_kept, tpr, atol=1e-12)
    precision, recall, _ = precision_recall_curve(~right, -confidence)
    np.testing.assert_allclose(curves.precision, precision[-2::-1], atol=1e-12)
    np.testing.assert_allclose(curves.errors_found, recall[-2::-1], atol=1e-12)
    expected = risk_coverage_curve(y, p, confidence=confidence)
    np.testing.assert_array_equal(curves.risk, expected.risk)
    assert curves.scores["auroc"] == pytest.approx(roc_auc_score(right, confidence))
    area = average_precision_score(~right, -confidence)
    assert curves.scores["aupr_error"] == pytest.approx(area)


def test_drawn_lines_and_legends_are_those_of_the_curves(classified, rng, ax):
    y, p = classified
    given = {"own": None, "noise": rng.random(len(y))}
    display = Display.from_predictions(y, p, confidences=given, tpr_level=0.9, ax=ax)
    assert legend(ax) == ["own", "noise", "chance", "oracle"]
    roc, precision_recall, risk_coverage = display.axes_
    for i, (key, curves) in enumerate(display.curves.items()):
        scores = error_detection_scores(y, p, confidence=given[key], tpr_level=0.9)
        shown = f"{scores['auroc']:.3f}, {scores['fpr_at_tpr']:.3f}"
        assert legend(roc)[i] == shown
        assert legend(precision_recall)[i] == f"{scores['aupr_error']:.3f}"
        assert legend(risk_coverage)[i] == f"{curves.scores['aurc']:.4f}"
        np.testing.assert_array_equal(roc.lines[i].get_ydata(), curves.right_kept)
        drawn = precision_recall.lines[i]
        assert drawn.get_drawstyle() == "steps-pre"
        np.testing.assert_array_equal(drawn.get_xdata()[1:], curves.errors_found)
        widths, heights = np.diff(drawn.get_xdata()), drawn.get_ydata()[1:]
        assert widths @ heights == pytest.approx(scores["aupr_error"])
        np.testing.assert_array_equal(risk_coverage.lines[i].get_ydata(), curves.risk)
        colors = {panel.lines[i].get_color() for panel in display.axes_}
        assert len(colors) == 1
    assert roc.get_legend().get_title().get_text() == "AUROC, FPR90"


def test_references_are_drawn_once_for_each_accuracy_and_can_be_left_out(classified):
    y, p = classified
    given = {"one": None, "two": p[:, 0]}
    display = Display.from_predictions(y, p, confidences=given)
    assert [len(panel.lines) for panel in display.axes_] == [3, 3, 4]
    risk = display.curves["one"].error_rate
    assert list(display.axes_[1].lines[2].get_ydata()) == [risk, risk]
    display.plot(oracle=False, chance=False)
    assert [len(panel.lines) for panel in display.axes_] == [2, 2, 2]


def test_the_generalized_risk_of_chance_grows_with_the_coverage(classified, ax):
    display = Display.from_predictions(*classified, risk="generalized", ax=ax)
    (curves,) = display.curves.values()
    expected = risk_coverage_curve(*classified).generalized_risk
    np.testing.assert_array_equal(curves.risk, expected)
    assert display.axes_[2].lines[1].get_ydata() == pytest.approx(
        [0, curves.error_rate]
    )


class Sure:
    classes_ = np.array(["a", "b"])

    def __init__(self, proba, confidence):
        self.proba, self.confidence = proba, confidence

    def predict_proba(self, X):
        return self.proba[X]

    def predict_confidence(self, X):
        return self.confidence[X]


class Plain:
    classes_ = np.array(["a", "b"])

    def __init__(self, proba):
        self.proba = proba

    def predict_proba(self, X):
        return self.proba[X]


@pytest.fixture
def two(rng):
    proba = rng.dirichlet([1, 1], size=50)
    return proba, np.array(["a", "b"])[rng.integers(2, size=50)], rng.random(50)


def test_estimators_are_asked_for_their_own_confidence(two):
    proba, y, confidence = two
    rows = np.arange(50)
    models = {"sure": Sure(proba, confidence), "plain": Plain(proba)}
    display = Display.from_estimators(models, rows, y, name="both")
    for key, values in {"sure": confidence, "plain": None}.items():
        scores = error_detection_scores(y, proba, confidence=values, labels=["a", "b"])
        assert scores.items() <= display.curves[key].scores.items()
    assert display.name == "both"
    alone = Display.from_estimator(models["sure"], rows, y)
    assert alone.name == "Sure"
    (curves,) = alone.curves.values()
    assert curves.scores == display.curves["sure"].scores


@pytest.mark.parametrize("right", [True, False])
def test_without_errors_or_right_answers_there_is_no_score_and_no_failure(right, ax):
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    y = p.argmax(1) if right else p.argmin(1)
    display = Display.from_predictions(y, p, ax=ax)
    ax.figure.draw_without_rendering()
    (curves,) = display.curves.values()
    assert np.isnan(curves.scores["auroc"])
    assert curves.error_rate == (0 if right else 1)


def test_long_curves_are_drawn_at_fewer_points(rng, ax):
    p = rng.random(20000)
    y = (rng.random(20000) < p).astype(int)
    display = Display.from_predictions(y, p, ax=ax)
    (curves,) = display.curves.values()
    for panel in display.axes_:
        x, y = panel.lines[0].get_data()
        assert 1500 < len(x) <= 2001
        assert x[-1] == 1
    assert len(curves.risk) > 10000
    drawn = display.axes_[1].lines[0]
    area = np.diff(drawn.get_xdata()) @ drawn.get_ydata()[1:]
    assert area == pytest.approx(curves.scores["aupr_error"], abs=1e-3)


@pytest.mark.parametrize("wrong", [[1, 2], {}, "entropy"])
def test_confidences_without_names_are_refused(classified, wrong, ax):
    with pytest.raises(InputError, match="a name for each confidence"):
        Display.from_predictions(*classified, confidences=wrong, ax=ax)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"risk": "total"}, "risk must be one of"), ({"tpr_level": 0}, "tpr_level")],
)
def test_wrong_options_are_refused(classified, options, match, ax):
    with pytest.raises(InputError, match=match):
        Display.from_predictions(*classified, ax=ax, **options)
