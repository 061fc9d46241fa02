"""A calibrated model as one module gives what it predicts, and leaves the model be."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skuq.calibration import (
    CalibratedModel,
    IsotonicCalibrator,
    PlattCalibrator,
    StructuredMatrixScaler,
    TemperatureScaler,
)
from skuq.datasets import make_logits
from skuq.deep import TorchModuleClassifier
from skuq.exceptions import InputError
from skuq.nn import CalibratedModule, TemperatureCalibration

skorch = pytest.importorskip("skorch")

NAMES = np.array(["cow", "ant", "bee"])


def knowing(layer):
    """A layer whose scores are half the features, so that they say something."""
    n_outputs = len(layer.weight)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3)[-n_outputs:].reshape(layer.weight.shape) / 2)
    return layer


def softened(z):
    return (z / 3).softmax(1)


class Net(nn.Module):
    """Dropout and batch normalisation, then `n_outputs` scores."""

    def __init__(self, n_outputs=3, last=None):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)
        self.linear, self.last = knowing(nn.Linear(3, n_outputs)), last

    def forward(self, x):
        z = self.linear(self.drop(self.norm(x)))
        return z if self.last is None else self.last(z)


class Pair(nn.Linear):
    """Scores and something else."""

    def forward(self, x):
        return super().forward(x), x


@pytest.fixture
def data():
    """Features that are logits of three classes, and labels 0..2."""
    z, y = make_logits(300, n_classes=3, random_state=0)
    return z.astype(np.float32), y


pytestmark = pytest.mark.usefixtures("torch_seed")


def assert_module_predicts(calibrated, X):
    """One module gives what the model predicts, before and after torch.export."""
    module, tensor = calibrated.to_torch(), torch.tensor(X)
    expected = calibrated.predict_proba(X)
    with torch.no_grad():
        np.testing.assert_allclose(module(tensor), expected, 0, 1e-6)
    program = torch.export.export(
        module, (tensor[:5],), dynamic_shapes=({0: torch.export.Dim("n", min=2)},)
    )
    with torch.no_grad():
        np.testing.assert_allclose(program.module()(tensor), expected, 0, 1e-6)


@pytest.mark.parametrize("method", ["auto", "predict_proba"])
@pytest.mark.parametrize("output", ["logit", "proba"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_bare_modules(data, n_outputs, output, method):
    X, y = data
    last = None
    if output == "proba":
        last = nn.Sigmoid() if n_outputs == 1 else nn.Softmax(1)
    y = y if n_outputs == 3 else (y == 2).astype(int)
    model = TorchModuleClassifier(
        Net(n_outputs, last), max(2, n_outputs), output=output
    )
    for calibrator in (TemperatureScaler(), PlattCalibrator()):
        calibrated = CalibratedModel(model, calibrator, response_method=method)
        assert_module_predicts(calibrated.fit(X, y), X)


def test_the_columns_keep_the_order_of_the_classes(data):
    X, y = data
    model = TorchModuleClassifier(Net(), NAMES)
    calibrated = CalibratedModel(model, StructuredMatrixScaler()).fit(X, NAMES[y])
    assert calibrated.classes_.tolist() == NAMES.tolist()
    assert_module_predicts(calibrated, X)


def test_maps():
    maps, y = make_logits(8, n_classes=3, spatial=(6, 5), random_state=0)
    model = TorchModuleClassifier(knowing(nn.Conv2d(3, 3, 1)), 3)
    calibrated = CalibratedModel(model).fit(maps.astype(np.float32), y)
    assert_module_predicts(calibrated, maps.astype(np.float32))


def test_of_several_returned_things_the_first(data):
    X, y = data
    calibrated = CalibratedModel(TorchModuleClassifier(knowing(Pair(3, 3)), 3)).fit(
        X, y
    )
    assert_module_predicts(calibrated, X)


@pytest.mark.parametrize("method", ["auto", "predict_proba"])
@pytest.mark.parametrize(
    ("net", "criterion", "options"),
    [
        (skorch.NeuralNetClassifier, nn.CrossEntropyLoss, {}),
        (skorch.NeuralNetClassifier, nn.NLLLoss, {"module__last": nn.Softmax(1)}),
        (
            skorch.NeuralNetClassifier,
            nn.CrossEntropyLoss,
            {"predict_nonlinearity": softened},
        ),
        (
            skorch.NeuralNetBinaryClassifier,
            nn.BCEWithLogitsLoss,
            {"module__n_outputs": 1, "module__last": nn.Flatten(0)},
        ),
        (
            skorch.NeuralNetBinaryClassifier,
            nn.BCELoss,
            {
                "module__n_outputs": 1,
                "module__last": nn.Sequential(nn.Sigmoid(), nn.Flatten(0)),
            },
        ),
    ],
    ids=["cross-entropy", "nll", "own link", "bce-logits", "bce"],
)
def test_skorch_nets(data, net, criterion, options, method):
    X, y = data
    net = net(Net, criterion=criterion, train_split=None, verbose=0, **options)
    net.initialize()
    if criterion in (nn.BCELoss, nn.BCEWithLogitsLoss):
        y = (y == 2).astype(int)
    net.fit(X, y.astype(np.float32) if y.max() == 1 else y)
    calibrated = CalibratedModel(net, response_method=method).fit(X, y)
    assert_module_predicts(calibrated, X)


def test_a_dict_becomes_the_keywords_of_the_network():
    class Sum(nn.Module):
        def forward(self, left, right):
            return left + right

    module = CalibratedModule(Sum(), TemperatureCalibration(2))
    x = torch.tensor([[0.0, 1.0]])
    torch.testing.assert_close(module({"left": x, "right": x}), x.softmax(1))


def test_wrappers_that_hand_on_their_input_are_seen_through(data):
    X, y = data
    model = make_pipeline(FrozenEstimator(TorchModuleClassifier(Net(), 3)))
    calibrated = CalibratedModel(FrozenEstimator(model)).fit(X, y)
    assert_module_predicts(calibrated, X)
    net = skorch.NeuralNetClassifier(
        Net, criterion=nn.CrossEntropyLoss, train_split=None, verbose=0
    )
    search = GridSearchCV(net, {"lr": [0.01, 0.1]}, cv=2).fit(X, y)
    assert_module_predicts(CalibratedModel(search).fit(X, y), X)


def test_cross_fitted_nets(data):
    X, y = data
    net = skorch.NeuralNetClassifier(
        Net, criterion=nn.CrossEntropyLoss, train_split=None, verbose=0
    )
    assert_module_predicts(CalibratedModel(net, cv=2).fit(X, y), X)


def test_the_module_is_a_copy_in_evaluation_mode(data):
    X, y = data
    net = Net().train()
    before = pickle.dumps(net.state_dict())
    calibrated = CalibratedModel(TorchModuleClassifier(net, 3)).fit(X, y)
    module = calibrated.to_torch()
    assert not any(part.training for part in module.modules())
    assert all(part.training for part in net.modules())
    module.train()(torch.tensor(X)).sum().backward()
    assert module.module.linear.weight.grad is not None
    assert net.linear.weight.grad is None
    assert pickle.dumps(net.state_dict()) == before


def test_state_dict_and_pickle(data):
    X, y = data
    calibrated = CalibratedModel(TorchModuleClassifier(Net(), 3)).fit(X, y)
    module, X = calibrated.to_torch(), torch.tensor(X)
    temperature = module.state_dict()["calibration.temperature"]
    assert temperature.item() == calibrated.calibrator_.temperature_
    assert torch.equal(pickle.loads(pickle.dumps(module))(X), module(X))


def test_models_of_another_kind_are_refused(data):
    X, y = data
    with pytest.raises(NotFittedError):
        CalibratedModel(TorchModuleClassifier(Net(), 3)).to_torch()
    logistic = CalibratedModel(LogisticRegression().fit(X, y)).fit(X, y)
    with pytest.raises(InputError, match=r"LogisticRegression.*TorchModule"):
        logistic.to_torch()
    steps = make_pipeline(StandardScaler().fit(X), TorchModuleClassifier(Net(), 3))
    with pytest.raises(InputError, match=r"Pipeline.*into its module"):
        CalibratedModel(FrozenEstimator(steps)).fit(X, y).to_torch()


def test_calibrators_without_a_formula_are_refused(data):
    X, y = data
    model = TorchModuleClassifier(Net(), 3)
    calibrated = CalibratedModel(model, IsotonicCalibrator()).fit(X, y)
    with pytest.raises(InputError, match=r"IsotonicCalibrator.*TemperatureScaler"):
        calibrated.to_torch()
