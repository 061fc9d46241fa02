"""Scenes with label maps, from a file of arrays and from folders of pictures."""

import sys

import numpy as np
import pytest

from skuq.datasets import load_camvid, load_maps
from skuq.exceptions import InputError, MissingDependencyError

SIZE = (4, 6)


@pytest.fixture
def scenes(rng):
    """Colour pictures and labels 0..3, of which 3 is void."""
    images = rng.integers(256, size=(3, *SIZE, 3)).astype(np.uint8)
    y = rng.integers(4, size=(3, *SIZE)).astype(np.uint8)
    return images, y


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


class TestArrays:
    def test_pixels_come_back_by_channel_in_the_unit_interval(self, tmp_path, scenes):
        images, y = scenes
        maps = load_maps(saved(tmp_path / "a.npz", images=images, labels=y))
        assert maps.images.dtype == np.float32
        np.testing.assert_allclose(
            maps.images, np.moveaxis(images, -1, 1) / 255, rtol=1e-6
        )
        np.testing.assert_array_equal(maps.y, y)
        assert maps.y.dtype == np.int64
        assert maps.ignore_index is maps.classes is maps.names is None

    def test_grey_pictures_have_one_channel(self, tmp_path, scenes):
        images, y = scenes
        maps = load_maps(saved(tmp_path / "a.npz", images=images[..., 0], labels=y))
        np.testing.assert_allclose(maps.images[:, 0], images[..., 0] / 255, rtol=1e-6)

    def test_floats_stay_as_they_are(self, tmp_path, scenes):
        images, y = scenes
        x = images / 255
        maps = load_maps(saved(tmp_path / "a.npz", images=x, labels=y))
        np.testing.assert_allclose(maps.images, np.moveaxis(x, -1, 1), rtol=1e-6)

    def test_the_last_class_is_void_if_it_is_named_so(self, tmp_path, scenes):
        images, y = scenes
        options = {"class_names": ["a", "b", "c", "Unlabelled"], "names": list("xyz")}
        maps = load_maps(saved(tmp_path / "a.npz", images=images, labels=y, **options))
        assert maps.ignore_index == 3
        assert maps.classes == ("a", "b", "c")
        assert maps.names == ("x", "y", "z")
        np.testing.assert_array_equal(maps.y, y)

    def test_void_among_the_classes_moves_behind_them(self, tmp_path, scenes):
        images, y = scenes
        names = ["a", "Void", "b", "c"]
        maps = load_maps(
            saved(tmp_path / "a.npz", images=images, labels=y, class_names=names)
        )
        assert maps.ignore_index == 3
        assert maps.classes == ("a", "b", "c")
        np.testing.assert_array_equal(maps.y, np.array([0, 3, 1, 2])[y])

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"labels": None}, "no array 'labels'"),
            ({"images": None}, "no array 'images'"),
            ({"labels": np.zeros((3, 4, 5), int)}, r"\(3, 4, 5\)"),
            ({"labels": np.zeros((3, *SIZE))}, "float64"),
            ({"images": np.full((3, *SIZE), 7.0)}, r"7\.0"),
            ({"images": np.zeros((3, *SIZE), int)}, "int64"),
            ({"images": np.zeros((3, 4), np.uint8)}, r"\(3, 4\)"),
            ({"class_names": ["a"]}, "1 names"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, tmp_path, scenes, change, match):
        arrays = {"images": scenes[0], "labels": scenes[1], **change}
        arrays = {name: value for name, value in arrays.items() if value is not None}
        with pytest.raises(InputError, match=match):
            load_maps(saved(tmp_path / "a.npz", **arrays))

    def test_files_that_are_none_are_refused(self, tmp_path):
        with pytest.raises(InputError, match="no such file"):
            load_maps(tmp_path / "missing.npz")
        (tmp_path / "text.npz").write_text("hello", "utf-8")
        with pytest.raises(InputError, match="cannot be read"):
            load_maps(tmp_path / "text.npz")


COLORS = np.array([[128, 0, 0], [0, 128, 64], [1, 2, 3], [0, 0, 0]])
NAMES = ["Sky", "Road", "Car", "Void"]


@pytest.fixture
def pil():
    return pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path, pil, scenes):
    """A function that writes pictures, and label maps of a mode, into folders."""

    def write(mode="L", labels="trainannot", ending=""):
        for name in ("train", labels):
            (tmp_path / name).mkdir()
        for i, (image, y) in enumerate(zip(*scenes, strict=True)):
            pil.fromarray(image).save(tmp_path / "train" / f"{i}.png")
            if mode == "RGB":
                annotation = pil.fromarray(COLORS[y].astype(np.uint8))
            else:
                annotation = pil.fromarray(y)
            if mode == "P":
                annotation.putpalette(COLORS.astype(np.uint8).tobytes())
            annotation.save(tmp_path / labels / f"{i}{ending}.png")
        return tmp_path

    return write


class TestFolders:
    @pytest.mark.parametrize("mode", ["L", "P"])
    def test_maps_of_one_channel_hold_the_labels(self, folder, mode, scenes):
        images, y = scenes
        maps = load_camvid(folder(mode), class_names=NAMES)
        np.testing.assert_allclose(
            maps.images, np.moveaxis(images, -1, 1) / 255, rtol=1e-6
        )
        np.testing.assert_array_equal(maps.y, y)
        assert maps.ignore_index == 3
        assert maps.classes == ("Sky", "Road", "Car")
        assert maps.names == ("0", "1", "2")

    @pytest.mark.parametrize("kind", ["class_dict.csv", "label_colors.txt"])
    def test_colours_become_the_classes_of_the_folder(self, folder, kind, scenes):
        path = folder("RGB", "train_labels", "_L")
        rows = list(zip(NAMES, COLORS.tolist(), strict=True))
        if kind == "class_dict.csv":
            lines = ["name,r,g,b", *(f"{n},{r},{g},{b}" for n, (r, g, b) in rows)]
        else:
            lines = [f"{r} {g} {b}\t\t{n}" for n, (r, g, b) in rows]
        (path / kind).write_text("\n".join(lines) + "\n", "utf-8")
        maps = load_camvid(path)
        np.testing.assert_array_equal(maps.y, scenes[1])
        assert maps.classes == ("Sky", "Road", "Car")

    def test_colours_without_names_are_refused(self, folder):
        with pytest.raises(InputError, match=r"class_dict\.csv"):
            load_camvid(folder("RGB"))

    def test_an_unknown_colour_is_refused(self, folder):
        path = folder("RGB")
        (path / "class_dict.csv").write_text("name,r,g,b\nSky,128,0,0\n", "utf-8")
        with pytest.raises(InputError, match="which no class has"):
            load_camvid(path)

    def test_pictures_shrink_by_means_and_labels_without_mixing(self, folder, scenes):
        images, y = scenes
        maps = load_camvid(folder(), size=(2, 3))
        blocks = np.moveaxis(images, -1, 1).reshape(3, 3, 2, 2, 3, 2)
        mean = blocks.mean(axis=(3, 5)) / 255
        np.testing.assert_allclose(maps.images, mean, atol=1.01 / 255)
        assert maps.y.shape == (3, 2, 3)
        choices = y.reshape(3, 2, 2, 3, 2)
        assert (choices == maps.y[:, :, None, :, None]).any(axis=(2, 4)).all()

    def test_different_sizes_are_refused_without_one(self, folder, pil):
        path = folder()
        pil.new("RGB", (8, 8)).save(path / "train" / "2.png")
        with pytest.raises(InputError, match=r"size=\(height, width\)"):
            load_camvid(path)
        assert load_camvid(path, size=(2, 2)).y.shape == (3, 2, 2)

    def test_missing_folders_and_label_maps_are_refused(self, folder, tmp_path):
        with pytest.raises(InputError, match="must hold the folder 'train'"):
            load_camvid(tmp_path / "nowhere")
        path = folder()
        (path / "trainannot" / "1.png").unlink()
        with pytest.raises(InputError, match=r"1\.png has no label map"):
            load_camvid(path)

    def test_without_pillow_the_error_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "PIL.Image", None)
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(MissingDependencyError, match="pip install"):
            load_camvid(tmp_path)
