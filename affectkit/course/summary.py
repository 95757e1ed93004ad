"""summary.json of a course run. Its schema is in `affectkit/assets/summary.schema.json`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from affectkit import __version__
from affectkit.evaluation.results import RESULT_FORM, read_metrics, write_metrics
from affectkit.json_files import NUMBER, Each, find_misfit, read_json

SUMMARY_VERSION = 1
SUMMARY_FILE = "summary.json"
_FORM = {
    "status": str,
    "metrics": Each((dict, None)),
    "notebooks": [{"name": str, "seconds": (*NUMBER, None), "status": str}],
}
_PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "keras": ("keras",),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "scikit-learn": ("scikit-learn",),
    "scipy": ("scipy",),
    "opencv": ("opencv-python", "opencv-python-headless"),
    "matplotlib": ("matplotlib",),
    "papermill": ("papermill",),
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
        "machine": machine(),
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


def versions() -> dict[str, str | None]:
    """Give the versions of Python and of the packages that results depend on."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name, distributions in _PACKAGES.items():
        found[name] = None
        for distribution in distributions:
            try:
                found[name] = importlib.metadata.version(distribution)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def machine() -> dict[str, object]:
    """Describe the computer: processor, logical cores, memory in bytes, operating system."""
    import psutil

    processor = platform.processor()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    return {
        "processor": processor or platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
    }


def peak_memory_of_children() -> int | None:
    """Give the largest resident memory, in bytes, of any child process that has ended."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def git_commit(folder: Path) -> str | None:
    """Give the commit of a source checkout, with "+" if files differ; None where there is none."""
    if not (folder / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None
