"""Measure pictures a second in one process and with Dask workers on this machine.

Usage::

    python benchmarks/cluster_speed.py --pictures 400 --workers 2 --rounds 3

One process and workers take turns on the same drawn faces (512 pixels); both have loaded their
networks before. The time on the clock depends on what else the machine does, so the seconds of
processor that a picture costs, those of Dask included, are told too. Prints one line a number.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil
from PIL import Image

from affectkit.faces import render_face
from affectkit.pipeline.predict.cluster import open_cluster
from affectkit.pipeline.predict.pictures import ImagePredictor, ImageTask
from affectkit.pipeline.predict.remote import PredictionSettings, predict_on_cluster
from affectkit.pipeline.predict.run import IMAGE_DETECTOR

SIZE, FACES = 512, 8


def write_pictures(folder: Path, count: int) -> list[ImageTask]:
    """Write pictures of a few faces, each many times."""
    faces = [Image.fromarray(render_face(seed, SIZE)[0]) for seed in range(FACES)]
    for index in range(count):
        faces[index % FACES].save(folder / f"{index:05}.png")
    return [ImageTask(path) for path in sorted(folder.iterdir())]


def processor_seconds() -> float:
    """Processor time of this process and those that it started, which are all still there."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def measure(run) -> tuple[float, float, list]:
    """Give seconds on the clock, seconds of processor, and what `run` gave."""
    clock, processor = time.perf_counter(), processor_seconds()
    results = list(run())
    return time.perf_counter() - clock, processor_seconds() - processor, results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    pipeline = {"model": "affectkit-real-int8", "detector": IMAGE_DETECTOR, "threads": 1}
    with tempfile.TemporaryDirectory() as folder:
        tasks = write_pictures(Path(folder), arguments.pictures)
        predictor = ImagePredictor(**pipeline)
        start = time.perf_counter()
        with open_cluster(workers=arguments.workers) as client:
            settings = PredictionSettings(pipeline, pipeline)
            list(predict_on_cluster(client, tasks[: 4 * arguments.workers], settings))
            print(f"seconds to start {arguments.workers} workers {time.perf_counter() - start:.2f}")
            ways = {
                "one process": lambda: map(predictor, tasks),
                f"{arguments.workers} workers": lambda: predict_on_cluster(client, tasks, settings),
            }
            rates = {way: [] for way in ways}
            costs = {way: [] for way in ways}
            for _ in range(arguments.rounds):
                answers = []
                for way, run in ways.items():
                    seconds, processor, results = measure(run)
                    rates[way].append(len(tasks) / seconds)
                    costs[way].append(1000 * processor / len(tasks))
                    answers.append(results)
                if answers[0] != answers[1]:
                    raise SystemExit("the workers gave other rows than the one process")
    for way in ways:
        print(f"pictures a second, {way}: {statistics.median(rates[way]):.1f}")
        print(f"ms of processor a picture, {way}: {statistics.median(costs[way]):.1f}")
    one, many = ways
    speed = [new / old for old, new in zip(rates[one], rates[many], strict=True)]
    cost = [new / old for old, new in zip(costs[one], costs[many], strict=True)]
    print(f"times as fast as one process (median of rounds): {statistics.median(speed):.2f}")
    print(f"times the processor time of one process: {statistics.median(cost):.2f}")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
