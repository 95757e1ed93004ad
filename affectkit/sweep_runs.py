"""One run of a sweep: a notebook with some parameters, in a folder of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from affectkit import __version__
from affectkit.atomic_files import write_atomically
from affectkit.course.notebook_runs import COMPLETED, FAILED, open_log, run_notebook
from affectkit.record import read_records

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
