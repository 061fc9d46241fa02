"""A trained module behaves as a fitted classifier, and is left as it was."""

import copy
import pickle
from collections import namedtuple

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skuq.calibration import CalibratedModel
from skuq.deep import TorchModuleClassifier
from skuq.exceptions import InputError

N_FEATURES = 4


class Segmenter(nn.Module):
    """A 1x1 convolution: maps of scores of `n_outputs` classes."""

    def __init__(self, n_outputs):
        super().__init__()
        self.conv = nn.Conv2d(2, n_outputs, 1)

    def forward(self, images):
        return self.conv(images)


class Wrapped(nn.Module):
    """A module that returns something made of the scores of another."""

    def __init__(self, module, wrap):
        super().__init__()
        self.module, self.wrap = module, wrap

    def forward(self, x):
        return self.wrap(self.module(x))


class Recorder(nn.Module):
    """Notes every batch and what mode it met."""

    def __init__(self, n_outputs=3):
        super().__init__()
        self.linear = nn.Linear(N_FEATURES, n_outputs)
        self.sizes, self.dtypes, self.modes, self.grad = [], [], [], []

    def forward(self, x):
        self.sizes.append(len(x))
        self.dtypes.append(x.dtype)
        self.modes.append(self.training)
        self.grad.append(torch.is_grad_enabled())
        return self.linear(x)


class Broken(nn.Module):
    def forward(self, x):
        raise RuntimeError("out of memory, say")


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture
def X(rng):
    return rng.normal(size=(10, N_FEATURES)).astype(np.float32)


@pytest.fixture
def linear():
    return nn.Linear(N_FEATURES, 3)


def by_hand(linear, X):
    """The scores of a linear module, without torch."""
    w, b = linear.weight.detach().numpy(), linear.bias.detach().numpy()
    return X.astype(np.float64) @ w.T.astype(np.float64) + b


def softmax(z, axis=1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def modes_of(module):
    return {name: part.training for name, part in module.named_modules()}


class TestScores:
    def test_logits_are_what_the_module_returns(self, linear, X):
        logits = TorchModuleClassifier(linear, 3).predict_logits(X)
        np.testing.assert_allclose(logits, by_hand(linear, X), rtol=1e-5, atol=1e-6)

    def test_probabilities_are_the_softmax_of_the_logits(self, linear, X):
        proba = TorchModuleClassifier(linear, 3).predict_proba(X)
        np.testing.assert_allclose(proba, softmax(by_hand(linear, X)), rtol=1e-5)

    def test_predict_names_the_class_of_the_largest_logit(self, linear, X):
        model = TorchModuleClassifier(linear, ["cat", "dog", "eel"])
        expected = np.array(["cat", "dog", "eel"])[by_hand(linear, X).argmax(axis=1)]
        assert len(set(expected)) > 1
        np.testing.assert_array_equal(model.predict(X), expected)

    def test_score_is_the_share_of_right_labels(self, linear, X):
        model = TorchModuleClassifier(linear, ["cat", "dog", "eel"])
        y = model.predict(X)
        y[:3] = np.where(y[:3] == "cat", "dog", "cat")
        assert model.score(X, y) == pytest.approx(0.7)
        weight = np.r_[np.full(3, 7.0), np.ones(7)]
        assert model.score(X, y, sample_weight=weight) == pytest.approx(0.25)

    @pytest.mark.parametrize("column", [False, True], ids=["(n,)", "(n, 1)"])
    def test_one_output_is_the_logit_of_the_second_class(self, X, column):
        linear = nn.Linear(N_FEATURES, 1)
        module = linear if column else Wrapped(linear, lambda z: z[:, 0])
        model = TorchModuleClassifier(module, ["no", "yes"])
        z = by_hand(linear, X)[:, 0]
        assert model.predict_logits(X).shape == (10,)
        np.testing.assert_allclose(model.predict_logits(X), z, rtol=1e-5, atol=1e-6)
        p = 1 / (1 + np.exp(-z))
        proba = model.predict_proba(X)
        np.testing.assert_allclose(proba, np.stack([1 - p, p], axis=1), rtol=1e-5)
        np.testing.assert_array_equal(model.predict(X), np.where(z > 0, "yes", "no"))

    def test_maps_have_their_classes_in_axis_1(self, rng):
        images = rng.normal(size=(3, 2, 5, 6)).astype(np.float32)
        module = Segmenter(4)
        model = TorchModuleClassifier(module, 4)
        with torch.no_grad():
            z = module(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(model.predict_logits(images), z, rtol=1e-5)
        proba = model.predict_proba(images)
        np.testing.assert_allclose(proba, softmax(z), rtol=1e-5)
        np.testing.assert_array_equal(model.predict(images), z.argmax(axis=1))
        assert model.score(images, z.argmax(axis=1)) == 1

    def test_maps_of_one_output_become_two_classes(self, rng):
        images = rng.normal(size=(3, 2, 5, 6)).astype(np.float32)
        model = TorchModuleClassifier(Segmenter(1), [10, 20])
        z = model.predict_logits(images)
        proba = model.predict_proba(images)
        assert z.shape == (3, 1, 5, 6)
        assert proba.shape == (3, 2, 5, 6)
        np.testing.assert_allclose(proba[:, 1:], 1 / (1 + np.exp(-z)), rtol=1e-5)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
        expected = np.where(z[:, 0] > 0, 20, 10)
        np.testing.assert_array_equal(model.predict(images), expected)

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda z: (z, "features"),
            lambda z: (z,),
            namedtuple("Output", "logits features")._make,
        ],
        ids=["pair", "single", "named"],
    )
    def test_the_first_of_several_returned_things_is_the_scores(self, linear, X, wrap):
        if getattr(wrap, "__self__", None) is not None:
            make, wrap = wrap, lambda z: make([z, None])
        model = TorchModuleClassifier(Wrapped(linear, wrap), 3)
        expected = TorchModuleClassifier(linear, 3).predict_logits(X)
        np.testing.assert_array_equal(model.predict_logits(X), expected)


class TestProbabilities:
    def test_output_proba_is_passed_through(self, linear, X):
        module = nn.Sequential(linear, nn.Softmax(dim=1))
        model = TorchModuleClassifier(module, 3, output="proba")
        expected = TorchModuleClassifier(linear, 3).predict_proba(X)
        np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)

    def test_a_single_probability_is_that_of_the_second_class(self, X):
        linear = nn.Linear(N_FEATURES, 1)
        module = nn.Sequential(linear, nn.Sigmoid())
        proba = TorchModuleClassifier(module, 2, output="proba").predict_proba(X)
        p = 1 / (1 + np.exp(-by_hand(linear, X)[:, 0]))
        np.testing.assert_allclose(proba, np.stack([1 - p, p], axis=1), rtol=1e-5)

    def test_a_module_of_probabilities_has_no_logits(self, linear):
        assert hasattr(TorchModuleClassifier(linear, 3), "predict_logits")
        model = TorchModuleClassifier(linear, 3, output="proba")
        assert not hasattr(model, "predict_logits")

    def test_another_output_is_refused(self, linear, X):
        model = TorchModuleClassifier(linear, 3, output="logits")
        with pytest.raises(InputError, match="'logit' or 'proba', got 'logits'"):
            model.predict_proba(X)


class TestArrays:
    @pytest.mark.parametrize("method", ["predict_logits", "predict_proba"])
    def test_arrays_give_arrays_and_tensors_give_tensors(self, linear, X, method):
        predict = getattr(TorchModuleClassifier(linear, 3), method)
        from_array, from_tensor = predict(X), predict(torch.from_numpy(X))
        assert type(from_array) is np.ndarray
        assert type(from_tensor) is torch.Tensor
        np.testing.assert_array_equal(from_tensor.numpy(), from_array)

    def test_lists_are_accepted(self, linear, X):
        model = TorchModuleClassifier(linear, 3)
        np.testing.assert_array_equal(model.predict(X.tolist()), model.predict(X))

    @pytest.mark.parametrize("given", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("own", ["float32", "float64"])
    @pytest.mark.parametrize("tensor", [False, True], ids=["numpy", "torch"])
    def test_inputs_take_the_precision_of_the_module(self, given, own, X, tensor):
        module = Recorder().to(getattr(torch, own))
        X = X.astype(given)
        model = TorchModuleClassifier(module, 3)
        logits = model.predict_logits(torch.from_numpy(X) if tensor else X)
        assert module.dtypes == [getattr(torch, own)]
        assert logits.dtype == getattr(torch if tensor else np, own)

    def test_a_module_without_parameters_gets_the_default_precision(self):
        X = np.array([[1.0, 2.0], [4.0, 3.0]])
        logits = TorchModuleClassifier(nn.Identity(), 2).predict_logits(X)
        assert logits.dtype == np.float32
        np.testing.assert_array_equal(logits, X)

    def test_integer_inputs_stay_integers(self):
        embedding = nn.Sequential(nn.Embedding(5, 3), nn.Flatten())
        codes = np.array([[0], [4], [2]])
        logits = TorchModuleClassifier(embedding, 3).predict_logits(codes)
        table = embedding[0].weight.detach().numpy()
        np.testing.assert_array_equal(logits, table[[0, 4, 2]])

    def test_a_module_in_bfloat16_gives_numpy_arrays_too(self, linear, X):
        linear = linear.to(torch.bfloat16)
        proba = TorchModuleClassifier(linear, 3).predict_proba(X)
        # bfloat16 keeps eight bits.
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=3 * 2.0**-8)

    def test_arrays_that_may_not_be_written_to_are_accepted(self, linear, X):
        model = TorchModuleClassifier(linear, 3)
        expected = model.predict_logits(X)
        X.flags.writeable = False
        np.testing.assert_array_equal(model.predict_logits(X), expected)

    def test_views_of_any_stride_are_accepted(self, linear, X):
        model = TorchModuleClassifier(linear, 3)
        expected = model.predict_logits(X)
        flipped = np.ascontiguousarray(X[:, ::-1])[:, ::-1]
        np.testing.assert_allclose(
            model.predict_logits(flipped), expected, rtol=1e-5, atol=1e-6
        )

    def test_the_result_can_be_trained_on(self, linear, X):
        logits = TorchModuleClassifier(linear, 3).predict_logits(torch.from_numpy(X))
        scale = torch.ones(1, requires_grad=True)
        (logits * scale).sum().backward()
        assert scale.grad.item() == pytest.approx(logits.sum().item(), rel=1e-5)

    @pytest.mark.parametrize("tensor", [False, True], ids=["numpy", "torch"])
    def test_no_samples_are_refused(self, linear, tensor):
        X = np.empty((0, N_FEATURES), np.float32)
        model = TorchModuleClassifier(linear, 3)
        with pytest.raises(InputError, match="no samples"):
            model.predict_proba(torch.from_numpy(X) if tensor else X)


class TestBatches:
    @pytest.mark.parametrize(
        ("batch_size", "sizes"), [(1, [1] * 10), (4, [4, 4, 2]), (10, [10]), (99, [10])]
    )
    def test_every_sample_is_fed_once(self, X, batch_size, sizes):
        module = Recorder()
        TorchModuleClassifier(module, 3, batch_size=batch_size).predict_proba(X)
        assert module.sizes == sizes

    @pytest.mark.parametrize("batch_size", [1, 3, 10])
    def test_the_batch_size_does_not_change_results(self, X, batch_size):
        # Batch normalisation and dropout would, if they were not in evaluation mode.
        module = nn.Sequential(
            nn.Linear(N_FEATURES, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 3)
        )
        small = TorchModuleClassifier(module, 3, batch_size=batch_size)
        whole = TorchModuleClassifier(module, 3)
        np.testing.assert_allclose(
            small.predict_logits(X), whole.predict_logits(X), rtol=1e-5, atol=1e-6
        )


class TestModuleIsLeftAsItWas:
    @pytest.fixture
    def mixed(self):
        """A module in training mode but for one frozen part."""
        module = nn.Sequential(
            nn.Linear(N_FEATURES, 8),
            nn.BatchNorm1d(8),
            nn.Sequential(nn.Dropout(), nn.BatchNorm1d(8)),
            nn.Linear(8, 3),
        )
        module[2][1].eval()
        return module

    def test_the_mode_of_every_submodule_is_restored(self, mixed, X):
        before = modes_of(mixed)
        assert set(before.values()) == {True, False}
        TorchModuleClassifier(mixed, 3).predict_proba(X)
        assert modes_of(mixed) == before

    def test_the_mode_is_restored_after_an_error(self, mixed, X):
        mixed.append(Broken())
        before = modes_of(mixed)
        with pytest.raises(RuntimeError, match="out of memory"):
            TorchModuleClassifier(mixed, 3).predict_proba(X)
        assert modes_of(mixed) == before
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()

    def test_the_module_runs_in_evaluation_mode_without_gradients(self, X):
        module = Recorder().train()
        TorchModuleClassifier(module, 3).predict_proba(X)
        assert module.modes == [False]
        assert module.grad == [False]

    def test_an_evaluating_module_stays_in_evaluation_mode(self, X):
        module = Recorder().eval()
        TorchModuleClassifier(module, 3).predict_proba(X)
        assert not module.training

    def test_parameters_and_statistics_do_not_change(self, mixed, X):
        before = copy.deepcopy(mixed.state_dict())
        TorchModuleClassifier(mixed, 3).fit(X, np.zeros(10)).predict(X)
        for name, value in mixed.state_dict().items():
            assert torch.equal(value, before[name]), name
        assert all(p.requires_grad and p.grad is None for p in mixed.parameters())

    def test_the_device_none_and_cpu_give_the_same(self, linear, X):
        expected = TorchModuleClassifier(linear, 3).predict_logits(X)
        on_cpu = TorchModuleClassifier(linear, 3, device="cpu")
        np.testing.assert_array_equal(on_cpu.predict_logits(X), expected)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_results_come_back_to_the_device_of_the_input(self, linear, X):
        model = TorchModuleClassifier(linear, 3, device="auto")
        expected = by_hand(linear, X)
        for place in ("cpu", "cuda"):
            logits = model.predict_logits(torch.from_numpy(X).to(place))
            assert logits.device.type == place
            np.testing.assert_allclose(logits.cpu(), expected, rtol=1e-3, atol=1e-3)
        assert next(linear.parameters()).device.type == "cuda"


class TestClasses:
    @pytest.mark.parametrize("count", [3, np.int64(3)])
    def test_an_int_stands_for_the_first_numbers(self, linear, count):
        classes = TorchModuleClassifier(linear, count).classes_
        assert classes.tolist() == [0, 1, 2]

    def test_the_order_of_the_classes_is_that_of_the_outputs(self, linear, X):
        model = TorchModuleClassifier(linear, ["eel", "cat", "dog"])
        assert model.classes_.tolist() == ["eel", "cat", "dog"]
        first = by_hand(linear, X).argmax(axis=1) == 0
        assert first.any()
        assert set(model.predict(X)[first]) == {"eel"}

    def test_a_tensor_names_classes(self, linear):
        model = TorchModuleClassifier(linear, torch.tensor([5, 7, 9]))
        assert type(model.classes_) is np.ndarray
        assert model.classes_.tolist() == [5, 7, 9]

    @pytest.mark.parametrize(("n_outputs", "n_classes"), [(3, 2), (3, 4), (1, 3)])
    def test_another_number_of_classes_than_outputs_is_refused(
        self, X, n_outputs, n_classes
    ):
        model = TorchModuleClassifier(nn.Linear(N_FEATURES, n_outputs), n_classes)
        pattern = f"{n_outputs} outputs in axis 1 but classes names {n_classes}"
        with pytest.raises(InputError, match=pattern):
            model.predict_proba(X)


class TestEstimator:
    def test_a_clone_predicts_the_same_with_a_module_of_its_own(self, linear, X):
        model = TorchModuleClassifier(linear, ["cat", "dog", "eel"], batch_size=4)
        copied = clone(model)
        assert copied.get_params()["batch_size"] == 4
        assert copied.module is not linear
        expected = model.predict_logits(X)
        np.testing.assert_array_equal(copied.predict_logits(X), expected)
        with torch.no_grad():
            copied.module.weight.zero_()
        np.testing.assert_array_equal(model.predict_logits(X), expected)

    def test_a_pickle_predicts_the_same(self, linear, X):
        model = TorchModuleClassifier(linear, ["cat", "dog", "eel"])
        loaded = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(loaded.predict_logits(X), model.predict_logits(X))
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))

    def test_it_ends_a_pipeline(self, linear, X):
        scaler = StandardScaler().fit(X)
        steps = [("scale", scaler), ("net", TorchModuleClassifier(linear, 3))]
        pipeline = Pipeline(steps)
        expected = softmax(by_hand(linear, (X - X.mean(axis=0)) / X.std(axis=0)))
        np.testing.assert_allclose(pipeline.predict_proba(X), expected, rtol=1e-4)
        assert pipeline.classes_.tolist() == [0, 1, 2]

    def test_fitting_a_pipeline_fits_the_other_steps_alone(self, linear, X):
        before = copy.deepcopy(linear.state_dict())
        model = TorchModuleClassifier(linear, 3)
        pipeline = make_pipeline(StandardScaler(), model).fit(X, np.arange(10) % 3)
        np.testing.assert_allclose(pipeline[0].mean_, X.mean(axis=0), rtol=1e-5)
        assert torch.equal(linear.weight, before["weight"])

    def test_a_float64_pipeline_of_a_module_can_be_calibrated(self, linear, rng):
        X = rng.normal(size=(400, N_FEATURES))
        z = by_hand(linear, X)
        y = (2 * z + rng.gumbel(size=z.shape)).argmax(axis=1)
        model = TorchModuleClassifier(linear, ["cat", "dog", "eel"])
        pipeline = make_pipeline(FrozenEstimator(StandardScaler().fit(X)), model)
        calibrated = CalibratedModel(pipeline).fit(X, model.classes_[y])
        logits = pipeline.named_steps["torchmoduleclassifier"].predict_logits(
            pipeline[0].transform(X)
        )
        temperature = calibrated.calibrator_.temperature_
        assert temperature < 1  # the labels are surer than the module
        expected = softmax(logits / temperature)
        np.testing.assert_allclose(calibrated.predict_proba(X), expected, rtol=1e-4)
