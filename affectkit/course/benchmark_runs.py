"""Read what the scripts in benchmarks/ have written, and compare two runs by ratios."""

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
    *("input_pipeline", "cost_growth"),
)
"""What was measured, as it stands in the files, in the order in which they are read."""

BASELINE = find_beside("benchmarks/baseline")
"""The runs that are committed, and come with the kit."""

SMALLEST = 0.1
"""Ratios below are compared as if they were this: a change of a tiny share is no news."""


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


def overview(runs: dict[str, BenchmarkRun]) -> pd.DataFrame:
    """Say of each run when, where and by which commit it was made.

    Parameters
    ----------
    runs : dict of str to BenchmarkRun
        From `load_runs`.

    Returns
    -------
    pandas.DataFrame
        A row a benchmark: started, commit (+ where files differed), processor, cores, load
        before, and the versions of tensorflow and ai-edge-litert.
    """
    rows = {}
    for name, run in runs.items():
        machine, content = run.content["machine"], run.content
        rows[name] = {
            "started": content["started"],
            "commit": (content["git_commit"] or "")[:10] + ("+" if content["git_dirty"] else ""),
            "processor": machine["processor"],
            "cores": machine["cores"],
            "load before": machine["load_average"],
            "tensorflow": content["versions"].get("tensorflow"),
            "ai-edge-litert": content["versions"].get("ai-edge-litert"),
        }
    return pd.DataFrame(rows).T


def targets(runs: dict[str, BenchmarkRun]) -> pd.DataFrame:
    """Collect what the runs had to reach.

    Parameters
    ----------
    runs : dict of str to BenchmarkRun
        From `load_runs`.

    Returns
    -------
    pandas.DataFrame
        A row a target: benchmark, name, value, bound, and whether it is reached.
    """
    rows = [
        {"benchmark": name} | target
        for name, run in runs.items()
        for target in run.content["targets"]
    ]
    return pd.DataFrame(rows, columns=["benchmark", "name", "value", "bound", "reached"])


def add_accuracy(models: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Put the accuracy on the first data set beside what was timed.

    Parameters
    ----------
    models : pandas.DataFrame
        A row a way to run a model, with the column model.
    accuracy : pandas.DataFrame
        Table "accuracy" of the same run; may be empty.

    Returns
    -------
    pandas.DataFrame
        The rows of `models` with the columns accuracy (NaN where it was not measured) and data.
    """
    if accuracy.empty:
        return models.assign(accuracy=float("nan"), data="")
    first = accuracy.drop_duplicates("model")[["model", "accuracy", "data"]]
    return models.merge(first, on="model", how="left")


def compare_ratios(
    new: BenchmarkRun, baseline: BenchmarkRun, tolerance: float = 0.25
) -> pd.DataFrame:
    """Compare two runs of a benchmark by their ratios, which hold on any machine of a kind.

    Parameters
    ----------
    new, baseline : BenchmarkRun
        Of the same benchmark.
    tolerance : float
        How much worse a ratio may be, as a share of the baseline's; 0.25 is a quarter.

    Returns
    -------
    pandas.DataFrame
        A row a ratio that both have: name, baseline, new, better ("lower" or "higher"), change
        (share of the baseline's; negative is worse), and whether it is worse than tolerated.

    Raises
    ------
    ValueError
        If the benchmarks differ, share no ratio, or the tolerance is negative.
    """
    if new.benchmark != baseline.benchmark:
        raise ValueError(
            f"expected two runs of one benchmark, got {new.benchmark} ({new.path}) and "
            f"{baseline.benchmark} ({baseline.path})"
        )
    if tolerance < 0:
        raise ValueError(f"expected a tolerance of 0 or more, got {tolerance}")
    before = {ratio["name"]: ratio for ratio in baseline.content["ratios"]}
    rows = []
    for ratio in new.content["ratios"]:
        old = before.get(ratio["name"])
        if old is None or old["value"] is None or ratio["value"] is None:
            continue
        gain = ratio["value"] - old["value"]
        gain = -gain if ratio["better"] == "lower" else gain
        change = gain / max(abs(old["value"]), SMALLEST)
        rows.append(
            {
                "name": ratio["name"],
                "baseline": old["value"],
                "new": ratio["value"],
                "better": ratio["better"],
                "change": change,
                "worse": change < -tolerance,
            }
        )
    if not rows:
        raise ValueError(f"{new.path} and {baseline.path} have no ratio in common")
    return pd.DataFrame(rows)
