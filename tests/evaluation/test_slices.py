"""Slice columns become groups; what cannot is named with a reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectkit.data import make_table
from affectkit.evaluation.slices import slice_entries, slice_groups, slice_masks


def table_with(**columns):
    rows = len(next(iter(columns.values())))
    ids = [str(row) for row in range(rows)]
    return make_table({"image_id": ids, "split": "test", **columns}, "folder")


def test_kinds_of_columns():
    rows = 30
    table = table_with(
        gender=["female", "male", None] * 10,
        glasses=[True, False] * 15,
        age=list(range(rows)),
        subset=[0, 1, 2] * 10,
        action_units=['{"AU12": 1}', '{"AU4": 1}'] * 15,
        photographer=[f"p{i}" for i in range(rows)],
        country=["uk"] * rows,
        points=[[1, 2]] * rows,
        expression_second=[0, 1] * 15,
        agreement=pd.Categorical(["low", "high", "high"] * 10, ["low", "high"], ordered=True),
    )
    groups, skipped = slice_groups(table)
    names = {name: list(column.cat.categories) for name, column in groups.items()}
    assert names == {
        "gender": ["female", "male", "missing"],
        "glasses": ["False", "True"],
        "age": ["<= 9.67", "9.67 to 19.3", "> 19.3"],
        "subset": ["0", "1", "2"],
        "agreement": ["low", "high"],
    }
    assert groups["age"].value_counts().tolist() == [10, 10, 10]
    assert skipped == {
        "action_units": "holds JSON",
        "photographer": "30 categories, more than 12",
        "country": "fewer than 2 values",
        "points": "values are not single words or numbers",
        "expression_second": "an annotation",
    }


def test_group_metrics_by_hand_and_the_small_flag():
    table = table_with(gender=["f"] * 25 + ["m"] * 5)
    values = np.r_[np.ones(25), np.zeros(5)]
    masks = slice_masks(slice_groups(table)[0])
    entries = slice_entries(masks, lambda key, mask: {"mean": values[mask].mean(), "key": key})
    assert entries["gender"] == [
        {"group": "f", "rows": 25, "small": False, "mean": 1, "key": ("gender", "f")},
        {"group": "m", "rows": 5, "small": True, "mean": 0, "key": ("gender", "m")},
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=5, max_size=40))
def test_every_row_is_in_exactly_one_group(numbers):
    table = table_with(light=np.array(numbers, float))
    for column in slice_groups(table)[0].values():
        masks = slice_masks({"light": column})
        assert np.sum(list(masks.values()), axis=0) == pytest.approx(np.ones(len(numbers)))
        missing = np.array([number is None for number in numbers])
        if missing.any():
            assert np.array_equal(masks["light", "missing"], missing)
