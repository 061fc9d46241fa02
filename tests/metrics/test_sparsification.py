"""Sparsification curves and their areas, by removing values one by one."""

import itertools

import numpy as np
import pytest

from skuq.exceptions import InputError
from skuq.metrics import (
    Streaming,
    area_under_risk_coverage_error,
    sparsification_curve,
    sparsification_error,
)


def mean_kept(loss):
    """Mean over i of the mean loss of the first i values."""
    return np.mean(np.cumsum(loss) / np.arange(1, len(loss) + 1))


def orders_of(loss, uncertainty):
    """Losses from surest to least sure, in every order of ties."""
    groups = [loss[uncertainty == u] for u in np.unique(uncertainty)]
    for parts in itertools.product(*map(itertools.permutations, groups)):
        yield np.concatenate(parts)


@pytest.fixture
def problem(rng):
    """Targets, predictions and an uncertainty that knows a little of the error."""
    y, noise = rng.normal(size=60), rng.normal(size=60)
    return y, y + noise, np.abs(noise) + rng.exponential(size=60)


LOSSES = {"absolute": np.abs, "squared": np.square}
every_error = pytest.mark.parametrize("error", LOSSES)


class TestError:
    @every_error
    def test_values_are_removed_one_by_one(self, error, problem):
        y, pred, unsure = problem
        loss = LOSSES[error](y - pred)
        expected = mean_kept(loss[np.argsort(unsure)]) - mean_kept(np.sort(loss))
        value = sparsification_error(y, pred, unsure, error=error)
        assert value == pytest.approx(expected, rel=1e-12)
        value = sparsification_error(y, pred, unsure, error=error, normalize=True)
        assert value == pytest.approx(expected / loss.mean(), rel=1e-12)

    @pytest.mark.parametrize(
        "unsure", [[1, 1, 1, 1, 1], [1, 2, 1, 2, 2], [3, 0, 0, 3, 1]]
    )
    def test_ties_count_as_the_mean_over_their_orders(self, unsure, rng):
        loss, unsure = rng.random(5), np.array(unsure)
        mean = np.mean([mean_kept(order) for order in orders_of(loss, unsure)])
        value = sparsification_error(loss, np.zeros(5), unsure)
        assert value == pytest.approx(mean - mean_kept(np.sort(loss)), rel=1e-12)

    def test_an_uncertainty_that_ranks_as_the_errors_has_none(self, problem, rng):
        y, pred, _ = problem
        oracle = np.abs(y - pred)
        for weight in (None, rng.random(60)):
            options = {"sample_weight": weight}
            for unsure in (oracle, np.exp(oracle) - 7):
                value = sparsification_error(y, pred, unsure, **options)
                assert value == pytest.approx(0, abs=1e-15)
            assert sparsification_error(y, pred, -oracle, **options) > 0.5

    def test_the_scale_of_the_uncertainty_does_not_matter(self, problem):
        y, pred, unsure = problem
        value = sparsification_error(y, pred, unsure)
        assert sparsification_error(y, pred, 100 * unsure) == value
        assert sparsification_error(y, pred, np.log(unsure)) == value

    def test_it_has_the_unit_of_the_error(self, problem):
        y, pred, unsure = problem
        value = sparsification_error(y, pred, unsure)
        double = sparsification_error(2 * y, 2 * pred, unsure)
        assert double == pytest.approx(2 * value, rel=1e-12)
        parts = [
            sparsification_error(c * y, c * pred, unsure, normalize=True)
            for c in (1, 2)
        ]
        assert parts[1] == pytest.approx(parts[0], rel=1e-12)

    def test_it_is_the_excess_area_where_losses_are_errors(self, rng):
        wrong, unsure = rng.random(50) < 0.3, np.round(rng.random(50), 1)
        value = sparsification_error(wrong.astype(float), np.zeros(50), unsure)
        p = np.tile([0.8, 0.2], (50, 1))
        excess = area_under_risk_coverage_error(
            wrong.astype(int), p, uncertainty=unsure, excess=True
        )
        assert value == pytest.approx(excess, rel=1e-12)

    @every_error
    def test_a_weight_is_a_repetition(self, error, problem, rng):
        count = rng.integers(0, 4, 60)
        weighted = sparsification_error(*problem, sample_weight=count, error=error)
        rows = [np.repeat(x, count) for x in problem]
        assert weighted == pytest.approx(sparsification_error(*rows, error=error))

    def test_batches_of_maps_stream(self, rng):
        y, pred, unsure = rng.normal(size=(3, 4, 5, 6))
        weight = rng.random(4)
        stream = Streaming(sparsification_error, normalize=True)
        for i in ([2, 0], [1, 3]):
            stream.update(y[i], pred[i], unsure[i], sample_weight=weight[i])
        pixels = np.broadcast_to(weight[:, None, None], y.shape).ravel()
        whole = sparsification_error(
            y.ravel(),
            pred.ravel(),
            unsure.ravel(),
            sample_weight=pixels,
            normalize=True,
        )
        assert stream.compute() == pytest.approx(whole, rel=1e-10)

    def test_perfect_predictions_have_none(self):
        for normalize in (False, True):
            value = sparsification_error(
                [1, 2], [1, 2], [0.3, 0.1], normalize=normalize
            )
            assert value == 0


class TestCurve:
    @every_error
    def test_each_share_is_the_mean_of_what_is_kept(self, error, problem):
        y, pred, unsure = problem
        loss = LOSSES[error](y - pred)
        curve = sparsification_curve(y, pred, unsure, error=error, n_points=60)
        np.testing.assert_allclose(curve.removed, np.arange(60) / 60)
        by_unsure, by_loss = loss[np.argsort(unsure)], np.sort(loss)
        for k in range(60):
            kept = slice(0, 60 - k)
            assert curve.error[k] == pytest.approx(by_unsure[kept].mean(), rel=1e-9)
            assert curve.oracle[k] == pytest.approx(by_loss[kept].mean(), rel=1e-9)

    def test_the_oracle_falls_and_lies_below(self, problem):
        curve = sparsification_curve(*problem)
        assert len(curve.removed) == 100
        assert (np.diff(curve.oracle) <= 1e-15).all()
        assert (curve.oracle <= curve.error + 1e-15).all()
        assert curve.error[0] == pytest.approx(curve.oracle[0], rel=1e-12)

    def test_ties_are_kept_in_parts(self):
        # All tied: any share has the mean error of all.
        curve = sparsification_curve([1, 2, 6], [0, 0, 0], [5, 5, 5], n_points=7)
        np.testing.assert_allclose(curve.error, 3, rtol=1e-12)

    def test_weights_are_shares(self):
        curve = sparsification_curve(
            [1.0, 2.0], [1.0, 4.0], [0.1, 0.5], sample_weight=[3, 1], n_points=4
        )
        np.testing.assert_allclose(curve.error, [0.5, 0, 0, 0], atol=1e-15)


@pytest.mark.parametrize("function", [sparsification_error, sparsification_curve])
@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (([1, 2], [1, 2], [1]), {}, "shape"),
        (([1, 2], [1], [1, 2]), {}, "shape"),
        (([1, np.nan], [1, 2], [1, 2]), {}, "NaN"),
        (([1, 2], [1, 2], [np.inf, 2]), {}, "infin"),
        (([], [], []), {}, "empty"),
        (([1, 2], [1, 2], [1, 2]), {"error": "cubic"}, "error"),
        (([1, 2], [1, 2], [1, 2]), {"sample_weight": [0, 0]}, "sample_weight"),
    ],
    ids=str,
)
def test_unusable_input_gets_a_clear_error(function, data, options, message):
    with pytest.raises(InputError, match=message):
        function(*data, **options)


def test_a_curve_needs_a_point():
    with pytest.raises(InputError, match="n_points"):
        sparsification_curve([1, 2], [1, 2], [1, 2], n_points=0)
