"""Measure what more data costs, and plan for 1.4 million images and 1 billion video frames.

Usage::

    python benchmarks/scale.py input --output FOLDER
    python benchmarks/scale.py growth --output FOLDER [--rows 1000 10000 100000]
    python benchmarks/scale.py plan [FOLDER] [--write data_cards/scale.md]

`input`: what reading faces costs beside a training step. The bundled faces are enlarged to a
photograph's size, encoded as JPEG once as files and once as shards, and read through `make_batches`
as training streams them: read, decode, crop, resize. The training step is a forward and backward
pass of the full profile's network with AdamW. All times are processor seconds of the process over
all its threads, so that other work on the machine does not count; wall-clock times stand beside
them. Cold means that the files were dropped from the page cache before (`posix_fadvise`, which
needs no rights). Augmentation is timed as part of the training graph: the layers in use, and Keras'
own that they stand for.

`growth`: how time and memory grow with the rows. A data set of so many small images is made of the
bundled faces (hard links, one folder a thousand), with a labels.csv. Every stage runs in a process
of its own, whose peak memory is taken, and what it was before the stage began (Python and the
libraries). Stages: `table` loads the labels as the table; `shards` does that and writes shards with
one worker; `stream` reads all faces from the shards without a table, shuffled, as training on
several machines does; `stream with table` as notebooks do when the faces are too many for the
memory.

`plan`: every number comes from the newest run of a benchmark in FOLDER (the committed baseline if
omitted), named in the last column, or is an assumption, that an option changes. Prints a Markdown
table, or puts it between the marks of a page.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import pandas as pd
import tensorflow as tf
from figures import plot_growth, plot_input_costs
from report import Report, choose, limited_to, markdown_table, new_parser, write_between

from affectkit.course import BASELINE, BenchmarkRun, load_runs
from affectkit.data import (
    SkippedRows,
    load_shards,
    load_splits,
    load_table,
    make_batches,
    make_table,
    read_index,
    read_table_image,
    shard_batches,
    write_shards,
)
from affectkit.labels import EXPRESSIONS
from affectkit.machine import peak_memory
from affectkit.models import build_classifier
from affectkit.preprocess import Preprocessing, resize_face, scale_pixels
from affectkit.profiles import PROFILES
from affectkit.training import build_augmentation

STRENGTHS = ("light", "strong", "heavy")
BAR = 0.05
"""Share of a training step's processor time that the input may cost."""

JPEG_QUALITY = 90

STAGES = ("table", "shards", "stream", "stream with table")
FLAT = 1.1
"""A peak of the most rows against that of a tenth counts as flat up to this."""

MOST_BYTES = 300
"""And a row more may add so many bytes to the peak: the ratio hides behind the libraries, which
take hundreds of MB at any number of rows."""

FOLDER_ROWS = 1000

ROWS_PER_SHARD = 2048
HOUR = 3600.0


def write_photographs(folder: Path, rows: int, side: int) -> pd.DataFrame:
    """Write faces as JPEG files of a photograph's size, and give their table."""
    source = load_table("affectfaces", split="train", limit=min(rows, 500))
    images = [read_table_image(record) for record in source.itertuples(index=False)]
    folder.mkdir()
    columns: dict[str, list] = {"image_id": [], "path": [], "expression": []}
    for number in range(rows):
        path = folder / f"{number:07d}.jpg"
        face = resize_face(images[number % len(images)], side)
        cv2.imwrite(str(path), face[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        columns["image_id"].append(path.name)
        columns["path"].append(str(path))
        columns["expression"].append(int(source["expression"].iloc[number % len(images)]))
    boxes = {"face_x": 0.05, "face_y": 0.05, "face_width": 0.9, "face_height": 0.9}
    boxes = {name: [share * side] * rows for name, share in boxes.items()}
    return make_table(columns | boxes | {"split": ["train"] * rows}, "photographs", "all")


def drop_from_cache(paths: list[str]) -> None:
    """Have the system forget what it keeps of these files."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


def measure(action: Callable[[], int]) -> dict[str, float]:
    """Give processor and wall-clock milliseconds an image; `action` gives the number of images."""
    processor, start = process_time(), perf_counter()
    images = action()
    return {
        "cpu_ms": 1e3 * (process_time() - processor) / images,
        "wall_ms": 1e3 * (perf_counter() - start) / images,
        "images": images,
    }


def read_rows(
    tables: dict[str, pd.DataFrame], preprocessing: Preprocessing, batch_size: int, rounds: int
) -> list[dict]:
    """Time a shuffled pass over each table, warm and cold, in turns."""
    rows = []
    for number in range(rounds + 1):
        for source, table in tables.items():
            paths = sorted(set(table["path"]))
            for cache in ("warm", "cold"):
                batches = make_batches(
                    table, None, preprocessing, batch_size=batch_size, shuffle=True, seed=number
                )
                if cache == "cold":
                    drop_from_cache(paths)
                else:
                    for path in paths:
                        Path(path).read_bytes()
                found = measure(lambda batches=batches: sum(len(batch[0]) for batch in batches))
                if number:  # the first is for warming up
                    rows.append({"source": source, "cache": cache} | found)
    table = pd.DataFrame(rows).groupby(["source", "cache"], sort=False)
    return table.median().reset_index().to_dict("records")


def keras_layers(strength: str) -> list[keras.layers.Layer]:
    """Give the layers of Keras that `build_augmentation` stands for."""
    layers, pixels, nearest = keras.layers, {"value_range": (0, 255)}, {"fill_mode": "nearest"}
    flip = layers.RandomFlip("horizontal")
    if strength == "light":
        return [flip, layers.RandomTranslation(0.08, 0.08, **nearest)]
    heavy = strength == "heavy"
    found = [
        flip,
        layers.RandomTranslation(0.1, 0.1, **nearest),
        layers.RandomRotation((15 if heavy else 10) / 360, **nearest),
        layers.RandomZoom((-0.2, 0.2) if heavy else (-0.15, 0.1), **nearest),
        layers.RandomBrightness(0.2, **pixels),
        layers.RandomContrast(0.5 if heavy else 0.3, **pixels),
        layers.RandomGrayscale(0.2),
    ]
    return found + [layers.RandomErasing((0.5, 0.5), scale=(0.02, 0.2), **pixels)] * heavy


def time_graph(
    function: Callable, faces: tf.Tensor, rounds: int, warm_up: int = 2
) -> dict[str, float]:
    """Time a TensorFlow function of a batch."""
    for _ in range(warm_up):
        function(faces)

    def action() -> int:
        for _ in range(rounds):
            function(faces)
        return rounds * len(faces)

    return measure(action)


def augmentation_rows(faces: tf.Tensor, rounds: int) -> list[dict]:
    """Time the layers of each strength: those in use, and Keras' own."""
    rows = []
    for strength in STRENGTHS:
        for name, layers in (("affectkit", build_augmentation(strength)),
                             ("Keras", keras_layers(strength))):  # fmt: skip

            def change(pixels: tf.Tensor, layers: list = layers) -> tf.Tensor:
                for layer in layers:
                    pixels = layer(pixels, training=True)
                return pixels

            found = time_graph(tf.function(change), faces, rounds)
            rows.append({"strength": strength, "layers": name} | found)
    return rows


def training_step(image_size: int, alpha: float, faces: tf.Tensor, rounds: int) -> dict:
    """Time forward, backward and update, without augmentation."""
    model = build_classifier(image_size, alpha, dropout=0.5)
    optimizer = keras.optimizers.AdamW(1e-4)
    optimizer.build(model.trainable_variables)
    targets = tf.one_hot(tf.range(len(faces)) % 8, 8)

    @tf.function
    def step(pixels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = model(scale_pixels(pixels), training=True)
            loss = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, outputs))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, [one.value for one in variables]), variables)
        return loss

    return time_graph(step, faces, rounds, warm_up=1)


def add_input_ratios(report: Report, tables: dict[str, list[dict]]) -> None:
    """Hold the input against the step, shards against files, and our layers against Keras'."""
    for row in tables["share_of_step"]:
        name = f"input / training step, processor time: {row['source']}, {row['cache']} cache, "
        name += f"{row['strength']}"
        report.ratio(name, row["share"])
        report.target(name, row["share"], f"<= {BAR}")
    reading = {(row["source"], row["cache"]): row["cpu_ms"] for row in tables["reading"]}
    for cache in dict.fromkeys(cache for _, cache in reading):
        both = reading["shards", cache], reading["files", cache]
        report.ratio(f"shards / files, processor time, {cache} cache", both[0] / both[1])
    changing = {(row["layers"], row["strength"]): row["cpu_ms"] for row in tables["augmentation"]}
    for strength in dict.fromkeys(strength for _, strength in changing):
        both = changing["affectkit", strength], changing["Keras", strength]
        report.ratio(f"affectkit / Keras, augmentation {strength}", both[0] / both[1])


def shares(reading: list[dict], changing: list[dict], step: float) -> list[dict]:
    """Give what input and augmentation cost, as a share of the whole training step."""
    rows = []
    for read in reading:
        for row in changing:
            if row["layers"] != "affectkit":
                continue
            cost = read["cpu_ms"] + row["cpu_ms"]
            labels = {name: read[name] for name in ("source", "cache")}
            labels |= {"strength": row["strength"], "input_cpu_ms": cost}
            rows.append(labels | {"share": cost / (cost + step)})
    return rows


def measure_input(command: list[str]) -> Path:
    """Time the input of a training beside one of its steps."""
    parser = new_parser("scale.py input", measure_input.__doc__, threads=(2,))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--side", type=int, default=320, help="of the photographs in pixels")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows-per-shard", type=int, default=500)
    report = Report.begin("input_pipeline", parser, command)
    arguments = report.arguments
    size, rounds = arguments.image_size, arguments.rounds
    preprocessing = Preprocessing(size, crop_margin=0.1)
    with tempfile.TemporaryDirectory() as place, limited_to(max(arguments.threads)):
        files = write_photographs(Path(place) / "files", arguments.rows, arguments.side)
        folder = str(Path(place) / "shards")
        tf.train.Example()  # is imported before the time is taken
        writing = measure(lambda: write_shards(files, folder, arguments.rows_per_shard).rows())
        index = read_index(folder)
        shards = make_table(load_shards(index.folder, SkippedRows()), "shards", "all")
        tables = {"files": files, "shards": shards}
        reading = read_rows(tables, preprocessing, arguments.batch_size, rounds)
        sizes = {
            "files": sum(Path(path).stat().st_size for path in files["path"]),
            "shards": sum(shard["bytes"] for shard in index.shards()),
        }
        some = next(iter(make_batches(files, None, preprocessing, batch_size=arguments.batch_size)))
    faces = tf.cast(some[0], tf.float32)
    changing = augmentation_rows(faces, 4 * rounds)
    step = training_step(size, arguments.alpha, faces, rounds)
    for row in reading:
        row["bytes_per_image"] = sizes[row["source"]] / len(files)
    report.tables = {
        "sharding": [{"workers": 1} | writing],
        "reading": reading,
        "augmentation": changing,
        "training_step": [{"image_size": size, "alpha": arguments.alpha} | step],
        "share_of_step": shares(reading, changing, step["cpu_ms"]),
    }
    add_input_ratios(report, report.tables)
    report.notes = [
        "A training step here is the network's, with the augmentation and the input in it.",
        f"Photographs of {arguments.side} pixels, JPEG quality {JPEG_QUALITY}; faces of {size}.",
    ]
    report.note_load()
    report.figures = {"costs": plot_input_costs(pd.DataFrame(reading), pd.DataFrame(changing))}
    return report.write()


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


def add_growth_ratios(report: Report, rows: list[dict]) -> None:
    """Hold the most rows against the next fewer ones: peaks, bytes and time a row of each stage.

    A row more raises the peak over what it was before the stage began by so many bytes.
    """
    table = pd.DataFrame(rows)
    *_, fewer, most = sorted(table["rows"].unique().tolist())
    for stage, lines in table.groupby("stage", sort=False):
        lines = lines.set_index("rows")
        name = f"peak memory of {stage}, {most:,} / {fewer:,} rows"
        grown = lines.loc[most, "peak_bytes"] / lines.loc[fewer, "peak_bytes"]
        report.ratio(name, grown)
        report.target(name, grown, f"<= {FLAT}")
        own = lines["peak_bytes"] - lines["start_bytes"]
        name = f"bytes a row of {stage}, {fewer:,} to {most:,} rows"
        report.target(name, float(own[most] - own[fewer]) / (most - fewer), f"<= {MOST_BYTES}")
        each = lines["cpu_seconds"] / lines.index
        report.ratio(f"time a row of {stage}, {most:,} / {fewer:,} rows", each[most] / each[fewer])


def measure_growth(command: list[str]) -> Path:
    """Measure how time and memory grow with the rows."""
    parser = new_parser("scale.py growth", measure_growth.__doc__, threads=(2,))
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--stage", nargs=3, metavar=("STAGE", "FILES", "SHARDS"),
                        help="run this one alone and print what it took")  # fmt: skip
    report = Report.begin("cost_growth", parser, command)
    arguments = report.arguments
    if arguments.stage:
        print(json.dumps(run_stage(*arguments.stage)))
        return arguments.output
    del arguments.stage
    rows = []
    for count in arguments.rows:
        with tempfile.TemporaryDirectory() as place:
            files, shards = Path(place) / "files", Path(place) / "shards"
            make_files(files, count)
            for stage in STAGES:
                run = [sys.executable, __file__, "growth", "--output", place, "--stage", stage]
                done = subprocess.run([*run, str(files), str(shards)], stdout=subprocess.PIPE,
                                      check=True, text=True)  # fmt: skip
                found = json.loads(done.stdout.splitlines()[-1])
                peak = found["peak_bytes"] / 2**20
                rows.append({"stage": stage, "rows": count} | found | {"peak_MiB": peak})
                print(rows[-1], file=sys.stderr, flush=True)
            size = sum(path.stat().st_size for path in shards.glob("*.tfrecord"))
            rows[-1]["shard_bytes_per_row"] = size / count
    report.tables = {"growth": rows}
    add_growth_ratios(report, rows)
    report.note_load()
    report.figures = {"growth": plot_growth(pd.DataFrame(rows))}
    return report.write()


MADE_BY = {
    "input_pipeline": "scale.py input",
    "cost_growth": "scale.py growth",
    "stages": "stages.py --video VIDEO",
}
"""Runs that the plan is computed from, and how each is made."""


def newest(folder: Path) -> list[BenchmarkRun]:
    """Read the newest runs of `MADE_BY` in a folder; FileNotFoundError if there is none of one."""
    runs = load_runs(folder)
    for name, script in MADE_BY.items():
        if name not in runs:
            raise FileNotFoundError(
                f"expected a run such as {name}_<time>.json in {folder}, found none; make one with "
                f"`python benchmarks/{script} --output {folder}`"
            )
    return [runs[name] for name in MADE_BY]


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
    pipeline, growth, stages = newest(folder)
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


def make_plan(command: list[str]) -> None:
    """Plan machines, hours and bytes from runs of this script and of stages.py."""
    parser = new_parser("scale.py plan", make_plan.__doc__, threads=None)
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
    else:
        write_between(arguments.write, "plan", text)


def main(command: list[str]) -> object:
    """Answer one of the questions."""
    questions = {"input": measure_input, "growth": measure_growth, "plan": make_plan}
    return choose("scale.py", __doc__, questions, command)


if __name__ == "__main__":
    main(sys.argv[1:])
