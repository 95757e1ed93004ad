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
    encode_header,
    encode_rows,
    face_rows,
    write_parquet,
)

PROBABILITIES = dict(
    zip(EXPRESSIONS, (0.5, 0.25, 0.125, 0.0625, 0.03125, 0.03125, 0, 0), strict=True)
)
FACE = FaceAffect((1.2345, -2.0, 30.0, 30.0), 0.91, "Neutral", PROBABILITIES, 0.1234567, -1.0, 4)


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


def test_a_picture_without_faces_and_a_regressors_face_have_rows_too():
    (row,) = face_rows("a.jpg", [])
    assert row == dict.fromkeys(COLUMNS) | {"file": "a.jpg"}
    (row, second) = face_rows("a.jpg", [FaceAffect((0, 0, 9, 9), 1.0, None, {}, 0.5, 0.5)] * 2)
    assert row["expression"] is None
    assert row["probability_happy"] is None
    assert (row["face"], second["face"]) == (0, 1)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1)


@settings(deadline=None)
@given(st.lists(NAMES, max_size=5))
def test_any_name_comes_back_from_both_kinds_of_lines(tmp_path_factory, names):
    rows = [row for name in names for row in face_rows(name, [FACE])]
    lines = encode_rows(rows, ".jsonl").decode().split("\n")[:-1]
    assert [json.loads(line) for line in lines] == rows
    path = tmp_path_factory.getbasetemp() / "names.csv"
    path.write_bytes(encode_header(".csv") + encode_rows(rows, ".csv"))
    read = pd.read_csv(path, keep_default_na=False, dtype={"file": str})
    assert list(read) == list(COLUMNS)
    formulas = tuple("=+-@\t\r\n")  # for a spreadsheet; behind ./ it is the same file, and none
    assert read["file"].tolist() == [f"./{n}" if n.startswith(formulas) else n for n in names]


def test_parquet_has_the_same_values_and_whole_numbers_stay_whole(tmp_path):
    pytest.importorskip("pyarrow")
    rows = face_rows("ä.mp4", [FACE], 0, 0.0) + face_rows("ä.mp4", [], 1, 0.04)
    lines, path = tmp_path / "rows.jsonl", tmp_path / "rows.parquet"
    lines.write_bytes(encode_rows(rows, ".jsonl"))
    write_parquet(lines, path)
    read = pd.read_parquet(path, dtype_backend="numpy_nullable")
    assert list(read) == list(COLUMNS)
    assert read["frame"].tolist() == [0, 1]
    assert str(read["face"].dtype) == "Int64"
    assert read.loc[0].to_dict() == rows[0]
    assert read.loc[1].dropna().to_dict() == {"file": "ä.mp4", "frame": 1, "seconds": 0.04}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["rows.jsonl", "rows.parquet"]


def test_other_formats_and_a_missing_pyarrow_are_told(monkeypatch):
    with pytest.raises(ValueError, match=r"end in \.csv, \.parquet, \.jsonl, got 'a\.xlsx'"):
        check_format("a.xlsx")
    monkeypatch.setattr("affectkit.pipeline.predict.rows.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "affectkit\[parquet\]"'):
        check_format("a.parquet")
    assert check_format("A.CSV").name == "A.CSV"
