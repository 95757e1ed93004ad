"""Kill commands at random moments with SIGKILL, run them again, and compare with unkilled runs.

    python benchmarks/kill_runs.py --kills 100 --seed 1

Each process is killed after a random number of file-system events (files opened to write, moved,
removed, folders made) in its run folder: before the next one, when a file was just opened and is
empty yet, or up to 0.2 s later. It is then run again with the same arguments, and killed again,
until it ends by itself. What the folder then holds must be what an unkilled run leaves: the same
bytes of models, rows, pictures and tables, each file once, and no temporary file.
`tests/crash/test_kills.py` does this with 20 kills.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

SHARES = {"render": 4, "render in two processes": 2, "unpack": 3, "predict": 4, "train": 4}
SHARES |= {"course": 3}
"""Kills of each command, of 20."""

LATEST = 0.2
"""Seconds after its event that a kill comes, at most."""

OPENED = -1
"""Instead of seconds: when the file was opened."""

LONGEST_RUN = 600
"""Seconds until a process is taken for hanging."""

WATCH = """
import atexit, os, signal, sys, threading, time
folder, moment, delay, count_file = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
count, due = 0, threading.Event()

def kill():
    due.wait()
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGKILL)

def watch(event, arguments):
    global count
    if event == "open":
        if not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
    elif event not in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"):
        return
    if not isinstance(arguments[0], (str, os.PathLike)):
        return
    if not os.fspath(arguments[0]).startswith(folder):
        return
    count += 1
    if count == moment:
        if delay > 0:
            due.set()
            return
        if delay < 0 and event == "open":  # opened, and nothing written yet
            os.open(arguments[0], arguments[2], 0o666)
        os.kill(os.getpid(), signal.SIGKILL)

def end():
    if due.is_set():
        time.sleep(60)
    with open(count_file, "w") as file:
        file.write(str(count))

if __name__ == "__main__":  # not in the processes that it starts
    atexit.register(end)
    threading.Thread(target=kill, daemon=True).start()
    sys.addaudithook(watch)
"""

RENDER = """
from affectkit.faces.dataset import render_dataset
if __name__ == "__main__":
    render_dataset(folder, 15, 3, 32, workers={workers}, progress=False)
    render_dataset(folder, 5, 3, 32, workers=1, progress=False, split="test")
"""

UNPACK = """
from pathlib import Path
from affectkit.data.sets.affectfaces import unpack
unpack(Path({archive!r}), Path(folder))
"""

PREDICT = """
from affectkit.pipeline import PredictSettings, predict_files
settings = PredictSettings(annotate=folder + "/drawn")
predict_files({paths!r}, folder + "/rows.csv", settings, progress=False)
"""

TRAIN = """
import keras, numpy as np
from affectkit.data.table import make_table
from affectkit.models.keras_models import save_model
from affectkit.models.build import BACKBONE
from affectkit.preprocess import Preprocessing
from affectkit.profiles import TrainingSettings
from affectkit.training.fit import forget_backup, train_model

def split(rows, name):
    generator = np.random.default_rng(len(name))
    faces = generator.integers(0, 256, (rows, 32, 32, 3), np.uint8)
    columns = {{"image_id": [str(row) for row in range(rows)], "split": [name] * rows}}
    columns |= {{"expression": np.arange(rows) % 8, "valence": np.linspace(-1, 1, rows)}}
    return make_table(columns | {{"arousal": np.zeros(rows)}}, "noise", "folder"), faces

def small_network(head, units):
    inputs = keras.Input((32, 32, 3))
    layers = [keras.layers.Conv2D(8, 3, 2), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    features = keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D()], name=BACKBONE)
    dropped = keras.layers.Dropout(0.2)(features(inputs))
    return keras.Model(inputs, keras.layers.Dense(units, head, name=name_of[units])(dropped))

name_of = {{8: "expression", 2: "valence_arousal"}}
runs = {{"classifier": (8, "softmax", "classification", dict(patience=2, mixup=0.2)),
        "regressor": (2, "tanh", "regression", dict(ema_momentum=0.5, head_epochs=1))}}
for name, (units, head, task, settings) in runs.items():
    path = folder + f"/models/{{name}}.keras"
    keras.utils.set_random_seed(4)
    settings = TrainingSettings(
        epochs=6, batch_size=16, learning_rate=0.05, augmentation="strong", **settings)
    if not os.path.exists(path):
        network = small_network(head, units)
        train_model(network, split(72, "train"), split(24, "validation"), Preprocessing(32),
                    settings, folder + "/logs", 7, keep_backup=True)
        save_model(network, path, Preprocessing(32))
        forget_backup(folder + "/logs", task)
"""

COURSE = """
from affectkit.course.runner import run_course
raise SystemExit(run_course(output=folder, notebooks={notebooks!r}, progress=False).exit_code)
"""

NAMES = ("dataset", "root", "profile", "output", "weights", "seed", "limit", "epochs")
PARAMETERS = "\n".join(f"{name} = 0" for name in NAMES)
NOTEBOOK = """
from pathlib import Path
from affectkit.files.atomic import write_atomically
from affectkit.data.skipped import SkippedRows
skipped = SkippedRows()
skipped.add("{name}.csv", 1, "damaged", "mend it")
skipped.to_csv(output + "/skipped_rows.csv")
for number in range(3):
    write_atomically(Path(output) / "models" / "{name}.txt", str(number) * 1000)
"""


@dataclass
class Scenario:
    """Python that writes into `folder` only, and what must come out of it.

    `outcome` gives what is in a folder, to be compared with that of an unkilled run (`expected`).
    Moments are drawn from the share `reach` of its file-system events: less means more kills before
    a run ends, which is cheaper where starting takes long.
    """

    code: str
    outcome: Callable[[Path], dict[str, str]]
    expected: dict[str, str] = field(default_factory=dict)
    events: int = 0
    kills: int = 0
    finished: int = 0
    wrong: list[str] = field(default_factory=list)
    reach: float = 1.0

    def run(self, folder: Path, moment: int = 0, delay: float = 0) -> bool:
        """Run in a process; tell whether it ended by itself."""
        script = folder.parent / f"{folder.name}.py"
        script.write_text(WATCH + self.code)
        count_file = folder.parent / f"{folder.name}.count"
        count_file.unlink(missing_ok=True)
        folder.mkdir(exist_ok=True)
        command = [sys.executable, str(script), str(folder), str(moment), str(delay)]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}
        process = subprocess.run(
            [*command, str(count_file)],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_RUN,
            check=False,
        )
        if process.returncode not in (0, -9):
            raise RuntimeError(f"the run in {folder} failed:\n{process.stderr[-3000:]}")
        if process.returncode == 0:
            self.events = self.events or int(count_file.read_text())
        return process.returncode == 0

    def check(self, folder: Path) -> None:
        """Compare a finished run with the unkilled one."""
        found = self.outcome(folder)
        self.finished += 1
        for name in sorted(found.keys() | self.expected.keys()):
            if found.get(name) != self.expected.get(name):
                kind = "lost" if name not in found else "more" if name not in self.expected else ""
                self.wrong.append(f"{folder.name}: {kind or 'other'} {name}")

    def kill_often(self, kills: int, folder: Path, generator: random.Random) -> None:
        """Kill runs so many times, and check what they leave at the end."""
        folder.mkdir()
        if not self.run(folder / "unkilled"):
            raise RuntimeError(f"the run in {folder} was killed by someone else")
        self.expected = self.outcome(folder / "unkilled")
        while self.kills < kills:
            killed = folder / f"killed{self.finished}"
            ended = False
            while not ended:
                wants_more = self.kills < kills
                moment = (
                    generator.randint(1, max(2, round(self.reach * self.events)))
                    if wants_more
                    else 0
                )
                delay = generator.choice([0, OPENED, OPENED, generator.uniform(0, LATEST)])
                try:
                    ended = self.run(killed, moment, delay)
                except RuntimeError as error:
                    self.finished += 1
                    self.wrong.append(f"{killed.name}: other {error}")
                    break
                self.kills += not ended
            else:
                self.check(killed)


def files_of(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file, hidden ones among them."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def predictions(folder: Path) -> dict[str, str]:
    """Give rows by file, and pictures; of videos the number of frames."""
    import cv2

    found = files_of(folder)
    del found["rows.csv"], found["rows.csv.progress.sqlite"]
    rows = pd.read_csv(folder / "rows.csv").groupby("file", sort=False)
    found |= {f"rows of {Path(name).name}": group.to_csv() for name, group in rows}
    for video in (folder / "drawn").glob("*.avi"):
        capture, frames = cv2.VideoCapture(str(video)), 0
        while capture.read()[0]:
            frames += 1
        found[f"drawn/{video.name}"] = f"{frames} frames"
    return found


def models(folder: Path) -> dict[str, str]:
    """Give digests of weights (a zip holds times), and logs."""
    from affectkit.models import open_model

    found = files_of(folder)
    for path in (folder / "models").glob("*.keras"):
        weights = open_model(path).model.get_weights()
        total = hashlib.sha256(b"".join(weight.tobytes() for weight in weights)).hexdigest()
        found[f"models/{path.name}"] = total
        found[f"models/{path.stem}.json"] = "with it"
    return found


def course(folder: Path) -> dict[str, str]:
    """Give what does not tell times: status, models, skipped rows."""
    found = files_of(folder)
    for name in ("report.html", "summary.json", "logs/course.log"):
        found[name] = "there"
    for name in [name for name in found if name.endswith(".ipynb")]:
        outputs = json.loads((folder / name).read_text())["cells"]
        found[name] = str([cell.get("execution_count") for cell in outputs])
        page = Path(name).with_suffix(".html").as_posix()  # has the run folder's name in it
        whole = (folder / page).read_text("utf-8").rstrip().endswith("</html>")
        found[page] = "whole" if whole else "cut off"
    summary = json.loads((folder / "summary.json").read_text())
    found["status"] = summary["status"] + str([e["status"] for e in summary["notebooks"]])
    return found


def prepare(folder: Path) -> dict[str, Scenario]:
    """Make the scenarios with what they read."""
    import cv2
    import nbformat
    import numpy as np

    from affectkit.faces import pack, render_dataset
    from affectkit.pipeline import VideoWriter

    faces = render_dataset(folder / "faces", 8, 9, 160, workers=1, progress=False)
    pack(faces, folder / "faces.zip")
    pictures = sorted(faces.rglob("*.webp"))
    with VideoWriter(folder / "video.avi", 25) as writer:
        for number in range(24):
            picture = cv2.imread(str(pictures[number // 12]))
            writer.write(np.ascontiguousarray(np.roll(picture, number % 12, axis=1)))
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    for name in ("00_first", "02_second", "04_third"):
        cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
        cells.append(nbformat.v4.new_code_cell(NOTEBOOK.format(name=name)))
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, notebooks / f"{name}.ipynb")
    paths = [*map(str, pictures), str(folder / "video.avi")]
    return {
        "render": Scenario(RENDER.format(workers=1), files_of),
        "render in two processes": Scenario(RENDER.format(workers=2), files_of),
        "unpack": Scenario(UNPACK.format(archive=str(folder / "faces.zip")), files_of),
        "predict": Scenario(PREDICT.format(paths=paths), predictions),
        "train": Scenario(TRAIN.format(), models, reach=0.5),
        "course": Scenario(COURSE.format(notebooks=str(notebooks)), course, reach=0.5),
    }


def summary(scenarios: dict[str, Scenario]) -> str:
    """Tell what came of it in one line."""
    kills = sum(scenario.kills for scenario in scenarios.values())
    wrong = [text for scenario in scenarios.values() for text in scenario.wrong]
    lost, more = (sum(f": {kind} " in text for text in wrong) for kind in ("lost", "more"))
    resumed = sum(scenario.kills for scenario in scenarios.values() if not scenario.wrong)
    return (
        f"{resumed} of {kills} kills resumed, {lost + more} files lost or doubled, "
        f"{len(wrong) - lost - more} different"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=SHARES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scenarios = prepare(Path(name))
        for number, (title, scenario) in enumerate(scenarios.items()):
            if arguments.only in (None, title):
                kills = round(arguments.kills * (SHARES[title] / 20 if not arguments.only else 1))
                generator = random.Random(arguments.seed * 1000 + number)
                scenario.kill_often(kills, Path(name) / str(number), generator)
                print(
                    f"{title}: {scenario.kills} kills, {scenario.finished} runs ended,",
                    *scenario.wrong or ["all as unkilled"],
                    sep="\n  ",
                    flush=True,
                )
    print(summary(scenarios))
    sys.exit(any(scenario.wrong for scenario in scenarios.values()))


if __name__ == "__main__":
    main()
