"""The schema that every loader's table must meet."""

import numpy as np
import pandas as pd
import pytest

from affectkit.data import (
    BOX_COLUMNS,
    SOFT_LABEL_COLUMNS,
    make_table,
    slice_columns,
    soft_labels,
)
from affectkit.data.table import (
    STANDARD_COLUMNS,
    derive_valence_arousal,
    expected_valence_arousal,
)

MINIMAL = {"image_id": ["a", "b"], "split": ["train", "test"]}


def test_absent_columns_are_filled_in():
    table = make_table(MINIMAL | {"lamp": ["warm", "cold"]}, "folder", "all")
    assert list(table) == [*STANDARD_COLUMNS, "lamp"]
    assert slice_columns(table) == ["lamp"]
    assert table.attrs == {"dataset": "folder", "protocol": "all"}
    assert table[["row", "expression", "valence", "subject"]].isna().all(axis=None)
    assert not table["derived_valence_arousal"].any()


@pytest.mark.parametrize(
    "bad",
    [
        {"split": ["train", "dev"]},
        {"expression": [0, 11]},
        {"valence": [0, 1.01]},
        {"arousal": [-2, 0]},
        {"face_width": [5, 5]},
        {"face_x": [0, 0], "face_y": [0, 0], "face_width": [5, 0], "face_height": [5, 5]},
        {"image_id": ["a", "a"], "split": ["test", "test"]},
        {"row": [0, -1]},
        {name: [0.125, 0.2] for name in SOFT_LABEL_COLUMNS},
        {"soft_happy": [1, 1]},
    ],
    ids=lambda bad: "+".join(bad)[:30],
)
def test_breaches_of_the_schema_are_value_errors(bad):
    with pytest.raises(ValueError, match="'folder' breaks its schema"):
        make_table(MINIMAL | bad, "folder")


@pytest.mark.parametrize("number", [np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("column", BOX_COLUMNS)
def test_a_box_beyond_any_picture_is_refused(column, number):
    box = {name: [1.0, 1.0] for name in BOX_COLUMNS} | {column: [1.0, number]}
    with pytest.raises(ValueError, match="'folder' breaks its schema"):
        make_table(MINIMAL | box, "folder")


def test_one_image_may_be_in_two_splits_by_name():
    assert len(make_table({"image_id": ["a", "a"], "split": ["train", "test"]}, "folder")) == 2


def test_soft_labels_fall_back_to_one_hot():
    shares = {name: [np.nan, 0.0] for name in SOFT_LABEL_COLUMNS}
    shares |= {"soft_happy": [np.nan, 0.75], "soft_contempt": [np.nan, 0.25]}
    table = make_table(MINIMAL | shares | {"expression": [6, 1]}, "folder")
    expected = [[0, 0, 0, 0, 0, 0, 1, 0], [0, 0.75, 0, 0, 0, 0, 0, 0.25]]
    np.testing.assert_array_equal(soft_labels(table), expected)


def test_soft_labels_need_a_label():
    table = make_table(MINIMAL | {"expression": [1, 8]}, "folder")
    with pytest.raises(ValueError, match=r"'b' has neither.*protocol"):
        soft_labels(table)


def test_mean_of_class_means_by_hand():
    soft = np.zeros((2, 8))
    soft[0, [1, 3]] = 0.5  # half Happy (.672, .081), half Surprise (.183, .701)
    soft[1] = np.nan
    values = expected_valence_arousal(soft)
    np.testing.assert_allclose(values[0], [0.4275, 0.391])
    assert np.isnan(values[1]).all()


def test_unannotated_tables_are_filled_and_marked():
    columns = {"image_id": list("abcd"), "split": ["train"] * 4, "expression": [1, 6, pd.NA, 8]}
    columns["soft_sad"] = [np.nan] * 4
    with pytest.warns(UserWarning, match="derived from the expressions"):
        table = derive_valence_arousal(make_table(columns, "mine", "folder"))
    assert table["valence"].tolist()[:2] == [0.672, -0.426]
    assert table["arousal"].tolist()[:2] == [0.081, 0.554]
    assert table["valence"].isna().tolist() == [False, False, True, True]
    assert table["derived_valence_arousal"].tolist() == [True, True, False, False]
    assert table.attrs["protocol"] == "folder"


def test_annotated_tables_are_left_alone():
    columns = {"image_id": ["a", "b"], "split": ["train"] * 2, "expression": [1, 2]}
    table = make_table(columns | {"valence": [0.1, np.nan], "arousal": [0.2, np.nan]}, "mine")
    assert derive_valence_arousal(table) is table
