"""Notebook 06 runs by itself on the drawn clip, without a page, a camera or a wait."""

from pathlib import Path

import papermill
import pytest

from affectkit.record import read_records

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "06_webcam_demo.ipynb"


@pytest.mark.slow
@pytest.mark.notebooks
def test_the_notebook_runs_without_a_page(tmp_path):
    path = tmp_path / "06.ipynb"
    papermill.execute_notebook(NOTEBOOK, path, progress_bar=False)
    found = read_records(path)
    assert found["frames"] == found["rows"] == 94  # one face in every frame
    weak, strong = (found["right"][key] for key in sorted(found["right"], key=float))
    assert strong > 0.9
    assert found["baseline"] < weak <= strong
    assert found["baseline"] == pytest.approx(12 / 94)
    assert {"detect", "classify"} <= set(found["milliseconds"])
    spoiled = found["spoiled"]
    assert spoiled["mirrored"] == spoiled["as it was"] == spoiled["a quarter of the light"]
    assert found["jumps"]["smoothed"] < 0.8 * found["jumps"]["as it is"]
    assert 1 <= found["lag"] <= 10


@pytest.mark.slow
@pytest.mark.notebooks
def test_the_notebook_takes_another_model_and_a_shorter_clip(tmp_path):
    path = tmp_path / "06.ipynb"
    parameters = {"model": "affectkit-synthetic-int8", "clip_frames": 40}
    papermill.execute_notebook(NOTEBOOK, path, parameters, progress_bar=False)
    found = read_records(path)
    assert found["frames"] == 40
    assert max(found["right"].values()) > 2 * found["baseline"]
