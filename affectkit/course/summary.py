"""summary.json of a course run. Its schema is in `affectkit/assets/summary.schema.json`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from affectkit.evaluation.results import RESULT_FORM, read_metrics, write_metrics
from affectkit.files.json_forms import NUMBER, Each, find_misfit, read_json
from affectkit.machine import git_commit, machine_facts, versions
from affectkit.version import __version__

SUMMARY_VERSION = 1
SUMMARY_FILE = "summary.json"
_FORM = {
    "status": str,
    "metrics": Each((dict, None)),
    "notebooks": [{"name": str, "seconds": (*NUMBER, None), "status": str}],
}


def new_summary(settings: dict[str, object], notebooks: list[dict[str, object]]) -> dict:
    """Make the summary of a run that starts now.

    Parameters
    ----------
    settings : dict
        dataset, root, profile, seed, limit, epochs and weights.
    notebooks : list of dict
        name, seconds and status of each notebook.

    Returns
    -------
    dict
        With the status "running" and no metrics.
    """
    names = ("dataset", "root", "profile", "seed", "limit", "epochs", "weights")
    return {
        "schema_version": SUMMARY_VERSION,
        "status": "running",
        "failed": None,
        "affectkit": __version__,
        "git_commit": git_commit(Path(__file__).resolve().parents[2]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **{name: settings[name] for name in names},
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
    """Read a summary.json.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a summary, or of another schema version.
    """
    what, remedy = "a summary of `affectkit course`", "run the course again with this version"
    version = read_json(path, what, remedy, {"schema_version": object})["schema_version"]
    if version != SUMMARY_VERSION:
        raise ValueError(
            f"expected schema version {SUMMARY_VERSION} in {path}, got {version!r:.80}; {remedy}"
        )
    summary = read_json(path, what, remedy, _FORM)
    for name, result in summary["metrics"].items():
        if result is not None and (problem := find_misfit(result, RESULT_FORM, name)):
            raise ValueError(f"{path} is not {what}: {problem}; {remedy}")
    return summary


def summary_metrics(summary: dict) -> dict[str, object]:
    """Give the numbers that two runs of one seed on one machine share exactly.

    Parameters
    ----------
    summary : dict
        Content of a summary.json.

    Returns
    -------
    dict
        Name to value: `classifier.accuracy`, with `.low` and `.high` of its interval, and so on;
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
