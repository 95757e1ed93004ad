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
def test_the_notebook_takes_another_model_a_photograph_and_a_shorter_clip(shared, tmp_path):
    photograph = next(iter(sorted((shared / "data" / "london_faces").glob("*.jpg"))))
    found = execute(
        tmp_path, model="affectkit-synthetic-int8", clip_frames=40, picture=str(photograph)
    )
    assert found["frames"] == 40
    assert max(found["right"].values()) > 2 * found["always_the_same"]
    assert "as it was" in found["spoiled"]
