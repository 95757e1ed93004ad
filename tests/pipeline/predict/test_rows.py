"""The rows of predictions and their three formats."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectkit.labels import EXPRESSIONS
from affectkit.pipeline import FaceAffect
from affectkit.pipeline.predict.rows import (
    COLUMNS,
    check_format,
    face_rows,
    write_table,
)

PROBABILITIES = dict(
    zip(EXPRESSIONS, (0.5, 0.25, 0.125, 0.0625, 0.03125, 0.03125, 0, 0), strict=True)
)
FACE = FaceAffect(
    *((1.2345, -2.0, 30.0, 30.0), 0.91, "Neutral", PROBABILITIES, 0.1234567, -1.0, 4),
    plausible=("Neutral", "Happy"),
)


def test_a_row_has_every_value_in_its_column():
    (row,) = face_rows("a.mp4", [FACE], 7, 0.28)
    assert list(row) == list(COLUMNS)
    assert row["file"] == "a.mp4"
    assert (row["frame"], row["seconds"], row["face"], row["track"]) == (7, 0.28, 0, 4)
    assert [row[name] for name in ("x", "y", "width", "height")] == [1.23, -2.0, 30.0, 30.0]
    assert (row["expression"], row["probability_neutral"], row["probability_sad"]) == (
        "Neutral", 0.5, 0.125
    )  # fmt: skip
    assert (row["valence"], row["arousal"]) == (0.123457, -1.0)
    assert row["plausible"] == "Neutral;Happy"


def test_a_picture_without_faces_and_a_regressors_face_have_rows_too():
    (row,) = face_rows("a.jpg", [])
    assert row == dict.fromkeys(COLUMNS) | {"file": "a.jpg"}
    (row, second) = face_rows("a.jpg", [FaceAffect((0, 0, 9, 9), 1.0, None, {}, 0.5, 0.5)] * 2)
    assert row["expression"] is None
    assert row["probability_happy"] is row["plausible"] is None
    assert (row["face"], second["face"]) == (0, 1)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1)


def write(rows, path):
    write_table((tuple(row[name] for name in COLUMNS) for row in rows), path)
    return path


@settings(deadline=None)
@given(st.lists(NAMES, max_size=5))
def test_any_name_comes_back_from_both_kinds_of_lines(tmp_path_factory, names):
    rows = [row for name in names for row in face_rows(name, [FACE])]
    folder = tmp_path_factory.getbasetemp()
    lines = write(rows, folder / "names.jsonl").read_bytes().decode().split("\n")[:-1]
    assert [json.loads(line) for line in lines] == rows
    read = pd.read_csv(
        write(rows, folder / "names.csv"), keep_default_na=False, dtype={"file": str}
    )
    assert list(read) == list(COLUMNS)
    formulas = tuple("=+-@\t\r\n")  # for a spreadsheet; behind ./ it is the same file, and none
    assert read["file"].tolist() == [f"./{n}" if n.startswith(formulas) else n for n in names]


def test_parquet_has_the_same_values_and_whole_numbers_stay_whole(tmp_path):
    rows = face_rows("ä.mp4", [FACE], 0, 0.0) + face_rows("ä.mp4", [], 1, 0.04)
    read = pd.read_parquet(write(rows, tmp_path / "rows.parquet"), dtype_backend="numpy_nullable")
    assert list(read) == list(COLUMNS)
    assert read["frame"].tolist() == [0, 1]
    assert str(read["face"].dtype) == "Int64"
    assert read.loc[0].to_dict() == rows[0]
    assert read.loc[1].dropna().to_dict() == {"file": "ä.mp4", "frame": 1, "seconds": 0.04}
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.parquet"]


@pytest.mark.parametrize(
    ("format", "read"),
    [
        (".parquet", pd.read_parquet),
        (".csv", pd.read_csv),
        (".jsonl", lambda path: pd.read_json(path, lines=True)),
    ],
)
def test_the_bytes_of_a_name_that_is_not_utf_8_are_spelt_out(tmp_path, format, read):
    path = write(face_rows("a\udcff.jpg", []), tmp_path / f"rows{format}")
    path.read_bytes().decode("utf-8" if format != ".parquet" else "latin-1")
    assert read(path)["file"].tolist() == ["a\\xff.jpg"]


def test_an_older_table_stays_where_the_new_one_can_t_be_written(tmp_path):
    path = write(face_rows("a.jpg", []), tmp_path / "rows.csv")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="damaged"):
        write_table(iter_and_fail(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def iter_and_fail():
    yield tuple(face_rows("b.jpg", [])[0].values())
    raise ValueError("damaged")


def test_other_formats_are_told():
    with pytest.raises(ValueError, match=r"end in \.csv, \.parquet, \.jsonl, got 'a\.xlsx'"):
        check_format("a.xlsx")
    assert check_format("A.CSV").name == "A.CSV"
