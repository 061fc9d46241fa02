"""One vocabulary for everything with members: subclasses and adapters."""

import numpy as np
import pytest
from scipy.special import softmax

from skuq.exceptions import InputError
from skuq.uncertainty import (
    ClassifierMembersMixin,
    MembersAdapter,
    RegressionMembersAdapter,
    RegressorMembersMixin,
    expected_entropy,
    mutual_information,
    predictive_entropy,
    variation_ratio,
)

CLASSES = np.array(["ant", "bee", "cat", "dog"])


@pytest.fixture
def model(members):
    class Model(ClassifierMembersMixin):
        classes_ = CLASSES
        passes = 0

        def iter_members(self, X):
            type(self).passes += 1
            for member in members:
                yield member[X]

    return Model()


@pytest.fixture
def rows():
    return np.array([3, 0, 7])


def test_a_classifier_needs_only_its_members(model, members, rows):
    part = members[:, rows]
    np.testing.assert_allclose(model.predict_proba(rows), part.mean(axis=0))
    expected = CLASSES[part.mean(axis=0).argmax(axis=1)]
    assert model.predict(rows).tolist() == expected.tolist()
    np.testing.assert_array_equal(model.predict_members(rows), part)


def test_a_classifier_has_every_uncertainty(model, members, rows):
    part = members[:, rows]
    for kind, function in [
        ("total", predictive_entropy),
        ("aleatoric", expected_entropy),
        ("epistemic", mutual_information),
    ]:
        value = model.predict_uncertainty(rows, kind=kind)
        np.testing.assert_allclose(value, function(part), atol=1e-12)
    value = model.predict_uncertainty(rows, kind="epistemic", measure="variation_ratio")
    np.testing.assert_allclose(value, variation_ratio(part), atol=1e-12)


@pytest.mark.parametrize("measure", ["entropy", "variance"])
def test_one_pass_decomposes(measure, model, rows):
    parts = model.decompose(rows, measure=measure)
    assert model.passes == 1
    for kind in ("aleatoric", "epistemic"):
        value = model.predict_uncertainty(rows, kind=kind, measure=measure)
        np.testing.assert_array_equal(getattr(parts, kind), value)
    np.testing.assert_array_equal(parts.total, parts.aleatoric + parts.epistemic)
    # Asked for alone, the total is computed from the mean prediction; in `decompose` it
    # is the sum of the parts as they were rounded. The two cannot agree to the last
    # bit: each of the four classes may round differently.
    total = model.predict_uncertainty(rows, measure=measure)
    np.testing.assert_array_max_ulp(parts.total, total, maxulp=4)


def test_a_wrong_pair_is_refused_before_any_member_is_computed(model, rows):
    with pytest.raises(InputError, match="choose"):
        model.predict_uncertainty(rows, kind="aleatoric", measure="margin")
    with pytest.raises(InputError, match="choose"):
        model.decompose(rows, measure="margin")
    assert model.passes == 0


def test_a_mixin_without_members_cannot_be_made():
    for mixin in (ClassifierMembersMixin, RegressorMembersMixin):
        with pytest.raises(TypeError, match="iter_members"):
            mixin()


def test_a_regressor_needs_only_its_members(rng):
    means, variances = rng.normal(size=(5, 9)), rng.gamma(2.0, size=(5, 9))

    class Model(RegressorMembersMixin):
        noise_variance_ = 0.5

        def iter_members(self, X):
            yield from zip(means[:, X], variances[:, X], strict=True)

    rows = np.array([4, 2])
    mean, std = Model().predict(rows, return_std=True)
    total = (means.var(axis=0) + variances.mean(axis=0))[rows] + 0.5
    np.testing.assert_allclose(mean, means.mean(axis=0)[rows])
    np.testing.assert_array_equal(mean, Model().predict(rows))
    np.testing.assert_allclose(std, np.sqrt(total))
    np.testing.assert_allclose(Model().decompose(rows).total, total)
    spread = Model().predict_uncertainty(rows, kind="epistemic", measure="std")
    np.testing.assert_allclose(spread, means.std(axis=0)[rows])
    stacked = Model().predict_members(rows)
    np.testing.assert_array_equal(stacked[0], means[:, rows])
    np.testing.assert_array_equal(stacked[1], variances[:, rows])
    with pytest.raises(InputError, match="choose"):
        Model().predict_uncertainty(rows, measure="entropy")


def test_stored_members_are_a_model(xp, map_members):
    stored = xp.asarray(map_members)
    model = MembersAdapter(stored)
    mean = map_members.mean(axis=0)
    proba = model.predict_proba(None)
    assert type(proba) is type(stored)
    np.testing.assert_allclose(xp.to_numpy(proba), mean)
    labels = model.predict(None)
    np.testing.assert_array_equal(np.asarray(labels), mean.argmax(axis=1))
    np.testing.assert_array_equal(xp.to_numpy(model.predict_members(None)), map_members)
    some = xp.to_numpy(model.predict_proba([2, 0]))
    np.testing.assert_allclose(some, mean[[2, 0]])


def test_logits_are_averaged_as_probabilities(rng):
    logits = 4 * rng.normal(size=(5, 20, 3))
    model = MembersAdapter(logits, kind="logit")
    p = softmax(logits, axis=2)
    np.testing.assert_allclose(model.predict_proba(None), p.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        model.decompose(None).epistemic, mutual_information(p), atol=1e-12
    )


def test_a_single_logit_is_that_of_the_second_class(rng):
    z = rng.normal(size=(4, 10))
    both = np.stack([np.zeros_like(z), z], axis=2)
    model = MembersAdapter(z, kind="logit")
    assert model.classes_.tolist() == [0, 1]
    expected = MembersAdapter(both, kind="logit").predict_proba(None)
    np.testing.assert_allclose(model.predict_proba(None), expected, rtol=1e-12)


def test_functions_may_stack_list_or_yield_their_members(members, rows):
    expected = MembersAdapter(members, classes=CLASSES).predict(rows)
    for function in (
        lambda X: members[:, X],
        lambda X: list(members[:, X]),
        lambda X: (member[X] for member in members),
    ):
        model = MembersAdapter(function, classes=CLASSES)
        assert model.predict(rows).tolist() == expected.tolist()
        assert model.predict_members(rows).shape == (7, 3, 4)
    with pytest.raises(InputError, match="pass classes="):
        MembersAdapter(lambda X: members[:, X]).predict(rows)


def test_an_adapter_for_regression_has_the_vocabulary(rng):
    means, variances = rng.normal(size=(5, 9)), rng.gamma(2.0, size=(5, 9))
    total = means.var(axis=0) + variances.mean(axis=0) + 0.5
    for args in ((means, variances), (lambda X: means, lambda X: iter(variances))):
        model = RegressionMembersAdapter(*args, noise_variance=0.5)
        np.testing.assert_allclose(model.predict(None), means.mean(axis=0))
        np.testing.assert_allclose(model.decompose(None).total, total)
    alone = RegressionMembersAdapter(means)
    np.testing.assert_array_equal(alone.predict_members([1]), means[:, [1]])


def test_what_an_adapter_cannot_use_is_refused(members):
    with pytest.raises(InputError, match="kind"):
        MembersAdapter(members, kind="auto")
    for adapter in (MembersAdapter, RegressionMembersAdapter):
        with pytest.raises(InputError, match="no members"):
            adapter([])
    for X in ([[1, 2]], [0.5], members[0]):
        with pytest.raises(InputError, match="X must be None"):
            MembersAdapter(members).predict_proba(X)
    with pytest.raises(InputError, match="no members"):
        MembersAdapter(lambda X: iter([])).predict_proba(0)
    with pytest.raises(InputError, match="no members"):
        MembersAdapter(lambda X: iter([])).predict_members(0)
