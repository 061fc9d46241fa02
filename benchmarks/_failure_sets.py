"""The sets and classifiers of ``benchmarks.failure_prediction``."""

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR

from benchmarks._segmentation_net import UNet
from skuq.datasets import load_maps
from skuq.deep import TorchModuleClassifier

BATCH_SIZE = 128
WIDTHS = (16, 32, 64, 128)  # of the network of street scenes
CHANNELS_LAST = {"memory_format": torch.channels_last}


class Benchmark(NamedTuple):
    """A set, its classifier, and how TCP learns there.

    ``lesson`` says from what: the images that the classifier was trained on ("train"),
    their mirror images ("mirror"), for one that is right on nearly all of these, or
    the set's own images for validation ("val").
    """

    load: Callable
    network: Callable
    optimizer: Callable
    epochs: int
    batch_size: int
    confidence: dict
    void: int | None = None
    lesson: str = "train"


def trained(benchmark, train, epochs, seed):
    """The classifier after training; networks of images compute in bfloat16."""
    X, y = (torch.from_numpy(values) for values in train)
    torch.manual_seed(seed)
    n_classes = int(y[y != benchmark.void].max()) + 1
    net = benchmark.network(n_classes)
    if X.ndim == 4:
        X, net = X.contiguous(**CHANNELS_LAST), net.to(**CHANNELS_LAST)
    optimizer = benchmark.optimizer(net.parameters())
    schedule = CosineAnnealingLR(optimizer, epochs)
    void = -100 if benchmark.void is None else benchmark.void
    for _ in range(epochs):
        net.train()
        for rows in torch.randperm(len(X)).split(benchmark.batch_size):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=X.ndim == 4):
                out = net(X[rows])
            loss = functional.cross_entropy(out.float(), y[rows], ignore_index=void)
            loss.backward()
            optimizer.step()
        schedule.step()
    batch_size = 2 * benchmark.batch_size
    return TorchModuleClassifier(
        net, n_classes, batch_size=batch_size, ignore_index=benchmark.void
    )


def lesson_of(benchmark, folder, train):
    """What TCP learns from."""
    if benchmark.lesson == "train":
        return train
    if benchmark.lesson == "val":
        return benchmark.load(folder, "val")
    X, y = train
    return tuple(a[..., ::-1].copy() if a.ndim > 1 else a for a in (X, y))


# --------------------------------------------------------------------------- MNIST


def load_mnist(folder, part):
    """Images in [0, 1] as rows, and labels."""
    with np.load(Path(folder, f"mnist_{part}.npz")) as file:
        images, labels = file["images"], file["labels"]
    images = images.reshape(len(images), -1).astype(np.float32) / 255
    return images, labels.astype(np.int64)


def mnist_mlp(n_classes):
    """The paper's perceptron 784-1000-10."""
    return nn.Sequential(
        nn.Linear(784, 1000), nn.ReLU(), nn.Dropout(0.3), nn.Linear(1000, n_classes)
    )


def mnist_optimizer(parameters):
    """The paper's, but ten times its rate, which falls to 0 in a fifth of the time."""
    return torch.optim.SGD(parameters, lr=1e-2, momentum=0.9, weight_decay=1e-4)


# ------------------------------------------------------------------------ CIFAR-10


def load_cifar10(folder, part):
    """Images around 0 and labels, from one file of many JPEGs."""
    from PIL import Image

    with np.load(Path(folder, f"cifar10_jpeg_{part}.npz")) as file:
        jpeg, ends, labels = (file[name] for name in ("jpeg", "offsets", "labels"))
    raw = jpeg.tobytes()
    images = np.empty((len(labels), 32, 32, 3), dtype=np.uint8)
    for i, (start, end) in enumerate(pairwise(ends)):
        with Image.open(io.BytesIO(raw[start:end])) as image:
            images[i] = np.asarray(image.convert("RGB"))
    images = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    return (images - 0.5) / 0.25, labels.astype(np.int64)


def cifar10_convnet(n_classes):
    """Three convolutions and two linear layers, in the place of the paper's VGG16."""
    return nn.Sequential(
        *_convolution(3, 32, 4, stride=2),
        *_convolution(32, 48, 3), nn.MaxPool2d(2),
        *_convolution(48, 64, 3), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1024, 256), nn.ReLU(),
        nn.Dropout(0.1), nn.Linear(256, n_classes),
    )  # fmt: skip


def _convolution(n_in, n_out, size, **options):
    conv = nn.Conv2d(n_in, n_out, size, padding=1, **options)
    return conv, nn.BatchNorm2d(n_out), nn.ReLU()


def adam(parameters):
    """Adam at its usual learning rate."""
    return torch.optim.Adam(parameters, lr=1e-3)


# -------------------------------------------------------------------------- CamVid


def load_camvid(folder, part):
    """Street scenes in [0, 1] and labels of their pixels."""
    maps = load_maps(Path(folder, f"camvid_120x160_{part}.npz"))
    return maps.images, maps.y


def camvid_unet(n_classes):
    """A small U-Net with dropout in the place of the paper's SegNet."""
    return UNet(n_classes, widths=WIDTHS)


def map_confidence():
    """Looks at a neighbourhood of 5 x 5 pixels, like that of the authors' code."""
    return nn.Sequential(
        nn.Conv2d(WIDTHS[0], 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 1, 1),
    )  # fmt: skip


SETS = {
    "mnist": Benchmark(
        load_mnist, mnist_mlp, mnist_optimizer, 20, BATCH_SIZE, {"max_epochs": 12}
    ),
    "cifar10": Benchmark(
        load_cifar10,
        cifar10_convnet,
        adam,
        epochs=15,
        batch_size=BATCH_SIZE,
        confidence={"max_epochs": 3},
        lesson="mirror",
    ),
    "camvid": Benchmark(
        load_camvid,
        camvid_unet,
        adam,
        epochs=12,
        batch_size=8,
        confidence={"max_epochs": 8, "batch_size": 8, "module": map_confidence()},
        void=11,
        lesson="val",
    ),
}
