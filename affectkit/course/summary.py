"""summary.json of a course run: made, written, read back, and gone on with.

Its schema is in `affectkit/assets/summary.schema.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict

from affectkit.course.notebooks import COMPLETED
from affectkit.evaluation.results import Result, read_metrics, write_metrics
from affectkit.files.json_forms import OPEN, Integer, Number, read_json
from affectkit.machine import git_commit, machine_facts, versions
from affectkit.version import __version__

SUMMARY_VERSION = 1
SUMMARY_FILE = "summary.json"
REPORT_FILE = "report.html"
RUNNING = "running"


@dataclass(frozen=True)
class CourseSettings:
    """What a course is run with; a run can be gone on with the same settings only.

    Attributes
    ----------
    dataset : str
        affectfaces, affectnet, ferplus or folder.
    root : str or Path
        Folder of the data set; empty for the data set's default.
    profile : str
        quick, standard, full or seed.
    seed : int
        Of everything random.
    limit, epochs : int
        At most so many rows a split; epochs of both networks; 0 = the default.
    weights : str or Path
        Where the classifier starts: none, affectfaces, imagenet or a `.weights.h5` file; empty for
        the profile's own start.
    labels, follow_links : str and bool
        As in `affectkit.data.load_table`.
    """

    dataset: str = "affectfaces"
    root: str | Path = ""
    profile: str = "quick"
    seed: int = 0
    limit: int = 0
    epochs: int = 0
    weights: str | Path = ""
    labels: str = ""
    follow_links: bool = False

    def parameters(self) -> dict[str, object]:
        """Give the notebooks' parameters; the last two only where they are set."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value or name not in ("labels", "follow_links")
        }


class NotebookEntry(TypedDict):
    """Form of what a summary tells of a notebook; null where it has not run."""

    __pydantic_config__ = OPEN
    name: str
    seconds: Number | None
    status: str


class Summary(TypedDict):
    """Form of what a summary must hold to be used."""

    __pydantic_config__ = OPEN
    schema_version: Literal[1]
    status: str
    failed: dict | None
    protocol: str | None
    metrics: dict[str, Result | None]
    skipped_rows: Integer
    notebooks: list[NotebookEntry]
    seconds: Number


def new_summary(settings: CourseSettings, notebooks: list[dict[str, object]]) -> dict:
    """Make the summary of a run that starts now, without metrics."""
    return {
        "schema_version": SUMMARY_VERSION,
        "status": RUNNING,
        "failed": None,
        "affectkit": __version__,
        "git_commit": git_commit(Path(__file__).resolve().parents[2]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **settings.parameters(),
        "protocol": None,
        "metrics": {"classifier": None, "regressor": None},
        "skipped_rows": 0,
        "notebooks": notebooks,
        "versions": versions(),
        "machine": machine_facts(),
        "seconds": 0.0,
        "peak_memory_bytes": None,
    }


def collect_metrics(summary: dict, metrics_folder: Path) -> None:
    """Put the results that are in a run's metrics folder into its summary."""
    for name in ("classifier", "regressor"):
        path = metrics_folder / f"{name}.json"
        result = read_metrics(path) if path.is_file() else None
        summary["metrics"][name] = result
        summary["protocol"] = summary["protocol"] or (result and result["protocol"])


def write_summary(summary: dict, run_folder: str | Path) -> Path:
    """Write `summary.json` in one atomic step and return its path."""
    return write_metrics(summary, Path(run_folder) / SUMMARY_FILE)


def read_summary(path: str | Path) -> dict:
    """Read the summary.json of a course run.

    Parameters
    ----------
    path : str or Path
        Of the file.

    Returns
    -------
    dict
        As `affectkit/assets/summary.schema.json` describes it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a summary, or of another schema version.
    """
    what = f"a summary of `affectkit course` (schema version {SUMMARY_VERSION})"
    return read_json(path, what, "run the course again with another output", Summary)


def summary_metrics(summary: dict) -> dict[str, object]:
    """Give the numbers that two runs of one seed on one machine share exactly, by name.

    `classifier.accuracy`, with `.low` and `.high` of its interval, and so on;
    `classifier.temperature`; and `classifier.rows_digest`, which says on which rows.
    """
    flat: dict[str, object] = {}
    for model, result in summary["metrics"].items():
        if result is None:
            continue
        flat[f"{model}.rows_digest"] = result["rows_digest"]
        for name, metric in result["metrics"].items():
            flat[f"{model}.{name}"] = metric["value"]
            flat |= {f"{model}.{name}.{end}": metric[end] for end in ("low", "high")}
        if "calibration" in result:
            flat[f"{model}.temperature"] = result["calibration"]["temperature"]
    return flat


def cut_off_run(chain: Sequence[Path], output: str | Path, settings: CourseSettings) -> dict | None:
    """Give the summary of a killed run: one that has not ended, or has no report of that.

    None if there is no run, or one that has ended; ValueError if it was made with other settings or
    other notebooks than `chain`, those of the course.
    """
    path = Path(output).expanduser() / SUMMARY_FILE
    if not output or not path.is_file():
        return None
    summary = read_summary(path)
    if summary["status"] != RUNNING and path.with_name(REPORT_FILE).is_file():
        return None
    _check_settings(summary, settings, output)
    known = [entry["name"] for entry in summary["notebooks"]]
    if known != [notebook.stem for notebook in chain]:
        raise ValueError(
            f"the run in {output} that was cut off is of the notebooks {', '.join(known)}; run the "
            "same ones, or choose another output"
        )
    return summary


def earlier_notebooks(
    chain: Sequence[Path], chosen: Sequence[Path], output: str | Path, settings: CourseSettings
) -> list[dict[str, object]]:
    """Describe the notebooks that an earlier run into the same folder has done.

    `chosen` are the last ones of `chain`, which are to be run. ValueError if the folder holds
    another run, FileNotFoundError if it holds none and one is needed.
    """
    path = Path(output).expanduser() / SUMMARY_FILE
    there = bool(output) and path.is_file()
    if chosen == chain:
        if there:
            raise ValueError(
                f"{output} already holds a run; choose another output, or go on with it by "
                "`--from NN`, the number of the first notebook to run again"
            )
        return []
    if not there:
        raise FileNotFoundError(
            f"starting at {chosen[0].stem} needs the folder of an earlier run as output (one with "
            f"a {SUMMARY_FILE}), got {str(output)!r}"
        )
    summary = read_summary(path)
    _check_settings(summary, settings, output)
    known = {entry["name"]: entry for entry in summary["notebooks"]}
    absent = {"seconds": None, "status": "not run"}
    before = [path.stem for path in chain[: len(chain) - len(chosen)]]
    entries = [{"name": name} | known.get(name, absent) for name in before]
    for entry in entries:
        if entry["status"] == COMPLETED:
            entry["status"] = "earlier"
    return entries


def _check_settings(summary: dict, settings: CourseSettings, output: str | Path) -> None:
    for name, value in asdict(settings).items():
        made = summary.get(name, getattr(CourseSettings, name))  # an older run names no weights
        if made != value:
            raise ValueError(
                f"the run in {output} was made with {name} {made!r}, got {value!r}; give "
                "the same settings to go on with it"
            )
