"""Measure how time and memory grow with the rows: table, shards, one pass of reading.

Usage::

    python benchmarks/cost_growth.py --output FOLDER [--rows 1000 10000 100000]

A data set of so many small images is made of the bundled faces (hard links, one folder a thousand),
with a labels.csv. Every stage runs in a process of its own, whose peak memory is taken, and what it
was before the stage began (Python and the libraries). Stages: `table` loads the labels as the
table; `shards` does that and writes shards with one worker; `stream` reads all faces from the
shards without a table, shuffled, as training on several machines does; `stream with table` as
notebooks do when the faces are too many for the memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd
from report import Report, add_load, new_parser
from video_legs import peak_memory

from affectkit.data import load_splits, load_table
from affectkit.labels import EXPRESSIONS
from affectkit.plots import plot_growth

STAGES = ("table", "shards", "stream", "stream with table")
FLAT = 1.1
"""A peak of the most rows against that of a tenth counts as flat up to this."""

MOST_BYTES = 300
"""And a row more may add so many bytes to the peak: the ratio hides behind the libraries, which
take hundreds of MB at any number of rows."""

FOLDER_ROWS = 1000


def make_files(folder: Path, rows: int) -> None:
    """Make a folder data set of links to the bundled faces."""
    source = load_table("affectfaces", split="train", limit=FOLDER_ROWS)
    known = source[["path", "expression", "valence", "arousal"]].to_numpy(object)
    lines = ["file,expression,valence,arousal,subject,split"]
    for number in range(rows):
        path, expression, valence, arousal = known[number % len(known)]
        name = f"{number // FOLDER_ROWS:05d}/{number % FOLDER_ROWS:03d}.webp"
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        _link(path, place)
        split = "validation" if number % 20 == 0 else "test" if number % 20 == 1 else "train"
        lines.append(
            f"{name},{EXPRESSIONS[expression]},{valence},{arousal},{number // 100},{split}"
        )
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def _link(source: str, place: Path) -> None:
    """Link a file, or copy it where that can't be: between file systems, or past a limit."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)


def run_stage(stage: str, files: str, shards: str) -> dict[str, float]:
    """Run one stage in this process."""
    from affectkit.data import make_batches, read_index, shard_batches, write_shards
    from affectkit.preprocess import Preprocessing

    before, preprocessing = peak_memory(), Preprocessing(64)
    processor, start = process_time(), perf_counter()
    if stage == "table":
        load_table("folder", files)
    elif stage == "shards":
        write_shards(load_table("folder", files), shards)
    else:
        if stage == "stream":
            batches = shard_batches(
                read_index(shards), "train", "classification", preprocessing, shuffle=True
            )
        else:
            table = load_splits("shards", shards)["train"]
            batches = make_batches(table, None, preprocessing, shuffle=True)
        sum(len(batch[0]) for batch in batches)
    return {
        "seconds": perf_counter() - start,
        "cpu_seconds": process_time() - processor,
        "start_bytes": before,
        "peak_bytes": peak_memory(),
    }


def bytes_a_row(lines: pd.DataFrame, fewer: int, most: int) -> float:
    """Give by how much a row more raises the peak over what it was before the stage began.

    Parameters
    ----------
    lines : pandas.DataFrame
        Columns peak_bytes and start_bytes, indexed by rows.
    fewer, most : int
        Of the index.
    """
    own = lines["peak_bytes"] - lines["start_bytes"]
    return float(own[most] - own[fewer]) / (most - fewer)


def main(command: list[str]) -> Path:
    """Make each data set, run its stages, write the report."""
    parser = new_parser(__doc__, threads=(2,))
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--stage", nargs=3, metavar=("STAGE", "FILES", "SHARDS"),
                        help="run this one alone and print what it took")  # fmt: skip
    arguments = parser.parse_args(command)
    if arguments.stage:
        print(json.dumps(run_stage(*arguments.stage)))
        return arguments.output
    del arguments.stage
    report = Report("cost_growth", arguments, command)
    rows = []
    for count in arguments.rows:
        with tempfile.TemporaryDirectory() as place:
            files, shards = Path(place) / "files", Path(place) / "shards"
            make_files(files, count)
            for stage in STAGES:
                run = [sys.executable, __file__, "--output", place, "--stage", stage]
                done = subprocess.run([*run, str(files), str(shards)], stdout=subprocess.PIPE,
                                      check=True, text=True)  # fmt: skip
                found = json.loads(done.stdout.splitlines()[-1])
                peak = found["peak_bytes"] / 2**20
                rows.append({"stage": stage, "rows": count} | found | {"peak_MiB": peak})
                print(rows[-1], file=sys.stderr, flush=True)
            size = sum(path.stat().st_size for path in shards.glob("*.tfrecord"))
            rows[-1]["shard_bytes_per_row"] = size / count
    table = pd.DataFrame(rows)
    report.tables = {"growth": rows}
    most, fewer = sorted(arguments.rows)[-1], sorted(arguments.rows)[-2]
    for stage in STAGES:
        lines = table[table["stage"] == stage].set_index("rows")
        grown = lines.loc[most, "peak_bytes"] / lines.loc[fewer, "peak_bytes"]
        name = f"peak memory of {stage}, {most:,} / {fewer:,} rows"
        report.ratio(name, grown)
        report.target(name, grown, f"<= {FLAT}")
        report.target(
            f"bytes a row of {stage}, {fewer:,} to {most:,} rows",
            bytes_a_row(lines, fewer, most), f"<= {MOST_BYTES}",
        )  # fmt: skip
        each = lines["cpu_seconds"] / lines.index
        report.ratio(f"time a row of {stage}, {most:,} / {fewer:,} rows", each[most] / each[fewer])
    add_load(report)
    report.figures = {"growth": plot_growth(table)}
    return report.write()


if __name__ == "__main__":
    main(sys.argv[1:])
