"""ConformalClassifier: covers as often as it says, for any scores, labels and shape."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skuq.calibration import ConformalCalibrator
from skuq.decision import ConformalClassifier
from skuq.decision._set_scores import set_scores
from skuq.exceptions import CalibrationWarning, InputError

METHODS = [
    {"method": "lac"},
    {"method": "aps"},
    {"method": "aps", "randomize": True},
    {"method": "raps", "penalty": 0.05, "k_reg": 2},
    {"method": "raps", "penalty": 0.05, "k_reg": 2, "randomize": True},
]
every_method = pytest.mark.parametrize("options", METHODS, ids=str)


def labelled(rng, n, n_classes=6, sharpness=0.5):
    """Probabilities of an overconfident model, and labels of which they know a part."""
    z = rng.normal(0, 1.5, (n, n_classes))
    p = softmax(sharpness * z, axis=1)
    y = (p.cumsum(1)[:, :-1] < rng.random((n, 1))).sum(1)
    return softmax(z, axis=1), y


def inside(sets, y):
    """Whether each set holds the true class."""
    return sets[np.arange(len(y)), y]


def test_scores_of_a_column_by_hand():
    p = np.array([[0.2], [0.5], [0.3]])
    for method, part, expected in [
        ("lac", 1.0, [0.8, 0.5, 0.7]),
        ("aps", 1.0, [1.0, 0.5, 0.8]),
        ("aps", 0.5, [0.9, 0.25, 0.65]),
        ("raps", 1.0, [1.2, 0.5, 0.9]),
    ]:
        found = set_scores(p, method, part, penalty=0.1, k_reg=1)
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12)


def test_equal_probabilities_are_ranked_by_their_column():
    found = set_scores(np.full((3, 1), 1 / 3), "aps", 1.0, 0.0, 0)
    np.testing.assert_allclose(found[:, 0], [1 / 3, 2 / 3, 1], rtol=1e-12)


def test_the_threshold_is_the_conformal_quantile(told):
    p = np.linspace(0.05, 0.95, 19)
    X = np.column_stack([p, 1 - p])
    model = ConformalClassifier(told()).fit(X, np.zeros(19, int))
    errors = ConformalCalibrator().fit(np.zeros(19), 1 - p)
    for alpha in 0.1, 0.25, 0.5:
        _, upper = errors.predict_interval([0.0], alpha=alpha)
        np.testing.assert_allclose(model.thresholds(alpha), upper, rtol=1e-12)


@every_method
def test_coverage_lies_within_its_finite_sample_bounds(options, told):
    n, alpha, covered = 60, 0.2, []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        X, y = labelled(rng, n + 100)
        model = ConformalClassifier(told(range(6)), random_state=seed, **options)
        sets = model.fit(X[:n], y[:n]).predict_set(X[n:], alpha)
        covered.append(inside(sets, y[n:]).mean())
    error = np.std(covered) / np.sqrt(len(covered))
    assert (
        1 - alpha - 5 * error <= np.mean(covered) <= 1 - alpha + 1 / (n + 1) + 5 * error
    )
    assert error < 0.004


@pytest.mark.parametrize("options", METHODS[:3], ids=str)
def test_each_class_is_covered_within_its_own_bounds(options, told):
    counts, alpha, covered = np.array([25, 40, 80]), 0.2, []
    y = np.repeat(np.arange(3), counts)
    y_test = np.repeat(np.arange(3), 60)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        X, X_test = (
            softmax(rng.normal(0, 1 + t[:, None], (len(t), 3)) + np.eye(3)[t], axis=1)
            for t in (y, y_test)
        )
        model = ConformalClassifier(
            told(range(3)), class_conditional=True, random_state=seed, **options
        ).fit(X, y)
        hit = inside(model.predict_set(X_test, alpha), y_test)
        covered.append(hit.reshape(3, -1).mean(1))
    mean, error = np.mean(covered, 0), np.std(covered, 0) / np.sqrt(len(covered))
    assert (mean >= 1 - alpha - 5 * error).all()
    if options["method"] == "lac" or options.get("randomize"):  # no ties at a mass of 1
        assert (mean <= 1 - alpha + 1 / (counts + 1) + 5 * error).all()
    assert error.max() < 0.006


def test_a_class_is_not_covered_by_chance_alone(told):
    """Without `class_conditional` the hard class is covered less than promised."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 400)
    X = softmax(rng.normal(0, 1 + y[:, None], (1200, 3)) + np.eye(3)[y], axis=1)
    model = ConformalClassifier(told(range(3)))
    by_class = [
        inside(m.fit(X, y).predict_set(X, 0.2), y).reshape(3, -1).mean(1)
        for m in (model, clone(model).set_params(class_conditional=True))
    ]
    assert by_class[0].min() < 0.75
    assert by_class[1].min() >= 0.8


def test_a_random_position_of_a_new_image_is_covered(told):
    """Images differ, so that pixels are far from independent: n counts images."""
    n, alpha, covered = 20, 0.2, []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        ease = rng.normal(0, 2, (n + 20, 1, 1, 1))
        y = rng.integers(0, 3, (n + 20, 4, 3))
        right = np.moveaxis(np.eye(3)[y], -1, 1)
        X = softmax(rng.normal(0, 1, right.shape) + ease * right, axis=1)
        sets = ConformalClassifier(told(range(3))).fit(X[:n], y[:n])
        sets = sets.predict_set(X[n:], alpha)
        covered.append(np.take_along_axis(sets, y[n:, None], axis=1).mean())
    error = np.std(covered) / np.sqrt(len(covered))
    assert (
        1 - alpha - 5 * error <= np.mean(covered) <= 1 - alpha + 1 / (n + 1) + 5 * error
    )


@every_method
def test_sets_grow_as_alpha_falls(options, rng, told):
    X, y = labelled(rng, 300)
    model = ConformalClassifier(told(range(6)), random_state=0, **options).fit(X, y)
    small, large = (model.predict_set(X, alpha) for alpha in (0.3, 0.05))
    assert (small <= large).all()
    assert small.sum() < large.sum()


@every_method
def test_a_set_holds_the_most_probable_classes(options, rng, told):
    X, y = labelled(rng, 300)
    sets = ConformalClassifier(told(range(6)), random_state=0, **options).fit(X, y)
    sets = sets.predict_set(X)
    ordered = np.take_along_axis(sets, np.argsort(-X, axis=1), axis=1).astype(int)
    assert (np.diff(ordered, axis=1) <= 0).all()


@every_method
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_libraries_and_precisions_agree(options, dtype, rng, xp, told):
    X, y = labelled(rng, 200)
    X = X.astype(np.float32)
    options = {"random_state": 0, **options}
    expected = ConformalClassifier(told(range(6)), **options).fit(X, y).predict_set(X)
    model = ConformalClassifier(told(range(6)), **options)
    given = xp.asarray(X, dtype=dtype)
    found = model.fit(given, xp.asarray(y)).predict_set(given)
    if xp.name.startswith("torch"):
        assert type(found) is type(given)
    assert (xp.to_numpy(found) == expected).mean() > 0.998


@every_method
@pytest.mark.parametrize("class_conditional", [False, True])
def test_maps_of_one_pixel_equal_tables(options, class_conditional, rng, xp, told):
    X, y = labelled(rng, 200)
    options = {"random_state": 0, "class_conditional": class_conditional, **options}
    model = ConformalClassifier(told(range(6)), **options)
    table = model.fit(X, y).predict_set(X)
    maps = xp.asarray(X[:, :, None, None])
    sets = model.fit(maps, xp.asarray(y[:, None, None])).predict_set(maps)
    np.testing.assert_array_equal(xp.to_numpy(sets)[:, :, 0, 0], table)


def test_void_pixels_do_not_count(rng, told):
    X = np.moveaxis(rng.dirichlet(np.ones(3), (9, 4, 5)), -1, 1)
    y = rng.integers(0, 3, (9, 4, 5))
    wide, marked = np.concatenate([X, X], axis=3), np.full((9, 4, 10), 255)
    marked[:, :, :5] = y
    model = ConformalClassifier(told(range(3)), ignore_index=255)
    for conditional in False, True:
        model.set_params(class_conditional=conditional)
        plain = model.fit(X, y).thresholds(0.3)
        np.testing.assert_allclose(model.fit(wide, marked).thresholds(0.3), plain)


def test_strings_and_numbers_are_the_same_problem(rng, told):
    X, y = labelled(rng, 200)
    names = np.array(list("zyxwvu"))
    sets = ConformalClassifier(told(range(6))).fit(X, y).predict_set(X)
    named = ConformalClassifier(told(names)).fit(X, names[y])
    np.testing.assert_array_equal(named.predict_set(X), sets)
    np.testing.assert_array_equal(named.predict(X), names[X.argmax(1)])
    assert named.score(X, names[y]) == (X.argmax(1) == y).mean()


def test_a_class_without_samples_is_in_every_set(rng, told):
    X, y = labelled(rng, 300)
    X, y = X[y != 2], y[y != 2]
    model = ConformalClassifier(told(range(6)), class_conditional=True).fit(X, y)
    with pytest.warns(CalibrationWarning, match=r"of \[2\] are too few.*at least 4"):
        sets = model.predict_set(X, 0.2)
    assert sets[:, 2].all()
    assert not sets[:, [0, 1, 3, 4, 5]].all(0).any()


def test_too_few_samples_give_full_sets_and_a_warning(rng, told):
    X, y = labelled(rng, 19)
    model = ConformalClassifier(told(range(6))).fit(X[:18], y[:18])
    with pytest.warns(CalibrationWarning, match="use at least 19"):
        assert model.predict_set(X, 0.05).all()
    assert not model.fit(X, y).predict_set(X, 0.05).all()


def test_all_errors_and_no_errors_are_covered(rng, told):
    X, _ = labelled(rng, 400)
    for y in X.argmax(1), X.argmin(1):
        model = ConformalClassifier(told(range(6))).fit(X[:200], y[:200])
        assert inside(model.predict_set(X[200:], 0.1), y[200:]).mean() > 0.8


def test_ties_cover_all_the_more(told):
    X = np.full((100, 4), 0.25)
    y = np.arange(100) % 4
    assert ConformalClassifier(told(range(4))).fit(X, y).predict_set(X, 0.5).all()


def test_logits_margins_and_probabilities_of_one_model_agree(rng):
    X, y = load_digits(return_X_y=True)
    model = LogisticRegression(C=0.01, max_iter=500).fit(X[:600], y[:600])
    sets = [
        ConformalClassifier(model, response_method=method)
        .fit(X[600:1200], y[600:1200])
        .predict_set(X[1200:])
        for method in ("auto", "predict_proba")
    ]
    np.testing.assert_array_equal(*sets)
    assert sets[0].shape == (597, 10)


def test_one_column_of_margins_makes_two_classes(rng):
    X = rng.normal(size=(300, 2))
    y = np.where(X[:, 0] + rng.normal(size=300) > 0, "yes", "no")
    model = ConformalClassifier(LogisticRegression().fit(X[:100], y[:100]))
    sets = model.fit(X[100:], y[100:]).predict_set(X)
    assert sets.shape == (300, 2)
    assert list(model.classes_) == ["no", "yes"]


def test_random_parts_are_repeated_by_the_seed(rng, told):
    X, y = labelled(rng, 200)
    model = ConformalClassifier(
        told(range(6)), method="aps", randomize=True, random_state=3
    ).fit(X, y)
    sets = model.predict_set(X)
    np.testing.assert_array_equal(model.predict_set(X), sets)
    other = clone(model).set_params(random_state=4).fit(X, y).predict_set(X)
    assert (other != sets).any()


def test_it_works_in_a_pipeline_and_a_search():
    X, y = load_digits(return_X_y=True)
    conformal = ConformalClassifier(GaussianNB(), holdout=0.4, random_state=0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), conformal),
        {"conformalclassifier__estimator__var_smoothing": [1e-9, 0.1]},
        cv=2,
    ).fit(X, y)
    best = search.best_estimator_
    sets = best[-1].predict_set(best[:-1].transform(X), alpha=0.1)
    assert sets.shape == (len(y), 10)
    assert inside(sets, y).mean() > 0.85


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "thr"}, "method must be one of 'lac', 'aps', 'raps'"),
        ({"method": "raps", "penalty": -1}, "at least 0, got -1"),
        ({"method": "raps", "k_reg": -1}, "at least 0"),
        ({"response_method": "predict"}, "response_method must be one of"),
    ],
)
def test_what_cannot_be_used_is_refused(options, message, rng, told):
    with pytest.raises(InputError, match=message):
        ConformalClassifier(told(range(6)), **options).fit(*labelled(rng, 50))


def test_unknown_labels_shapes_and_levels_are_refused(rng, told):
    X, y = labelled(rng, 50)
    model = ConformalClassifier(told(range(6)))
    with pytest.raises(InputError, match="label 9, which is not in the classes"):
        model.fit(X, np.append(y[:-1], 9))
    with pytest.raises(InputError, match="labels need shape"):
        model.fit(X, y[:40])
    with pytest.raises(InputError, match="contain NaN"):
        model.fit(np.full_like(X, np.nan), y)
    with pytest.raises(InputError, match=r"alpha must lie in \(0, 1\), got 90"):
        model.fit(X, y).predict_set(X, alpha=90)


def test_inputs_are_left_as_they_are(rng, told):
    X, y = labelled(rng, 100)
    before = X.copy(), y.copy()
    ConformalClassifier(told(range(6)), method="raps").fit(X, y).predict_set(X)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
