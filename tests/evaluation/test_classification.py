"""The surest mistakes come first; the noise ceiling of tables with several annotations."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from affectkit.data import make_table
from affectkit.evaluation import evaluate_classification, worst_mistakes


def case():
    table = make_table(
        {"image_id": list("abcde"), "split": "test", "expression": [0, 1, 2, 7, None]}, "folder"
    )
    probabilities = np.full((5, 8), 0.0)
    for row, (true, predicted, confidence) in enumerate(
        [(0, 1, 0.6), (1, 1, 0.99), (2, 3, 0.9), (7, 0, 0.7), (0, 5, 1.0)]
    ):
        probabilities[row, true] += 1 - confidence
        probabilities[row, predicted] += confidence
    return probabilities, table


def test_order_names_and_unlabelled_rows():
    mistakes = worst_mistakes(*case())
    assert mistakes["image_id"].tolist() == ["c", "d", "a"]
    assert mistakes["true"].tolist() == ["Sad", "Contempt", "Neutral"]
    assert mistakes["predicted"].tolist() == ["Surprise", "Neutral", "Happy"]
    assert mistakes["confidence"].tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert mistakes["true_probability"].tolist() == pytest.approx([0.1, 0.3, 0.4])
    assert mistakes.index.tolist() == [2, 3, 0]


def test_count_and_seven_classes():
    assert len(worst_mistakes(*case(), count=1)) == 1
    seven = worst_mistakes(*case(), protocol="affectnet-3500-7class")
    assert seven["image_id"].tolist() == ["c", "a"]


def test_no_mistake_gives_no_row():
    _, table = case()
    labels = table["expression"].fillna(0).to_numpy(int)
    assert worst_mistakes(np.eye(8)[labels], table).empty


def test_plausible_expressions_by_hand():
    """The label is first or has two thirds of it in a; not in c and d, nor twice in b."""
    probabilities, table = case()
    found = evaluate_classification(probabilities, table, bootstrap=50, plausible_share=0.6)
    assert found["plausible"]["share"] == 0.6
    assert found["plausible"]["coverage"]["value"] == pytest.approx(2 / 4)
    assert found["plausible"]["size"]["value"] == pytest.approx(5 / 4)
    assert 0 <= found["plausible"]["coverage"]["low"] <= found["plausible"]["coverage"]["high"] <= 1
    assert "plausible" not in evaluate_classification(probabilities, table, bootstrap=0)


def noise_ceiling(predicted, **columns):
    base = {"image_id": list("abcd"), "split": "test", "expression": [0, 1, 2, 3]}
    table = make_table(base | columns, "affectfaces")
    return evaluate_classification(np.eye(8)[predicted], table, bootstrap=0).get("noise_ceiling")


def test_both_annotations_as_codes_or_names():
    result = noise_ceiling(
        [0, 2, 2, 0],
        expression_second=[0, 1, 3, None],
        expression_clean=["Neutral", "Sad", "Sad", "Surprise"],
    )
    assert result == pytest.approx(
        {
            "annotator_agreement": 2 / 3,
            "annotator_kappa": cohen_kappa_score([0, 1, 2], [0, 1, 3]),
            "label_accuracy": 0.75,
            "accuracy_against_clean": 0.75,
        }
    )


def test_one_annotation_only():
    result = noise_ceiling([0, 0, 0, 0], expression_clean=[0, 1, 2, 2])
    assert result == {"label_accuracy": 0.75, "accuracy_against_clean": 0.25}


def test_no_ceiling_without_the_columns():
    assert noise_ceiling([0, 0, 0, 0]) is None
