"""Count answers a second: networks in MLPerf's scenarios, frames of several faces, Dask workers.

Usage::

    python benchmarks/throughput.py networks --output FOLDER --ferplus FERPLUS --london LONDON_FACES
    python benchmarks/throughput.py scaling --output FOLDER --london LONDON_FACES
    python benchmarks/throughput.py workers --output FOLDER

`networks`: a sample is a face that was cut out already (uint8); its answer is eight probabilities,
valence and arousal. The scenarios are those of Reddi et al., "MLPerf Inference Benchmark" (2020,
arXiv:1911.02549): SingleStream asks for one face at a time and counts the 90th percentile of
latency; MultiStream asks for eight at once and counts the 99th percentile of a query; Offline
hands all faces over and counts faces a second. LoadGen itself is not used, nor is this a
submission.

`scaling`: the frames are portraits side by side, each of the same size whatever their number, on
grey. All numbers of faces and all sizes take turns, so that whatever else the machine does hits all
alike. No file is decoded or encoded. Without portraits, faces are drawn.

`workers`: one process and Dask workers on this machine take turns on the same drawn faces (512
pixels); both have loaded their networks before. The time on the clock depends on what else the
machine does, so the seconds of processor that a picture costs, those of Dask included, are told
too.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import psutil
from figures import plot_rates, plot_scaling
from PIL import Image
from report import (
    Report,
    choose,
    latency_row,
    limited_to,
    measure_accuracy,
    model_file,
    new_parser,
    rate_row,
    turns,
)

from affectkit import AffectPipeline
from affectkit.data import load_faces, load_table, read_table_image
from affectkit.faces import render_face
from affectkit.models import Model, open_model
from affectkit.pipeline import PredictSettings, load_detector, samples_needed
from affectkit.pipeline.predict.cluster import open_cluster
from affectkit.pipeline.predict.remote import predict_on_cluster
from affectkit.pipeline.predict.task import FileTask, predict_file
from affectkit.preprocess import Preprocessing, crop_face, resize_face, scale_pixels

STREAMS = {"SingleStream": (1, 90), "MultiStream": (8, 99)}
"""Faces a query, and the percentile that counts."""

COLUMNS, ROWS = 5, 2
"""Portraits in a frame at most."""

GREY = 128

HEAD = Preprocessing(256, crop_margin=0.3)
"""A head with a little around it, so that ten in a frame are large enough for the detector."""

PICTURE_SIZE, PICTURE_FACES = 512, 8
"""Pixels and number of the drawn faces for workers."""


class Server:
    """Networks that answer queries of faces."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces, uint8, shape (n, size, size, 3), RGB."""
        return self._model(scale_pixels(faces.astype(np.float32)))


def stream(
    server: Server, faces: np.ndarray, query: int, count: int, seconds: float, warm_up: int
) -> list[float]:
    """Ask one query after the other; gives milliseconds each, the first ones dropped.

    Ends after `count` queries or so many seconds, whichever is first.
    """
    generator = np.random.default_rng(0)
    order = generator.integers(0, len(faces), (4096, query))
    times, end = [], perf_counter() + seconds
    for number in range(warm_up + count):
        batch = faces[order[number % len(order)]]
        start = perf_counter()
        server(batch)
        stop = perf_counter()
        times.append(1e3 * (stop - start))
        if stop > end and len(times) > warm_up:
            break
    return times[warm_up:]


def offline(server: Server, faces: np.ndarray, repeats: int) -> list[float]:
    """Hand over all faces at once; gives faces a second of every repeat."""
    rates = []
    for _ in range(repeats):
        start = perf_counter()
        server(faces)
        rates.append(len(faces) / (perf_counter() - start))
    return rates


def read_faces(model: Model, count: int) -> np.ndarray:
    """Cut out faces of the bundled set; uint8, shape (count, size, size, 3)."""
    table = load_table("affectfaces", None, "test", limit=min(count, 1000))
    faces, _ = load_faces(table, model.preprocessing)
    return np.resize(faces, (count, *faces.shape[1:]))


def add_network_ratios(report: Report, streams: list[dict], offlines: list[dict]) -> None:
    """Add the first model against the others, and what a second thread and a query of 8 give."""
    rate = {(row["model"], row["threads"]): row["faces_a_second"] for row in offlines}
    p50 = {(row["model"], row["threads"], row["scenario"]): row["p50"] for row in streams}
    (first, *others), (few, *more) = report.arguments.models, report.arguments.threads
    for other in others:
        name = f"{first} / {other}, faces a second, Offline, {few} threads"
        report.ratio(name, rate[first, few] / rate[other, few], "higher")
    for many in more:
        name = f"{many} threads / {few}, faces a second, Offline, {first}"
        report.ratio(name, rate[first, many] / rate[first, few], "higher")
    for threads in report.arguments.threads:
        single, multi = p50[first, threads, "SingleStream"], p50[first, threads, "MultiStream"]
        name = f"a query of 8 / 8 queries of 1, median ms, {first}, {threads} threads"
        report.ratio(name, multi / (8 * single))


def networks(command: list[str]) -> Path:
    """Time the networks alone, in MLPerf's scenarios."""
    parser = new_parser("throughput.py networks", networks.__doc__)
    parser.add_argument(
        "--models", nargs="+", default=["affectkit-real-int8", "affectkit-real-float16"]
    )
    parser.add_argument("--faces", type=int, default=1000, help="of the Offline scenario")
    parser.add_argument("--seconds", type=float, default=60, help="of a stream at most")
    parser.add_argument("--queries", type=int, help="default: as many as the percentile asks for")
    parser.add_argument("--repeats", type=int, default=5, help="of the Offline scenario")
    parser.add_argument("--warm-up", type=int, default=20)
    report = Report.begin("throughput", parser, command)
    arguments = report.arguments
    streams, offlines, loading = [], [], []
    for threads in arguments.threads:
        for model in arguments.models:
            with limited_to(threads):
                labels = {"model": model, "threads": threads}
                start = perf_counter()
                opened = open_model(model, threads)
                server = Server(opened)
                loaded = perf_counter()
                faces = read_faces(opened, arguments.faces)
                called = perf_counter()
                server(faces[:1])
                first = {"load_seconds": loaded - start}
                first["first_call_ms"] = 1e3 * (perf_counter() - called)
                loading.append(labels | first | model_file(model))
                for scenario, (query, percentile) in STREAMS.items():
                    count = arguments.queries or samples_needed(percentile)
                    times = stream(
                        server, faces, query, count, arguments.seconds, arguments.warm_up
                    )
                    row = latency_row(times, scenario=scenario, **labels, faces_a_query=query)
                    counts = {"counts": f"p{percentile}", "per_face": row["mean"] / query}
                    streams.append(row | counts)
                rates = offline(server, faces, arguments.repeats + 1)[1:]
                row = {"scenario": "Offline"} | labels
                row |= {"faces": len(faces), "repeats": len(rates)}
                offlines.append(row | rate_row(rates, "faces"))
    accuracy = measure_accuracy(arguments.models, arguments)
    report.tables = {
        "streams": streams,
        "offline": offlines,
        "loading": loading,
        "accuracy": accuracy,
    }
    add_network_ratios(report, streams, offlines)
    label = "faces a second, Offline"
    table = pd.DataFrame(offlines)
    report.figures = {"offline": plot_rates(table, "model", "faces_a_second", label=label)}
    return report.write()


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
        return [render_face(seed, 256)[0] for seed in range(2 * COLUMNS * ROWS)]
    table = load_table("folder", london)
    return [read_table_image(record) for record in table.itertuples(index=False)][::2]


def time_frames(
    pipeline: AffectPipeline, frames: dict[tuple, np.ndarray], rounds: int, warm_up: int
) -> dict[tuple, list[float]]:
    """Time every frame once a round, in an order that is drawn anew; the first rounds dropped."""
    times: dict[tuple, list[float]] = {key: [] for key in frames}
    for key, counts in turns(list(frames), rounds, warm_up):
        start = perf_counter()
        pipeline(frames[key])
        if counts:
            times[key].append(1e3 * (perf_counter() - start))
    return times


def parse_size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT."""
    width, height = (int(number) for number in text.split("x"))
    return width, height


def add_scaling_ratios(report: Report, rows: list[dict]) -> None:
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


def scaling(command: list[str]) -> Path:
    """Time the pipeline on frames of one, two, five and ten faces, of several sizes."""
    parser = new_parser("throughput.py scaling", scaling.__doc__)
    parser.add_argument("--model", default="affectkit-real-int8")
    parser.add_argument("--detector", default="blazeface")
    parser.add_argument("--faces", type=int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--sizes", type=parse_size, nargs="+", metavar="WIDTHxHEIGHT",
                        default=[(640, 360), (1280, 720), (1920, 1080)])  # fmt: skip
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--warm-up", type=int, default=5, help="rounds dropped")
    report = Report.begin("scaling", parser, command)
    arguments = report.arguments
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
    add_scaling_ratios(report, rows)
    missed = [row for row in rows if row["found"] != row["faces"]]
    report.notes.append(
        f"The detector found all faces in {len(rows) - len(missed)} of {len(rows)} settings."
    )
    report.figures = {"scaling": plot_scaling(pd.DataFrame(rows))}
    return report.write()


def write_pictures(folder: Path, count: int) -> list[FileTask]:
    """Write pictures of a few faces, each many times."""
    faces = [Image.fromarray(render_face(seed, PICTURE_SIZE)[0]) for seed in range(PICTURE_FACES)]
    for index in range(count):
        faces[index % PICTURE_FACES].save(folder / f"{index:05}.png")
    return [FileTask(path, str(path)) for path in sorted(folder.iterdir())]


def processor_seconds() -> float:
    """Processor time of this process and those that it started, which are all still there."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def take(run: Callable[[], Iterable]) -> tuple[list, dict[str, float]]:
    """Give what `run` gave, and pictures a second and milliseconds of processor a picture."""
    clock, processor = perf_counter(), processor_seconds()
    found = list(run())
    seconds, spent = perf_counter() - clock, processor_seconds() - processor
    return found, {"rate": len(found) / seconds, "cpu_ms": 1e3 * spent / len(found)}


def workers(command: list[str]) -> Path:
    """Time pictures in one process and with Dask workers on this machine."""
    parser = new_parser("throughput.py workers", workers.__doc__, threads=(1,))
    parser.add_argument("--model", default="affectkit-real-int8")
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    report = Report.begin("workers", parser, command)
    arguments = report.arguments
    settings = PredictSettings(arguments.model, threads=arguments.threads[0])
    many = f"{arguments.workers} workers"
    found: dict[str, list[dict]] = {"one process": [], many: []}
    with tempfile.TemporaryDirectory() as folder:
        tasks = write_pictures(Path(folder), arguments.pictures)
        pipeline = settings.load_pipeline(is_video=False)
        predict_file(tasks[0], pipeline)
        start = perf_counter()
        with open_cluster(workers=arguments.workers) as client:
            list(predict_on_cluster(client, tasks[: 4 * arguments.workers], settings))
            ready = perf_counter() - start
            ways = {
                "one process": lambda: (predict_file(task, pipeline) for task in tasks),
                many: lambda: predict_on_cluster(client, tasks, settings),
            }
            answers = []
            for way, _ in turns(list(ways), arguments.rounds):
                answer, row = take(ways[way])
                answers.append(answer)
                found[way].append(row)
    if any(answer != answers[0] for answer in answers):
        raise SystemExit("the workers gave other rows than the one process")
    rows = []
    for way, measured in found.items():
        row = {"mode": way, "rounds": len(measured), "pictures": len(tasks)}
        row |= rate_row([one["rate"] for one in measured], "pictures")
        rows.append(row | {"cpu_ms": float(np.median([one["cpu_ms"] for one in measured]))})
    report.tables = {"workers": rows, "starting": [{"mode": many, "start_seconds": ready}]}
    one, other = rows
    gain = other["pictures_a_second"] / one["pictures_a_second"]
    report.ratio(f"{many} / one process, pictures a second", gain, "higher")
    report.ratio(f"{many} / one process, processor time", other["cpu_ms"] / one["cpu_ms"])
    report.note_load()
    return report.write()


def main(command: list[str]) -> Path:
    """Answer one of the questions."""
    questions = {"networks": networks, "scaling": scaling, "workers": workers}
    return choose("throughput.py", __doc__, questions, command)


if __name__ == "__main__":
    main(sys.argv[1:])
