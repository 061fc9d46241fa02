"""Networks with every kind of dropout, and what a sampler draws from them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skuq.nn import DropoutSampler


class Block(nn.Module):
    """A residual block whose one ReLU works in place, twice."""

    def __init__(self, p):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout2d(p)

    def forward(self, x):
        out = self.relu(self.norm(self.conv1(x)))
        out = self.conv2(self.drop(out))
        out += x
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.blocks = nn.Sequential(Block(0.0), Block(0.0), Block(0.4))
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        y = x * 0.5  # read before the ReLU changes it
        x = self.blocks(self.relu(x) + y)
        return self.head(F.dropout(x.mean((2, 3)), 0.2, self.training))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ELU())
        self.bottom = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout(0.5)
        )
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.out = nn.Conv2d(8, 3, 1)

    def forward(self, x):
        skip = F.relu(self.down(x), inplace=True)
        return self.out(
            torch.cat([skip, self.up(self.bottom(F.max_pool2d(skip, 2)))], 1)
        )


class Recurrent(nn.Module):
    """Three layers of an LSTM, GRU or RNN with dropout between them."""

    def __init__(self, kind, batch_first):
        super().__init__()
        self.first = batch_first
        self.rnn = kind(
            8, 5, 3, dropout=0.5, bidirectional=True, batch_first=batch_first
        )
        self.head = nn.Linear(10, 2)

    def forward(self, x):
        out = self.rnn(x if self.first else x.transpose(0, 1))[0]
        return self.head(out[:, -1] if self.first else out[-1])


class Transformer(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        self.first = batch_first
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
        self.embed = nn.Linear(8, 8)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        x = self.embed(x)
        out = self.encoder(x if self.first else x.transpose(0, 1))
        return out if self.first else out.transpose(0, 1)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.Linear(8, 8)
        self.layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x):
        return self.layer(x, self.memory(x))


class Attention(nn.Module):
    def __init__(self, need_weights):
        super().__init__()
        self.need_weights = need_weights
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=self.need_weights)[0]


def cnn():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64, 6),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(6, 3),
    )


NETS = {
    "cnn": (cnn, (3, 8, 8)),
    "unet": (UNet, (3, 8, 8)),
    "resnet": (ResNet, (3, 8, 8)),
    "lstm": (lambda: Recurrent(nn.LSTM, True), (4, 8)),
    "lstm-time-first": (lambda: Recurrent(nn.LSTM, False), (4, 8)),
    "gru": (lambda: Recurrent(nn.GRU, True), (4, 8)),
    "rnn": (lambda: Recurrent(nn.RNN, True), (4, 8)),
    "transformer": (lambda: Transformer(True), (4, 8)),
    "transformer-time-first": (lambda: Transformer(False), (4, 8)),
    "decoder": (Decoder, (4, 8)),
    "attention": (lambda: Attention(False), (4, 8)),
    "attention-weights": (lambda: Attention(True), (4, 8)),
    "alpha": (lambda: nn.Sequential(nn.SELU(), nn.AlphaDropout(0.3)), (5,)),
    "feature-alpha": (lambda: nn.FeatureAlphaDropout(0.3), (3, 8, 8)),
    "channels": (lambda: nn.Sequential(nn.Conv1d(3, 4, 1), nn.Dropout1d(0.3)), (3, 6)),
    "volumes": (lambda: nn.Dropout3d(0.3), (3, 2, 4, 4)),
}


class Lost(nn.Module):
    """Drops what does not reach the output."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        self.drop(x)
        return x


def prepared(name):
    """A network, with what it knows of normalisation, and a batch of 7 rows."""
    make, shape = NETS[name]
    net, x = make(), torch.randn(7, *shape)
    net.train()
    net(x)  # running means that are not 0
    return net, x


@pytest.fixture(params=NETS)
def case(request, torch_seed):
    """Each network in turn, and a batch of 7 rows."""
    return prepared(request.param)


def outputs(net, x, n=5, **options):
    """Draws 0, 1, ... of a network, stacked."""
    return torch.stack(list(DropoutSampler(net, seed=3, **options).draws(x, range(n))))


def assert_same(one, other):
    """The same outputs, up to rounding."""
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
