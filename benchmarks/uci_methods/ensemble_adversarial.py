"""Deep ensembles trained against inputs changed by the fast gradient sign as well.

Whether, and by how much the inputs change, is chosen on a tenth of the training rows: a
hundredth of the range of each feature, as in the paper, is too much for functions as
rough as kin8nm, and for ranges as wide as those of protein and naval.  Training stays
as it was unless the gain is clear beside its standard error, over rows and over
members: two trainings of the same network on naval differ by more than any size gains
there.  Clear is what a t-test of one side in 40 says, which counts that members are
few, and that the best of several sizes gains by chance as well.
"""

import numpy as np
from scipy.stats import norm, t
from sklearn.model_selection import train_test_split

from benchmarks.uci_methods import ensemble

SOURCE = ensemble.SOURCE + "; with adversarial training where that helps"
PAPER = ensemble.PAPER
SIZES = (1e-4, 1e-3, 1e-2)
LEVEL = 0.025 / len(SIZES)  # after Bonferroni


def score(split):
    """Scores by the rule, and the NLL without and always with the size chosen."""
    X, X_test = ensemble.standardised(split)
    size, clear = chosen(split)
    plain, changed = (
        ensemble.scores(trained(split, s, X, split.y), X_test, split.y_test)
        for s in (0, size)
    )
    own = changed if clear else plain
    return own | {
        "NLL without": plain["NLL"],
        "NLL always": changed["NLL"],
        "epsilon": size,
        "clear": float(clear),
    }


def chosen(split):
    """The size that gains most on a tenth of the training rows, and if that is clear.

    The error of a gain is that of a mean over rows, and that of a mean over members,
    which start from the same weights with and without; their degrees of freedom are
    Welch's.
    """
    X, _ = ensemble.standardised(split)
    X, X_held, y, y_held = train_test_split(
        X, split.y, test_size=0.1, random_state=split.seed
    )
    without, *found = (
        losses(trained(split, size, X, y), X_held, y_held) for size in (0, *SIZES)
    )
    gains = [(without[0] - rows, without[1] - members) for rows, members in found]
    best = max(range(len(SIZES)), key=lambda i: gains[i][0].mean())
    parts = np.array([gain.var(ddof=1) / len(gain) for gain in gains[best]])
    freedom = parts.sum() ** 2 / sum(
        part**2 / (len(gain) - 1) for part, gain in zip(parts, gains[best], strict=True)
    )
    threshold = t.isf(LEVEL, freedom) * np.sqrt(parts.sum())
    return SIZES[best], gains[best][0].mean() > threshold


def trained(split, size, X, y):
    """The ensemble, trained against changes of this size; 0 for none."""
    options = {"adversarial": True, "epsilon": size} if size else {}
    return ensemble.ensemble(split, **options).fit(X, y)


def losses(model, X, y):
    """Log losses: of the ensemble for each row, and the mean of each member."""
    mean, std = model.predict(X, return_std=True)
    return -norm.logpdf(y, mean, std), ensemble.losses_of_members(model, X, y)
