"""The form of the committed notebooks; tests/courses runs them."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

VERSION = r"\b(Python|TensorFlow|TensorRT|JetPack) \d[\d.]*\d(,? (to|or|and) \d[\d.]*\d)?"
"""No result: the number of a program's version."""
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def is_folded_answer(cell):
    return "reveal(" in cell.source and cell.metadata.get("jupyter", {}).get("source_hidden")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_the_notebooks_are_numbered_without_a_gap():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n:02d}" for n in range(len(NOTEBOOKS))]
    assert all(re.fullmatch(r"\d\d(_[a-z]+){2,4}\.ipynb", path.name) for path in NOTEBOOKS)


def test_form(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert 20 <= len(notebook.cells) <= 60
    lines = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    assert max(lines) <= 45


def test_first_cells(notebook):
    first, second = notebook.cells[0], code_cells(notebook)[0]
    assert re.match(r"# \d\d [A-Z][a-z]+ ", first.source)
    for part in ("What you'll do", "What you'll learn", "What you need", "Time", "CPU", "GPU"):
        assert part in first.source
    assert all(
        isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.parse(second.source).body
    )


def test_words_stand_before_every_code_cell(notebook):
    """What a question's answer or an exercise's check says needs no sentence of its own."""
    cells = notebook.cells
    for position, cell in enumerate(cells):
        follows = cell.source.startswith(("record(", "check(")) or is_folded_answer(cell)
        if cell.cell_type == "code" and not follows:
            assert cells[position - 1].cell_type == "markdown", cell.source


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
    rest = [cell.source for cell in code_cells(notebook) if "parameters" not in tags(cell)]
    used = {node.id for node in ast.walk(ast.parse("\n".join(rest))) if isinstance(node, ast.Name)}
    assert set(names) <= used, "only parameters that are used"


def test_endings(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for heading in ("## Recap", "## Exercises", "## Further reading"):
        assert heading in text


def test_answers_to_questions_are_folded_and_not_told_before(notebook):
    """About four times a notebook a question comes first; what answers it is a hidden cell."""
    answers = [cell for cell in code_cells(notebook) if "reveal(" in cell.source]
    assert answers
    assert all(is_folded_answer(cell) for cell in answers)


def test_results_are_said_by_code_and_words_only_quote_sources(notebook):
    """A figure in a Markdown cell is a published one: where it comes from stands in that cell.

    What stands in code or formulas is a setting, and "95 % interval" the name of a measure.
    """
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            words = re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$|\]\([^)]*\)", "", cell.source, flags=re.S)
            words = re.sub(r"(doi:|arXiv:)\S+|95 % interval", "", words)
            words = re.sub(VERSION, "", words)
            if re.search(r"\d\.\d|\d ?%|±", words):
                assert re.search(r"doi|arXiv|\]\(", cell.source), cell.source


def test_a_quiet_cell_is_followed_by_no_promise(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert not re.search(r"see nothing|should see", text)


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
