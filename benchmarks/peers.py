"""Race affectkit against other packages: the same video, from decoding to the annotated file.

Usage, with a Python that has the peers (as for compare_peers.py; for fer's MTCNN also torch,
torchvision and facenet-pytorch; for @vladmandic/face-api Node.js and, by npm, that package,
@tensorflow/tfjs and @tensorflow/tfjs-backend-wasm; a leg without what it needs says that it was not
run)::

    python benchmarks/peers.py --output FOLDER --video VIDEO --peer-python VENV/bin/python \
        --mtcnn-python VENV2/bin/python --node-modules FOLDER/node_modules \
        --ferplus FERPLUS --london LONDON_FACES --yunet face_detection_yunet.onnx

Every contestant is a process of its own, kept to as many cores as it may have threads. They take
turns, in an order that is drawn anew each round; the first rounds are dropped. The seed is what
affectkit came from: Haar, then two frozen MobileNetV2 graphs of 224 pixels, asked once a face.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import pandas as pd
from report import Report, measure_accuracy, model_file, new_parser
from sequential_video import shorten

from affectkit.plots import plot_rates

LEGS_FILE = Path(__file__).with_name("video_legs.py")
OURS = ("affectkit", "affectkit-threads", "affectkit-sequential")
"""With one thread of LiteRT, with as many as there are cores, and one step after the other."""

THEIRS = ("fer", "fer-threads", "fer-mtcnn", "facex", "facex-threads", "face-api")
"""As they come, or with TFLite interpreters of as many threads as there are cores."""

SEED = "seed"
TIMES_PEER, TIMES_SEED = 4.0, 8.0
"""How many times the frames a second of the fastest peer and of the seed we want."""


class Contestant:
    """A process of video_legs.py.

    Attributes
    ----------
    error : str or None
        Why it can't take part.
    """

    def __init__(
        self, leg: str, threads: int, python: str | Path, node_modules: Path | None = None
    ) -> None:
        self.leg, self.threads = leg, threads
        command = [str(python), str(LEGS_FILE), leg, "--threads", str(threads)]
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
        return self._read()

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
    generator = np.random.default_rng(0)
    found: dict[str, list[dict]] = {one.leg: [] for one in contestants}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(warm_up + rounds):
            for index in generator.permutation(len(contestants)):
                one = contestants[index]
                if one.error:
                    continue
                told = one.run(video, Path(folder) / f"{one.leg}.mp4")
                one.error = told.get("error")
                if not one.error and number >= warm_up:
                    check_output(Path(folder) / f"{one.leg}.mp4", told["frames"])
                    found[one.leg].append(told)
    return found


def check_output(path: Path, frames: int) -> None:
    """Raise ValueError unless the file is a video of so many frames."""
    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    if count != frames:
        raise ValueError(f"expected {frames} frames in {path.name}, got {count}")


def summarise_leg(one: Contestant, told: list[dict]) -> dict:
    """Give the row of a leg."""
    row = {"leg": one.leg, "threads": one.threads, "status": one.error or "run"}
    if one.error or not told:
        return row | {"status": f"not run: {one.error}"}
    rates = [entry["frames"] / entry["seconds"] for entry in told]
    return row | {
        "rounds": len(told),
        "frames": told[0]["frames"],
        "faces": told[0]["faces"],
        "frames_a_second": float(np.median(rates)),
        "slowest": min(rates),
        "fastest": max(rates),
        "load_seconds": one.load_seconds,
        "peak_memory_bytes": told[-1]["peak_memory_bytes"],
        "valence_arousal": one.leg in (*OURS, SEED),
    }


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


def measure_peer_accuracy(arguments: argparse.Namespace) -> list[dict]:
    """Ask the peers' networks and ours about equal crops, as compare_peers.py does."""
    import compare_peers

    sets = {}
    if arguments.ferplus:
        sets["FER+"] = compare_peers.read_ferplus(arguments.ferplus)
    if arguments.london and arguments.yunet:
        sets["London faces"] = compare_peers.read_london(arguments.london, arguments.yunet)
    rows = []
    for data, (faces, true) in sets.items():
        faces, true = faces[: arguments.limit], true[: arguments.limit]
        grey = np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces])
        answers = {arguments.model: compare_peers.ask_checkpoint(arguments.model, faces, None)}
        for peer in compare_peers.PEERS:
            answers[peer] = compare_peers.ask_peer(arguments.peer_python, peer, grey)
        for network, scores in answers.items():
            rows.append({"data": data, "rows": len(true), "network": network})
            rows[-1] |= compare_peers.score(scores, true)
    return rows


def main(command: list[str]) -> Path:
    """Race with each number of threads, evaluate, write."""
    parser = new_parser(__doc__)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--peer-python", type=Path, required=True, help="Python with the peers")
    parser.add_argument("--mtcnn-python", type=Path, help="another one for fer's MTCNN")
    parser.add_argument("--node-modules", type=Path, help="of npm, for face-api")
    parser.add_argument("--yunet", type=Path, help="to cut out London faces for accuracy")
    parser.add_argument("--legs", nargs="+", default=[*OURS, *THEIRS, SEED],
                        choices=[*OURS, *THEIRS, SEED])  # fmt: skip
    parser.add_argument(
        "--frames", type=int, default=0, help="of the video, encoded anew; 0 for all, as they are"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=1, help="rounds dropped")
    arguments = parser.parse_args(command)
    arguments.model = "affectkit-real-int8"
    report = Report("peers", arguments, command)
    rows, environments = [], {}
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
    report.tables = {
        "peers": rows,
        "environments": list(environments.values()),
        "accuracy": measure_accuracy([arguments.model], arguments),
        "accuracy_on_equal_crops": measure_peer_accuracy(arguments),
        "model": [{"model": arguments.model} | model_file(arguments.model)],
    }
    add_ratios(report, rows)
    report.notes.append(
        "affectkit and the seed give valence and arousal besides the expression. The seed's "
        "networks have random weights here: they take as long, but their answers mean nothing. "
        "Ratios and targets are of the fastest of affectkit's legs: `affectkit` has one thread of "
        "LiteRT, `affectkit-threads` as many as there are cores, both with decoding and encoding "
        "in threads of their own; `affectkit-sequential` does one step after the other. fer and "
        "facex ask TFLite for no number of threads, and get one; `-threads` gives them all. "
        "face-api runs in Node.js on WebAssembly with SIMD; Python decodes, draws and encodes for "
        "it. "
        "Accuracy on equal crops is of fer's float network; its quantised form is what is timed."
    )
    ran = pd.DataFrame([row for row in rows if "frames_a_second" in row])
    if len(ran):
        label = "frames a second, from decoding to the annotated file"
        report.figures["peers"] = plot_rates(ran, "leg", "frames_a_second", label=label)
    return report.write()


if __name__ == "__main__":
    main(sys.argv[1:])
