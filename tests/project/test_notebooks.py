"""The form of the committed notebooks; tests/courses runs them."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
COMMON = ["dataset", "root", "profile", "output", "seed", "limit", "epochs", "weights"]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_the_notebooks_are_complete():
    names = {path.name for path in NOTEBOOKS}
    assert sorted(names) == [
        "00_check_setup.ipynb",
        "01_explore_data.ipynb",
        "02_train_classifier.ipynb",
        "03_transfer_regressor.ipynb",
        "04_evaluate_models.ipynb",
        "05_convert_for_nano.ipynb",
        "06_webcam_demo.ipynb",
        "07_read_benchmarks.ipynb",
    ]


def test_form(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert 25 <= len(notebook.cells) <= 40
    code = code_cells(notebook)
    lines = [sum(1 for line in cell.source.splitlines() if line.strip()) for cell in code]
    assert len(notebook.cells) - len(code) > len(code)
    assert max(lines) <= 30


def test_first_cells(notebook):
    first, second = notebook.cells[0], code_cells(notebook)[0]
    assert re.match(r"# \d\d [A-Z][a-z]+ ", first.source)
    for part in ("What you'll do", "What you'll learn", "What you need", "Time", "CPU", "GPU"):
        assert part in first.source
    assert all(
        isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.parse(second.source).body
    )


def test_every_code_cell_stands_between_words(notebook):
    """A sentence before each cell, and one after it that says what should be seen."""
    cells = notebook.cells
    for position, cell in enumerate(cells):
        if cell.cell_type == "code" and "solution" not in tags(cell):
            assert cells[position - 1].cell_type == "markdown"
            assert re.search(r"\bsee\b", cells[position + 1].source), cell.source


def test_parameters_are_plain_commented_literals(notebook):
    (parameters,) = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    names = []
    for line, node in zip(
        parameters.source.splitlines(), ast.parse(parameters.source).body, strict=True
    ):
        assert isinstance(node, ast.AnnAssign)
        assert type(ast.literal_eval(node.value)).__name__ == node.annotation.id
        assert "  # " in line
        names.append(node.target.id)
    assert names[: len(COMMON)] == COMMON


def test_endings(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for heading in ("## Recap", "## Exercises", "## Further reading"):
        assert heading in text
    solutions = [cell for cell in code_cells(notebook) if "solution" in tags(cell)]
    assert solutions
    assert all(cell.metadata.jupyter.source_hidden for cell in solutions)


def test_outputs_are_stripped_unless_kept(notebook):
    for cell in code_cells(notebook):
        if "keep_output" in tags(cell):
            assert cell.outputs
        else:
            assert not cell.outputs
            assert cell.execution_count is None


def test_no_placeholder_was_left(notebook):
    text = json.dumps(notebook)
    assert not re.search(r"\b(TIME|RESULT)\d\d|TODO|FIXME", text)
