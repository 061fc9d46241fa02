"""Bayes by Backprop: skuq's layers beside a deterministic network and the peers.

The MLP 784-400-400-10 on random images, trained by Adam on batches of 128 with the
divergence in the loss, and then 30 draws at prediction.  The loops are the same for
all; only the layers and the way to the divergence differ.  bayesian-torch, blitz and
torch-uncertainty run if they are installed.  A table of its own has what a user of the
estimators waits for: ``fit`` of skuq, and of skorch for the deterministic network.

    python -m benchmarks.bbb
"""

from itertools import pairwise

import torch
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from benchmarks._timing import print_setting, print_table, race
from skuq.deep import BBBClassifier
from skuq.nn import forward_with_kl, to_bayesian, weight_draw

SIZES = (784, 400, 400, 10)
N_ROWS, BATCH, N_DRAWS, REPEATS = 128 * 20, 128, 30, 5
N_EPOCHS = 5  # of a fit


def mlp(linear):
    """A network of any kind of linear layer."""
    layers = []
    for n_in, n_out in pairwise(SIZES):
        layers += [linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def plain():
    """The network that is not Bayesian."""
    return mlp(nn.Linear), lambda net, x: (net(x), 0.0)


def skuq(weight_sampling):
    """A maker of skuq's network."""
    return lambda: (
        to_bayesian(mlp(nn.Linear), weight_sampling=weight_sampling),
        forward_with_kl,
    )


def followed_by(divergence):
    """The output of a network, and then its divergence."""
    return lambda net, x: (net(x), divergence(net))


def bayesian_torch():
    """The layers of bayesian-torch, by reparametrisation."""
    from bayesian_torch.layers import LinearReparameterization

    def linear(n_in, n_out):
        return Alone(LinearReparameterization(n_in, n_out))

    def divergence(net):
        return sum(part.layer.kl_loss() for part in net if isinstance(part, Alone))

    return mlp(linear), followed_by(divergence)


class Alone(nn.Module):
    """A layer that returns its divergence beside its output, without that."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        """The output."""
        return self.layer(x)[0]


def blitz():
    """The layers of blitz."""
    from blitz.losses import kl_divergence_from_nn
    from blitz.modules import BayesianLinear

    return mlp(BayesianLinear), followed_by(kl_divergence_from_nn)


def torch_uncertainty():
    """The layers of torch-uncertainty."""
    from torch_uncertainty.layers.bayesian import BayesLinear

    def divergence(net):
        layers = [part for part in net if isinstance(part, BayesLinear)]
        return sum(part.log_variational_posterior - part.log_prior for part in layers)

    return mlp(BayesLinear), followed_by(divergence)


MAKERS = {
    'skuq "local"': skuq("local"),
    "deterministic": plain,
    'skuq "weights"': skuq("weights"),
    'skuq "flipout"': skuq("flipout"),
    "bayesian-torch": bayesian_torch,
    "blitz": blitz,
    "torch-uncertainty": torch_uncertainty,
}


def epoch_of(make, x, y):
    """What trains one epoch."""

    def prepare():
        torch.manual_seed(0)
        net, with_divergence = make()
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

        def epoch():
            for rows, labels in zip(x.split(BATCH), y.split(BATCH), strict=True):
                optimizer.zero_grad()
                out, divergence = with_divergence(net, rows)
                loss = F.cross_entropy(out, labels) + divergence / 60_000
                loss.backward()
                optimizer.step()
            return float(loss.detach())

        return epoch

    return prepare


def fit_of_skorch(x, y):
    """What trains the network that is not Bayesian, by skorch."""

    def fit():
        torch.manual_seed(0)
        net = NeuralNetClassifier(
            mlp(nn.Linear),
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=1e-3,
            max_epochs=N_EPOCHS,
            batch_size=BATCH,
            train_split=None,
            iterator_train__shuffle=True,
            verbose=0,
        ).fit(x, y)
        return net.history[-1, "train_loss"]

    return lambda: fit


def fit_of_skuq(x, y):
    """What trains the Bayesian network, by skuq's estimator."""

    def fit():
        model = BBBClassifier(
            mlp(nn.Linear),
            lr=1e-3,
            max_epochs=N_EPOCHS,
            batch_size=BATCH,
            random_state=0,
        ).fit(x, y)
        return model.net_.history[-1, "train_loss"]

    return lambda: fit


def draws_of(make, x, ours):
    """What predicts with many draws, each for all rows; `ours` is a net of skuq."""

    def prepare():
        torch.manual_seed(0)
        net, _ = make()
        net.train(not ours)  # the peers always sample, some in training mode alone

        def draw(i):
            if not ours:
                return net(x)
            with weight_draw(net, i):
                return net(x)

        @torch.inference_mode()
        def predict():
            return sum(draw(i).softmax(1) for i in range(N_DRAWS)) / N_DRAWS

        return predict

    return prepare


def main():
    """Print the tables."""
    print_setting(
        (
            "torch",
            "skorch",
            "bayesian-torch",
            "blitz-bayesian-pytorch",
            "torch-uncertainty",
        )
    )
    torch.manual_seed(0)
    x, y = torch.rand(N_ROWS, SIZES[0]), torch.randint(0, SIZES[-1], (N_ROWS,))
    size = x.numel() * x.element_size()
    steps, data = N_ROWS // BATCH, (x.numpy(), y.numpy())
    epochs = {k: epoch_of(m, x, y) for k, m in MAKERS.items()}
    fits = {
        "BBBClassifier": fit_of_skuq(*data),
        "deterministic, by skorch": fit_of_skorch(*data),
    }
    for title, entrants in (
        (f"one epoch of {steps} steps", epochs),
        (f"fit, {N_EPOCHS} epochs of {steps} steps", fits),
    ):
        print_table(
            title,
            race(entrants, repeats=REPEATS),
            input_bytes=size,
            quality=lambda loss: f"last loss {loss:.3g}",
        )
    draws = {
        k: draws_of(m, x, k.startswith("skuq"))
        for k, m in MAKERS.items()
        if m is not plain
    }
    print_table(
        f"{N_DRAWS} draws for {N_ROWS} rows",
        race(draws, repeats=REPEATS),
        input_bytes=size,
        quality=lambda proba: f"sums to {float(proba.sum(1).mean()):.6f}",
    )


if __name__ == "__main__":
    main()
