"""Out-of-fold probability maps, and uncertainty maps of any model."""

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier
from torch import nn

from skuq.calibration import CalibratedModel
from skuq.deep import (
    EnsembleClassifier,
    MaximumProbabilityConfidence,
    MCDropoutWrapper,
    TorchModuleClassifier,
)
from skuq.evaluation import (
    StratifiedImageKFold,
    cross_val_predict_maps,
    uncertainty_map,
)
from skuq.exceptions import InputError
from skuq.uncertainty import (
    entropy,
    margin_uncertainty,
    max_probability_uncertainty,
    mutual_information,
)


class PixelClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of tables, pixel by pixel; notes what it was trained on."""

    def __init__(self, model):
        self.model = model

    def fit(self, X, y, sample_weight=None):
        if sample_weight is not None:
            sample_weight = np.repeat(sample_weight, y[0].size)
        rows = np.moveaxis(X, 1, -1).reshape(-1, X.shape[1])
        self.model.fit(rows, y.reshape(-1), sample_weight)
        self.classes_, self.seen_ = self.model.classes_, X
        return self

    def predict_proba(self, X):
        rows = np.moveaxis(X, 1, -1)
        proba = self.model.predict_proba(rows.reshape(-1, X.shape[1]))
        return np.moveaxis(proba.reshape(*rows.shape[:-1], -1), -1, 1)


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Dropout(), nn.Conv2d(8, 3, 1)
        )


def skorch_net(module=Net, **options):
    options = {"max_epochs": 1, "train_split": None, "verbose": 0, **options}
    return NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, **options)


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture
def maps(rng):
    y = rng.integers(3, size=(12, 6, 5))
    X = rng.normal(size=(12, 2, 6, 5)) + np.stack([y == 1, y == 2], axis=1)
    return X.astype(np.float32), y


class TestOutOfFold:
    def test_every_image_is_predicted_by_a_model_of_the_other_folds(self, maps):
        X, y = maps
        cv = StratifiedImageKFold(3)
        proba = cross_val_predict_maps(PixelClassifier(GaussianNB()), X, y, cv=cv)
        assert proba.shape == (12, 3, 6, 5)
        for train, test in cv.split(X, y):
            model = PixelClassifier(GaussianNB()).fit(X[train], y[train])
            np.testing.assert_allclose(proba[test], model.predict_proba(X[test]))

    def test_an_int_stands_for_stratified_folds_of_images(self, maps):
        model = PixelClassifier(GaussianNB())
        np.testing.assert_array_equal(
            cross_val_predict_maps(model, *maps, cv=4),
            cross_val_predict_maps(model, *maps, cv=StratifiedImageKFold(4)),
        )

    def test_tables_get_what_scikit_learn_gives(self, maps):
        X, y = maps[0][:, :, 0, 0], maps[1][:, 0, 0]
        model, cv = LogisticRegression(), KFold(3, shuffle=True, random_state=0)
        expected = cross_val_predict(model, X, y, cv=cv, method="predict_proba")
        found = cross_val_predict_maps(model, X, y, cv=cv)
        np.testing.assert_allclose(found, expected)

    def test_workers_give_the_same(self, maps):
        model = PixelClassifier(GaussianNB())
        alone = cross_val_predict_maps(model, *maps, cv=3)
        with parallel_config(backend="threading"):
            together = cross_val_predict_maps(model, *maps, cv=3, n_jobs=2)
        np.testing.assert_array_equal(together, alone)

    def test_skorch_nets_are_softmaxed_over_the_classes(self, maps):
        proba = cross_val_predict_maps(skorch_net(), *maps, cv=2)
        assert proba.shape == (12, 3, 6, 5)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
        assert proba.std() > 0.01

    def test_void_labels_are_no_class_of_a_skorch_net(self, maps):
        X, y = maps
        y = np.where(np.arange(12)[:, None, None] % 2, y, -100)
        y[:, 0] = -100
        assert cross_val_predict_maps(skorch_net(), X, y, cv=2).shape == (12, 3, 6, 5)

    def test_models_that_know_different_classes_are_lined_up(self, maps):
        X, y = maps
        y = np.array([10, 20, 30])[y]
        y[:6][y[:6] == 20] = 10
        y[6:][y[6:] == 30] = 10
        folds = [(np.arange(6), np.arange(6, 12)), (np.arange(6, 12), np.arange(6))]
        proba = cross_val_predict_maps(PixelClassifier(GaussianNB()), X, y, cv=folds)
        assert proba.shape == (12, 3, 6, 5)
        assert (proba[6:, 1] == 0).all()
        assert (proba[:6, 2] == 0).all()
        first = PixelClassifier(GaussianNB()).fit(X[:6], y[:6])
        np.testing.assert_allclose(proba[6:, [0, 2]], first.predict_proba(X[6:]))

    def test_params_are_cut_like_the_images(self, maps):
        X, y = maps
        params = {"sample_weight": np.r_[np.zeros(3), np.ones(9)]}
        folds = [(np.arange(6), np.arange(6, 12)), (np.arange(6, 12), np.arange(6))]
        proba = cross_val_predict_maps(
            PixelClassifier(GaussianNB()),
            X,
            y,
            cv=folds,
            params=params,
        )
        half = PixelClassifier(GaussianNB()).fit(X[3:6], y[3:6])
        np.testing.assert_allclose(proba[6:], half.predict_proba(X[6:]), rtol=1e-6)

    def test_groups_stay_together(self, maps):
        X, y = maps
        groups = np.repeat([0, 1, 2], 4)
        proba = cross_val_predict_maps(
            PixelClassifier(GaussianNB()), X, y, cv=3, groups=groups
        )
        model = PixelClassifier(GaussianNB()).fit(X[4:], y[4:])
        np.testing.assert_allclose(proba[:4], model.predict_proba(X[:4]))

    def test_the_estimator_itself_is_not_fitted(self, maps):
        model = PixelClassifier(GaussianNB())
        cross_val_predict_maps(model, *maps, cv=2)
        assert not hasattr(model, "classes_")

    def test_a_net_that_has_seen_the_images_is_refused(self, maps):
        net = skorch_net(Net()).fit(*maps)
        with pytest.raises(InputError, match="has trained the module"):
            cross_val_predict_maps(net, *maps, cv=2)
        with pytest.raises(InputError, match="has trained the module"):
            cross_val_predict_maps(make_pipeline(None, net), *maps, cv=2)
        fitted = skorch_net().fit(*maps)
        assert cross_val_predict_maps(fitted, *maps, cv=2).shape == (12, 3, 6, 5)

    def test_test_sets_that_are_no_partition_are_refused(self, maps):
        folds = [(np.arange(6), np.arange(6, 12))]
        with pytest.raises(InputError, match="hold 6 of 12 images"):
            cross_val_predict_maps(PixelClassifier(GaussianNB()), *maps, cv=folds)


class TestUncertaintyMap:
    @pytest.fixture
    def module_model(self):
        return TorchModuleClassifier(Net(), 3)

    @pytest.mark.parametrize(
        ("measure", "function"),
        [
            ("entropy", entropy),
            ("margin", margin_uncertainty),
            ("max_probability", max_probability_uncertainty),
            ("variance", lambda p: 1 - (p**2).sum(axis=1)),
        ],
    )
    def test_plain_models_give_the_measure_of_their_probabilities(
        self, measure, function, maps, module_model
    ):
        X, _ = maps
        found = uncertainty_map(module_model, X, measure=measure)
        proba = module_model.predict_proba(X)
        np.testing.assert_array_equal(found, function(proba))
        flat = np.moveaxis(proba, 1, -1).reshape(-1, 3)
        np.testing.assert_allclose(found.reshape(-1), function(flat), rtol=1e-6)

    def test_the_totals_are_those_of_a_single_member(self, maps, module_model):
        one = EnsembleClassifier.from_estimators([module_model, module_model])
        for measure in ("entropy", "variance", "max_probability", "margin"):
            np.testing.assert_allclose(
                uncertainty_map(module_model, maps[0], measure=measure),
                uncertainty_map(one, maps[0], measure=measure),
                rtol=1e-5,
                atol=1e-6,
            )

    @pytest.mark.parametrize("kind", ["total", "aleatoric", "epistemic"])
    def test_members_give_each_kind(self, kind, maps, module_model):
        X, _ = maps
        model = MCDropoutWrapper(module_model, n_samples=5, random_state=0)
        found = uncertainty_map(model, X, kind=kind)
        assert found.shape == (12, 6, 5)
        np.testing.assert_array_equal(found, model.predict_uncertainty(X, kind=kind))
        members = model.predict_members(X)
        if kind == "epistemic":
            expected = mutual_information(members)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
            assert found.max() > 1e-3

    def test_ensembles_of_maps(self, maps):
        X, _ = maps
        parts = [TorchModuleClassifier(Net(), 3) for _ in range(3)]
        ensemble = EnsembleClassifier.from_estimators(parts)
        found = uncertainty_map(ensemble, X, kind="epistemic", measure="variance")
        proba = np.stack([part.predict_proba(X) for part in parts])
        expected = proba.var(axis=0).sum(axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)

    def test_skorch_nets_are_softmaxed_over_the_classes(self, maps):
        X, y = maps
        net = skorch_net().fit(X, y)
        same = TorchModuleClassifier(net.module_, 3)
        np.testing.assert_allclose(
            uncertainty_map(net, X), uncertainty_map(same, X), rtol=1e-5, atol=1e-6
        )

    def test_calibrated_nets_give_calibrated_uncertainty(self, maps):
        X, y = maps
        net = skorch_net().fit(X, y)
        model = CalibratedModel(net).fit(X, y)
        found = uncertainty_map(model, X)
        np.testing.assert_array_equal(found, entropy(model.predict_proba(X)))
        assert not np.allclose(found, uncertainty_map(net, X), rtol=1e-3)

    def test_wrappers_are_seen_through(self, maps, module_model):
        X, _ = maps
        dropout = MCDropoutWrapper(module_model, n_samples=3, random_state=0)
        double = FunctionTransformer(lambda x: 2 * x)
        for model in (module_model, dropout):
            pipeline = FrozenEstimator(make_pipeline(double, model))
            np.testing.assert_array_equal(
                uncertainty_map(pipeline, X), uncertainty_map(model, 2 * X)
            )

    def test_confidence_is_what_the_model_says_itself(self, maps, module_model):
        X, y = maps
        model = MaximumProbabilityConfidence(module_model).fit(X, y)
        np.testing.assert_array_equal(
            uncertainty_map(model, X, measure="confidence"),
            model.predict_uncertainty(X),
        )
        np.testing.assert_array_equal(
            uncertainty_map(model, X), uncertainty_map(module_model, X)
        )
        with pytest.raises(InputError, match="no predict_confidence"):
            uncertainty_map(module_model, X, measure="confidence")

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"kind": "epistemic"}, "no epistemic part.*MCDropoutWrapper"),
            ({"kind": "aleatoric"}, "no aleatoric part"),
            ({"kind": "all"}, "kind must be one of"),
            ({"measure": "std"}, "measure must be one of"),
        ],
    )
    def test_what_a_plain_model_lacks_is_refused(
        self, options, match, maps, module_model
    ):
        with pytest.raises(InputError, match=match):
            uncertainty_map(module_model, maps[0], **options)

    def test_tensors_give_tensors(self, maps, module_model):
        X = torch.from_numpy(maps[0])
        assert type(uncertainty_map(module_model, X)) is torch.Tensor
