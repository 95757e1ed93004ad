"""Notebook 07 reads the committed runs, and a user's own beside them."""

import json
from pathlib import Path

import papermill
import pytest

from affectkit.course import load_runs, targets
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
    baseline = load_runs()
    assert found["benchmarks"] == list(BENCHMARKS)
    assert found["goals"] == len(targets(baseline))
    assert found["reached"] == int(targets(baseline)["reached"].sum())
    assert found["worse"] == 0
    assert set(found["residual_share"]) == {"1", "2"}
    assert max(found["residual_share"].values()) < 0.05
    assert min(found["end_to_end_over_bare"].values()) > 1
    assert min(found["times_the_best"].values()) == 1
    assert found["times_the_best"]["LiteRT int8"] < found["times_the_best"]["Keras predict"]
    assert {"affectkit", "fer", "fer-mtcnn", "facex", "face-api", "seed"} <= set(
        found["frames_a_second"]
    )
    assert found["all_faces_found"] is True
    assert len(found["camera_latency"]) == 4
    assert 0 < found["largest_input_share"] <= 0.05
    assert set(found["memory_growth"]) == {"table", "shards", "stream", "stream with table"}
    assert found["memory_growth"]["stream"] < 1.1  # a table of all rows goes a little beyond
    assert max(found["memory_growth"].values()) < 1.101


@pytest.mark.slow
@pytest.mark.notebooks
def test_the_notebook_reads_ones_own_run_beside_the_baseline(tmp_path):
    """A run that is half as good at one thing is told to be worse."""
    content = json.loads(load_runs()["scaling"].path.read_text())
    content["ratios"][0]["value"] *= 2
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "scaling_mine.json").write_text(json.dumps(content))
    found = execute(tmp_path, runs_folder=str(runs))
    assert found["benchmarks"] == list(BENCHMARKS)
    assert found["worse"] == 1
