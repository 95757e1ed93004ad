"""What is in the folder of an earlier run of the course, and whether it can be gone on with."""

from __future__ import annotations

from pathlib import Path

from affectkit.course.notebook_runs import COMPLETED
from affectkit.course.report import REPORT_FILE
from affectkit.course.summary import SUMMARY_FILE, read_summary
from affectkit.files.json_forms import NUMBER, find_misfit

_RUN_FORM = {
    "seconds": NUMBER,
    "protocol": (str, None),
    "failed": (dict, None),
    "skipped_rows": int,
    "metrics": dict.fromkeys(("classifier", "regressor"), (dict, None)),
}


def cut_off_run(chain: list[Path], output: str | Path, settings: dict[str, object]) -> dict | None:
    """Give the summary of a run that was killed: it has not ended, or there is no report of that.

    Parameters
    ----------
    chain : list of Path
        All notebooks of the course.
    output : str or Path
        The run folder, or "".
    settings : dict
        What the course is run with.

    Returns
    -------
    dict or None
        None if there is no run, or one that has ended.

    Raises
    ------
    ValueError
        If it was made with other settings or notebooks.
    """
    path = Path(output).expanduser() / SUMMARY_FILE
    if not output or not path.is_file():
        return None
    summary = _read_run(path)
    if summary["status"] != "running" and path.with_name(REPORT_FILE).is_file():
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
    chain: list[Path], chosen: list[Path], output: str | Path, settings: dict[str, object]
) -> list[dict[str, object]]:
    """Describe the notebooks that an earlier run into the same folder has done.

    Parameters
    ----------
    chain, output, settings
        As in `cut_off_run`.
    chosen : list of Path
        The last ones of `chain`, which are to be run.

    Raises
    ------
    ValueError
        If the folder holds another run.
    FileNotFoundError
        If there is no earlier run and one is needed.
    """
    path = Path(output).expanduser() / SUMMARY_FILE
    if chosen == chain:
        if output and path.is_file():
            raise ValueError(
                f"{output} already holds a run; choose another output, or go on with it by "
                "`--from NN`, the number of the first notebook to run again"
            )
        return []
    if not output or not path.is_file():
        raise FileNotFoundError(
            f"starting at {chosen[0].stem} needs the folder of an earlier run as output (one with "
            f"a {SUMMARY_FILE}), got {str(output)!r}"
        )
    summary = _read_run(path)
    _check_settings(summary, settings, output)
    known = {entry["name"]: entry for entry in summary["notebooks"]}
    before = [path.stem for path in chain[: len(chain) - len(chosen)]]
    absent = {"seconds": None, "status": "not run"}
    entries = [{"name": name} | known.get(name, absent) for name in before]
    for entry in entries:
        if entry["status"] == COMPLETED:
            entry["status"] = "earlier"
    return entries


def _read_run(path: Path) -> dict:
    """Read a summary that has all that going on with its run takes."""
    summary = read_summary(path)
    if problem := find_misfit(summary, _RUN_FORM):
        raise ValueError(f"{path} is damaged: {problem}; choose another output")
    return summary


def _check_settings(summary: dict, settings: dict[str, object], output: str | Path) -> None:
    for name, value in settings.items():
        made = summary.get(name, "")  # an older run names no weights
        if made != value:
            raise ValueError(
                f"the run in {output} was made with {name} {made!r}, got {value!r}; give "
                "the same settings to go on with it"
            )
