"""One network that predicts mean and variance."""

from benchmarks.uci_methods._own_nets import chosen, decays, scores, training
from skuq.deep import HeteroscedasticRegressor

SOURCE = "none prints these sets for one network; about 4000 steps, one hidden layer"
PAPER: dict[str, dict[str, tuple[float, float]]] = {}


def score(split):
    """RMSE and NLL, and the NLL of the same network with one variance.

    For both the weight decay is chosen on a tenth of the training rows.
    """
    options = training(split)
    model = HeteroscedasticRegressor(
        likelihood="student_t", warmup_epochs=options["max_epochs"] // 2, **options
    )
    grid = {"net_params": decays(split)}
    return scores(model.set_params(**chosen(model, grid, split)), split)
