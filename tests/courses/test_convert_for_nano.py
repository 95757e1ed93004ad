"""Notebook 05 writes a Nano's bundle, checks it, and reads no device's report yet."""

from pathlib import Path

import papermill
import pytest

from affectkit.record import read_records

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "05_convert_for_nano.ipynb"


@pytest.mark.slow
@pytest.mark.notebooks
def test_the_notebook_keeps_what_its_prose_promises(tmp_path):
    path = tmp_path / "05.ipynb"
    parameters = {"output": str(tmp_path / "run")}
    papermill.execute_notebook(NOTEBOOK, path, parameters, progress_bar=False)
    found = read_records(path)
    assert found["nodes"]["frozen and folded"] < found["nodes"]["frozen"] / 3
    assert found["unwanted"] == []
    assert found["networks"] == ["classifier", "regressor"]
    assert sum(found["megabytes"].values()) < 20
    weights = [found["megabytes"][part] for part in ("saved_model", "tflite")]
    assert max(weights) < 1.1 * min(weights)
    assert found["megabytes"]["onnx"] < 0.1 * min(weights)
    assert found["largest_difference"] < 1e-5
    assert (found["check"], found["check_damaged"], found["convert_here"]) == (0, 2, 2)
    assert 1e-4 < max(found["half_precision_weights"].values()) < 0.01
    assert found["conversions"] == found["runtimes"] == 0
    assert (tmp_path / "run" / "affectkit-synthetic.nano" / "bundle.json").is_file()
