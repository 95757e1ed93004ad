"""Run a notebook with every combination of some parameters on a Dask cluster."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from affectkit.course.notebook_files import find_notebooks, notebook_number
from affectkit.course.notebook_runs import (
    COMPLETED,
    FAILED,
    check_parameters,
    open_log,
    run_notebook,
)
from affectkit.files.atomic import write_atomically
from affectkit.pipeline.predict.cluster import open_cluster, run_tasks
from affectkit.record import read_records
from affectkit.version import __version__

TABLE_FILE = "sweep.csv"


@dataclass(frozen=True)
class SweepResult:
    """What `sweep_notebook` has done.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a combination: its parameters, `status` ("completed" or "failed"), `seconds`, the
        recorded values, `error` and `folder`.
    table_file : Path
        The same as CSV.
    finished_before : int
        Combinations that an earlier call had done.
    """

    table: pd.DataFrame
    table_file: Path
    finished_before: int

    @property
    def failed(self) -> pd.DataFrame:
        """The rows that failed."""
        return self.table[self.table["status"] == FAILED]


def find_notebook(name: str | Path) -> Path:
    """Find a notebook by its path, or one of the course's by number ("02") or name.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
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


def sweep_notebook(
    notebook: str | Path,
    grid: Mapping[str, Sequence[object]],
    output: str | Path,
    scheduler: str | None = None,
    workers: int = 1,
    cell_timeout: int = 0,
    progress: bool = True,
    check: Callable[[], None] | None = None,
) -> SweepResult:
    """Run a notebook with every combination of some parameters.

    Every combination has a folder in `output`, named by a hash of parameters, notebook and version,
    with the executed notebook, `run.json` and `logs/run.log`. A notebook with a parameter `output`
    gets that folder. Called again, combinations that are completed are left out, and failed ones
    are tried again. A run whose worker ends is done again by another one.

    Parameters
    ----------
    notebook : str or Path
        See `find_notebook`; has a cell tagged `parameters`.
    grid : mapping of str to sequence
        Parameters and their values: numbers, text, truth values. Paths have to be absolute.
    output : str or Path
        Folder; is made, gets `sweep.csv`.
    scheduler, workers : str, int
        See `affectkit.pipeline.predict.cluster.open_cluster`. A process runs one notebook at a time.
    cell_timeout : int
        Seconds that one cell may take; 0 for no limit.
    progress : bool
        Show a progress bar where the standard error is a terminal.
    check : callable, optional
        Called several times a second; may raise an exception, such as KeyboardInterrupt.

    Returns
    -------
    SweepResult
        Errors in the notebook are not raised, they are in its table.

    Raises
    ------
    ValueError
        If the grid is empty, has a value twice or a parameter that the notebook has not, or another
        process is at work in `output`.
    FileNotFoundError
        If there is no such notebook.
    OSError
        If `output` can't be written, or the cluster is lost.
    """
    notebook = find_notebook(notebook)
    combinations = _combinations(grid)
    check_parameters(notebook, set(grid))
    if cell_timeout < 0:
        raise ValueError(f"expected cell_timeout of 0 (no limit) or more, got {cell_timeout}")
    output = Path(output).expanduser().resolve()
    output.mkdir(parents=True, exist_ok=True)
    cells, takes_folder = _cells(notebook), _takes_folder(notebook)
    runs = [
        SweepRun(
            notebook,
            parameters,
            output / run_name(cells, parameters),
            takes_folder,
            cell_timeout or None,
        )
        for parameters in combinations
    ]
    with ExitStack() as stack:
        stack.enter_context(_locked(output))
        entries = [read_run(run) for run in runs]
        todo = [number for number, entry in enumerate(entries) if entry is None]
        if todo:
            client = stack.enter_context(open_cluster(scheduler, min(workers, len(todo))))
            bar = tqdm(total=len(runs), unit="run", disable=None if progress else True)
            stack.enter_context(bar).update(len(runs) - len(todo))
            outcomes = run_tasks(client, do_runs, [runs[number] for number in todo], check=check)
            for outcome in stack.enter_context(closing(outcomes)):
                number = todo[outcome.index]
                entries[number] = outcome.value or new_entry(runs[number], outcome.error)
                _write_table(runs, entries, output)
                bar.update()
        table = _write_table(runs, entries, output)
    return SweepResult(table, output / TABLE_FILE, len(runs) - len(todo))


def _combinations(grid: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Give every combination, the last parameter changing quickest."""
    if not grid:
        raise ValueError("name at least one parameter with its values")
    for name, values in grid.items():
        if name == FOLDER_PARAMETER:
            raise ValueError(f"every run has a folder of its own: leave {name!r} away")
        if not values:
            raise ValueError(f"expected at least one value of {name!r}")
        try:
            texts = [json.dumps(value, allow_nan=False) for value in values]
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"expected numbers, text or truth values for {name!r}, got {list(values)} ({error})"
            ) from error
        if len(set(texts)) < len(texts):
            raise ValueError(f"{name!r} has a value twice: {', '.join(texts)}")
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _cells(notebook: Path) -> list[tuple[str, str]]:
    import nbformat

    cells = nbformat.read(notebook, as_version=4).cells
    return [(cell["cell_type"], cell["source"]) for cell in cells]


def _takes_folder(notebook: Path) -> bool:
    try:
        check_parameters(notebook, {FOLDER_PARAMETER})
    except ValueError:
        return False
    return True


@contextmanager
def _locked(output: Path) -> Iterator[None]:
    with (output / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is at work in {output}: wait for it, or choose another folder"
            ) from None
        yield


def _write_table(
    runs: list[SweepRun], entries: list[dict[str, object] | None], output: Path
) -> pd.DataFrame:
    """Write what is done, in the order of the grid."""
    rows = []
    for run, entry in zip(runs, entries, strict=True):
        if entry is None:
            continue
        row = run.parameters | {"status": entry["status"], "seconds": entry["seconds"]}
        last = {"error": entry["error"], "folder": run.folder.name}
        for name, value in _flat(entry["records"]):
            row[f"record {name}" if name in row or name in last else name] = value
        rows.append(row | last)
    names = dict.fromkeys(name for row in rows for name in row if name not in ("error", "folder"))
    table = pd.DataFrame(rows, columns=[*names, "error", "folder"])
    write_atomically(output / TABLE_FILE, table.to_csv(index=False))
    return table


def _flat(records: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Name what is in dicts by path; lists stay, as text."""
    for name, value in records.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, json.dumps(value) if isinstance(value, list) else value


# FOLD affectkit.sweep_runs: """One run of a sweep: a notebook with some parameters, in a folder of its own."""
RUN_FILE = "run.json"
FOLDER_PARAMETER = "output"


@dataclass(frozen=True)
class SweepRun:
    """A run to do.

    Attributes
    ----------
    notebook : Path
        The source.
    parameters : dict
        Those of the sweep.
    folder : Path
        Gets the executed notebook, `logs/run.log` and `run.json`.
    takes_folder : bool
        The notebook has a parameter `output`.
    cell_timeout : int or None
        Seconds that one cell may take.
    """

    notebook: Path
    parameters: dict[str, object]
    folder: Path
    takes_folder: bool = False
    cell_timeout: int | None = None


def run_name(cells: list[tuple[str, str]], parameters: dict[str, object]) -> str:
    """Name the folder of a run: 12 hexadecimal digits, others for other cells or parameters."""
    facts = json.dumps([__version__, cells, parameters], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


def read_run(run: SweepRun) -> dict[str, object] | None:
    """Give what a completed run wrote to its folder; None if there is no such run."""
    try:
        entry = json.loads((run.folder / RUN_FILE).read_text("utf-8"))
        complete = entry["status"] == COMPLETED and isinstance(entry["records"], dict)
        return entry if complete and {"seconds", "error"} <= set(entry) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def do_runs(runs: list[SweepRun]) -> list[dict[str, object]]:
    """Do runs one after the other, in the worker of a cluster.

    Returns
    -------
    list of dict
        Of each what `run.json` holds: notebook, parameters, affectkit, status ("completed" or
        "failed"), seconds, records (name to value), error. Errors are not raised.
    """
    # one that is there was done by a worker that ended before it could tell
    return [read_run(run) or _do_run(run) for run in runs]


def _do_run(run: SweepRun) -> dict[str, object]:
    executed = run.folder / run.notebook.name
    folder = {FOLDER_PARAMETER: str(run.folder)} if run.takes_folder else {}
    entry = new_entry(run)
    try:
        log_file = run.folder / "logs" / "run.log"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with open_log(log_file) as log:
            executed.unlink(missing_ok=True)
            done = run_notebook(
                run.notebook, executed, run.parameters | folder, log, run.folder, run.cell_timeout
            )
        entry |= {"status": done.status, "seconds": done.seconds}
        if done.error:
            entry["error"] = (f"cell [{done.cell}]: " if done.cell else "") + done.error
        if executed.is_file():
            entry["records"] = read_records(executed)
        write_run(run, entry)
    except (OSError, ValueError) as error:
        entry |= {"status": FAILED, "error": str(error) or type(error).__name__}
    return entry


def new_entry(run: SweepRun, error: str | None = None) -> dict[str, object]:
    """Give the entry of a run that has not come to its end."""
    return {
        "notebook": run.notebook.name,
        "parameters": run.parameters,
        "affectkit": __version__,
        "status": FAILED,
        "seconds": None,
        "records": {},
        "error": error,
    }


def write_run(run: SweepRun, entry: dict[str, object]) -> None:
    """Write the entry to the run's folder."""
    write_atomically(run.folder / RUN_FILE, json.dumps(entry, indent=1))
