"""The whole evaluation of both tasks, on a table with every kind of column."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from affectkit.data import make_table
from affectkit.evaluation import (
    compare,
    evaluate_classification,
    evaluate_regression,
    fit_temperature,
)
from affectkit.evaluation.metrics.classification import CLASSIFICATION_METRICS
from affectkit.evaluation.metrics.regression import REGRESSION_METRICS
from affectkit.labels import EXPRESSIONS, VALENCE_AROUSAL

ROWS = 480


def build(split="test", rows=ROWS, seed=0, **columns):
    """A table, and predictions that are right about two times in three."""
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 8
    stats = np.array(list(VALENCE_AROUSAL.values()))[labels]
    noise = generator.normal(size=(rows, 2))
    truth = np.clip(stats[:, :2] + stats[:, 2:4] * noise, -1, 1)
    table = make_table(
        {
            "image_id": [f"{split}/{row}.jpg" for row in range(rows)],
            "split": split,
            "expression": labels,
            "valence": truth[:, 0],
            "arousal": truth[:, 1],
            "gender": generator.choice(["female", "male"], rows),
            "age": generator.integers(18, 80, rows),
        }
        | columns,
        "affectnet",
        "affectnet-4000",
    )
    logits = generator.normal(size=(rows, 8))
    logits[np.arange(rows), labels] += 2
    exponents = np.exp(4 * logits)  # the true posterior is at 2: twice too sure
    predictions = np.clip(truth + generator.normal(0, 0.2, (rows, 2)), -1, 1)
    return table, exponents / exponents.sum(axis=1, keepdims=True), predictions


@pytest.fixture(scope="module")
def classification():
    table, probabilities, _ = build()
    train, train_probabilities, _ = build("train", seed=1)
    temperature = fit_temperature(train["expression"].to_numpy(int), train_probabilities)
    return evaluate_classification(
        probabilities, table, train_table=train, temperature=temperature, bootstrap=200
    )


@pytest.fixture(scope="module")
def regression():
    table, _, predictions = build()
    train, _, _ = build("train", seed=1)
    return evaluate_regression(predictions, table, train_table=train, bootstrap=200)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_what_both_tasks_share(task, request):
    result = request.getfixturevalue(task)
    json.dumps(result, allow_nan=False)
    table = build()[0]
    assert result["task"] == task
    assert (result["dataset"], result["protocol"]) == ("affectnet", "affectnet-4000")
    assert (result["split"], result["rows"], result["rows_ignored"]) == ("test", ROWS, 0)
    ids = "\n".join(sorted(table["image_id"]))
    assert result["rows_digest"] == hashlib.sha256(ids.encode()).hexdigest()
    for entry in result["metrics"].values():
        assert entry["low"] < entry["value"] < entry["high"]
    assert result["baselines_fitted_on"] == "train"
    assert result["bootstrap"] == {
        "method": "percentile",
        "confidence": 0.95,
        "resamples": 200,
        "seed": 0,
        "unit": "row",
        "clusters": ROWS,
    }


def test_classification(classification):
    table, probabilities, _ = build()
    labels = table["expression"].to_numpy(int)
    correct = probabilities.argmax(axis=1) == labels
    assert list(classification["metrics"]) == list(CLASSIFICATION_METRICS)
    assert classification["metrics"]["accuracy"]["value"] == pytest.approx(correct.mean())
    matrix = np.array(classification["confusion_matrix"])
    assert matrix.sum() == ROWS
    assert np.trace(matrix) == correct.sum()
    assert classification["classes"] == list(EXPRESSIONS)
    for code, name in enumerate(EXPRESSIONS):
        entry = classification["per_class"][name]
        assert entry["n"] == 60
        assert entry["recall"] == pytest.approx(correct[labels == code].mean())
        assert entry["precision"] == pytest.approx(matrix[code, code] / matrix[:, code].sum())
    female = next(g for g in classification["slices"]["gender"] if g["group"] == "female")
    mask = (table["gender"] == "female").to_numpy()
    assert female["rows"] == mask.sum()
    assert female["accuracy"]["value"] == pytest.approx(correct[mask].mean())
    assert female["accuracy"]["low"] < female["accuracy"]["value"] < female["accuracy"]["high"]
    assert [group["rows"] for group in classification["slices"]["age"]] == pytest.approx(
        [160] * 3, abs=12
    )


def test_baselines_of_a_classifier_are_at_chance(classification):
    baselines = classification["baselines"]
    assert set(baselines) == {"dummy_most_frequent", "dummy_prior", "dummy_stratified"}
    assert baselines["dummy_most_frequent"]["accuracy"] == 0.125
    assert baselines["dummy_most_frequent"]["cohen_kappa"] == 0
    assert baselines["dummy_prior"]["roc_auc"] == 0.5
    assert baselines["dummy_prior"]["nll"] == pytest.approx(np.log(8))
    assert baselines["dummy_stratified"]["accuracy"] == pytest.approx(0.125, abs=0.05)


def test_temperature_improves_an_overconfident_model(classification):
    calibration = classification["calibration"]
    assert calibration["temperature"] == pytest.approx(2, rel=0.25)
    assert calibration["after"]["nll"]["value"] < calibration["before"]["nll"]["value"]
    assert calibration["after"]["ece"]["value"] < calibration["before"]["ece"]["value"]
    assert len(calibration["before"]["table"]) == calibration["bins"] == 15


def test_regression(regression):
    assert list(regression["metrics"]) == list(REGRESSION_METRICS)
    assert regression["metrics"]["valence_rmse"]["value"] == pytest.approx(0.2, abs=0.02)
    baselines = regression["baselines"]
    assert set(baselines) == {"constant_mean", "constant_affectnet", "class_mean_oracle"}
    assert baselines["constant_mean"]["valence_ccc"] == 0
    assert baselines["constant_mean"]["valence_rmse"] == pytest.approx(0.466, abs=0.02)
    assert baselines["class_mean_oracle"]["arousal_rmse"] == pytest.approx(0.146, abs=0.02)
    assert [group["group"] for group in regression["slices"]["expression"]] == list(EXPRESSIONS)
    assert regression["derived_rows"] == 0


def test_one_seed_gives_one_result():
    table, probabilities, predictions = build(rows=80)
    for evaluate, values in (
        (evaluate_classification, probabilities),
        (evaluate_regression, predictions),
    ):
        first, again, other = (
            evaluate(values, table, bootstrap=50, seed=seed) for seed in (1, 1, 2)
        )
        assert first == again
        assert first["metrics"] != other["metrics"]
        assert first["baselines_fitted_on"] == "evaluated rows"


def test_order_of_rows_does_not_matter():
    table, probabilities, _ = build(rows=80)
    order = np.random.default_rng(0).permutation(80)
    shuffled = table.iloc[order].reset_index(drop=True)
    first = evaluate_classification(probabilities, table, bootstrap=0)
    second = evaluate_classification(probabilities[order], shuffled, bootstrap=0)
    assert first["rows_digest"] == second["rows_digest"]
    for name, entry in first["metrics"].items():
        assert entry["low"] is None
        assert entry["value"] == pytest.approx(second["metrics"][name]["value"])


def test_subjects_are_the_unit_where_they_are_known():
    table, probabilities, predictions = build(subject=[f"s{row % 24}" for row in range(ROWS)])
    result = evaluate_classification(probabilities, table, bootstrap=20)
    assert (result["bootstrap"]["unit"], result["bootstrap"]["clusters"]) == ("subject", 24)
    result = evaluate_regression(predictions, table, bootstrap=20)
    assert result["bootstrap"]["unit"] == "subject"


def test_rows_without_a_label_are_ignored_and_counted():
    table, probabilities, predictions = build(rows=80)
    table.loc[[3, 4], "expression"] = [8, None]
    table.loc[[5], "valence"] = np.nan
    result = evaluate_classification(probabilities, table, bootstrap=0)
    assert (result["rows"], result["rows_ignored"]) == (78, 2)
    kept = table.drop([3, 4]).reset_index(drop=True)
    expected = evaluate_classification(np.delete(probabilities, [3, 4], 0), kept, bootstrap=0)
    assert result["metrics"] == expected["metrics"]
    result = evaluate_regression(predictions, table, bootstrap=0)
    assert (result["rows"], result["rows_ignored"]) == (79, 1)
    assert result["slices"]["expression"][-1]["group"] == "none or unknown"


def test_seven_classes():
    table, probabilities, _ = build()
    with pytest.raises(ValueError, match="expected no Contempt.*60 such rows"):
        evaluate_classification(probabilities, table, protocol="affectnet-3500-7class")
    kept = (table["expression"] != 7).to_numpy()
    result = evaluate_classification(
        probabilities[kept],
        table[kept].reset_index(drop=True),
        protocol="affectnet-3500-7class",
        train_table=table,
        bootstrap=20,
    )
    assert result["classes"] == list(EXPRESSIONS[:7])
    assert np.array(result["confusion_matrix"]).shape == (7, 7)
    assert result["baselines"]["dummy_prior"]["accuracy"] == pytest.approx(1 / 7)
    eight = evaluate_classification(probabilities, table, bootstrap=0)
    with pytest.raises(ValueError, match="'affectnet-4000'.*'affectnet-3500-7class'"):
        compare([eight, result])


def test_compare_refuses_other_rows_of_the_same_protocol():
    table, probabilities, _ = build(rows=80)
    first = evaluate_classification(probabilities, table, bootstrap=0)
    second = evaluate_classification(probabilities[1:], table.iloc[1:], bootstrap=0)
    with pytest.raises(ValueError, match=f"{first['rows_digest']}.*{second['rows_digest']}"):
        compare([first, second])


def test_two_of_eight_expressions():
    """As in a folder of neutral and happy faces."""
    table, probabilities, _ = build(rows=80)
    kept = (table["expression"] < 2).to_numpy()
    result = evaluate_classification(probabilities[kept], table[kept], bootstrap=20)
    assert result["macro_classes"] == ["Neutral", "Happy"]
    assert np.array(result["confusion_matrix"]).shape == (8, 8)
    assert result["metrics"]["macro_f1"]["value"] > 0.6


def test_noise_ceiling_is_given_where_annotations_are():
    table, probabilities, _ = build(rows=80, expression_clean=np.arange(80) % 8)
    result = evaluate_classification(probabilities, table, bootstrap=0)
    assert result["noise_ceiling"]["label_accuracy"] == 1
    assert result["slices_skipped"] == {"expression_clean": "an annotation"}


def test_wrong_input_is_explained():
    table, probabilities, predictions = build(rows=16)
    with pytest.raises(ValueError, match=r"shape \(16, 8\), got \(15, 8\)"):
        evaluate_classification(probabilities[1:], table)
    with pytest.raises(ValueError, match="apply softmax"):
        evaluate_classification(np.log(probabilities), table)
    with pytest.raises(ValueError, match=r"shape \(16, 2\), got \(16, 8\)"):
        evaluate_regression(probabilities, table)
    predictions[4, 1] = np.nan
    with pytest.raises(ValueError, match="row 4.*learning rate"):
        evaluate_regression(predictions, table)
    table["expression"] = 9
    with pytest.raises(ValueError, match="at least one row with a label for classification"):
        evaluate_classification(probabilities, table)
    table, probabilities, _ = build(rows=16)
    table["image_id"] = "same.jpg"
    with pytest.raises(ValueError, match=r"each image once, got 'same\.jpg'"):
        evaluate_classification(probabilities, table)


def test_no_tensorflow_is_imported():
    code = (
        "import sys, affectkit.evaluation, affectkit.plots;"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
