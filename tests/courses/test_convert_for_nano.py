"""Notebook 05 folds, writes a Nano's bundle, checks it, and shows the sample of another machine."""

from pathlib import Path

import papermill
import pytest

from affectkit.record import read_records

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "05_convert_for_nano.ipynb"
DEVICE = Path(__file__).resolve().parents[2] / "affectkit" / "assets" / "tf_trt_sample"


@pytest.mark.slow
@pytest.mark.notebooks
def test_the_notebook_keeps_what_its_prose_promises(tmp_path):
    path = tmp_path / "05.ipynb"
    parameters = {"output": str(tmp_path / "run")}
    papermill.execute_notebook(NOTEBOOK, path, parameters, progress_bar=False)
    found = read_records(path)
    assert found["folded_by_hand"] < 1e-4
    assert found["nodes"]["folded"] < found["nodes"]["frozen"] / 3
    segments = found["segments"]
    assert {title: row["engines"] for title, row in segments.items()} == {
        "as exported": 1,
        "class index inside": 1,
        "bytes as input": 1,
        "Round in the middle": 2,
    }
    for title, row in segments.items():  # the sample is of these very graphs
        added = {"as exported": 2, "class index inside": 4, "bytes as input": 3}.get(title, 3)
        outside = row["nodes here"] - row["nodes in engines"]
        assert outside in (added - 1, added), title  # a constant may be copied into a segment
    assert found["networks"] == ["classifier", "regressor"]
    assert sum(found["megabytes"].values()) < 20
    weights = [found["megabytes"][part] for part in ("saved_model", "tflite")]
    assert max(weights) < 1.1 * min(weights)
    assert found["megabytes"]["onnx"] < 0.2 * min(weights)  # what remains of two files
    assert 1e-4 < found["largest_difference"].pop("onnx_float16") < 0.03
    assert sorted(found["largest_difference"]) == ["onnx", "saved_model", "tflite"]
    assert max(found["largest_difference"].values()) < 1e-5
    assert (found["check"], found["check_damaged"], found["convert_here"]) == (0, 2, 2)
    assert found["sample_built"] == 0
    assert 0 < found["half_precision"]["difference"] < 0.03
    assert found["half_precision"]["changed"] <= 3
    assert set(found["paired_ratios"]) == {"TFLite", "ONNX"}
    assert all(
        row["low"] <= row["median"] <= row["high"] for row in found["paired_ratios"].values()
    )
    assert [set(one) for one in found["onnx_types"].values()] == [
        {"FLOAT16", "FLOAT", "INT64"},
        {"FLOAT", "INT64"},
    ]
    assert (tmp_path / "run" / "affectkit-synthetic.nano" / "bundle.json").is_file()


@pytest.mark.slow
@pytest.mark.notebooks
def test_the_notebook_takes_another_model_and_a_devices_reports(tmp_path):
    path = tmp_path / "05.ipynb"
    parameters = {"output": str(tmp_path / "run"), "model": "affectkit-real"}
    parameters["device_folder"] = str(DEVICE)
    papermill.execute_notebook(NOTEBOOK, path, parameters, progress_bar=False)
    found = read_records(path)
    assert found["networks"] == ["affect"]
    assert found["largest_difference"].pop("onnx_float16") < 0.03
    assert max(found["largest_difference"].values()) < 1e-4
