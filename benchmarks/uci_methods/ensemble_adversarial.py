"""Deep ensembles trained against inputs changed by the fast gradient sign as well."""

from benchmarks.uci_methods import ensemble

SOURCE = ensemble.SOURCE + "; with adversarial training"
PAPER = ensemble.PAPER


def score(split):
    """The scores of `ensemble`, with adversarial training."""
    return ensemble.score(split, adversarial=True)
