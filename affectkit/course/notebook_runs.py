"""Run one of the course's notebooks with papermill in this interpreter."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from affectkit.course.notebook_kernel import kernel_manager_class

COMPLETED, FAILED = "completed", "failed"
LONGEST_ERROR = 2000
KERNEL_ENDS = 20
"""Seconds within which a kernel has to notice that its parent was killed."""
_KERNEL_DIED = (
    "the kernel died, most likely because memory ran out; close other programs, or take fewer rows "
    "(--limit) or a smaller profile"
)


@dataclass(frozen=True)
class NotebookRun:
    """What came of running one notebook.

    Attributes
    ----------
    name : str
        Its file name without `.ipynb`.
    status : str
        "completed" or "failed".
    seconds : float
        Wall time.
    cell : int or None
        The number in brackets beside the cell that failed.
    error : str or None
        What went wrong there.
    """

    name: str
    status: str
    seconds: float
    cell: int | None = None
    error: str | None = None


def check_parameters(notebook: Path, names: set[str]) -> None:
    """Check that a notebook's cell tagged `parameters` has all these names.

    Papermill itself only warns about a name that the notebook does not know, and goes on with
    the notebook's default.

    Raises
    ------
    ValueError
        If it has not.
    """
    import papermill

    with _logging_to(os.devnull):
        known = set(papermill.inspect_notebook(str(notebook)))
    if missing := sorted(names - known):
        raise ValueError(
            f"notebook {notebook.name} has no parameter {', '.join(missing)} in its cell tagged "
            f"'parameters' (it has {', '.join(sorted(known)) or 'none'}); add it there"
        )


@contextmanager
def open_log(path: Path) -> Iterator[TextIO]:
    """Open the log of a course to append to, and lock it for this process and its kernels.

    The lock belongs to the open file, which kernels inherit: when a course is killed, it is held
    until its kernel has noticed and ended. That is waited for.

    Raises
    ------
    ValueError
        If another course runs in this folder.
    """
    with path.open("a", encoding="utf-8") as file:
        end = time.monotonic() + KERNEL_ENDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ValueError(
                        f"another process runs a course in {path.parent.parent}: wait for it, or "
                        "choose another output"
                    ) from None
                time.sleep(0.1)
        yield file


def run_notebook(
    notebook: Path,
    executed: Path,
    parameters: dict[str, object],
    log: TextIO,
    working_folder: Path,
    cell_timeout: int | None = None,
    on_cell: Callable[[int, int], None] | None = None,
) -> NotebookRun:
    """Run a notebook in a new kernel of this Python and write it with its outputs.

    Parameters
    ----------
    notebook : Path
        The source; stays as it is.
    executed : Path
        The executed copy, written after every cell; its folder exists.
    parameters : dict
        Values for the cell tagged `parameters`.
    log : file
        From `open_log`: gets papermill's log and everything that the cells and the kernel print.
    working_folder : Path
        Where the kernel starts.
    cell_timeout : int, optional
        Seconds that one cell may take.
    on_cell : callable, optional
        Called with (cells done, all cells) before each cell and at the end.

    Returns
    -------
    NotebookRun
        Errors in the notebook are not raised, they are described here.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    start, code_cells, cell, error = time.monotonic(), 0, None, None

    def count(cell: dict, cell_index: int) -> None:
        nonlocal code_cells
        code_cells += cell["cell_type"] == "code" and bool(cell["source"].strip())
        if on_cell:
            on_cell(cell_index, total)

    total = len(_read_cells(notebook)) + 1  # papermill adds one with the parameters
    try:
        with _logging_to(log.name):
            papermill.execute_notebook(
                notebook,
                str(executed).replace("{", "{{").replace("}", "}}"),
                parameters,
                kernel_name="python3",
                progress_bar=False,
                log_output=True,
                cwd=working_folder,
                execution_timeout=cell_timeout,
                kernel_manager_class=kernel_manager_class(log),
                on_cell_start=count,
            )
    except papermill.PapermillExecutionError as problem:
        cell, error = problem.exec_count or code_cells, f"{problem.ename}: {problem.evalue}"
    except CellTimeoutError:
        cell, error = code_cells, f"the cell took longer than {cell_timeout} s (--cell-timeout)"
    except DeadKernelError:
        cell, error = code_cells, _KERNEL_DIED
    except RuntimeError as problem:  # the kernel did not start
        cell, error = None, f"{problem}; `affectkit doctor` finds out why"
    except KeyboardInterrupt:
        cell, error = code_cells, "stopped from the keyboard"
    if on_cell:
        on_cell(total, total)
    return NotebookRun(
        notebook.stem,
        FAILED if error else COMPLETED,
        round(time.monotonic() - start, 2),
        cell,
        re.sub(r"\x1b\[[0-9;]*m", "", error)[:LONGEST_ERROR] if error else None,
    )


def _read_cells(notebook: Path) -> list[dict]:
    import nbformat

    return nbformat.read(notebook, as_version=4).cells


@contextmanager
def _logging_to(path: str | Path) -> Iterator[None]:
    """Send papermill's log, with what cells print, to a file and nowhere else."""
    logger = logging.getLogger("papermill")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        handler.close()
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
