"""scikit-learn's own checks; a full coverage, as most of them know no abstention."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import estimator_checks_generator

from skuq.decision import ConformalClassifier, SelectiveClassifier

SPLIT = {"holdout": 0.3, "random_state": 0}
MODELS = [
    SelectiveClassifier(LogisticRegression(), target_coverage=1.0, **SPLIT),
    ConformalClassifier(LogisticRegression(), **SPLIT),
]


def checks():
    """Each model with each check; all must pass."""
    for model in MODELS:
        for estimator, check in estimator_checks_generator(model):
            name = getattr(check.func, "func", check.func).__name__
            yield pytest.param(estimator, check, id=f"{type(model).__name__}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
