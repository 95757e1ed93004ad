"""Run the numbered notebooks in order, and write what came of it: summary.json and report.html."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from affectkit.course.earlier_runs import cut_off_run, earlier_notebooks
from affectkit.course.notebook_files import find_notebooks, notebook_number
from affectkit.course.notebook_runs import (
    COMPLETED,
    FAILED,
    check_parameters,
    open_log,
    run_notebook,
)
from affectkit.course.progress import CourseProgress
from affectkit.course.report import write_report
from affectkit.course.summary import collect_metrics, new_summary, write_summary
from affectkit.data.datasets import get_dataset
from affectkit.data.skipped import merge_skipped_files
from affectkit.files.atomic import remove_partials
from affectkit.files.run_folder import RunFolder, new_run_path, open_run_folder
from affectkit.machine import peak_memory_of_children
from affectkit.profiles import NAMED_WEIGHTS, get_profile

EVALUATION_NUMBER = 4
"""Number of the course's last notebook, which writes `metrics/classifier.json` and
`metrics/regressor.json`."""

CELL_TIMEOUTS = {"quick": 2 * 3600, "standard": 12 * 3600, "full": 72 * 3600}
"""Seconds that one cell may take, by profile."""


@dataclass(frozen=True)
class CourseResult:
    """What `run_course` made.

    Attributes
    ----------
    folder : Path
        The run folder.
    summary : dict
        Content of its summary.json.
    report : Path
        Its report.html.
    """

    folder: Path
    summary: dict
    report: Path

    @property
    def exit_code(self) -> int:
        """0 when every notebook ran to its end, else 1."""
        return int(self.summary["status"] != COMPLETED)


def run_course(
    dataset: str = "affectfaces",
    root: str | Path = "",
    profile: str = "quick",
    output: str | Path = "",
    start: int = 0,
    seed: int = 0,
    limit: int = 0,
    epochs: int = 0,
    weights: str | Path = "",
    notebooks: str | Path | None = None,
    progress: bool = True,
    cell_timeout: int = 0,
) -> CourseResult:
    """Run the course's notebooks, 00 to 04, from number `start` on, each in its own kernel.

    A run that was killed goes on with the notebook that it was at, when it is called again with the
    same settings and `output`; a training in it goes on from its last epoch.

    The run folder gets `notebooks/` (executed), `models/`, `logs/` (with `course.log`),
    `metrics/`, `skipped_rows.csv`, `summary.json` and `report.html`. A notebook that fails stops
    the chain; what ran is kept, and summary and report say what failed.

    Parameters
    ----------
    dataset : str
        affectfaces, affectnet, ferplus or folder.
    root : str or Path
        Folder of the data set; empty for the data set's default.
    profile : str
        quick, standard or full.
    output : str or Path
        The run folder; empty for `runs/<date>_<time>` in the working directory.
    start : int
        Number of the first notebook to run. Those before are taken as done in `output`.
    seed : int
        Of everything random.
    limit, epochs : int
        At most so many rows a split; epochs of both networks; 0 = the default.
    weights : str or Path
        Where the classifier starts: none, affectfaces, imagenet or a `.weights.h5` file; empty for
        the profile's own start.
    notebooks : str or Path, optional
        Folder with other notebooks, all of which are run.
    progress : bool
        Show progress bars.
    cell_timeout : int
        Seconds that one cell may take; 0 = the profile's of `CELL_TIMEOUTS`.

    Returns
    -------
    CourseResult
        Errors in a notebook do not raise; see its `exit_code`.

    Raises
    ------
    ValueError
        If a setting is impossible, a notebook lacks a parameter, or `output` holds another run, or
        one that is still running.
    FileNotFoundError
        If there are no notebooks, no `root`, or no earlier run to go on from.
    """
    for name, value in {"limit": limit, "epochs": epochs, "cell_timeout": cell_timeout}.items():
        if value < 0:
            raise ValueError(f"expected {name} of 0 (the default) or more, got {value}")
    if weights and str(weights) not in NAMED_WEIGHTS:
        file = Path(weights).expanduser().resolve()
        if not file.is_file():
            raise FileNotFoundError(
                f"there is no file {weights}; give {', '.join(NAMED_WEIGHTS)} or a .weights.h5 file"
            )
        weights = file
    get_profile(profile)
    get_dataset(dataset)
    if root and not Path(root).expanduser().exists():
        raise FileNotFoundError(f"there is no folder {root}; give the data set's folder as root")
    settings = {
        "dataset": dataset,
        "root": str(Path(root).expanduser().resolve()) if root else "",
        "profile": profile,
        "seed": seed,
        "limit": limit,
        "epochs": epochs,
        "weights": str(weights),
    }
    chain = find_notebooks(notebooks)
    if notebooks is None:  # the later ones read what other commands have made
        chain = [path for path in chain if notebook_number(path) <= EVALUATION_NUMBER]
    chosen = [path for path in chain if notebook_number(path) >= start]
    if not chosen:
        raise ValueError(
            f"there is no notebook from number {start:02d} on: the last is {chain[-1]}"
        )
    for path in chosen:
        check_parameters(path, {*settings, "output"})
    cut_off = cut_off_run(chain, output, settings) if chosen == chain else None
    earlier = [] if cut_off else earlier_notebooks(chain, chosen, output, settings)
    folder = open_run_folder(output or new_run_path())
    timeout = cell_timeout or CELL_TIMEOUTS[profile]
    with open_log(folder.logs / "course.log") as log:
        remove_partials(folder.path, deep=True)
        # read again, as a course that still ran when it was read first has ended now
        summary = cut_off and cut_off_run(chain, output, settings)
        if summary is None:
            if start <= EVALUATION_NUMBER:
                for file in folder.metrics.glob("*.json"):
                    file.unlink()
            waiting = [{"name": path.stem, "seconds": None, "status": "not run"} for path in chosen]
            summary = new_summary(settings, [*earlier, *waiting])
        done = {entry["name"] for entry in summary["notebooks"] if entry["status"] != "not run"}
        if summary["status"] == "running":
            chosen = [path for path in chosen if path.stem not in done]
            _run_chain(chosen, folder, settings, summary, progress, timeout, log)
        return CourseResult(folder.path, summary, write_report(folder.path, summary))


def _run_chain(
    chosen: list[Path],
    folder: RunFolder,
    settings: dict[str, object],
    summary: dict,
    progress: bool,
    cell_timeout: int,
    log: TextIO,
) -> None:
    """Run notebooks until one fails, and keep the summary up to date on disk."""
    begin = time.monotonic() - summary["seconds"]
    executed = folder.path / "notebooks"
    executed.mkdir(exist_ok=True)
    for path in chosen:
        (executed / path.name).unlink(missing_ok=True)
    # the one has the rows of all notebooks; each writes those that it skipped to the other anew
    skipped_files = folder.logs / "skipped_rows.csv", folder.path / "skipped_rows.csv"
    skipped = merge_skipped_files(*skipped_files)
    entries = {entry["name"]: entry for entry in summary["notebooks"]}
    write_summary(summary, folder.path)
    with CourseProgress(len(chosen), progress) as bars:
        for path in chosen:
            bars.start_notebook(path.stem)
            run = run_notebook(
                path,
                executed / path.name,
                settings | {"output": str(folder.path)},
                log,
                folder.path,
                cell_timeout,
                bars.cell,
            )
            bars.end_notebook(run)
            entries[run.name] |= {"seconds": run.seconds, "status": run.status}
            if run.status == FAILED:
                summary["status"] = FAILED
                details = asdict(run)
                summary["failed"] = {"notebook": run.name} | {
                    name: details[name] for name in ("cell", "error")
                }
            elif path == chosen[-1]:
                summary["status"] = COMPLETED
            skipped = merge_skipped_files(*skipped_files)
            summary["skipped_rows"] = len(skipped)
            collect_metrics(summary, folder.metrics)
            summary["seconds"] = round(time.monotonic() - begin, 2)
            summary["peak_memory_bytes"] = peak_memory_of_children()
            write_summary(summary, folder.path)
            if run.status == FAILED:
                break
