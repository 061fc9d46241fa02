"""Modules of calibrators give what the calibrators predict, and go where modules go."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from skuq._discovery import all_calibrators
from skuq.calibration import (
    BetaCalibrator,
    DirichletCalibrator,
    IsotonicCalibrator,
    MatrixScaler,
    TemperatureScaler,
    VectorScaler,
)
from skuq.datasets import make_logits
from skuq.exceptions import InputError
from skuq.nn import AffineCalibration, BetaCalibration, TemperatureCalibration

WITH_A_FORMULA = {
    "BetaCalibrator",
    "DirichletCalibrator",
    "EnsembleTemperatureScaler",
    "MatrixScaler",
    "PlattCalibrator",
    "QuadraticCalibrator",
    "StructuredMatrixScaler",
    "StructuredVectorScaler",
    "TemperatureScaler",
    "VectorScaler",
}
CALIBRATORS = {name: all_calibrators()[name]() for name in sorted(WITH_A_FORMULA)} | {
    "plain vector": VectorScaler(smoothing=None),
    "plain matrix": MatrixScaler(smoothing=None),
    "plain Dirichlet": DirichletCalibrator(smoothing=None),
    "diagonal Dirichlet": DirichletCalibrator(variant="diagonal"),
    "symmetric beta": BetaCalibrator(parameters="am"),
}
SHAPES = ["column", "row", "two columns", "five classes", "maps", "maps of a column"]
calibrators = pytest.mark.parametrize(
    "calibrator", CALIBRATORS.values(), ids=CALIBRATORS
)


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def problem(shape, kind="logit"):
    """Scores and labels of a shape of `SHAPES`, over-confident and shifted."""
    spatial = (6, 7) if "maps" in shape else ()
    n_classes = 5 if shape in ("five classes", "maps") else 2
    n = 8 if spatial else 300
    z, y = make_logits(n, n_classes=n_classes, spatial=spatial, random_state=0)
    z[:, 0] += 1
    if kind == "proba":
        z = softmax(z)
    if shape in ("row", "column", "maps of a column"):
        z = z[:, 1:] if kind == "proba" else z[:, 1:] - z[:, :1]
    return (z[:, 0] if shape == "row" else z), y


def fitted(calibrator, shape="five classes", kind="logit"):
    z, y = problem(shape, kind)
    return copy.deepcopy(calibrator).set_params(input=kind).fit(z, y), z


def exported(module, scores, strict):
    """The module after a round trip through torch.export with any number of samples."""
    any_number = ({0: torch.export.Dim("n")},)
    program = torch.export.export(
        module, (scores,), dynamic_shapes=any_number, strict=strict
    )
    return program.module()


def test_calibrators_with_a_formula_and_no_others_have_it():
    able = {name for name, cls in all_calibrators().items() if hasattr(cls, "to_torch")}
    assert able == WITH_A_FORMULA
    assert not hasattr(IsotonicCalibrator(), "to_torch")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["logit", "proba"])
@pytest.mark.parametrize("shape", SHAPES)
@calibrators
def test_modules_give_what_calibrators_predict(calibrator, shape, kind, dtype):
    calibrator, scores = fitted(calibrator, shape, kind)
    scores = scores.astype(dtype)
    proba = calibrator.to_torch()(torch.tensor(scores)).numpy()
    assert proba.dtype == dtype
    np.testing.assert_allclose(proba, calibrator.predict_proba(scores), 0, 1e-6)


@calibrators
def test_extreme_scores_give_what_calibrators_predict(calibrator):
    calibrator, _ = fitted(calibrator)
    z = np.array([[0, 90, 0, 0, 0], [-1e3, 1e3, 0, 5, 5], [0, 0, 0, 0, 0.0]])
    np.testing.assert_allclose(
        calibrator.to_torch()(torch.tensor(z)), calibrator.predict_proba(z), 0, 1e-6
    )
    calibrator, _ = fitted(calibrator, kind="proba")
    p = np.array([[0, 1, 0, 0, 0], [0, 0.5, 0.5, 0, 0], [1e-40, 1e-9, 1, 0, 0]])
    np.testing.assert_allclose(
        calibrator.to_torch()(torch.tensor(p)), calibrator.predict_proba(p), 0, 1e-6
    )


def test_probabilities_of_zero_and_one_in_the_calibration_set():
    rng = np.random.default_rng(0)
    p = np.clip(rng.normal(0.5, 0.5, 400), 0, 1)
    y = rng.random(400) < 0.1 + 0.8 * p
    calibrator = BetaCalibrator(input="proba").fit(p, y)
    assert calibrator.maps_[0].share > 0
    np.testing.assert_allclose(
        calibrator.to_torch()(torch.tensor(p)), calibrator.predict_proba(p), 0, 1e-6
    )


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("shape", ["five classes", "maps of a column"])
@calibrators
def test_export_accepts_any_number_of_samples(calibrator, shape, strict):
    calibrator, scores = fitted(calibrator, shape)
    module, scores = calibrator.to_torch(), torch.tensor(scores)
    again = exported(module, scores[:3], strict)
    torch.testing.assert_close(again(scores), module(scores), rtol=0, atol=1e-12)


@calibrators
def test_numbers_are_buffers_that_survive_state_dict_and_pickle(calibrator):
    calibrator, scores = fitted(calibrator)
    module, scores = calibrator.to_torch(), torch.tensor(scores)
    assert list(module.parameters()) == []
    other = pickle.loads(pickle.dumps(module))
    assert torch.equal(other(scores), module(scores))
    for number in other.buffers():
        number.fill_(0.5)
    assert not torch.allclose(other(scores), module(scores))
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(scores), module(scores))


@pytest.mark.parametrize("kind", ["logit", "proba"])
@pytest.mark.parametrize("shape", ["two columns", "five classes"])
@calibrators
def test_gradients_of_the_scores_are_right(calibrator, shape, kind):
    calibrator, scores = fitted(calibrator, shape, kind)
    scores = torch.tensor(scores[:4], requires_grad=True)
    assert torch.autograd.gradcheck(calibrator.to_torch(), scores)


@calibrators
def test_gradients_of_extreme_scores_are_finite(calibrator):
    calibrator, _ = fitted(calibrator)
    z = torch.tensor([[-1e3, 1e3, 0, 5, 5], [0, 0, 0, 0, 0.0]], requires_grad=True)
    calibrator.to_torch()(z)[:, 0].sum().backward()
    assert torch.isfinite(z.grad).all()


@calibrators
def test_modules_move_to_another_precision(calibrator):
    calibrator, scores = fitted(calibrator)
    expected = calibrator.predict_proba(scores)
    single = calibrator.to_torch().float()(torch.tensor(scores, dtype=torch.float32))
    np.testing.assert_allclose(single, expected, 0, 1e-5)
    low = calibrator.to_torch()(torch.tensor(scores, dtype=torch.bfloat16))
    assert low.dtype == torch.float32
    np.testing.assert_allclose(low, expected, 0, 0.05)


@calibrators
def test_fitting_again_leaves_a_module_as_it_is(calibrator):
    calibrator, scores = fitted(calibrator)
    module, scores = calibrator.to_torch(), torch.tensor(scores)
    before = module(scores)
    z, y = make_logits(200, n_classes=5, temperature=9.0, random_state=1)
    calibrator.fit(z, y)
    assert torch.equal(module(scores), before)


@calibrators
def test_a_calibrator_that_is_not_fitted_is_refused(calibrator):
    with pytest.raises(NotFittedError):
        copy.deepcopy(calibrator).to_torch()


def test_a_plain_affine_map_is_one_product():
    calibrator, scores = fitted(CALIBRATORS["plain matrix"])
    layer = nn.Linear(5, 5, dtype=torch.float64)
    layer.weight.data = torch.tensor(calibrator.coef_)
    layer.bias.data = torch.tensor(calibrator.intercept_)
    by_hand = layer(torch.tensor(scores)).softmax(1)
    torch.testing.assert_close(calibrator.to_torch()(torch.tensor(scores)), by_hand)


def test_a_diagonal_matrix_is_kept_as_its_diagonal():
    module = AffineCalibration(np.diag([1.0, 2.0]), [0.0, 1.0])
    assert module.coef.shape == (2,)
    z = torch.tensor([[1.0, 2.0]])
    torch.testing.assert_close(module(z), torch.tensor([[1.0, 5.0]]).softmax(1))


def test_numbers_may_be_written_by_hand():
    z = torch.tensor([[1.0, 3.0]])
    torch.testing.assert_close(TemperatureCalibration(2)(z), (z / 2).softmax(1))
    torch.testing.assert_close(BetaCalibration(1, 1, 0)(z), z.softmax(1))
    assert repr(TemperatureCalibration(2)) == "TemperatureCalibration(input='logit')"
    with pytest.raises(InputError, match="input"):
        TemperatureCalibration(2, input="odds")
    with pytest.raises(InputError, match="features"):
        AffineCalibration(np.eye(2), [0, 0], features="odds")


def test_the_temperature_is_in_the_state_dict():
    calibrator, _ = fitted(TemperatureScaler())
    state = calibrator.to_torch().state_dict()
    assert state["temperature"].item() == calibrator.temperature_
