"""The exercises of the notebooks: find them, fill in answers, write a class's two sets."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from affectkit.course.notebooks import PACKAGE, find_beside, find_notebooks

if TYPE_CHECKING:
    from nbformat import NotebookNode

SOLUTIONS = "solutions"
"""Folder beside the notebooks: one Python file for each, a part `# %% grade_id` an exercise."""

CARDS = "data_cards"

_PART = re.compile(r"^# %% (.+)$", re.MULTILINE)


def answer_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Give the cells that a student writes, by what nbgrader calls them (grade_id)."""
    cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    return {cell.metadata.nbgrader.grade_id: cell for cell in cells}


def read_answers(path: str | Path) -> dict[str, str]:
    """Read whole answer cells from a Python file with a part `# %% grade_id` for each."""
    _, *parts = _PART.split(Path(path).read_text("utf-8"))
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def fill_in(notebook: NotebookNode, answers: dict[str, str]) -> None:
    """Put an answer into each answer cell; ValueError if some are missing or too many."""
    cells = answer_cells(notebook)
    if cells.keys() != answers.keys():
        raise ValueError(
            f"expected answers to {', '.join(cells)}, got some to {', '.join(answers)}: name the "
            "parts of the file as the notebook's answer cells"
        )
    for name, cell in cells.items():
        cell.source = answers[name]


def write_set(folder: str | Path, solved: bool = False) -> list[Path]:
    """Write the notebooks for a class: the student's, or with solutions for the teacher.

    In the latter, solutions stand between nbgrader's marks, so that the folder is what
    `nbgrader generate_assignment` takes as source. Both get the cards of data and networks that the
    notebooks refer to, as `data_cards/`.

    Raises
    ------
    FileExistsError
        If the folder holds one of the notebooks: a student's answers are not overwritten.
    """
    import nbformat

    folder = Path(folder).expanduser()
    chosen = find_notebooks()
    if there := [path.name for path in chosen if (folder / path.name).exists()]:
        raise FileExistsError(
            f"{folder} holds {', '.join(there)} already: move them away, or name another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARDS).mkdir(exist_ok=True)
    cards = find_beside(CARDS), PACKAGE / "assets" / "checkpoints"
    for card in (path for place in cards for path in place.iterdir()):
        if card.suffix in (".md", ".jpg"):
            shutil.copyfile(card, folder / CARDS / card.name)
    written = []
    for path in chosen:
        notebook = nbformat.read(path, as_version=4)
        if solved and answer_cells(notebook):
            fill_in(notebook, read_answers(path.parent / SOLUTIONS / f"{path.stem}.py"))
        nbformat.write(notebook, folder / path.name)
        written.append(folder / path.name)
    return written
