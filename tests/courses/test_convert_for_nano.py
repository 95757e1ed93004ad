"""Notebook 05 folds, writes a Nano's bundle, checks it, and shows the sample of another machine."""

from pathlib import Path

import papermill
import pytest

from affectkit.record import read_records

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "05_convert_for_nano.ipynb"
DEVICE = Path(__file__).resolve().parents[2] / "affectkit" / "assets" / "tf_trt_sample"


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
