"""Results on disk and side by side."""

import json
import os

import numpy as np
import pytest

from affectkit.data.protocols import PROTOCOLS
from affectkit.evaluation import compare, published_results, read_metrics, write_metrics
from affectkit.evaluation.results import CLASSIFIERS, REGRESSORS

# rows true, columns predicted: the predecessor's matrix on AffectNet's 4,000 validation faces
PREDECESSOR_DIAGONAL = (280, 371, 314, 293, 312, 269, 293, 265)


def result(name="a", accuracy=0.6, **changes):
    return {
        "schema_version": 1,
        "name": name,
        "task": "classification",
        "dataset": "affectnet",
        "protocol": "affectnet-4000",
        "split": "test",
        "rows": 4000,
        "rows_digest": "0123",
        "metrics": {"accuracy": {"value": accuracy, "low": accuracy - 0.02, "high": 0.7}},
        "baselines": {"dummy_prior": {"accuracy": 0.125}},
    } | changes


def test_written_results_come_back(tmp_path):
    path = write_metrics(result(), tmp_path / "new" / "metrics.json")
    assert read_metrics(path) == result()
    assert [entry.name for entry in path.parent.iterdir()] == ["metrics.json"]


def test_undefined_numbers_become_null(tmp_path):
    path = write_metrics(result(accuracy=np.float64("nan")), tmp_path / "metrics.json")
    assert json.loads(path.read_text())["metrics"]["accuracy"]["value"] is None


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_metrics(result(), tmp_path / "metrics.json")

    def disk_full(_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        write_metrics(result("b"), path)
    assert read_metrics(path)["name"] == "a"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a metrics file of affectkit"),
        ("[]", r"metrics\.json is not .*it is \[\]"),
        ('{"schema_version": 1}', "it has no name"),
        (json.dumps(result(schema_version=99)), r"\(schema version 1\): schema_version is 99"),
        (json.dumps(result(rows=True)), "rows is True"),
        (json.dumps(result(rows=1e300)), "rows is 1e"),
        (json.dumps(result(metrics={"a": {"value": 1, "low": "x", "high": 2}})), "a.low is 'x'"),
        (json.dumps(result(baselines={"dummy": {"accuracy": []}})), "dummy.accuracy is"),
        (json.dumps(result(calibration={})), "calibration has no temperature"),
        (json.dumps(result(slices={"age": [{"small": 1}]})), "slices.age.0.small is 1"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_metrics(path)


def test_compare_puts_models_and_baselines_in_rows():
    table = compare([result("a"), result("b", 0.65)])
    assert list(table.index) == ["a", "b", "dummy_prior"]
    assert table["accuracy"].tolist() == [0.6, 0.65, 0.125]
    assert table.loc["b", ["accuracy_low", "accuracy_high"]].tolist() == pytest.approx([0.63, 0.7])
    assert np.isnan(table.loc["dummy_prior", "accuracy_low"])
    assert list(compare([result("a")], baselines=False).index) == ["a"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"protocol": "affectnet-3999", "rows": 3999}, ["'affectnet-4000'", "'affectnet-3999'"]),
        ({"protocol": "affectnet-4000 (subset of 100)"}, ["'affectnet-4000'", "(subset of 100)"]),
        ({"rows_digest": "4567"}, ["rows digest", "'0123'", "'4567'"]),
        ({"task": "regression"}, ["'classification'", "'regression'"]),
        ({"split": "validation"}, ["'test'", "'validation'"]),
    ],
)
def test_compare_refuses_what_cannot_be_compared(change, named):
    with pytest.raises(ValueError, match="expected results of one") as caught:
        compare([result("a"), result("b", **change)])
    assert all(word in str(caught.value) for word in named)


def test_compare_needs_a_result():
    with pytest.raises(ValueError, match="at least one result"):
        compare([])


def test_every_published_line_names_a_protocol_and_a_share():
    for protocol, name, *values in (*CLASSIFIERS, *REGRESSORS):
        assert protocol in PROTOCOLS
        assert name
        assert all(0.3 < value < 1 for value in values)


def test_the_predecessor_is_what_its_matrix_says():
    table = published_results("affectnet-4000", "classification")
    (accuracy,) = table.loc[table.index.str.contains("predecessor"), "accuracy"]
    assert accuracy == pytest.approx(np.sum(PREDECESSOR_DIAGONAL) / 4000, abs=5e-5)


def test_nothing_is_published_for_other_rows():
    assert published_results("affectnet-4000 (subset of 100)", "classification").empty
    assert list(published_results("affectfaces", "regression")) == ["valence_ccc", "arousal_ccc"]
    assert len(published_results("affectnet-4500-va", "regression")) == 3
