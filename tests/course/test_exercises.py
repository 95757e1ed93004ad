"""Answers in files, and a class's two sets; tests/courses runs the committed exercises."""

import nbformat
import pytest
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.course import check
from affectkit.course.exercises import answer_cells, fill_in, read_answers, write_set


def test_points_count_up_to_the_first_test_that_fails():
    tests = [("a", lambda x: x > 1), ("b", lambda x: x > 2), ("c", lambda x: x > 0)]
    for answer, points, message in (
        (3, 3, "Right"),
        (2, 1, "b"),
        (0, 0, "a"),
        (..., 0, "No answer"),
    ):
        verdict = check(answer, *tests)
        assert repr(verdict) == str(points)
        assert message in verdict._repr_markdown_()


def test_one_missing_part_is_no_answer():
    assert check((1, ...), ("a", lambda pair: True)).points == 0


def test_answers_are_filled_in_by_name(tmp_path):
    file = tmp_path / "answers.py"
    file.write_text("# read by nobody\n# %% one\na = 1\n\n# %% two\nb = 2\nc = 3\n")
    notebook = nbformat.v4.new_notebook()
    for name in ("one", "two"):
        cell = nbformat.v4.new_code_cell("...")
        cell.metadata["nbgrader"] = {"solution": True, "grade_id": name}
        notebook.cells += [nbformat.v4.new_markdown_cell("?"), cell]
    fill_in(notebook, read_answers(file))
    assert {n: cell.source for n, cell in answer_cells(notebook).items()} == {
        "one": "a = 1",
        "two": "b = 2\nc = 3",
    }
    with pytest.raises(ValueError, match="expected answers to one, two, got some to one"):
        fill_in(notebook, {"one": "a = 1"})


def test_the_sets_of_a_class(tmp_path):
    result = CliRunner().invoke(
        app, ["course", "--student", str(tmp_path / "s"), "--teacher", str(tmp_path / "t")]
    )
    assert result.exit_code == 0, result.output
    names = {folder: sorted((tmp_path / folder).glob("*.ipynb")) for folder in "st"}
    assert [path.name for path in names["s"]] == [path.name for path in names["t"]]
    for folder in "st":
        cards = {path.name for path in (tmp_path / folder / "data_cards").iterdir()}
        assert cards >= {"affectnet.md", "affectfaces.md", "affectfaces.jpg", "affectkit-real.md"}
    assert "BEGIN SOLUTION" not in "".join(path.read_text("utf-8") for path in names["s"])
    assert all("BEGIN SOLUTION" in path.read_text("utf-8") for path in names["t"][:1])
    with pytest.raises(FileExistsError, match="00_check_setup.ipynb"):
        write_set(tmp_path / "s")
