"""Where a run keeps its models, logs and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; its parts are made when they are first asked for.

    Attributes
    ----------
    path : Path
        Absolute.
    """

    path: Path

    @property
    def models(self) -> Path:
        """Folder of `classifier.keras`, `regressor.keras` and their cards."""
        return self._made("models")

    @property
    def logs(self) -> Path:
        """Folder of the training logs and backups."""
        return self._made("logs")

    @property
    def metrics(self) -> Path:
        """Folder of `classifier.json` and `regressor.json`, as `affectkit.evaluation` writes."""
        return self._made("metrics")

    def _made(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def open_run_folder(output: str | Path = "") -> RunFolder:
    """Open the folder of a run, the same one from any working directory.

    Parameters
    ----------
    output : str or Path
        The folder; when empty, `runs/notebooks` in the project (next to the `affectkit` package
        in a source checkout), or in the working directory when affectkit is installed as a wheel.

    Returns
    -------
    RunFolder
        With an absolute path; the folder exists.
    """
    project = Path(__file__).resolve().parents[2]
    home = project if (project / "pyproject.toml").is_file() else Path.cwd()
    path = Path(output).expanduser().resolve() if output else home / "runs" / "notebooks"
    path.mkdir(parents=True, exist_ok=True)
    return RunFolder(path)


def new_run_path() -> Path:
    """Give the path of a new run in the working directory; not made yet.

    Returns
    -------
    Path
        `runs/<date>_<time>`, absolute.
    """
    return Path.cwd() / "runs" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
