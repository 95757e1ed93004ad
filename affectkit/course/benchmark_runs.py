"""Read what the scripts in benchmarks/ have written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from typing_extensions import TypedDict

from affectkit.course.notebooks import find_beside
from affectkit.files.json_forms import OPEN, Integer, Number, read_json

SCHEMA_VERSION = 1
BENCHMARKS = (
    *("stages", "runtimes", "throughput", "peers", "scaling", "webcam"),
    *("input_pipeline", "cost_growth", "stress"),
)
"""What was measured, as it stands in the files, in the order in which they are read."""

BASELINE = find_beside("benchmarks/baseline")
"""The runs that are committed, and come with the kit."""


class Machine(TypedDict):
    """Form of the machine that a benchmark ran on."""

    __pydantic_config__ = OPEN
    processor: str
    cores: Integer | None
    load_average: Number | None


class Ratio(TypedDict):
    """Form of a ratio, which holds on any machine of a kind."""

    __pydantic_config__ = OPEN
    name: str
    value: Number | None
    better: str


class Target(TypedDict):
    """Form of what a benchmark has to reach."""

    __pydantic_config__ = OPEN
    name: str
    value: Number | None
    reached: bool | None


class Content(TypedDict):
    """Form of a run's file."""

    __pydantic_config__ = OPEN
    schema_version: Literal[1]
    benchmark: str
    started: str
    git_commit: str | None
    git_dirty: bool | None
    machine: Machine
    versions: dict[str, str | None]
    tables: dict[str, list[dict]]
    ratios: list[Ratio]
    targets: list[Target]


@dataclass(frozen=True)
class BenchmarkRun:
    """One run of one script.

    Attributes
    ----------
    path : Path
        Its JSON file.
    content : dict
        All of it.
    """

    path: Path
    content: dict[str, object]

    @property
    def benchmark(self) -> str:
        """One of `BENCHMARKS`."""
        return self.content["benchmark"]

    def table(self, name: str) -> pd.DataFrame:
        """Give a table of the run.

        Raises
        ------
        ValueError
            If the run has no such table.
        """
        tables = self.content["tables"]
        if name not in tables:
            raise ValueError(
                f"{self.path} has no table {name!r}, only {', '.join(tables) or 'none'}; choose "
                "another run"
            )
        return pd.DataFrame(tables[name])


def read_run(path: str | Path) -> BenchmarkRun:
    """Read a run's JSON file.

    Parameters
    ----------
    path : str or Path
        What a script in benchmarks/ has written.

    Returns
    -------
    BenchmarkRun
        The run.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is not a run, or of another version.
    """
    what = f"the JSON file of a benchmark of schema version {SCHEMA_VERSION}"
    remedy = "run the benchmark again with this version"
    return BenchmarkRun(Path(path), read_json(path, what, remedy, Content))


def load_runs(folder: str | Path = "") -> dict[str, BenchmarkRun]:
    """Read the newest run of each benchmark in a folder.

    Parameters
    ----------
    folder : str or Path
        The `--output` of the scripts; empty for the committed baseline.

    Returns
    -------
    dict of str to BenchmarkRun
        By benchmark, in the order of `BENCHMARKS`; at least one.

    Raises
    ------
    FileNotFoundError
        If the folder holds no run.
    ValueError
        If a file is not a run.
    """
    place = Path(folder).expanduser() if folder else BASELINE
    found: dict[str, BenchmarkRun] = {}
    for name in BENCHMARKS:
        runs = [read_run(path) for path in place.glob(f"{name}_*.json")]
        if runs:
            found[name] = max(runs, key=lambda run: (run.content["started"], run.path.name))
    if not found:
        raise FileNotFoundError(
            f"expected runs such as stages_<time>.json in {place}, found none; make some with "
            "`python benchmarks/stages.py --output FOLDER` in a source checkout"
        )
    return found
