"""Deep ensembles trained against inputs changed by the fast gradient sign as well.

The size of the change is chosen on a tenth of the training rows: a hundredth of the
range of each feature, as in the paper, is too much for functions as rough as kin8nm,
and for ranges as wide as those of protein and naval.
"""

from sklearn.model_selection import GridSearchCV, ShuffleSplit

from benchmarks.uci_methods import ensemble
from skuq.metrics import get_scorer

SOURCE = ensemble.SOURCE + "; with adversarial training"
PAPER = ensemble.PAPER
SIZES = (1e-5, 1e-4, 1e-3, 1e-2)


def score(split):
    """Scores with adversarial training, beside the NLL without, and the size chosen."""
    X, X_test = ensemble.standardised(split)
    plain = ensemble.ensemble(split).fit(X, split.y)
    search = GridSearchCV(
        ensemble.ensemble(split, adversarial=True),
        {"epsilon": SIZES},
        scoring=get_scorer("neg_gaussian_log_loss"),
        cv=ShuffleSplit(1, test_size=0.1, random_state=split.number),
    ).fit(X, split.y)
    found = ensemble.scores(search.best_estimator_, X_test, split.y_test)
    without = ensemble.scores(plain, X_test, split.y_test)["NLL"]
    return found | {
        "NLL without": without,
        "NLL gained": without - found["NLL"],
        "epsilon": search.best_params_["epsilon"],
    }
