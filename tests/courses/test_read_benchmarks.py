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
def test_the_notebook_reads_the_baseline(tmp_path):
    found = execute(tmp_path)
    assert 0 < found["percentiles"][0] <= found["percentiles"][1] <= found["percentiles"][2]
    assert found["samples_needed"] == {"p50": 2654, "p90": 23886, "p99": 262742}
    assert found["benchmarks"] == list(BENCHMARKS)
    assert found["busy_runs"] == 9
    assert found["residual_share"] < 0.05
    assert found["end_to_end_over_bare"] > 1
    assert found["variation"]["ratio"] < found["variation"]["end to end, ms"]
    assert min(found["times_the_best"].values()) == 1
    assert found["times_the_best"]["LiteRT int8"] < found["times_the_best"]["Keras predict"]
    assert {"affectkit", "fer", "fer-mtcnn", "facex", "face-api", "seed"} <= set(
        found["frames_a_second"]
    )
    assert 0 < found["alpha"]["all tools"] < found["alpha"]["the raters"] < 1


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
