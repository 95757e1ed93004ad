"""Run a notebook with every combination of some parameters on a Dask cluster."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm
from typing_extensions import TypedDict

from affectkit.course.notebooks import (
    FAILED,
    check_parameters,
    find_notebook,
    known_parameters,
    open_log,
    run_notebook,
)
from affectkit.files.atomic import write_atomically
from affectkit.files.json_forms import OPEN, Number, read_json
from affectkit.pipeline.predict.cluster import open_cluster, require_dask, run_tasks
from affectkit.record import read_records
from affectkit.version import __version__

TABLE_FILE, RUN_FILE, LOCK_FILE = "sweep.csv", "run.json", ".lock"
FOLDER_PARAMETER = "output"


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
        A file, or one of the course's by number ("02") or name; has a cell tagged `parameters`.
    grid : mapping of str to sequence
        Parameters and their values: numbers, text, truth values. Paths have to be absolute.
    output : str or Path
        Folder; is made, gets `sweep.csv`.
    scheduler : str, optional
        Address of a Dask scheduler, tcp://host:port, whose workers are taken.
    workers : int
        Else so many processes of this machine. A process runs one notebook at a time.
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
    cells = _cells(notebook)
    takes_folder = FOLDER_PARAMETER in known_parameters(notebook)
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
        try:
            stack.enter_context(FileLock(output / LOCK_FILE, timeout=0))
        except Timeout:
            raise ValueError(
                f"another process is at work in {output}: wait for it, or choose another folder"
            ) from None
        entries = [run.completed() for run in runs]
        todo = [number for number, entry in enumerate(entries) if entry is None]
        if todo:
            require_dask("affectkit sweep")
            client = stack.enter_context(open_cluster(scheduler, min(workers, len(todo))))
            bar = tqdm(total=len(runs), unit="run", disable=None if progress else True)
            stack.enter_context(bar).update(len(runs) - len(todo))
            outcomes = run_tasks(client, do_runs, [runs[number] for number in todo], check=check)
            for outcome in stack.enter_context(closing(outcomes)):
                number = todo[outcome.index]
                entries[number] = outcome.value or runs[number].entry(error=outcome.error)
                write_table(runs, entries, output)
                bar.update()
        table = write_table(runs, entries, output)
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


def run_name(cells: list[tuple[str, str]], parameters: dict[str, object]) -> str:
    """Name the folder of a run: 12 hexadecimal digits, others for other cells or parameters."""
    facts = json.dumps([__version__, cells, parameters], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


class CompletedRun(TypedDict):
    """Form of the run.json of a completed run."""

    __pydantic_config__ = OPEN
    status: Literal["completed"]
    seconds: Number
    records: dict
    error: None


@dataclass(frozen=True)
class SweepRun:
    """A run to do: a notebook with some parameters, in a folder of its own.

    The folder gets the executed notebook, `logs/run.log` and `run.json`; the notebook is told it
    where it `takes_folder`. `cell_timeout` is in seconds.
    """

    notebook: Path
    parameters: dict[str, object]
    folder: Path
    takes_folder: bool = False
    cell_timeout: int | None = None

    def entry(self, **facts: object) -> dict[str, object]:
        """Give what `run.json` holds: of a run that has not ended, but for these facts."""
        return {
            "notebook": self.notebook.name,
            "parameters": self.parameters,
            "affectkit": __version__,
            "status": FAILED,
            "seconds": None,
            "records": {},
            "error": None,
        } | facts

    def completed(self) -> dict[str, object] | None:
        """Give what an earlier, completed run wrote to the folder; None if there is no such run."""
        try:
            return read_json(self.folder / RUN_FILE, "a run of a sweep", "run it", CompletedRun)
        except (OSError, ValueError):
            return None

    def do(self) -> dict[str, object]:
        """Run the notebook and write `run.json`; errors are in what it holds, and not raised."""
        executed = self.folder / self.notebook.name
        folder = {FOLDER_PARAMETER: str(self.folder)} if self.takes_folder else {}
        entry = self.entry()
        try:
            log_file = self.folder / "logs" / "run.log"
            log_file.parent.mkdir(parents=True, exist_ok=True)
            with open_log(log_file) as log:
                executed.unlink(missing_ok=True)
                done = run_notebook(
                    self.notebook,
                    executed,
                    self.parameters | folder,
                    log,
                    self.folder,
                    self.cell_timeout,
                )
            entry |= {"status": done.status, "seconds": done.seconds}
            if done.error:
                entry["error"] = (f"cell [{done.cell}]: " if done.cell else "") + done.error
            if executed.is_file():
                entry["records"] = read_records(executed)
            write_atomically(self.folder / RUN_FILE, json.dumps(entry, indent=1))
        except (OSError, ValueError) as error:
            entry |= {"status": FAILED, "error": str(error) or type(error).__name__}
        return entry


def do_runs(runs: list[SweepRun]) -> list[dict[str, object]]:
    """Do runs one after the other, in the worker of a cluster, and give their entries."""
    # one that is there was done by a worker that ended before it could tell
    return [run.completed() or run.do() for run in runs]


def write_table(
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
