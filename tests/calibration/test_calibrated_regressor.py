"""CalibratedRegressor around every kind of model, prefit and cross-fitted."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import make_regression
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import estimator_checks_generator

from skuq.calibration import (
    CalibratedRegressor,
    ConformalCalibrator,
    QuantileCalibrator,
    VarianceScaler,
)
from skuq.exceptions import InputError, SkuqWarning
from skuq.metrics import crps_gaussian, get_scorer, interval_coverage_score


@pytest.fixture(scope="module")
def data():
    """Train, validation and test parts of a problem with some curvature."""
    X, y = make_regression(1200, 5, noise=10.0, random_state=0)
    y = y + X[:, 0] ** 2 * 20
    return X[:200], y[:200], X[200:600], y[200:600], X[600:], y[600:]


class TooSure(RegressorMixin, BaseEstimator):
    """The true line with a bias, and a third of the deviation that it should have."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X, return_std=False):
        mean = X[:, 0] + 1
        return (mean, 1 / 3 + 0 * mean) if return_std else mean


@pytest.fixture
def too_sure(rng):
    """The model with samples whose errors are standard normal."""
    X = rng.normal(size=(4000, 2))
    return TooSure().fit(X), X, X[:, 0] + rng.normal(size=4000)


STATES_STD = {
    "bayesian": BayesianRidge,
    "process": lambda: GaussianProcessRegressor(alpha=0.1, normalize_y=True),
    "pipeline": lambda: make_pipeline(StandardScaler(), BayesianRidge()),
    "search": lambda: GridSearchCV(
        make_pipeline(StandardScaler(), BayesianRidge()),
        {"bayesianridge__tol": [1e-3, 1e-2]},
    ),
}
STATES_MEANS = {
    "linear": LinearRegression,
    "forest": lambda: RandomForestRegressor(20, random_state=0),
    "pipeline-tree": lambda: make_pipeline(
        StandardScaler(), DecisionTreeRegressor(random_state=0)
    ),
}


@pytest.mark.parametrize("make", STATES_STD.values(), ids=STATES_STD)
@pytest.mark.parametrize("freeze", [FrozenEstimator, lambda model: model])
def test_one_line_scales_the_deviations_of_a_fitted_model(make, freeze, data):
    X_train, y_train, X_val, y_val, X_test, _ = data
    model = make().fit(X_train, y_train)
    before = pickle.dumps(model)
    calibrated = CalibratedRegressor(freeze(model)).fit(X_val, y_val)
    assert pickle.dumps(model) == before  # the model is not touched
    model = getattr(model, "best_estimator_", model)  # searches take no return_std
    mean, std = model.predict(X_val, return_std=True)
    scaler = VarianceScaler().fit(mean, y_val, y_std=std)
    assert calibrated.calibrator_.scale_ == scaler.scale_
    mean, std = model.predict(X_test, return_std=True)
    found = calibrated.predict(X_test, return_std=True)
    assert np.array_equal(found[0], mean)
    assert np.array_equal(found[1], scaler.scale_ * std)
    assert np.array_equal(calibrated.predict(X_test), mean)
    assert calibrated.predict_quantiles(X_test, [0.1, 0.5]).shape == (600, 2)
    assert calibrated.n_features_in_ == 5


@pytest.mark.parametrize("make", STATES_MEANS.values(), ids=STATES_MEANS)
def test_a_model_of_means_gets_conformal_intervals(make, data):
    X_train, y_train, X_val, y_val, X_test, y_test = data
    model = make().fit(X_train, y_train)
    calibrated = CalibratedRegressor(model).fit(X_val, y_val)
    assert isinstance(calibrated.calibrator_, ConformalCalibrator)
    lower, upper = calibrated.predict_interval(X_test, alpha=0.2)
    share = interval_coverage_score(y_test, lower, upper)
    error = np.sqrt(0.16 * (1 / 400 + 1 / 600))
    assert share == pytest.approx(0.8, abs=5 * error)
    assert np.array_equal(calibrated.predict(X_test), model.predict(X_test))
    assert calibrated.score(X_test, y_test) == model.score(X_test, y_test)


@pytest.mark.parametrize("calibrator", [VarianceScaler(), QuantileCalibrator()])
def test_calibration_improves_a_model_that_is_too_sure(calibrator, too_sure):
    model, X, y = too_sure
    calibrated = CalibratedRegressor(model, calibrator).fit(X[:2000], y[:2000])
    before = crps_gaussian(y[2000:], *model.predict(X[2000:], return_std=True))
    after = crps_gaussian(y[2000:], *calibrated.predict(X[2000:], return_std=True))
    assert after < 0.95 * before


def test_quantile_calibration_mends_the_bias_of_predict_too(too_sure):
    model, X, y = too_sure
    calibrated = CalibratedRegressor(model, QuantileCalibrator()).fit(X, y)
    bias = np.mean(calibrated.predict(X) - X[:, 0])
    assert bias == pytest.approx(0, abs=5 / np.sqrt(4000))
    mean = calibrated.predict(X, return_std=True)[0]
    assert np.array_equal(mean, calibrated.predict(X))


def test_the_deviation_can_be_left_out(data):
    X_train, y_train, X_val, y_val, X_test, _ = data
    model = BayesianRidge().fit(X_train, y_train)
    calibrated = CalibratedRegressor(model, response_method="predict")
    lower, upper = calibrated.fit(X_val, y_val).predict_interval(X_test)
    np.testing.assert_allclose(upper - lower, (upper - lower)[0], rtol=1e-9)
    with pytest.raises(InputError, match="states no standard deviation"):
        calibrated.predict(X_test, return_std=True)


def test_a_deviation_that_is_missing_is_named(data):
    X_train, y_train, X_val, y_val, *_ = data
    model = LinearRegression().fit(X_train, y_train)
    with pytest.raises(InputError, match=r"LinearRegression.predict has no return_std"):
        CalibratedRegressor(model, response_method="return_std").fit(X_val, y_val)
    with pytest.raises(InputError, match="response_method must be one of"):
        CalibratedRegressor(model, response_method="std").fit(X_val, y_val)
    with pytest.raises(InputError, match="needs y_std"):
        CalibratedRegressor(model, QuantileCalibrator()).fit(X_val, y_val)


def test_an_unfitted_model_is_refused_with_the_remedy(data):
    _, _, X_val, y_val, *_ = data
    with pytest.raises(NotFittedError, match=r"CalibratedRegressor.*FrozenEstimator"):
        CalibratedRegressor(LinearRegression()).fit(X_val, y_val)
    with pytest.raises(TypeError, match="VarianceScaler"):
        CalibratedRegressor(np.mean).fit(X_val, y_val)
    with pytest.raises(NotFittedError):
        CalibratedRegressor(LinearRegression()).predict(X_val)
    with pytest.raises(NotFittedError):
        CalibratedRegressor(LinearRegression()).predict_interval(X_val)


def test_fit_parameters_are_refused_where_nothing_is_fitted(data):
    X_train, y_train, X_val, y_val, *_ = data
    model = LinearRegression().fit(X_train, y_train)
    with pytest.raises(TypeError, match="groups"):
        CalibratedRegressor(model).fit(X_val, y_val, groups=np.arange(len(y_val)))


def test_a_frozen_model_can_be_searched_over(data):
    X_train, y_train, X_val, y_val, X_test, y_test = data
    frozen = FrozenEstimator(BayesianRidge().fit(X_train, y_train))
    search = GridSearchCV(
        CalibratedRegressor(frozen),
        {"calibrator": [VarianceScaler(), QuantileCalibrator()]},
        scoring=get_scorer("neg_crps_gaussian"),
        cv=3,
        error_score="raise",
    ).fit(X_val, y_val)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    scorer = get_scorer("neg_crps_gaussian")
    mean, std = search.predict(X_test), search.best_estimator_.predict(X_test, True)[1]
    assert scorer(search.best_estimator_, X_test, y_test) == pytest.approx(
        -crps_gaussian(y_test, mean, std), rel=1e-12
    )


def test_parameters_nest_and_survive_clone_and_pickle(data):
    X_train, y_train, X_val, y_val, X_test, _ = data
    model = BayesianRidge().fit(X_train, y_train)
    calibrated = CalibratedRegressor(model, ConformalCalibrator())
    calibrated.set_params(calibrator__symmetric=False, estimator__tol=1e-4)
    assert calibrated.get_params()["calibrator__symmetric"] is False
    copy = clone(calibrated)
    assert copy.calibrator is not calibrated.calibrator
    assert copy.calibrator.symmetric is False
    fit = calibrated.fit(X_val, y_val)
    assert not hasattr(calibrated.calibrator, "scores_")  # a clone was fitted
    again = pickle.loads(pickle.dumps(fit))
    for one, other in zip(
        again.predict_interval(X_test), fit.predict_interval(X_test), strict=True
    ):
        assert np.array_equal(one, other)


def test_it_works_inside_a_pipeline(data):
    X_train, y_train, _, _, X_test, y_test = data
    inner = CalibratedRegressor(BayesianRidge(), cv=3)
    model = make_pipeline(StandardScaler(), inner).fit(X_train, y_train)
    mean, std = model.predict(X_test, return_std=True)
    assert crps_gaussian(y_test, mean, std) < np.std(y_test) / 2
    scores = cross_val_score(
        model, X_train, y_train, scoring=get_scorer("neg_crps_gaussian")
    )
    assert (scores > -np.std(y_train) / 2).all()


@pytest.mark.parametrize("cv", [3, KFold(4, shuffle=True, random_state=0)])
def test_cross_fitting_uses_predictions_of_unseen_samples(data, cv):
    X_train, y_train, _, _, X_test, _ = data
    tree = DecisionTreeRegressor(random_state=0)  # remembers every sample
    calibrated = CalibratedRegressor(tree, cv=cv).fit(X_train, y_train)
    errors = np.abs(y_train - cross_val_predict(tree, X_train, y_train, cv=cv))
    np.testing.assert_allclose(calibrated.calibrator_.scores_, np.unique(errors))
    whole = clone(tree).fit(X_train, y_train)
    assert np.array_equal(calibrated.predict(X_test), whole.predict(X_test))
    assert not hasattr(tree, "tree_")


def test_cross_fitted_deviations_are_scaled(data):
    X_train, y_train, *_ = data
    calibrated = CalibratedRegressor(BayesianRidge(), cv=KFold(5)).fit(X_train, y_train)
    z = []
    for train, test in KFold(5).split(X_train):
        model = BayesianRidge().fit(X_train[train], y_train[train])
        mean, std = model.predict(X_train[test], return_std=True)
        z.append((y_train[test] - mean) / std)
    expected = np.sqrt(np.mean(np.concatenate(z) ** 2))
    assert calibrated.calibrator_.scale_ == pytest.approx(expected, rel=1e-12)


def test_groups_reach_the_splitter(data):
    X_train, y_train, *_ = data
    calibrated = CalibratedRegressor(LinearRegression(), cv=GroupKFold(4))
    groups = np.arange(200) % 8
    calibrated.fit(X_train, y_train, groups=groups)
    assert calibrated.calibrator_.mass_[-1] == 200
    with sklearn.config_context(enable_metadata_routing=True):
        calibrated.fit(X_train, y_train, groups=groups)
    assert calibrated.calibrator_.mass_[-1] == 200


def test_weights_reach_the_model_and_the_calibrator(data, rng):
    X_train, y_train, _, _, X_test, _ = data
    weight = rng.integers(1, 4, 200)
    calibrated = CalibratedRegressor(LinearRegression(), cv=4)
    calibrated.fit(X_train, y_train, sample_weight=weight)
    assert calibrated.calibrator_.mass_[-1] == weight.sum()
    model = LinearRegression().fit(X_train, y_train, sample_weight=weight)
    assert np.array_equal(calibrated.predict(X_test), model.predict(X_test))
    neighbours = CalibratedRegressor(KNeighborsRegressor(), cv=4)
    with pytest.warns(SkuqWarning, match="takes no sample_weight"):
        neighbours.fit(X_train, y_train, sample_weight=weight)
    assert neighbours.calibrator_.mass_[-1] == weight.sum()


def test_several_targets_are_calibrated_together(data):
    X_train, y_train, X_val, y_val, X_test, _ = data
    y_two, y_val_two = np.stack([y_train, -y_train], 1), np.stack([y_val, -y_val], 1)
    model = GaussianProcessRegressor(alpha=0.1, normalize_y=True).fit(X_train, y_two)
    calibrated = CalibratedRegressor(model).fit(X_val, y_val_two)
    mean, std = calibrated.predict(X_test, return_std=True)
    assert mean.shape == std.shape == (600, 2)
    assert calibrated.predict_quantiles(X_test, [0.1, 0.5, 0.9]).shape == (600, 3, 2)
    single = GaussianProcessRegressor(alpha=0.1, normalize_y=True).fit(X_train, y_train)
    expected = CalibratedRegressor(single).fit(X_val, y_val).calibrator_.scale_
    assert calibrated.calibrator_.scale_ == pytest.approx(expected, rel=1e-9)


def test_a_column_of_targets_is_taken_as_a_row_with_a_warning(data):
    X_train, y_train, X_val, y_val, *_ = data
    model = BayesianRidge().fit(X_train, y_train)
    with pytest.warns(DataConversionWarning):
        column = CalibratedRegressor(model).fit(X_val, y_val[:, None])
    row = CalibratedRegressor(model).fit(X_val, y_val)
    assert column.calibrator_.scale_ == row.calibrator_.scale_


def test_frames_reach_the_model_as_they_are(data):
    X_train, y_train, X_val, y_val, *_ = data
    names = list("abcde")
    frame = pd.DataFrame(X_train, columns=names)
    model = BayesianRidge().fit(frame, y_train)
    series = pd.Series(y_val, index=np.arange(len(y_val))[::-1])
    calibrated = CalibratedRegressor(model)
    calibrated.fit(pd.DataFrame(X_val, columns=names), series)
    assert calibrated.feature_names_in_.tolist() == names
    with pytest.raises(AttributeError, match="n_features_in_"):
        CalibratedRegressor(BayesianRidge(), cv=3).n_features_in_  # noqa: B018


CHECKED = [
    CalibratedRegressor(BayesianRidge(), cv=3),
    CalibratedRegressor(LinearRegression(), cv=3),
    CalibratedRegressor(LinearRegression(), VarianceScaler(), cv=3),
    CalibratedRegressor(BayesianRidge(), QuantileCalibrator(), cv=3),
    CalibratedRegressor(BayesianRidge(), ConformalCalibrator(symmetric=False), cv=3),
]
EXPECTED_FAILURES = {
    ("BayesianRidge", "check_dtype_object"): (
        "BayesianRidge.predict(X, return_std=True) does not convert objects"
    ),
}


def checks():
    """Each model with each check of scikit-learn, strict where failure is expected."""
    for i, model in enumerate(CHECKED):
        for estimator, check in estimator_checks_generator(model):
            name = getattr(check.func, "func", check.func).__name__
            reason = EXPECTED_FAILURES.get((type(model.estimator).__name__, name))
            marks = pytest.mark.xfail(reason=reason, strict=True) if reason else ()
            yield pytest.param(estimator, check, id=f"{i}-{name}", marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
@pytest.mark.filterwarnings("ignore::skuq.exceptions.CalibrationWarning")
def test_it_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
