"""Race affectkit against other packages, and ask their networks and ours about the same faces.

Usage, with a Python that has the peers (`pip install --no-deps fer==25.10.3 facex==1.1.0`, and
tensorflow, opencv-python<5, scikit-image, requests and setuptools<81 beside them; for fer's MTCNN
also torch, torchvision and facenet-pytorch; for @vladmandic/face-api Node.js and, by npm, that
package, @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm)::

    python benchmarks/peers.py --output FOLDER --video VIDEO --peer-python VENV/bin/python \\
        --mtcnn-python VENV2/bin/python --node-modules FOLDER/node_modules \\
        --ferplus FERPLUS --london LONDON_FACES --yunet face_detection_yunet.onnx

The race is the same video, from decoding to the annotated file. Every contestant is a process of
its own, kept to as many cores as it may have threads; one without what it needs says that it was
not run. They take turns, in an order that is drawn anew each round; the first rounds are dropped.
The seed is what affectkit came from: Haar, then two frozen MobileNetV2 graphs of 224 pixels, asked
once a face. Without `--video` nobody races, and the file's name begins with `crops`.

Of accuracy: every network gets the same crops and scales them as its own package does. fer and
facex know seven expressions: on all eight they can't be right about Contempt; the seven-class
columns leave those rows, and our eighth answer, out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil
from figures import plot_rates
from report import Report, measure_accuracy, model_file, new_parser, rate_row, turns
from stages import opened, shorten

from affectkit.data import load_faces, load_table, read_table_image
from affectkit.labels import EXPRESSIONS
from affectkit.machine import peak_memory
from affectkit.models import apply_temperature, open_model
from affectkit.pipeline import load_detector
from affectkit.preprocess import Preprocessing, crop_face, scale_pixels

LEGS_FILE = Path(__file__).with_name("peer_legs.py")
OURS = ("affectkit", "affectkit-threads", "affectkit-sequential")
"""With one thread of LiteRT, with as many as there are cores, and one step after the other."""

THEIRS = ("fer", "fer-threads", "fer-mtcnn", "facex", "facex-threads", "face-api")
"""As they come, or with TFLite interpreters of as many threads as there are cores."""

SEED, RACING = "seed", "affectkit-real-int8"
TIMES_PEER, TIMES_SEED = 4.0, 8.0
"""How many times the frames a second of the fastest peer and of the seed we want."""

SEVEN = 7  # the expressions without Contempt
PEERS = {
    "fer": ("Anger", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"),
    "facex": ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"),
}
"""The order of each package's outputs, in affectkit's names."""


class Contestant:
    """A process of peer_legs.py; `error` says why it can't take part."""

    def __init__(
        self, leg: str, threads: int, python: str | Path, node_modules: Path | None = None
    ) -> None:
        self.leg, self.threads = leg, threads
        command = [str(python), str(LEGS_FILE), "race", leg, str(threads)]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        if node_modules:
            environment["NODE_PATH"] = str(node_modules.resolve())
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, env=environment,
            )  # fmt: skip
        except OSError as error:
            self._process, self._hello = None, {"error": f"{type(error).__name__}: {error}"}
        else:
            self._hello = self._read()
        self.error = self._hello.get("error")

    @property
    def load_seconds(self) -> float:
        """Seconds from the start of loading to being ready."""
        return self._hello["load_seconds"]

    @property
    def versions(self) -> dict[str, str]:
        """Of the packages of its environment."""
        return self._hello.get("versions", {})

    def run(self, video: Path, output: Path) -> dict:
        """Annotate the video once; gives seconds, frames, faces, peak_memory_bytes."""
        job = {"video": str(video), "output": str(output)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        told = self._read()
        if "error" in told:
            return told
        children = psutil.Process(self._process.pid).children(recursive=True)  # Node.js
        processes = (self._process.pid, *(child.pid for child in children))
        return told | {"peak_memory_bytes": sum(map(peak_memory, processes))}

    def close(self) -> None:
        """Let the process end."""
        if self._process is not None:
            self._process.communicate()

    def _read(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            return {"error": f"the process ended with code {self._process.wait()}"}
        return json.loads(line)


def race(
    contestants: list[Contestant], video: Path, rounds: int, warm_up: int
) -> dict[str, list[dict]]:
    """Let all annotate the video in turn; gives what each round told, by leg, the first dropped."""
    found: dict[str, list[dict]] = {one.leg: [] for one in contestants}
    with tempfile.TemporaryDirectory() as folder:
        for one, counts in turns(contestants, rounds, warm_up):
            if one.error:
                continue
            output = Path(folder) / f"{one.leg}.mp4"
            told = one.run(video, output)
            one.error = told.get("error")
            if not one.error and counts:
                check_output(output, told["frames"])
                found[one.leg].append(told)
    return found


def check_output(path: Path, frames: int) -> None:
    """Raise ValueError unless the file is a video of so many frames."""
    with opened(path) as capture:
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    if count != frames:
        raise ValueError(f"expected {frames} frames in {path.name}, got {count}")


def summarise_leg(one: Contestant, told: list[dict]) -> dict:
    """Give the row of a leg."""
    row = {"leg": one.leg, "threads": one.threads, "status": one.error or "run"}
    if one.error or not told:
        return row | {"status": f"not run: {one.error}"}
    rates = [entry["frames"] / entry["seconds"] for entry in told]
    row |= {"rounds": len(told), "frames": told[0]["frames"], "faces": told[0]["faces"]}
    row |= rate_row(rates, "frames")
    row |= {"load_seconds": one.load_seconds}
    row |= {"peak_memory_bytes": told[-1]["peak_memory_bytes"]}
    return row | {"valence_arousal": one.leg in (*OURS, SEED)}


def add_ratios(report: Report, rows: list[dict]) -> None:
    """Add the fastest of ours against each other leg, the fastest peer and the seed."""
    for threads in report.arguments.threads:
        rate = {
            row["leg"]: row["frames_a_second"]
            for row in rows
            if row.get("threads") == threads and "frames_a_second" in row
        }
        ours = max((rate[leg] for leg in OURS if leg in rate), default=None)
        peers = {leg: rate[leg] for leg in THEIRS if leg in rate}
        for leg, other in rate.items():
            if ours and leg not in OURS:
                name = f"affectkit / {leg}, frames a second, {threads} threads"
                report.ratio(name, ours / other, "higher")
        if ours and peers:
            fastest = max(peers, key=peers.get)
            name = f"affectkit / fastest peer ({fastest}), frames a second, {threads} threads"
            report.target(name, ours / peers[fastest], f">= {TIMES_PEER}")
        if ours and SEED in rate:
            name = f"affectkit / seed, frames a second, {threads} threads"
            report.target(name, ours / rate[SEED], f">= {TIMES_SEED}")


def ask_peer(python: Path, peer: str, faces: np.ndarray) -> np.ndarray:
    """Ask a peer in its own environment about grey crops; gives scores (n, 8) in our order.

    RuntimeError where it can't be asked.
    """
    with tempfile.TemporaryDirectory() as folder:
        crops, scores = Path(folder) / "crops.npy", Path(folder) / "scores.npy"
        np.save(crops, faces)
        command = [str(python), str(LEGS_FILE), "answer", peer, str(crops), str(scores)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
        found = np.load(scores, allow_pickle=False)
    result = np.zeros((len(faces), len(EXPRESSIONS)), np.float32)
    result[:, [EXPRESSIONS.index(name) for name in PEERS[peer]]] = found
    return result


def ask_checkpoint(name: str, faces: np.ndarray) -> np.ndarray:
    """Calibrated probabilities (n, 8) of a checkpoint for square RGB crops."""
    model = open_model(name)
    ready = np.stack([crop_face(face, None, model.preprocessing) for face in faces])
    parts = np.split(scale_pixels(ready.astype(np.float32)), range(128, len(ready), 128))
    answers = np.concatenate([model(part)["expression"] for part in parts])
    return apply_temperature(answers, model.temperature)


def read_ferplus(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Colour-less RGB faces (n, 48, 48, 3) and expressions of FER+'s test rows with a majority."""
    faces, table = load_faces(load_table("ferplus", root, "test"), Preprocessing(48))
    return faces, table["expression"].to_numpy(int)


def read_london(root: Path, yunet: Path) -> tuple[np.ndarray, np.ndarray]:
    """Faces (n, 200, 200, 3) of a folder of portraits, found by YuNet, and expressions."""
    table, detect, faces = load_table("folder", root), load_detector(str(yunet)), []
    for record in table.itertuples(index=False):
        image = read_table_image(record)
        faces.append(crop_face(image, detect(image)[0].box, Preprocessing(200)))
    return np.stack(faces), table["expression"].to_numpy(int)


def score(scores: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Accuracy on all rows; accuracy and balanced accuracy of the seven classes that all know."""
    seven = true < SEVEN
    answers, labels = scores[seven, :SEVEN].argmax(1), true[seven]
    recalls = [(answers[labels == label] == label).mean() for label in np.unique(labels)]
    return {
        "accuracy": float((scores.argmax(1) == true).mean()),
        "accuracy_seven": float((answers == labels).mean()),
        "balanced_seven": float(np.mean(recalls)),
    }


def compare_on_crops(report: Report) -> list[dict]:
    """Ask the peers' networks and ours about equal crops; who can't be asked is noted."""
    arguments, sets = report.arguments, {}
    if arguments.ferplus:
        sets["FER+"] = read_ferplus(arguments.ferplus)
    if arguments.london and arguments.yunet:
        sets["London faces"] = read_london(arguments.london, arguments.yunet)
    rows = []
    for data, (faces, true) in sets.items():
        faces, true = faces[: arguments.limit], true[: arguments.limit]
        answers = {name: ask_checkpoint(name, faces) for name in arguments.models}
        if arguments.peer_python:
            grey = np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces])
            for peer in PEERS:
                try:
                    answers[peer] = ask_peer(arguments.peer_python, peer, grey)
                except RuntimeError as error:
                    report.notes.append(f"{peer} was not asked about {data}: {error}")
        for network, scores in answers.items():
            row = {"data": data, "rows": len(true), "network": network}
            rows.append(row | score(scores, true))
    return rows


def run_race(report: Report) -> None:
    """Race with each number of threads."""
    arguments, rows, environments = report.arguments, [], {}
    for threads in arguments.threads:
        with ExitStack() as stack:
            contestants = []
            for leg in arguments.legs:
                python = sys.executable if leg in OURS else arguments.peer_python
                if leg == "fer-mtcnn":
                    python = arguments.mtcnn_python or python
                contestants.append(Contestant(leg, threads, python, arguments.node_modules))
                stack.callback(contestants[-1].close)
                environments[leg] = {"leg": leg} | contestants[-1].versions
            video = arguments.video
            if arguments.frames:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                video = shorten(video, arguments.frames, Path(folder) / "short.mp4")
            told = race(contestants, video, arguments.rounds, arguments.warm_up)
        rows += [summarise_leg(one, told[one.leg]) for one in contestants]
    report.tables |= {"peers": rows, "environments": list(environments.values())}
    add_ratios(report, rows)
    report.notes.append(
        "affectkit and the seed give valence and arousal besides the expression. The seed's "
        "networks have random weights here: they take as long, but their answers mean nothing. "
        "Ratios and targets are of the fastest of affectkit's legs: `affectkit` has one thread of "
        "LiteRT, `affectkit-threads` as many as there are cores, both with decoding and encoding "
        "in threads of their own; `affectkit-sequential` does one step after the other. fer and "
        "facex ask TFLite for no number of threads, and get one; `-threads` gives them all. "
        "face-api runs in Node.js on WebAssembly with SIMD; Python decodes, draws and encodes for "
        "it."
    )
    ran = pd.DataFrame([row for row in rows if "frames_a_second" in row])
    if len(ran):
        label = "frames a second, from decoding to the annotated file"
        report.figures["peers"] = plot_rates(ran, "leg", "frames_a_second", label=label)


def main(command: list[str]) -> Path:
    """Race, evaluate, write."""
    parser = new_parser("peers.py", __doc__)
    parser.add_argument("--video", type=Path, help="to race with")
    parser.add_argument("--peer-python", type=Path, help="Python with the peers")
    parser.add_argument("--mtcnn-python", type=Path, help="another one for fer's MTCNN")
    parser.add_argument("--node-modules", type=Path, help="of npm, for face-api")
    parser.add_argument("--yunet", type=Path, help="to cut out London faces for accuracy")
    parser.add_argument("--models", nargs="+", default=["affectkit-real", "affectkit-real-int8"],
                        help="that are asked about the crops")  # fmt: skip
    parser.add_argument("--legs", nargs="+", default=[*OURS, *THEIRS, SEED],
                        choices=[*OURS, *THEIRS, SEED])  # fmt: skip
    parser.add_argument(
        "--frames", type=int, default=0, help="of the video, encoded anew; 0 for all, as they are"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=1, help="rounds dropped")
    report = Report.begin("peers", parser, command)
    arguments = report.arguments
    if arguments.video:
        if arguments.peer_python is None and not set(arguments.legs) <= set(OURS):
            parser.error("other legs than affectkit's need --peer-python, a Python that has them")
        run_race(report)
    else:
        report.benchmark = "crops"
    report.tables |= {
        "accuracy": measure_accuracy([RACING], arguments),
        "accuracy_on_equal_crops": compare_on_crops(report),
        "model": [{"model": RACING} | model_file(RACING)],
    }
    report.notes.append(
        "Accuracy on equal crops is of fer's float network; its quantised form is what races."
    )
    return report.write()


if __name__ == "__main__":
    main(sys.argv[1:])
