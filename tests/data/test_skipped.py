"""The list of skipped rows: counted, saved, warned about once."""

import pandas as pd
import pytest

from affectkit.data.skipped import SkippedRows


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
