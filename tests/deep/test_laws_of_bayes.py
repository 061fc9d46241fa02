"""More data leaves less doubt and the same noise; far from the data doubt alone rises.

Bayes by Backprop has the doubt, and one variance or the labels have the noise.
"""

from itertools import pairwise

import numpy as np
import pytest

from skuq.deep import BBBClassifier, BBBRegressor

ROWS = 2000
DIVISORS = (4, 2, 1)
STEPS, BATCH_SIZE = 2000, 100
NOISE = 0.3  # standard deviation of the values


def signal(X):
    return np.sin(2 * X[:, 0]) + 0.5 * X[:, 1]


def values(X, rng):
    return signal(X) + NOISE * rng.normal(size=len(X))


def labels(X, rng):
    return (rng.random(len(X)) < 1 / (1 + np.exp(-2 * signal(X)))).astype(int)


def inputs(n, rng):
    return rng.normal(size=(n, 2)).astype(np.float32)


@pytest.fixture(
    scope="module", params=[(BBBRegressor, values), (BBBClassifier, labels)]
)
def models(request):
    """Trained on a quarter, a half and all of the rows, with as many steps each."""
    estimator, targets = request.param
    rng = np.random.default_rng(1)
    X = inputs(ROWS, rng)
    y = targets(X, rng)
    found = []
    for n in (ROWS // divisor for divisor in DIVISORS):
        model = estimator(
            hidden_layer_sizes=(50,),
            max_epochs=STEPS * BATCH_SIZE // n,
            batch_size=BATCH_SIZE,
            n_samples=50,
            random_state=0,
        )
        found.append(model.fit(X[:n], y[:n]))
    return found


@pytest.fixture(scope="module")
def near():
    return inputs(1000, np.random.default_rng(99))


def gap(one, other):
    """The mean difference of two values of each row, in standard errors."""
    difference = one - other
    return difference.mean() / (difference.std() / np.sqrt(len(difference)))


def test_doubt_shrinks_with_more_data_and_noise_stays(models, near):
    parts = [model.decompose(near) for model in models]
    for before, after in pairwise(parts):
        assert gap(before.epistemic, after.epistemic) > 5
    noise = [part.aleatoric.mean() for part in parts]
    assert max(noise) < 1.2 * min(noise)


def test_five_deviations_away_doubt_rises_and_noise_does_not(models, near):
    far = near + 5 * near.std(0)
    for model in models:
        here, there = model.decompose(near), model.decompose(far)
        assert gap(there.epistemic, here.epistemic) > 5
        assert there.aleatoric.mean() <= here.aleatoric.mean()


def test_five_deviations_away_a_predicted_noise_is_one_of_the_data(near):
    rng = np.random.default_rng(2)
    X = inputs(250, rng)
    model = BBBRegressor(noise="predicted", max_epochs=400, random_state=0)
    model.fit(X, signal(X) + NOISE * (1 + (X[:, 0] > 0)) * rng.normal(size=250))
    here, there = model.decompose(near), model.decompose(near + 5 * near.std(0))
    assert gap(there.epistemic, here.epistemic) > 5
    # No draw says more than the mean weights say at a training row.
    model.n_samples = 0
    assert there.aleatoric.max() <= model.decompose(X).aleatoric.max() * (1 + 1e-6)


def test_the_noise_is_that_of_the_data(models, near):
    noise = models[-1].decompose(near).aleatoric.mean()
    if isinstance(models[-1], BBBRegressor):
        truth = NOISE**2
    else:
        p = 1 / (1 + np.exp(-2 * signal(near)))
        truth = np.mean(-p * np.log(p) - (1 - p) * np.log(1 - p))
    assert noise == pytest.approx(truth, rel=0.2)
