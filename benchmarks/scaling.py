"""Time the pipeline on frames of one, two, five and ten faces, on images of several sizes.

Usage::

    python benchmarks/scaling.py --output FOLDER --london LONDON_FACES

The frames are portraits side by side, each of the same size whatever their number, on grey. All
numbers of faces and all sizes take turns, so that whatever else the machine does hits all alike.
No file is decoded or encoded. Without portraits, faces are drawn.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import perf_counter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from report import Report, latency_row, limited_to, measure_accuracy, model_file, new_parser

from affectkit import AffectPipeline
from affectkit.data import load_table, read_table_image
from affectkit.pipeline import load_detector
from affectkit.plots import plot_scaling
from affectkit.preprocess import Preprocessing, crop_face, resize_face

COLUMNS, ROWS = 5, 2
"""Portraits in a frame at most."""

GREY = 128

HEAD = Preprocessing(256, crop_margin=0.3)
"""A head with a little around it, so that ten in a frame are large enough for the detector."""


def compose(portraits: list[np.ndarray], faces: int, width: int, height: int) -> np.ndarray:
    """Put square portraits side by side into a frame; RGB, uint8, shape (height, width, 3)."""
    if not 1 <= faces <= COLUMNS * ROWS:
        raise ValueError(f"expected 1 to {COLUMNS * ROWS} faces a frame, got {faces}")
    side = min(width // COLUMNS, height // ROWS)
    frame = np.full((height, width, 3), GREY, np.uint8)
    for number in range(faces):
        row, column = divmod(number, COLUMNS)
        x, y = column * side, row * side
        portrait = resize_face(portraits[number % len(portraits)], side)
        frame[y : y + side, x : x + side] = portrait
    return frame


def read_portraits(london: Path | None) -> list[np.ndarray]:
    """Read portraits of different people, or draw some, and cut them to the heads; square, RGB."""
    images = read_pictures(london)
    detect, heads = load_detector("blazeface"), []
    for image in images:
        faces = detect(image)
        if faces:
            heads.append(crop_face(image, faces[0].box, HEAD))
    return heads


def read_pictures(london: Path | None) -> list[np.ndarray]:
    """Read or draw pictures of a face each, RGB."""
    if london is None:
        from affectkit.faces import render_face

        return [render_face(seed, 256)[0] for seed in range(2 * COLUMNS * ROWS)]
    table = load_table("folder", london)
    return [read_table_image(record) for record in table.itertuples(index=False)][::2]


def time_frames(
    pipeline: AffectPipeline, frames: dict[tuple, np.ndarray], rounds: int, warm_up: int
) -> dict[tuple, list[float]]:
    """Time every frame once a round, in an order that is drawn anew; the first rounds dropped."""
    generator, keys = np.random.default_rng(0), list(frames)
    times: dict[tuple, list[float]] = {key: [] for key in keys}
    for number in range(warm_up + rounds):
        for index in generator.permutation(len(keys)):
            start = perf_counter()
            pipeline(frames[keys[index]])
            if number >= warm_up:
                times[keys[index]].append(1e3 * (perf_counter() - start))
    return times


def parse_size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT."""
    width, height = (int(number) for number in text.split("x"))
    return width, height


def main(command: list[str]) -> Path:
    """Compose frames, time them, write."""
    parser = new_parser(__doc__)
    parser.add_argument("--model", default="affectkit-real-int8")
    parser.add_argument("--detector", default="blazeface")
    parser.add_argument("--faces", type=int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--sizes", type=parse_size, nargs="+", metavar="WIDTHxHEIGHT",
                        default=[(640, 360), (1280, 720), (1920, 1080)])  # fmt: skip
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--warm-up", type=int, default=5, help="rounds dropped")
    arguments = parser.parse_args(command)
    report = Report("scaling", arguments, command)
    portraits = read_portraits(arguments.london)
    frames = {
        (width, height, faces): compose(portraits, faces, width, height)
        for width, height in arguments.sizes
        for faces in arguments.faces
    }
    rows, loading = [], []
    for threads in arguments.threads:
        with limited_to(threads):
            start = perf_counter()
            pipeline = AffectPipeline(arguments.model, arguments.detector, threads)
            loaded = perf_counter()
            pipeline(next(iter(frames.values())))
            called = perf_counter()
            labels = {"model": arguments.model, "threads": threads}
            first = {"load_seconds": loaded - start, "first_call_ms": 1e3 * (called - loaded)}
            loading.append(labels | first | model_file(arguments.model))
            found = {key: len(pipeline(frame)) for key, frame in frames.items()}
            times = time_frames(pipeline, frames, arguments.rounds, arguments.warm_up)
        for (width, height, faces), samples in times.items():
            labels = {"width": width, "height": height, "threads": threads, "faces": faces}
            row = latency_row(samples, **labels, found=found[width, height, faces])
            rows.append(row | {"per_face": row["p50"] / faces})
    accuracy = measure_accuracy([arguments.model], arguments)
    report.tables = {"scaling": rows, "loading": loading, "accuracy": accuracy}
    add_ratios(report, rows)
    missed = [row for row in rows if row["found"] != row["faces"]]
    report.notes.append(
        f"The detector found all faces in {len(rows) - len(missed)} of {len(rows)} settings."
    )
    report.figures = {"scaling": plot_scaling(pd.DataFrame(rows))}
    return report.write()


def add_ratios(report: Report, rows: list[dict]) -> None:
    """Add the cost of several faces in a frame against as many frames of one face."""
    medians = {tuple(row[name] for name in ("width", "height", "threads", "faces")): row["p50"]
               for row in rows}  # fmt: skip
    for (width, height, threads, faces), median in medians.items():
        one = medians.get((width, height, threads, 1))
        if faces == 1 or one is None:
            continue
        name = f"{faces} faces / {faces} x 1 face, ms a frame, {width}x{height}, {threads} threads"
        report.ratio(name, median / (faces * one))
        if faces == 5:
            report.target(name, median / (faces * one), "< 1")


if __name__ == "__main__":
    main(sys.argv[1:])
