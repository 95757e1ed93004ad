"""Notebook 07 times a network, and reads the committed runs and a user's own beside them."""

import json
from pathlib import Path

import papermill
import pytest

from affectkit.course import load_runs
from affectkit.course.benchmark_runs import BENCHMARKS
from affectkit.record import read_records

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "07_read_benchmarks.ipynb"


def execute(folder, **parameters):
    path = folder / "07.ipynb"
    papermill.execute_notebook(NOTEBOOK, path, parameters, progress_bar=False)
    return read_records(path)


@pytest.mark.slow
@pytest.mark.notebooks
def test_ones_own_run_takes_the_place_of_the_committed_one(tmp_path):
    """With other machine, without accuracy, and with a peer that took no part."""
    runs = tmp_path / "runs"
    runs.mkdir()
    for name in ("peers", "runtimes"):
        content = json.loads(load_runs()[name].path.read_text())
        content["machine"]["load_average"] = 0.1
        if name == "runtimes":
            content["tables"]["accuracy"] = []
        else:
            del content["tables"]["accuracy_on_equal_crops"]
            content["tables"]["peers"][-1] |= {"frames_a_second": None, "status": "not installed"}
        (runs / f"{name}_mine.json").write_text(json.dumps(content))
    found = execute(tmp_path, runs_folder=str(runs))
    assert found["benchmarks"] == list(BENCHMARKS)
    assert found["busy_runs"] == 7
