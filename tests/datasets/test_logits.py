"""The truth that make_logits promises."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from skuq.calibration import TemperatureScaler
from skuq.datasets import make_logits
from skuq.exceptions import InputError


def standard_errors(values):
    """How many standard errors the mean of independent values is from zero."""
    return abs(values.mean()) / (values.std(ddof=1) / np.sqrt(len(values)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_softmax_of_the_tempered_logits_is_calibrated(seed, temperature, n_classes):
    z, y = make_logits(
        20_000, n_classes, temperature=temperature, scale=2.0, random_state=seed
    )
    q = softmax(z / temperature, axis=1)
    z_y = np.take_along_axis(z, y[:, None], axis=1)[:, 0]
    # The mean score of the true class, and how often each and the top class occur.
    assert standard_errors(z_y - (q * z).sum(axis=1)) < 5
    for k in range(n_classes):
        assert standard_errors((y == k) - q[:, k]) < 5
    assert standard_errors((y == z.argmax(axis=1)) - q.max(axis=1)) < 5


@pytest.mark.parametrize(("temperature", "sign"), [(2.0, 1), (0.5, -1)])
def test_plain_softmax_is_over_confident_above_one_and_under_below(temperature, sign):
    z, y = make_logits(20_000, temperature=temperature, random_state=0)
    excess = softmax(z, axis=1).max(axis=1) - (y == z.argmax(axis=1))
    assert sign * excess.mean() > 0
    assert standard_errors(excess) > 5


@pytest.mark.parametrize("seed", range(5))
def test_the_temperature_is_found_again(seed):
    z, y = make_logits(20_000, 5, temperature=2.0, random_state=seed)
    found = TemperatureScaler().fit(z, y).temperature_
    # Standard error of the maximum likelihood estimate of 1 / T, from the information.
    q = softmax(z / 2.0, axis=1)
    variance = (q * z**2).sum(axis=1) - (q * z).sum(axis=1) ** 2
    assert abs(1 / found - 1 / 2.0) < 5 / np.sqrt(variance.sum())


def test_no_temperature_fits_the_truth_better():
    z, y = make_logits(50_000, 5, temperature=2.0, random_state=0)

    def losses(temperature):
        log_q = log_softmax(z / temperature, axis=1)
        return -np.take_along_axis(log_q, y[:, None], axis=1)[:, 0]

    for other in (1.6, 2.5):
        difference = losses(other) - losses(2.0)
        assert difference.mean() > 0
        assert standard_errors(difference) > 5


@pytest.mark.parametrize("spatial", [(), (7,), (4, 5), (2, 3, 4)])
def test_labels_have_the_shape_of_the_logits_without_the_classes(spatial):
    z, y = make_logits(6, 3, spatial=spatial, random_state=0)
    assert z.shape == (6, 3, *spatial)
    assert y.shape == (6, *spatial)
    assert z.dtype == np.float64
    assert y.dtype.kind == "i"


def test_every_class_occurs_and_no_other():
    _, y = make_logits(500, 7, random_state=0)
    assert np.unique(y).tolist() == list(range(7))


def test_the_logits_have_the_scale_that_is_asked_for():
    z, _ = make_logits(20_000, 5, scale=1.5, random_state=0)
    # The standard error of a standard deviation s of m normal numbers is s / sqrt(2 m).
    assert abs(z.std() - 1.5) < 5 * 1.5 / np.sqrt(2 * z.size)
    assert standard_errors(z.ravel()) < 5


def test_a_seed_gives_the_same_draw_and_another_seed_another():
    z, y = make_logits(50, 3, random_state=1)
    again_z, again_y = make_logits(50, 3, random_state=1)
    other_z, _ = make_logits(50, 3, random_state=2)
    np.testing.assert_array_equal(z, again_z)
    np.testing.assert_array_equal(y, again_y)
    assert not np.array_equal(z, other_z)


def test_without_a_seed_each_draw_is_new():
    assert not np.array_equal(make_logits(50)[0], make_logits(50)[0])


def test_a_generator_is_drawn_from():
    rng = np.random.default_rng(1)
    first, _ = make_logits(50, random_state=rng)
    second, _ = make_logits(50, random_state=rng)
    np.testing.assert_array_equal(first, make_logits(50, random_state=1)[0])
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("random_state", [None, 0])
def test_the_global_generator_is_not_touched(random_state):
    before = np.random.get_state()  # noqa: NPY002
    make_logits(50, random_state=random_state)
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@pytest.mark.parametrize(
    "options", [{"n_classes": 1}, {"temperature": 0.0}, {"temperature": -2.0}]
)
def test_impossible_problems_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        make_logits(10, **options)
