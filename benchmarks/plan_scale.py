"""Plan machines, hours and bytes for 1.4 million images and 1 billion video frames.

Usage::

    python benchmarks/plan_scale.py [FOLDER] [--write ../data_cards/scale.md]

Every number comes from the newest run of a benchmark in FOLDER (the committed baseline if omitted),
named in the last column, or is an assumption, that an option changes. Prints a Markdown table, or
puts it between the markers of a page.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from report import markdown_table

from affectkit.course import BASELINE, BenchmarkRun, read_run
from affectkit.files import write_atomically
from affectkit.profiles import PROFILES

BEGIN, END = "<!-- plan -->", "<!-- /plan -->"
ROWS_PER_SHARD = 2048
HOUR = 3600.0


def newest(folder: Path, name: str) -> BenchmarkRun:
    """Read the newest run of a benchmark in a folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    runs = [read_run(path) for path in folder.glob(f"{name}_*.json")]
    if not runs:
        raise FileNotFoundError(
            f"expected a run such as {name}_<time>.json in {folder}, found none; make one with "
            f"`python benchmarks/{name}.py --output {folder}`"
        )
    return max(runs, key=lambda run: run.content["started"])


class Plan:
    """Rows of the plan: what, how much, unit, and where it comes from."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    def add(self, what: str, value: float, unit: str, source: str) -> float:
        """Add a line and give its value back."""
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        self.rows.append({"what": what, "value": f"{shown} {unit}", "from": source})
        return value


def plan_lines(folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Compute the plan; gives the lines of two Markdown tables."""
    pipeline, growth, stages = (
        newest(folder, name) for name in ("input_pipeline", "cost_growth", "stages")
    )
    cores = arguments.machines * arguments.cores
    reading = pipeline.table("reading").set_index(["source", "cache"])["cpu_ms"]
    changing = pipeline.table("augmentation").set_index(["layers", "strength"])["cpu_ms"]
    lines: list[str] = []

    images, plan = arguments.images, Plan()
    name = pipeline.path.name
    stored = plan.add("bytes of an image", arguments.image_bytes, "B", "assumption")
    plan.add("shards together", images * stored / 1e9, "GB", "images x bytes")
    plan.add(f"shards of {ROWS_PER_SHARD:,} images", images / ROWS_PER_SHARD, "files", "computed")
    write = plan.add(
        "write an image to a shard",
        pipeline.table("sharding")["cpu_ms"].iloc[0], "ms of a core", f"{name}, sharding",
    )  # fmt: skip
    plan.add(
        f"write all, {arguments.cores} cores of one machine",
        images * write / 1e3 / HOUR / arguments.cores, "h", "computed",
    )  # fmt: skip
    plan.add(
        f"the same where storage reads or writes {arguments.storage_rate} GB/s",
        2 * images * stored / 1e9 / arguments.storage_rate / HOUR,
        "h",
        "computed from an assumption",
    )  # fmt: skip
    table = growth.table("growth")
    table = table[table["stage"] == "table"].sort_values("rows")
    fewer, most = table["rows"].iloc[-2:]
    own = (table["peak_bytes"] - table["start_bytes"]).to_numpy()
    row_bytes = plan.add(
        "a row of the table in memory",
        (own[-1] - own[-2]) / (most - fewer), "B",
        f"{growth.path.name}, table, {fewer:,} to {most:,} rows, short names",
    )  # fmt: skip
    plan.add("table of all", images * row_bytes / 1e9, "GB", "computed; none with shard_batches")
    read = plan.add(
        "read an image from shards", reading["shards", "cold"], "ms of a core", f"{name}, reading"
    )
    heavy = plan.add(
        "augment it (heavy)", changing["affectkit", "heavy"], "ms of a core",
        f"{name}, augmentation",
    )  # fmt: skip
    step = plan.add(
        "training step, 224 pixels, alpha 1", pipeline.table("training_step")["cpu_ms"].iloc[0],
        "ms of a core", f"{name}, training_step",
    )  # fmt: skip
    full = PROFILES["full"]
    epochs = full.classifier.epochs + full.classifier.head_epochs + full.regressor.epochs
    plan.add("epochs, profile full, both networks", epochs, "epochs", "affectkit.profiles")
    epoch = plan.add(
        f"an epoch on {arguments.machines} machines of {arguments.cores} cores",
        images * (read + heavy + step) / 1e3 / HOUR / cores / arguments.efficiency, "h",
        f"computed, efficiency {arguments.efficiency} (assumption)",
    )  # fmt: skip
    plan.add("all epochs there", epochs * epoch, "h", "computed")
    plan.add(
        f"cores that feed a GPU of {arguments.gpu_rate:,} images a second",
        arguments.gpu_rate * read / 1e3, "cores",
        "computed; the rate is an assumption, augmentation runs on the GPU",
    )  # fmt: skip
    lines += [f"**{images:,} images, AffectNet and AffectNet+**", "", *markdown_table(plan.rows)]

    frames, plan = arguments.frames, Plan()
    videos = stages.table("videos")
    alone = videos[(videos["mode"] == "sequential") & (videos["threads"] == 1)].iloc[0]
    rate = plan.add(
        "predict: decode, detect, two networks, draw, encode", alone["frames_a_second"],
        "frames a second on a core", f"{stages.path.name}, videos, sequential, 1 thread",
    )  # fmt: skip
    plan.add("predict all", frames / rate / HOUR, "core hours", "computed")
    plan.add(
        f"predict all on {arguments.machines} machines of {arguments.cores} cores",
        frames / rate / HOUR / cores / arguments.efficiency, "h", "computed",
    )  # fmt: skip
    plan.add(
        "videos", frames * arguments.frame_bytes / 1e12, "TB",
        f"{arguments.frame_bytes:,} B a frame (assumption)",
    )  # fmt: skip
    plan.add(
        "answers", frames * arguments.answer_bytes / 1e9, "GB",
        f"{arguments.answer_bytes:,} B a face (assumption)",
    )  # fmt: skip
    plan.add(
        "read from storage", frames * arguments.frame_bytes / 1e9 / (
            frames / rate / cores / arguments.efficiency),
        "GB/s of all machines", "computed",
    )  # fmt: skip
    plan.add("one face of each frame as shards", frames * stored / 1e12, "TB", "computed")
    plan.add("write them", frames * write / 1e3 / HOUR / cores / arguments.efficiency, "h",
             "computed, all machines")  # fmt: skip
    plan.add("table of all", frames * row_bytes / 1e12, "TB", "computed: does not fit, so "
             "`shard_batches`, which needs none")  # fmt: skip
    plan.add("one epoch on them", frames / images * epoch / 24, "days", "computed, all machines")
    return [*lines, "", f"**{frames:,} video frames**", "", *markdown_table(plan.rows)]


def main(command: list[str]) -> int:
    """Print the plan, or write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=BASELINE)
    parser.add_argument("--write", type=Path, help="page that gets the plan between its markers")
    parser.add_argument("--images", type=int, default=1_400_000)
    parser.add_argument("--frames", type=int, default=1_000_000_000)
    parser.add_argument("--image-bytes", type=int, default=60_000)
    parser.add_argument("--frame-bytes", type=int, default=8_000)
    parser.add_argument("--answer-bytes", type=int, default=200)
    parser.add_argument("--machines", type=int, default=8)
    parser.add_argument("--cores", type=int, default=32)
    parser.add_argument("--efficiency", type=float, default=0.8)
    parser.add_argument("--storage-rate", type=float, default=0.5)
    parser.add_argument("--gpu-rate", type=int, default=1000)
    arguments = parser.parse_args(command)
    text = "\n".join(plan_lines(arguments.folder, arguments))
    if arguments.write is None:
        print(text)
        return 0
    page = arguments.write.read_text("utf-8")
    pattern = re.compile(f"{BEGIN}.*{END}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"expected {BEGIN} and {END} in {arguments.write}, found none")
    write_atomically(arguments.write, pattern.sub(lambda _: f"{BEGIN}\n{text}\n{END}", page))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
