"""The command line: what it prints and writes, and what it refuses."""

import contextlib
import functools
import io
import re

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax

import skuq._demo
from skuq.cli import main
from skuq.datasets import make_logits
from skuq.evaluation import compare_predictions

CELL = r"(-?\d+\.\d{4}) \[(-?\d+\.\d{4}), (-?\d+\.\d{4})\]"
METRICS = ("accuracy", "log loss", "Brier score", "ECE")


def tables(text):
    """Each printed table as {row: {metric: (estimate, low, high)}}."""
    found = []
    for header, *rows in re.findall(r"(.+\n)(before .+\n)(after .+\n)", text):
        names = re.split(r"\s{2,}", header.strip())[1:]
        cells = [re.findall(CELL, row) for row in rows]
        found.append(
            {
                label: {
                    n: tuple(map(float, c)) for n, c in zip(names, row, strict=True)
                }
                for label, row in zip(("before", "after"), cells, strict=True)
            }
        )
    return found


def temperatures(text):
    return [float(t) for t in re.findall(r"temperature T = (\S+)", text)]


def assert_is_picture(path, rows):
    """A PNG of a row of two diagrams per case, with something drawn in each."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = matplotlib.image.imread(path)
    height, width, _ = pixels.shape
    assert 600 <= width <= 3000
    assert 300 * rows <= height <= 1500 * rows
    for row in np.array_split(pixels[..., :3], rows, axis=0):
        for panel in np.array_split(row, 2, axis=1):
            assert (panel < 0.98).any(axis=2).mean() > 0.05


@pytest.fixture
def fewer_resamples(monkeypatch):
    """Intervals of 20 resamples, in tests that do not look at them."""
    fast = functools.partial(compare_predictions, n_resamples=20)
    monkeypatch.setattr(skuq._demo, "compare_predictions", fast)


@pytest.fixture
def run(capsys, tmp_path):
    """Run the command line and return status, standard output and standard error."""

    def run(*argv):
        capsys.readouterr()
        status = main([str(argument) for argument in argv])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def picture(tmp_path):
    return tmp_path / "picture.png"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Status, output and picture of one run, for several tests."""
    path = tmp_path_factory.mktemp("demo") / "demo.png"
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = main(["demo", "--output", str(path)])
    return status, out.getvalue(), path


class TestDemo:
    def test_it_succeeds_and_says_where_the_picture_is(self, demo):
        status, out, path = demo
        assert status == 0
        assert str(path) in out

    def test_the_picture_shows_two_diagrams_per_data_set(self, demo):
        _, out, path = demo
        assert_is_picture(path, rows=len(tables(out)))

    def test_each_data_set_has_a_table_of_two_rows_and_four_metrics(self, demo):
        found = tables(demo[1])
        assert len(found) == 2
        for table in found:
            assert list(table) == ["before", "after"]
            for row in table.values():
                assert tuple(row) == METRICS

    def test_accuracy_does_not_change(self, demo):
        for table in tables(demo[1]):
            assert table["before"]["accuracy"] == table["after"]["accuracy"]

    @pytest.mark.parametrize("metric", ["log loss", "Brier score", "ECE"])
    def test_calibration_improves_every_other_metric(self, demo, metric):
        for table in tables(demo[1]):
            assert table["after"][metric][0] < table["before"][metric][0]

    def test_estimates_lie_in_their_intervals(self, demo):
        for table in tables(demo[1]):
            for row in table.values():
                for estimate, low, high in row.values():
                    assert low <= estimate <= high

    def test_the_models_are_over_confident(self, demo):
        assert len(temperatures(demo[1])) == 2
        assert min(temperatures(demo[1])) > 1.2

    @pytest.mark.usefixtures("fewer_resamples")
    def test_without_output_one_picture_is_left_and_nothing_else(
        self, run, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        assert run("demo")[0] == 0
        assert [path.name for path in tmp_path.iterdir()] == ["skuq-demo.png"]
        assert plt.get_fignums() == []
        np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.usefixtures("fewer_resamples")
class TestOwnData:
    """Files of 4000 rows: the first 2000 give T with a standard error of 3 percent."""

    TRUE_TEMPERATURE = 2.5

    @pytest.fixture
    def problem(self):
        return make_logits(4000, 3, temperature=self.TRUE_TEMPERATURE, random_state=0)

    def check(self, run, path, picture):
        status, out, err = run("demo", "--data", path, "--output", picture)
        assert (status, err) == (0, "")
        assert "note:" not in out  # the rows are shuffled
        assert temperatures(out) == pytest.approx([self.TRUE_TEMPERATURE], rel=0.15)
        (table,) = tables(out)
        assert table["before"]["accuracy"] == table["after"]["accuracy"]
        assert table["after"]["log loss"][0] < table["before"]["log loss"][0]
        assert table["after"]["ECE"][0] < table["before"]["ECE"][0] / 2
        assert "2000 rows calibrate, 2000 are scored" in out
        assert str(path) in out
        assert_is_picture(picture, rows=1)

    @pytest.mark.parametrize("name", ["logits", "probs"])
    def test_npz(self, run, tmp_path, picture, problem, name):
        z, y = problem
        scores = z if name == "logits" else softmax(z, axis=1)
        np.savez(tmp_path / "mine.npz", labels=y, **{name: scores})
        self.check(run, tmp_path / "mine.npz", picture)

    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_tables_with_named_classes(self, run, tmp_path, picture, problem, suffix):
        z, y = problem
        names = np.array(["eel", "cat", "dog"])
        frame = pd.DataFrame(z, columns=[f"logit_{name}" for name in names])
        frame["label"] = names[y]
        path = tmp_path / f"mine.{suffix}"
        if suffix == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        self.check(run, path, picture)

    def test_one_column_of_a_binary_problem(self, run, tmp_path, picture):
        z, y = make_logits(
            4000, 2, temperature=self.TRUE_TEMPERATURE, scale=4.0, random_state=0
        )
        frame = pd.DataFrame({"y": y, "logit": z[:, 1] - z[:, 0]})
        frame.to_csv(tmp_path / "mine.csv", index=False)
        self.check(run, tmp_path / "mine.csv", picture)

    def test_maps_count_images_as_rows(self, run, tmp_path, picture):
        z, y = make_logits(60, 3, spatial=(10, 12), temperature=2.5, random_state=0)
        np.savez(tmp_path / "mine.npz", labels=y, logits=z)
        status, out, _ = run(
            "demo", "--data", tmp_path / "mine.npz", "--output", picture
        )
        assert status == 0
        assert "30 rows calibrate, 30 are scored" in out
        assert temperatures(out) == pytest.approx([2.5], rel=0.15)

    def test_the_printed_numbers_are_those_of_the_second_half(
        self, run, tmp_path, picture, problem
    ):
        z, y = problem
        np.savez(tmp_path / "mine.npz", labels=y, logits=z)
        _, out, _ = run("demo", "--data", tmp_path / "mine.npz", "--output", picture)
        (table,) = tables(out)
        z, y = z[2000:], y[2000:]
        (t,) = temperatures(out)
        for row, temperature in (("before", 1.0), ("after", t)):
            log_p = log_softmax(z / temperature, axis=1)
            loss = -np.take_along_axis(log_p, y[:, None], axis=1).mean()
            # T is printed to four decimals, and so is the loss.
            assert table[row]["log loss"][0] == pytest.approx(loss, abs=1e-4)
            accuracy = (z.argmax(axis=1) == y).mean()
            assert table[row]["accuracy"][0] == pytest.approx(accuracy, abs=6e-5)

    def test_labels_that_are_no_column_numbers_are_matched_in_order(
        self, run, tmp_path, picture, problem
    ):
        z, y = problem
        np.savez(tmp_path / "mine.npz", labels=np.array([10, 20, 30])[y], logits=z)
        self.check(run, tmp_path / "mine.npz", picture)

    def test_rows_sorted_by_label_get_a_note(self, run, tmp_path, picture, problem):
        z, y = problem
        order = np.argsort(y, kind="stable")
        np.savez(tmp_path / "mine.npz", labels=y[order], logits=z[order])
        status, out, _ = run(
            "demo", "--data", tmp_path / "mine.npz", "--output", picture
        )
        assert status == 0
        assert "note: 1 of 3 classes occur only in the second half" in out
        assert "shuffle" in out

    def test_the_seed_alone_moves_the_intervals(self, run, tmp_path, picture):
        z, y = make_logits(100, 3, temperature=2.5, random_state=0)
        np.savez(tmp_path / "mine.npz", labels=y, logits=z)
        argv = ["demo", "--data", tmp_path / "mine.npz", "--output", picture]
        one, again, two = (run(*argv, "--seed", seed)[1] for seed in (1, 1, 2))
        assert one == again
        assert one != two
        estimates = [[c[0] for c in re.findall(CELL, text)] for text in (one, two)]
        assert len(estimates[0]) == 8
        assert estimates[0] == estimates[1]

    def test_the_fewest_rows_are_enough(self, run, tmp_path, picture):
        z, y = make_logits(20, 2, temperature=2.5, random_state=0)
        np.savez(tmp_path / "mine.npz", labels=y, logits=z)
        status, out, _ = run(
            "demo", "--data", tmp_path / "mine.npz", "--output", picture
        )
        assert status == 0
        assert "10 rows calibrate, 10 are scored" in out


@pytest.mark.usefixtures("fewer_resamples")
class TestRefusals:
    @pytest.fixture
    def refused(self, run, tmp_path, picture):
        """The one line on standard error with which a file is refused."""

        def refused(name, content=None, **arrays):
            path = tmp_path / name
            if arrays:
                np.savez(path, **arrays)
            elif content is not None:
                path.write_bytes(content)
            status, out, err = run("demo", "--data", path, "--output", picture)
            assert status == 2
            assert err.startswith("skuq: ")
            assert err.count("\n") == 1
            assert err.endswith("\n")
            assert "Traceback" not in out + err
            assert not picture.exists()
            return err

        return refused

    def test_a_file_that_does_not_exist(self, refused):
        assert "no such file" in refused("none.npz")

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("a.txt", b"y,p\n1,0.8\n", "unknown file type"),
            ("a.npz", b"hello", "cannot be read"),
            ("a.npz", b"PK\x03\x04 and no more", "cannot be read"),
            ("a.csv", b"", "empty"),
            ("a.csv", b"y,p\n", "no samples"),
            ("a.csv", b"y,p\n1,high\n", "'high', not a number"),
            ("a.csv", b"a,b\n1,0.8\n", "labels"),
            ("a.csv", b"y,p\n1\n", "line 2 has 1 fields"),
            ("a.csv", b"y,p\n1,0.8\n" * 2, "column 'p', row 2 of the data is 'p'"),
            ("a.csv", b'y,p\n1,"0.8\n0,0.3\n', "not a number"),
            ("a.parquet", b"PAR1 and no more PAR1", "parquet"),
        ],
    )
    def test_a_malformed_file(self, refused, name, content, words):
        assert words in refused(name, content)

    def test_a_parquet_file_whose_error_has_several_lines(self, refused, tmp_path):
        frame = pd.DataFrame({"y": [0, 1], "p": [0.8, 0.3]})
        frame.to_parquet(tmp_path / "whole.parquet")
        content = bytearray((tmp_path / "whole.parquet").read_bytes())
        for i in range(4, 60):
            content[i] ^= 0x5A
        assert "parquet" in refused("a.parquet", bytes(content))

    @pytest.mark.parametrize("n", [1, 19])
    def test_too_few_rows(self, refused, n):
        z, y = make_logits(n, 2, random_state=0)
        message = refused("a.npz", y=y, logits=z)
        assert f"{n} rows are too few" in message
        assert "at least 20" in message

    def test_more_classes_than_columns(self, refused):
        z, y = make_logits(100, 3, random_state=0)
        message = refused("a.npz", y=np.where(np.arange(100) == 50, 9, y), logits=z)
        assert "3 column(s) but the labels have 4 classes" in message

    @pytest.mark.parametrize("row", [3, 97])  # that calibrates, that is scored
    def test_nan_among_the_scores(self, refused, row):
        z, y = make_logits(100, 3, random_state=0)
        z[row, 1] = np.nan
        assert "NaN" in refused("a.npz", y=y, logits=z)

    def test_probabilities_that_are_none(self, refused):
        z, y = make_logits(100, 3, random_state=0)
        assert "proba" in refused("a.npz", y=y, probs=z)

    def test_scores_that_may_be_either_kind(self, refused, rng):
        y = rng.integers(3, size=100)
        assert "input=" in refused("a.npz", y=y, scores=rng.random((100, 3)))

    def test_labels_that_are_no_classes(self, refused):
        z, y = make_logits(100, 3, random_state=0)
        assert "continuous" in refused("a.npz", y=y + 0.5, logits=z)

    @pytest.mark.parametrize("dtype", ["complex128", "<U8"])
    def test_scores_that_are_no_real_numbers(self, refused, dtype):
        z, y = make_logits(100, 3, random_state=0)
        scores = np.full(z.shape, "high") if dtype == "<U8" else z.astype(dtype)
        assert "number" in refused("a.npz", y=y, logits=scores)

    @pytest.fixture
    def data(self, tmp_path):
        z, y = make_logits(100, 3, temperature=2.0, random_state=0)
        np.savez(tmp_path / "mine.npz", y=y, logits=z)
        return tmp_path / "mine.npz"

    @pytest.mark.parametrize("output", ["no/such/folder/a.png", "picture.unknown"])
    def test_a_picture_that_cannot_be_written(self, run, data, tmp_path, output):
        status, _, err = run("demo", "--data", data, "--output", tmp_path / output)
        assert status == 2
        assert err.startswith("skuq: ")
        assert err.count("\n") == 1

    @pytest.mark.parametrize(
        "argv",
        [
            [],
            ["calibrate"],
            ["demo", "--no-such-option"],
            ["demo", "--data"],
            ["demo", "mine.npz"],
            ["demo", "--seed", "one"],
        ],
    )
    def test_a_bad_command_line_shows_the_usage(self, argv, capsys):
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("usage: skuq")

    def test_a_negative_seed_is_refused(self, data, picture, capsys):
        try:
            status = main(
                ["demo", "--data", str(data), "--output", str(picture), "--seed", "-1"]
            )
        except SystemExit as leave:
            status = leave.code
        assert status == 2
        assert "seed" in capsys.readouterr().err

    @pytest.mark.parametrize("argv", [["--help"], ["demo", "--help"]])
    def test_help_succeeds(self, argv, capsys):
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == 0
        assert "demo" in capsys.readouterr().out
