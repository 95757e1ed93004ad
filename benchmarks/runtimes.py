"""Time one network in every runtime: one face at a time, one thread, runtimes in turn.

Usage::

    python benchmarks/runtimes.py --output FOLDER --ferplus FERPLUS --london LONDON_FACES

Times LiteRT in int8 and float16, Keras as a tf.function and by `predict`, and every exported form
that can be made here. Each round gives every runtime the same slice of time, in an order that is
drawn anew, so that whatever else the machine does hits all alike. The first calls of a slice are
dropped; loading and the very first call are timed apart, each in a new process.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from figures import plot_rates, plot_trade_off
from report import (
    Report,
    add_accuracy,
    latency_row,
    limited_to,
    measure_accuracy,
    model_file,
    new_parser,
    turns,
)

from affectkit.export import export_model
from affectkit.models import find_model

Run = Callable[[np.ndarray], object]


def load_network(model: str) -> Run:
    """Load a model as the pipeline does, for one thread."""
    from affectkit.models import open_model

    return open_model(model, threads=1)


def load_predict(model: str) -> Run:
    """Load a checkpoint's Keras model, to be called by `predict`."""
    from affectkit.models import open_model

    joined = open_model(model).model
    return lambda faces: joined.predict(faces, verbose=0)


def probe(loader: Callable[[str], Run], model: str, size: int) -> dict[str, float]:
    """Load and call twice; gives load_seconds, first_call_ms, second_call_ms, peak_memory_bytes.

    Loading includes the import of the runtime; memory is the peak of the process, with Python and
    NumPy.
    """
    from affectkit.machine import peak_memory

    face = np.zeros((1, size, size, 3), np.float32)
    marks = [perf_counter()]
    run = loader(model)
    marks.append(perf_counter())
    for _ in range(2):
        run(face)
        marks.append(perf_counter())
    load, first, second = np.diff(marks)
    return {
        "load_seconds": load,
        "first_call_ms": 1e3 * first,
        "second_call_ms": 1e3 * second,
        "peak_memory_bytes": peak_memory(),
    }


def probe_alone(loader: Callable[[str], Run], model: str, size: int) -> dict[str, float]:
    """Run `probe` in a new process, which has imported nothing of what this script needs."""
    code = PROBE.format(
        functions="\n".join(map(inspect.getsource, (loader, probe))),
        loader=loader.__name__, model=model, size=size,
    )  # fmt: skip
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(answer.splitlines()[-1])


PROBE = """from __future__ import annotations
import json
from time import perf_counter
import numpy as np
{functions}
print(json.dumps(probe({loader}, {model!r}, {size})))
"""
OURS = "LiteRT int8"
"""What the others are compared with."""

SHIPPED = {
    OURS: ("-int8", load_network),
    "LiteRT float16": ("-float16", load_network),
    "Keras tf.function": ("", load_network),
    "Keras predict": ("", load_predict),
}
"""What a checkpoint's forms are called here, and how each is loaded."""

FORMATS = {
    "saved-model": "SavedModel",
    "frozen-graph": "frozen graph",
    "onnx": "ONNX Runtime",
}
"""Formats of `affectkit.export.export`, and how they are called here."""

FASTEST = 1.0  # ms a face that the int8 network may take on one core


@dataclass(frozen=True)
class Runtime:
    """A network that can be called, and what it took to load it in a process of its own."""

    name: str
    model: str
    run: Run
    probed: dict[str, float]

    @classmethod
    def load(cls, name: str, model: str, loader: Callable[[str], Run], size: int) -> Runtime:
        """Probe a network, then load it here and call it once."""
        probed = probe_alone(loader, model, size)
        run = loader(model)
        run(np.zeros((1, size, size, 3), np.float32))
        return cls(name, model, run, probed)


def one_tensorflow_thread() -> None:
    """Keep TensorFlow to one thread; must come before it computes anything."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def export_forms(name: str, folder: Path, report: Report) -> dict[str, tuple[str, object]]:
    """Export a checkpoint to every format asked for; what can't be made here is noted."""
    sources = {}
    for form in report.arguments.formats:
        try:
            manifest = export_model(name, form, folder)
        except (ImportError, ValueError) as error:
            report.notes.append(f"{FORMATS[form]}: not run: {error}")
        else:
            sources[FORMATS[form]] = (str(manifest), load_network)
    return sources


def time_in_turn(
    runtimes: list[Runtime], face: np.ndarray, rounds: int, milliseconds: float, warm_up: int
) -> dict[str, list[float]]:
    """Time calls of every runtime in rounds; gives milliseconds a call by name."""
    found: dict[str, list[float]] = {runtime.name: [] for runtime in runtimes}
    for runtime, _ in turns(runtimes, rounds):
        for _ in range(warm_up):
            runtime.run(face)
        end, start = perf_counter() + milliseconds / 1e3, 0.0
        while start < end:
            start = perf_counter()
            runtime.run(face)
            found[runtime.name].append(1e3 * (perf_counter() - start))
    return found


def main(command: list[str]) -> Path:
    """Load, time in turn, evaluate, write."""
    parser = new_parser("runtimes.py", __doc__, threads=(1,))
    parser.add_argument("--checkpoint", default="affectkit-real")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--milliseconds", type=float, default=60, help="of a runtime in a round")
    parser.add_argument("--warm-up", type=int, default=2, help="calls dropped in each slice")
    parser.add_argument("--runtimes", nargs="+", default=list(SHIPPED), choices=SHIPPED)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS), choices=FORMATS,
                        help="that are exported and timed too; may be none")  # fmt: skip
    report = Report.begin("runtimes", parser, command)
    arguments = report.arguments
    if arguments.threads != [1]:
        parser.error("runtimes are compared with one thread; see throughput.py for more")
    one_tensorflow_thread()
    name = arguments.checkpoint
    size = find_model(name).preprocessing.image_size
    face = np.random.default_rng(0).uniform(-1, 1, (1, size, size, 3)).astype(np.float32)
    with limited_to(1), tempfile.TemporaryDirectory() as folder:
        sources = {title: (name + suffix, loader) for title, (suffix, loader) in SHIPPED.items()
                   if title in {OURS, *arguments.runtimes}}  # fmt: skip
        sources |= export_forms(name, Path(folder), report)
        runtimes = [
            Runtime.load(title, model, load, size) for title, (model, load) in sources.items()
        ]
        times = time_in_turn(
            runtimes, face, arguments.rounds, arguments.milliseconds, arguments.warm_up
        )
        accuracy = measure_accuracy([runtime.model for runtime in runtimes], arguments)
        accuracy = [row | {"model": Path(row["model"]).name} for row in accuracy]
        rows = summarise_runtimes(runtimes, times)
    report.tables = {"runtimes": rows, "accuracy": accuracy}
    medians = {row["runtime"]: row["p50"] for row in rows}
    for runtime in medians:
        if runtime != OURS:
            report.ratio(f"{OURS} / {runtime}, ms a face", medians[OURS] / medians[runtime])
    report.target(f"{OURS}, median ms a face on one core", medians[OURS], f"<= {FASTEST}")
    timed = add_accuracy(pd.DataFrame(rows), pd.DataFrame(accuracy))
    report.figures = {"trade_off": plot_trade_off(timed)}
    rates = pd.DataFrame(rows).assign(rate=lambda table: 1e3 / table["p50"])
    report.figures["rates"] = plot_rates(rates, "runtime", "rate", label="faces a second")
    return report.write()


def summarise_runtimes(runtimes: list[Runtime], times: dict[str, list[float]]) -> list[dict]:
    """Give a row a runtime, the fastest first."""
    rows = [
        latency_row(times[runtime.name], runtime=runtime.name, threads=1)
        | model_file(runtime.model)
        | runtime.probed
        | {"model": Path(runtime.model).name}
        for runtime in runtimes
    ]
    best = min(row["p50"] for row in rows)
    rows = [row | {"times_the_best": row["p50"] / best} for row in rows]
    return sorted(rows, key=lambda row: row["p50"])


if __name__ == "__main__":
    main(sys.argv[1:])
