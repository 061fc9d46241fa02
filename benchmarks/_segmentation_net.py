"""A small U-Net with dropout for street scenes, and its training.

Three halvings of the resolution, dropout in the deepest blocks as in Bayesian SegNet
(Kendall et al. 2015), so that Monte Carlo dropout has something to draw.
"""

import time

import torch
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR

WIDTHS = (32, 64, 128, 256)
DROPOUT = 0.1
BATCH_SIZE = 8
LARGEST_RATE = 3e-3
VOID = -1
CLASS_POWER = -0.2
LEAST_SHARE = 0.01  # of the pixels, from which rare classes are not weighted more


def block(n_in, n_out, dropout=0.0):
    """Two convolutions, each with its batch normalisation, and dropout."""
    layers = []
    for n in (n_in, n_out):
        conv = nn.Conv2d(n, n_out, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Dropout2d(dropout) if dropout else nn.Identity())


class UNet(nn.Module):
    """Images `(n, 3, h, w)`, h and w whole eights, to logits `(n, n_classes, h, w)`."""

    def __init__(self, n_classes, n_channels=3, widths=WIDTHS, dropout=DROPOUT):
        super().__init__()
        rates = [0.0] * (len(widths) - 2) + [dropout] * 2
        channels = [n_channels, *widths]
        self.down = nn.ModuleList(
            block(a, b, rate)
            for a, b, rate in zip(channels, widths, rates, strict=False)
        )
        self.up = nn.ModuleList(
            block(deep + flat, flat, rate)
            for flat, deep, rate in zip(widths, widths[1:], rates, strict=False)
        )
        self.head = nn.Conv2d(widths[0], n_classes, 1)

    def forward(self, x):
        """The logits of a batch."""
        x, skipped = standardised(x), []
        for i, down in enumerate(self.down):
            x = down(x if i == 0 else functional.max_pool2d(x, 2))
            skipped.append(x)
        for up, flat in zip(reversed(self.up), reversed(skipped[:-1]), strict=True):
            x = functional.interpolate(x, scale_factor=2, mode="bilinear")
            x = up(torch.cat([x, flat], dim=1))
        return self.head(x)


def standardised(x):
    """Each channel of each image with mean 0 and variance 1, whatever its light."""
    return functional.instance_norm(x)


def train(images, labels, n_classes, *, epochs, seed, report=None):
    """A network trained on images in [0, 1] and labels, void where not below K."""
    images, labels = torch.as_tensor(images), torch.as_tensor(labels).long()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = UNet(n_classes, n_channels=images.shape[1])
        net = net.to(memory_format=torch.channels_last)
        weight = class_weights(labels, n_classes)
        optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
        steps = epochs * (len(images) // BATCH_SIZE)
        schedule = OneCycleLR(optimizer, LARGEST_RATE, total_steps=steps)
        for epoch in range(epochs):
            start, total = time.perf_counter(), 0.0
            net.train()
            for batch in torch.randperm(len(images)).split(BATCH_SIZE):
                if len(batch) < BATCH_SIZE:
                    break
                x, y = augmented(images[batch], labels[batch])
                x = x.contiguous(memory_format=torch.channels_last)
                y = torch.where(y < n_classes, y, VOID)
                with torch.autocast("cpu", torch.bfloat16):
                    logits = net(x)
                loss = functional.cross_entropy(
                    logits.float(), y, weight, ignore_index=VOID
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += float(loss.detach())
            if report is not None:
                seconds = time.perf_counter() - start
                report(epoch, total / (len(images) // BATCH_SIZE), seconds, net)
    return net.eval()


def augmented(x, y):
    """Half of the scenes mirrored, all of them cut, enlarged and in another light.

    Changes twice as large, with more dropout, gave a network that was less sure than
    right on the validation images, after half as many epochs again.
    """
    x, y = x.clone(), y.clone()
    flip = torch.rand(len(x)) < 0.5
    x[flip], y[flip] = x[flip].flip(-1), y[flip].flip(-1)
    scale = float(1 + 0.4 * torch.rand(()))
    height, width = x.shape[-2:]
    h, w = round(height / scale), round(width / scale)
    top = int(torch.randint(height - h + 1, ()))
    left = int(torch.randint(width - w + 1, ()))
    x, y = x[..., top : top + h, left : left + w], y[:, top : top + h, left : left + w]
    x = functional.interpolate(x, (height, width), mode="bilinear")
    y = functional.interpolate(y[:, None].float(), (height, width))[:, 0].long()
    return in_another_light(x), y


def in_another_light(x):
    """Each channel with another gamma, and some of the colour gone."""
    gamma = torch.exp(0.2 * torch.randn(len(x), 1, 1, 1))
    gamma = gamma * torch.exp(0.075 * torch.randn(*x.shape[:2], 1, 1))
    x = x.clamp(min=1e-3) ** gamma
    colour = 0.5 + 0.6 * torch.rand(len(x), 1, 1, 1)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + colour * (x - grey)
    return x + 0.01 * torch.randn(()) * torch.randn_like(x)


def class_weights(labels, n_classes):
    """A power of the share of each class, with mean one over the pixels.

    One over the root gave too many pixels to rare classes: with half of that undone in
    the logits, mean intersection over union on the validation images rose.
    """
    share = torch.bincount(labels[labels < n_classes].flatten(), minlength=n_classes)
    share = share / share.sum()
    weight = share.clamp(min=LEAST_SHARE) ** CLASS_POWER
    return weight / (share * weight).sum()


def mean_iou(labels, predicted, n_classes):
    """Mean over classes of intersection over union, of all images together."""
    known = labels < n_classes
    pairs = labels[known] * n_classes + predicted[known]
    table = torch.bincount(pairs, minlength=n_classes**2).reshape(n_classes, -1)
    hit = table.diag()
    union = table.sum(0) + table.sum(1) - hit
    return float((hit / union.clamp(min=1))[table.sum(1) > 0].mean())
