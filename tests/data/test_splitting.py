"""Splits and subsets: exact shares, subjects whole, seeded."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectkit.data import make_table
from affectkit.data.splitting import (
    assign_splits,
    hold_out_validation,
    limit_rows,
    stratified_order,
)


def table_of(codes, subjects=None, split="train"):
    columns = {
        "image_id": [f"{number}.jpg" for number in range(len(codes))],
        "expression": codes,
        "split": split,
    }
    if subjects is not None:
        columns["subject"] = subjects
    return make_table(columns, "folder", "folder")


def test_stratified_order_by_hand():
    order = stratified_order(table_of([0, 1, 0, 0, 0]), seed=3)
    assert sorted(order[[0, 2, 3, 4]]) == [0.125, 0.375, 0.625, 0.875]
    assert order[1] == 0.5


def test_stratified_shares():
    splits = assign_splits(table_of([0] * 100 + [5] * 20), seed=0)
    assert splits[:100].value_counts().to_dict() == {"train": 70, "validation": 15, "test": 15}
    assert splits[100:].value_counts().to_dict() == {"train": 14, "validation": 3, "test": 3}


def test_rows_without_a_subject_are_on_their_own():
    table = table_of([0] * 30, ["a"] * 10 + [None] * 20)
    splits = assign_splits(table, seed=1)
    assert splits[:10].nunique() == 1
    assert splits[10:].nunique() == 3


def test_hold_out_takes_a_share_of_each_expression():
    table = table_of([0] * 100 + [5] * 20)
    held = hold_out_validation(table, 0.1, seed=0)
    counts = held.groupby(["split", "expression"]).size().to_dict()
    assert counts == {
        ("train", 0): 90,
        ("train", 5): 18,
        ("validation", 0): 10,
        ("validation", 5): 2,
    }
    assert held.attrs == table.attrs
    assert (table["split"] == "train").all()
    assert not held.equals(hold_out_validation(table, 0.1, seed=1))


def test_hold_out_keeps_subjects_whole_and_a_given_validation_split():
    table = table_of([0] * 40, [f"s{i // 4}" for i in range(40)])
    held = hold_out_validation(table, 0.2, seed=0)
    groups = held.groupby("split")["subject"].agg(set)
    assert len(groups["validation"]) == 2
    assert not groups["train"] & groups["validation"]
    given_split = table_of([0, 0], split=["train", "validation"])
    assert hold_out_validation(given_split, 0.5, 0).equals(given_split)


def test_few_subjects_still_fill_every_split():
    three = table_of([0] * 6, ["a", "a", "b", "b", "c", "c"])
    splits = assign_splits(three, seed=0)
    assert splits.groupby(three["subject"]).nunique().tolist() == [1, 1, 1]
    assert set(splits) == {"train", "validation", "test"}
    held = hold_out_validation(three, 0.01, seed=0)
    assert held["split"].value_counts().to_dict() == {"train": 4, "validation": 2}
    one = table_of([0, 1], ["a", "a"])
    assert (hold_out_validation(one, 0.5, seed=0)["split"] == "train").all()
    assert set(assign_splits(one, seed=0)) == {"train"}


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_impossible_fraction(fraction):
    with pytest.raises(ValueError, match=r"expected validation_fraction in \(0, 1\)"):
        hold_out_validation(table_of([0, 1]), fraction, 0)


def test_limit_is_stratified_and_noted():
    table = table_of([0] * 80 + [5] * 20, split=["train"] * 100)
    limited = limit_rows(table, 10, seed=0)
    assert limited["expression"].value_counts().to_dict() == {0: 8, 5: 2}
    assert limited.attrs == {"dataset": "folder", "protocol": "folder (subset of 10)"}
    assert table.attrs["protocol"] == "folder"
    numbers = limited["image_id"].str.removesuffix(".jpg").astype(int)
    assert numbers.is_monotonic_increasing


def test_a_limit_that_drops_nothing_changes_nothing():
    table = table_of([0, 1])
    assert limit_rows(table, 2, 0) is table
    with pytest.raises(ValueError, match="at least 1"):
        limit_rows(table, 0, 0)


codes = st.lists(st.one_of(st.none(), st.integers(0, 10)), min_size=1, max_size=60)


@given(codes, st.integers(0, 5))
@settings(deadline=None)
def test_order_is_a_permutation_with_exact_shares(values, seed):
    table = pd.DataFrame({"expression": pd.array(values, "Int64")})
    order = stratified_order(table, seed)
    assert ((order > 0) & (order < 1)).all()
    for _, places in pd.Series(order).groupby(pd.Series(values, dtype=float).fillna(-1)):
        size = len(places)
        np.testing.assert_allclose(sorted(places), (np.arange(size) + 0.5) / size)


@given(codes, st.integers(1, 20), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_limit_properties(values, limit, seed):
    splits = ["train" if number % 3 else "test" for number in range(len(values))]
    table = table_of(pd.array(values, "Int64"), split=splits)
    limited = limit_rows(table, limit, seed)
    before, after = table["split"].value_counts(), limited["split"].value_counts()
    assert after.to_dict() == before.clip(upper=limit).to_dict()
    assert limited.equals(limit_rows(table, limit, seed))
    assert set(limited["image_id"]) <= set(table["image_id"])
