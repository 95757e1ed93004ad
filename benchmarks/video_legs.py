"""One contestant of peers.py: a process that annotates videos on demand and times itself.

Usage, by peers.py only::

    python benchmarks/video_legs.py LEG --threads N

It runs in affectkit's environment or in the peers', so nothing of affectkit is imported before a
leg asks for it. Every line of standard input is a JSON object with video and output; a JSON line
answers each. A first line tells how long loading took, or what failed. Everything
that libraries print goes to standard error.

Every peer gets the same loop as its own example has, without what is not asked for here: read a
frame, ask the package for boxes and expressions, draw them, write the frame.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import importlib.util
import json
import logging
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

Finding = tuple[tuple[int, int, int, int], str]
"""Left, top, width and height of a face, and what to write beside it."""

Annotate = Callable[[str, str], dict]
"""Annotates a video into a file; gives frames and faces."""

CODEC = "mp4v"
SEED_CASCADE = (1.3, 5)
"""Scale step and neighbours of the seed's Haar cascade: a coarse and therefore quick search."""

SEED_SIZE, SEED_UNITS = 224, 1024
LABELS = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt")


def one_after_the_other(find: Callable[[np.ndarray], list[Finding]]) -> Annotate:
    """Make the loop of a peer: decode, find, draw, encode."""

    def annotate(video: str, output: str) -> dict:
        capture = cv2.VideoCapture(video)
        if not capture.isOpened():
            raise OSError(f"{video} can't be opened")
        size = tuple(int(capture.get(side)) for side in (3, 4))  # width, height
        writer = cv2.VideoWriter(
            output, cv2.VideoWriter.fourcc(*CODEC), capture.get(cv2.CAP_PROP_FPS), size
        )
        frames = faces = 0
        while (read := capture.read())[0]:
            frame = read[1]
            found = find(frame)
            draw(frame, found)
            writer.write(frame)
            frames, faces = frames + 1, faces + len(found)
        capture.release()
        writer.release()
        return {"frames": frames, "faces": faces}

    return annotate


def draw(frame: np.ndarray, found: list[Finding]) -> None:
    """Draw boxes and words, as a webcam demo does."""
    for (x, y, width, height), text in found:
        cv2.rectangle(frame, (x, y), (x + width, y + height), (0, 200, 0), 2)
        place = (x, max(12, y - 6))
        cv2.putText(frame, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 200, 0), 1, cv2.LINE_AA)


def limit_tensorflow(threads: int, interpreters: bool = False) -> None:
    """Keep TensorFlow to so many threads, and give them to the interpreters that a peer makes.

    A peer's TFLite interpreter has the default of one thread otherwise: fer and facex set none.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if interpreters:
        tf.lite.Interpreter = functools.partial(tf.lite.Interpreter, num_threads=threads)


def load_fer(threads: int, mtcnn: bool = False, interpreters: bool = False) -> Annotate:
    """Load fer: Haar or MTCNN, and its quantised TFLite network, which is its default."""
    if mtcnn:  # before TensorFlow, after which torchvision's library crashes
        import torch
        import torchvision  # noqa: F401

        torch.set_num_threads(threads)
    limit_tensorflow(threads, interpreters)
    from fer.fer import FER

    logging.disable(logging.INFO)
    detector = FER(mtcnn=mtcnn)

    def find(frame: np.ndarray) -> list[Finding]:
        return [
            (tuple(int(value) for value in face["box"]), max(face["emotions"].items(),
                                                             key=lambda item: item[1])[0])
            for face in detector.detect_emotions(frame)
        ]  # fmt: skip

    return one_after_the_other(find)


def load_facex(threads: int, interpreters: bool = False) -> Annotate:
    """Load facex: Haar, and its TFLite network."""
    limit_tensorflow(threads, interpreters)
    from facex.core import EmotionClassifier

    folder = Path(importlib.util.find_spec("facex").origin).parent / "assets"
    classifier = EmotionClassifier(str(folder / "model_optimized.tflite"))

    def find(frame: np.ndarray) -> list[Finding]:
        return [
            (tuple(int(value) for value in face["bbox"]), max(face["emot"].items(),
                                                              key=lambda item: item[1])[0])
            for face in classifier.predict(frame)
        ]  # fmt: skip

    return one_after_the_other(find)


def load_seed(threads: int) -> Annotate:
    """Load what the seed did: Haar, two frozen MobileNetV2 graphs, session.run a face and graph."""
    limit_tensorflow(threads)
    cascade = cv2.CascadeClassifier(
        str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml")
    )
    classify, regress = open_frozen(8, "softmax", threads), open_frozen(2, "tanh", threads)

    def find(frame: np.ndarray) -> list[Finding]:
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        found = []
        for box in cascade.detectMultiScale(grey, *SEED_CASCADE):
            x, y, width, height = (int(value) for value in box)
            face = cv2.cvtColor(frame[y : y + height, x : x + width], cv2.COLOR_BGR2RGB)
            face = cv2.resize(face, (SEED_SIZE, SEED_SIZE)).astype(np.float32)[None] / 127.5 - 1
            expression, (valence, arousal) = classify(face)[0].argmax(), regress(face)[0]
            found.append(((x, y, width, height),
                          f"{LABELS[expression]} {valence:.2f} {arousal:.2f}"))  # fmt: skip
        return found

    return one_after_the_other(find)


def load_face_api(threads: int) -> Annotate:
    """Load face-api in Node.js: its small detector and expression network, at their defaults."""
    from face_api import FaceApi

    find = FaceApi(threads)
    VERSIONS_BESIDE.update(find.versions)
    annotate = one_after_the_other(find)

    def annotate_and_weigh(video: str, output: str) -> dict:
        found = annotate(video, output)
        return found | {"peak_memory_bytes": peak_memory() + peak_memory(find.process_id)}

    return annotate_and_weigh


def open_frozen(outputs: int, activation: str, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Freeze a MobileNetV2 with a head of 1024 units and random weights; gives its session.run."""
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = (SEED_SIZE, SEED_SIZE, 3)
    backbone = keras.applications.MobileNetV2(shape, include_top=False, weights=None, pooling="avg")
    units = keras.layers.Dense(SEED_UNITS, "relu")(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Dense(outputs, activation)(units))
    function = tf.function(lambda faces: model(faces, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((None, *shape), tf.float32))
    frozen = convert_variables_to_constants_v2(concrete)
    first, last = frozen.inputs[0].name, frozen.outputs[0].name
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(frozen.graph.as_graph_def(), name="")
    options = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
    )
    session = tf.compat.v1.Session(graph=graph, config=options)
    return lambda face: session.run(last, {first: face})


def load_affectkit(threads: int, overlapped: bool = True) -> Annotate:
    """Load affectkit's pipeline: as `affectkit predict` runs it, or one step after the other.

    With one thread of LiteRT, decoding and encoding still have a thread each, on the same cores.
    """
    from sequential_video import annotate_sequentially

    from affectkit import AffectPipeline
    from affectkit.pipeline import process_video

    pipeline = AffectPipeline(threads=threads)

    def annotate(video: str, output: str) -> dict:
        pipeline.timer.frames.clear()
        if overlapped:
            summary = process_video(pipeline, video, output, show_times=False)
        else:
            summary = annotate_sequentially(pipeline, video, output)
        return {"frames": summary.frames, "faces": summary.faces}

    return annotate


LEGS: dict[str, Callable[[int], Annotate]] = {
    "affectkit": lambda threads: load_affectkit(1),
    "affectkit-threads": load_affectkit,
    "affectkit-sequential": functools.partial(load_affectkit, overlapped=False),
    "fer": load_fer,
    "fer-threads": functools.partial(load_fer, interpreters=True),
    "fer-mtcnn": functools.partial(load_fer, mtcnn=True),
    "facex": load_facex,
    "facex-threads": functools.partial(load_facex, interpreters=True),
    "face-api": load_face_api,
    "seed": load_seed,
}
"""The contestants, by name."""

VERSIONS_BESIDE: dict[str, str] = {}
"""Of what a leg has besides this environment's packages."""


def package_versions() -> dict[str, str]:
    """Give the versions of what is in this environment."""
    found = {"python": sys.version.split()[0], "opencv": cv2.__version__}
    for name in ("fer", "facex", "tensorflow", "tensorflow-cpu", "torch", "facenet-pytorch",
                 "affectkit", "ai-edge-litert", "numpy"):  # fmt: skip
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | VERSIONS_BESIDE


def peak_memory(process: int | str = "self") -> int:
    """Give the largest resident memory of this or another program so far, in bytes.

    On Linux it is VmHWM: what getrusage gives there was handed on by the process that started it.
    """
    status = Path(f"/proc/{process}/status")
    if status.is_file():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def serve(leg: str, threads: int) -> None:
    """Load a leg and answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content: dict) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    cv2.setNumThreads(threads)
    start = perf_counter()
    try:
        annotate = LEGS[leg](threads)
    except (ImportError, AttributeError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        answer({"error": f"{type(error).__name__}: {reason[0]}"})
        return
    answer({"load_seconds": perf_counter() - start, "versions": package_versions()})
    for line in sys.stdin:
        job = json.loads(line)
        start = perf_counter()
        found = annotate(job["video"], job["output"])
        seconds = perf_counter() - start
        answer({"seconds": seconds, "peak_memory_bytes": peak_memory()} | found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("leg", choices=list(LEGS))
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    serve(options.leg, options.threads)
