"""A file of predictions is read as it is meant, or refused with what is wrong in it."""

import re

import numpy as np
import pandas as pd
import pytest

from skuq.datasets import load_predictions
from skuq.datasets._predictions import (
    LABEL_NAMES,
    LOGIT_NAMES,
    PROBA_NAMES,
    SCORE_NAMES,
)
from skuq.exceptions import InputError

SCORES = [[0.9, 0.1], [0.3, 0.7], [0.4, 0.6]]
KINDS = [
    *((name, "proba") for name in PROBA_NAMES),
    *((name, "logit") for name in LOGIT_NAMES),
    *((name, "auto") for name in SCORE_NAMES),
]
PREFIXES = [(n, kind) for n, kind in KINDS if kind != "auto" and "_" not in n]


@pytest.fixture
def write(tmp_path):
    """Write a file of any of the three types and return its path."""

    def write(name, content):
        path = tmp_path / name
        if path.suffix == ".npz" and isinstance(content, dict):
            np.savez(path, **content)
        elif path.suffix == ".parquet" and not isinstance(content, bytes):
            pd.DataFrame(content).to_parquet(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, "utf-8")
        return path

    return write


@pytest.fixture(params=["csv", "parquet"])
def write_table(request, write):
    """Write a table, given by its columns, as a file of each type in turn."""

    def write_table(columns):
        if request.param == "parquet":
            return write("t.parquet", columns)
        rows = [list(columns), *zip(*columns.values(), strict=True)]
        text = "\n".join(",".join(str(cell) for cell in row) for row in rows)
        return write("t.csv", text + "\n")

    return write_table


def refusal(path):
    """The message with which a file is refused, which names the file."""
    with pytest.raises(InputError) as caught:
        load_predictions(path)
    message = str(caught.value)
    assert path.name in message
    return message


class TestArrays:
    @pytest.mark.parametrize("name", LABEL_NAMES)
    def test_each_label_name_is_known(self, write, name):
        path = write("a.npz", {name: [0, 1, 1], "probs": SCORES})
        assert load_predictions(path).y.tolist() == [0, 1, 1]

    @pytest.mark.parametrize(("name", "kind"), KINDS)
    def test_the_name_of_the_scores_tells_their_kind(self, write, name, kind):
        path = write("a.npz", {"y": [0, 1, 1], name: SCORES})
        predictions = load_predictions(path)
        assert predictions.kind == kind
        assert predictions.scores.tolist() == SCORES
        assert predictions.classes is None

    @pytest.mark.parametrize("dtype", ["int8", "int64", "bool", "<U3"])
    def test_labels_keep_their_dtype(self, write, dtype):
        y = np.array([0, 1, 1]).astype(dtype)
        predictions = load_predictions(write("a.npz", {"y": y, "logits": SCORES}))
        assert predictions.y.dtype == y.dtype
        assert (predictions.y == y).all()

    def test_maps_keep_their_shape(self, write, rng):
        z, y = rng.normal(size=(3, 4, 5, 6)), rng.integers(4, size=(3, 5, 6))
        predictions = load_predictions(write("a.npz", {"labels": y, "logits": z}))
        np.testing.assert_array_equal(predictions.scores, z)
        np.testing.assert_array_equal(predictions.y, y)

    def test_other_arrays_are_left_alone(self, write):
        arrays = {"y": [0, 1, 1], "p": SCORES, "epoch": [7]}
        assert load_predictions(write("a.npz", arrays)).scores.tolist() == SCORES

    def test_a_path_may_be_a_string(self, write):
        path = write("a.npz", {"y": [0, 1, 1], "p": SCORES})
        assert load_predictions(str(path)).y.tolist() == [0, 1, 1]

    def test_compressed_archives_are_read(self, tmp_path):
        np.savez_compressed(tmp_path / "a.npz", y=[0, 1, 1], p=SCORES)
        assert load_predictions(tmp_path / "a.npz").scores.tolist() == SCORES


class TestTables:
    @pytest.mark.parametrize("name", LABEL_NAMES)
    def test_each_label_name_is_known(self, write_table, name):
        path = write_table({"proba_0": [0.9, 0.3], name: [0, 1], "proba_1": [0.1, 0.7]})
        predictions = load_predictions(path)
        assert predictions.y.tolist() == [0, 1]
        assert predictions.scores.tolist() == [[0.9, 0.1], [0.3, 0.7]]

    @pytest.mark.parametrize(("prefix", "kind"), PREFIXES)
    def test_prefixes_tell_kind_and_classes(self, write_table, prefix, kind):
        columns = {"y": ["a", "b"], f"{prefix}_a": [1, 2], f"{prefix}_b": [3, 4]}
        predictions = load_predictions(write_table(columns))
        assert predictions.scores.tolist() == [[1, 3], [2, 4]]
        assert predictions.kind == kind
        assert predictions.classes.tolist() == ["a", "b"]

    def test_class_names_keep_the_order_of_their_columns(self, write_table):
        path = write_table(
            {"label": ["cat", "dog"], "proba_dog": [0.2, 0.9], "proba_cat": [0.8, 0.1]}
        )
        assert load_predictions(path).classes.tolist() == ["dog", "cat"]

    def test_columns_named_by_the_bare_class_name_their_class(self, write_table):
        path = write_table({"label": ["b", "a"], "a": [0.2, 0.9], "b": [0.8, 0.1]})
        predictions = load_predictions(path)
        assert predictions.kind == "auto"
        assert predictions.classes.tolist() == ["a", "b"]

    def test_a_class_name_may_hold_an_underscore(self, write_table):
        columns = {
            "y": ["red_fox", "eel"],
            "p_red_fox": [0.2, 0.9],
            "p_eel": [0.8, 0.1],
        }
        assert load_predictions(write_table(columns)).classes.tolist() == [
            "red_fox",
            "eel",
        ]

    def test_integer_labels_match_the_numbers_in_the_names(self, write_table):
        path = write_table({"y": [20, 10], "logit_10": [-1, 2], "logit_20": [3, -4]})
        predictions = load_predictions(path)
        assert predictions.y.dtype == np.int64
        assert predictions.y.tolist() == [20, 10]
        assert predictions.classes.tolist() == [10, 20]
        assert predictions.kind == "logit"

    def test_labels_without_a_column_leave_the_classes_open(self, write_table):
        path = write_table(
            {"y": [0, 1], "proba_cat": [0.9, 0.2], "proba_dog": [0.1, 0.8]}
        )
        assert load_predictions(path).classes is None

    @pytest.mark.parametrize(
        ("name", "kind"), [("y_proba", "proba"), ("logit", "logit"), ("score", "auto")]
    )
    def test_a_single_column_is_a_row_of_scores(self, write_table, name, kind):
        predictions = load_predictions(write_table({"label": [1, 0], name: [0.8, 0.3]}))
        assert predictions.scores.tolist() == [0.8, 0.3]
        assert predictions.kind == kind
        assert predictions.classes is None

    def test_whole_numbers_written_as_floats_are_integer_labels(self, write_table):
        predictions = load_predictions(write_table({"y": [1.0, 0.0], "p": [0.8, 0.3]}))
        assert predictions.y.dtype == np.int64

    def test_csv_and_parquet_give_the_same(self, write, rng):
        frame = pd.DataFrame(rng.normal(size=(20, 3)), columns=list("abc"))
        frame = frame.add_prefix("logit_").assign(label=rng.choice(list("abc"), 20))
        one = load_predictions(write("t.csv", frame.to_csv(index=False)))
        two = load_predictions(write("t.parquet", frame))
        assert one.kind == two.kind == "logit"
        assert one.classes.tolist() == two.classes.tolist() == ["a", "b", "c"]
        np.testing.assert_array_equal(one.y, two.y)
        np.testing.assert_array_equal(one.scores, two.scores)

    def test_the_index_of_a_frame_is_no_column(self, write):
        frame = pd.DataFrame({"y": [1, 0], "p": [0.8, 0.3]}, index=[70, 80])
        assert load_predictions(write("t.parquet", frame)).scores.tolist() == [0.8, 0.3]

    def test_a_csv_may_start_with_a_byte_order_mark(self, write):
        path = write("t.csv", "\ufefflabel,p\n1,0.8\n0,0.3\n")
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        assert load_predictions(path).y.tolist() == [1, 0]

    def test_blanks_quotes_and_empty_lines_of_a_csv_do_not_count(self, write):
        content = b'label ,"proba_a", proba_b\r\n a,0.8,"0.2"\r\n\r\n'
        predictions = load_predictions(write("t.csv", content))
        assert predictions.y.tolist() == ["a"]
        assert predictions.scores.tolist() == [[0.8, 0.2]]
        assert predictions.classes.tolist() == ["a", "b"]


class TestRefusedFiles:
    def test_a_file_that_does_not_exist_is_named(self, tmp_path):
        assert "no such file" in refusal(tmp_path / "none.csv")

    def test_a_folder_is_not_a_file(self, tmp_path):
        (tmp_path / "folder.npz").mkdir()
        assert "no such file" in refusal(tmp_path / "folder.npz")

    @pytest.mark.parametrize("name", ["a.txt", "a.npy", "a.pkl", "a"])
    def test_an_unknown_suffix_is_told_the_known_ones(self, write, name):
        message = refusal(write(name, "label,p\n1,0.8\n"))
        suffix = name[1:]
        assert f"unknown file type {suffix!r}" in message
        assert ".npz, .csv, .parquet" in message


class TestRefusedArrays:
    def test_a_missing_label_array_is_named(self, write):
        message = refusal(write("a.npz", {"probs": SCORES, "truth": [0, 1, 1]}))
        assert "no array of labels" in message
        assert "['probs', 'truth']" in message  # found
        assert ", ".join(LABEL_NAMES) in message  # expected

    def test_two_label_arrays_are_named(self, write):
        arrays = {"labels": [0, 1, 1], "y_true": [0, 1, 1], "p": SCORES}
        message = refusal(write("a.npz", arrays))
        assert "several arrays of labels: ['y_true', 'labels']" in message

    def test_missing_scores_are_named(self, write):
        message = refusal(write("a.npz", {"labels": [0, 1, 1], "outputs": SCORES}))
        assert "no array of scores" in message
        assert "['labels', 'outputs']" in message
        assert "logits" in message

    def test_two_score_arrays_are_named(self, write):
        arrays = {"labels": [0, 1, 1], "logits": SCORES, "probs": SCORES}
        message = refusal(write("a.npz", arrays))
        assert "several arrays of scores: ['probs', 'logits']" in message

    def test_different_lengths_are_counted(self, write):
        message = refusal(write("a.npz", {"y": [0, 1], "p": SCORES}))
        assert "3 rows of scores but 2 labels" in message

    def test_arrays_without_rows_are_refused(self, write):
        arrays = {"y": np.zeros(0, int), "p": np.zeros((0, 2))}
        assert "no samples" in refusal(write("a.npz", arrays))

    @pytest.mark.parametrize("arrays", [{"y": 1, "p": SCORES}, {"y": [0, 1], "p": 0.5}])
    def test_a_number_in_place_of_an_array_is_refused(self, write, arrays):
        assert re.search("scores|labels", refusal(write("a.npz", arrays)))

    def test_scores_that_are_text_are_refused(self, write):
        arrays = {"y": [0, 1, 1], "p": np.full((3, 2), "high")}
        assert re.search(r"number|numeric", refusal(write("a.npz", arrays)))

    def test_nothing_is_unpickled(self, write, tmp_path):
        class Trap:
            def __reduce__(self):
                return (tmp_path.joinpath("sprung").touch, ())

        arrays = {"y": np.array([Trap(), Trap()], dtype=object), "p": SCORES[:2]}
        message = refusal(write("a.npz", arrays))
        assert "plain arrays" in message
        assert not (tmp_path / "sprung").exists()

    @pytest.mark.parametrize("content", [b"", b"hello", b"label,p\n1,0.8\n"])
    def test_a_file_that_is_no_archive_is_refused(self, write, content):
        assert "cannot be read as an .npz file" in refusal(write("a.npz", content))

    def test_a_single_array_is_no_archive(self, write, tmp_path):
        np.save(tmp_path / "one.npy", np.zeros(3))
        content = (tmp_path / "one.npy").read_bytes()
        assert "npz" in refusal(write("a.npz", content))

    def test_a_truncated_archive_is_refused(self, write):
        content = write("whole.npz", {"y": [0, 1, 1], "p": SCORES}).read_bytes()
        message = refusal(write("a.npz", content[: len(content) // 2]))
        assert "cannot be read as an .npz file" in message

    @pytest.mark.parametrize("offset", [25, 500])  # the first bytes, and later ones
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_damaged_data_is_refused(self, write, tmp_path, rng, save, offset):
        save(tmp_path / "whole.npz", y=[0] * 500, p=rng.random((500, 2)))
        content = bytearray((tmp_path / "whole.npz").read_bytes())
        start = content.index(b"p.npy") + offset
        for i in range(start, start + 40):
            content[i] ^= 0xFF
        message = refusal(write("a.npz", bytes(content)))
        assert "cannot be read as an .npz file" in message


class TestRefusedTables:
    def test_a_missing_label_column_is_named(self, write_table):
        message = refusal(write_table({"proba_a": [0.8], "proba_b": [0.2]}))
        assert "found none among ['proba_a', 'proba_b']" in message
        assert ", ".join(LABEL_NAMES) in message

    def test_two_label_columns_are_named(self, write_table):
        message = refusal(write_table({"label": [1], "y": [1], "p": [0.8]}))
        assert "['label', 'y']" in message

    def test_labels_alone_are_refused(self, write_table):
        assert "no columns of scores" in refusal(write_table({"label": [1, 0]}))

    @pytest.mark.parametrize(
        "names",
        [("proba_a", "logit_b"), ("proba_a", "b"), ("probs_a", "logits_a", "score_a")],
    )
    def test_mixed_kinds_of_columns_are_named(self, write_table, names):
        message = refusal(write_table({"y": ["a"], **{name: [0.5] for name in names}}))
        assert f"the columns {list(names)} mix kinds" in message

    def test_a_cell_that_is_no_number_is_named_with_its_row(self, write_table):
        columns = {"y": [0, 1, 1], "p_0": ["0.9", "0.3", "0.4"], "p_1": ["0", "x", "1"]}
        message = refusal(write_table(columns))
        assert "column 'p_1', row 2 of the data is 'x'" in message

    def test_a_column_of_names_is_not_taken_for_scores(self, write_table):
        columns = {"id": ["img7"], "y": [1], "score_0": [0.8], "score_1": [0.2]}
        assert "column 'id', row 1 of the data is 'img7'" in refusal(
            write_table(columns)
        )

    def test_an_empty_cell_is_named_with_its_row(self, write):
        message = refusal(write("t.csv", "y,p_0,p_1\n0,0.9,0.1\n1,,0.7\n"))
        assert "column 'p_0', row 2 of the data is ''" in message

    def test_lists_in_cells_are_refused(self, write):
        message = refusal(write("t.parquet", {"y": [0, 1], "p": SCORES[:2]}))
        assert "column 'p', row 1" in message

    def test_a_repeated_column_is_named(self, write):
        message = refusal(write("t.csv", "y,p_a,p_a\na,0.9,0.1\na,0.3,0.7\n"))
        assert "p_a" in message

    @pytest.mark.parametrize("row", ["1,0.3", "1,0.3,0.7,0.1"])
    def test_a_ragged_line_of_a_csv_is_counted(self, write, row):
        message = refusal(write("t.csv", f"y,p_0,p_1\n0,0.9,0.1\n{row}\n"))
        assert f"line 3 has {row.count(',') + 1} fields, the header 3" in message

    def test_the_number_of_a_line_counts_empty_lines_too(self, write):
        message = refusal(write("t.csv", "y,p_0,p_1\n\n0,0.9,0.1\n\n1,0.3\n"))
        assert "line 5" in message

    @pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
    def test_an_empty_csv_is_refused(self, write, content):
        assert "the file is empty" in refusal(write("t.csv", content))

    def test_a_csv_in_another_encoding_is_refused(self, write):
        content = "label,p\nété,0.8\n".encode("latin-1")
        assert "cannot be read as CSV" in refusal(write("t.csv", content))

    def test_a_csv_with_other_separators_shows_its_header(self, write):
        assert "'label;p'" in refusal(write("t.csv", "label;p\n1;0.8\n"))

    def test_a_table_without_rows_is_refused(self, write_table):
        assert "no samples" in refusal(write_table({"y": [], "p_0": [], "p_1": []}))

    @pytest.mark.parametrize("content", [b"", b"PAR1 but no more PAR1", b"y,p\n1,0.8"])
    def test_a_file_that_is_no_parquet_is_refused(self, write, content):
        assert "cannot be read as parquet" in refusal(write("t.parquet", content))

    @pytest.mark.parametrize("span", [(4, 60), (4, -8)])
    def test_a_damaged_parquet_is_refused(self, write, span):
        whole = write("whole.parquet", {"y": [0, 1], "p": [0.8, 0.3]}).read_bytes()
        content = bytearray(whole)
        for i in range(span[0], span[1] % len(content)):
            content[i] ^= 0x5A
        assert "cannot be read as parquet" in refusal(
            write("t.parquet", bytes(content))
        )

    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_a_missing_label_is_named_with_its_row(self, write, suffix):
        frame = pd.DataFrame({"y": ["a", None], "p_a": [0.9, 0.3], "p_b": [0.1, 0.7]})
        content = frame if suffix == "parquet" else frame.to_csv(index=False)
        message = refusal(write(f"t.{suffix}", content))
        assert "row 2" in message


def test_a_prefix_may_hold_an_underscore(write):
    path = write("t.csv", "y_true,y_proba_0,y_proba_1\n0,0.9,0.1\n1,0.2,0.8\n")
    predictions = load_predictions(path)
    assert predictions.kind == "proba"
    assert predictions.classes.tolist() == [0, 1]


def test_a_column_of_labels_is_one_row(write):
    predictions = load_predictions(
        write("a.npz", {"y": np.array([[0], [1], [1]]), "p": SCORES})
    )
    assert predictions.y.tolist() == [0, 1, 1]
