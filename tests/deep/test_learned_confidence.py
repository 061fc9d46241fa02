"""Confidence that a classifier learns in its own training, by hints at a price."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from skuq.deep import LearnedConfidence
from skuq.deep._learned_confidence_loss import HintLoss
from skuq.exceptions import InputError
from skuq.metrics import error_detection_scores

QUICK = {"max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def half_noise():
    """Labels that the first feature tells, but where it is positive at random."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(4000, 2)).astype(np.float32)
    y = np.where(X[:, 0] < 0, X[:, 1] > 0, rng.random(4000) < 0.5)
    return X, np.array(["no", "yes"])[y.astype(int)]


@pytest.fixture(scope="module")
def model(half_noise):
    X, y = half_noise
    return LearnedConfidence(max_epochs=15, random_state=0).fit(X[:2000], y[:2000])


@pytest.fixture
def maps(rng):
    X = rng.normal(size=(12, 1, 6, 5)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


def with_logits(p, confidence):
    """What a network gives that has these probabilities and confidence."""
    p, confidence = np.array(p), np.array(confidence)
    logit = np.log(confidence / (1 - confidence))
    return torch.tensor(np.column_stack([np.log(p), logit]))


# ---------------------------------------------------------------------------- loss


def test_the_loss_by_hand_if_all_get_hints():
    out = with_logits([[0.2, 0.8], [0.5, 0.5]], [0.5, 0.75])
    loss = HintLoss(1.0, 0.3, 0.1)(out, torch.tensor([0, 1]))
    # c p + 1 - c: 0.5 * 0.2 + 0.5 and 0.75 * 0.5 + 0.25
    task = -np.mean(np.log([0.6, 0.625]))
    price = -np.mean(np.log([0.5, 0.75]))
    assert loss.item() == pytest.approx(task + 0.1 * price, rel=1e-6)


def test_outside_training_there_are_no_hints_and_no_price():
    out = with_logits([[0.2, 0.8], [0.5, 0.5]], [0.5, 0.75])
    criterion = HintLoss(1.0, 0.3, 0.1).eval()
    loss = criterion(out, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(-np.mean(np.log([0.2, 0.5])), rel=1e-6)
    assert criterion.price.item() == pytest.approx(0.1)


def test_about_as_many_get_hints_as_are_asked_for():
    n = 20000
    out = with_logits(np.tile([0.25, 0.75], (n, 1)), np.full(n, 0.5))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loss = HintLoss(0.3, 0.3, 1.0)(out, torch.zeros(n, dtype=torch.long))
    hinted, plain, price = -np.log(0.625), -np.log(0.25), -np.log(0.5)
    share = (plain + price - loss.item()) / (plain - hinted)
    assert share == pytest.approx(0.3, abs=5 * np.sqrt(0.3 * 0.7 / n))


@pytest.mark.parametrize(("confidence", "factor"), [(0.7, 1 / 0.99), (0.8, 1 / 1.01)])
def test_the_price_grows_above_the_budget_and_falls_below(confidence, factor):
    criterion = HintLoss(0.5, 0.3, 0.1)  # -log 0.7 = 0.36, -log 0.8 = 0.22
    out = with_logits([[0.5, 0.5]], [confidence])
    for step in (1, 2):
        criterion(out, torch.tensor([0]))
        assert criterion.price.item() == pytest.approx(0.1 * factor**step, rel=1e-5)


def test_void_positions_do_not_count(rng):
    out = torch.tensor(rng.normal(size=(4, 3, 2, 2)))
    codes = torch.tensor(rng.integers(2, size=(4, 2, 2)))
    void = codes.clone()
    void[2:] = -100
    losses = [
        HintLoss(1.0, 0.3, 0.1)(*pair).item()
        for pair in ((out, void), (out[:2], codes[:2]))
    ]
    assert losses[0] == pytest.approx(losses[1])
    nothing = HintLoss(1.0, 0.3, 0.1)(out, torch.full_like(codes, -100))
    assert nothing.item() == 0


def test_sure_and_wrong_has_a_finite_loss():
    out = torch.tensor([[500.0, -500.0, 200.0]], requires_grad=True)
    loss = HintLoss(1.0, 0.3, 0.1)(out, torch.tensor([1]))
    loss.backward()
    assert np.isfinite(loss.item())
    assert torch.isfinite(out.grad).all()


# ----------------------------------------------------------------------- estimator


def test_it_is_less_sure_where_labels_are_random(model, half_noise):
    X, y = (part[2000:] for part in half_noise)
    confidence = model.predict_confidence(X)
    noisy = X[:, 0] > 0.1
    clean = X[:, 0] < -0.1
    assert confidence[noisy].mean() < confidence[clean].mean() - 0.2
    scores = error_detection_scores(
        y, model.predict_proba(X), confidence=confidence.astype(float)
    )
    assert scores["auroc"] > 0.7


def test_the_price_brings_the_doubt_to_the_budget(half_noise):
    X, y = half_noise
    for budget in (0.1, 0.5):
        model = LearnedConfidence(budget=budget, max_epochs=15, random_state=0)
        doubt = -np.log(model.fit(X, y).predict_confidence(X)).mean()
        assert doubt == pytest.approx(budget, rel=0.35)
        assert model.price_ > 0


def test_answers_and_confidences_have_the_usual_form(model, half_noise):
    X, y = half_noise
    confidence, proba = model.predict_confidence(X), model.predict_proba(X)
    assert confidence.shape == y.shape
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    np.testing.assert_array_equal(model.predict_uncertainty(X), 1 - confidence)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(1)])
    assert model.score(X, y) == np.mean(model.predict(X) == y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_confidence(X), confidence)


def test_a_seed_gives_the_same_and_leaves_the_generator_alone(half_noise):
    X, y = half_noise
    state = torch.get_rng_state()
    one, two = (LearnedConfidence(**QUICK).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(one.predict_confidence(X), two.predict_confidence(X))
    assert torch.equal(torch.get_rng_state(), state)


def test_maps_get_a_confidence_at_every_position(maps):
    X, y = maps
    y = y.copy()
    y[0, :3] = -100
    module = nn.Conv2d(1, 3, 1)
    model = LearnedConfidence(module, lr=0.1, max_epochs=20, random_state=0).fit(X, y)
    assert model.predict_confidence(X).shape == y.shape
    assert model.predict_proba(X).shape == (12, 2, 6, 5)
    counts = y != -100
    assert model.score(X, y) == np.mean(model.predict(X)[counts] == y[counts])
    assert model.score(X, y) > 0.9


def test_a_module_without_a_confidence_is_refused(half_noise):
    with pytest.raises(InputError, match="it must give 3"):
        LearnedConfidence(nn.Linear(2, 2)).fit(*half_noise)


@pytest.mark.parametrize(
    "wrong",
    [{"hint_probability": 0}, {"hint_probability": 1.1}, {"budget": 0}, {"price": -1}],
)
def test_wrong_options_are_refused(wrong, half_noise):
    with pytest.raises(InputError, match=next(iter(wrong))):
        LearnedConfidence(**wrong).fit(*half_noise)
