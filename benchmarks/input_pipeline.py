"""Measure what reading faces costs beside a training step: processor time an image, and I/O.

Usage::

    python benchmarks/input_pipeline.py --output FOLDER

The bundled faces are enlarged to a photograph's size, encoded as JPEG once as files and once as
shards, and read through `make_batches` as training streams them: read, decode, crop, resize. The
training step is a forward and backward pass of the full profile's network with AdamW. All times
are processor seconds of the process over all its threads, so that other work on the machine does
not count; wall-clock times stand beside them. Cold means that the files were dropped from the page
cache before (`posix_fadvise`, which needs no rights).

Augmentation is timed as part of the training graph: the layers in use, and Keras' own that they
stand for.
"""

from __future__ import annotations

import os
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
from report import Report, add_load, limited_to, new_parser

from affectkit.data import (
    SkippedRows,
    load_shards,
    load_table,
    make_batches,
    make_table,
    read_index,
    read_table_image,
    write_shards,
)
from affectkit.models import build_classifier
from affectkit.plots import plot_input_costs
from affectkit.preprocess import Preprocessing, resize_face, scale_pixels
from affectkit.training import build_augmentation

STRENGTHS = ("light", "strong", "heavy")
BAR = 0.05
"""Share of a training step's processor time that the input may cost."""

JPEG_QUALITY = 90


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


def main(command: list[str]) -> Path:
    """Write photographs, read them, train on some, write the report."""
    parser = new_parser(__doc__, threads=(2,))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--side", type=int, default=320, help="of the photographs in pixels")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows-per-shard", type=int, default=500)
    arguments = parser.parse_args(command)
    report = Report("input_pipeline", arguments, command)
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
    add_ratios(report, report.tables)
    report.notes = [
        "A training step here is the network's, with the augmentation and the input in it.",
        f"Photographs of {arguments.side} pixels, JPEG quality {JPEG_QUALITY}; faces of {size}.",
    ]
    add_load(report)
    report.figures = {"costs": plot_input_costs(pd.DataFrame(reading), pd.DataFrame(changing))}
    return report.write()


def add_ratios(report: Report, tables: dict[str, list[dict]]) -> None:
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


if __name__ == "__main__":
    main(sys.argv[1:])
