"""Split conformal intervals: ranks by hand and the coverage that they guarantee."""

import numpy as np
import pytest
from scipy.stats import norm

from skuq.calibration import ConformalCalibrator
from skuq.exceptions import CalibrationWarning, InputError


def fitted(errors, **options):
    """Calibrated on errors of a model that predicts 0."""
    return ConformalCalibrator(**options).fit(np.zeros(np.shape(errors)), errors)


def ends(calibrator, alpha):
    lower, upper = calibrator.predict_interval([0.0], alpha)
    return lower[0], upper[0]


@pytest.mark.parametrize(
    ("n", "alpha", "rank"),
    [(9, 0.1, 9), (19, 0.1, 18), (19, 0.05, 19), (20, 0.1, 19), (99, 0.3, 70)],
)
def test_the_half_width_is_the_error_of_the_corrected_rank(n, alpha, rank, rng):
    errors = rng.permutation(np.arange(1.0, n + 1)) * rng.choice([-1, 1], n)
    assert ends(fitted(errors), alpha) == (-rank, rank)


def test_sides_left_alone_have_half_of_alpha_each():
    errors = np.arange(1.0, 20.0)
    calibrator = fitted(errors, symmetric=False)
    assert ends(calibrator, 0.1) == (1, 19)
    assert ends(calibrator, 0.2) == (2, 18)
    assert calibrator.predict_quantiles([0.0], [0.5]).tolist() == [[10]]
    even = fitted(np.arange(1.0, 21.0), symmetric=False)
    assert even.predict_quantiles([0.0], 0.5).tolist() == [[10.5]]


def test_a_bias_is_mended_by_signed_errors_and_doubled_by_absolute_ones(rng):
    errors = 3 + rng.normal(size=2000)
    lower, upper = ends(fitted(errors, symmetric=False), 0.1)
    assert (lower + upper) / 2 == pytest.approx(3, abs=0.2)
    assert upper - lower == pytest.approx(2 * 1.645, abs=0.3)
    lower, upper = ends(fitted(errors), 0.1)
    assert lower == -upper
    assert upper > 4


def normal_coverage(calibrator, alpha):
    """How probably a new standard normal error is covered."""
    lower, upper = ends(calibrator, alpha)
    return norm.cdf(upper) - norm.cdf(lower)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("n", "alpha"), [(20, 0.1), (25, 0.3), (57, 0.1), (60, 0.037)])
def test_the_mean_coverage_keeps_both_bounds(n, alpha, symmetric, rng):
    covered = [
        normal_coverage(fitted(rng.normal(size=n), symmetric=symmetric), alpha)
        for _ in range(500)
    ]
    mean, error = np.mean(covered), np.std(covered) / np.sqrt(500)
    sides = 1 if symmetric else 2
    assert mean >= 1 - alpha - 5 * error
    assert mean <= 1 - alpha + sides / (n + 1) + 5 * error


def test_the_mean_coverage_is_the_rank_over_n_plus_one(rng):
    covered = [normal_coverage(fitted(rng.normal(size=30)), 0.25) for _ in range(1000)]
    error = np.std(covered) / np.sqrt(1000)
    assert np.mean(covered) == pytest.approx(24 / 31, abs=5 * error)


def test_normalised_intervals_cover_and_follow_the_spread(rng):
    std = rng.gamma(2, 1, 2000)
    y_pred, y_true = np.zeros(2000), std * rng.standard_t(4, size=2000)
    half = slice(1000)
    calibrator = ConformalCalibrator().fit(y_pred[half], y_true[half], y_std=std[half])
    lower, upper = calibrator.predict_interval(y_pred, y_std=std)
    np.testing.assert_allclose((upper - lower) / std, (upper - lower)[0] / std[0])
    new = slice(1000, None)
    share = np.mean((lower <= y_true)[new] & (y_true <= upper)[new])
    assert share == pytest.approx(0.9, abs=5 * np.sqrt(0.09 * 2 / 1000))


def test_values_of_one_sample_count_as_one(rng):
    """Outputs that share an effect: with 9 x 40 values as 360, coverage would miss."""

    def samples(n):
        return 3 * rng.normal(size=(n, 1)) + rng.normal(size=(n, 40))

    covered, naive = [], []
    for _ in range(500):
        errors, new = samples(9), samples(50)
        half = ends(fitted(errors), 0.1)[1]
        covered.append(np.mean(np.abs(new) <= half))
        half = ends(fitted(errors.ravel()), 0.1)[1]
        naive.append(np.mean(np.abs(new) <= half))
    assert np.mean(covered) >= 0.9 - 5 * np.std(covered) / np.sqrt(500)
    assert np.mean(naive) < 0.9 - 5 * np.std(naive) / np.sqrt(500)


def test_outputs_that_are_all_equal_are_one_output():
    errors = np.arange(1.0, 20.0)
    repeated = np.repeat(errors[:, None], 7, axis=1)
    for symmetric in (True, False):
        assert ends(fitted(repeated, symmetric=symmetric), 0.1) == ends(
            fitted(errors, symmetric=symmetric), 0.1
        )


@pytest.mark.parametrize(
    ("symmetric", "alpha", "needed"),
    [(True, 0.1, 9), (False, 0.1, 19), (True, 0.05, 19), (True, 0.3, 3)],
)
def test_too_few_samples_give_an_infinite_interval_and_say_how_many_are_needed(
    symmetric, alpha, needed
):
    few = fitted(np.arange(1.0, needed), symmetric=symmetric)
    with pytest.warns(CalibrationWarning, match=rf"alpha={alpha}.* least {needed}\b"):
        lower, upper = ends(few, alpha)
    assert (lower, upper) == (-np.inf, np.inf)
    enough = fitted(np.arange(1.0, needed + 1), symmetric=symmetric)
    assert np.isfinite(ends(enough, alpha)).all()


def test_weights_below_one_can_be_too_few():
    calibrator = ConformalCalibrator(symmetric=False)
    calibrator.fit([0.0], [1.0], sample_weight=[0.25])
    assert calibrator.predict_quantiles([0.0], 0.5).tolist() == [[1.0]]
    with pytest.warns(CalibrationWarning, match="0.25 calibration samples"):
        assert ends(calibrator, 0.9) == (-np.inf, np.inf)


def test_the_deviation_is_used_on_demand():
    y_pred, y_true = np.zeros(19), np.arange(1.0, 20.0)
    y_std = np.linspace(1, 2, 19)
    bare = ConformalCalibrator().fit(y_pred, y_true)
    ignoring = ConformalCalibrator(normalize=False).fit(y_pred, y_true, y_std=y_std)
    assert np.array_equal(bare.scores_, ignoring.scores_)
    assert not ignoring.uses_std_
    assert ignoring.predict_interval([0.0], y_std=[7.0])[1].tolist() == [18.0]
    using = ConformalCalibrator(normalize=True).fit(y_pred, y_true, y_std=y_std)
    np.testing.assert_allclose(using.scores_, np.sort(y_true / y_std), rtol=1e-12)
    with pytest.raises(InputError, match="missing"):
        ConformalCalibrator(normalize=True).fit(y_pred, y_true)
    with pytest.raises(InputError, match="normalize must be one of"):
        ConformalCalibrator(normalize="yes").fit(y_pred, y_true)


def test_the_mean_stays_and_a_deviation_is_refused_with_a_remedy():
    calibrator = fitted(np.arange(1.0, 20.0))
    assert calibrator.predict([4.0]).tolist() == [4.0]
    with pytest.raises(InputError, match="predict_interval"):
        calibrator.predict([4.0], return_std=True)


def test_ties_only_add_coverage():
    calibrator = fitted([1.0, 1.0, 1.0, 2.0, 2.0, 5.0, 5.0, 5.0, 5.0])
    assert ends(calibrator, 0.5) == (-2, 2)
    assert calibrator.scores_.tolist() == [1, 2, 5]
    assert calibrator.mass_.tolist() == [3, 5, 9]
