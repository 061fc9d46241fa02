"""Bayes by Backprop of a network that predicts mean and variance."""

from benchmarks.uci_methods._own_nets import N_STEPS, chosen, scores, training
from skuq.deep import BBBRegressor

SOURCE = (
    f"none prints these sets for it; about {3 * N_STEPS} steps, {N_STEPS} of the rival"
)
PAPER: dict[str, dict[str, tuple[float, float]]] = {}
KL_WEIGHTS = (1.0, 0.1)


def score(split):
    """RMSE and NLL, and the NLL of the same network with one variance, not Bayesian.

    The weight of the divergence is chosen on a tenth of the training rows, by trainings
    as long as the rival's.
    """
    model = BBBRegressor(
        noise="predicted", likelihood="student_t", n_samples=50, **training(split)
    )
    found = chosen(model, {"kl_weight": KL_WEIGHTS}, split)
    model.set_params(**training(split, 3 * N_STEPS), **found)
    return scores(model, split) | found
