"""The watch on figures sees what is missing."""

import nbclient
import nbformat
import pytest

GOOD = """
import matplotlib.pyplot as plt
figure, axis = plt.subplots(figsize=(3, 2))
axis.bar(["Happy", "Sad"], [1, 2])
axis.set(title="Two names", ylabel="faces")
plt.show()
"""
UNTITLED = "plt.plot([1, 2])\nplt.xlabel('s')\nplt.ylabel('m')\nplt.show()"
UNLABELLED = "plt.plot([1, 2])\nplt.title('Way')\nplt.xlabel('s')\nplt.show()"
TALL = "plt.subplots(figsize=(3, 16))[1].set(title='Tall', xlabel='s', ylabel='m')\nplt.show()"


@pytest.mark.notebooks
def test_figures_that_lack_something_are_noted(figures, tmp_path, monkeypatch):
    environment, notes = figures.watch(tmp_path / "ipython")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cells = [nbformat.v4.new_code_cell(code) for code in (GOOD, UNTITLED, UNLABELLED, TALL)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    assert [note["missing"] for note in figures.read_notes(notes)] == [
        [],
        ["title"],
        ["y label"],
        [],
    ]
    nbformat.write(notebook, tmp_path / "executed.ipynb")
    ((cell, height),) = figures.tall_pictures(tmp_path / "executed.ipynb")
    assert cell == cells[3].id
    assert height > 1200
