"""Notebook 06 runs by itself on the drawn clip, without a page, a camera or a wait."""

from pathlib import Path

import papermill
import pytest

from affectkit.record import read_records

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "06_webcam_demo.ipynb"


def execute(folder, **parameters):
    path = folder / "06.ipynb"
    parameters = {"output": str(folder / "run")} | parameters
    papermill.execute_notebook(NOTEBOOK, path, parameters, progress_bar=False)
    return read_records(path)


@pytest.mark.slow
@pytest.mark.notebooks
def test_the_notebook_runs_without_a_page(tmp_path):
    found = execute(tmp_path)
    assert found["frames"] == found["rows"] == 94  # one face in every frame
    assert found["changes"] >= 7
    weak, strong = (found["right"][key] for key in sorted(found["right"], key=float))
    assert strong > 0.9
    assert found["always_the_same"] < weak <= strong
    assert found["always_the_same"] == pytest.approx(12 / 94)
    assert {"detect", "classify"} <= set(found["milliseconds"])
    assert set(found["by_network"]) == {"photographs and drawings", "drawings"}
    assert len(found["spoiled"]) == 6
    assert found["jumps"]["smoothed"] < 0.8 * found["jumps"]["raw"]
    assert found["smoothed_alike"] is True
    assert 1 <= found["lag"] <= 10
    assert found["peaks"]["smoothed"] < found["peaks"]["raw"]


@pytest.mark.slow
@pytest.mark.notebooks
def test_the_notebook_takes_another_model_a_photograph_and_a_shorter_clip(shared, tmp_path):
    photograph = next(iter(sorted((shared / "data" / "london_faces").glob("*.jpg"))))
    found = execute(
        tmp_path, model="affectkit-synthetic-int8", clip_frames=40, picture=str(photograph)
    )
    assert found["frames"] == 40
    assert max(found["right"].values()) > 2 * found["always_the_same"]
    assert "as it was" in found["spoiled"]
