"""Load one model in a process of its own, call it twice, and print what that took as JSON.

Usage, by runtimes.py only::

    python benchmarks/probe_runtime.py MODEL [--predict]

Loading includes the import of the runtime; memory is the peak of the process, with Python, NumPy
and OpenCV.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from time import perf_counter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from video_legs import peak_memory

Run = Callable[[np.ndarray], object]


def load_network(model: str) -> Run:
    """Load a model as the pipeline does, for one thread."""
    from affectkit.models import load_networks

    networks = load_networks(model, threads=1).networks
    return lambda faces: [network(faces) for network in networks]


def load_predict(model: str) -> Run:
    """Load a checkpoint's Keras model, to be called by `predict`."""
    from affectkit.models import find_checkpoint
    from affectkit.models.opening import load_joined

    joined = load_joined(find_checkpoint(model))
    return lambda faces: joined.predict(faces, verbose=0)


def probe(loader: Callable[[str], Run], model: str, image_size: int) -> dict[str, float]:
    """Load and call; gives load_seconds, first_call_ms, second_call_ms and peak_memory_bytes."""
    face = np.zeros((1, image_size, image_size, 3), np.float32)
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--predict", action="store_true")
    options = parser.parse_args()
    loader = load_predict if options.predict else load_network
    print(json.dumps(probe(loader, options.model, options.image_size)))
