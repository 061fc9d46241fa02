"""CalibratedModel around every kind of model, prefit and cross-fitted."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skuq.calibration import CalibratedModel, TemperatureScaler
from skuq.deep import TorchModuleClassifier
from skuq.exceptions import (
    InputError,
    MissingClassWarning,
    SkuqWarning,
    ZeroProbabilityWarning,
)
from skuq.metrics import get_scorer, log_loss

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")

NAMES = np.array(["ant", "bee", "cow"])


@pytest.fixture(scope="module")
def data():
    """Train, validation and test parts of a three-class problem with string labels."""
    X, y = make_classification(
        900, 8, n_informative=5, n_classes=3, flip_y=0.2, random_state=0
    )
    X = X.astype(np.float32)
    X_train, X, y_train, y = train_test_split(X, y, train_size=0.2, random_state=0)
    X_val, X_test, y_val, y_test = train_test_split(X, y, random_state=0)
    return X_train, NAMES[y_train], X_val, NAMES[y_val], X_test, NAMES[y_test]


def forest():
    return RandomForestClassifier(20, min_samples_leaf=5, random_state=0)


def svc():
    return SVC(C=10)


def logistic():
    return LogisticRegression(C=1e4, max_iter=2000)


MODELS = {
    "logistic": logistic,
    "forest": forest,
    "svc": svc,
    "pipeline-logistic": lambda: make_pipeline(StandardScaler(), logistic()),
    "pipeline-forest": lambda: make_pipeline(StandardScaler(), forest()),
    "pipeline-svc": lambda: make_pipeline(StandardScaler(), svc()),
    "search": lambda: GridSearchCV(logistic(), {"C": [1.0, 1e4]}, cv=2),
    "search-of-pipeline": lambda: GridSearchCV(
        make_pipeline(StandardScaler(), svc()), {"svc__C": [1.0, 10.0]}, cv=2
    ),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_one_line_calibrates_a_fitted_model(make, data):
    X_train, y_train, X_val, y_val, X_test, y_test = data
    model = make().fit(X_train, y_train)
    before = pickle.dumps(model)
    calibrated = CalibratedModel(model).fit(X_val, y_val)
    assert pickle.dumps(model) == before  # the model is not touched
    proba = calibrated.predict_proba(X_test)
    assert proba.shape == (len(X_test), 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert calibrated.classes_.tolist() == NAMES.tolist()
    assert calibrated.n_features_in_ == 8
    fitted_loss = log_loss(y_val, calibrated.predict_proba(X_val), labels=NAMES)
    assert fitted_loss < np.log(3)
    if hasattr(model, "predict_proba"):
        uncalibrated = log_loss(y_val, model.predict_proba(X_val), labels=NAMES)
        assert fitted_loss <= uncalibrated
    agreement = np.mean(calibrated.predict(X_test) == model.predict(X_test))
    assert agreement > 0.98  # votes and pairwise margins may break ties otherwise
    assert calibrated.score(X_test, y_test) == np.mean(
        calibrated.predict(X_test) == y_test
    )


def test_a_forest_that_rules_out_the_true_class_is_told(data):
    X_train, y_train, X_val, y_val, *_ = data
    model = RandomForestClassifier(20, random_state=0).fit(X_train, y_train)
    with pytest.warns(ZeroProbabilityWarning, match="probability 0"):
        calibrated = CalibratedModel(model).fit(X_val, y_val)
    assert np.isfinite(log_loss(y_val, calibrated.predict_proba(X_val), eps=0))


class Net(torch.nn.Sequential):
    """A small network; its last layer has one column per class, or one."""

    def __init__(self, n_outputs=3, softmax=False):
        layers = [
            torch.nn.Linear(8, 16),
            torch.nn.ReLU(),
            torch.nn.Linear(16, n_outputs),
        ]
        if softmax:
            layers.append(torch.nn.Softmax(dim=-1))
        if n_outputs == 1:
            layers.append(torch.nn.Flatten(0))
        super().__init__(*layers)


def train_skorch(net_class, X, y, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = net_class(
            max_epochs=30, lr=0.3, verbose=0, train_split=None, batch_size=32, **options
        )
        return net.fit(X, y)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"module": Net, "criterion": torch.nn.CrossEntropyLoss}, "logit"),
        (
            {"module": Net, "module__softmax": True, "criterion": torch.nn.NLLLoss},
            "proba",
        ),
    ],
    ids=["CrossEntropyLoss", "NLLLoss"],
)
def test_skorch_nets_are_calibrated_on_what_their_criterion_takes(data, options, kind):
    X_train, y_train, X_val, y_val, X_test, _ = data
    net = train_skorch(
        skorch.NeuralNetClassifier, X_train, np.searchsorted(NAMES, y_train), **options
    )
    calibrated = CalibratedModel(net).fit(X_val, np.searchsorted(NAMES, y_val))
    assert calibrated.calibrator_.input_ == kind
    with torch.inference_mode():
        out = net.module_(torch.tensor(X_test)).double().numpy()
    z = np.log(out) if kind == "proba" else out
    expected = z / calibrated.calibrator_.temperature_
    expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(
        calibrated.predict_log_proba(X_test), expected, atol=1e-4
    )


def test_skorch_binary_nets_with_one_output(data):
    X_train, y_train, X_val, y_val, X_test, _ = data
    net = train_skorch(
        skorch.NeuralNetBinaryClassifier,
        X_train,
        (y_train == "bee").astype(np.float32),
        module=Net,
        module__n_outputs=1,
    )
    calibrated = CalibratedModel(net).fit(X_val, (y_val == "bee").astype(int))
    assert calibrated.calibrator_.input_ == "logit"
    assert calibrated.predict_proba(X_test).shape == (len(X_test), 2)
    z = net.forward(X_test).numpy() / calibrated.calibrator_.temperature_
    np.testing.assert_allclose(
        calibrated.predict_proba(X_test)[:, 1], 1 / (1 + np.exp(-z)), rtol=1e-5
    )
    assert set(calibrated.predict(X_test).tolist()) <= {0, 1}


def test_a_bare_module_through_the_thin_wrapper(data):
    X_train, y_train, X_val, y_val, X_test, _ = data
    net = train_skorch(
        skorch.NeuralNetClassifier,
        X_train,
        np.searchsorted(NAMES, y_train),
        module=Net,
        criterion=torch.nn.CrossEntropyLoss,
    )
    model = TorchModuleClassifier(net.module_, classes=NAMES)
    calibrated = CalibratedModel(model).fit(X_val, y_val)
    by_skorch = CalibratedModel(net).fit(X_val, np.searchsorted(NAMES, y_val))
    assert calibrated.calibrator_.temperature_ == pytest.approx(
        by_skorch.calibrator_.temperature_, rel=1e-6
    )
    tensor = calibrated.predict_proba(torch.tensor(X_test))
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_allclose(
        tensor.numpy(), by_skorch.predict_proba(X_test), rtol=1e-5
    )
    assert set(calibrated.predict(X_test).tolist()) <= set(NAMES.tolist())


class PixelModel(ClassifierMixin, BaseEstimator):
    """Logits of a map: the image itself, one channel per class."""

    classes_ = np.arange(3)

    def fit(self, X, y):
        return self

    def predict_logits(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


def test_maps_with_void_pixels(rng):
    from skuq.datasets import make_logits

    z, y = make_logits(12, 3, spatial=(5, 6), random_state=0)
    void = rng.random(y.shape) < 0.2
    marked = np.where(void, 255, y)
    calibrated = CalibratedModel(PixelModel(), TemperatureScaler(ignore_index=255))
    calibrated.fit(z, marked)
    table = np.moveaxis(z, 1, -1)[~void]
    alone = TemperatureScaler().fit(table, y[~void])
    assert calibrated.calibrator_.temperature_ == pytest.approx(
        alone.temperature_, rel=1e-9
    )
    assert calibrated.predict_proba(z).shape == z.shape
    right = (calibrated.predict(z) == y)[~void].mean()
    assert calibrated.score(z, marked) == pytest.approx(right)


def test_a_net_that_counts_the_void_label_among_its_classes(rng):
    from skuq.datasets import make_logits

    class Counting(PixelModel):
        classes_ = np.array([0, 1, 2, 255])

    z, y = make_logits(12, 3, spatial=(5, 6), random_state=0)
    y = np.where(rng.random(y.shape) < 0.2, 255, y)
    model = CalibratedModel(Counting(), TemperatureScaler(ignore_index=255)).fit(z, y)
    assert model.classes_.tolist() == [0, 1, 2]


def test_a_validation_set_may_miss_a_class(data):
    X_train, y_train, X_val, y_val, X_test, _ = data
    model = logistic().fit(X_train, y_train)
    kept = y_val != "bee"
    calibrated = CalibratedModel(model).fit(X_val[kept], y_val[kept])
    proba = calibrated.predict_proba(X_test)
    assert proba.shape[1] == 3
    assert (proba[:, 1] > 0).all()
    assert np.array_equal(calibrated.predict(X_test), model.predict(X_test))


def test_an_unknown_label_is_named(data):
    X_train, y_train, X_val, y_val, *_ = data
    model = logistic().fit(X_train, y_train)
    with pytest.raises(InputError, match="'dog'"):
        CalibratedModel(model).fit(X_val, np.where(y_val == "bee", "dog", y_val))


@pytest.mark.parametrize("labels", [[1, 2, 3], [-1, 0, 1], [10, 20, 30]])
def test_integer_labels_of_any_value(data, labels):
    """scikit-learn 1.9's temperature scaling is silently wrong on these."""
    X_train, y_train, X_val, y_val, X_test, _ = data
    codes = dict(zip(NAMES, labels, strict=True))
    rename = np.vectorize(codes.get)
    plain = CalibratedModel(logistic().fit(X_train, y_train)).fit(X_val, y_val)
    other = CalibratedModel(logistic().fit(X_train, rename(y_train)))
    other.fit(X_val, pd.Series(rename(y_val), index=np.arange(len(y_val))[::-1]))
    np.testing.assert_allclose(
        other.predict_proba(X_test), plain.predict_proba(X_test), rtol=1e-5
    )
    assert set(other.predict(X_test)) <= set(labels)


def test_an_unfitted_model_is_refused_with_the_remedy(data):
    _, _, X_val, y_val, *_ = data
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        CalibratedModel(logistic()).fit(X_val, y_val)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        CalibratedModel(skorch.NeuralNetClassifier(Net)).fit(X_val, y_val)
    with pytest.raises(TypeError, match="TorchModuleClassifier"):
        CalibratedModel(torch.nn.Linear(2, 3)).fit(X_val, y_val)
    with pytest.raises(NotFittedError):
        CalibratedModel(logistic()).predict_proba(X_val)


def test_fit_parameters_are_refused_where_nothing_is_fitted(data):
    X_train, y_train, X_val, y_val, *_ = data
    model = logistic().fit(X_train, y_train)
    with pytest.raises(TypeError, match="groups"):
        CalibratedModel(model).fit(X_val, y_val, groups=np.arange(len(y_val)))


def test_a_frozen_model_can_be_searched_over(data):
    X_train, y_train, X_val, y_val, *_ = data
    frozen = FrozenEstimator(logistic().fit(X_train, y_train))
    search = GridSearchCV(
        CalibratedModel(frozen, TemperatureScaler()),
        {"calibrator__max_iter": [1, 20], "calibrator": [TemperatureScaler()]},
        cv=3,
        scoring=get_scorer("neg_log_loss"),
    )
    with pytest.warns(SkuqWarning, match="max_iter=1"):
        search.fit(X_val, y_val)
    assert search.best_params_["calibrator__max_iter"] == 20
    with pytest.raises(ValueError, match="FrozenEstimator"):
        cross_val_score(
            CalibratedModel(logistic().fit(X_train, y_train)),
            X_val,
            y_val,
            error_score="raise",
        )


def test_parameters_nest_and_survive_clone_and_pickle(data):
    X_train, y_train, X_val, y_val, X_test, _ = data
    model = CalibratedModel(
        FrozenEstimator(logistic().fit(X_train, y_train)), TemperatureScaler()
    )
    model.set_params(calibrator__max_iter=33)
    assert model.calibrator.max_iter == 33
    model.fit(X_val, y_val)
    assert model.calibrator_.max_iter == 33
    assert not hasattr(model.calibrator, "temperature_")  # the given one is a template
    copy = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copy.predict_proba(X_test), model.predict_proba(X_test))
    again = clone(model)
    assert again.calibrator.max_iter == 33
    assert not hasattr(again, "calibrator_")


def test_cross_fitting_uses_scores_of_unseen_samples(data):
    _, _, X, y, X_test, _ = data
    cv = KFold(4, shuffle=True, random_state=0)
    calibrated = CalibratedModel(logistic(), cv=cv).fit(X, y)
    scores = np.empty((len(y), 3))
    for train, test in cv.split(X, y):
        scores[test] = logistic().fit(X[train], y[train]).decision_function(X[test])
    alone = TemperatureScaler(input="logit").fit(scores, y)
    assert calibrated.calibrator_.temperature_ == pytest.approx(
        alone.temperature_,
        rel=1e-7,  # float32 scores
    )
    final = logistic().fit(X, y)
    np.testing.assert_array_equal(
        calibrated.estimator_.decision_function(X_test), final.decision_function(X_test)
    )
    assert CalibratedModel(logistic(), cv=cv, n_jobs=2).fit(
        X, y
    ).calibrator_.temperature_ == pytest.approx(alone.temperature_, rel=1e-7)


def test_cross_fitting_leaves_out_samples_of_a_class_their_fold_has_not_seen(data):
    _, _, X, y, *_ = data
    rare = np.flatnonzero(y == "cow")
    kept = np.sort(np.concatenate([np.flatnonzero(y != "cow"), rare[:1]]))
    with pytest.warns(MissingClassWarning, match=r"\['cow'\]: 1 samples"):
        model = CalibratedModel(logistic(), cv=KFold(3)).fit(X[kept], y[kept])
    assert model.classes_.tolist() == NAMES.tolist()
    assert model.predict_proba(X).shape[1] == 3
    with pytest.warns(MissingClassWarning):
        by_proba = CalibratedModel(forest(), cv=KFold(3)).fit(X[kept], y[kept])
    assert by_proba.calibrator_.temperature_ < 2  # unseen classes are of no weight


def test_groups_reach_the_splitter(data):
    _, _, X, y, *_ = data
    groups = np.arange(len(y)) % 5
    model = CalibratedModel(logistic(), cv=GroupKFold(5)).fit(X, y, groups=groups)
    splits = list(GroupKFold(5).split(X, y, groups))
    by_hand = CalibratedModel(logistic(), cv=splits).fit(X, y)
    assert model.calibrator_.temperature_ == by_hand.calibrator_.temperature_


def test_weights_reach_the_model_and_the_calibrator(data, rng):
    X_train, y_train, X, y, *_ = data
    weight = rng.exponential(size=len(y))
    prefit = CalibratedModel(logistic().fit(X_train, y_train))
    alone = TemperatureScaler(input="logit", classes=NAMES).fit(
        prefit.estimator.decision_function(X), y, weight
    )
    assert prefit.fit(X, y, sample_weight=weight).calibrator_.temperature_ == (
        alone.temperature_
    )
    weighted = CalibratedModel(logistic(), cv=3).fit(X, y, sample_weight=weight)
    plain = CalibratedModel(logistic(), cv=3).fit(X, y)
    assert not np.allclose(weighted.estimator_.coef_, plain.estimator_.coef_)
    pipeline = make_pipeline(StandardScaler(), logistic())
    with pytest.warns(SkuqWarning, match="takes no sample_weight"):
        CalibratedModel(pipeline, cv=3).fit(X, y, sample_weight=weight)


def test_metadata_routing(data, rng):
    _, _, X, y, *_ = data
    weight = rng.exponential(size=len(y))
    expected = CalibratedModel(logistic(), cv=3).fit(X, y, sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        model = CalibratedModel(logistic().set_fit_request(sample_weight=True), cv=3)
        model.fit(X, y, sample_weight=weight)
        groups = np.arange(len(y)) % 3
        grouped = CalibratedModel(logistic(), cv=GroupKFold(3))
        grouped.fit(X, y, groups=groups)
    assert model.calibrator_.temperature_ == pytest.approx(
        expected.calibrator_.temperature_, rel=1e-12
    )
    assert grouped.calibrator_.converged_


def test_the_response_can_be_chosen(data):
    X_train, y_train, X_val, y_val, *_ = data
    model = logistic().fit(X_train, y_train)
    by_margin = CalibratedModel(model).fit(X_val, y_val)
    by_proba = CalibratedModel(model, response_method="predict_proba").fit(X_val, y_val)
    by_log = CalibratedModel(model, response_method="predict_log_proba")
    by_log.fit(X_val, y_val)
    kinds = [m.calibrator_.input_ for m in (by_margin, by_proba, by_log)]
    assert kinds == ["logit", "proba", "logit"]
    for other in (by_proba, by_log):  # log-probabilities are logits up to a constant
        assert other.calibrator_.temperature_ == pytest.approx(
            by_margin.calibrator_.temperature_, rel=1e-4
        )
    with pytest.raises(InputError, match="response_method"):
        CalibratedModel(model, response_method="transform").fit(X_val, y_val)


def test_works_inside_a_pipeline_and_with_other_scorers(data):
    X_train, y_train, *_ = data
    binary = y_train == "bee"
    pipeline = make_pipeline(StandardScaler(), CalibratedModel(logistic(), cv=3))
    scores = cross_val_score(pipeline, X_train, binary, scoring="roc_auc", cv=3)
    assert scores.shape == (3,)
    plain = make_pipeline(StandardScaler(), logistic()).fit(X_train, binary)
    fitted = pipeline.fit(X_train, binary)
    assert roc_auc_score(binary, fitted.predict_proba(X_train)[:, 1]) == pytest.approx(
        roc_auc_score(binary, plain.predict_proba(X_train)[:, 1])
    )


def test_frames_keep_their_names(data):
    X_train, y_train, X_val, y_val, *_ = data
    columns = [f"feature {i}" for i in range(8)]
    frame = pd.DataFrame(X_train, columns=columns)
    calibrated = CalibratedModel(logistic().fit(frame, y_train))
    calibrated.fit(pd.DataFrame(X_val, columns=columns), y_val)
    assert calibrated.feature_names_in_.tolist() == columns
