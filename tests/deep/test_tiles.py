"""Images fed in tiles give the maps of whole images, from less memory."""

import numpy as np
import pytest
import torch
from torch import nn

from skuq.deep import TorchModuleClassifier
from skuq.deep._tiles import pieces
from skuq.exceptions import InputError


class Pooled(nn.Module):
    """Shrinks maps by 4 and brings them back, as a U-Net does."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.MaxPool2d(2))
        self.deep = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.MaxPool2d(2))
        self.up = nn.Upsample(scale_factor=4)
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x):
        deep = self.up(self.deep(self.down(x)))
        return self.head(torch.cat([deep, x], dim=1))


class Recorder(nn.Module):
    def __init__(self):
        super().__init__()
        self.shapes, self.modes = [], []

    def forward(self, x):
        self.shapes.append(tuple(x.shape))
        self.modes.append((self.training, torch.is_grad_enabled()))
        return torch.cat([x, -x], dim=1)


pytestmark = pytest.mark.usefixtures("torch_seed")


@pytest.fixture
def images(rng):
    return rng.normal(size=(3, 2, 40, 52)).astype(np.float32)


def plain(width):
    """Two convolutions with a receptive field of 2 `width` - 1 pixels."""
    half = width // 2
    return nn.Sequential(
        nn.Conv2d(2, 5, width, padding=half),
        nn.Tanh(),
        nn.Conv2d(5, 3, width, padding=half),
    )


def largest_difference(module, images, **tiles):
    whole = TorchModuleClassifier(module, 3).predict_logits(images)
    tiled = TorchModuleClassifier(module, 3, **tiles).predict_logits(images)
    assert tiled.shape == whole.shape
    return np.abs(tiled - whole).max()


class TestExact:
    @pytest.mark.parametrize("width", [1, 3, 5])
    @pytest.mark.parametrize("tile", [16, 17, (12, 30), 52, 100])
    def test_a_receptive_field_below_the_overlap_gives_the_whole(
        self, width, tile, images
    ):
        overlap = 2 * width
        assert (
            largest_difference(plain(width), images, tile=tile, overlap=overlap) < 1e-5
        )

    def test_an_overlap_below_the_receptive_field_does_not(self, images):
        module = plain(5)  # sees 4 pixels in each direction
        assert largest_difference(module, images, tile=16, overlap=8) < 1e-5
        assert largest_difference(module, images, tile=16, overlap=6) > 1e-3
        assert largest_difference(module, images, tile=16, overlap=0) > 1e-3

    def test_pooling_needs_multiples_of_its_factor(self, images):
        module = Pooled()
        assert largest_difference(module, images, tile=24, overlap=16) < 1e-5
        assert largest_difference(module, images, tile=(28, 32), overlap=16) < 1e-5
        assert largest_difference(module, images, tile=24, overlap=18) > 1e-3

    @pytest.mark.parametrize("batch_size", [1, 2, 3])
    def test_batches_change_nothing(self, batch_size, images):
        options = {"tile": 16, "overlap": 6, "batch_size": batch_size}
        assert largest_difference(plain(3), images, **options) < 1e-5

    @pytest.mark.parametrize("n_axes", [1, 3])
    def test_any_number_of_spatial_axes(self, n_axes, rng):
        convolution = {1: nn.Conv1d, 3: nn.Conv3d}[n_axes]
        x = rng.normal(size=(2, 2, *(20, 15, 12)[:n_axes])).astype(np.float32)
        module = convolution(2, 3, 3, padding=1)
        assert largest_difference(module, x, tile=8, overlap=4) < 1e-5

    def test_probabilities_and_labels_are_those_of_the_whole(self, images):
        module = plain(3)
        whole = TorchModuleClassifier(module, list("abc"))
        tiled = TorchModuleClassifier(module, list("abc"), tile=16, overlap=6)
        np.testing.assert_allclose(
            tiled.predict_proba(images), whole.predict_proba(images), atol=1e-5
        )
        np.testing.assert_array_equal(tiled.predict(images), whole.predict(images))

    def test_tensors_give_tensors(self, images):
        model = TorchModuleClassifier(plain(3), 3, tile=16, overlap=6)
        out = model.predict_logits(torch.from_numpy(images))
        assert type(out) is torch.Tensor
        np.testing.assert_array_equal(out.numpy(), model.predict_logits(images))


class TestPieces:
    @pytest.mark.parametrize("size", range(1, 40))
    @pytest.mark.parametrize(("tile", "overlap"), [(1, 0), (7, 0), (7, 3), (8, 7)])
    def test_every_position_is_kept_once_and_far_from_a_cut(self, size, tile, overlap):
        kept = []
        for read, inside, place in pieces(size, tile, overlap):
            positions = np.arange(size)[read]
            assert len(positions) == min(tile, size)
            np.testing.assert_array_equal(positions[inside], np.arange(size)[place])
            first, last = positions[inside][[0, -1]]
            assert first == 0 or first - positions[0] >= overlap // 2
            assert last == size - 1 or positions[-1] - last >= overlap // 2
            kept.extend(positions[inside])
        assert kept == list(range(size))

    def test_no_more_tiles_than_are_needed(self):
        assert len(pieces(16, 16, 4)) == 1
        assert len(pieces(28, 16, 4)) == 2
        assert len(pieces(29, 16, 4)) == 3


class TestMemory:
    def test_the_module_sees_tiles_alone(self, images):
        module = Recorder()
        model = TorchModuleClassifier(module, 4, tile=16, overlap=4, batch_size=2)
        model.predict_proba(images)
        assert {shape[2:] for shape in module.shapes} == {(16, 16)}
        assert {shape[0] for shape in module.shapes} == {1, 2}
        assert set(module.modes) == {(False, False)}
        assert module.training

    def test_images_on_disk_are_read_tile_by_tile(self, images, tmp_path):
        path = tmp_path / "images.npy"
        np.save(path, images)
        model = TorchModuleClassifier(plain(3), 3, tile=16, overlap=6)
        on_disk = model.predict_logits(np.load(path, mmap_mode="r"))
        np.testing.assert_array_equal(on_disk, model.predict_logits(images))


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"tile": 0}, "tile must be an integer of at least 1"),
            ({"tile": 8.0}, "tile must be an integer"),
            ({"tile": 8, "overlap": -1}, "overlap must be an integer of at least 0"),
            ({"tile": 8, "overlap": 8}, "overlap must be smaller than tile"),
            ({"tile": (8, 8, 8)}, "tile has 3 entries for 2 spatial axes"),
            ({"tile": 8, "overlap": (2,)}, "overlap has 1 entries"),
            ({"tile": 8, "batch_size": 0}, "batch_size"),
        ],
    )
    def test_bad_tiles_are_refused(self, options, match, images):
        model = TorchModuleClassifier(plain(3), 3, **options)
        with pytest.raises(InputError, match=match):
            model.predict_proba(images)

    def test_tables_and_maps_of_another_size_are_refused(self, images):
        table = TorchModuleClassifier(nn.Linear(4, 3), 3, tile=2)
        with pytest.raises(InputError, match="tile=None for tables"):
            table.predict_proba(np.zeros((5, 4)))
        shrinking = TorchModuleClassifier(nn.Conv2d(2, 3, 3), 3, tile=16)
        with pytest.raises(InputError, match=r"\(14, 14\) for tiles of \(16, 16\)"):
            shrinking.predict_proba(images)
        with pytest.raises(InputError, match="no samples"):
            table.predict_proba(np.zeros((0, 2, 4, 4)))


def test_void_positions_do_not_count_in_the_score(images):
    model = TorchModuleClassifier(plain(3), 3, ignore_index=255)
    y = model.predict(images)
    y[:, :10] = (y[:, :10] + 1) % 3  # a quarter is wrong
    assert model.score(images, y) == pytest.approx(0.75)
    y[:, :5] = 255
    assert model.score(images, y) == pytest.approx(30 / 35)
