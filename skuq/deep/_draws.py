"""Draws of a network for all samples, batch by batch, so that memory stays small."""

from itertools import islice
from math import prod

import torch
from tqdm import tqdm

from skuq._core._arrays import array_namespace
from skuq.deep._torch_net import placed

SMALL = 2**16  # values of several draws that are counted together
BLOCK = 10  # draws for all samples that are held in memory together


class Draws:
    """What a network predicts for `X` under one dropout mask after another.

    `respond` makes a prediction of an output of the network: probabilities, values, or
    a tuple of means and variances.  Draws are numbered; an empty range of them stands
    for the network without any dropout.  With a `device` the network is there while it
    draws, and nowhere else.
    """

    def __init__(self, net, sampler, X, respond, *, device=None, verbose=False):
        self._net = net
        self._sampler = sampler
        self._X = X
        self._respond = respond
        self._device = device
        self._verbose = verbose

    def members(self, numbers):
        """Yield one draw after the other, for all samples.

        What comes before the first dropout is kept for a single batch alone; with
        several, ten draws at a time are computed batch by batch.
        """
        with placed(self._net, self._device):
            yield from self._members(numbers)

    def _members(self, numbers):
        if len(list(islice(self._net.batches(self._X), 2))) == 1:
            for draws in self._batches(numbers, self._like):
                yield from draws
            return
        for start in range(0, max(len(numbers), 1), BLOCK):
            block = [
                list(draws)
                for draws in self._batches(numbers[start : start + BLOCK], self._like)
            ]
            for parts in zip(*block, strict=True):
                yield _joined(parts)

    def statistics(self, numbers, empty):
        """The statistics of all draws; `empty` makes those of none.

        They are counted where the network runs, and only the result is fetched.
        """
        parts = []
        with placed(self._net, self._device):
            for draws in self._batches(numbers, lambda prediction: prediction):
                part = empty()
                for draw in _stacks(draws):
                    part.update(*draw, stacked=True)
                parts.append(part)
        return type(parts[0]).concatenate(parts).to(self._like(torch.empty(0)))

    def _batches(self, numbers, convert):
        """The draws of one batch after the other."""
        bar = tqdm(disable=not self._verbose, unit="draw", desc="MC dropout")
        with bar:
            for index, batch in enumerate(self._net.batches(self._X)):
                outputs = self._outputs(batch, numbers, index, bar)
                yield (convert(self._respond(output)) for output in outputs)

    def _outputs(self, batch, numbers, index, bar):
        if not numbers:
            yield self._sampler.expected(batch)
            return
        for output in self._sampler.draws(batch, numbers, index):
            yield output
            bar.update()

    def _like(self, prediction):
        return self._net.like(self._X, prediction)


def _stacks(draws):
    """Tuples of what one or more draws predict, along a new first axis.

    Several where they are small, for then it takes longer to call the functions that
    count them than to run these.
    """
    draws = (draw if isinstance(draw, tuple) else (draw,) for draw in draws)
    for first in draws:
        n_more = SMALL // max(1, sum(prod(part.shape) for part in first))
        some = [first, *islice(draws, min(n_more, BLOCK - 1))]
        stack = array_namespace(first[0]).stack
        yield tuple(stack(parts) for parts in zip(*some, strict=True))


def _joined(parts):
    """Predictions of all batches as one."""
    if isinstance(parts[0], tuple):
        return tuple(_joined(values) for values in zip(*parts, strict=True))
    tensors = [torch.as_tensor(part) for part in parts]
    whole = torch.cat(tensors)
    return whole if parts[0] is tensors[0] else whole.numpy()
