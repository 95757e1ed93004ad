"""Notebooks are found, run one at a time, and what fails is told; logs are locked."""

import subprocess
import sys

import nbformat
import pytest

from affectkit.course import CourseSettings, notebooks
from affectkit.course.notebooks import (
    find_notebook,
    find_notebooks,
    known_parameters,
    open_log,
    run_notebook,
)

HOLD = """
import subprocess, sys, time
from pathlib import Path
from affectkit.course.notebooks import open_log

with open_log(Path(sys.argv[1])) as log:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=sys.stdin, stdout=log)
    print("held", flush=True)
    time.sleep(60)
"""


def write_notebook(path, code):
    parameters = nbformat.v4.new_code_cell("seed = 0", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [parameters, nbformat.v4.new_code_cell(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import time\ntime.sleep(60)", "longer than 2 s"),
        ("import os\nos._exit(9)", "memory"),
        ("1 / seed", "ZeroDivisionError: division by zero"),
    ],
)
def test_what_ends_a_notebook_is_told_with_its_cell(tmp_path, code, message):
    source, executed = write_notebook(tmp_path / "00_a.ipynb", code), tmp_path / "done.ipynb"
    cells = []
    with open_log(tmp_path / "log") as log:
        run = run_notebook(
            source, executed, {"seed": 0}, log, tmp_path, 2, lambda *now: cells.append(now)
        )
    assert executed.is_file()
    # the parameters cell is [1], papermill's own [2], then the one that fails
    assert (run.name, run.status, run.cell) == ("00_a", "failed", 3)
    assert message in run.error
    assert run.seconds < 30
    assert cells[-1] == (3, 3)


def test_every_setting_of_a_course_is_a_parameter_of_its_notebooks():
    found = find_notebooks()[:5]
    assert [path.name[:2] for path in found] == ["00", "01", "02", "03", "04"]
    known = set().union(*map(known_parameters, found))
    assert known >= {*CourseSettings().parameters(), "output"}


def test_notebooks_are_found_by_number_name_and_path(tmp_path):
    notebook = write_notebook(tmp_path / "30_tiny.ipynb", "")
    assert find_notebook("02").name == "02_train_classifier.ipynb"
    assert find_notebook("2") == find_notebook("02_train_classifier")
    assert find_notebook(notebook) == notebook.resolve()
    with pytest.raises(FileNotFoundError, match="no notebook 98: name a file, or one of 00_"):
        find_notebook("98")
    with pytest.raises(FileNotFoundError, match="expected notebooks named NN_name"):
        find_notebooks(tmp_path / "absent")


def test_a_log_is_held_until_a_killed_course_and_its_kernel_have_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "KERNEL_ENDS", 0.2)
    log = tmp_path / "run" / "logs" / "course.log"
    log.parent.mkdir(parents=True)
    log.write_text("before\n")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(log)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    refused = pytest.raises(ValueError, match=rf"another process runs a course in {tmp_path}/run:")
    with refused, open_log(log):
        pass
    holder.kill()
    holder.wait()
    with refused, open_log(log):  # what it started, as kernels are, is still there
        pass
    monkeypatch.setattr(notebooks, "KERNEL_ENDS", 20)
    holder.stdin.close()  # ends it
    with open_log(log) as file:
        file.write("after\n")
    assert log.read_text() == "before\nafter\n"
