"""The probability integral transform of every kind of forecast."""

from math import sqrt

import numpy as np
import pytest
from scipy.stats import kstest, norm

from skuq.exceptions import InputError
from skuq.metrics import probability_integral_transform, quantile_calibration_error

LEVELS = np.arange(1, 20) / 20


def draw(n, *, random_state, output=()):
    """Values from stated normal distributions."""
    rng = np.random.default_rng(random_state)
    shape = (n, *output)
    mean, std = rng.normal(size=shape), rng.gamma(4, 0.3, shape)
    return mean + std * rng.normal(size=shape), mean, std


def quantiles_of(mean, std, levels=LEVELS):
    return mean[:, None] + std[:, None] * norm.ppf(levels)


def test_of_a_normal_distribution_it_is_its_cdf():
    y, mean, std = draw(300, random_state=0)
    pit = probability_integral_transform(y, mean, std)
    assert pit == pytest.approx(norm.cdf(y, mean, std), rel=1e-12)


def test_of_members_it_is_the_share_below_and_half_the_ties():
    members = np.array([[1.0], [2.0], [2.0], [4.0]])
    for y, expected in [(0, 0), (1, 1 / 8), (2, 1 / 2), (3, 3 / 4), (5, 1)]:
        pit = probability_integral_transform([float(y)], members=members)
        assert pit.tolist() == [expected]


def test_of_quantiles_it_lies_on_lines_between_them():
    quantiles, levels = [[0.0, 1.0, 3.0]], [0.2, 0.5, 0.9]
    for y, expected in [
        (-9, 0.1),  # the middle of what is left below
        (0, 0.2),
        (0.5, 0.35),
        (1, 0.5),
        (2, 0.7),
        (3, 0.9),
        (9, 0.95),
    ]:
        pit = probability_integral_transform(
            [float(y)], y_quantiles=quantiles, quantile_levels=levels
        )
        assert pit == pytest.approx([expected], rel=1e-15)


def test_of_equal_quantiles_it_is_the_middle_of_their_levels():
    def transform(y):
        return probability_integral_transform(
            [y], y_quantiles=[[0.0, 0.0, 1.0]], quantile_levels=[0.2, 0.6, 0.8]
        )

    assert transform(0.0) == pytest.approx([0.4])
    assert transform(0.5) == pytest.approx([0.7])
    assert transform(-0.5) == pytest.approx([0.1])


def test_a_value_on_a_quantile_has_its_level_exactly():
    _, mean, std = draw(50, random_state=0)
    quantiles = quantiles_of(mean, std)
    for level, y in zip(LEVELS, quantiles.T, strict=True):
        pit = probability_integral_transform(
            y, y_quantiles=quantiles, quantile_levels=LEVELS
        )
        assert (pit == level).all()


@pytest.mark.parametrize("seed", range(5))
def test_of_calibrated_data_it_is_uniform(seed):
    y, mean, std = draw(2000, random_state=seed)
    levels = np.arange(1, 1000) / 1000
    for pit in (
        probability_integral_transform(y, mean, std),
        probability_integral_transform(
            y, y_quantiles=quantiles_of(mean, std, levels), quantile_levels=levels
        ),
    ):
        assert kstest(pit, "uniform").pvalue > 1e-3


def test_of_calibrated_members_every_rank_is_as_likely(rng):
    draws = rng.normal(size=(10, 20_000))
    pit = probability_integral_transform(draws[0], members=draws[1:])
    counts = np.bincount(np.round(pit * 9).astype(int), minlength=10)
    assert np.abs(counts - 2000).max() < 5 * sqrt(20_000 * 0.1 * 0.9)


def test_of_biased_data_it_leans_to_one_side():
    y, mean, std = draw(2000, random_state=0)
    too_high = probability_integral_transform(y, mean + std, std)
    assert too_high.mean() < 0.3
    assert kstest(too_high, "uniform").pvalue < 1e-10


@pytest.mark.parametrize("kind", ["normal", "members", "quantiles"])
def test_mirrored_data_are_transformed_to_the_rest(kind, rng):
    y, mean, std = draw(100, random_state=0)
    members = np.round(rng.normal(size=(7, 100)), 1)
    quantiles = quantiles_of(mean, std)
    data, mirrored = {
        "normal": (
            {"y_pred": mean, "y_std": std},
            {"y_pred": -mean, "y_std": std},
        ),
        "members": ({"members": members}, {"members": -members}),
        "quantiles": (
            {"y_quantiles": quantiles, "quantile_levels": LEVELS},
            {"y_quantiles": -quantiles[:, ::-1], "quantile_levels": LEVELS},
        ),
    }[kind]
    y = np.round(y, 1) if kind == "members" else y
    pit = probability_integral_transform(y, **data)
    assert probability_integral_transform(-y, **mirrored) == pytest.approx(
        1 - pit, abs=1e-12
    )


def test_has_shape_dtype_and_library_of_the_observed_values(xp):
    y, mean, std = draw(30, random_state=0, output=(2, 3))
    expected = probability_integral_transform(y, mean, std)
    members = np.stack([mean, mean + std, mean - std])
    for dtype, precision in (("float32", 1e-6), ("float64", 1e-12)):
        ours = xp.asarray(y, dtype=dtype)
        for data in (
            {"y_pred": xp.asarray(mean), "y_std": xp.asarray(std)},
            {"y_pred": mean, "y_std": std},
        ):
            pit = probability_integral_transform(ours, **data)
            assert type(pit) is type(ours)
            assert pit.dtype == ours.dtype
            assert xp.to_numpy(pit) == pytest.approx(expected, abs=precision)
        pit = probability_integral_transform(ours, members=xp.asarray(members))
        assert tuple(pit.shape) == (30, 2, 3)
    whole = probability_integral_transform([0, 1], [0, 1], [1, 1])
    assert whole.dtype == np.float64


def test_blocks_are_put_together_in_order(monkeypatch):
    y, mean, std = draw(30, random_state=0, output=(2, 3))
    whole = probability_integral_transform(y, mean, std)
    monkeypatch.setattr("skuq.metrics._regression_inputs.HOST_BLOCK", 4)
    monkeypatch.setattr("skuq.metrics._regression_inputs.LEAST", 1)
    assert np.array_equal(probability_integral_transform(y, mean, std), whole)


@pytest.mark.parametrize(
    "metric",
    [
        probability_integral_transform,
        quantile_calibration_error,
    ],
)
def test_one_kind_of_forecast_is_asked_for(metric):
    for data in (
        {},
        {"y_pred": [1.0]},
        {"y_std": [1.0]},
        {"y_pred": [1.0], "members": [[1.0]]},
        {"members": [[1.0]], "y_quantiles": [[1.0]], "quantile_levels": [0.5]},
    ):
        with pytest.raises(InputError, match="one kind of forecast"):
            metric([1.0], **data)
    with pytest.raises(InputError, match="belong together"):
        metric([1.0], y_quantiles=[[1.0, 2.0]])
    with pytest.raises(InputError, match="belong together"):
        metric([1.0], [1.0], [1.0], quantile_levels=[0.5])


def test_quantiles_that_cross_or_levels_that_fall_are_refused():
    with pytest.raises(InputError, match="y_quantiles cross"):
        probability_integral_transform(
            [1.0], y_quantiles=[[2.0, 1.0]], quantile_levels=[0.1, 0.9]
        )
    for levels in ([0.9, 0.1], [0.5, 0.5]):
        with pytest.raises(InputError, match="must rise"):
            probability_integral_transform(
                [1.0], y_quantiles=[[1.0, 2.0]], quantile_levels=levels
            )


def test_a_std_of_zero_is_refused():
    with pytest.raises(InputError, match="greater than 0"):
        probability_integral_transform([1.0], [1.0], [0.0])
