"""Every exercise: its solution passes, a planted wrong answer does not, nbgrader agrees."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.utils import determine_grade

from affectkit.course.exercises import answer_cells, fill_in, read_answers, write_set
from affectkit.course.notebooks import known_parameters, open_log, run_notebook

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WRONG = Path(__file__).parent / "wrong_answers"
STUB = "# YOUR CODE HERE"
FACES = {"01": 400, "02": 400, "03": 64}
"""At most so many a split of these notebooks, untraced: no check asks how good a network is."""


def answers(path, wrong=False):
    folder = WRONG if wrong else path.parent / "solutions"
    return read_answers(folder / f"{path.stem}.py")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_each_answer_cell_has_its_check_a_solution_and_a_wrong_answer(path):
    notebook = nbformat.read(path, as_version=4)
    cells = code_cells(notebook)
    asked = answer_cells(notebook)
    assert asked
    assert asked.keys() == answers(path).keys() == answers(path, wrong=True).keys()
    for name, cell in asked.items():
        assert "# YOUR CODE HERE" in cell.source
        assert "..." in cell.source
        check = cells[cells.index(cell) + 1]
        assert check.metadata.nbgrader.grade_id == f"{name}_check"
        assert check.metadata.nbgrader.grade
        assert check.metadata.nbgrader.locked
        assert check.source.startswith("check(")
        text = answers(path)[name]
        begin, end = text.index("### BEGIN SOLUTION"), text.index("### END SOLUTION")
        assert text[:begin] + "# YOUR CODE HERE" + text[end + 16 :] == cell.source


def with_answers(path):
    """Give the notebook with every check twice: after the wrong answer, and after the solution."""
    notebook = nbformat.read(path, as_version=4)
    fill_in(notebook, answers(path))
    wrong = answers(path, wrong=True)
    cells = []
    for cell in notebook.cells:
        role = cell.metadata.get("nbgrader", {})
        if role.get("solution"):
            cells.append(nbformat.v4.new_code_cell(wrong[role.grade_id]))
            following = notebook.cells[notebook.cells.index(cell) + 1]
            cells.append(copy.deepcopy(following))
            cells[-1].id += "-wrong"
            cells[-1].metadata["wrong"] = True
        cells.append(cell)
    notebook.cells = cells
    return notebook


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """One run folder for all notebooks, so that later ones find the models of earlier ones."""
    return tmp_path_factory.mktemp("run")


@pytest.mark.slow
@pytest.mark.notebooks
def test_solutions_pass_and_wrong_answers_fail(path, run_folder, request):
    number = path.stem[:2]
    if number in FACES:
        request.getfixturevalue("untraced")
    prepared, executed = run_folder / path.name, run_folder / f"executed_{path.name}"
    nbformat.write(with_answers(path), prepared)
    with open_log(run_folder / "log.txt") as log:
        parameters = {"output": str(run_folder / "models_and_logs"), "portraits": "drawn"}
        parameters["epochs"] = 1  # of the training that is no exercise
        parameters |= {"limit": FACES[number]} if number in FACES else {}
        known = known_parameters(prepared)
        parameters = {name: value for name, value in parameters.items() if name in known}
        result = run_notebook(prepared, executed, parameters, log, run_folder)
    assert result.error is None
    graded = [
        cell
        for cell in code_cells(nbformat.read(executed, as_version=4))
        if cell.metadata.get("nbgrader", {}).get("grade")
    ]
    assert len(graded) == 2 * len(answers(path))
    for cell in graded:
        points, most = determine_grade(cell)
        name = cell.metadata.nbgrader.grade_id
        if cell.metadata.get("wrong"):
            assert points < most, name
        else:
            assert points == most, (name, cell.outputs[0].data["text/markdown"])


def nbgrader(folder, *arguments):
    """Run a command of nbgrader in its course folder, as in an activated environment."""
    command = [sys.executable, "-m", "nbgrader", *arguments]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # alembic's
    environment = os.environ | {"PATH": path}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory):
    """A teacher's folder with the student's version made by nbgrader."""
    folder = tmp_path_factory.mktemp("class")
    write_set(folder / "source" / "affectkit", solved=True)
    nbgrader(folder, "generate_assignment", "affectkit", f"--ClearSolutions.code_stub={STUB}")
    return folder


@pytest.mark.slow
def test_nbgrader_makes_the_students_version(class_folder, path):
    made = nbformat.read(class_folder / "release" / "affectkit" / path.name, as_version=4)
    ours = nbformat.read(path, as_version=4)
    assert [cell.source for cell in made.cells] == [cell.source for cell in ours.cells]


@pytest.mark.slow
def test_nbgrader_marks_solutions_and_wrong_answers(class_folder):
    path = NOTEBOOKS[0]
    for student, wrong in (("right", False), ("wrong", True), ("nobody", None)):
        released = class_folder / "release" / "affectkit" / path.name
        notebook = nbformat.read(released, as_version=4)
        if wrong is not None:
            fill_in(notebook, answers(path, wrong))
        submitted = class_folder / "submitted" / student / "affectkit" / path.name
        submitted.parent.mkdir(parents=True)
        nbformat.write(notebook, submitted)
    nbgrader(class_folder, "autograde", "affectkit", "--notebook", path.stem)
    nbgrader(class_folder, "export")
    lines = (class_folder / "grades.csv").read_text().splitlines()
    names = lines[0].split(",")
    scores = {
        row["student_id"]: float(row["score"])
        for row in (dict(zip(names, line.split(","), strict=True)) for line in lines[1:])
    }
    assert scores["right"] == 2
    assert scores["wrong"] == 1
    assert scores["nobody"] == 0
