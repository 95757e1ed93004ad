"""Find the numbered notebooks of the course, and run them with papermill in this interpreter."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from filelock import lock_descriptor

COMPLETED, FAILED = "completed", "failed"
LONGEST_ERROR = 2000
KERNEL_ENDS = 20
"""Seconds within which a kernel has to notice that its parent was killed."""
EXTRAS = {"onnxruntime": "onnx"}
"""Module that a notebook imports -> the extra that installs it."""
PACKAGE = Path(__file__).resolve().parents[1]
_KERNEL_DIED = (
    "the kernel died, most likely because memory ran out; close other programs, or take fewer rows "
    "(--limit) or a smaller profile"
)


@dataclass(frozen=True)
class NotebookRun:
    """What came of running one notebook: name (without .ipynb), "completed" or "failed", wall time.

    `cell` is the number in brackets beside the cell that failed, `error` what went wrong there.
    """

    name: str
    status: str
    seconds: float
    cell: int | None = None
    error: str | None = None


def find_beside(folder: str) -> Path:
    """Give a folder that comes with the kit: inside the installed package, or in a checkout."""
    inside = PACKAGE / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def find_notebooks(folder: str | Path | None = None) -> list[Path]:
    """List the notebooks `NN_name.ipynb` of a folder by number: absolute paths, at least one.

    Without a folder, those inside the installed package, else beside it (source checkout).
    """
    place = Path(folder) if folder else find_beside("notebooks")
    if found := sorted(place.resolve().glob("[0-9][0-9]_*.ipynb")):
        return found
    raise FileNotFoundError(
        f"expected notebooks named NN_name.ipynb in {place}, found none; install affectkit again "
        "or run it from its source folder"
    )


def find_notebook(name: str | Path) -> Path:
    """Find a notebook by its path, or one of the course's by number ("02") or name."""
    path = Path(name).expanduser()
    if path.is_file():
        return path.resolve()
    known = find_notebooks()
    for notebook in known:
        number = str(name).isdecimal() and int(name) == notebook_number(notebook)
        if number or str(name) in (notebook.stem, notebook.name):
            return notebook
    raise FileNotFoundError(
        f"there is no notebook {name}: name a file, or one of "
        f"{', '.join(notebook.stem for notebook in known)}"
    )


def notebook_number(notebook: Path) -> int:
    """Give the number that a notebook's file name starts with."""
    return int(notebook.name[:2])


def known_parameters(notebook: Path) -> set[str]:
    """Name what a notebook's cell tagged `parameters` sets."""
    import papermill

    with _logging_to(os.devnull):
        return set(papermill.inspect_notebook(str(notebook)))


def check_parameters(notebook: Path, names: set[str]) -> None:
    """Check that a notebook's cell tagged `parameters` has all these names.

    Papermill itself only warns, and goes on with the notebook's default.
    """
    known = known_parameters(notebook)
    if missing := sorted(names - known):
        raise ValueError(
            f"notebook {notebook.name} has no parameter {', '.join(missing)} in its cell tagged "
            f"'parameters' (it has {', '.join(sorted(known)) or 'none'}); add it there"
        )


def check_extras(notebook: Path) -> None:
    """Raise ImportError if a notebook imports a module of an extra that is not installed."""
    text = notebook.read_text("utf-8")
    for module, extra in EXTRAS.items():
        if re.search(rf'"import {module}\b', text) and importlib.util.find_spec(module) is None:
            raise ImportError(
                f'notebook {notebook.name} needs {module}: pip install "affectkit[{extra}]"'
            )


@contextmanager
def open_log(path: Path) -> Iterator[TextIO]:
    """Open the log of a course to append to, locked for this process and its kernels.

    The lock belongs to the open file, which kernels inherit: when a course is killed, it is held
    until its kernel has noticed and ended. That is waited for.
    """
    with path.open("a", encoding="utf-8") as file:
        end = time.monotonic() + KERNEL_ENDS
        while not lock_descriptor(file.fileno(), blocking=False):
            if time.monotonic() > end:
                raise ValueError(
                    f"another process runs a course in {path.parent.parent}: wait for it, or "
                    "choose another output"
                )
            time.sleep(0.1)
        if not file.tell():  # Windows locks the first byte, which then only this handle may write
            print("The course's log: what papermill, the cells and the kernels print.", file=file)
            file.flush()
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
    """Run a notebook in a new kernel; the executed copy is written after every cell.

    The log (of `open_log`) gets what papermill, the cells and the kernel print; `on_cell` is called
    with (cells done, all cells). Errors in the notebook are not raised, they are in the result.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    start, code_cells, cell, error = time.monotonic(), 0, None, None

    def count(cell: dict, cell_index: int) -> None:
        nonlocal code_cells
        code_cells += cell["cell_type"] == "code" and bool(cell["source"].strip())
        if on_cell:
            on_cell(cell_index, total)

    cells = nbformat.read(notebook, as_version=4).cells
    total = len(cells) + 1  # papermill adds one with the parameters
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
                kernel_manager_class=_kernel_manager_class(log),
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


def _kernel_manager_class(output: TextIO) -> type:
    """Make a kernel manager whose "python3" is this interpreter, whatever kernels a user has.

    The kernels print to `output`, and keep it open.
    """
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    environment = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # figures belong in the notebook
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    if (PACKAGE.parent / "pyproject.toml").is_file():  # a checkout works without being installed
        paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)

    class InterpreterKernelManager(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**get_kernel_dict(), env=environment)

        async def start_kernel(self, **options: object) -> None:
            await super().start_kernel(stdout=output, stderr=output, **options)

    return InterpreterKernelManager


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
