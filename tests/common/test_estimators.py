"""scikit-learn's own checks on skuq's estimators, with every expected failure named."""

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import estimator_checks_generator

from skuq._discovery import all_calibrators
from skuq.calibration import CalibratedModel
from skuq.deep import (
    AuxiliaryErrorNet,
    BBBClassifier,
    BBBRegressor,
    EnsembleClassifier,
    EnsembleRegressor,
    EntropyConfidence,
    HeteroscedasticClassifier,
    HeteroscedasticRegressor,
    ImageTemperatureScaler,
    LearnedConfidence,
    LocalTemperatureScaler,
    MaximumProbabilityConfidence,
    MCDropoutWrapper,
    TCPConfidence,
    TrustScore,
)

CALIBRATORS = list(all_calibrators().values())

MODELS = [
    CalibratedModel(SVC(), cv=3),
    CalibratedModel(RandomForestClassifier(5, random_state=0), cv=3),
    *(CalibratedModel(LogisticRegression(), c(), cv=3) for c in CALIBRATORS),
]

BOOTSTRAP = "the forest draws rows, not weights: a weight of 2 is not a repeated row"

FOLDS = "copies of a row lie in several folds: a weight of 2 is not a repeated row"

# By the class of the estimator inside, or of the calibrator.
EXPECTED_FAILURES = {
    "RandomForestClassifier": {
        "check_sample_weight_equivalence_on_dense_data": BOOTSTRAP,
        "check_sample_weight_equivalence_on_sparse_data": BOOTSTRAP,
    },
    "AutoCalibrator": {
        "check_sample_weight_equivalence_on_dense_data": FOLDS,
        "check_sample_weight_equivalence_on_sparse_data": FOLDS,
    },
}

# Bare calibrators take one column per class, and most checks feed other tables: the
# checks that do not depend on the shape of X must pass; test_calibrators.py holds the
# laws for the rest.
SHAPE_FREE = {
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
}


def check_name(check):
    """The name of a check, which comes as a partial, sometimes of a wrapper."""
    return getattr(check.func, "func", check.func).__name__


def expected_failures(model):
    """The reasons of the checks that a model must fail."""
    parts = (model.estimator, model.calibrator)
    return {
        k: v for p in parts for k, v in EXPECTED_FAILURES.get(name_of(p), {}).items()
    }


def name_of(estimator):
    """The name of the class of an estimator."""
    return type(estimator).__name__


def model_checks():
    """Each model with each check, marked as a strict xfail where that is expected.

    scikit-learn's parametrize_with_checks hands over a generator, and pytest 9 warns.
    """
    for model in MODELS:
        for estimator, check in estimator_checks_generator(model):
            name = check_name(check)
            reason = expected_failures(model).get(name)
            marks = pytest.mark.xfail(reason=reason, strict=True) if reason else ()
            inner = f"{name_of(model.estimator)}-{name_of(model.calibrator)}"
            yield pytest.param(estimator, check, id=f"{inner}-{name}", marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(model_checks()))
@pytest.mark.filterwarnings("ignore::skuq.exceptions.CalibrationWarning")
@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
def test_calibrated_model_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


ENSEMBLES = {
    "EnsembleClassifier": EnsembleClassifier(n_estimators=2, random_state=0),
    "EnsembleRegressor": EnsembleRegressor(n_estimators=2, random_state=0),
    "EnsembleClassifier-LogisticRegression": EnsembleClassifier(
        LogisticRegression(), n_estimators=2, bootstrap=True, random_state=0
    ),
    "EnsembleRegressor-LinearRegression": EnsembleRegressor(
        LinearRegression(), n_estimators=2
    ),
}


def ensemble_checks():
    """Each ensemble with each check; all must pass."""
    for name, model in ENSEMBLES.items():
        for estimator, check in estimator_checks_generator(model):
            yield pytest.param(estimator, check, id=f"{name}-{check_name(check)}")


@pytest.mark.parametrize(("estimator", "check"), list(ensemble_checks()))
def test_ensembles_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def dropout_checks():
    """MC dropout of both kinds with each check; all must pass."""
    for kind in ("classifier", "regressor"):
        model = MCDropoutWrapper(kind, n_samples=5)
        for estimator, check in estimator_checks_generator(model):
            yield pytest.param(estimator, check, id=f"{kind}-{check_name(check)}")


@pytest.mark.parametrize(("estimator", "check"), list(dropout_checks()))
def test_mc_dropout_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


OWN_NETS = [
    BBBClassifier(max_epochs=40, n_samples=5),
    BBBRegressor(max_epochs=40, n_samples=5),
    HeteroscedasticClassifier(max_epochs=20, n_samples=20),
    HeteroscedasticRegressor(max_epochs=30),
    LearnedConfidence(max_epochs=20),
]


def own_net_checks():
    """Bayes by Backprop and learned noise with each check; all must pass."""
    for model in OWN_NETS:
        for estimator, check in estimator_checks_generator(model):
            name = f"{name_of(model)}-{check_name(check)}"
            yield pytest.param(estimator, check, id=name)


@pytest.mark.parametrize(("estimator", "check"), list(own_net_checks()))
def test_own_nets_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


NETWORK = {"hidden_layer_sizes": (8,), "max_epochs": 2, "random_state": 0}

CONFIDENCES = {
    "TCPConfidence": TCPConfidence(LogisticRegression(), **NETWORK),
    "TCPConfidence-cv": TCPConfidence(LogisticRegression(), cv=2, **NETWORK),
    "AuxiliaryErrorNet": AuxiliaryErrorNet(LogisticRegression(), **NETWORK),
    "MaximumProbability": MaximumProbabilityConfidence(LogisticRegression()),
    "Entropy": EntropyConfidence(LogisticRegression()),
    "TrustScore": TrustScore(LogisticRegression()),
}


def confidence_checks():
    """Each confidence with each check; all must pass."""
    for name, model in CONFIDENCES.items():
        for estimator, check in estimator_checks_generator(model):
            yield pytest.param(estimator, check, id=f"{name}-{check_name(check)}")


@pytest.mark.parametrize(("estimator", "check"), list(confidence_checks()))
@pytest.mark.filterwarnings("ignore::skuq.exceptions.NoErrorsWarning")
@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
def test_confidences_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def shape_free_checks():
    """Each calibrator with each check that works for any shape of X."""
    for calibrator in [*CALIBRATORS, ImageTemperatureScaler, LocalTemperatureScaler]:
        for estimator, check in estimator_checks_generator(calibrator()):
            name = check_name(check)
            if name in SHAPE_FREE:
                yield pytest.param(estimator, check, id=f"{calibrator.__name__}-{name}")


@pytest.mark.parametrize(("calibrator", "check"), list(shape_free_checks()))
def test_calibrators_pass_the_checks_that_fit_any_shape(calibrator, check):
    check(calibrator)


def test_every_shape_free_check_still_exists():
    names = {
        check_name(check) for _, check in estimator_checks_generator(CALIBRATORS[0]())
    }
    assert names >= SHAPE_FREE
