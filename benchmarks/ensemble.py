"""Deep ensembles: training together and predicting, beside loops and peers.

Run it with::

    python -m benchmarks.ensemble [--repeats N] [--members M]

All rows of a race see the same data; the quality is accuracy and negative
log-likelihood on samples that nobody was trained on.  Where there is a GPU, one net and
many are trained together on it as well.
"""

import argparse
import io
import warnings
from contextlib import redirect_stdout

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from benchmarks._timing import print_setting, print_table, race
from skuq.deep import EnsembleClassifier
from skuq.deep._adversarial import Attack

BATCH, EPOCHS, RATE = 64, 15, 1e-3
N_STEPS = 200  # of adversarial training


def main():
    """All races."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--members", type=int, default=10)
    options = parser.parse_args()
    print_setting(("torch", "skorch", "scikit-learn", "torchensemble"))
    m, data = options.members, digits()
    show(f"train {m} dense nets", training(dense, data, m), data, options)
    few, images = max(m // 2, 1), digits(images=True)
    show(
        f"train {few} small convolutional nets",
        convolving(images, few),
        images,
        options,
    )
    show(f"predict by {m} dense nets", predicting(data, m), data, options)
    title = f"{N_STEPS} adversarial steps of {BATCH} samples"
    show(title, steps(images), images, options)
    if torch.cuda.is_available():
        show(f"train {m} dense nets on a GPU", together(data, m, "cuda"), data, options)
    else:
        print("\nno GPU: the price of many nets beside one on it is left out")


def show(title, entrants, data, options):
    """Run one race and print it."""
    X, y = data[2], data[3]
    table = race(entrants, repeats=options.repeats)
    print_table(
        title, table, input_bytes=X.nbytes, quality=lambda proba: quality(proba, y)
    )


def digits(images=False):
    """Training and test samples of the handwritten digits of scikit-learn."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X = X.reshape(-1, 1, 8, 8) if images else X
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    return X_train, y_train, X_test, y_test


def quality(proba, y):
    """Accuracy and negative log-likelihood; of a time alone, nothing."""
    if proba is None:
        return ""
    right = np.maximum(proba[np.arange(len(y)), y], 1e-12)
    accuracy = (proba.argmax(axis=1) == y).mean()
    return f"accuracy {accuracy:.4f}, NLL {-np.log(right).mean():.4f}"


def dense():
    """64-128-128-10."""
    return nn.Sequential(
        *(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()),
        nn.Linear(128, 10),
    )


def small_convolutional():
    """Two convolutions and a linear layer."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(512, 10)),
    )


def net_of(module):
    """A net of skorch, with nothing but training."""
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=RATE,
        batch_size=BATCH,
        max_epochs=EPOCHS,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks="disable",
        verbose=0,
    )


def training(module, data, m):
    """Entrants that train `m` nets and predict by them."""
    X, y, X_test, _ = data

    def skuq(strategy):
        def run():
            model = EnsembleClassifier(
                net_of(module), n_estimators=m, strategy=strategy, random_state=0
            )
            return model.fit(X, y).predict_proba(X_test)

        return lambda: run

    def skorch():
        torch.manual_seed(0)
        nets = [clone(net_of(module)).fit(X, y) for _ in range(m)]
        return np.mean([net.predict_proba(X_test) for net in nets], axis=0)

    return {
        "skuq, auto": skuq("auto"),
        "skuq, loop": skuq("loop"),
        "loop of skorch": lambda: skorch,
        "bare loop of torch": lambda: lambda: bare_loop(module, data, m),
        "torchensemble": lambda: torchensemble(module, data, m),
        "BaggingClassifier(MLPClassifier)": lambda: lambda: bagging(data, m),
    }


def together(data, m, device):
    """Entrants that train `m` nets, and one, as a stack on a device."""
    X, y, X_test, _ = data
    net = net_of(dense).set_params(device=device)

    def skuq(n):
        def run():
            model = EnsembleClassifier(
                net, n_estimators=n, strategy="stacked", random_state=0
            )
            return model.fit(X, y).predict_proba(X_test)

        return lambda: run

    return {f"skuq, {m} nets": skuq(m), "skuq, one net": skuq(1)}


def convolving(data, m):
    """The same for convolutional nets, without what takes tables alone."""
    entrants = training(small_convolutional, data, m)
    del entrants["BaggingClassifier(MLPClassifier)"]
    return entrants


def bare_loop(module, data, m):
    """What one writes without any library."""
    X, y, X_test = map(torch.as_tensor, data[:3])
    torch.manual_seed(0)
    total = 0
    for _ in range(m):
        net = module()
        optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(X)).split(BATCH):
                optimizer.zero_grad()
                F.cross_entropy(net(X[rows]), y[rows]).backward()
                optimizer.step()
        with torch.no_grad():
            total += net(X_test).softmax(1)
    return (total / m).numpy()


def torchensemble(module, data, m):
    """Ensemble-Pytorch, which copies an instance: all members start alike."""
    from torchensemble import VotingClassifier

    X, y, X_test = map(torch.as_tensor, data[:3])
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(X, y), batch_size=BATCH, shuffle=True
    )

    def run():
        torch.manual_seed(0)
        model = VotingClassifier(estimator=module(), n_estimators=m, cuda=False)
        model.set_optimizer("Adam", lr=RATE)
        with redirect_stdout(io.StringIO()):  # it prints a line for each epoch
            model.fit(loader, epochs=EPOCHS, save_model=False)
        return model.predict(X_test).numpy()

    return run


def bagging(data, m):
    """scikit-learn's own networks."""
    X, y, X_test, _ = data
    member = MLPClassifier(
        (128, 128), batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=EPOCHS, tol=0
    )
    model = BaggingClassifier(member, m, bootstrap=False, random_state=0)
    with warnings.catch_warnings():  # it says that it would train for longer
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y).predict_proba(X_test)


def predicting(data, m):
    """Entrants that predict by nets that are trained already."""
    X, y, X_test, _ = data
    model = EnsembleClassifier(net_of(dense), n_estimators=m, random_state=0).fit(X, y)
    nets = model.estimators_

    def bare():
        with torch.no_grad():
            x = torch.as_tensor(X_test)
            outputs = [net.module_.eval()(x).softmax(1) for net in nets]
            return torch.stack(outputs).mean(0).numpy()

    return {
        "skuq": lambda: lambda: model.predict_proba(X_test),
        "loop of skorch": lambda: (
            lambda: np.mean([net.predict_proba(X_test) for net in nets], axis=0)
        ),
        "bare loop of torch": lambda: bare,
    }


def steps(data):
    """Entrants that compute the gradients of adversarial steps.

    Three passes forward, as torchensemble makes them.
    """
    X, y = (torch.as_tensor(part[:BATCH]) for part in data[:2])
    torch.manual_seed(0)
    net, attack = small_convolutional(), Attack(0.01)
    moves = attack.steps(X)

    def two_passes():
        net.zero_grad()
        x = X.detach().requires_grad_(True)
        F.cross_entropy(net(x), y).backward()
        F.cross_entropy(net(attack(x, x.grad, moves)), y).backward()

    def three_passes():
        net.zero_grad()
        x = X.detach().requires_grad_(True)
        F.cross_entropy(net(x), y).backward()
        moved = attack(x, x.grad, moves)
        net.zero_grad()
        loss = F.cross_entropy(net(X), y) + F.cross_entropy(net(moved), y)
        loss.backward()

    return {
        "skuq, two passes": lambda: lambda: _repeat(two_passes),
        "three passes forward": lambda: lambda: _repeat(three_passes),
    }


def _repeat(function):
    for _ in range(N_STEPS):
        function()


if __name__ == "__main__":
    main()
