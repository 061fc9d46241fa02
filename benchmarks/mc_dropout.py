"""MC dropout: skuq beside the loops that people write, and beside the floor.

The entrants compute the mean and the entropies of T draws for the same network and
images; "10 in a pass" is ``chunk_size=10``.  "loop" is skorch's own way,
``forward(training=True)`` T times; "dropout loop" switches dropout alone to training, T
full passes; "repeat" does that once on the batch repeated T times, as torch-uncertainty
does.  The floor is what no method can go below: the layers before the first dropout
once, those behind it T times, and nothing else.
With a GPU all networks are there, and all images start on the host.

    python -m benchmarks.mc_dropout
"""

import numpy as np
import torch
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from benchmarks._timing import print_setting, print_table, race
from skuq.deep import (
    MCDropoutWrapper,
    TorchModuleClassifier,
    TorchModuleRegressor,
)
from skuq.uncertainty import MemberStatistics

REPEATS = 9
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class UNet(nn.Module):
    """Two levels, with dropout at the bottom."""

    def __init__(self, width=16, n_classes=4):
        super().__init__()
        self.down1 = _double(1, width)
        self.down2 = _double(width, 2 * width)
        self.bottom = nn.Sequential(_double(2 * width, 4 * width), nn.Dropout2d(0.5))
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.merge2 = _double(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.merge1 = nn.Sequential(
            _double(2 * width, width), nn.Conv2d(width, n_classes, 1)
        )

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(nn.functional.max_pool2d(a, 2))
        c = self.bottom(nn.functional.max_pool2d(b, 2))
        b = self.merge2(torch.cat([b, self.up2(c)], 1))
        return self.merge1(torch.cat([a, self.up1(b)], 1))

    def before(self, x):
        """What needs to be computed once."""
        a = self.down1(x)
        b = self.down2(nn.functional.max_pool2d(a, 2))
        return a, b, self.bottom[0](nn.functional.max_pool2d(b, 2))

    def behind(self, parts):
        """What depends on the draw."""
        a, b, c = parts
        b = self.merge2(torch.cat([b, self.up2(c)], 1))
        return self.merge1(torch.cat([a, self.up1(b)], 1))


class Split(nn.Sequential):
    """Layers of which the first `n_before` come before the dropout."""

    n_before = 0

    def before(self, x):
        """What needs to be computed once."""
        return self[: self.n_before](x)

    def behind(self, x):
        """What depends on the draw, in evaluation mode."""
        return self[self.n_before :](x)


def cnn():
    net = Split(
        *_stage(3, 32), *_stage(32, 64), *_stage(64, 64),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(64 * 16, 128), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(128, 10),
    )  # fmt: skip
    net.n_before = 13
    return net


def mlp():
    return Split(
        nn.Dropout(0.1), nn.Linear(13, 50), nn.ReLU(), nn.Dropout(0.1), nn.Linear(50, 1)
    )


def _stage(n_in, n_out):
    return [
        nn.Conv2d(n_in, n_out, 3, padding=1),
        nn.BatchNorm2d(n_out),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]


def _double(n_in, n_out):
    layers = []
    for n in (n_in, n_out):
        layers += [nn.Conv2d(n, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()]
    return nn.Sequential(*layers)


CASES = {
    "CNN, dropout in the head, 256 images of 3 x 32 x 32": (
        cnn,
        (256, 3, 32, 32),
        True,
    ),
    "U-Net, dropout at the bottom, 8 images of 64 x 64": (UNet, (8, 1, 64, 64), True),
    "MLP 13-50-1, dropout on the input, 2000 rows": (mlp, (2000, 13), False),
}


def entrants(net, X, n_draws, classify):
    """The calls to race, with mean and mean entropy, or mean and mean square."""
    args = (net, X, n_draws, classify)
    return {
        "skuq": lambda: _skuq(*args),
        "skuq, 10 in a pass": lambda: _skuq(*args, chunk_size=10),
        "floor": lambda: _floor(*args),
        "skorch's loop": lambda: _skorch(*args),
        "dropout loop": lambda: _dropout_loop(*args),
        "repeat": lambda: _repeat(*args),
    }


def _skuq(net, X, n_draws, classify, **options):
    if classify:
        classes = 10 if X.shape[1] == 3 else 4
        module = TorchModuleClassifier(net, classes, batch_size=len(X))
    else:
        module = TorchModuleRegressor(net, batch_size=len(X))
    model = MCDropoutWrapper(module, n_samples=n_draws, random_state=0, **options)
    return lambda: model._statistics(X)


def _floor(net, X, n_draws, classify):
    def call():
        net.eval()
        with torch.inference_mode():
            parts = net.before(torch.from_numpy(X).to(DEVICE))
            for _ in range(n_draws):
                out = net.behind(parts)
        return out.cpu()

    return call


def _skorch(net, X, n_draws, classify):
    kind = NeuralNetClassifier if classify else NeuralNetRegressor
    options = {"batch_size": len(X), "device": DEVICE}
    model = kind(net, iterator_train__shuffle=False, **options).initialize()

    def call():
        draws = (model.forward(X, training=True).detach() for _ in range(n_draws))
        return _means(draws, classify)

    return call


def _dropout_loop(net, X, n_draws, classify):
    def call():
        _drop_only(net)
        x = torch.from_numpy(X).to(DEVICE)
        with torch.inference_mode():
            return _means((net(x) for _ in range(n_draws)), classify)

    return call


def _repeat(net, X, n_draws, classify):
    def call():
        _drop_only(net)
        x = torch.from_numpy(X).to(DEVICE)
        with torch.inference_mode():
            out = net(x.repeat((n_draws,) + (1,) * (x.ndim - 1)))
        return _means(out.reshape(n_draws, len(x), *out.shape[1:]), classify)

    return call


def _drop_only(net):
    """Dropout in training mode, all else in evaluation mode."""
    net.eval()
    for module in net.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)):
            module.train()


def _means(outputs, classify):
    """Sums over the draws, as people write them."""
    total, squares, n = 0, 0, 0
    for out in outputs:
        p = out.softmax(1) if classify else out
        second = p * p.clamp_min(1e-30).log() if classify else p * p
        total, squares, n = total + p, squares + second, n + 1
    return (total / n).cpu().numpy(), (squares / n).cpu().numpy()


def _quality(result):
    if isinstance(result, torch.Tensor):
        return "no statistics"
    if isinstance(result, tuple):
        return f"mean {np.mean(result[0]):.4f}"
    is_proba = isinstance(result, MemberStatistics)
    mean = result.mean_proba() if is_proba else result.mean()
    return f"mean {np.mean(mean):.4f}"


def main():
    """Run the races."""
    print_setting(["torch", "skorch"])
    print(f"networks are on: {DEVICE}")
    rng = np.random.default_rng(0)
    for title, (make, shape, classify) in CASES.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = make().to(DEVICE)
        X = rng.normal(size=shape).astype(np.float32)
        for n_draws in (30, 50):
            results = race(entrants(net, X, n_draws, classify), repeats=REPEATS)
            print_table(
                f"{title}, T = {n_draws}",
                results,
                input_bytes=X.nbytes,
                quality=_quality,
            )
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()


if __name__ == "__main__":
    main()
