"""An epoch of learned confidence: with cached features, and running the encoder.

Run it with::

    python -m benchmarks.tcp

The images are random, of the size of MNIST; a step takes 128 of them.  "cached" is what
`TCPConfidence` does in each of its epochs.  "plain loop, cached" is the same in a loop
of torch without skorch.  "plain loop, encoder" runs the frozen network for each batch
and takes its features from there.  All train the same second network with the same
steps; the mean loss of the first epoch says so.
"""

from copy import deepcopy

import numpy as np
import torch
from torch import nn

from benchmarks._timing import print_setting, print_table, race
from skuq.deep import TCPConfidence, TorchModuleClassifier
from skuq.deep._confidence_features import read
from skuq.deep._tcp_net import Lesson, lessons, target_of

N_IMAGES, BATCH, REPEATS = 2048, 128, 5


def main():
    """Race over all networks."""
    print_setting(("torch", "skorch"))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_IMAGES, 1, 28, 28)).astype(np.float32)
    y = rng.integers(10, size=N_IMAGES)
    for name, make in NETWORKS.items():
        torch.manual_seed(0)
        encoder = make().eval()
        result = race(entrants(encoder, X, y), repeats=REPEATS)
        title = f"{name}: an epoch of {N_IMAGES} images"
        print_table(title, result, input_bytes=X.nbytes, quality=lambda loss: loss)
        cached, *_, running = (outcome.seconds for outcome in result.outcomes)
        print(f"  {running / cached:.1f} times faster with cached features")


def entrants(encoder, X, y):
    """What is timed, by name; each epoch starts at the same weights."""
    network = TorchModuleClassifier(nn.Sequential(*encoder), 10, batch_size=BATCH)
    model = TCPConfidence(network, max_epochs=1, batch_size=BATCH, random_state=0)
    features, proba, _ = read(network, X, "auto")
    lesson = lessons(target_of(proba, y, "tcp"), np.ones(len(y)))
    model.fit(X, y)
    start = model.confidence_net_.net_
    images, features = torch.from_numpy(X), torch.from_numpy(features)

    def skorch():
        nets = copies(start)

        def run():
            net = nets.pop()
            torch.manual_seed(0)
            net.fit_loop(features, lesson, epochs=1)
            return f"loss {net.history[-1, 'train_loss']:.2g}"

        return run

    def loop(inputs, encode):
        modules = copies(start.module_)

        def run():
            torch.manual_seed(0)
            return f"loss {epoch(modules.pop(), inputs, lesson, encode):.2g}"

        return run

    return {
        "skuq, cached": skorch,
        "plain loop, cached": lambda: loop(features, nn.Identity()),
        "plain loop, encoder": lambda: loop(images, encoder[:-1]),
    }


def copies(start):
    """One for each run of a race: unmeasured, for memory and the rounds."""
    return [deepcopy(start) for _ in range(REPEATS + 2)]


def epoch(module, inputs, lesson, encode):
    """The mean loss over one pass through the data."""
    criterion, total = Lesson(cross_entropy=False), 0.0
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001)
    module.train()
    for rows in torch.randperm(len(inputs)).split(BATCH):
        with torch.no_grad():
            features = encode(inputs[rows])
        optimizer.zero_grad()
        loss = criterion(module(features), lesson[rows])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / len(inputs)


def two_convolutions():
    """The network for MNIST of Corbiere et al. 2019."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 12 * 12, 128), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(128, 10),
    )  # fmt: skip


def six_convolutions():
    """Three stages of two convolutions with batch normalisation."""
    layers, n_in = [], 1
    for n_out in (32, 64, 128):
        for _ in range(2):
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out)]
            layers += [nn.ReLU()]
            n_in = n_out
        layers += [nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(128 * 3 * 3, 128), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 10))


NETWORKS = {"two convolutions": two_convolutions, "six convolutions": six_convolutions}


if __name__ == "__main__":
    main()
