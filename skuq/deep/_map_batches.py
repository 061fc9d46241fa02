"""Maps of scores with labels and images, as tensors a few samples at a time."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from skuq._core._arrays import (
    Array,
    array_namespace,
    device,
    is_torch_array,
    to_library_of,
    to_numpy,
    to_real_floating,
)
from skuq._core._blocks import ScoreTable
from skuq.exceptions import InputError


class MapBatch(NamedTuple):
    """Tensors of some samples; `weight` is 0 at positions that do not count."""

    scores: torch.Tensor
    image: torch.Tensor | None
    codes: torch.Tensor
    weight: torch.Tensor


@dataclass(frozen=True)
class MapBatches:
    """Labelled maps, of which a few become tensors at a time.

    Parameters
    ----------
    table : ScoreTable
        Labelled scores of shape (n_samples, n_columns, height, width).
    image : array of shape (n_samples, n_channels, height, width) or None
        The images.
    place : torch.device
        Where the tensors are.
    """

    table: ScoreTable
    image: Array | None
    place: torch.device

    def __getitem__(self, index: np.ndarray) -> MapBatch:
        """The samples `index`."""
        table = self.table
        scores = tensor_of(table.scores, index, self.place)
        image = None if self.image is None else image_of(self.image, index, self.place)
        codes = tensor_of(table.codes, index, self.place).long()
        weight = torch.ones_like(codes, dtype=torch.float32)
        if table.weight is not None:
            own = tensor_of(table.weight, index, self.place).float()
            weight = weight * (own if own.ndim == 3 else own[:, None, None])
        if table.void is not None:
            void = codes == table.void
            codes, weight = codes.masked_fill(void, 0), weight.masked_fill(void, 0)
        return MapBatch(scores, image, codes, weight)

    def table_of(self, index: np.ndarray) -> ScoreTable:
        """The table with weight 0 for all samples but those of `index`."""
        scores, weight = self.table.scores, self.table.weight
        counts = np.zeros(self.table.n_samples, dtype=np.float32)
        counts[index] = 1
        kept = to_library_of(counts, scores)
        if weight is not None:
            kept = weight * (kept if weight.ndim == 1 else kept[:, None, None])
        return replace(self.table, weight=kept)

    def masses(self, batch_size: int) -> np.ndarray:
        """The sum of the weights of each sample."""
        parts = [
            self[index].weight.sum((1, 2), dtype=torch.float64).cpu().numpy()
            for index in chunks(np.arange(self.table.n_samples), batch_size)
        ]
        return np.concatenate(parts)


class ImageStatistics(NamedTuple):
    """Mean and standard deviation of each channel; 1 for a constant one."""

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, image: Array, index: np.ndarray) -> "ImageStatistics":
        """Those of all pixels of the images `index`, looked at one by one."""
        first = image_of(image, index[:1], torch.device("cpu")).double()
        shift = first.mean((0, 2, 3), keepdim=True)  # squares of small numbers
        total = square = torch.zeros(first.shape[1], dtype=torch.float64)
        count = 0
        for one in chunks(index, 1):
            x = image_of(image, one, torch.device("cpu")).double() - shift
            count += x[:, 0].numel()
            total = total + x.sum((0, 2, 3))
            square = square + x.square().sum((0, 2, 3))
        mean = total / count
        scale = (square / count - mean.square()).clamp(min=0).sqrt()
        scale = torch.where(scale > 1e-7 * (1 + shift.flatten().abs()), scale, 1.0)
        return cls((mean + shift.flatten()).numpy(), scale.numpy())


def chunks(index: np.ndarray, size: int) -> list[np.ndarray]:
    """Pieces of at most `size`, in order."""
    return [index[i : i + size] for i in range(0, len(index), size)]


def image_of(image: Array, index: np.ndarray, place: torch.device) -> torch.Tensor:
    """Some images in single precision, which must be finite."""
    x = tensor_of(image, index, place, "image").float()
    if not x.isfinite().all():
        raise InputError(
            "image contains NaN, infinity or a value too large for float32: repair "
            "those pixels first."
        )
    return x


def tensor_of(
    x: Array, index: np.ndarray, place: torch.device, name: str | None = None
) -> torch.Tensor:
    """Copies of some samples of an array of any library as a tensor.

    With a `name`, whatever their type, as real floating numbers.
    """
    xp = array_namespace(x)
    part = xp.take(x, xp.asarray(index, device=device(x)), axis=0)
    if name is not None:
        part = to_real_floating(part, name)
    if not is_torch_array(part):
        part = torch.from_numpy(np.ascontiguousarray(to_numpy(part)))
    return part.to(place)
