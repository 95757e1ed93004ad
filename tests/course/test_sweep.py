"""`affectkit sweep`: every combination once, whatever ends on the way."""

import json
import re
import subprocess
import sys
import time

import nbformat
import pandas as pd
import psutil
import pytest
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.cli.sweep import pack_parameters
from affectkit.course import sweep_notebook
from affectkit.course.sweep import LOCK_FILE, RUN_FILE, SweepRun, run_name
from affectkit.record import RECORD_TYPE

pytest.importorskip("distributed")

HOLD = """
import sys, time
from filelock import FileLock

with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""
PROGRAM = [sys.executable, "-c", "from affectkit.cli import app; app()", "sweep"]
CODE = f"""
import time
from pathlib import Path
from IPython.display import display

def record(name, value):  # as affectkit.record does, which takes seconds to be imported
    display({{{RECORD_TYPE!r}: {{"name": name, "value": value}}}}, raw=True)

with Path(log).open("a") as file:
    file.write(f"begin {{learning_rate}} {{seed}}\\n")
time.sleep(pause)
if seed == 13:
    raise ValueError("thirteen is unlucky")
record("accuracy", learning_rate * 10 + seed)
record("facts", {{"seed": seed, "epochs": {{"best": 3}}, "curve": [0.1, 0.2]}})
record("folder", str(Path.cwd()))
record("output", output)
with Path(log).open("a") as file:
    file.write(f"end {{learning_rate}} {{seed}}\\n")
"""


@pytest.fixture
def notebook(tmp_path):
    parameters = nbformat.v4.new_code_cell(
        f"learning_rate = 0.1\nseed = 0\npause = 0.0\noutput = ''\n"
        f"log = {str(tmp_path / 'log.txt')!r}",
        metadata={"tags": ["parameters"]},
    )
    path = tmp_path / "30_tiny.ipynb"
    content = nbformat.v4.new_notebook(
        cells=[parameters, nbformat.v4.new_code_cell(CODE)],
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": ""}},
    )
    nbformat.write(content, path)
    return path


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(app, ["sweep", *(str(argument) for argument in arguments)])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.mark.slow
def test_every_combination_is_run_and_its_records_are_tabulated(notebook, tmp_path):
    arguments = [notebook, "-p", "learning_rate", "1e-1", "1e-2", "-p", "seed", 0, 13, "--output",
                 tmp_path / "sweep", "--workers", 2]  # fmt: skip
    text = run(*arguments, exit_code=1)
    assert "4 runs, 2 failed" in text
    assert "ValueError: thirteen is unlucky" in text
    assert "learning_rate 0.01, seed 13" in text
    table = pd.read_csv(tmp_path / "sweep" / "sweep.csv")
    assert table["learning_rate"].tolist() == [0.1, 0.1, 0.01, 0.01]
    assert table["seed"].tolist() == [0, 13, 0, 13]
    assert table["status"].tolist() == ["completed", "failed"] * 2
    assert table["accuracy"].tolist()[::2] == pytest.approx([1, 0.1])
    assert table["accuracy"].isna().tolist() == [False, True] * 2
    assert table["facts.seed"].tolist()[::2] == [0, 0]
    assert table["facts.epochs.best"].tolist()[::2] == [3, 3]
    assert table["facts.curve"].tolist()[::2] == ["[0.1, 0.2]"] * 2
    assert table["error"].isna().tolist() == [True, False] * 2
    assert (table["seconds"] > 0).all()
    for row in table.itertuples():
        folder = tmp_path / "sweep" / row.folder
        entry = json.loads((folder / "run.json").read_text())
        assert entry["parameters"] == {"learning_rate": row.learning_rate, "seed": row.seed}
        assert {"30_tiny.ipynb", "run.json", "logs"} <= {path.name for path in folder.iterdir()}
    # each in its folder; the record is not mixed up with the table's own column
    for name in ("record folder", "output"):
        assert [path.rpartition("/")[2] for path in table[name][::2]] == (
            table["folder"].tolist()[::2]
        )

    # called again, what failed is tried again, and a new value adds its runs
    (tmp_path / "log.txt").unlink()
    arguments[arguments.index(13)] = 1
    text = run(*arguments)
    assert "4 runs, 2 done before, 0 failed" in text
    begun = [line for line in (tmp_path / "log.txt").read_text().splitlines() if "begin" in line]
    assert sorted(begun) == ["begin 0.01 1", "begin 0.1 1"]
    # and once more, all is there and no cluster is needed
    before = (tmp_path / "sweep" / "sweep.csv").read_bytes()
    start = time.monotonic()
    assert "4 runs, 4 done before, 0 failed" in run(*arguments, "--scheduler", "tcp://127.0.0.1:9")
    assert time.monotonic() - start < 10
    assert (tmp_path / "sweep" / "sweep.csv").read_bytes() == before


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_every_combination_is_there_once(notebook, tmp_path):
    output, log = tmp_path / "sweep", tmp_path / "log.txt"
    command = [*PROGRAM, str(notebook), "-p", "seed", *"012", "-p", "pause", "4"]
    process = subprocess.Popen(
        [*command, "--output", str(output), "--workers", "2"], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (log.exists() and "begin" in log.read_text()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    # a worker whose kernel is at work
    workers = [
        child
        for child in psutil.Process(process.pid).children()
        if "spawn_main" in " ".join(child.cmdline()) and child.children()
    ]
    workers[0].kill()
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    table = pd.read_csv(output / "sweep.csv")
    assert table["seed"].tolist() == [0, 1, 2]
    assert set(table["status"]) == {"completed"}
    assert table["accuracy"].tolist() == [1, 2, 3]
    assert table["folder"].nunique() == 3
    lines = log.read_text().splitlines()
    assert sorted(line for line in lines if "end" in line) == [
        f"end 0.1 {seed}" for seed in range(3)
    ]
    # the one that was killed may have come to that or not
    assert len([line for line in lines if "begin" in line]) in (3, 4)


def test_other_cells_or_parameters_make_another_run():
    cells, parameters = [("code", "x = 1")], {"seed": 1, "rate": 0.1}
    name = run_name(cells, parameters)
    assert re.fullmatch("[0-9a-f]{12}", name)
    assert run_name([("code", "x = 1")], {"rate": 0.1, "seed": 1}) == name
    others = [
        ([("code", "x = 2")], parameters),
        ([("markdown", "x = 1")], parameters),
        (cells * 2, parameters),
        (cells, parameters | {"seed": 2}),
        (cells, parameters | {"seed": "1"}),
        (cells, {"seed": 1}),
    ]
    assert len({run_name(*other) for other in others} | {name}) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{notebook}", "-p", "depth", "1"], "has no parameter depth"),
        (["{notebook}"], "at least one parameter"),
        (["{notebook}", "-p", "seed"], "expected -p NAME VALUE"),
        (["{notebook}", "-p", "seed", "1", "-p", "seed", "2"], "given twice"),
        (["{notebook}", "-p", "seed", "1", "1"], "has a value twice"),
        (["{notebook}", "-p", "seed", "nan"], "expected numbers, text or truth values"),
        (["{notebook}", "-p", "output", "there"], "a folder of its own"),
        (["absent.ipynb", "-p", "seed", "1"], "there is no notebook absent.ipynb"),
    ],
)
def test_what_is_impossible_is_one_message_and_leaves_nothing(
    notebook, tmp_path, arguments, message
):
    words = [word.format(notebook=notebook) for word in arguments]
    text = run(*words, "--output", tmp_path / "sweep", exit_code=2)
    assert "Error: " in text
    assert message in text
    assert not (tmp_path / "sweep").exists()


def test_the_words_behind_an_option_are_packed():
    words = [
        "02",
        "-p",
        "seed",
        "0",
        "-1",
        "--workers",
        "2",
        "--parameter",
        "name",
        "-1e-3",
        "a",
        "--output",
        "x",
        "-p",
    ]
    assert pack_parameters(words) == [
        "02", "-p", '["seed", "0", "-1"]', "--workers", "2", "--parameter",
        '["name", "-1e-3", "a"]', "--output", "x", "-p", "[]",
    ]  # fmt: skip


def write_completed(notebook, output, **changes):
    """What a completed run of seed 1 has left; no cluster is needed to go on from it."""
    cells = nbformat.read(notebook, as_version=4).cells
    name = run_name([(cell["cell_type"], cell["source"]) for cell in cells], {"seed": 1})
    run = SweepRun(notebook, {"seed": 1}, output / name)
    facts = {"status": "completed", "seconds": 2.5, "records": {"a": {"b": 3}}} | changes
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / RUN_FILE).write_text(json.dumps(run.entry(**facts)))
    return run


def test_what_is_completed_is_not_run_again(notebook, tmp_path):
    run = write_completed(notebook, tmp_path / "sweep")
    result = sweep_notebook(notebook, {"seed": [1]}, tmp_path / "sweep", "tcp://127.0.0.1:9")
    assert result.finished_before == 1
    assert result.failed.empty
    assert pd.read_csv(result.table_file).to_dict("records") == [
        {"seed": 1, "status": "completed", "seconds": 2.5, "a.b": 3, "error": pytest.approx(
            float("nan"), nan_ok=True), "folder": run.folder.name}
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"status": "failed"}, {"seconds": None}, {"seconds": True}, {"records": [1]}, {"error": "x"}],
)
def test_a_run_that_is_not_whole_is_done_again(notebook, tmp_path, changes):
    assert write_completed(notebook, tmp_path).completed()["seconds"] == 2.5
    run = write_completed(notebook, tmp_path, **changes)
    assert run.completed() is None
    (run.folder / RUN_FILE).write_text('{"status": "comp')
    assert run.completed() is None


def test_one_process_at_a_time_and_a_killed_one_blocks_nobody(notebook, tmp_path):
    output = tmp_path / "sweep"
    write_completed(notebook, output)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output / LOCK_FILE)], stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(ValueError, match=f"another process is at work in {output}: wait"):
        sweep_notebook(notebook, {"seed": [1]}, output)
    holder.kill()
    holder.wait()
    assert (output / LOCK_FILE).exists()
    assert len(sweep_notebook(notebook, {"seed": [1]}, output).table) == 1


def test_without_dask_it_speaks_of_sweep(notebook, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    text = run(notebook, "-p", "seed", 0, "-o", tmp_path / "sweep", exit_code=2)
    assert 'affectkit sweep needs Dask: pip install "affectkit[cluster]"' in text
