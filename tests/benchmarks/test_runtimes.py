"""Runtimes: a tiny run, in a process of its own since it keeps TensorFlow to one thread."""

import subprocess
import sys
from pathlib import Path

import pytest

from affectkit.course import load_runs
from affectkit.models import find_model

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "runtimes.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    command = [sys.executable, str(SCRIPT), "--output", str(folder), "--rounds", "2", "--formats"]
    command += ["--checkpoint", "affectkit-synthetic", "--milliseconds", "5"]
    command += ["--runtimes", "LiteRT float16"]
    subprocess.run(command, check=True, capture_output=True)
    return load_runs(folder)["runtimes"]


def test_a_run_says_where_when_and_how_it_was_made(run, check_run):
    check_run(run, "runtimes.py", [1])


def test_loading_and_the_model_are_told_apart_from_the_calls(run):
    table = run.table("runtimes").set_index("runtime")
    assert set(table.index) == {"LiteRT int8", "LiteRT float16"}
    assert table["times_the_best"].min() == 1
    assert (table[["load_seconds", "first_call_ms", "peak_memory_bytes"]] > 0).all(axis=None)
    path = find_model("affectkit-synthetic-int8").path
    assert table.loc["LiteRT int8", "bytes"] == path.stat().st_size


def test_a_second_thread_is_sent_elsewhere(scripts, tmp_path, capsys):
    with pytest.raises(SystemExit):
        scripts("runtimes").main(["--output", str(tmp_path), "--threads", "2"])
    assert "see throughput.py for more" in capsys.readouterr().err
