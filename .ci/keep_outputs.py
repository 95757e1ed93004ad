"""Strip the notebooks, but run them anew for the cells that keep their outputs.

`make outputs` runs this. Cells tagged `keep_output` get the output of a fresh run; all others lose
theirs. nbval compares the kept ones in `make test-all` (tag `nbval-check-output`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbclient
import nbformat

KEEP = "keep_output"


def refresh(path: Path) -> int:
    """Rewrite one notebook and give the number of cells that keep an output."""
    notebook = nbformat.read(path, as_version=4)
    keeps = [KEEP in cell.metadata.get("tags", []) for cell in notebook.cells]
    fresh = nbformat.from_dict(notebook)
    if any(keeps):
        nbclient.NotebookClient(fresh, timeout=900, kernel_name="python3").execute()
    for cell, executed, keep in zip(notebook.cells, fresh.cells, keeps, strict=True):
        if cell.cell_type != "code":
            continue
        cell.outputs = executed.outputs if keep else []
        # nbval refuses a cell that has outputs and no count
        cell.execution_count = executed.execution_count if keep else None
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, path)
    return sum(keeps)


if __name__ == "__main__":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    folder = Path(__file__).resolve().parent.parent / "notebooks"
    for notebook_path in [Path(name) for name in sys.argv[1:]] or sorted(folder.glob("*.ipynb")):
        print(notebook_path.name, "keeps the output of", refresh(notebook_path), "cells")
