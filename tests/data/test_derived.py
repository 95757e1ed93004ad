"""Derived valence and arousal, by hand."""

import numpy as np
import pandas as pd
import pytest

from affectkit.data import make_table
from affectkit.data.derived import derive_valence_arousal, expected_valence_arousal


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
