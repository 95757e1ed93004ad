"""Run the numbered notebooks in order, and write what came of it: summary.json and report.html."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from affectkit.course.notebooks import (
    COMPLETED,
    FAILED,
    check_extras,
    find_notebooks,
    known_parameters,
    notebook_number,
    open_log,
    run_notebook,
)
from affectkit.course.pages import write_pages
from affectkit.course.progress import CourseProgress
from affectkit.course.report import executed_notebooks, write_report
from affectkit.course.summary import (
    RUNNING,
    CourseSettings,
    collect_metrics,
    cut_off_run,
    earlier_notebooks,
    new_summary,
    write_summary,
)
from affectkit.data.datasets import check_root, get_dataset
from affectkit.data.skipped import merge_skipped_files
from affectkit.files.atomic import remove_partials
from affectkit.files.run_folder import RunFolder, new_run_path, open_run_folder
from affectkit.labels import label_order
from affectkit.machine import peak_memory_of_children
from affectkit.profiles import NAMED_WEIGHTS, get_profile

EVALUATION_NUMBER = 4
"""Number of the course's last notebook, which writes `metrics/classifier.json` and
`metrics/regressor.json`."""

CELL_TIMEOUTS = {"quick": 2 * 3600, "standard": 12 * 3600, "full": 72 * 3600, "seed": 72 * 3600}
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
    settings: CourseSettings | None = None,
    output: str | Path = "",
    start: int = 0,
    notebooks: str | Path | None = None,
    progress: bool = True,
    cell_timeout: int = 0,
    everything: bool = False,
) -> CourseResult:
    """Run the course's notebooks, 00 to 04 or all, from number `start` on, each in its own kernel.

    A run that was killed goes on with the notebook that it was at, when it is called again with the
    same settings and `output`; a training in it goes on from its last epoch.

    The run folder gets `notebooks/` (executed, and each as an HTML page), `models/`, `logs/` (with
    `course.log`), `metrics/`, `skipped_rows.csv`, `summary.json` and `report.html`. A
    notebook that fails stops the chain; what ran is kept, and summary and report say what failed.

    Parameters
    ----------
    settings : CourseSettings, optional
        The data, the profile and so on; default: the quick course on affectfaces.
    output : str or Path
        The run folder; empty for `runs/<date>_<time>` in the working directory.
    start : int
        Number of the first notebook to run. Those before are taken as done in `output`.
    notebooks : str or Path, optional
        Folder with other notebooks, all of which are run.
    progress : bool
        Show progress bars.
    cell_timeout : int
        Seconds that one cell may take; 0 = the profile's of `CELL_TIMEOUTS`.
    everything : bool
        Run the notebooks after 04, too. Into the folder of a run without them, `start` at 5.

    Returns
    -------
    CourseResult
        Errors in a notebook do not raise; see its `exit_code`.

    Raises
    ------
    ValueError
        If a setting is impossible or no notebook's parameter, or `output` holds another run, or
        one that is still running.
    FileNotFoundError
        If there are no notebooks, no `root`, or no earlier run to go on from.
    ImportError
        If a notebook needs an extra that is not installed.
    """
    if cell_timeout < 0:
        raise ValueError(f"expected cell_timeout of 0 (the default) or more, got {cell_timeout}")
    settings = _checked(settings or CourseSettings())
    chain = find_notebooks(notebooks)
    if notebooks is None and not everything:
        chain = [path for path in chain if notebook_number(path) <= EVALUATION_NUMBER]
    chosen = [path for path in chain if notebook_number(path) >= start]
    if not chosen:
        raise ValueError(
            f"there is no notebook from number {start:02d} on: the last is {chain[-1]}"
            + ("" if everything or notebooks else "; with everything (--all) there are later ones")
        )
    _check_taken(settings, chosen)
    for path in chosen:
        check_extras(path)
    cut_off = cut_off_run(chain, output, settings) if chosen == chain else None
    earlier = [] if cut_off else earlier_notebooks(chain, chosen, output, settings)
    folder = open_run_folder(output or new_run_path())
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
        if summary["status"] == RUNNING:
            chosen = [path for path in chosen if path.stem not in done]
            chain_run = _ChainRun(
                folder, settings, log, cell_timeout or CELL_TIMEOUTS[settings.profile]
            )
            chain_run.run(chosen, summary, progress)
        write_pages(executed_notebooks(folder.path, summary))
        return CourseResult(folder.path, summary, write_report(folder.path, summary))


def _check_taken(settings: CourseSettings, notebooks: Sequence[Path]) -> None:
    """Check that each setting that is not the default is a parameter of some notebook."""
    default = CourseSettings().parameters()
    given = {name for name, value in settings.parameters().items() if value != default.get(name)}
    known = set().union(*map(known_parameters, notebooks))
    if missing := sorted(given - known):
        raise ValueError(
            f"no notebook of {', '.join(path.stem for path in notebooks)} has the parameter "
            f"{', '.join(missing)} in its cell tagged 'parameters'; leave the setting away"
        )


def _checked(settings: CourseSettings) -> CourseSettings:
    """Check the settings before anything runs; paths in them become absolute text."""
    for name in ("limit", "epochs"):
        if (value := getattr(settings, name)) < 0:
            raise ValueError(f"expected {name} of 0 (the default) or more, got {value}")
    get_profile(settings.profile)
    dataset = get_dataset(settings.dataset)
    label_order(settings.labels or "affectnet")
    root, weights = settings.root, settings.weights
    if weights and str(weights) not in NAMED_WEIGHTS:
        weights = Path(weights).expanduser().resolve()
        if not weights.is_file():
            raise FileNotFoundError(
                f"there is no file {settings.weights}; give {', '.join(NAMED_WEIGHTS)} or a "
                ".weights.h5 file"
            )
    if root:
        root = Path(root).expanduser().resolve()
        if not root.exists():
            raise FileNotFoundError(
                f"there is no folder {settings.root}; give the data set's folder as root"
            )
    check_root(dataset, root)
    return replace(settings, root=str(root), weights=str(weights))


@dataclass(frozen=True)
class _ChainRun:
    """Runs notebooks into a folder until one fails, and keeps the summary up to date on disk."""

    folder: RunFolder
    settings: CourseSettings
    log: TextIO
    cell_timeout: int

    def run(self, chosen: Sequence[Path], summary: dict, progress: bool) -> None:
        """Run the chosen ones; what comes of it is put into the summary."""
        path = self.folder.path
        begin = time.monotonic() - summary["seconds"]
        executed = path / "notebooks"
        executed.mkdir(exist_ok=True)
        for notebook in chosen:
            (executed / notebook.name).unlink(missing_ok=True)
        # the one has the rows of all notebooks; each writes those that it skipped to the other anew
        skipped_files = self.folder.logs / "skipped_rows.csv", path / "skipped_rows.csv"
        merge_skipped_files(*skipped_files)
        entries = {entry["name"]: entry for entry in summary["notebooks"]}
        write_summary(summary, path)
        with CourseProgress(len(chosen), progress) as bars:
            for notebook in chosen:
                bars.start_notebook(notebook.stem)
                parameters = self.settings.parameters() | {"output": str(path)}
                known = known_parameters(notebook)
                # where they are not given, a notebook's own: 08 takes fewer rows than all
                known -= {one for one in ("limit", "epochs") if not parameters[one]}
                run = run_notebook(
                    notebook,
                    executed / notebook.name,
                    {name: value for name, value in parameters.items() if name in known},
                    self.log,
                    path,
                    self.cell_timeout,
                    bars.cell,
                )
                bars.end_notebook(run)
                entries[run.name] |= {"seconds": run.seconds, "status": run.status}
                if run.status == FAILED:
                    failed = {"notebook": run.name, "cell": run.cell, "error": run.error}
                    summary |= {"status": FAILED, "failed": failed}
                elif notebook == chosen[-1]:
                    summary["status"] = COMPLETED
                summary["skipped_rows"] = len(merge_skipped_files(*skipped_files))
                collect_metrics(summary, self.folder.metrics)
                summary["seconds"] = round(time.monotonic() - begin, 2)
                summary["peak_memory_bytes"] = peak_memory_of_children()
                write_summary(summary, path)
                if run.status == FAILED:
                    break
