"""The list of skipped rows: counted, saved, warned about once."""

import pandas as pd
import pytest

from affectkit.data import SkippedRows
from affectkit.data.skipped import merge_skipped_files


def filled():
    skipped = SkippedRows()
    skipped.add("a.csv", 3, "expression '12' is unknown", "correct the label")
    skipped.add("a.csv", 9, "expression '12' is unknown", "correct the label")
    skipped.add("b.csv", "7", "there is no image", "restore it")
    return skipped


def test_counts_most_frequent_first():
    assert list(filled().counts().items()) == [
        ("expression '12' is unknown", 2),
        ("there is no image", 1),
    ]


def test_csv_round_trip_makes_the_folder(tmp_path):
    path = filled().to_csv(tmp_path / "new" / "skipped.csv")
    frame = pd.read_csv(path, dtype=str)
    assert list(frame) == ["file", "row", "reason", "remedy"]
    assert frame["row"].tolist() == ["3", "9", "7"]
    empty = SkippedRows().to_csv(tmp_path / "none.csv")
    assert list(pd.read_csv(empty)) == ["file", "row", "reason", "remedy"]


def test_warns_only_of_new_rows(recwarn):
    skipped = filled()
    skipped.warn(10, since=3)
    assert len(recwarn) == 0
    with pytest.warns(UserWarning, match=r"skipped 1 of 10 rows \(b\.csv row 7: there is no"):
        skipped.warn(10, since=2)


def test_no_spreadsheet_takes_a_cell_for_a_formula(tmp_path):
    skipped = SkippedRows()
    skipped.add("=1+1.csv", "@row", "-x.png can't be read as an image", "see the reason")
    (row,) = pd.read_csv(skipped.to_csv(tmp_path / "a.csv"), dtype=str).to_numpy().tolist()
    assert row[:3] == ["./=1+1.csv", "./@row", "./-x.png can't be read as an image"]


def test_two_lists_become_one_with_each_row_once(tmp_path):
    merged, new = tmp_path / "logs" / "all.csv", tmp_path / "new.csv"
    assert merge_skipped_files(merged, new).empty
    filled().to_csv(new)
    assert len(merge_skipped_files(merged, new)) == 3
    more = SkippedRows()
    more.add("c.csv", 1, "late", "none")
    more.to_csv(new)
    rows = merge_skipped_files(merged, new)
    assert rows["file"].tolist() == ["a.csv", "a.csv", "b.csv", "c.csv"]
    assert merged.read_bytes() == new.read_bytes()
    new.write_bytes(b"other,columns\n1,2\n")
    with pytest.raises(ValueError, match=r"new\.csv does not list skipped rows .*move it away"):
        merge_skipped_files(merged, new)
