"""Targets and class weights, by hand."""

import numpy as np
import pandas as pd
import pytest

from affectkit.data import annotated_rows, make_table
from affectkit.training import class_weights, training_targets


def table_of(expressions, **columns):
    ids = [str(row) for row in range(len(expressions))]
    split = ["train"] * len(expressions)
    return make_table({"image_id": ids, "split": split, "expression": expressions} | columns, "t")


def test_class_weights_by_hand():
    table = table_of([0] * 6 + [1] * 2)
    # scikit-learn: 8 / (2 * 6) = 2/3 and 8 / (2 * 2) = 2; their mean over the rows is 1
    np.testing.assert_allclose(class_weights(table)[:3], [2 / 3, 2, 1], rtol=1e-6)
    np.testing.assert_array_equal(class_weights(table, balance=0), 1)
    half = np.sqrt([2 / 3, 2])
    mean = (6 * half[0] + 2 * half[1]) / 8
    np.testing.assert_allclose(class_weights(table, balance=0.5)[:2], half / mean, rtol=1e-6)


def test_targets_by_hand():
    table = table_of([1, 7], valence=[0.5, -0.25], arousal=[0.0, 1.0])
    np.testing.assert_array_equal(training_targets(table, "classification").argmax(axis=1), [1, 7])
    np.testing.assert_array_equal(training_targets(table, "regression"), [[0.5, 0], [-0.25, 1]])
    table.loc[1, "arousal"] = np.nan
    with pytest.raises(ValueError, match="1 of 2 rows of 't' have no valence and arousal"):
        training_targets(table, "regression")
    assert annotated_rows(table, "regression").tolist() == [True, False]


def test_annotated_rows_of_classification():
    table = table_of([0, 8, pd.NA, 7])
    assert annotated_rows(table, "classification").tolist() == [True, False, False, True]
