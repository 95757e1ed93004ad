"""The noise ceiling of tables with several annotations."""

import pytest
from sklearn.metrics import cohen_kappa_score

from affectkit.data import make_table
from affectkit.evaluation.noise_ceiling import noise_ceiling


def table_with(**columns):
    base = {"image_id": list("abcd"), "split": "test", "expression": [0, 1, 2, 3]}
    return make_table(base | columns, "affectfaces")


def test_both_annotations_as_codes_or_names():
    table = table_with(
        expression_second=[0, 1, 3, None], expression_clean=["Neutral", "Sad", "Sad", "Surprise"]
    )
    result = noise_ceiling(table, [0, 2, 2, 0])
    assert result == pytest.approx(
        {
            "annotator_agreement": 2 / 3,
            "annotator_kappa": cohen_kappa_score([0, 1, 2], [0, 1, 3]),
            "label_accuracy": 0.75,
            "accuracy_against_clean": 0.75,
        }
    )


def test_one_annotation_only():
    result = noise_ceiling(table_with(expression_clean=[0, 1, 2, 2]), [0, 0, 0, 0])
    assert result == {"label_accuracy": 0.75, "accuracy_against_clean": 0.25}


def test_none_without_the_columns():
    assert noise_ceiling(table_with(), [0, 0, 0, 0]) is None
