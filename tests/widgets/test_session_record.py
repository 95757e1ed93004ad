from __future__ import annotations

import numpy as np
import pytest

from affectkit.labels import EXPRESSIONS
from affectkit.pipeline import FaceAffect
from affectkit.widgets.session_record import COLUMNS, SessionRecord


def face(expression="Happy", valence=0.5, track=None):
    probabilities = dict.fromkeys(EXPRESSIONS, 0.0125) | {expression: 0.9125}
    return FaceAffect((0, 0, 9, 9), 0.9, expression, probabilities, valence, -0.25, track)


def test_a_row_a_face():
    record = SessionRecord()
    record.add(0.0, 0, [])
    record.add(0.5, 1, [face(), face("Sad", -0.5)])
    record.add(1.0, 2, [face("Fear", track=7)])
    table = record.table()
    assert tuple(table.columns) == COLUMNS
    assert table["time"].tolist() == [0.5, 0.5, 1.0]
    assert table["frame"].tolist() == [1, 1, 2]
    assert table["face"].tolist() == [0, 1, 7]
    assert table["expression"].tolist() == ["Happy", "Sad", "Fear"]
    assert table["Sad"].tolist() == [0.0125, 0.9125, 0.0125]
    assert table["valence"].tolist() == [0.5, -0.5, 0.5]
    assert table["arousal"].tolist() == [-0.25] * 3


def test_an_empty_record_has_the_same_columns_and_types():
    record = SessionRecord()
    empty = record.table()
    record.add(0.0, 0, [face()])
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == record.table().dtypes.to_dict()


def test_without_a_classifier_there_is_no_expression():
    record = SessionRecord()
    record.add(0.0, 0, [FaceAffect((0, 0, 9, 9), 0.9, None, {}, 0.1, 0.2)])
    record.add(
        0.1, 1, [FaceAffect((0, 0, 9, 9), 0.9, "Sad", face("Sad").probabilities, None, None)]
    )
    table = record.table()
    assert table["expression"].isna().tolist() == [True, False]
    assert table["Neutral"].isna().tolist() == [True, False]
    assert np.isnan(table["valence"][1])


def test_the_oldest_rows_make_room():
    record = SessionRecord(limit=3)
    for number in range(5):
        record.add(float(number), number, [face()])
    assert record.table()["frame"].tolist() == [2, 3, 4]
    assert len(record) == 3
    record.clear()
    assert len(record.table()) == 0
    with pytest.raises(ValueError, match="at least 1 row, got 0"):
        SessionRecord(0)
