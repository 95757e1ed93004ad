"""Time the networks in MLPerf's scenarios SingleStream, MultiStream and Offline.

Usage::

    python benchmarks/throughput.py --output FOLDER --ferplus FERPLUS --london LONDON_FACES

A sample is a face that was cut out already (uint8); its answer is eight probabilities, valence
and arousal. The scenarios are those of Reddi et al., "MLPerf Inference Benchmark" (2020,
arXiv:1911.02549): SingleStream asks for one face at a time and counts the 90th percentile of
latency; MultiStream asks for eight at once and counts the 99th percentile of a query; Offline
hands all faces over and counts faces a second. LoadGen itself is not used, nor is this a
submission.
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

from affectkit.data import load_faces, load_table
from affectkit.models import Networks, load_networks
from affectkit.pipeline import samples_needed
from affectkit.plots import plot_rates
from affectkit.preprocess import scale_pixels

STREAMS = {"SingleStream": (1, 90), "MultiStream": (8, 99)}
"""Faces a query, and the percentile that counts."""


class Server:
    """Networks that answer queries of faces."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks.networks

    def __call__(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for faces, uint8, shape (n, size, size, 3), RGB."""
        inputs = scale_pixels(faces.astype(np.float32))
        answers: dict[str, np.ndarray] = {}
        for network in self._networks:
            answers |= network(inputs)
        return answers


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


def main(command: list[str]) -> Path:
    """Run every scenario for every model and number of threads, and write."""
    parser = new_parser(__doc__)
    parser.add_argument(
        "--models", nargs="+", default=["affectkit-real-int8", "affectkit-real-float16"]
    )
    parser.add_argument("--faces", type=int, default=1000, help="of the Offline scenario")
    parser.add_argument("--seconds", type=float, default=60, help="of a stream at most")
    parser.add_argument("--queries", type=int, help="default: as many as the percentile asks for")
    parser.add_argument("--repeats", type=int, default=5, help="of the Offline scenario")
    parser.add_argument("--warm-up", type=int, default=20)
    arguments = parser.parse_args(command)
    report = Report("throughput", arguments, command)
    streams, offlines, loading = [], [], []
    for threads in arguments.threads:
        for model in arguments.models:
            with limited_to(threads):
                start = perf_counter()
                networks = load_networks(model, threads)
                server = Server(networks)
                loaded = perf_counter()
                faces = read_faces(networks, arguments.faces)
                called = perf_counter()
                server(faces[:1])
                labels = {"model": model, "threads": threads}
                loading.append(
                    labels | {"load_seconds": loaded - start,
                              "first_call_ms": 1e3 * (perf_counter() - called)} | model_file(model)
                )  # fmt: skip
                for scenario, (query, percentile) in STREAMS.items():
                    count = arguments.queries or samples_needed(percentile)
                    times = stream(
                        server, faces, query, count, arguments.seconds, arguments.warm_up
                    )
                    row = latency_row(times, scenario=scenario, **labels, faces_a_query=query)
                    counts = {"counts": f"p{percentile}", "per_face": row["mean"] / query}
                    streams.append(row | counts)
                rates = offline(server, faces, arguments.repeats + 1)[1:]
                offlines.append(
                    {"scenario": "Offline"} | labels
                    | {"faces": len(faces), "repeats": len(rates),
                       "faces_a_second": float(np.median(rates)), "slowest": min(rates),
                       "fastest": max(rates)}
                )  # fmt: skip
    accuracy = measure_accuracy(arguments.models, arguments)
    report.tables = {
        "streams": streams,
        "offline": offlines,
        "loading": loading,
        "accuracy": accuracy,
    }
    add_ratios(report, streams, offlines)
    report.figures = {
        "offline": plot_rates(
            pd.DataFrame(offlines), "model", "faces_a_second", label="faces a second, Offline"
        )
    }
    return report.write()


def read_faces(networks: Networks, count: int) -> np.ndarray:
    """Cut out faces of the bundled set; uint8, shape (count, size, size, 3)."""
    table = load_table("affectfaces", None, "test", limit=min(count, 1000))
    faces, _ = load_faces(table, networks.preprocessing)
    return np.resize(faces, (count, *faces.shape[1:]))


def add_ratios(report: Report, streams: list[dict], offlines: list[dict]) -> None:
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


if __name__ == "__main__":
    main(sys.argv[1:])
