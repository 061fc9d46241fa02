"""The scores that a model gives away best are found, wherever the model hides."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from torch import nn

from skuq._responses import RESPONSES, response_of
from skuq.deep import TorchModuleClassifier
from skuq.exceptions import InputError

N_FEATURES = 4


class Fake(ClassifierMixin, BaseEstimator):
    """A fitted model with the methods that are asked for, each with its own number."""

    def __init__(self, methods):
        self.methods = methods
        self.classes_ = np.arange(3)
        for number, name in enumerate(methods):
            # The default argument keeps each number.
            setattr(self, name, lambda X, v=number: np.full((len(X), 3), float(v)))


class Net(nn.Module):
    """A linear module with something behind it."""

    def __init__(self, n_outputs=3, end=None):
        super().__init__()
        self.linear = nn.Linear(N_FEATURES, n_outputs)
        self.end = end

    def forward(self, X):
        out = self.linear(X)
        return out if self.end is None else self.end(out)


class Maps(nn.Module):
    """A 1x1 convolution: maps of three classes."""

    def __init__(self, end=None):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 1)
        self.end = end

    def forward(self, X):
        out = self.conv(X)
        return out if self.end is None else self.end(out)


class OwnCrossEntropy(nn.CrossEntropyLoss):
    """A loss on logits under another name."""


def pair(out):
    return out, 2 * out


def first_column(out):
    return out[:, 0]


@pytest.fixture
def data(rng):
    """Features away from the origin, and three classes."""
    y = np.arange(60) % 3
    X = 5 + 3 * rng.normal(size=(60, N_FEATURES)) + 2 * y[:, None]
    return X.astype(np.float32), y


@pytest.fixture
def maps(rng):
    X = rng.normal(size=(8, 2, 4, 5)).astype(np.float32)
    return X, rng.integers(3, size=(8, 4, 5))


def fit_net(module, X, y, criterion, cls=NeuralNetClassifier, **options):
    """A tiny skorch net after two epochs."""
    settings = {"max_epochs": 2, "verbose": 0, "train_split": None, "lr": 0.01}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = cls(module, criterion=criterion, **(settings | options))
        return net.fit(X, y)


def outputs_of(net, X):
    """What the trained module itself returns."""
    net.module_.eval()
    with torch.no_grad():
        out = net.module_(torch.from_numpy(X))
    return (out[0] if isinstance(out, tuple) else out).numpy()


class TestWrappers:
    WRAPPERS = {  # noqa: RUF012
        "pipeline": lambda m: make_pipeline(StandardScaler(), m),
        "long pipeline": lambda m: make_pipeline(
            StandardScaler(), "passthrough", StandardScaler(with_std=False), m
        ),
        "pipeline of one": lambda m: Pipeline([("model", m)]),
        "search": lambda m: GridSearchCV(m, {"C": [0.1, 10.0]}, cv=2),
        "search of a pipeline": lambda m: GridSearchCV(
            make_pipeline(StandardScaler(), m),
            {"logisticregression__C": [0.1, 10.0]},
            cv=2,
        ),
        "pipeline of a search": lambda m: make_pipeline(
            StandardScaler(), GridSearchCV(m, {"C": [0.1, 10.0]}, cv=2)
        ),
        "pipeline of a pipeline": lambda m: make_pipeline(
            StandardScaler(), make_pipeline(StandardScaler(with_std=False), m)
        ),
    }

    @pytest.mark.parametrize("method", ["auto", "decision_function", "predict_proba"])
    @pytest.mark.parametrize("wrapper", WRAPPERS)
    @pytest.mark.parametrize("frozen", [False, True], ids=["bare", "frozen"])
    def test_the_scores_are_those_of_the_model_inside(
        self, data, wrapper, frozen, method
    ):
        X, y = data
        model = self.WRAPPERS[wrapper](LogisticRegression()).fit(X, y)
        outer = FrozenEstimator(model) if frozen else model
        scores, kind = response_of(outer, X, method)
        # scikit-learn's own way through the same wrappers.
        own = "decision_function" if method == "auto" else method
        np.testing.assert_allclose(scores, getattr(model, own)(X), rtol=1e-12)
        assert kind == RESPONSES[own]

    def test_frozen_steps_and_nested_frozen_estimators_are_looked_through(self, data):
        X, y = data
        scaler = StandardScaler().fit(X)
        model = LogisticRegression().fit(scaler.transform(X), y)
        pipeline = make_pipeline(
            FrozenEstimator(scaler), FrozenEstimator(FrozenEstimator(model))
        )
        scores, kind = response_of(FrozenEstimator(pipeline), X)
        expected = model.decision_function(scaler.transform(X))
        np.testing.assert_allclose(scores, expected, rtol=1e-12)
        assert kind == "logit"

    def test_a_method_that_wrappers_do_not_pass_on_is_found(self, data):
        X, _ = data
        scaler = StandardScaler().fit(X)
        model = TorchModuleClassifier(Net(), 3)
        pipeline = FrozenEstimator(make_pipeline(FrozenEstimator(scaler), model))
        assert not hasattr(pipeline, "predict_logits")
        scores, kind = response_of(pipeline, X)
        np.testing.assert_array_equal(scores, model.predict_logits(scaler.transform(X)))
        assert kind == "logit"

    def test_a_skorch_net_is_found_behind_other_steps(self, data):
        X, y = data
        net = NeuralNetClassifier(
            Net,
            criterion=nn.CrossEntropyLoss,
            max_epochs=2,
            verbose=0,
            train_split=None,
        )
        pipeline = make_pipeline(StandardScaler(), net).fit(X, y)
        scores, kind = response_of(FrozenEstimator(pipeline), X)
        expected = outputs_of(pipeline[-1], pipeline[0].transform(X))
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
        assert kind == "logit"

    def test_data_frames_reach_the_first_step_as_they_are(self, data):
        pandas = pytest.importorskip("pandas")
        X, y = data
        frame = pandas.DataFrame(X, columns=list("abcd"))
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, y)
        scores, _ = response_of(model, frame)
        expected = model.decision_function(frame)
        np.testing.assert_allclose(scores, expected, rtol=1e-12)


class TestChoice:
    @pytest.mark.parametrize(
        ("methods", "chosen"),
        [
            (("predict_proba", "decision_function", "predict_logits"), 2),
            (("predict_proba", "predict_logits"), 1),
            (("predict_proba", "decision_function"), 1),
            (("predict_log_proba", "predict_proba"), 1),
            (("predict_proba",), 0),
        ],
    )
    def test_logits_come_before_margins_and_margins_before_probabilities(
        self, methods, chosen
    ):
        scores, kind = response_of(Fake(methods), np.zeros((5, 2)))
        np.testing.assert_array_equal(scores, np.full((5, 3), float(chosen)))
        assert kind == RESPONSES[methods[chosen]]

    @pytest.mark.parametrize("method", RESPONSES)
    def test_an_explicit_method_is_obeyed(self, method):
        scores, kind = response_of(Fake(tuple(RESPONSES)), np.zeros((5, 2)), method)
        np.testing.assert_array_equal(scores, float(list(RESPONSES).index(method)))
        assert kind == ("proba" if method == "predict_proba" else "logit")

    @pytest.mark.parametrize("method", RESPONSES)
    def test_a_missing_method_is_named_with_its_model(self, method):
        others = tuple(name for name in RESPONSES if name != method)
        with pytest.raises(InputError, match=f"Fake has no {method}"):
            response_of(Fake(others), np.zeros((5, 2)), method)

    def test_a_missing_method_of_the_model_inside_is_named_with_that_model(self, data):
        X, y = data
        model = make_pipeline(StandardScaler(), GaussianNB()).fit(X, y)
        with pytest.raises(InputError, match="GaussianNB has no decision_function"):
            response_of(model, X, "decision_function")

    def test_a_model_without_scores_is_refused(self):
        pattern = "Fake has none of predict_logits, decision_function, predict_proba"
        with pytest.raises(InputError, match=pattern):
            response_of(Fake(("predict",)), np.zeros((5, 2)))

    def test_an_unknown_method_is_refused(self):
        with pytest.raises(InputError, match="response_method must be one of 'auto'"):
            response_of(Fake(("predict",)), np.zeros((5, 2)), "predict")

    def test_log_probabilities_are_logits_of_the_same_probabilities(self, data):
        X, y = data
        model = GaussianNB().fit(X, y)
        scores, kind = response_of(model, X, "predict_log_proba")
        assert kind == "logit"
        proba = model.predict_proba(X)
        np.testing.assert_allclose(softmax(scores, axis=1), proba, rtol=1e-5)


class TestShapes:
    def test_two_classes_of_a_margin_are_one_row(self, data):
        X, y = data
        model = LogisticRegression().fit(X, y == 1)
        assert response_of(model, X).scores.shape == (60,)

    def test_a_single_column_becomes_a_row(self):
        model = Fake(("decision_function",))
        model.decision_function = lambda X: np.arange(5.0)[:, None]
        np.testing.assert_array_equal(
            response_of(model, np.zeros((5, 2))).scores, np.arange(5.0)
        )

    def test_lists_of_a_model_become_arrays(self):
        model = Fake(("predict_proba",))
        model.predict_proba = lambda X: [[0.25, 0.75]] * len(X)
        scores = response_of(model, np.zeros((5, 2))).scores
        np.testing.assert_array_equal(scores, [[0.25, 0.75]] * 5)

    def test_maps_of_a_single_output_keep_their_axes(self):
        module = nn.Conv2d(2, 1, 1)
        images = np.zeros((3, 2, 4, 5), np.float32)
        scores, kind = response_of(TorchModuleClassifier(module, 2), images)
        assert (scores.shape, kind) == ((3, 1, 4, 5), "logit")

    def test_tensors_stay_tensors(self):
        scores, _ = response_of(TorchModuleClassifier(Net(), 3), torch.zeros(5, 4))
        assert type(scores) is torch.Tensor


class TestPairwise:
    def test_one_margin_per_pair_of_classes_is_refused(self, data):
        X, y = data
        model = SVC(decision_function_shape="ovo").fit(X, y)
        for method in ("auto", "decision_function"):
            with pytest.raises(InputError, match="use 'ovr'"):
                response_of(model, X, method)

    def test_the_refusal_reaches_through_wrappers(self, data):
        X, y = data
        svc = SVC(decision_function_shape="ovo")
        model = make_pipeline(StandardScaler(), svc).fit(X, y)
        with pytest.raises(InputError, match="use 'ovr'"):
            response_of(FrozenEstimator(model), X)

    def test_one_margin_per_class_is_taken(self, data):
        X, y = data
        for model in (SVC(decision_function_shape="ovr"), LinearSVC()):
            scores, kind = response_of(model.fit(X, y), X)
            assert (scores.shape, kind) == ((60, 3), "logit")
            np.testing.assert_array_equal(scores, model.decision_function(X))

    def test_two_classes_have_a_single_pair(self, data):
        X, y = data
        model = SVC(decision_function_shape="ovo").fit(X, y == 1)
        expected = model.decision_function(X)
        np.testing.assert_array_equal(response_of(model, X).scores, expected)


class TestSkorch:
    @pytest.mark.parametrize("criterion", [nn.CrossEntropyLoss, OwnCrossEntropy])
    @pytest.mark.parametrize("end", [None, pair], ids=["scores", "tuple"])
    def test_cross_entropy_nets_give_their_logits(self, data, criterion, end):
        X, y = data
        loss = criterion
        if end is not None:

            class loss(criterion):
                def forward(self, output, target):
                    return super().forward(output[0], target)

        net = fit_net(Net(end=end), X, y, loss)
        scores, kind = response_of(net, X)
        assert kind == "logit"
        np.testing.assert_allclose(scores, outputs_of(net, X), rtol=1e-5)
        assert scores.max() > 1 or scores.min() < 0
        np.testing.assert_allclose(
            softmax(scores, axis=1), softmax(outputs_of(net, X), axis=1), rtol=1e-5
        )

    def test_nll_nets_give_the_probabilities_of_the_module(self, data):
        # skorch takes the logarithm for this criterion: the module ends in a softmax.
        X, y = data
        net = fit_net(Net(end=nn.Softmax(dim=1)), X, y, nn.NLLLoss)
        scores, kind = response_of(net, X)
        assert kind == "proba"
        np.testing.assert_allclose(scores, outputs_of(net, X), rtol=1e-5)
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)

    @pytest.mark.parametrize("end", [None, first_column], ids=["(n, 1)", "(n,)"])
    def test_binary_nets_give_a_row_of_logits(self, data, end):
        X, y = data
        target = (y == 1).astype(np.float32)
        net = fit_net(
            Net(1, end), X, target, nn.BCEWithLogitsLoss, NeuralNetBinaryClassifier
        )
        scores, kind = response_of(net, X)
        assert (scores.shape, kind) == ((60,), "logit")
        expected = outputs_of(net, X).reshape(60)
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
        np.testing.assert_allclose(expit(scores), net.predict_proba(X)[:, 1], rtol=1e-5)

    def test_a_nonlinearity_of_the_user_is_respected(self, data):
        # A module of probabilities under CrossEntropyLoss, wrong as that may be.
        X, y = data
        net = fit_net(
            Net(end=nn.Softmax(dim=1)),
            X,
            y,
            nn.CrossEntropyLoss,
            predict_nonlinearity=None,
        )
        scores, kind = response_of(net, X)
        assert kind == "proba"
        np.testing.assert_allclose(scores, outputs_of(net, X), rtol=1e-5)

    def test_an_explicit_method_is_obeyed_by_nets_too(self, data):
        X, y = data
        net = fit_net(Net(), X, y, nn.CrossEntropyLoss)
        scores, kind = response_of(net, X, "predict_proba")
        assert kind == "proba"
        expected = softmax(outputs_of(net, X), axis=1)
        np.testing.assert_allclose(scores, expected, rtol=1e-5)


class MapsNet(NeuralNetClassifier):
    """A net for maps: skorch would look for one label per sample."""

    def check_data(self, X, y):
        pass


class TestSkorchMaps:
    def fit(self, maps, end, criterion, **options):
        X, y = maps
        return fit_net(
            Maps(end), X, y, criterion, MapsNet, classes=[0, 1, 2], **options
        )

    def test_cross_entropy_nets_give_maps_of_logits(self, maps):
        net = self.fit(maps, None, nn.CrossEntropyLoss)
        scores, kind = response_of(net, maps[0])
        assert (scores.shape, kind) == ((8, 3, 4, 5), "logit")
        np.testing.assert_allclose(scores, outputs_of(net, maps[0]), rtol=1e-5)

    def test_nll_nets_give_maps_of_probabilities(self, maps):
        net = self.fit(maps, nn.Softmax(dim=1), nn.NLLLoss)
        scores, kind = response_of(net, maps[0])
        assert kind == "proba"
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)

    def test_a_softmax_over_the_last_axis_is_refused_when_asked_for(self, maps):
        net = self.fit(maps, None, nn.CrossEntropyLoss)
        wrong = net.predict_proba(maps[0])
        np.testing.assert_allclose(wrong.sum(axis=-1), 1, rtol=1e-5)
        with pytest.raises(InputError, match="not the class axis"):
            response_of(net, maps[0], "predict_proba")

    def test_probabilities_of_a_loss_of_the_users_own_are_taken(self, maps):
        # skorch applies no softmax for a criterion that it does not know.
        class ProbaLoss(nn.Module):
            def forward(self, proba, y):
                return nn.functional.nll_loss(proba.log(), y)

        net = self.fit(maps, nn.Softmax(dim=1), ProbaLoss)
        for method in ("auto", "predict_proba"):
            scores, kind = response_of(net, maps[0], method)
            assert kind == "proba"
            np.testing.assert_allclose(scores, outputs_of(net, maps[0]), rtol=1e-5)


def test_logits_that_a_net_predicts_come_before_its_forward_pass(data):
    class LogitNet(NeuralNetClassifier):
        def predict_logits(self, X):
            return np.full((len(X), 3), 7.0)

    X, y = data
    net = fit_net(Net(), X, y, nn.CrossEntropyLoss, LogitNet)
    scores, kind = response_of(net, X)
    assert kind == "logit"
    assert (scores == 7).all()
